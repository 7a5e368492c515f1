//! What a start and an undo decide, apart from how they do it: the daemon does
//! it with components and programs, the simulator without.

use riposte_policy::config::Mode;

use super::{Entry, Kind, State, Undo};
use crate::error::LedgerError;

/// After this many failed deletes the engine reverses the effects itself.
const DELETES: u32 = 3;

/// What a start does about an entry that it finds open and not simply in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Recovery {
    /// It was being undone: undo it again.
    UndoAgain,
    /// Its time is up: undo it.
    Overdue,
    /// A component may or may not have made it: add it again, which is counted.
    AddAgain,
    /// A program may or may not have made it: delete it, then add it again,
    /// which is counted.
    DeleteThenAdd,
    /// It is done once, or by nobody in shadow, and had not begun: begin it.
    Begin,
    /// It is done once and had begun: it is not done again.
    Unknown,
}

impl Kind {
    /// Whether what is done is not undone and not to be repeated. The ledger
    /// counts how often such an entry was begun: 1 is never, and safe to begin.
    #[must_use]
    pub fn is_once(self, timed: bool) -> bool {
        match self {
            Self::Oneshot => true,
            Self::Native => !timed,
            Self::Reversible => false,
        }
    }
}

impl Entry {
    /// What a start does about it.
    pub fn recovery(&self) -> Recovery {
        match self.state {
            State::Undoing => return Recovery::UndoAgain,
            State::InForce => return Recovery::Overdue,
            _ => {}
        }
        let once = self.kind.is_once(self.timeout_ms.is_some());
        let shadow = self.mode == Mode::Shadow;
        match (once, self.kind) {
            (true, _) if self.attempt > 1 && !shadow => Recovery::Unknown,
            (true, _) => Recovery::Begin,
            (false, Kind::Native) if !shadow => Recovery::DeleteThenAdd,
            (false, _) => Recovery::AddAgain,
        }
    }
}

/// What asking the ledger to undo an entry comes to.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Begun {
    /// Undo it.
    Undo(Box<Undo>),
    /// It was extended meanwhile, until then.
    NotDue {
        /// In milliseconds since the machine was started.
        due_boot_ms: i64,
    },
    /// There is nothing to undo, now or later.
    Gone,
    /// The ledger could not record it: try again later.
    Failed(LedgerError),
}

impl Begun {
    /// Reads the answer of [`Ledger::begin_undo`](crate::Ledger::begin_undo).
    pub fn of(answer: Result<Undo, LedgerError>) -> Self {
        match answer {
            Ok(undo) => Self::Undo(Box::new(undo)),
            Err(LedgerError::NotDue { due_boot_ms, .. }) => Self::NotDue { due_boot_ms },
            Err(
                LedgerError::NoSuchEntry(_) | LedgerError::Illegal { .. } | LedgerError::HandedOver { .. },
            ) => Self::Gone,
            Err(error) => Self::Failed(error),
        }
    }
}

/// What follows when the delete of whatever made an entry has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum AfterFailedDelete {
    /// Ask it again, later.
    AskAgain,
    /// It was asked often enough: the engine reverses what is recorded.
    ReverseRecorded,
}

impl Undo {
    /// Whether whatever made the entry is asked to undo it, before the engine
    /// reverses what is left of its recorded effects.
    #[must_use]
    pub fn asks_its_maker(&self) -> bool {
        self.entry.kind != Kind::Oneshot && self.entry.mode != Mode::Shadow
    }

    /// What follows when that has failed. What recorded nothing can only be
    /// undone by what made it.
    pub fn after_failed_delete(&self) -> AfterFailedDelete {
        if self.entry.undo_attempts.saturating_add(1) < DELETES || self.effects.is_empty() {
            AfterFailedDelete::AskAgain
        } else {
            AfterFailedDelete::ReverseRecorded
        }
    }

    /// How often undoing has failed, from what
    /// [`Ledger::undo_failed`](crate::Ledger::undo_failed) said. Not recorded,
    /// it counts as the first: it is tried again soon.
    #[must_use]
    pub fn attempts(recorded: &Result<u32, LedgerError>) -> u32 {
        recorded.as_ref().map_or(1, |attempts| *attempts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Machine, block, enter, entry, in_force};
    use crate::{Cause, NewEntry};

    #[tokio::test]
    async fn a_start_takes_up_each_kind_in_its_own_way() {
        let machine = Machine::new();
        let ledger = machine.ledger();
        let mut number = 0;
        for (kind, timed, mode, begun, expected) in [
            (Kind::Reversible, true, Mode::Enforce, false, Recovery::AddAgain),
            (Kind::Reversible, true, Mode::Enforce, true, Recovery::AddAgain),
            (Kind::Reversible, false, Mode::Enforce, true, Recovery::AddAgain),
            (Kind::Reversible, true, Mode::Shadow, true, Recovery::AddAgain),
            (Kind::Native, true, Mode::Enforce, true, Recovery::DeleteThenAdd),
            (Kind::Native, true, Mode::Shadow, true, Recovery::AddAgain),
            (Kind::Native, false, Mode::Enforce, false, Recovery::Begin),
            (Kind::Native, false, Mode::Enforce, true, Recovery::Unknown),
            (Kind::Native, false, Mode::Shadow, true, Recovery::Begin),
            (Kind::Oneshot, true, Mode::Enforce, false, Recovery::Begin),
            (Kind::Oneshot, true, Mode::Enforce, true, Recovery::Unknown),
        ] {
            number += 1;
            let new = block(&format!("192.0.2.{number}"));
            let timeout = new.timeout.filter(|_| timed);
            let id = enter(&ledger, NewEntry { kind, timeout, mode, ..new }).await;
            if begun {
                assert_eq!(ledger.attempt(id).await, Ok(2));
            }
            assert_eq!(entry(&ledger, id).await.recovery(), expected, "{kind} {timed} {mode:?} {begun}");
        }
        let id = in_force(&ledger, block("198.51.100.1")).await;
        assert_eq!(entry(&ledger, id).await.recovery(), Recovery::Overdue);
        let _ = ledger.begin_undo(id, Cause::Failed).await.unwrap();
        assert_eq!(entry(&ledger, id).await.recovery(), Recovery::UndoAgain);
    }

    #[tokio::test]
    async fn what_failed_three_times_is_reversed_if_it_recorded_anything() {
        let machine = Machine::new();
        let ledger = machine.ledger();
        let id = in_force(&ledger, block("192.0.2.1")).await;
        let bare = enter(&ledger, block("192.0.2.2")).await;
        for attempts in 0..4 {
            let last =
                if attempts < 2 { AfterFailedDelete::AskAgain } else { AfterFailedDelete::ReverseRecorded };
            for (id, expected) in [(id, last), (bare, AfterFailedDelete::AskAgain)] {
                let Begun::Undo(undo) = Begun::of(ledger.begin_undo(id, Cause::Failed).await) else {
                    panic!("it is open")
                };
                assert!(undo.asks_its_maker());
                assert_eq!(undo.after_failed_delete(), expected, "{id} {attempts}");
                assert_eq!(Undo::attempts(&ledger.undo_failed(id, "no").await), attempts + 1);
            }
        }
        let due = in_force(&ledger, block("192.0.2.3")).await;
        assert!(matches!(Begun::of(ledger.begin_undo(due, Cause::Due).await), Begun::NotDue { .. }));
        let none = riposte_policy::order::EntryId(99);
        assert_eq!(Begun::of(ledger.begin_undo(none, Cause::Due).await), Begun::Gone);
        drop(machine);
        assert_eq!(Undo::attempts(&Err(LedgerError::Stopped)), 1);
        assert_eq!(Begun::of(Err(LedgerError::Stopped)), Begun::Failed(LedgerError::Stopped));
    }
}
