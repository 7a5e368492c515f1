//! Effects that take the place of a state and give it back.
//!
//! An account that is locked, a file that is moved away, a line that is added:
//! each replaces something that somebody may want back exactly. The order is
//! the same for all of them, and it is here: read the state before, record it
//! with the claim, act; on the way back, restore the state when nobody else
//! holds the target, and give up the claim. One target has one turn at a time,
//! so that a claim and a release never overlap.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use async_trait::async_trait;
use riposte_policy::config::Mode;
use riposte_policy::order::EntryId;
use tokio::sync::{Mutex, MutexGuard};

use crate::claim::{Claims, Effect, NotRecorded, Standing};
use crate::mark::Mark;
use crate::refusal::Refusal;
use crate::repair::Mended;
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

    /// The same with the entry that each mark names. `claimed`: targets that
    /// tell where else to look. Shows marks also where not everything that was
    /// made carries one.
    ///
    /// # Errors
    ///
    /// When the host cannot be read.
    async fn marks(&self, _claimed: &[String]) -> Result<Vec<Listed>, Refusal> {
        let unnamed = |target| Listed { target, entry: None };
        Ok(self.list().await?.into_iter().map(unnamed).collect())
    }

    /// Of targets that are claimed, those that the host does not show any more.
    ///
    /// # Errors
    ///
    /// When the host cannot be read.
    async fn gone(&self, claimed: &[String]) -> Result<Gone, Refusal> {
        if !self.lists() {
            return Ok(Gone::default());
        }
        let listed: HashSet<String> = self.list().await?.into_iter().collect();
        let missing = claimed.iter().filter(|target| !listed.contains(*target)).cloned().collect();
        Ok(Gone { missing, ..Gone::default() })
    }

    /// Makes many effects again, each with how that went.
    async fn make_all(&self, targets: Vec<String>) -> Vec<(String, Result<(), Refusal>)> {
        let mut made = Vec::new();
        for target in targets {
            let done = self.make(&target).await.map(drop);
            made.push((target, done));
        }
        made
    }

    /// Whether what carries the mark of an entry that is over may be taken away
    /// without anybody having asked for it.
    fn takes_away(&self) -> bool {
        true
    }

    /// The state before the first claim, of which `entry` is the first.
    ///
    /// # Errors
    ///
    /// As [`Backend::prior`].
    async fn prior_for(&self, _entry: EntryId, target: &str) -> Result<String, Refusal> {
        self.prior(target).await
    }

    /// What [`Backend::prior_for`] read was not recorded, so nothing is made:
    /// takes away what it may have left beside.
    async fn forgo(&self, _target: &str, _prior: &str) {}

    /// The number of the socket by which the kernel names this backend where it
    /// tells who changed something.
    fn port(&self) -> Option<u32> {
        None
    }

    /// Takes away a target that [`Backend::marks`] showed and nobody claims. No
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

/// A target that the host shows as this engine's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub target: String,
    /// The entry that its mark names.
    pub entry: Option<EntryId>,
}

/// What the host does not show as it is claimed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// To be made again.
    pub missing: Vec<String>,
    /// Changed by somebody in a way that the engine leaves alone, and what that
    /// is, for the operator.
    pub otherwise: Vec<(String, String)>,
}

/// What separates the host from the claims.
struct Differences {
    missing: Vec<String>,
    otherwise: Vec<(String, String)>,
    unclaimed: Vec<Mark>,
}

impl Differences {
    fn is_nothing(&self) -> bool {
        self.missing.is_empty() && self.otherwise.is_empty() && self.unclaimed.is_empty()
    }
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
    async fn of(&self, effect: &Effect) -> MutexGuard<'_, ()> {
        let [first, rest @ ..] = &self.locks;
        let at = usize::try_from(self.hash.hash_one(effect) % 64).unwrap_or_default();
        rest.get(at).unwrap_or(first).lock().await
    }

    /// All of them. Whoever waits for one holds no other, and all who want all
    /// of them take them in this order.
    async fn all(&self) -> Vec<MutexGuard<'_, ()>> {
        let mut turns = Vec::with_capacity(self.locks.len());
        for lock in &self.locks {
            turns.push(lock.lock().await);
        }
        turns
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
        let prior = if known { None } else { Some(self.backend.prior_for(entry, &effect.target).await?) };
        let claimed = self.claims.claim(entry, &effect, prior.as_deref()).await;
        if let (Err(_), Some(prior)) = (&claimed, &prior) {
            self.backend.forgo(&effect.target, prior).await;
        }
        let before = claimed.map_err(|e| unrecorded(&e))?;
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

    /// Makes again what is claimed and missing, but where `judge` says why it is
    /// left; returns what carries the engine's mark and nobody claims.
    ///
    /// # Errors
    ///
    /// When the host could not be read, or the first failure; the other targets
    /// were made.
    pub(crate) async fn mend(
        &self,
        effects: &[Effect],
        judge: &(dyn Fn(&str) -> Option<String> + Sync),
        mended: &mut Mended,
    ) -> Result<Vec<Mark>, Refusal> {
        let claimed: Vec<String> = effects
            .iter()
            .filter(|effect| effect.interface == self.interface)
            .map(|effect| effect.target.clone())
            .collect();
        let found = match self.differences(&claimed).await {
            // A host that never could has nothing to repair.
            Err(_) if claimed.is_empty() => return Ok(Vec::new()),
            found => found?,
        };
        if found.is_nothing() {
            return Ok(Vec::new());
        }
        // Asked again while nobody claims or releases anything: a response may
        // have come or gone since, or be at work just now.
        let _turns = self.turns.all().await;
        let Differences { mut missing, otherwise, unclaimed } = self.differences(&claimed).await?;
        missing.retain(|target| {
            let effect = self.effect(target.clone());
            let why = judge(target);
            let left = why.is_some();
            mended.told.extend(why.map(|why| (effect.clone(), why)));
            !left && self.claims.standing(&effect).lasts()
        });
        for (target, why) in otherwise {
            mended.told.push((self.effect(target), why));
        }
        let mut outcome = Ok(());
        for (target, made) in self.backend.make_all(missing).await {
            let effect = self.effect(target);
            outcome = outcome.and(made.map(|()| mended.put_back(&effect)));
        }
        outcome.map(|()| unclaimed)
    }

    /// Every mark of this interface on the host. `claimed`: where to look too.
    pub(crate) async fn marks(&self, claimed: &[String]) -> Result<Vec<Mark>, Refusal> {
        let listed = self.backend.marks(claimed).await?;
        let mark = |Listed { target, entry }| Mark { effect: self.effect(target), entry, remaining: None };
        Ok(listed.into_iter().map(mark).collect())
    }

    /// Takes away what carries the engine's mark, when nobody claims it by now.
    ///
    /// # Errors
    ///
    /// When it may still be there.
    pub(crate) async fn remove_unclaimed(&self, effect: &Effect) -> Result<(), Refusal> {
        let _turn = self.turns.of(effect).await;
        match self.claims.standing(effect) {
            Standing::Free => self.backend.remove(&effect.target).await,
            Standing::For(_) | Standing::Permanent => Ok(()),
        }
    }

    async fn differences(&self, claimed: &[String]) -> Result<Differences, Refusal> {
        let Gone { missing, otherwise } = self.backend.gone(claimed).await?;
        let mut unclaimed = self.marks(claimed).await?;
        unclaimed.retain(|mark| self.claims.standing(&mark.effect) == Standing::Free);
        Ok(Differences { missing, otherwise, unclaimed })
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
