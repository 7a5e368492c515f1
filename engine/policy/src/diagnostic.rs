//! What is wrong in a configuration, where, and what to write instead.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

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
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
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

/// The shape of `riposte check --json`: severity, code, file, line, column,
/// message, help, wazuh.
impl Serialize for Diagnostic {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut out = serializer.serialize_struct("Diagnostic", 8)?;
        out.serialize_field("severity", &self.severity)?;
        out.serialize_field("code", self.code)?;
        out.serialize_field("file", &*self.place.file)?;
        out.serialize_field("line", &self.place.line)?;
        out.serialize_field("column", &self.place.column)?;
        out.serialize_field("message", &self.message)?;
        out.serialize_field("help", &self.help)?;
        out.serialize_field("wazuh", &self.wazuh)?;
        out.end()
    }
}

/// For people: severity, code and message, then place, source line, caret and
/// help, as compilers print it.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.place.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{}[{}]: {}", self.severity, self.code, self.message)?;
        writeln!(f, "{margin}--> {}", self.place)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", self.source)?;
        let indent = usize::try_from(self.place.column.saturating_sub(1)).unwrap_or(0);
        // The line may have been cut before the place.
        let indent = indent.min(self.source.chars().count());
        // A tab stays a tab, so that the caret stands under its character.
        let indent: String = self
            .source
            .chars()
            .chain(std::iter::repeat(' '))
            .take(indent)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        writeln!(f, "{margin} | {indent}^")?;
        if !self.help.is_empty() {
            writeln!(f, "{margin} = help: {}", self.help)?;
        }
        if !self.wazuh.is_empty() {
            writeln!(f, "{margin} = wazuh: {}", self.wazuh)?;
        }
        Ok(())
    }
}

/// Untrusted text made safe to print: quoted, control characters escaped, at
/// most 64 characters.
#[must_use]
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 64;
    let mut out = String::from("\"");
    for (n, c) in text.chars().enumerate() {
        if n == LONGEST {
            out.push('…');
            break;
        }
        if c.is_control() || c == '"' || c == '\\' {
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
    fn untrusted_text_cannot_forge_lines() {
        assert_eq!(shown("a\n2026/11/20 forged \u{1b}[31m"), "\"a\\n2026/11/20 forged \\u{1b}[31m\"");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 67);
    }

    #[test]
    fn a_place_behind_the_cut_makes_no_endless_line() {
        let diagnostic = Diagnostic {
            severity: Severity::Note,
            code: "x",
            place: Place { file: "f".into(), line: 1, column: u32::MAX },
            source: "cut".into(),
            message: String::new(),
            help: String::new(),
            wazuh: String::new(),
        };
        assert!(diagnostic.to_string().ends_with("1 | cut\n  |    ^\n"), "{diagnostic}");
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            code: "command-undefined",
            place: Place { file: "ossec.conf".into(), line: 12, column: 3 },
            source: "\t<command>fire</command>".into(),
            message: "no command is named \"fire\"".into(),
            help: String::new(),
            wazuh: String::new(),
        };
        let text = diagnostic.to_string();
        assert_eq!(
            text,
            "error[command-undefined]: no command is named \"fire\"\n  --> ossec.conf:12:3\n   |\n12 | \t<command>fire</command>\n   | \t ^\n"
        );
    }
}
