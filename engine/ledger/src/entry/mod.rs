//! One response that was made: an entry, and what happens to it.

mod decide;
mod read;
mod state;
pub(crate) mod wazuh;

use std::sync::Arc;
use std::time::Duration;

use riposte_policy::config::{Mode, Way};
use riposte_policy::order::{Actor, EntryId, Source};
use serde::Serialize;

pub use decide::{AfterFailedDelete, Begun, Recovery};
pub use read::{EffectRow, Entry, Filter, Held, Undo};
pub use state::{Kind, State};

/// What is to be entered: everything that is needed to undo it, later and
/// after a restart, without the configuration it came from.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// Whose it is.
    pub tenant: Arc<str>,
    /// Name of the command.
    pub command: Arc<str>,
    /// Name of the response that fired; `None` when asked for by hand.
    pub response: Option<Arc<str>>,
    /// `local`, `server`, `defined-agent` or `all`.
    pub location: &'static str,
    /// The agent it runs for.
    pub agent: Arc<str>,
    /// What it acts on, as the command's keys say. For a native program with
    /// [`Way::Wazuh`] only what is shown until the program has named its keys
    /// ([`Ledger::rekey`](crate::Ledger::rekey)); it may be empty.
    pub keys: Vec<String>,
    /// What runs it, and so what a crash in the middle means.
    pub kind: Kind,
    /// How long it lasts at the first offence; `None`: for good.
    pub timeout: Option<Duration>,
    /// How long from the second offence on; the last one repeats.
    pub offenders: Arc<[Duration]>,
    /// The alert, needed again to undo it.
    pub alert: Arc<str>,
    /// `id` of the alert.
    pub alert_id: Arc<str>,
    /// `rule.id` of the alert.
    pub rule_id: Arc<str>,
    /// The command as it is defined now: what is in force keeps it.
    pub definition: Arc<str>,
    /// SHA-256 of the component or program, in hex.
    pub digest: Option<Arc<str>>,
    /// Whether it acts or only says what it would do.
    pub mode: Mode,
    /// Who asked for it.
    pub actor: Actor,
    /// Why, in the words of who asked by hand.
    pub reason: Option<Arc<str>>,
    /// Where the alert was read, so that it is answered once.
    pub source: Option<Source>,
    /// The message that asked for it, needed again to undo it. It is kept as
    /// long as the alert.
    pub message: Option<Arc<str>>,
    /// Base name of what runs it, for [`Way::Wazuh`].
    pub program: Arc<str>,
    /// What makes it the same as another entry, and what that does.
    ///
    /// With [`Way::Wazuh`] that is the program and the keys, of whatever
    /// command, response and agent, but the tenant's and the mode's own. The
    /// time counts from the order, in whole seconds, and ends with the first
    /// at which more than the timeout has passed; an order for what is in force
    /// makes it begin anew, with the new timeout, also when that is shorter.
    pub key: Way,
    /// What counts as one more offence.
    ///
    /// With [`Way::Wazuh`] that is every order with a timeout, per tenant,
    /// program and keys, and for ever; where `offenders` is empty, none.
    pub offences: Way,
}

/// When an entry is to be undone, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Due {
    /// By the wall clock, milliseconds since 1970 UTC.
    pub wall_ms: i64,
    /// In milliseconds since the machine was started.
    pub boot_ms: i64,
}

/// What became of a new entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admitted {
    /// It was entered as intended: run it.
    New {
        /// Its number.
        id: EntryId,
        /// How long it is to last; `None`: for good.
        timeout: Option<Duration>,
        /// Which offence of its keys this is, from 1.
        offence: u32,
    },
    /// The same is in force already: run nothing.
    InForce {
        /// The entry that is.
        id: EntryId,
        /// When it ends now.
        due: Due,
        /// Whether this alert moved that time, to a later one or (with
        /// [`Way::Wazuh`]) an earlier. The kernel's timeouts of its effects
        /// ([`Ledger::effects`](crate::Ledger::effects)) then have to follow.
        extended: bool,
    },
    /// The same was admitted and is under way: run nothing.
    UnderWay {
        /// The entry that is.
        id: EntryId,
        /// Whether it is to last longer for this alert. The kernel's timeouts
        /// of the effects that it has by now then have to follow.
        extended: bool,
    },
    /// The same is being undone: wait for that, and ask again.
    Undoing {
        /// The entry that is.
        id: EntryId,
    },
    /// This very alert was admitted for this response before.
    Handled,
    /// As much is open as may be.
    Full {
        /// How many entries that is.
        limit: u64,
    },
}

/// What would become of a new entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum WouldBe {
    /// It would be entered and run.
    New {
        /// How long it would last; `None`: for good.
        timeout: Option<Duration>,
        /// Which offence of its keys it would be, from 1.
        offence: u32,
    },
    /// The same is in force: nothing would run.
    InForce {
        /// The entry that is.
        id: EntryId,
        /// When that would end then.
        due: Due,
    },
    /// The same is under way: nothing would run.
    UnderWay {
        /// The entry that is.
        id: EntryId,
    },
    /// The same is being undone: it would wait for that.
    Undoing {
        /// The entry that is.
        id: EntryId,
    },
    /// As much is open as may be.
    Full {
        /// How many entries that is.
        limit: u64,
    },
    /// This very alert was admitted for this response before.
    Handled,
}

/// What became of an order that was given to an agent of Wazuh's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Handed {
    /// It is written down.
    Over {
        /// Its number.
        id: EntryId,
    },
    /// This very alert was answered for this response before: give nothing.
    Handled,
}

/// What became of an entry whose program named its own keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Rekeyed {
    /// Nothing is known under these keys: let the program go on.
    Continue {
        /// How long it is to last; `None`: for good.
        timeout: Option<Duration>,
        /// Which offence of these keys this is, from 1.
        offence: u32,
    },
    /// The same is in force or under way: let the program stop. The entry that
    /// asked was closed as merged.
    InForce {
        /// The entry that stays.
        existing: EntryId,
        /// When that ends, when it is in force.
        due: Option<Due>,
    },
    /// The same is being undone: wait for that, and ask again. Nothing changed.
    Undoing {
        /// The entry that is being undone.
        existing: EntryId,
    },
}

/// What a claim found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// How long the effect stands by all others' claims.
    pub before: Standing,
    /// What there was before the first of all claims on the target.
    pub prior: Option<String>,
}

/// How long an effect is to stay, over all entries that hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Standing {
    /// Nobody holds it.
    Free,
    /// The last holder lets go after this long; zero when that is overdue.
    For(Duration),
    /// Somebody holds it for good.
    Permanent,
}

/// What an entry that was carried out is from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Settled {
    /// It is in force until then.
    InForce {
        /// When it ends.
        due: Due,
    },
    /// It is in force for good: it holds effects and has no timeout.
    Permanent,
    /// It is over: it left nothing to undo, or it was only a shadow.
    Done,
}

/// Why an entry is to be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its time is up.
    Due,
    /// It failed on the way: what it did is taken back, and it ends as failed.
    Failed,
    /// Somebody asked for it.
    Asked {
        /// Who.
        actor: Actor,
        /// Why, in their words.
        reason: Option<Arc<str>>,
    },
    /// The engine found it half undone when it started.
    Recovery,
}

impl Cause {
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Failed => "failed",
            Self::Asked { .. } => "asked",
            Self::Recovery => "recovery",
        }
    }

    /// Whether an undo may begin before that is durable: after a crash, a due
    /// time that has passed tells of it, or what was recorded before.
    pub(crate) fn is_answered_at_once(&self) -> bool {
        matches!(self, Self::Due | Self::Recovery)
    }
}

pub(crate) fn mode_str(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Shadow => "shadow",
    }
}

pub(crate) fn mode_of(text: &str) -> Option<Mode> {
    match text {
        "enforce" => Some(Mode::Enforce),
        "shadow" => Some(Mode::Shadow),
        _ => None,
    }
}

pub(crate) fn actor_of(text: &str) -> Option<Actor> {
    match text {
        "alert" => Some(Actor::Alert),
        "engine" => Some(Actor::Engine),
        _ => text.strip_prefix("uid:")?.parse().ok().map(Actor::User),
    }
}

/// Longest length of time that is kept apart from "for good": a hundred years.
const LONGEST_MS: i64 = 100 * 366 * 86_400_000;

/// A length of time as the tables keep it. Anything longer than a century is
/// one: sums with a clock then never overflow.
pub(crate) fn length_ms(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(LONGEST_MS).min(LONGEST_MS)
}

/// Milliseconds as a length of time; nothing below zero.
pub(crate) fn duration(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actors_and_modes_come_back_as_they_were_written() {
        for actor in [Actor::Alert, Actor::Engine, Actor::User(0), Actor::User(u32::MAX)] {
            assert_eq!(actor_of(&actor.to_string()), Some(actor));
        }
        for mode in [Mode::Enforce, Mode::Shadow] {
            assert_eq!(mode_of(mode_str(mode)), Some(mode));
        }
        assert_eq!(actor_of("uid:-1"), None);
        assert_eq!(mode_of("Shadow"), None);
    }

    #[test]
    fn no_length_of_time_overflows() {
        assert_eq!(length_ms(Duration::MAX), LONGEST_MS);
        assert_eq!(length_ms(Duration::from_millis(1)), 1);
        assert_eq!(duration(-5), Duration::ZERO);
    }
}
