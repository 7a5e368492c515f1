//! Writing down what was undone while nothing could be written.

use std::sync::Arc;

use riposte_policy::order::{Actor, EntryId};
use rusqlite::OptionalExtension;

use super::Books;
use crate::entry::{Cause, State};
use crate::error::LedgerError;
use crate::health::Health;
use crate::owed::Debt;
use crate::{salvage, store};

/// How long a database that could not be salvaged is left alone.
const HEAL_AGAIN_MS: i64 = 30_000;

impl Books {
    /// Writes all that is owed, first of all in a commit.
    pub(super) fn write_owed(&mut self) -> Result<(), LedgerError> {
        self.settling = self.condition.lock().owed.copy();
        for (id, debt) in self.settling.clone() {
            self.write_debt(id, &debt)?;
        }
        Ok(())
    }

    /// The commit failed: what was answered before it is owed from now on. Read
    /// from the tables alone, a released effect would be held again, and be put
    /// back on the host.
    pub(crate) fn owe_answered(&mut self) {
        let answered = std::mem::take(&mut self.answered);
        self.condition.lock().owed.adopt(answered);
    }

    /// Whether something is owed, or space is to be looked for again: then a
    /// commit is tried although nobody asks.
    pub(crate) fn is_owing(&self) -> bool {
        let condition = self.condition.lock();
        condition.owed.len() > 0
            || condition.is_suspect
            || condition.health != Health::Ok
            || self.store.is_short()
    }

    /// Gives no entry a number up to `id`.
    pub(crate) fn never_again(&mut self, id: EntryId) -> Result<(), LedgerError> {
        if self.numbers.is_past(id.0) {
            return Ok(());
        }
        let now_ms = self.now().wall_ms;
        salvage::never_again(self.conn(), id, now_ms).map_err(|error| self.failed(&error))?;
        self.numbers.leave_out(id.0);
        Ok(())
    }

    /// Looks whether the database is whole, when a reader said that it is not.
    pub(super) fn look_at_suspicion(&mut self) -> Result<(), LedgerError> {
        if !self.condition.lock().is_suspect {
            return Ok(());
        }
        self.condition.lock().is_suspect = false;
        // By other eyes: this connection has pages in memory.
        match store::look(&self.path) {
            Err(damage @ LedgerError::Corrupt { .. }) => Err(damage),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The database is damaged: puts what can be had of it in its place, not
    /// more often than is of use. What was undone meanwhile stays so.
    pub(crate) fn heal(&mut self, error: &LedgerError) -> Result<(), LedgerError> {
        let LedgerError::Corrupt { detail, .. } = error else { return Ok(()) };
        let now = self.now();
        if now.boot_ms < self.heal_after_ms {
            return Ok(());
        }
        self.heal_after_ms = now.boot_ms.saturating_add(HEAL_AGAIN_MS);
        let before = self.index().ids();
        let path = Arc::clone(&self.path);
        let salvaged = self.store.renew(&path, detail, now.wall_ms)?;
        self.start()?;
        self.load()?;
        let lost = before.into_iter().filter(|id| self.index().get(*id).is_none()).count();
        let lost = u64::try_from(lost).unwrap_or(u64::MAX);
        let mut condition = self.condition.lock();
        condition.file = condition.file.saturating_add(1);
        let Some(mut salvaged) = salvaged else { return Ok(()) };
        let owed = u64::try_from(condition.owed.len()).unwrap_or(0);
        salvaged.counts.lost = salvaged.counts.lost.max(lost.saturating_sub(owed));
        tracing::error!("{salvaged}");
        condition.salvaged = Some(salvaged);
        Ok(())
    }

    fn write_debt(&mut self, id: EntryId, debt: &Debt) -> Result<(), LedgerError> {
        let found: Option<(String, Option<String>)> = self
            .statement("SELECT state, cause FROM entry WHERE id = ?1")?
            .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(|error| self.failed(&error))?;
        let Some((state, cause)) = found else { return Ok(()) };
        let Some(state) = State::of(&state).filter(|state| state.is_open()) else { return Ok(()) };
        if let Some(cause) = debt.cause.as_ref().filter(|_| state != State::Undoing) {
            let (by, why) = match cause {
                Cause::Asked { actor, reason } => (actor.to_string(), reason.as_deref()),
                Cause::Due | Cause::Failed | Cause::Recovery => (Actor::Engine.to_string(), None),
            };
            self.execute(
                "UPDATE entry SET state = 'undoing', cause = ?2, ended_by = ?3, end_reason = ?4 WHERE id = ?1",
                (id.0, cause.as_str(), by, why),
            )?;
        }
        for (interface, target) in &debt.released {
            self.execute(
                "UPDATE effect SET released = 1 WHERE entry = ?1 AND interface = ?2 AND target = ?3",
                (id.0, interface, target),
            )?;
        }
        if !debt.is_over {
            return Ok(());
        }
        self.execute("UPDATE effect SET released = 1 WHERE entry = ?1 AND NOT released", [id.0])?;
        let cause = cause.as_deref().or(debt.cause.as_ref().map(Cause::as_str));
        let failed = cause == Some(Cause::Failed.as_str());
        self.close(id, if failed { State::Failed } else { State::Closed }, None)
    }
}
