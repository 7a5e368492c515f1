//! The claims as the daemon records them, and the oracle beside them.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use async_trait::async_trait;
use riposte_capability::Mark;
use riposte_capability::claim::{Claims, Effect, NotRecorded, Standing};
use riposte_policy::order::EntryId;

use crate::claims::InLedger;
use crate::run::Mutant;
use crate::world::World;

pub(super) struct Watched {
    pub(super) inner: Arc<InLedger>,
    pub(super) world: Arc<World>,
    pub(super) mutant: Option<Mutant>,
    /// Claims that were not waited for.
    pub(super) early: Mutex<Vec<EarlyClaim>>,
}

pub(super) type EarlyClaim = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Watched {
    /// Asks for a claim, and does not wait for it.
    fn claim_early(&self, entry: EntryId, effect: &Effect, prior: Option<&str>) {
        let (inner, effect, prior) = (Arc::clone(&self.inner), effect.clone(), prior.map(str::to_owned));
        let mut claim: EarlyClaim =
            Box::pin(async move { drop(inner.claim(entry, &effect, prior.as_deref()).await) });
        if claim.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            self.early.lock().unwrap_or_else(PoisonError::into_inner).push(claim);
        }
    }
}

#[async_trait]
impl Claims for Watched {
    async fn claim(
        &self,
        entry: EntryId,
        effect: &Effect,
        prior: Option<&str>,
    ) -> Result<Standing, NotRecorded> {
        self.world.point("before a claim").await;
        if self.mutant == Some(Mutant::EffectBeforeIntent) {
            self.claim_early(entry, effect, prior);
            return Ok(Standing::Free);
        }
        let claimed = self.inner.claim(entry, effect, prior).await;
        self.world.note(|| format!("entry {entry} claims {effect}, before which {prior:?}: {claimed:?}"));
        let before = claimed?;
        // What is for good twice under one key is claimed once.
        let claims =
            "SELECT 1 FROM effect WHERE entry = ?1 AND interface = ?2 AND target = ?3 AND NOT released";
        let recorded = before != Standing::Permanent
            || self.world.is_durable(claims, (entry.0, effect.interface, &effect.target));
        if recorded {
            self.world.with(|parts| parts.oracle.claimed(entry.0, &effect.to_string()));
        }
        self.world.point("between claim and effect").await;
        Ok(before)
    }

    async fn release(&self, entry: EntryId, effect: &Effect) -> Result<Standing, NotRecorded> {
        self.world.point("before a release").await;
        let released = self.inner.release(entry, effect).await;
        self.world.note(|| format!("entry {entry} lets go of {effect}: {released:?}"));
        let after = released?;
        let wrong = self.world.with(|parts| match parts.failed_commit {
            true => Vec::new(),
            false => parts.oracle.released(entry.0, &effect.to_string()),
        });
        self.world.fail_all(wrong);
        self.world.point("between release and restore").await;
        Ok(after)
    }

    async fn prior(&self, entry: EntryId, effect: &Effect) -> Result<Option<String>, NotRecorded> {
        self.inner.prior(entry, effect).await
    }

    fn standing(&self, effect: &Effect) -> Standing {
        self.inner.standing(effect)
    }

    fn others(&self, entry: EntryId, effect: &Effect) -> Standing {
        self.inner.others(entry, effect)
    }

    fn marked(&self, effect: &Effect) -> (Standing, Option<EntryId>) {
        self.inner.marked(effect)
    }

    async fn knows(&self, marks: Vec<Mark>) -> Result<Vec<bool>, NotRecorded> {
        self.inner.knows(marks).await
    }
}
