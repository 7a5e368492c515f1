//! How the ledger's storage stands.

use std::fmt;

use crate::error::LedgerError;

/// Whether the ledger can be written, and why not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub enum Health {
    /// It can.
    #[default]
    Ok,
    /// There is no space: nothing new is entered, what is in force is undone
    /// and recorded in the space that was kept for it.
    Full {
        /// Since when, in Unix milliseconds.
        since_ms: i64,
    },
    /// It can be read but not written: nothing new is entered, what is in force
    /// is undone, and recorded once it can be.
    ReadOnly {
        /// Since when, in Unix milliseconds.
        since_ms: i64,
    },
    /// Reading or writing fails, with the same consequence.
    Failing {
        /// Since when, in Unix milliseconds.
        since_ms: i64,
        /// What SQLite said first.
        detail: String,
    },
}

impl Health {
    /// What a failed commit makes of it. The time of the first failure stays as
    /// long as the kind of failure does.
    pub(crate) fn failed(&self, error: &LedgerError, now_ms: i64) -> Self {
        match (self, error) {
            (Self::Full { .. }, LedgerError::DiskFull { .. } | LedgerError::NoRoom { .. })
            | (Self::ReadOnly { .. }, LedgerError::ReadOnly { .. }) => self.clone(),
            (_, LedgerError::DiskFull { .. } | LedgerError::NoRoom { .. }) => Self::Full { since_ms: now_ms },
            (_, LedgerError::ReadOnly { .. }) => Self::ReadOnly { since_ms: now_ms },
            (Self::Failing { .. }, _) => self.clone(),
            (_, error) => Self::Failing { since_ms: now_ms, detail: error.to_string() },
        }
    }

    /// One word for programs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Full { .. } => "full",
            Self::ReadOnly { .. } => "read-only",
            Self::Failing { .. } => "failing",
        }
    }

    /// Since when it is not [`Health::Ok`], in Unix milliseconds.
    #[must_use]
    pub fn since_ms(&self) -> Option<i64> {
        match self {
            Self::Ok => None,
            Self::Full { since_ms } | Self::ReadOnly { since_ms } | Self::Failing { since_ms, .. } => {
                Some(*since_ms)
            }
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Full { .. } => f.write_str("full: free some space; nothing new is done until then"),
            Self::ReadOnly { .. } => {
                f.write_str("read-only: mount it for writing; nothing new is done until then")
            }
            Self::Failing { detail, .. } => {
                write!(f, "failing: {detail}; nothing new is done until it works")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_of_a_kind_says_since_when() {
        let path = std::path::PathBuf::from("ledger.db");
        let full = LedgerError::DiskFull { path: path.clone() };
        let broken = LedgerError::Io { path: path.clone(), detail: "disk I/O error".to_owned() };
        let health = Health::Ok.failed(&full, 5);
        assert_eq!(health, Health::Full { since_ms: 5 });
        assert_eq!(health.failed(&LedgerError::NoRoom { path: path.clone() }, 9), health);
        let failing = health.failed(&broken, 12);
        assert_eq!((failing.word(), failing.since_ms()), ("failing", Some(12)));
        assert_eq!(failing.failed(&LedgerError::Busy { path: path.clone() }, 20), failing);
        assert_eq!(failing.failed(&LedgerError::ReadOnly { path }, 21).word(), "read-only");
    }
}
