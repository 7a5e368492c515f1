//! The ledger as capabilities see it.

use std::sync::Arc;

use async_trait::async_trait;
use riposte_capability::Mark;
use riposte_capability::claim::{Claims, Effect, NotRecorded, Standing};
use riposte_ledger::ledger::Named;
use riposte_ledger::{Ledger, LedgerError};
use riposte_policy::order::EntryId;

use crate::remembered::Remembered;

/// Claims recorded in the ledger, and remembered.
pub struct InLedger(pub Ledger, pub Arc<Remembered>);

#[async_trait]
impl Claims for InLedger {
    async fn claim(
        &self,
        entry: EntryId,
        effect: &Effect,
        prior: Option<&str>,
    ) -> Result<Standing, NotRecorded> {
        let claimed = self.0.claim_telling(entry, effect.interface, &effect.target, prior).await;
        let claimed = claimed.map_err(not_recorded)?;
        self.1.claimed(entry, effect, claimed.prior);
        Ok(standing(claimed.before))
    }

    async fn release(&self, entry: EntryId, effect: &Effect) -> Result<Standing, NotRecorded> {
        let after = match self.0.release(entry, effect.interface, &effect.target).await {
            // What ends, ends on time, whatever becomes of the disk: the ledger
            // keeps it in mind, and records it once it can.
            Err(error) if error.is_storage() => {
                Ok(standing(self.0.release_unrecorded(entry, effect.interface, &effect.target)))
            }
            after => after.map(standing).map_err(not_recorded),
        };
        if after.is_ok() {
            self.1.released(entry, effect);
        }
        after
    }

    async fn prior(&self, entry: EntryId, effect: &Effect) -> Result<Option<String>, NotRecorded> {
        match self.0.prior(entry, effect.interface, &effect.target).await {
            Err(error) if error.is_storage() => {
                match self.0.prior_committed(entry, effect.interface, &effect.target).await {
                    Err(error) => self.1.prior(entry, effect).ok_or_else(|| not_recorded(error)),
                    found => found.map_err(not_recorded),
                }
            }
            prior => prior.map_err(not_recorded),
        }
    }

    fn standing(&self, effect: &Effect) -> Standing {
        standing(self.0.standing(effect.interface, &effect.target))
    }

    fn others(&self, entry: EntryId, effect: &Effect) -> Standing {
        standing(self.0.others(entry, effect.interface, &effect.target))
    }

    fn marked(&self, effect: &Effect) -> (Standing, Option<EntryId>) {
        let (held, first) = self.0.marked(effect.interface, &effect.target);
        (standing(held), first)
    }

    async fn knows(&self, marks: Vec<Mark>) -> Result<Vec<bool>, NotRecorded> {
        let named = |Mark { effect: Effect { interface, target }, entry, .. }| Named {
            entry,
            interface: interface.to_owned(),
            target,
        };
        self.0.known(marks.into_iter().map(named).collect()).await.map_err(not_recorded)
    }
}

fn standing(standing: riposte_ledger::Standing) -> Standing {
    match standing {
        riposte_ledger::Standing::Free => Standing::Free,
        riposte_ledger::Standing::For(left) => Standing::For(left),
        riposte_ledger::Standing::Permanent => Standing::Permanent,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn not_recorded(error: LedgerError) -> NotRecorded {
    NotRecorded(error.to_string())
}

/// For commands that only look: nothing can be claimed, so nothing is done.
pub struct Nowhere;

#[async_trait]
impl Claims for Nowhere {
    async fn claim(&self, _: EntryId, _: &Effect, _: Option<&str>) -> Result<Standing, NotRecorded> {
        Err(NotRecorded("no engine is running".to_owned()))
    }

    async fn release(&self, _: EntryId, _: &Effect) -> Result<Standing, NotRecorded> {
        Err(NotRecorded("no engine is running".to_owned()))
    }

    async fn prior(&self, _: EntryId, _: &Effect) -> Result<Option<String>, NotRecorded> {
        Ok(None)
    }

    fn standing(&self, _: &Effect) -> Standing {
        Standing::Free
    }

    fn others(&self, _: EntryId, _: &Effect) -> Standing {
        Standing::Free
    }
}
