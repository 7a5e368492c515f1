//! What is wrong in a configuration, where, and what to write instead.
//!
//! * `codes`: every kind of finding, and its page;
//! * `render`: a finding for people, as compilers print it.

mod codes;
mod render;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

pub use self::codes::{CODES, Code, Stage, UnknownCode, code};
pub use self::render::Look;
pub use crate::config::nearest;

/// How much a [`Diagnostic`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing needs to change.
    Note,
    /// Works, but perhaps not as meant. An error under `--strict`.
    Warning,
    /// The element it points at is not used. The others still are.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Where something stands in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Line, from 1; 0 for the file as such.
    pub line: u32,
    /// Column in characters, from 1; 0 for the file as such.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// One finding about a configuration. Codes are stable: scripts may test them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// Stable name of the kind of finding, such as `command-undefined`. Codes
    /// that begin with `xml-` are for malformed XML alone.
    pub code: &'static str,
    /// Where it stands.
    pub place: Place,
    /// The source line, cut to a printable length.
    pub source: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it; empty when the message says it all.
    pub help: String,
    /// What Wazuh logs in its place, such as `(1303): Invalid command 'x' in
    /// the active response.`; empty when it says nothing.
    pub wazuh: String,
}

impl Diagnostic {
    /// Where its page lies in the repository; `riposte check --explain CODE`
    /// prints it.
    #[must_use]
    pub fn docs(&self) -> String {
        format!("docs/findings/{}.md", self.code)
    }
}

/// The shape of `riposte check --json`: severity, code, file, line, column,
/// `end_column` (behind the last character; left out when it is not known),
/// message, help, wazuh, docs.
impl Serialize for Diagnostic {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut out = serializer.serialize_struct("Diagnostic", 10)?;
        out.serialize_field("severity", &self.severity)?;
        out.serialize_field("code", self.code)?;
        out.serialize_field("file", &*self.place.file)?;
        out.serialize_field("line", &self.place.line)?;
        out.serialize_field("column", &self.place.column)?;
        match self.end_column() {
            Some(end) => out.serialize_field("end_column", &end)?,
            None => out.skip_field("end_column")?,
        }
        out.serialize_field("message", &self.message)?;
        out.serialize_field("help", &self.help)?;
        out.serialize_field("wazuh", &self.wazuh)?;
        out.serialize_field("docs", &self.docs())?;
        out.end()
    }
}

/// Whether a character acts on whoever reads it, instead of standing there: a
/// control character, a line end that does not look like one, or one that turns
/// the direction of the text around it.
#[must_use]
pub fn acts(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control()
}

/// Untrusted text made safe to print in the middle of a line: what [`acts`] is
/// escaped, all else stands as it is.
#[must_use]
pub fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Text of several lines made safe to print: line ends and tabs stay, what else
/// [`acts`] is escaped. Where untrusted words stand in a line of it, they are
/// [`inline`] before: here they could begin another.
#[must_use]
pub fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) && !matches!(c, '\n' | '\t') { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Untrusted text made safe to print: quoted, what [`acts`] escaped, at most 64
/// characters.
#[must_use]
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 64;
    let mut out = String::from("\"");
    for (n, c) in text.chars().enumerate() {
        if n == LONGEST {
            out.push('…');
            break;
        }
        if acts(c) || c == '"' || c == '\\' {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stands_in_its_line_and_turns_nothing_around() {
        assert_eq!(inline("a\nb\u{202e}c \"d\" é"), "a\\nb\\u{202e}c \"d\" é");
    }

    #[test]
    fn lines_stay_and_nothing_in_them_acts() {
        assert_eq!(lines("a\n\tb\u{1b}[31m\rc\u{9b}"), "a\n\tb\\u{1b}[31m\\rc\\u{9b}");
    }

    #[test]
    fn untrusted_text_cannot_forge_lines() {
        assert_eq!(shown("a\n2026/11/20 forged \u{1b}[31m"), "\"a\\n2026/11/20 forged \\u{1b}[31m\"");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 67);
    }
}
