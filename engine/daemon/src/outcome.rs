//! What became of an order.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use riposte_ledger::LedgerError;
use riposte_policy::order::EntryId;

/// What became of an order.
#[derive(Clone, Debug)]
#[must_use]
pub enum Outcome {
    /// In force until this time (Unix milliseconds), or for good.
    InForce {
        /// The entry.
        id: EntryId,
        /// When it ends.
        until_ms: Option<i64>,
    },
    /// Done once, nothing to undo.
    Done(EntryId),
    /// Given to an agent of Wazuh's, which does and undoes it by itself.
    HandedOver {
        /// The entry.
        id: EntryId,
        /// The agent's number.
        agent: Arc<str>,
        /// The name by which the agent knows it.
        command: String,
    },
    /// Nothing was done; this would have been.
    Shadow {
        /// The entry.
        id: EntryId,
        /// The effects that enforcing would have had.
        would: Vec<String>,
    },
    /// Admitted; its program waits for its turn. What comes of it is said then.
    Waiting(EntryId),
    /// In force or under way already; where it ends, it ends later now.
    Already {
        /// The entry.
        id: EntryId,
        /// When it ends now (Unix milliseconds), where somebody asked by hand
        /// and moved the end.
        until_ms: Option<i64>,
    },
    /// Decided before the last restart.
    Handled,
    /// The alert holds nothing to act on.
    NoKey(String),
    /// This platform cannot do it.
    Unsupported(String),
    /// It was not to be done.
    Refused(Refused),
    /// It was tried and did not work; what it had done was undone.
    Failed {
        /// The entry, where there is one.
        id: Option<EntryId>,
        /// Why.
        error: String,
    },
    /// The ledger cannot record it: the alert stays unhandled.
    Undecided(LedgerError),
}

/// Why an order was not to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The command is off: the diagnostics at the start say why.
    Off,
    /// Paused, until this time (Unix milliseconds) or until resumed.
    Paused(Option<i64>),
    /// White list or an allow holds the address.
    Allowed(String),
    /// The guard protects the target.
    Guarded(String),
    /// The target is not what its field should hold.
    Untyped(String),
    /// The command failed too often; milliseconds until it is asked again.
    Breaker(i64),
    /// Too many are in force.
    Full(u64),
    /// The same target is being undone, and that takes long.
    Undoing(EntryId),
    /// So many of the command's orders are under way, and none of them ends.
    Busy(u32),
    /// Its program got no turn for so long.
    Late(Duration),
}

impl Outcome {
    /// One word for programs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::InForce { .. } => "in-force",
            Self::Done(_) => "done",
            Self::HandedOver { .. } => "handed-over",
            Self::Shadow { .. } => "shadow",
            Self::Waiting(_) => "waiting",
            Self::Already { .. } => "already",
            Self::Handled => "handled",
            Self::NoKey(_) => "no-key",
            Self::Unsupported(_) => "unsupported",
            Self::Refused(_) => "refused",
            Self::Failed { .. } => "failed",
            Self::Undecided(_) => "undecided",
        }
    }

    /// The entry it is about.
    #[must_use]
    pub fn entry(&self) -> Option<EntryId> {
        match self {
            Self::InForce { id, .. }
            | Self::Done(id)
            | Self::HandedOver { id, .. }
            | Self::Shadow { id, .. }
            | Self::Waiting(id)
            | Self::Already { id, .. } => Some(*id),
            Self::Failed { id, .. } => *id,
            Self::Handled | Self::NoKey(_) | Self::Unsupported(_) | Self::Refused(_) | Self::Undecided(_) => {
                None
            }
        }
    }
}

impl Refused {
    /// One word for programs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Paused(_) => "paused",
            Self::Allowed(_) => "allowed",
            Self::Guarded(_) => "guarded",
            Self::Untyped(_) => "untyped",
            Self::Breaker(_) => "breaker",
            Self::Full(_) => "full",
            Self::Undoing(_) => "undoing",
            Self::Busy(_) => "busy",
            Self::Late(_) => "late",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InForce { until_ms: Some(until), .. } => {
                write!(f, "in force until {}", crate::report::time(*until))
            }
            Self::InForce { until_ms: None, .. } => f.write_str("in force for good"),
            Self::Done(_) => f.write_str("done"),
            Self::HandedOver { agent, command, .. } => {
                write!(f, "handed over to agent {agent} as {command}")
            }
            Self::Shadow { would, .. } if would.is_empty() => {
                f.write_str("shadow: nothing would have been changed")
            }
            Self::Shadow { would, .. } => write!(f, "shadow: would have made {}", would.join(", ")),
            Self::Waiting(id) => write!(f, "its program waits for its turn, as entry {id}"),
            Self::Already { id, until_ms: Some(until) } => {
                write!(f, "in force already, as entry {id}, and until {} now", crate::report::time(*until))
            }
            Self::Already { id, until_ms: None } => write!(f, "in force already, as entry {id}"),
            Self::Handled => f.write_str("handled before the restart"),
            Self::NoKey(why) => write!(f, "no key in this alert: {why}"),
            Self::Unsupported(why) => write!(f, "unsupported here: {why}"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Failed { error, .. } => write!(f, "failed: {error}"),
            Self::Undecided(error) => write!(f, "not decided, the alert stays unhandled: {error}"),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => {
                f.write_str("the command is off; the engine said why when it read the configuration")
            }
            Self::Paused(None) => f.write_str("paused until riposte resume"),
            Self::Paused(Some(until)) => write!(f, "paused until {}", crate::report::time(*until)),
            Self::Allowed(what) => write!(f, "{what}; riposte allow list shows what is allowed"),
            Self::Untyped(what) => f.write_str(what),
            Self::Guarded(what) => write!(f, "the guard protects {what}"),
            Self::Breaker(left) => write!(f, "it failed too often; asked again in {} s", left / 1000 + 1),
            Self::Undoing(id) => {
                write!(f, "the same is being undone as entry {id}, and that is not done yet")
            }
            Self::Busy(orders) => {
                write!(
                    f,
                    "{orders} of its orders are under way, and none of them has ended for {} s",
                    crate::room::STALLED.as_secs()
                )
            }
            Self::Late(waited) => write!(
                f,
                "its program got no turn for {} s, as others of its command took theirs; <limits concurrency=\"...\"> gives it more",
                waited.as_secs()
            ),
            Self::Full(limit) => write!(f, "{limit} of its entries are in force, which is the limit"),
        }
    }
}
