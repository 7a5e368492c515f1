//! What was undone and could not be written down.
//!
//! No block outlives its time because a disk does not work. When the storage
//! fails, an undo goes by the memory: what an entry lets go of is noted here,
//! the index follows at once, and the tables as soon as they can be written.
//! After a crash before that, the tables still show the entry: it is overdue,
//! and undone once more, which every undo is made for.
//!
//! So it is with what was answered before its commit, which then failed: whoever
//! was told that nobody holds an effect any more has acted on that.

use std::collections::{BTreeMap, BTreeSet};

use riposte_policy::order::EntryId;

use crate::entry::{Cause, State};
use crate::index::Index;

/// One entry whose undo is owed to the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Debt {
    /// Why it is undone; `None`: it only let go of something.
    pub(crate) cause: Option<Cause>,
    /// What it let go of: interface and target.
    pub(crate) released: BTreeSet<(String, String)>,
    /// Whether all of it is undone.
    pub(crate) is_over: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Owed(BTreeMap<EntryId, Debt>);

impl Owed {
    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// An undo begins, or begins once more: the first cause stays.
    pub(crate) fn begin(&mut self, id: EntryId, cause: &Cause) -> &mut Debt {
        let debt = self.0.entry(id).or_default();
        debt.cause.get_or_insert_with(|| cause.clone());
        debt
    }

    /// An entry lets go of an effect.
    pub(crate) fn release(&mut self, id: EntryId, interface: &str, target: &str) {
        let debt = self.0.entry(id).or_default();
        debt.released.insert((interface.to_owned(), target.to_owned()));
    }

    /// Takes over what another has, which came later.
    pub(crate) fn adopt(&mut self, other: Self) {
        for (id, Debt { cause, released, is_over }) in other.0 {
            let debt = self.0.entry(id).or_default();
            debt.cause = debt.cause.take().or(cause);
            debt.released.extend(released);
            debt.is_over |= is_over;
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// A copy, to be written.
    pub(crate) fn copy(&self) -> Vec<(EntryId, Debt)> {
        self.0.iter().map(|(id, debt)| (*id, debt.clone())).collect()
    }

    /// Forgets what was written, unless more has come since.
    pub(crate) fn settled(&mut self, written: &[(EntryId, Debt)]) {
        for (id, debt) in written {
            if self.0.get(id) == Some(debt) {
                self.0.remove(id);
            }
        }
    }

    /// Makes an index that was read from the tables show what they do not yet.
    pub(crate) fn apply(&self, index: &mut Index) {
        for (id, debt) in &self.0 {
            if debt.is_over {
                index.remove(*id);
                continue;
            }
            if debt.cause.is_some() {
                index.set_state(*id, State::Undoing);
            }
            for (interface, target) in &debt.released {
                let print = index.target(interface, target);
                index.release(*id, print);
            }
        }
    }
}
