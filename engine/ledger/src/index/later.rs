//! Later ends that the memory knows before the tables do.
//!
//! What is asked for again while it is in force is answered from memory, and
//! written with others a moment later. From that answer on no undo may begin at
//! the old time: whether one has begun, and whether the end was moved before, is
//! decided here, under the lock of the index. So a repeat either moves the end,
//! or is told that the entry is ending; none is answered and then forgotten.

use std::collections::BTreeMap;

use riposte_policy::order::EntryId;

use super::{Index, Term};
use crate::entry::State;
use crate::error::LedgerError;
use crate::ledger::{Extension, Prolonged};

/// By entry; not more than there are open ones.
pub(crate) type Later = BTreeMap<EntryId, Extension>;

impl Index {
    /// Moves the end of an entry to the later of the two, unless it is ending.
    pub(crate) fn prolong(&mut self, extension: Extension) -> Prolonged {
        let Extension { id, due_boot_ms, length_ms } = extension;
        match self.get(id).map(|live| (live.state, live.term)) {
            Some((State::InForce | State::Intended, Term::At(ends))) => {
                if ends < due_boot_ms {
                    self.set_term(id, Term::At(due_boot_ms));
                    let noted = self.later.entry(id).or_insert(extension);
                    noted.due_boot_ms = due_boot_ms;
                    noted.length_ms = noted.length_ms.max(length_ms);
                }
                Prolonged::Stands
            }
            // So long from its first effect on, which is still to come.
            Some((State::Intended, Term::After(length))) if length_ms <= length => Prolonged::Stands,
            _ => Prolonged::Over,
        }
    }

    /// Records the end that was written for an entry, unless a later one is known
    /// that is not: a repeat that was answered since may have moved it.
    pub(crate) fn write_end(&mut self, id: EntryId, due_boot_ms: i64) {
        let ends = self.later.get(&id).map_or(due_boot_ms, |later| later.due_boot_ms.max(due_boot_ms));
        self.set_term(id, Term::At(ends));
    }

    /// Begins the undo of an entry whose time is up. Nothing prolongs it then.
    ///
    /// # Errors
    ///
    /// When it is not open, or not due.
    pub(crate) fn end_if_due(&mut self, id: EntryId, boot_ms: i64) -> Result<(), LedgerError> {
        self.get(id).ok_or(LedgerError::NoSuchEntry(id))?.refuse_unless_due(boot_ms)?;
        self.set_state(id, State::Undoing);
        Ok(())
    }

    /// All later ends that the tables do not have.
    pub(crate) fn later(&self) -> &Later {
        &self.later
    }

    /// Takes over those of the index that this one, which was read from the
    /// tables, replaces.
    pub(crate) fn adopt_later(&mut self, later: &Later) {
        for (id, extension) in later {
            let term = match self.get(*id).map(|live| (live.state, live.term)) {
                Some((_, Term::At(ends))) if ends < extension.due_boot_ms => Term::At(extension.due_boot_ms),
                // Its first effect was recorded by a commit that failed.
                Some((State::Intended, Term::After(length))) if length < extension.length_ms => {
                    Term::After(extension.length_ms)
                }
                _ => continue,
            };
            self.set_term(*id, term);
            self.later.insert(*id, *extension);
        }
    }

    /// Forgets what was written, unless more has come since.
    pub(crate) fn forget_later(&mut self, written: &[Extension]) {
        for extension in written {
            if self.later.get(&extension.id) == Some(extension) {
                self.later.remove(&extension.id);
            }
        }
    }
}
