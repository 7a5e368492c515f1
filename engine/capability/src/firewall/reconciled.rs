//! Backends that are told by programs or by another daemon.
//!
//! None of them can be trusted with a single command: a rule may be there
//! twice, or gone, and an exit code of 0 is not a blocked address. So what
//! they have is read, what differs from the claims is changed, and it is read
//! again: only what is then seen is reported. Who asks while another is at
//! work waits and goes together with all who wait.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use riposte_policy::grant::FirewallBackend;
use riposte_policy::order::EntryId;
use tokio::sync::{Mutex, oneshot};

use super::{Backend, Element, Look, Lost, Target, agrees, kept};
use crate::claim::{Claims, Standing};
use crate::refusal::Refusal;

/// How often a change is tried: somebody else may change the rules between the
/// reading and the writing.
const ATTEMPTS: usize = 2;

/// IPv4 or IPv6: what is read and written in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub(super) fn of(target: &Target) -> Self {
        if target.prefix().network().ip().is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// What is to become of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) target: Target,
    pub(super) step: Step,
    /// The entry that its mark is to name.
    pub(super) entry: Option<EntryId>,
}

/// The kinds of [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is missing. For how long; `None`: until it is removed.
    Add(Option<Duration>),
    /// It is there, with another timeout than this.
    Renew(Option<Duration>),
    /// It is there, but no packet gets to it.
    Reach,
    /// It is there and nobody claims it.
    Remove,
}

/// A host's rules of one kind, as they can be read and written.
#[async_trait]
pub(super) trait Rules: Send + Sync + 'static {
    /// Which backend this is.
    const KIND: FirewallBackend;

    /// What was read.
    type Shown: Shown;

    /// Whether this target can be had at all.
    ///
    /// # Errors
    ///
    /// Why not, and what to do about it.
    fn takes(_target: &Target) -> Result<(), Refusal> {
        Ok(())
    }

    /// What the host has of this engine, in one family. `targets`: what it is
    /// read for; empty: all that there is.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    async fn read(&self, family: Family, targets: &[Target]) -> Result<Self::Shown, Refusal>;

    /// Makes these changes, and lets packets get to all that is not removed.
    ///
    /// # Errors
    ///
    /// When some may not have been made.
    async fn write(&self, family: Family, shown: &Self::Shown, changes: &[Change]) -> Result<(), Refusal>;
}

/// A reading of [`Rules`].
pub(super) trait Shown: Send + Sync {
    /// Everything that is blocked.
    fn elements(&self) -> &[Element];

    /// Whether packets get to the rule of this target.
    fn reached(&self, target: &Target) -> bool;
}

/// The backend over such rules.
pub(super) struct Reconciled<R: Rules> {
    at_work: Arc<AtWork<R>>,
}

struct AtWork<R> {
    rules: R,
    claims: Arc<dyn Claims>,
    queue: std::sync::Mutex<Vec<Asked>>,
    /// Whose turn it is, and what is known of what was made.
    turn: Mutex<Known>,
    rebuilt: AtomicU64,
}

/// What is known of what was made.
#[derive(Default)]
struct Known {
    /// Seen blocked and claimed.
    seen: HashSet<Target>,
    /// Seen so, then found gone, and not made again yet.
    gone: HashSet<Target>,
}

struct Asked {
    targets: Vec<Target>,
    done: oneshot::Sender<Result<(), Refusal>>,
}

impl<R: Rules> Reconciled<R> {
    pub(super) fn new(rules: R, claims: Arc<dyn Claims>) -> Self {
        let at_work = AtWork {
            rules,
            claims,
            queue: std::sync::Mutex::default(),
            turn: Mutex::default(),
            rebuilt: AtomicU64::new(0),
        };
        Self { at_work: Arc::new(at_work) }
    }
}

#[async_trait]
impl<R: Rules> Backend for Reconciled<R> {
    async fn sync(&self, targets: Vec<Target>) -> Result<(), Refusal> {
        if targets.is_empty() {
            return Ok(());
        }
        let (done, answer) = oneshot::channel();
        let at_work = Arc::clone(&self.at_work);
        at_work.queue().push(Asked { targets, done });
        // A task, so that a caller that is given up on takes nobody with it.
        tokio::spawn(async move { at_work.settle().await });
        let gone = |_| Refusal::unavailable("the engine is stopping");
        answer.await.map_err(gone)?
    }

    async fn list(&self) -> Result<Vec<Element>, Refusal> {
        let mut known = self.at_work.turn.lock().await;
        let elements = self.at_work.all().await?;
        known.seen.extend(elements.iter().map(|element| element.target.clone()));
        Ok(elements)
    }

    async fn probe(&self) -> Result<(), Refusal> {
        self.at_work.probe().await
    }

    async fn lost(&self, _: Look) -> Result<Lost, Refusal> {
        self.at_work.lost().await
    }

    fn rebuilt(&self) -> u64 {
        self.at_work.rebuilt.load(Ordering::Relaxed)
    }

    fn chosen(&self) -> FirewallBackend {
        R::KIND
    }

    fn kinds(&self) -> &[FirewallBackend] {
        // Of a constant of the type, so that it lives as long as the program.
        const { &[R::KIND] }
    }

    fn ready(&self, target: &Target) -> Result<(), Refusal> {
        R::takes(target)
    }
}

impl<R: Rules> AtWork<R> {
    fn queue(&self) -> std::sync::MutexGuard<'_, Vec<Asked>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Settles everything that is queued, once it is our turn.
    async fn settle(&self) {
        let mut known = self.turn.lock().await;
        let syncs = std::mem::take(&mut *self.queue());
        if syncs.is_empty() {
            return;
        }
        let all: HashSet<Target> = syncs.iter().flat_map(|sync| sync.targets.iter().cloned()).collect();
        let mut failures = Vec::new();
        for family in Family::BOTH {
            let targets: Vec<Target> =
                all.iter().filter(|target| Family::of(target) == family).cloned().collect();
            if !targets.is_empty() {
                failures.extend(self.agree(family, &targets).await);
            }
        }
        for target in all {
            known.gone.remove(&target);
            if self.claims.standing(target.effect()) == Standing::Free {
                known.seen.remove(&target);
            } else if !failures.iter().any(|(failed, _)| *failed == target) {
                known.seen.insert(target);
            }
        }
        for Asked { targets, done } in syncs {
            let failed = |target: &Target| failures.iter().find(|(failed, _)| failed == target);
            let answer = targets.iter().find_map(failed).map_or(Ok(()), |(_, refusal)| Err(refusal.clone()));
            // An answer nobody waits for any more is no failure.
            let _ = done.send(answer);
        }
    }

    /// Makes the host agree on these targets, and looks whether it does. The
    /// ones that it does not agree on, and why.
    async fn agree(&self, family: Family, targets: &[Target]) -> Vec<(Target, Refusal)> {
        let failed = |why: &Refusal| targets.iter().map(|target| (target.clone(), why.clone())).collect();
        let mut shown = match self.rules.read(family, targets).await {
            Ok(shown) => shown,
            Err(why) => return failed(&why),
        };
        let mut why = None;
        // Whoever does not show its timeouts is told them once.
        let mut untold = true;
        for _ in 0..ATTEMPTS {
            let changes = self.changes(&shown, targets, untold);
            if changes.is_empty() {
                return Vec::new();
            }
            match self.rules.write(family, &shown, &changes).await {
                Ok(()) => untold = false,
                Err(refusal) => why = Some(refusal),
            }
            match self.rules.read(family, targets).await {
                Ok(read) => shown = read,
                Err(why) => return failed(&why),
            }
        }
        let left = self.changes(&shown, targets, untold);
        left.into_iter()
            .map(|change| {
                let unchanged = || {
                    Refusal::unavailable(format!(
                        "{} took the change of {} but does not show it: look who else changes its rules",
                        R::KIND.as_str(),
                        change.target
                    ))
                };
                (change.target.clone(), why.clone().unwrap_or_else(unchanged))
            })
            .collect()
    }

    /// What separates the host from the claims. `untold`: timeouts that cannot
    /// be read are to be written.
    fn changes(&self, shown: &R::Shown, targets: &[Target], untold: bool) -> Vec<Change> {
        let there: std::collections::HashMap<&Target, Option<Duration>> =
            shown.elements().iter().map(|element| (&element.target, element.remaining)).collect();
        let step = |target: &Target, standing: Standing| {
            let timeout = kept(R::KIND, standing);
            match there.get(target) {
                None if standing == Standing::Free => None,
                None => Some(Step::Add(timeout)),
                Some(_) if standing == Standing::Free => Some(Step::Remove),
                Some(_) if R::KIND == FirewallBackend::Firewalld && untold => Some(Step::Renew(timeout)),
                Some(remaining) if !agrees(R::KIND, standing, *remaining) => Some(Step::Renew(timeout)),
                Some(_) if !shown.reached(target) => Some(Step::Reach),
                Some(_) => None,
            }
        };
        let change = |target: &Target| {
            let (standing, entry) = self.claims.marked(target.effect());
            Some(Change { target: target.clone(), step: step(target, standing)?, entry })
        };
        targets.iter().filter_map(change).collect()
    }

    /// Everything in both families. One that cannot be read, as on a host
    /// without IPv6, does not hide the other.
    async fn all(&self) -> Result<Vec<Element>, Refusal> {
        let mut elements = Vec::new();
        let mut refusals = Vec::new();
        for family in Family::BOTH {
            match self.rules.read(family, &[]).await {
                Ok(shown) => elements.extend_from_slice(shown.elements()),
                Err(refusal) => refusals.push(refusal),
            }
        }
        match refusals.pop() {
            Some(refusal) if !refusals.is_empty() => Err(refusal),
            Some(refusal) => {
                tracing::debug!(backend = R::KIND.as_str(), %refusal, "one family is not listed");
                Ok(elements)
            }
            None => Ok(elements),
        }
    }

    /// What is claimed, was made, and is gone; what is there, was not made here
    /// and is claimed by nobody.
    async fn lost(&self) -> Result<Lost, Refusal> {
        let mut known = self.turn.lock().await;
        let (rebuilt, astray) = self.look(&mut known).await?;
        let mut missing: Vec<Target> = known.gone.iter().cloned().collect();
        missing.retain(|target| self.claims.standing(target.effect()).lasts());
        Ok(Lost { rebuilt, missing, astray })
    }

    async fn probe(&self) -> Result<(), Refusal> {
        let mut known = self.turn.lock().await;
        self.look(&mut known).await.map(drop)
    }

    /// Puts back what lets packets get to the rules, counts when rules
    /// themselves are gone, and returns what is there for no reason.
    async fn look(&self, known: &mut Known) -> Result<(usize, Vec<Element>), Refusal> {
        let Known { seen, gone } = known;
        seen.retain(|target| self.claims.standing(target.effect()) != Standing::Free);
        gone.retain(|target| self.claims.standing(target.effect()) != Standing::Free);
        let (mut lost, mut led, mut astray) = (Vec::new(), 0_usize, Vec::new());
        let mut refusals = Vec::new();
        for family in Family::BOTH {
            let shown = match self.rules.read(family, &[]).await {
                Ok(shown) => shown,
                Err(refusal) => {
                    refusals.push(refusal);
                    continue;
                }
            };
            let there: HashSet<&Target> = shown.elements().iter().map(|element| &element.target).collect();
            let missing =
                seen.iter().filter(|target| Family::of(target) == family && !there.contains(target));
            lost.extend(missing.cloned());
            // Nobody is at work, so what nobody claims is not on its way out.
            let free = |element: &&Element| self.claims.standing(element.target.effect()) == Standing::Free;
            astray.extend(shown.elements().iter().filter(free).cloned());
            let unreached: Vec<Change> = there
                .into_iter()
                .filter(|target| !shown.reached(target))
                .map(|target| Change { target: target.clone(), step: Step::Reach, entry: None })
                .collect();
            if !unreached.is_empty() {
                self.rules.write(family, &shown, &unreached).await?;
                led = led.saturating_add(1);
            }
        }
        if !lost.is_empty() {
            tracing::warn!(
                "rules of riposte in {} were removed by somebody else; they come back with the next repair",
                R::KIND.as_str()
            );
            // Seen no more, so that one loss is counted once.
            for target in lost {
                seen.remove(&target);
                gone.insert(target);
            }
            self.rebuilt.fetch_add(1, Ordering::Relaxed);
        }
        match refusals.pop() {
            Some(refusal) if !refusals.is_empty() => Err(refusal),
            _ => Ok((led, astray)),
        }
    }
}
