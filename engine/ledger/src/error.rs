//! What can go wrong, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use riposte_policy::order::EntryId;

use crate::entry::State;

/// Why the ledger did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LedgerError {
    /// Another engine has this ledger open.
    InUse {
        /// The ledger.
        path: PathBuf,
        /// The other engine's process, when its lock file says so.
        pid: Option<u32>,
    },
    /// The file or its folder cannot be opened or created.
    CannotOpen {
        /// The ledger.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// The file can be read but not written.
    ReadOnly {
        /// The ledger.
        path: PathBuf,
    },
    /// A newer Riposte wrote it.
    Newer {
        /// The ledger.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The file is an SQLite database, but not a ledger.
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged.
    Corrupt {
        /// The ledger.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// There is no space left to record anything.
    DiskFull {
        /// The ledger.
        path: PathBuf,
    },
    /// There was no space left, and what was kept in reserve is for undoing:
    /// nothing new is entered until there is space again.
    NoRoom {
        /// The ledger.
        path: PathBuf,
    },
    /// Another program holds the database locked.
    Busy {
        /// The ledger.
        path: PathBuf,
    },
    /// Reading or writing failed.
    Io {
        /// The ledger.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// The ledger was closed while the request was under way.
    Stopped,
    /// There is no such entry, or it is closed.
    NoSuchEntry(EntryId),
    /// The entry is in a state in which this cannot happen.
    Illegal {
        /// The entry.
        id: EntryId,
        /// The state it is in.
        from: State,
        /// The state it was to get into.
        to: State,
    },
    /// The entry was handed to an agent of Wazuh's: only that can undo it.
    HandedOver {
        /// The entry.
        id: EntryId,
        /// The agent.
        agent: String,
        /// The command that it was given.
        command: String,
    },
    /// The entry still holds effects, so it cannot be closed.
    StillHeld {
        /// The entry.
        id: EntryId,
        /// What it holds, `interface target` each, at most ten.
        effects: Vec<String>,
    },
    /// The entry's time was extended: it is not yet to be undone.
    NotDue {
        /// The entry.
        id: EntryId,
        /// When it is, in boot time.
        due_boot_ms: i64,
    },
}

impl LedgerError {
    /// Whether the storage failed: what was asked may be asked again later.
    /// All other errors are answers, and stay.
    #[must_use]
    pub fn is_storage(&self) -> bool {
        matches!(
            self,
            Self::CannotOpen { .. }
                | Self::ReadOnly { .. }
                | Self::Corrupt { .. }
                | Self::DiskFull { .. }
                | Self::Busy { .. }
                | Self::Io { .. }
        )
    }

    pub(crate) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(Code::DiskFull) => Self::DiskFull { path },
            Some(Code::ReadOnly) => Self::ReadOnly { path },
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => {
                Self::Corrupt { path, detail: error.to_string() }
            }
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Self::Busy { path },
            Some(Code::CannotOpen | Code::PermissionDenied) => {
                Self::CannotOpen { path, detail: error.to_string() }
            }
            None if is_damage(error) => Self::Corrupt { path, detail: error.to_string() },
            _ => Self::Io { path, detail: error.to_string() },
        }
    }
}

/// Whether a row holds what was never written to it.
fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::InvalidColumnType(..)
    )
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { path, pid } => {
                write!(f, "another engine has the ledger {} open", path.display())?;
                if let Some(pid) = pid {
                    write!(f, " (process {pid})")?;
                }
                f.write_str("; stop it first, or use another --home")
            }
            Self::CannotOpen { path, detail } => write!(
                f,
                "the ledger {} cannot be opened: {detail}; its folder must exist and be writable by this user",
                path.display()
            ),
            Self::ReadOnly { path } => write!(
                f,
                "the ledger {} cannot be written; check that its file system is not mounted read-only and that \
                 this user owns the file",
                path.display()
            ),
            Self::Newer { path, found, known } => write!(
                f,
                "the ledger {} was written by a newer Riposte (version {found}, this program knows up to {known}), and was not \
                 touched; start that newer Riposte again, or go back in order: let the newer one undo everything (`riposte \
                 undo --all`, or with its engine stopped `riposte undo --all --offline`), move the file away, and start this \
                 one with a new ledger",
                path.display()
            ),
            Self::Foreign { path } => write!(
                f,
                "{} is an SQLite database, but not a ledger of Riposte; name another file, or move it away",
                path.display()
            ),
            Self::Corrupt { path, detail } => {
                let path = path.display();
                write!(
                    f,
                    "the ledger {path} is damaged ({detail}); the next start of the engine sets it aside and goes on \
                     with what can be read of it and of its last copy; `riposte ledger recover FILE` shows what \
                     that is"
                )
            }
            Self::DiskFull { path } => write!(
                f,
                "there is no space left for the ledger {}; free some: until then nothing new is done, and what is in \
                 force is still undone on time",
                path.display()
            ),
            Self::NoRoom { path } => write!(
                f,
                "nothing new is entered in the ledger {}: its disk is full; free some space, and it goes on within \
                 seconds",
                path.display()
            ),
            Self::Busy { path } => write!(
                f,
                "another program holds the ledger {} locked; end the transaction that it has open (an sqlite3 shell?)",
                path.display()
            ),
            Self::Io { path, detail } => write!(
                f,
                "the ledger {} could not be read or written: {detail}; check the disk and the system's log",
                path.display()
            ),
            Self::Stopped => f.write_str("the ledger is closed: the engine is stopping"),
            Self::NoSuchEntry(id) => {
                write!(f, "entry {id} is not open; `riposte list` shows the entries that are")
            }
            Self::Illegal { id, from, to } => {
                write!(
                    f,
                    "entry {id} is {from} and cannot become {to}; `riposte list` shows what is in force"
                )
            }
            Self::HandedOver { id, agent, command } => write!(
                f,
                "entry {id} was handed to agent {agent} as {command}: what it did there can only be undone there, by \
                 that agent when its time is up, or by hand on its machine"
            ),
            Self::StillHeld { id, effects } => {
                write!(f, "entry {id} cannot be closed while it holds {}", effects.join(", "))
            }
            Self::NotDue { id, due_boot_ms } => {
                write!(f, "entry {id} is not due before {due_boot_ms} ms of boot time: it was extended")
            }
        }
    }
}

impl std::error::Error for LedgerError {}
