//! What was undone and could not be written down.
//!
//! No block outlives its time because a disk does not work. When the storage
//! fails, an undo goes by the memory: what an entry lets go of is noted here,
//! the index follows at once, and the tables as soon as they can be written.
//! After a crash before that, the tables still show the entry: it is overdue,
//! and undone once more, which every undo is made for.

use std::collections::{BTreeMap, BTreeSet};

use riposte_policy::order::EntryId;

use crate::entry::{Cause, State};
use crate::index::Index;

/// One entry whose undo is owed to the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Debt {
    pub(crate) cause: Cause,
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
        self.0.entry(id).or_insert_with(|| Debt {
            cause: cause.clone(),
            released: BTreeSet::new(),
            is_over: false,
        })
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
            index.set_state(*id, State::Undoing);
            for (interface, target) in &debt.released {
                let print = index.target(interface, target);
                index.release(*id, print);
            }
        }
    }
}
