//! Later ends, many at a time.

use riposte_policy::order::EntryId;

use super::{Books, due_at};
use crate::entry::{Due, State};
use crate::error::LedgerError;
use crate::index::Term;
use crate::ledger::Extension;

impl Books {
    /// Moves the end of what is in force to the later of the two.
    pub(crate) fn extend(&mut self, extensions: &[Extension]) -> Result<Vec<(EntryId, Due)>, LedgerError> {
        let now = self.now();
        let mut moved = Vec::new();
        for Extension { id, due_boot_ms, length_ms } in extensions.iter().copied() {
            let later = self.index().get(id).is_some_and(|live| {
                live.state == State::InForce && matches!(live.term, Term::At(ends) if ends < due_boot_ms)
            });
            if !later {
                continue;
            }
            let due = due_at(&now, due_boot_ms);
            self.execute(
                "UPDATE entry SET due = ?2, due_boot = ?3, boot = ?4, length = max(length, ?5) WHERE id = ?1",
                (id.0, due.wall_ms, due.boot_ms, self.boot, length_ms),
            )?;
            self.index().set_term(id, Term::At(due.boot_ms));
            moved.push((id, due));
        }
        Ok(moved)
    }
}
