//! The attributes of one element, as far as its row of the table goes: that
//! each is known, that what must be there is, and that nothing stands inside.

use super::super::block::unknown_attribute;
use super::super::findings::Findings;
use super::super::suggest::did_you_mean;
use super::super::xml::{Attribute, Element};
use super::no_content;
use crate::diagnostic::shown;
use crate::grant::language::{self, Need};

/// What a grant with an error says of itself.
const REFUSED: &str = "This grant is not given.";

/// One element that is being read.
pub(super) struct Attributes<'e, 'f, 'a> {
    element: &'e Element,
    findings: &'f mut Findings<'a>,
    /// Whether nothing wrong was found so far.
    sound: bool,
}

/// Why a value cannot be used, and what to write instead.
pub(super) struct Wrong {
    message: String,
    help: String,
}

impl Wrong {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "texts that were made for it, literals and errors alike"
    )]
    pub(super) fn new(message: impl ToString, help: impl ToString) -> Self {
        Self { message: message.to_string(), help: help.to_string() }
    }

    /// The message alone.
    pub(super) fn into_text(self) -> String {
        self.message
    }

    /// A word that is none of those that are known.
    pub(super) fn word(word: &str, known: &[&str]) -> Self {
        let listed = known.join(", ");
        let help = did_you_mean(word, known.iter().copied(), || format!("it takes {listed}."));
        Self::new(format!("{} is none of {listed}", shown(word)), help)
    }
}

impl<T: std::error::Error> From<T> for Wrong {
    fn from(error: T) -> Self {
        Self::new(error, "")
    }
}

impl<'e, 'f, 'a> Attributes<'e, 'f, 'a> {
    /// Checks what the table knows of this element.
    pub(super) fn of(
        element: &'e Element,
        known: &language::Element,
        findings: &'f mut Findings<'a>,
    ) -> Self {
        let mut read = Self::among(element, known.attributes, findings);
        let is_missing = |name: &str| element.attributes.iter().all(|attribute| attribute.name != name);
        for attribute in known.attributes {
            if attribute.need == Need::Required && is_missing(attribute.name) {
                let message = format!("<{}> has no {}=", known.name, attribute.name);
                let help = format!("write {}. {REFUSED}", known.least);
                read.findings.error(element.spot, "grant-incomplete", message, help);
                read.sound = false;
            }
        }
        read
    }

    /// The same for an element outside of the table, of these attributes.
    pub(super) fn among(
        element: &'e Element,
        known: &[language::Attribute],
        findings: &'f mut Findings<'a>,
    ) -> Self {
        let mut sound = no_content(element, findings);
        for attribute in &element.attributes {
            if known.iter().all(|known| known.name != attribute.name) {
                let names: Vec<_> = known.iter().map(|known| known.name).collect();
                unknown_attribute(element, attribute, &names, findings);
                sound = false;
            }
        }
        Self { element, findings, sound }
    }

    /// The grant, when everything in it could be read.
    pub(super) fn grant<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let grant = read(self);
        grant.filter(|_| self.sound)
    }

    /// The value of an attribute; `None` when it is not there or, with an error,
    /// cannot be read.
    pub(super) fn read<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        let attribute = self.find(name)?;
        match parse(attribute.value.trim()) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.refuse(name, wrong);
                None
            }
        }
    }

    /// The value as it is written, blanks and all.
    pub(super) fn raw(&self, name: &str) -> Option<&'e str> {
        self.find(name).map(|attribute| attribute.value.as_str())
    }

    /// One of these words.
    pub(super) fn choose<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        self.read(name, |value| {
            let found = words.iter().find(|(word, _)| *word == value);
            let known = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>();
            found.map(|(_, value)| *value).ok_or_else(|| Wrong::word(value, &known()))
        })
    }

    /// Reports that the value of an attribute cannot be used.
    pub(super) fn refuse(&mut self, name: &str, wrong: Wrong) {
        self.sound = false;
        let Wrong { message, mut help } = wrong;
        if !help.is_empty() {
            help.push(' ');
        }
        help.push_str(REFUSED);
        let spot = self.find(name).map_or(self.element.spot, |attribute| attribute.spot);
        super::super::block::invalid_at(spot, name, &message, &help, self.findings);
    }

    /// Reports what the operator should know of a value that is used.
    pub(super) fn warn(&mut self, name: &str, code: &'static str, message: String, help: String) {
        let spot = self.find(name).map_or(self.element.spot, |attribute| attribute.spot);
        self.findings.warning(spot, code, message, help);
    }

    fn find(&self, name: &str) -> Option<&'e Attribute> {
        self.element.attributes.iter().find(|attribute| attribute.name == name)
    }
}
