//! From carried out to undone.

use riposte_policy::config::Mode;
use riposte_policy::order::{Actor, EntryId};
use rusqlite::OptionalExtension;

use super::{Books, due, due_at, shorten};
use crate::entry::{Cause, EffectRow, Settled, State, Undo};
use crate::error::LedgerError;
use crate::index::{Live, Term};
use crate::reader;

impl Books {
    /// Records that an intended entry was carried out.
    pub(crate) fn added(&mut self, id: EntryId, receipt: Option<&[u8]>) -> Result<Settled, LedgerError> {
        let live = self.live_that_may(id, State::InForce)?;
        if live.mode == Mode::Shadow {
            self.close(id, State::Shadow, None)?;
            return Ok(Settled::Done);
        }
        let now = self.now();
        let due = match live.term {
            Term::Never => return self.keep_or_close(&live, receipt, State::Done, None),
            Term::At(ends) => due_at(&now, ends),
            Term::After(length) => due(&now, length),
        };
        self.execute(
            "UPDATE entry SET state = 'in-force', due = ?2, due_boot = ?3, boot = ?4 WHERE id = ?1",
            (id.0, due.wall_ms, due.boot_ms, self.boot),
        )?;
        self.index().write_end(id, due.boot_ms);
        self.keep_receipt(id, receipt)?;
        self.index().set_state(id, State::InForce);
        Ok(Settled::InForce { due })
    }

    /// What has no timeout is in force for good when it left an effect, and
    /// over when it did not.
    fn keep_or_close(
        &mut self,
        live: &Live,
        receipt: Option<&[u8]>,
        over: State,
        error: Option<&str>,
    ) -> Result<Settled, LedgerError> {
        if live.holds() == 0 {
            self.close(live.id, over, error)?;
            return Ok(Settled::Done);
        }
        self.execute(
            "UPDATE entry SET state = 'in-force', error = coalesce(?2, error) WHERE id = ?1",
            (live.id.0, error),
        )?;
        self.keep_receipt(live.id, receipt)?;
        self.index().set_state(live.id, State::InForce);
        Ok(Settled::Permanent)
    }

    fn keep_receipt(&self, id: EntryId, receipt: Option<&[u8]>) -> Result<(), LedgerError> {
        if let Some(receipt) = receipt {
            self.execute("INSERT OR REPLACE INTO receipt (entry, receipt) VALUES (?1, ?2)", (id.0, receipt))?;
        }
        Ok(())
    }

    /// Records that an entry is about to be undone, once more if it was before.
    pub(crate) fn begin_undo(&mut self, id: EntryId, cause: &Cause) -> Result<Undo, LedgerError> {
        let live = self.live(id).or_else(|error| Err(self.handed_to(id)?.unwrap_or(error)))?;
        if *cause == Cause::Due {
            // Looked at and ended under one lock: a repeat that comes now is
            // answered from memory, and either moved the end or hears of this.
            self.index().end_if_due(id, self.now().boot_ms)?;
        }
        let (by, why) = match cause {
            Cause::Asked { actor, reason } => (actor.to_string(), reason.as_deref()),
            Cause::Due | Cause::Failed | Cause::Recovery => (Actor::Engine.to_string(), None),
        };
        if live.state != State::Undoing {
            self.execute(
                "UPDATE entry SET state = 'undoing', cause = ?2, ended_by = ?3, end_reason = ?4 WHERE id = ?1",
                (id.0, cause.as_str(), by, why),
            )?;
        } else if matches!(cause, Cause::Asked { .. }) {
            // The first cause stays: a failed add ends as failed, however many
            // times it takes, and whoever asks for it again.
            self.execute("UPDATE entry SET ended_by = ?2, end_reason = ?3 WHERE id = ?1", (id.0, by, why))?;
        }
        self.index().set_state(id, State::Undoing);
        let entry = reader::entry(self.conn(), id).map_err(|error| self.failed(&error))?;
        let entry = entry.ok_or(LedgerError::NoSuchEntry(id))?;
        let undo = Undo { entry, effects: self.effects(id)? };
        if cause.is_answered_at_once() {
            self.answered.begin(id, cause);
        }
        Ok(undo)
    }

    /// The same for all of these that are due and hold effects of these
    /// interfaces, with the release of those.
    pub(crate) fn begin_ahead(
        &mut self,
        ids: &[EntryId],
        interfaces: &[&str],
    ) -> Result<Vec<Undo>, LedgerError> {
        let before = std::mem::take(&mut self.answered);
        let begun = self.begin_each(ids, interfaces);
        let answered = std::mem::replace(&mut self.answered, before);
        // All of them are answered, or none.
        if begun.is_ok() {
            self.answered.adopt(answered);
        }
        begun
    }

    fn begin_each(&mut self, ids: &[EntryId], interfaces: &[&str]) -> Result<Vec<Undo>, LedgerError> {
        let theirs = |row: &EffectRow| !row.released && interfaces.contains(&row.interface.as_str());
        let mut begun = Vec::with_capacity(ids.len());
        for id in ids.iter().copied() {
            // Only components claim; a shadow holds nothing.
            let holds = self.index().get(id).is_some_and(|live| live.holds() > 0);
            if !holds || !self.effects(id)?.iter().any(theirs) {
                continue;
            }
            let undo = match self.begin_undo(id, &Cause::Due) {
                Ok(undo) => undo,
                Err(error) if error.is_storage() => return Err(error),
                // It was extended or undone meanwhile.
                Err(_) => continue,
            };
            for row in undo.effects.iter().filter(|row| theirs(row)) {
                let _remains = self.release(id, &row.interface, &row.target)?;
            }
            begun.push(undo);
        }
        Ok(begun)
    }

    /// Why an entry that was handed over cannot be undone here.
    fn handed_to(&self, id: EntryId) -> Result<Option<LedgerError>, LedgerError> {
        self.statement("SELECT agent, command FROM entry WHERE id = ?1 AND state = 'handed-over'")?
            .query_row([id.0], |row| {
                Ok(LedgerError::HandedOver { id, agent: row.get(0)?, command: row.get(1)? })
            })
            .optional()
            .map_err(|error| self.failed(&error))
    }

    /// Records that an entry was undone.
    pub(crate) fn undone(&mut self, id: EntryId) -> Result<(), LedgerError> {
        let live = self.live_that_may(id, State::Closed)?;
        self.refuse_while_held(&live)?;
        let cause: Option<String> = self
            .statement("SELECT cause FROM entry WHERE id = ?1")?
            .query_row([id.0], |row| row.get(0))
            .map_err(|error| self.failed(&error))?;
        let failed = cause.as_deref() == Some(Cause::Failed.as_str());
        self.close(id, if failed { State::Failed } else { State::Closed }, None)
    }

    /// Records that undoing failed; returns how many times it did.
    pub(crate) fn undo_failed(&mut self, id: EntryId, message: &str) -> Result<u32, LedgerError> {
        self.live_that_may(id, State::Closed)?;
        self.statement("UPDATE entry SET undo_attempts = undo_attempts + 1, error = ?2 WHERE id = ?1 RETURNING undo_attempts")?
            .query_row((id.0, shorten(message)), |row| row.get(0))
            .map_err(|error| self.failed(&error))
    }

    /// Records that an intended entry failed before it did anything.
    pub(crate) fn fail(&mut self, id: EntryId, message: &str) -> Result<(), LedgerError> {
        let live = self.live(id)?;
        if live.state != State::Intended {
            return Err(LedgerError::Illegal { id, from: live.state, to: State::Failed });
        }
        self.refuse_while_held(&live)?;
        self.close(id, State::Failed, Some(message))
    }

    /// Records that nobody knows what an intended entry did, and nobody will
    /// find out: it is not repeated. What it claimed without a timeout stays
    /// claimed.
    pub(crate) fn unknown(&mut self, id: EntryId) -> Result<Settled, LedgerError> {
        let live = self.live_that_may(id, State::Unknown)?;
        let error = "the engine stopped while this was under way, and it must not be repeated";
        match live.term {
            Term::Never => self.keep_or_close(&live, None, State::Unknown, Some(error)),
            Term::After(_) | Term::At(_) => {
                self.refuse_while_held(&live)?;
                self.close(id, State::Unknown, Some(error))?;
                Ok(Settled::Done)
            }
        }
    }

    /// Records that an intended entry is begun once more; returns how many
    /// times that makes.
    pub(crate) fn attempt(&mut self, id: EntryId) -> Result<u32, LedgerError> {
        self.live_that_may(id, State::InForce)?;
        self.statement("UPDATE entry SET attempt = attempt + 1 WHERE id = ?1 RETURNING attempt")?
            .query_row([id.0], |row| row.get(0))
            .map_err(|error| self.failed(&error))
    }

    /// Forgets what was closed for longer than `keep_ms`, at most `most`
    /// entries at a time; returns how many. The newest entry stays, so that no
    /// number is given twice.
    pub(crate) fn prune(&mut self, keep_ms: i64, most: u32) -> Result<usize, LedgerError> {
        let before = self.surely_wall_ms().saturating_sub(keep_ms);
        self.keep_age_at_times()?;
        self.prune_offences()?;
        self.prune_rules()?;
        let old = "SELECT id FROM entry WHERE closed < ?1 AND id < (SELECT max(id) FROM entry)
                   ORDER BY closed, id LIMIT ?2";
        for table in ["body", "receipt", "effect"] {
            self.execute(&format!("DELETE FROM {table} WHERE entry IN ({old})"), (before, most))?;
        }
        self.execute(&format!("DELETE FROM entry WHERE id IN ({old})"), (before, most))
    }
}
