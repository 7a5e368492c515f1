//! Who holds what, and for how long: from memory, and what was there before.

use riposte_policy::order::EntryId;

use super::{Ledger, Wait};
use crate::entry::Standing;
use crate::error::LedgerError;

/// How many holders of an effect are looked at for the first of them.
const FEW: usize = 64;

impl Ledger {
    /// How long an effect is to stay, over all who hold it. From memory.
    pub fn standing(&self, interface: &str, target: &str) -> Standing {
        self.standing_except(None, interface, target)
    }

    /// The same, over all but `id`. From memory.
    pub fn others(&self, id: EntryId, interface: &str, target: &str) -> Standing {
        self.standing_except(Some(id), interface, target)
    }

    /// How long an effect is to stay, and the first of the entries that hold it.
    /// From memory.
    pub fn marked(&self, interface: &str, target: &str) -> (Standing, Option<EntryId>) {
        let boot_ms = self.0.clock.now().boot_ms;
        let index = self.index();
        let print = index.target(interface, target);
        // Of a crowd a few are looked at: any of them is a holder.
        let first = index.holders(print).take(FEW).map(|live| live.id).min();
        (index.standing(print, None, boot_ms), first)
    }

    /// The answer to a release of what an open entry does not hold, which
    /// changes nothing. `None`: it may hold it. From memory.
    pub(super) fn released(&self, id: EntryId, interface: &str, target: &str) -> Option<Standing> {
        let boot_ms = self.0.clock.now().boot_ms;
        let index = self.index();
        index.get(id)?;
        let print = index.target(interface, target);
        (!index.holds(id, print)).then(|| index.standing(print, None, boot_ms))
    }

    /// Number of open entries, shadows included. From memory.
    #[must_use]
    pub fn open_entries(&self) -> usize {
        self.index().len()
    }

    /// What restores the state before the first claim on a target that `id`
    /// claimed.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn prior(
        &self,
        id: EntryId,
        interface: &str,
        target: &str,
    ) -> Result<Option<String>, LedgerError> {
        let (interface, target) = (interface.to_owned(), target.to_owned());
        self.ask_first(Wait::Applied, move |books| books.prior(id, &interface, &target)).await
    }

    fn standing_except(&self, except: Option<EntryId>, interface: &str, target: &str) -> Standing {
        let boot_ms = self.0.clock.now().boot_ms;
        let index = self.index();
        index.standing(index.target(interface, target), except, boot_ms)
    }
}
