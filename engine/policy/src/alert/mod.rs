//! One line of `alerts.json`, read without copying it.
//!
//! Only what decides is read: rule, level, groups, agent, id and time. The
//! rest of the object stays text until a response asks for a part of it.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use serde_json::value::RawValue;

use crate::json::{self, Found, Object, Word};
use crate::pointer::Pointer;

/// Deepest nesting of an alert.
pub const DEEPEST: usize = 128;

/// The arrays of a rule that hold what Wazuh splits out of its groups
/// (`pci_dss` holds `11.4` for the group `pci_dss_11.4`), by name.
pub(crate) const COMPLIANCE: [&str; 7] = ["pci_dss", "gdpr", "gpg13", "hipaa", "nist_800_53", "tsc", "cis"];

/// An alert as one reads it to decide: it borrows from the line.
#[derive(Clone, Debug)]
pub struct Alert<'a> {
    object: &'a str,
    fields: Fields<'a>,
    rule: Rule<'a>,
}

impl<'a> Alert<'a> {
    /// Reads one line: the alert object itself, as in `alerts.json`, or the
    /// message that Wazuh sends for it, `{"version":1,"parameters":{"alert":{…}}}`.
    ///
    /// # Errors
    ///
    /// When the line is not UTF-8, not one JSON object, nested more than 128
    /// deep, without a `rule` object, or when a member that decides stands in
    /// it twice or is of the wrong kind.
    pub fn parse(line: &'a [u8]) -> Result<Self, NotAnAlert> {
        let text = utf8(line)?;
        let (object, mut fields) = whole(text)?;
        let Object(rule) = fields.rule.take().ok_or(NotAnAlert::NoRule)?;
        Ok(Self { object, fields, rule })
    }

    /// The text of the alert object: what `alerts.json` holds on one line.
    #[must_use]
    pub fn object(&self) -> &'a str {
        self.object
    }

    /// `id`; empty when it has none.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.fields.id.0
    }

    /// `rule.id`; empty when it has none. Wazuh writes text, its tests numbers.
    #[must_use]
    pub fn rule_id(&self) -> &str {
        &self.rule.id.0
    }

    /// `rule.id` as the number that `<rules_id>` names.
    #[must_use]
    pub fn rule_number(&self) -> Option<u32> {
        let id = self.rule_id();
        // `+7` is a number to Rust, not to Wazuh.
        id.bytes().all(|b| b.is_ascii_digit()).then(|| id.parse().ok()).flatten()
    }

    /// Whether it is about a line of `active-responses.log`: what a response did,
    /// read by Wazuh's decoders `ar_log` and `ar_log_json`.
    #[must_use]
    pub fn is_of_a_response(&self) -> bool {
        let Some(decoder) = self.fields.decoder else { return false };
        match json::find(decoder.get(), &NAME) {
            Found::Value(name) => matches!(name, r#""ar_log""# | r#""ar_log_json""#),
            Found::Absent | Found::Ambiguous => false,
        }
    }

    /// `rule.level`, when it has one; 255 for anything above.
    #[must_use]
    pub fn level(&self) -> Option<u8> {
        self.rule.level.0
    }

    /// `agent.id`; empty when it has none. `000` is the server itself.
    #[must_use]
    pub fn agent_id(&self) -> &str {
        self.fields.agent.as_ref().map_or("", |Object(agent)| &agent.id.0)
    }

    /// `agent.name`; empty when it has none.
    #[must_use]
    pub fn agent_name(&self) -> &str {
        self.fields.agent.as_ref().map_or("", |Object(agent)| &agent.name.0)
    }

    /// `timestamp` as it is written; empty when it has none.
    #[must_use]
    pub fn timestamp(&self) -> &str {
        &self.fields.timestamp.0
    }

    /// `timestamp` in milliseconds since 1970-01-01 UTC; `None` when there is
    /// none or it is not one.
    #[must_use]
    pub fn timestamp_ms(&self) -> Option<i64> {
        crate::timestamp::parse(self.timestamp())
    }

    /// The groups of the rule, the compliance ones with their full names
    /// (`pci_dss_11.4`), as written.
    #[must_use]
    pub fn groups(&self) -> Vec<String> {
        let mut groups = Vec::new();
        self.each_group(|group| groups.push(group.to_owned()));
        for (standard, array) in self.compliance() {
            json::each_text(array, &mut |control| groups.push(format!("{standard}_{}", control.trim())));
        }
        groups
    }

    /// The groups as the text in which Wazuh searches: `syslog,sshd,`, the
    /// compliance ones, which Wazuh splits off for the alert, behind the others.
    #[must_use]
    pub fn group_text(&self) -> String {
        let mut text = String::new();
        self.each_group(|group| text.extend([group.trim(), ","]));
        for (standard, array) in self.compliance() {
            json::each_text(array, &mut |control| text.extend([standard, "_", control.trim(), ","]));
        }
        text
    }

    /// The names in `rule.groups`. Wazuh writes an array; the text of a rule
    /// file, `syslog,sshd,`, is read too.
    pub(crate) fn each_group(&self, mut each: impl FnMut(&str)) {
        let Some(groups) = self.rule.groups else { return };
        match json::decoded(groups.get()) {
            Some(text) => text.split(',').map(str::trim).filter(|group| !group.is_empty()).for_each(each),
            None => json::each_text(groups.get(), &mut each),
        }
    }

    /// The compliance arrays that the rule has: which one, by its place in
    /// [`COMPLIANCE`], and its JSON text.
    pub(crate) fn compliance(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let rule = &self.rule;
        let arrays = [rule.pci_dss, rule.gdpr, rule.gpg13, rule.hipaa, rule.nist_800_53, rule.tsc, rule.cis];
        COMPLIANCE.into_iter().zip(arrays).filter_map(|(name, array)| Some((name, array?.get())))
    }
}

/// The alert object in `line`, bare or sent, whether or not it has a rule: for
/// responses run by hand, whose alert holds only what they act on.
///
/// # Errors
///
/// When the line is not UTF-8, not one JSON object, or nested more than 128 deep.
pub fn object(line: &[u8]) -> Result<&str, NotAnAlert> {
    let text = utf8(line)?;
    let (object, _) = whole(text)?;
    Ok(object)
}

/// The text at `pointer`; numbers, `true` and `false` as they are written.
/// `None` for nothing, `null`, an object, an array, and a member that stands
/// in its object twice.
#[must_use]
pub fn text<'a>(object: &'a str, pointer: &Pointer) -> Option<Cow<'a, str>> {
    let value = raw(object, pointer)?;
    match value.as_bytes().first()? {
        b'"' => json::decoded(value),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(value)),
    }
}

/// The JSON value at `pointer` as it is written: to look up several members of
/// one object without reading the whole alert for each.
#[must_use]
pub fn raw<'a>(object: &'a str, pointer: &Pointer) -> Option<&'a str> {
    match json::find(object, pointer) {
        Found::Value(value) => Some(value),
        Found::Absent | Found::Ambiguous => None,
    }
}

/// Whether two readers of the alert may find different things at `pointer`: a
/// member on the way stands twice, or its name is spelt with other letters in
/// upper case, for which not every reader cares.
#[must_use]
pub fn is_ambiguous(object: &str, pointer: &Pointer) -> bool {
    json::is_ambiguous(object, pointer)
}

/// Like [`text`], but only what is a JSON string.
#[must_use]
pub fn string<'a>(object: &'a str, pointer: &Pointer) -> Option<Cow<'a, str>> {
    json::decoded(raw(object, pointer)?)
}

/// Like [`text`], but not `true` and `false`, which tell no targets apart.
#[must_use]
pub fn text_or_number<'a>(object: &'a str, pointer: &Pointer) -> Option<Cow<'a, str>> {
    let value = raw(object, pointer)?;
    match value.as_bytes().first()? {
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(value)),
        _ => json::decoded(value),
    }
}

/// The whole number at `pointer`, also when it is a text of decimal digits,
/// which Wazuh's decoders write.
#[must_use]
pub fn number(object: &str, pointer: &Pointer) -> Option<i64> {
    let value = raw(object, pointer)?;
    match json::decoded(value) {
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        Some(_) => None,
        None => value.parse().ok(),
    }
}

/// The members that are read. Others are passed over.
#[derive(Clone, Debug, Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default)]
    rule: Option<Object<Rule<'a>>>,
    #[serde(borrow, default)]
    agent: Option<Object<Agent<'a>>>,
    #[serde(borrow, default)]
    id: Word<'a>,
    #[serde(borrow, default)]
    timestamp: Word<'a>,
    #[serde(borrow, default)]
    decoder: Option<&'a RawValue>,
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
}

#[derive(Clone, Debug, Deserialize)]
struct Agent<'a> {
    #[serde(borrow, default)]
    id: Word<'a>,
    #[serde(borrow, default)]
    name: Word<'a>,
}

/// Arrays stay text until a configured group asks for them.
#[derive(Clone, Debug, Deserialize)]
struct Rule<'a> {
    #[serde(borrow, default)]
    id: Word<'a>,
    #[serde(default)]
    level: Level,
    #[serde(borrow, default)]
    groups: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pci_dss: Option<&'a RawValue>,
    #[serde(borrow, default)]
    gdpr: Option<&'a RawValue>,
    #[serde(borrow, default)]
    gpg13: Option<&'a RawValue>,
    #[serde(borrow, default)]
    hipaa: Option<&'a RawValue>,
    #[serde(borrow, default)]
    nist_800_53: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tsc: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cis: Option<&'a RawValue>,
}

/// `rule.level`: a whole number, also as text.
#[derive(Clone, Copy, Debug, Default)]
struct Level(Option<u8>);

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Levels;

        impl Visitor<'_> for Levels {
            type Value = Level;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rule level: a whole number from 0 on")
            }

            fn visit_u64<E: Error>(self, level: u64) -> Result<Level, E> {
                Ok(Level(Some(u8::try_from(level).unwrap_or(u8::MAX))))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Level, E> {
                let level = text
                    .parse::<u64>()
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))?;
                self.visit_u64(level)
            }

            fn visit_unit<E: Error>(self) -> Result<Level, E> {
                Ok(Level(None))
            }
        }

        deserializer.deserialize_any(Levels)
    }
}

fn utf8(line: &[u8]) -> Result<&str, NotAnAlert> {
    let text = std::str::from_utf8(line).map_err(|error| NotAnAlert::NotUtf8 { at: error.valid_up_to() })?;
    Ok(text.trim_start_matches('\u{feff}').trim_ascii())
}

/// The alert object in `text`, bare or sent, and its members.
fn whole(text: &str) -> Result<(&str, Fields<'_>), NotAnAlert> {
    // The message that Wazuh sends wraps the alert in two more objects. What is
    // not too deep with them is not too deep without.
    let deep = json::too_deep(text, DEEPEST).is_some();
    if deep {
        check_depth(text, DEEPEST + 2, 0)?;
    }
    let fields = self::fields(text, 0)?;
    let (object, fields) = match sent_alert(&fields) {
        Some(sent) => (sent, self::fields(sent, start_in(text, sent))?),
        None => (text, fields),
    };
    if deep {
        check_depth(object, DEEPEST, start_in(text, object))?;
    }
    Ok((object, fields))
}

/// Reads the members of `text`, which begins at byte `start` of the line.
fn fields(text: &str, start: usize) -> Result<Fields<'_>, NotAnAlert> {
    match serde_json::from_str::<Object<Fields<'_>>>(text) {
        Ok(Object(fields)) => Ok(fields),
        Err(error) => Err(NotAnAlert::NotJson { at: start + json::offset(text, &error), why: why(&error) }),
    }
}

/// The message of serde without its place, which it counts otherwise than we.
fn why(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rfind(" at line ").and_then(|end| text.get(..end)).unwrap_or(&text);
    text.chars().take(200).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn check_depth(text: &str, deepest: usize, start: usize) -> Result<(), NotAnAlert> {
    match json::too_deep(text, deepest) {
        Some(at) => Err(NotAnAlert::TooDeep { at: start + at }),
        None => Ok(()),
    }
}

/// The alert object inside the message that Wazuh sends.
fn sent_alert<'a>(fields: &Fields<'a>) -> Option<&'a str> {
    let parameters = fields.parameters.filter(|_| fields.rule.is_none())?;
    match json::find(parameters.get(), &SENT) {
        Found::Value(alert) if alert.starts_with('{') => Some(alert),
        _ => None,
    }
}

static NAME: LazyLock<Pointer> = LazyLock::new(|| Pointer::to_member(&["name"]));

static SENT: LazyLock<Pointer> = LazyLock::new(|| Pointer::to_member(&["alert"]));

/// At which byte of `text` its part `part` begins.
fn start_in(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// Why a line is not an alert. Offsets count bytes from 0 in the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAnAlert {
    /// A byte is not UTF-8.
    NotUtf8 {
        /// Which.
        at: usize,
    },
    /// Not one JSON object, or a member that decides is not what it must be.
    NotJson {
        /// Where reading stopped.
        at: usize,
        /// Why.
        why: String,
    },
    /// Nested more than 128 deep.
    TooDeep {
        /// The bracket that is too deep.
        at: usize,
    },
    /// An object without a `rule` object.
    NoRule,
}

impl fmt::Display for NotAnAlert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an alert: ")?;
        match self {
            Self::NotUtf8 { at } => write!(f, "byte {at} is not UTF-8"),
            Self::NotJson { at, why } => write!(f, "at byte {at}: {why}"),
            Self::TooDeep { at } => write!(f, "at byte {at} it is nested more than {DEEPEST} deep"),
            Self::NoRule => f.write_str("it has no \"rule\" object, as each line of alerts.json has"),
        }
    }
}

impl std::error::Error for NotAnAlert {}

#[cfg(test)]
mod tests;
