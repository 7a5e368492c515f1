//! The control socket: what an operator asks of a running engine.
//!
//! One request and one answer a connection, each a JSON object on a line. The
//! socket is mode 0600, and the actor of every act is the user id that the
//! kernel reports for the other end.

pub mod acts;
pub mod client;
pub mod ledger;
mod orphans;
pub mod server;
mod undos;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exec::hand_over::Step;

/// Longest request in bytes: an alert of 1 MiB, quoted, and some words.
pub const LONGEST: u64 = 4 << 20;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Entries; with `all` also those that are over.
    List {
        /// Also those that are over.
        all: bool,
        /// Only those that are stuck.
        #[serde(default)]
        stuck: bool,
    },
    /// What the host shows with the engine's mark, and the ledger never heard of.
    Orphans,
    /// Take one of those away.
    UndoOrphan {
        /// As it is listed.
        orphan: String,
        /// Why.
        reason: Option<String>,
    },
    /// Undo what is in force on a target, or everything.
    Undo {
        /// Address, user or id; none: everything.
        target: Option<String>,
        /// Then allow the address for this many seconds.
        allow: Option<u64>,
        /// Why.
        reason: Option<String>,
    },
    /// Run a command by hand.
    Add {
        /// Its name.
        command: String,
        /// The alert object.
        alert: String,
        /// Undo it after this many seconds.
        lasting: Option<u64>,
        /// Why.
        reason: Option<String>,
    },
    /// Never act against an address or prefix.
    Allow {
        /// The address or prefix.
        target: String,
        /// For this many seconds.
        lasting: Option<u64>,
        /// Why.
        reason: Option<String>,
    },
    /// Take an allow back.
    Disallow {
        /// The address or prefix.
        target: String,
        /// Why.
        reason: Option<String>,
    },
    /// The allows in force.
    Allows,
    /// Stop responding.
    Pause {
        /// Only this command.
        command: Option<String>,
        /// For this many seconds.
        lasting: Option<u64>,
        /// Why.
        reason: Option<String>,
    },
    /// Respond again.
    Resume {
        /// Only this command.
        command: Option<String>,
        /// Why.
        reason: Option<String>,
    },
    /// Change a command's mode: `enforce`, `shadow`, or none for the file's.
    Mode {
        /// Its name.
        command: String,
        /// The mode.
        mode: Option<String>,
        /// Why.
        reason: Option<String>,
    },
    /// Read the configuration again.
    Reload,
    /// What the engine is doing.
    Status,
    /// One step of a program that was called as a command of Wazuh's.
    Program {
        /// Name of the built-in response.
        name: String,
        /// Which step.
        step: Step,
        /// The alert object.
        alert: String,
        /// `extra_args` of the message.
        arguments: Vec<String>,
    },
    /// Whether what the engine remembers is what its ledger says.
    VerifyLedger,
    /// What would become of an alert; changes nothing. Without one: only which
    /// configuration is in use.
    Explain {
        /// The alert object.
        alert: Option<String>,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// How it went.
    pub result: Result,
    /// In words, for people.
    pub message: String,
    /// For programs.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Result {
    /// Done.
    Done,
    /// Not done.
    Failed,
    /// Accepted, and still under way when the answer was sent.
    NotYet,
}

impl Answer {
    /// Done, in these words.
    pub fn done(message: impl Into<String>) -> Self {
        Self { result: Result::Done, message: message.into(), data: Value::Null }
    }

    /// Not done, for this reason.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { result: Result::Failed, message: message.into(), data: Value::Null }
    }

    /// The same with data for programs.
    #[must_use]
    pub fn with(self, data: Value) -> Self {
        Self { data, ..self }
    }
}
