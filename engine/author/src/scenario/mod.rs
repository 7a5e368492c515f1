//! Scenarios: what a response is to do with an alert, tried in the real sandbox
//! on a host that is only played.
//!
//! A file holds `{"scenarios": [...]}`. Each names a call, an alert, what the
//! host answers, and what is expected; `docs/sdk/scenarios.md` describes every
//! field. Nothing touches the machine, and nobody has to be root: the component
//! runs as in the engine, and a [`Rehearsal`] stands where its capabilities are.
//!
//! # Layout
//!
//! * [`Scenario`], [`Expect`]: what a file says, read by `read` from `fields`.
//! * `alert`: the alerts that are made, not written: too deep, too large.
//! * [`stage`]: [`Stage`], on which a [`Subject`] plays.
//! * `compare`: what was expected against what came.
//! * [`show`]: both for people and for programs.
//!
//! [`Rehearsal`]: riposte_capability::rehearsal::Rehearsal

mod alert;
mod answers;
mod base64;
mod compare;
pub mod error;
mod fields;
mod read;
pub mod show;
pub mod stage;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use riposte_capability::rehearsal::Answer;

pub use compare::Difference;
pub use error::ScenarioError;
pub use read::{files, read};
pub use stage::{Played, Round, Stage, Subject};

/// One scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The file it stands in.
    pub file: PathBuf,
    /// What it shows.
    pub name: String,
    /// Which function is called.
    pub call: Call,
    /// The alert, as bytes: it may be none.
    pub alert: Vec<u8>,
    /// What `delete` is given.
    pub receipt: Option<Vec<u8>>,
    /// What the component may ask of its call.
    pub invocation: Told,
    /// What the operator sets, by name.
    pub config: BTreeMap<String, String>,
    /// What the operator keeps from everybody else, by name.
    pub secrets: BTreeMap<String, String>,
    /// Folders that it sees, with the names and texts of their files.
    pub folders: BTreeMap<String, BTreeMap<String, String>>,
    /// What the host answers, by function or whole call.
    pub host: BTreeMap<String, Vec<Answer>>,
    /// How often the call is made, each in a fresh instance.
    pub times: u32,
    /// What is expected of each.
    pub expect: Expect,
}

/// A function that a component exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the function of its name")]
pub enum Call {
    Keys,
    Add,
    Delete,
    Run,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Keys, Self::Add, Self::Delete, Self::Run];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Add => "add",
            Self::Delete => "delete",
            Self::Run => "run",
        }
    }

    /// The function of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.as_str() == name)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What `invocation` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the function of its name")]
pub struct Told {
    pub command: String,
    pub id: String,
    pub attempt: u32,
    pub timeout: Option<u64>,
    pub offence: u32,
    pub tenant: String,
    pub location: &'static str,
    pub arguments: Vec<String>,
    pub keys: Vec<String>,
}

impl Default for Told {
    /// As in the native tests of the SDKs.
    fn default() -> Self {
        Self {
            command: "test".to_owned(),
            id: "1".to_owned(),
            attempt: 1,
            timeout: Some(600),
            offence: 1,
            tenant: "default".to_owned(),
            location: "local",
            arguments: Vec::new(),
            keys: Vec::new(),
        }
    }
}

/// What is expected of a call; what is `None` is not looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// How it ends.
    pub end: End,
    /// What `keys` names.
    pub keys: Option<Vec<String>>,
    /// What `add` returns.
    pub receipt: Option<Vec<u8>>,
    /// Every call of a capability, in order.
    pub calls: Option<Vec<String>>,
    /// Each is a part of some line of the log.
    pub log: Vec<String>,
    /// Most memory, in bytes.
    pub memory: Option<u64>,
    /// Most processor time.
    pub cpu: Option<Duration>,
}

/// How a call ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It does what it is to do.
    Ok,
    /// It says no.
    Error {
        /// The kind of its error.
        kind: Option<String>,
        /// A part of its message.
        message: Option<String>,
        /// Whether asking again may help.
        retry: Option<bool>,
    },
    /// It is stopped at a limit.
    Limit(Limit),
    /// It crashes, or ends itself.
    Trap,
}

/// A limit of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the limit of its name")]
pub enum Limit {
    Cpu,
    Memory,
    Wall,
}

impl Limit {
    const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::Wall];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Wall => "wall",
        }
    }
}

#[cfg(test)]
mod tests;
