//! Keeping single lines in text files.
//!
//! An effect's target is the file and the line as a JSON array,
//! `["/etc/hosts.deny","ALL:192.0.2.7"]`: both may hold blanks, and no two
//! targets can look alike this way.

mod call;
pub mod fake;
#[cfg(target_os = "linux")]
mod files;
mod text;
mod wrappers;

use std::fmt;

use riposte_policy::diagnostic::shown;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

pub use call::Lines;
#[cfg(target_os = "linux")]
pub use files::{Files, MarkedFiles};

/// The WIT interface, as effects name it.
pub const INTERFACE: &str = "lines";

/// Longest line in bytes, as the WIT says.
const LONGEST: usize = 1024;

/// One line, without its end: 1 to 1,024 bytes without control characters, and
/// without blanks at its ends, which nobody sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Line(String);

impl Line {
    /// # Errors
    ///
    /// `invalid-input` for any other text.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let wrong =
            |why: &str| Err(Refusal::invalid_input(format!("{} is not one line: {why}", shown(text))));
        if text.is_empty() {
            return wrong("it is empty");
        }
        if text.len() > LONGEST {
            return wrong("it is longer than 1024 bytes");
        }
        if text.chars().any(char::is_control) {
            return wrong("it holds a line end or another control character");
        }
        if text.trim() != text {
            return wrong("it has blanks at an end");
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The target of a file and a line.
fn target(file: &str, line: &Line) -> String {
    // Two texts become JSON whatever they hold.
    serde_json::to_string(&[file, line.as_str()]).unwrap_or_default()
}

/// The file and the line of a target.
fn parts(target: &str) -> Result<(String, Line), Refusal> {
    let wrong =
        || Refusal::unsupported(format!("{} is no file and line that this engine knows", shown(target)));
    let [file, line]: [String; 2] = serde_json::from_str(target).map_err(|_| wrong())?;
    Ok((file, Line::parse(&line)?))
}

/// The file of a target; `None`: another version of the engine wrote it.
pub(crate) fn file_of(target: &str) -> Option<std::path::PathBuf> {
    parts(target).ok().map(|(file, _)| file.into())
}

/// What was there before the first response kept the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Prior {
    file: File,
    line: Presence,
}

/// A file before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum File {
    There,
    /// It is removed again when nothing is left in it.
    Missing,
}

/// A line before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Presence {
    /// It stays: somebody else wrote it.
    Present,
    Absent,
}

impl Prior {
    fn stored(self) -> String {
        // Two plain words become JSON.
        serde_json::to_string(&self).unwrap_or_default()
    }

    fn read(text: &str) -> Result<Self, Refusal> {
        let unknown = |_| {
            Refusal::unsupported(format!(
                "the state before, {}, was recorded by another version of Riposte: undo it by hand",
                shown(text)
            ))
        };
        serde_json::from_str(text).map_err(unknown)
    }
}

#[cfg(test)]
mod tests;
