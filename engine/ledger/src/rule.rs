//! What an operator settled at run time, durably: allows, pauses, modes.
//!
//! The ledger keeps them and forgets them on time; whoever admits and guards
//! obeys them.

use std::sync::Arc;

use riposte_policy::config::Mode;
use riposte_policy::order::Actor;

/// Who settled something, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// Why, in their words.
    pub reason: Option<Arc<str>>,
}

/// What a pause or a mode is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// One tenant; `None`: all.
    pub tenant: Option<String>,
    /// One command, or one response (`drop#2`); `None`: all.
    pub subject: Option<String>,
}

/// An address that nothing may be done against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// The address or prefix, in its canonical spelling.
    pub address: String,
    /// How it came about.
    pub note: Note,
}

/// A stop of everything new. Undoing goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// What is paused.
    pub scope: Scope,
    /// How it came about.
    pub note: Note,
}

/// A mode other than the configuration's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeRule {
    /// What it is about.
    pub scope: Scope,
    /// The mode.
    pub mode: Mode,
    /// How it came about.
    pub note: Note,
}

/// How a rule came about, and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When it ends, wall clock in milliseconds; `None`: when it is taken back.
    pub until_ms: Option<i64>,
    /// The same in milliseconds since the machine was started.
    pub until_boot_ms: Option<i64>,
    /// Who settled it, and why.
    pub by: By,
    /// When, wall clock in milliseconds.
    pub created_ms: i64,
}
