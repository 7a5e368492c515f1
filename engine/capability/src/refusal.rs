//! Why something was not done.

use std::fmt;

/// Field by field the record `error` of the WIT package, so that the runtime
/// hands it on without a decision of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `denied`, `invalid-input`, `unavailable`, `timeout`, `unsupported` or
    /// `failed`.
    pub kind: &'static str,
    /// One line for the operator: what happened and what to do.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retry: bool,
}

impl Refusal {
    /// The command has no grant for this, or the grant or the guard excludes it.
    #[must_use]
    pub fn denied(message: impl Into<String>) -> Self {
        Self { kind: "denied", message: message.into(), retry: false }
    }

    /// The argument is unusable as it is.
    #[must_use]
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self { kind: "invalid-input", message: message.into(), retry: false }
    }

    /// A part of the host did not answer, or not now.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: "unavailable", message: message.into(), retry: true }
    }

    /// A wait was given up.
    #[must_use]
    pub fn timeout(message: impl Into<String>) -> Self {
        Self { kind: "timeout", message: message.into(), retry: true }
    }

    /// This host cannot do it at all.
    #[must_use]
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self { kind: "unsupported", message: message.into(), retry: false }
    }

    /// Anything else.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self { kind: "failed", message: message.into(), retry: false }
    }

    /// The same, but asking again is of no use before an operator has acted.
    #[must_use]
    pub fn for_good(mut self) -> Self {
        self.retry = false;
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Refusal {}
