//! JSON whose every value knows where it stands, so that what is wrong can be
//! said with file, line, scenario and field.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::rc::Rc;

use riposte_policy::config::nearest;
use riposte_policy::diagnostic::{inline, shown};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::ScenarioError;

type Result<T> = std::result::Result<T, ScenarioError>;

/// One value of a file.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    file: &'a Path,
    text: &'a str,
    raw: &'a str,
    scenario: Rc<str>,
    name: String,
}

impl<'a> Field<'a> {
    /// The whole of a file.
    pub(super) fn whole(file: &'a Path, text: &'a str) -> Result<Self> {
        let field = |raw| Self { file, text, raw, scenario: "".into(), name: String::new() };
        match serde_json::from_str::<&RawValue>(text) {
            Ok(value) => Ok(field(value.get())),
            Err(error) => {
                let line = error.line().max(1);
                let what = format!("this is no JSON: {error}");
                let scenario = String::new();
                Err(ScenarioError::Field {
                    file: file.to_owned(),
                    line,
                    scenario,
                    field: String::new(),
                    what,
                })
            }
        }
    }

    /// The same, within the scenario of this name.
    pub(super) fn of(mut self, scenario: &str) -> Self {
        self.scenario = scenario.into();
        self.name.clear();
        self
    }

    /// The text as it is written.
    pub(super) fn raw(&self) -> &'a str {
        self.raw
    }

    /// An error about this value.
    pub(super) fn wrong(&self, what: impl Into<String>) -> ScenarioError {
        let at = (self.raw.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        ScenarioError::Field {
            file: self.file.to_owned(),
            line: self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1,
            scenario: self.scenario.as_ref().to_owned(),
            field: self.name.clone(),
            what: what.into(),
        }
    }

    /// A text.
    pub(super) fn text(&self) -> Result<String> {
        self.as_a("a text in quotes")
    }

    /// A value that serde reads; `what` says what it is to be.
    pub(super) fn as_a<T: Deserialize<'a>>(&self, what: &str) -> Result<T> {
        serde_json::from_str(self.raw).map_err(|_| {
            let came: String = self.raw.chars().take(40).collect();
            self.wrong(format!(
                "this is to be {what}, not {}",
                inline(&came.split_whitespace().collect::<Vec<_>>().join(" "))
            ))
        })
    }

    pub(super) fn is_text(&self) -> bool {
        self.raw.starts_with('"')
    }

    pub(super) fn is_list(&self) -> bool {
        self.raw.starts_with('[')
    }

    /// The values of a list.
    pub(super) fn list(&self) -> Result<Vec<Self>> {
        let raws: Vec<&RawValue> = self.as_a("a list: [...]")?;
        Ok((1..)
            .zip(raws)
            .map(|(number, raw)| Self {
                raw: raw.get(),
                name: format!("{}[{number}]", self.name),
                ..self.clone()
            })
            .collect())
    }

    /// The texts of a list.
    pub(super) fn texts(&self) -> Result<Vec<String>> {
        self.as_a("a list of texts: [\"...\"]")
    }

    /// The members of an object. A name that stands there twice is an error.
    pub(super) fn members(&self) -> Result<Vec<(String, Self)>> {
        let Members(found) = self.as_a("an object: {...}")?;
        let mut members: Vec<(String, Self)> = Vec::new();
        let mut known = HashSet::new();
        for (name, raw) in found {
            let shown = inline(&name);
            let within = if self.name.is_empty() { shown } else { format!("{}.{shown}", self.name) };
            let field = Self { raw: raw.get(), name: within, ..self.clone() };
            if !known.insert(name.clone()) {
                return Err(field.wrong("it stands here twice: leave one"));
            }
            members.push((name, field));
        }
        Ok(members)
    }

    /// The members of an object that has these and no others.
    pub(super) fn object(&self, known: &[&str]) -> Result<Object<'a>> {
        let members = self.members()?;
        if let Some((name, field)) = members.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            let hint = match nearest(name, known.iter().copied()) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("there are {}", known.join(", ")),
            };
            return Err(field.wrong(format!("there is no {}: {hint}", shown(name))));
        }
        Ok(Object { whole: self.clone(), members })
    }
}

/// An object whose members are known.
#[derive(Debug)]
pub(super) struct Object<'a> {
    whole: Field<'a>,
    members: Vec<(String, Field<'a>)>,
}

impl<'a> Object<'a> {
    /// The member of this name; one that is null counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&Field<'a>> {
        self.members
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, field)| field)
            .filter(|f| f.raw != "null")
    }

    /// The same; not to have it is an error.
    pub(super) fn need(&self, name: &str) -> Result<&Field<'a>> {
        self.get(name).ok_or_else(|| self.whole.wrong(format!("{name} is missing")))
    }

    /// What `read` makes of the member of this name, if it is there.
    pub(super) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Field<'a>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.get(name).map(read).transpose()
    }

    /// An error about the whole.
    pub(super) fn wrong(&self, what: impl Into<String>) -> ScenarioError {
        self.whole.wrong(what)
    }
}

/// Names and values in their order, also names that stand there twice.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}
