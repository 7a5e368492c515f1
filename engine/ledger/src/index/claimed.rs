//! Claims between two commits.
//!
//! They count at once: what comes later in the same commit goes by them. When it
//! fails, memory is read anew; and where that cannot be, they alone are forgotten.

use riposte_policy::order::EntryId;

use super::{Index, Print};

impl Index {
    /// Records that an entry is to hold an effect, from the next commit on.
    pub(crate) fn claim(&mut self, id: EntryId, print: Print) {
        if !self.holds(id, print) {
            self.hold(id, print);
            self.claimed.push((id, print));
        }
    }

    /// What is claimed is committed.
    pub(crate) fn committed(&mut self) {
        self.claimed.clear();
    }

    /// What is claimed was not committed: whoever asked is told that nothing was
    /// done, and nothing may be done by it.
    pub(crate) fn forget_claims(&mut self) {
        for (id, print) in std::mem::take(&mut self.claimed) {
            self.release(id, print);
        }
    }
}
