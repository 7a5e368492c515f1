//! Effects that take the place of a state and give it back.
//!
//! An account that is locked, a file that is moved away, a line that is added:
//! each replaces something that somebody may want back exactly. The order is
//! the same for all of them, and it is here: read the state before, record it
//! with the claim, act; on the way back, restore the state when nobody else
//! holds the target, and give up the claim. One target has one turn at a time,
//! so that a claim and a release never overlap.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use async_trait::async_trait;
use riposte_policy::config::Mode;
use riposte_policy::order::EntryId;
use tokio::sync::{Mutex, MutexGuard};

use crate::Repaired;
use crate::claim::{Claims, Effect, NotRecorded, Standing};
use crate::refusal::Refusal;
use crate::session::{Session, WouldBe};

/// How a host takes and gives back the targets of one interface. A target is
/// in the one spelling that the calls of the interface make of it.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The state that [`Backend::restore`] needs, read before the first claim.
    ///
    /// # Errors
    ///
    /// When the target is not there, is not of the kind that this interface
    /// acts on, or cannot be read. Nothing is then claimed or changed.
    async fn prior(&self, target: &str) -> Result<String, Refusal>;

    /// Makes the effect. What is made already is a success, also when only a
    /// part of it was before a crash. `false`: it was so, and nothing changed.
    ///
    /// # Errors
    ///
    /// When the effect may not be there, or not whole.
    async fn make(&self, target: &str) -> Result<bool, Refusal>;

    /// Makes the effect for one more holder, who shares the state before with
    /// those there are.
    ///
    /// # Errors
    ///
    /// As [`Backend::make`], and when what is there now is not what they hold.
    async fn join(&self, target: &str) -> Result<bool, Refusal> {
        self.make(target).await
    }

    /// Restores what [`Backend::prior`] read. What is restored already is a
    /// success.
    ///
    /// # Errors
    ///
    /// When the effect may still be there.
    async fn restore(&self, target: &str, prior: &str) -> Result<(), Refusal>;

    /// The targets that the host shows as this engine's own, by mark, where the
    /// host can show a mark at all.
    ///
    /// # Errors
    ///
    /// When the host cannot be read.
    async fn list(&self) -> Result<Vec<String>, Refusal> {
        Ok(Vec::new())
    }

    /// Whether [`Backend::list`] shows everything that was made, so that what it
    /// does not show is missing and can be made again.
    fn lists(&self) -> bool {
        false
    }

    /// Takes away a target that [`Backend::list`] showed and nobody claims. No
    /// state before it is known: the host is left as without the engine.
    ///
    /// # Errors
    ///
    /// When it may still be there, or must be looked at by a person.
    async fn remove(&self, target: &str) -> Result<(), Refusal> {
        Err(Refusal::unsupported(format!("nobody claims {target}: look at it, and undo it by hand")))
    }

    /// Makes the host's own clock, where it has one, follow the claims on a
    /// target, of which a due time has moved.
    ///
    /// # Errors
    ///
    /// When the host may keep the earlier time.
    async fn settle(&self, _target: &str) -> Result<(), Refusal> {
        Ok(())
    }

    /// Whether it would work now.
    ///
    /// # Errors
    ///
    /// What is missing, and what to do about it.
    async fn probe(&self) -> Result<(), Refusal>;
}

/// A host that cannot do it: every call is refused the same way.
#[derive(Clone, Debug)]
pub struct Unavailable(pub Refusal);

#[async_trait]
impl Backend for Unavailable {
    async fn prior(&self, _: &str) -> Result<String, Refusal> {
        Err(self.0.clone())
    }

    async fn make(&self, _: &str) -> Result<bool, Refusal> {
        Err(self.0.clone())
    }

    async fn restore(&self, _: &str, _: &str) -> Result<(), Refusal> {
        Err(self.0.clone())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Err(self.0.clone())
    }
}

/// Who is at work on which target. Targets share a few locks: two that meet
/// in one wait for each other, which costs time and nothing else. So the hash
/// needs no secret, and without one the same calls always take the same turns.
#[derive(Debug)]
pub(crate) struct Turns {
    locks: [Mutex<()>; 64],
    hash: BuildHasherDefault<DefaultHasher>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { locks: std::array::from_fn(|_| Mutex::new(())), hash: BuildHasherDefault::default() }
    }
}

impl Turns {
    async fn of(&self, effect: &Effect) -> Option<MutexGuard<'_, ()>> {
        let at = self.hash.hash_one(effect) % 64;
        Some(self.locks.get(usize::try_from(at).ok()?)?.lock().await)
    }
}

/// One interface of this kind, for one call.
#[derive(Clone, Copy)]
pub(crate) struct Holding<'a> {
    pub(crate) interface: &'static str,
    pub(crate) claims: &'a dyn Claims,
    pub(crate) backend: &'a dyn Backend,
    pub(crate) turns: &'a Turns,
}

impl Holding<'_> {
    /// Claims `target` for the session's entry and makes the effect. The caller
    /// has asked phase, grant and guard. `false`: it was so already.
    ///
    /// # Errors
    ///
    /// When the state before could not be read, the claim not be recorded, or
    /// the effect not be made. In the last case the claim stands: the entry's
    /// undo releases it.
    pub(crate) async fn hold(&self, session: &Session, target: String) -> Result<bool, Refusal> {
        let effect = self.effect(target);
        if session.mode == Mode::Shadow {
            let was = self.believed(session, &effect);
            session.record.note(WouldBe::Made(effect));
            return Ok(!was);
        }
        let entry = session.holder()?;
        let _turn = self.turns.of(&effect).await;
        // While anybody holds it, what was recorded stands: what is found now is
        // what a response made. The last to let go has restored it, unless the
        // host shows by mark what is left.
        let recorded = self.claims.prior(entry, &effect).await.map_err(|e| unrecorded(&e))?;
        let held = self.claims.standing(&effect) != Standing::Free;
        let joins = recorded.is_none() && held;
        let known = held || (recorded.is_some() && self.backend.lists());
        let prior = if known { None } else { Some(self.backend.prior(&effect.target).await?) };
        let before = self.claims.claim(entry, &effect, prior.as_deref()).await.map_err(|e| unrecorded(&e))?;
        let changed = if joins {
            self.backend.join(&effect.target).await?
        } else {
            self.backend.make(&effect.target).await?
        };
        Ok(changed && before == Standing::Free)
    }

    /// Gives up the claim of the session's entry. `false`: it held none.
    ///
    /// # Errors
    ///
    /// As [`Holding::release`].
    pub(crate) async fn let_go(&self, session: &Session, target: String) -> Result<bool, Refusal> {
        let effect = self.effect(target);
        if session.mode == Mode::Shadow {
            let was = self.believed(session, &effect);
            session.record.note(WouldBe::Undone(effect));
            return Ok(was);
        }
        self.release(session.holder()?, &effect).await
    }

    /// Gives up the claim of `entry`, and restores the state before the first
    /// claim when nobody else holds the target. `false`: the entry held none.
    /// Guard and grant are not asked: only what this entry made can go.
    ///
    /// # Errors
    ///
    /// When the release could not be recorded, or the state not be restored.
    pub(crate) async fn release(&self, entry: EntryId, effect: &Effect) -> Result<bool, Refusal> {
        let _turn = self.turns.of(effect).await;
        let before = self.claims.standing(effect);
        // An entry without a record of the target never touched it. One whose
        // claim is gone already may have been stopped before the host followed.
        let prior = self.claims.prior(entry, effect).await.map_err(|e| unrecorded(&e))?;
        // Where the host shows no mark, the claim goes last: a response that
        // came between would take what is still there for the state before.
        let marked = self.backend.lists();
        if let Some(prior) = prior.as_deref().filter(|_| !marked)
            && self.claims.others(entry, effect) == Standing::Free
        {
            self.backend.restore(&effect.target, prior).await?;
        }
        let remains = self.claims.release(entry, effect).await.map_err(|e| unrecorded(&e))?;
        let Some(prior) = prior else {
            return if remains == Standing::Free { self.abandoned(&effect.target).await } else { Ok(false) };
        };
        if marked && remains == Standing::Free {
            self.backend.restore(&effect.target, &prior).await?;
        }
        Ok(before != Standing::Free)
    }

    /// Takes away what nobody claims and carries the engine's mark: the work of
    /// a process whose claims ended with it. `false`: there is no such thing.
    async fn abandoned(&self, target: &str) -> Result<bool, Refusal> {
        if !self.backend.lists() || !self.backend.list().await?.iter().any(|listed| listed == target) {
            return Ok(false);
        }
        self.backend.remove(target).await.map(|()| true)
    }

    /// Makes again what is claimed and missing, and takes away what nobody
    /// claims, where the host shows what the engine has made.
    ///
    /// # Errors
    ///
    /// When the host could not be read, or the first failure; the other targets
    /// were repaired.
    pub(crate) async fn repair(&self, claimed: impl Iterator<Item = &Effect>) -> Result<Repaired, Refusal> {
        let mut repaired = Repaired::default();
        let claimed: BTreeSet<&str> = claimed
            .filter(|effect| effect.interface == self.interface)
            .map(|effect| effect.target.as_str())
            .collect();
        if !self.backend.lists() {
            return Ok(repaired);
        }
        let listed = match self.backend.list().await {
            Ok(listed) => listed,
            // A host that never could has nothing to repair.
            Err(_) if claimed.is_empty() => return Ok(repaired),
            Err(refusal) => return Err(refusal),
        };
        let listed: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
        let mut outcome = Ok(());
        for target in claimed.symmetric_difference(&listed) {
            let effect = self.effect((*target).to_owned());
            let _turn = self.turns.of(&effect).await;
            // Asked now: a response may have come or gone since the list.
            let done = match (self.claims.standing(&effect), listed.contains(target)) {
                (Standing::Free, true) => self.backend.remove(target).await.map(|()| repaired.removed += 1),
                (Standing::Free, false) => Ok(()),
                (_, true) => Ok(()),
                (_, false) => self.backend.make(target).await.map(|_| repaired.written += 1),
            };
            outcome = outcome.and(done);
        }
        outcome.map(|()| repaired)
    }

    /// Whether the target is held, from where this session stands: shadow
    /// believes what it would have done.
    pub(crate) fn holds(&self, session: &Session, target: String) -> bool {
        self.believed(session, &self.effect(target))
    }

    fn believed(&self, session: &Session, effect: &Effect) -> bool {
        let shadow = session.record.believes(effect).filter(|_| session.mode == Mode::Shadow);
        shadow.unwrap_or_else(|| self.claims.standing(effect) != Standing::Free)
    }

    fn effect(&self, target: String) -> Effect {
        Effect { interface: self.interface, target }
    }
}

pub(crate) fn unrecorded(e: &NotRecorded) -> Refusal {
    Refusal::unavailable(e.to_string())
}
