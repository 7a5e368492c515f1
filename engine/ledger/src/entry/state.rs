//! The states of an entry, and which may follow which.

use std::fmt;

/// Where an entry stands.
///
/// ```text
/// intended ─┬─ in-force ── undoing ─┬─ closed
///           ├─ undoing              └─ failed
///           └─ done | failed | unknown | merged | shadow
/// handed-over
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Written down, and perhaps begun: nobody knows after a crash.
    Intended,
    /// Carried out; to be undone when its time is up, or by hand.
    InForce,
    /// Being undone, until that succeeds.
    Undoing,
    /// Undone.
    Closed,
    /// It failed, and left nothing behind.
    Failed,
    /// Carried out, with nothing to undo.
    Done,
    /// The engine stopped in the middle of something that cannot be repeated.
    Unknown,
    /// It turned out to be the same as another entry, which stays.
    Merged,
    /// It was only to say what it would do.
    Shadow,
    /// It was given to an agent of Wazuh's, which does and undoes it by itself.
    /// An entry is never anything before this.
    HandedOver,
}

impl State {
    /// All states, in the order of a life.
    pub const ALL: [Self; 10] = [
        Self::Intended,
        Self::InForce,
        Self::Undoing,
        Self::Closed,
        Self::Failed,
        Self::Done,
        Self::Unknown,
        Self::Merged,
        Self::Shadow,
        Self::HandedOver,
    ];

    /// Whether an entry in this state may get into `to`. The database's own
    /// check is made from this function, so there is no second truth.
    #[must_use]
    pub fn may(self, to: Self) -> bool {
        match self {
            Self::Intended => !matches!(to, Self::Intended | Self::Closed | Self::HandedOver),
            Self::InForce => to == Self::Undoing,
            Self::Undoing => matches!(to, Self::Closed | Self::Failed),
            Self::Closed
            | Self::Failed
            | Self::Done
            | Self::Unknown
            | Self::Merged
            | Self::Shadow
            | Self::HandedOver => false,
        }
    }

    /// Whether something may still have to be done for it.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Intended | Self::InForce | Self::Undoing)
    }

    /// The word for it, in the database and in events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::InForce => "in-force",
            Self::Undoing => "undoing",
            Self::Closed => "closed",
            Self::Failed => "failed",
            Self::Done => "done",
            Self::Unknown => "unknown",
            Self::Merged => "merged",
            Self::Shadow => "shadow",
            Self::HandedOver => "handed-over",
        }
    }

    pub(crate) fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What runs an entry, and so what is to be done when a crash cut it short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A component that adds and deletes: added again after a crash.
    Reversible,
    /// A component that runs once: never run again.
    Oneshot,
    /// A native program: deleted, then added again after a crash.
    Native,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Reversible, Self::Oneshot, Self::Native];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reversible => "reversible",
            Self::Oneshot => "oneshot",
            Self::Native => "native",
        }
    }

    pub(crate) fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_stays_closed() {
        for from in State::ALL.into_iter().filter(|state| !state.is_open()) {
            assert!(State::ALL.into_iter().all(|to| !from.may(to)), "{from}");
        }
    }

    #[test]
    fn every_state_can_be_reached_and_left_for_good() {
        for to in State::ALL {
            let begins = matches!(to, State::Intended | State::HandedOver);
            assert_eq!(State::ALL.into_iter().any(|from| from.may(to)), !begins, "{to}");
        }
        assert!(!State::InForce.may(State::Closed), "only an undo closes");
        assert!(!State::Undoing.may(State::InForce));
        assert!(State::ALL.into_iter().all(|state| !state.may(state)));
    }

    #[test]
    fn words_come_back() {
        for state in State::ALL {
            assert_eq!(State::of(state.as_str()), Some(state));
        }
        for kind in Kind::ALL {
            assert_eq!(Kind::of(kind.as_str()), Some(kind));
        }
        assert_eq!(State::of("in force"), None);
    }
}
