//! The way back, in the order of `engine/daemon/src/undo.rs`: as the ledger
//! records it, from what can be read when it cannot be written, and from memory
//! when it cannot even be read.

use std::rc::Rc;

use riposte_capability::Capabilities;
use riposte_ledger::entry::{AfterFailedDelete, Begun, Kind};
use riposte_ledger::scheduler::Event;
use riposte_ledger::{Cause, LedgerError, Undo};
use riposte_policy::order::EntryId;

use super::Engine;
use crate::commands::SPECS;
use crate::run::Mutant;

/// What an undo came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undone {
    Closed,
    Nothing,
    Failed,
}

impl Engine {
    pub(super) async fn undo(self: &Rc<Self>, id: EntryId, cause: Cause) -> Undone {
        if matches!(cause, Cause::Failed | Cause::Asked { .. }) {
            self.world.with(|parts| parts.oracle.asked(id.0));
        }
        self.world.with(|parts| parts.oracle.may_end(id.0, true));
        let begun = Begun::of(self.ledger.begin_undo(id, cause.clone()).await);
        self.world.note(|| match &begun {
            Begun::Undo(undo) => format!("undo entry {id}, {cause:?}: {} effects", undo.effects.len()),
            other => format!("undo entry {id}, {cause:?}: {other:?}"),
        });
        let undo = match begun {
            Begun::Undo(undo) => undo,
            Begun::Failed(error) if error.is_storage() => {
                return self.unrecorded(id, &cause, &error.to_string()).await;
            }
            Begun::NotDue { due_boot_ms } => return self.not_due(id, due_boot_ms).await,
            Begun::Gone => return self.gone(id),
            Begun::Failed(error) => return self.retry_later(id, &error.to_string()).await,
        };
        self.begun(id, &cause).await;
        let made_away = self.reverse(&undo).await;
        if self.mutant == Some(Mutant::IgnoresFailedUndos) {
            self.tell(Event::Undone { id });
            drop(self.ledger.undone(id).await);
            return Undone::Closed;
        }
        if let Err(error) = made_away {
            match undo.after_failed_delete() {
                AfterFailedDelete::AskAgain => return self.retry_later(id, &error).await,
                AfterFailedDelete::ReverseRecorded => {}
            }
        }
        if let Err(error) = self.reverse_recorded(&undo).await {
            return self.retry_later(id, &error).await;
        }
        self.world.point("before it is closed").await;
        match self.ledger.undone(id).await {
            Ok(()) => {
                self.world.note(|| format!("entry {id} is over"));
                self.world.with(|parts| parts.oracle.over(id.0));
                self.tell(Event::Undone { id });
                Undone::Closed
            }
            Err(error) if error.is_storage() => self.close_unrecorded(&undo, &cause).await,
            Err(error) => self.retry_later(id, &error.to_string()).await,
        }
    }

    /// The same, when the ledger cannot record that it begins.
    async fn unrecorded(self: &Rc<Self>, id: EntryId, cause: &Cause, ledger: &str) -> Undone {
        let begun = self.ledger.begin_unrecorded(id, cause).await;
        self.world.note(|| match &begun {
            Ok(found) => format!("undo entry {id} unrecorded, {cause:?}: read: {}", found.is_some()),
            Err(error) => format!("undo entry {id} unrecorded, {cause:?}: {error}"),
        });
        let undo = match begun {
            Ok(Some(undo)) => undo,
            Ok(None) => {
                self.begun(id, cause).await;
                return self.undo_remembered(id, cause, ledger).await;
            }
            Err(LedgerError::NotDue { due_boot_ms, .. }) => return self.not_due(id, due_boot_ms).await,
            Err(error) if error.is_storage() => {
                if matches!(cause, Cause::Asked { .. }) {
                    self.world.with(|parts| parts.oracle.not_asked(id.0));
                    return Undone::Nothing;
                }
                return self.retry_later(id, &error.to_string()).await;
            }
            Err(_) => return self.gone(id),
        };
        self.begun(id, cause).await;
        match self.reverse(&undo).await {
            Err(error) if undo.entry.kind == Kind::Native => self.retry_later(id, &error).await,
            // The engine reverses it itself.
            _ => self.close_unrecorded(&undo, cause).await,
        }
    }

    /// Takes back what is recorded, and ends the entry in memory.
    async fn close_unrecorded(&self, undo: &Undo, cause: &Cause) -> Undone {
        let id = undo.entry.id;
        match self.reverse_recorded(undo).await {
            Ok(()) => self.ended_in_memory(id, cause),
            Err(error) => self.retry_later(id, &error).await,
        }
    }

    /// Takes back what is remembered, and ends the entry in memory.
    async fn undo_remembered(&self, id: EntryId, cause: &Cause, ledger: &str) -> Undone {
        let Some(effects) = self.remembered.of(id) else {
            return self.retry_later(id, ledger).await;
        };
        for effect in &effects {
            if let Err(refusal) = self.capabilities.reverse(id, effect).await {
                return self.retry_later(id, &refusal.to_string()).await;
            }
        }
        let ended = self.ended_in_memory(id, cause);
        self.remembered.undone(id, riposte_ledger::Clock::now(&*self.world.clocks).wall_ms);
        ended
    }

    /// The tables still show it: after a crash it is undone once more.
    fn ended_in_memory(&self, id: EntryId, cause: &Cause) -> Undone {
        self.ledger.undone_unrecorded(id, cause);
        self.world.with(|parts| parts.oracle.over_in_memory(id.0));
        self.world.note(|| format!("entry {id} is over, unrecorded"));
        self.tell(Event::Undone { id });
        Undone::Closed
    }

    async fn begun(&self, id: EntryId, cause: &Cause) {
        let boot_ms = self.world.clocks.boot_ms();
        let wrong = self.world.with(|parts| parts.oracle.undo_begun(id.0, cause, boot_ms));
        self.world.fail_all(wrong);
        self.world.point("undo begun").await;
    }

    async fn not_due(&self, id: EntryId, due_boot_ms: i64) -> Undone {
        self.world.with(|parts| parts.oracle.may_end(id.0, false));
        self.tell(Event::Extended { id, due_boot_ms });
        self.follow(id).await;
        Undone::Nothing
    }

    fn gone(&self, id: EntryId) -> Undone {
        self.world.with(|parts| parts.oracle.gone(id.0));
        self.tell(Event::Gone { id });
        Undone::Nothing
    }

    /// The delete of whatever made it.
    async fn reverse(&self, undo: &Undo) -> Result<(), String> {
        if !undo.asks_its_maker() {
            return Ok(());
        }
        let entry = &undo.entry;
        let spec = SPECS.iter().find(|spec| spec.name == entry.command).ok_or("no such command")?;
        // A component that is gone is not asked: the engine reverses what is recorded.
        if spec.kind == Kind::Reversible && self.world.with(|parts| parts.random.percent(10)) {
            return Ok(());
        }
        let address = entry.keys.first().cloned().unwrap_or_default();
        for part in spec.parts.iter().rev() {
            self.part(entry.id, spec, *part, &address, false).await.map_err(|refusal| refusal.to_string())?;
            self.world.point("between the parts of an undo").await;
        }
        Ok(())
    }

    /// Whatever the delete left claimed goes too.
    async fn reverse_recorded(&self, undo: &Undo) -> Result<(), String> {
        for row in &undo.effects {
            let Some(effect) = Capabilities::recorded(&row.interface, &row.target) else { continue };
            let reversed = self.capabilities.reverse(undo.entry.id, &effect).await;
            reversed.map_err(|refusal| refusal.to_string())?;
        }
        Ok(())
    }

    async fn retry_later(&self, id: EntryId, error: &str) -> Undone {
        self.world.note(|| format!("entry {id} is not undone: {error}"));
        let attempts = Undo::attempts(&self.ledger.undo_failed(id, error).await);
        self.tell(Event::UndoFailed { id, attempts });
        Undone::Failed
    }
}
