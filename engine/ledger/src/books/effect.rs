//! Who holds what: the record that comes before every effect.

use riposte_policy::config::Mode;
use riposte_policy::order::EntryId;
use rusqlite::OptionalExtension;

use super::{Books, due, due_at};
use crate::entry::{Claimed, EffectRow, Standing, State};
use crate::error::LedgerError;
use crate::index::{Live, Term};

impl Books {
    /// Records that an intended entry is about to make an effect. The standing
    /// is over all others: an entry that is begun again after a crash makes its
    /// effects again, since nobody knows whether it had.
    pub(crate) fn claim(
        &mut self,
        id: EntryId,
        interface: &str,
        target: &str,
        prior: Option<&str>,
    ) -> Result<Claimed, LedgerError> {
        let live = self.live_that_may(id, State::InForce)?;
        let now = self.now();
        let (print, standing, other, held) = {
            let index = self.index();
            let print = index.target(interface, target);
            let standing = index.standing(print, Some(id), now.boot_ms);
            if live.term == Term::Never && index.is_held_for_good(live.key, print, id) {
                return Ok(Claimed { before: Standing::Permanent, prior: None });
            }
            let other = index.holders(print).map(|other| other.id).find(|other| *other != id);
            (print, standing, other, index.holds(id, print))
        };
        // The state to restore is that before the first of all claims: what is
        // found there now is what the others made of it. Each has it from the
        // one before, so any of them tells.
        let inherited = match other {
            Some(other) => self.prior(other, interface, target)?,
            // What it recorded before a crash, or before it let go for a while, stands.
            None => match prior {
                Some(prior) => Some(prior.to_owned()),
                None => self.prior(id, interface, target)?,
            },
        };
        // The due time of an entry begins with its first effect. It stands
        // with the effect until the entry is in force: one row to write, not
        // two, while the effect waits for it.
        let due = match live.term {
            Term::After(length) => Some(due(&now, length)),
            Term::At(ends) => Some(due_at(&now, ends)),
            Term::Never => None,
        };
        if !held {
            // A shadow's claim is written to be shown, and held by nobody.
            self.execute(
                "INSERT INTO effect (entry, interface, target, prior, released, number, due, due_boot, boot)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT DO UPDATE SET released = excluded.released,
                                            prior = ifnull(excluded.prior, prior)",
                (
                    id.0,
                    interface,
                    target,
                    &inherited,
                    live.mode == Mode::Shadow,
                    live.holds(),
                    due.map(|due| due.wall_ms),
                    due.map(|due| due.boot_ms),
                    self.boot,
                ),
            )?;
        }
        let claimed = Claimed { before: standing, prior: inherited };
        if live.mode == Mode::Shadow {
            return Ok(claimed);
        }
        if let (Term::After(_), Some(due)) = (live.term, due) {
            self.index().set_term(id, Term::At(due.boot_ms));
        }
        self.index().claim(id, print);
        Ok(claimed)
    }

    /// Records that an entry no longer holds an effect; returns how long it is
    /// to stay then. What it does not hold it may let go of: undoing works
    /// twice, and without what came before.
    pub(crate) fn release(
        &mut self,
        id: EntryId,
        interface: &str,
        target: &str,
    ) -> Result<Standing, LedgerError> {
        self.live(id)?;
        let (print, held) = {
            let index = self.index();
            let print = index.target(interface, target);
            (print, index.holds(id, print))
        };
        if held {
            self.execute(
                "UPDATE effect SET released = 1 WHERE entry = ?1 AND interface = ?2 AND target = ?3",
                (id.0, interface, target),
            )?;
            self.index().release(id, print);
            self.answered.release(id, interface, target);
        }
        let boot_ms = self.now().boot_ms;
        Ok(self.index().standing(print, None, boot_ms))
    }

    /// What restores the state before the first claim on a target.
    pub(crate) fn prior(
        &self,
        id: EntryId,
        interface: &str,
        target: &str,
    ) -> Result<Option<String>, LedgerError> {
        self.statement("SELECT prior FROM effect WHERE entry = ?1 AND interface = ?2 AND target = ?3")?
            .query_row((id.0, interface, target), |row| row.get(0))
            .optional()
            .map(Option::flatten)
            .map_err(|error| self.failed(&error))
    }

    /// Every effect that an entry recorded, in the order it did.
    pub(crate) fn effects(&self, id: EntryId) -> Result<Vec<EffectRow>, LedgerError> {
        crate::reader::effects(self.conn(), id).map_err(|error| self.failed(&error))
    }

    pub(super) fn refuse_while_held(&self, live: &Live) -> Result<(), LedgerError> {
        if live.holds() == 0 {
            return Ok(());
        }
        let held = self.effects(live.id)?.into_iter().filter(|effect| !effect.released);
        let effects = held.take(10).map(|effect| format!("{} {}", effect.interface, effect.target)).collect();
        Err(LedgerError::StillHeld { id: live.id, effects })
    }
}
