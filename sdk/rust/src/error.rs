//! Why something was not done.

use std::fmt;

/// Why a response, or a call to the host, was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure it is, from an open vocabulary; `wit/types.wit`
    /// lists the words.
    pub kind: String,
    /// One line for the operator: what happened, and what to do about it.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retry: bool,
}

impl Error {
    /// Kind `failed`: it did not work, and will not when tried again.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { kind: "failed".to_owned(), message: message.into(), retry: false }
    }

    /// Kind `invalid-input`: the alert or an argument is unusable as it is.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { kind: "invalid-input".to_owned(), message: message.into(), retry: false }
    }

    /// Kind `no-key`: the alert does not hold what this response acts on.
    pub fn no_key(message: impl Into<String>) -> Self {
        Self { kind: "no-key".to_owned(), message: message.into(), retry: false }
    }

    /// Kind `unavailable`: something did not answer; to be tried again.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: "unavailable".to_owned(), message: message.into(), retry: true }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Error {}
