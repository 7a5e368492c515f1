//! Later ends, many at a time.

use super::{Books, due_at};
use crate::entry::State;
use crate::error::LedgerError;
use crate::index::Term;
use crate::ledger::{Extended, Extension};

impl Books {
    /// Moves the end of what is in force, or under way with an end, to the
    /// later of the two.
    pub(crate) fn extend(&mut self, extensions: &[Extension]) -> Result<Vec<Extended>, LedgerError> {
        let now = self.now();
        let mut moved = Vec::new();
        for Extension { id, due_boot_ms, length_ms } in extensions.iter().copied() {
            let found = self.index().get(id).map(|live| (live.state, live.term));
            let Some((state @ (State::InForce | State::Intended), Term::At(ends))) = found else { continue };
            if ends >= due_boot_ms {
                continue;
            }
            let due = due_at(&now, due_boot_ms);
            self.execute(
                "UPDATE entry SET due = ?2, due_boot = ?3, boot = ?4, length = max(length, ?5) WHERE id = ?1",
                (id.0, due.wall_ms, due.boot_ms, self.boot, length_ms),
            )?;
            self.index().set_term(id, Term::At(due.boot_ms));
            moved.push(Extended { id, due, in_force: state == State::InForce });
        }
        Ok(moved)
    }
}
