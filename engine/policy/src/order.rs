//! One response that is to be run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Command, Mode, Response, Way};

/// One response to one alert on one machine: everything needed to run it,
/// later and after a restart, without the configuration it came from.
#[derive(Clone, Debug)]
pub struct Order {
    /// Whose order it is; `default` on a machine without tenants.
    pub tenant: Arc<str>,
    /// The command to run.
    pub command: Arc<Command>,
    /// The response that fired; `None` for an order given by hand.
    pub response: Option<Arc<Response>>,
    /// `local`, `server`, `defined-agent` or `all`, as the component sees it.
    pub location: &'static str,
    /// The agent it runs for: `000` is this machine as the server.
    pub agent: Arc<str>,
    /// The alert object: one JSON object on one line, valid UTF-8.
    pub alert: Arc<str>,
    /// `id` of the alert; empty when it has none.
    pub alert_id: Arc<str>,
    /// `rule.id` of the alert; empty when it has none.
    pub rule_id: Arc<str>,
    /// How long the effect lasts at the first offence; `None`: for good.
    pub timeout: Option<Duration>,
    /// How long from the second offence on; the last one repeats.
    pub offenders: Arc<[Duration]>,
    /// Whether it acts or only says what it would do.
    pub mode: Mode,
    /// Who asked for it.
    pub actor: Actor,
    /// Why, in the words of who asked by hand.
    pub reason: Option<Arc<str>>,
    /// Where in the input the alert stands, so that it is handled once.
    pub source: Option<Source>,
    /// The message that asked for it, as a manager sent it; native programs get
    /// it passed on.
    pub message: Option<Arc<str>>,
    /// What makes it the same as another order.
    pub key: Way,
    /// What counts as one more offence.
    pub offences: Way,
}

/// Where an alert was read: which response of which line of which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// The ledger's number for the file.
    pub input: i64,
    /// Offset of the line's first byte.
    pub offset: u64,
    /// Which of the responses that the alert fires, from 0.
    pub ordinal: u32,
}

/// Who asked for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// An alert.
    Alert,
    /// The engine itself: a timer, a recovery.
    Engine,
    /// A user of this machine, over the control socket.
    User(u32),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alert => f.write_str("alert"),
            Self::Engine => f.write_str("engine"),
            Self::User(uid) => write!(f, "uid:{uid}"),
        }
    }
}

/// The ledger's number for one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub i64);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
