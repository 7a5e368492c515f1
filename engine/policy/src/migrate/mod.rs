//! Between the configuration of Wazuh 4.x and the documents of Wazuh 5.x.
//!
//! Wazuh 5 has no `<active-response>` on the manager. A response is a
//! notification channel of the indexer that says what runs where and for how
//! long, and a monitor whose trigger calls the channel says when. Neither
//! holds everything that the other side can say, so both ways come with a list
//! of [`Finding`]s: what is lost, where it stood, and what to do.
//!
//! * [`to_five()`]: a [`Config`](crate::Config) to [`Document`]s.
//! * [`from_five()`]: documents to XML.
//! * [`document`]: the shape of the documents, and where it was found.
//! * `programs`: which program of 5.x does what one of 4.x did.
//!
//! What survives unchanged both ways: the command's name, executable and
//! arguments, the locations `local`, `all` and `defined-agent` with its agent,
//! and a timeout in whole seconds.

pub mod document;
mod from_five;
mod programs;
#[cfg(test)]
mod tests;
mod to_five;

use std::fmt;

use serde::Serialize;

use crate::diagnostic::Severity;

pub use document::Document;
pub use from_five::{Four, from_five};
pub use to_five::{Five, to_five};

/// Something that the other version cannot say, or says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Error: a response that is not migrated. Warning: a part of one that is
    /// lost, or means something else. Note: worth knowing.
    pub severity: Severity,
    /// Where it stands, `FILE:LINE:COLUMN`, or which document it is; empty
    /// when it stands nowhere in particular.
    pub place: String,
    /// What it is, in the words of the version it comes from.
    pub what: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        write!(f, "{}: {}", self.severity, self.what)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "\n  {}", self.help) }
    }
}

/// The findings of one migration.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, place: &str, what: impl Into<String>, help: impl Into<String>) {
        self.0.push(Finding { severity, place: place.to_owned(), what: what.into(), help: help.into() });
    }
}
