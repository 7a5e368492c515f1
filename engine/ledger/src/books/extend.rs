//! Later ends, many at a time.

use riposte_policy::order::EntryId;

use super::{Books, due_at};
use crate::entry::State;
use crate::error::LedgerError;
use crate::index::Term;
use crate::ledger::Extended;

impl Books {
    /// Writes the later ends of these entries, as far as they are not written.
    /// What is ending meanwhile has moved for nobody.
    pub(crate) fn extend(&mut self, ids: &[EntryId]) -> Result<Vec<Extended>, LedgerError> {
        let now = self.now();
        let mut moved = Vec::new();
        for id in ids.iter().copied() {
            let (extension, live) = {
                let index = self.index();
                let Some(extension) = index.later().get(&id).copied() else { continue };
                (extension, index.get(id).map(|live| (live.state, live.term)))
            };
            match live {
                Some((state, Term::At(ends))) => {
                    let due = due_at(&now, ends);
                    self.execute(
                        "UPDATE entry SET due = ?2, due_boot = ?3, boot = ?4, length = max(length, ?5)
                         WHERE id = ?1",
                        (id.0, due.wall_ms, due.boot_ms, self.boot, extension.length_ms),
                    )?;
                    if state != State::Undoing {
                        moved.push(Extended { id, due, in_force: state == State::InForce });
                    }
                }
                Some((State::Intended, Term::After(length))) => {
                    self.execute("UPDATE entry SET length = max(length, ?2) WHERE id = ?1", (id.0, length))?;
                }
                _ => {}
            }
            self.extending.push(extension);
        }
        Ok(moved)
    }
}
