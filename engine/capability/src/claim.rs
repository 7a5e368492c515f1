//! Who holds what: the record that comes before every effect.
//!
//! Two entries may block one address. The effect stays until the last of them
//! lets go, so a backend never asks "was I told to remove this?" but always
//! "who still holds this, and for how long?". The answer is the ledger's; this
//! crate only knows the question.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use riposte_policy::order::EntryId;

use crate::mark::Mark;

/// What one capability call changes on the host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Effect {
    /// The WIT interface: `firewall`.
    pub interface: &'static str,
    /// What is changed, in one canonical spelling: `drop 192.0.2.7`.
    pub target: String,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.interface, self.target)
    }
}

/// How long an effect is to stay, over all who hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Standing {
    /// Nobody holds it: it is to go.
    Free,
    /// The last holder lets go after this long.
    For(Duration),
    /// Somebody holds it for good.
    Permanent,
}

/// The ledger, as capabilities see it.
#[async_trait]
pub trait Claims: Send + Sync {
    /// Records that `entry` holds `effect` and returns once that is durable,
    /// with the standing *before* the claim: [`Standing::Free`] means that the
    /// effect is new. `prior` is what the engine needs to restore the state
    /// before the first claim.
    ///
    /// # Errors
    ///
    /// When it could not be recorded; the effect must then not be made.
    async fn claim(
        &self,
        entry: EntryId,
        effect: &Effect,
        prior: Option<&str>,
    ) -> Result<Standing, NotRecorded>;

    /// Records that `entry` no longer holds `effect`, and returns the standing
    /// that remains. The backend then makes the host agree with
    /// [`Claims::standing`].
    ///
    /// # Errors
    ///
    /// When it could not be recorded; the effect then stays.
    async fn release(&self, entry: EntryId, effect: &Effect) -> Result<Standing, NotRecorded>;

    /// The state before the first claim on `effect`, as `entry` recorded or
    /// inherited it; also after its release. `None`: it recorded none.
    ///
    /// # Errors
    ///
    /// When it could not be read.
    async fn prior(&self, entry: EntryId, effect: &Effect) -> Result<Option<String>, NotRecorded>;

    /// What the host should show now, over all claims. Backends ask at the
    /// moment they write, so that concurrent claims and releases of one target
    /// end in the state that the last of them recorded.
    fn standing(&self, effect: &Effect) -> Standing;

    /// The same over all but `entry`: [`Standing::Free`] means that the effect
    /// goes with it.
    fn others(&self, entry: EntryId, effect: &Effect) -> Standing;

    /// The standing, and the entry that a mark on the host is to name: the first
    /// of those that hold it. Who does not know one names none.
    fn marked(&self, effect: &Effect) -> (Standing, Option<EntryId>) {
        (self.standing(effect), None)
    }

    /// Which of these marks are left over from what this ledger did; the others
    /// are orphans, of a ledger that was lost or is another. A mark that names
    /// no entry is told by the ledger as a whole.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    async fn knows(&self, marks: Vec<Mark>) -> Result<Vec<bool>, NotRecorded> {
        Ok(vec![true; marks.len()])
    }
}

/// A claim could not be recorded: the text says why and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotRecorded(pub String);

impl fmt::Display for NotRecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ledger did not record it, so nothing was done: {}", self.0)
    }
}

impl std::error::Error for NotRecorded {}

impl Standing {
    /// Whether it is to be there a moment from now too: what is due may go by
    /// the host's own clock.
    #[must_use]
    pub fn lasts(self) -> bool {
        match self {
            Self::Free => false,
            Self::For(left) => !left.is_zero(),
            Self::Permanent => true,
        }
    }

    /// The standing of two holders together.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Permanent, _) | (_, Self::Permanent) => Self::Permanent,
            (Self::For(a), Self::For(b)) => Self::For(a.max(b)),
            (Self::Free, held) | (held, Self::Free) => held,
        }
    }
}

/// Claims that are forgotten with the process and on which no time passes: for
/// tests of whatever makes effects.
#[derive(Debug, Default)]
pub struct Memory {
    claims: Mutex<HashMap<Effect, BTreeMap<EntryId, Standing>>>,
    priors: Mutex<HashMap<(EntryId, Effect), String>>,
    strangers: Mutex<Vec<EntryId>>,
}

impl Memory {
    /// Records that `entry` holds `effect`, with this standing, until told
    /// otherwise; [`Standing::Free`] takes the claim away.
    pub fn set(&self, entry: EntryId, effect: &Effect, standing: Standing) {
        let mut claims = self.claims();
        let holders = claims.entry(effect.clone()).or_default();
        match standing {
            Standing::Free => holders.remove(&entry),
            held => holders.insert(entry, held),
        };
        if holders.is_empty() {
            claims.remove(effect);
        }
    }

    /// From now on `entry` is one of another ledger.
    pub fn disown(&self, entry: EntryId) {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// Every effect that somebody holds.
    #[must_use]
    pub fn held(&self) -> Vec<Effect> {
        self.claims().keys().cloned().collect()
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<Effect, BTreeMap<EntryId, Standing>>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Claims for Memory {
    /// A claim made this way is permanent unless [`Memory::set`] gave it a span.
    async fn claim(
        &self,
        entry: EntryId,
        effect: &Effect,
        prior: Option<&str>,
    ) -> Result<Standing, NotRecorded> {
        let before = self.standing(effect);
        let mut priors = self.priors.lock().unwrap_or_else(PoisonError::into_inner);
        let other =
            self.claims().get(effect).and_then(|holders| holders.keys().find(|id| **id != entry).copied());
        let inherited = other.and_then(|other| priors.get(&(other, effect.clone())).cloned());
        let holds = self.claims().get(effect).is_some_and(|holders| holders.contains_key(&entry));
        if let Some(prior) = inherited.or_else(|| prior.map(str::to_owned)).filter(|_| !holds) {
            priors.insert((entry, effect.clone()), prior);
        }
        drop(priors);
        self.claims().entry(effect.clone()).or_default().entry(entry).or_insert(Standing::Permanent);
        Ok(before)
    }

    async fn release(&self, entry: EntryId, effect: &Effect) -> Result<Standing, NotRecorded> {
        self.set(entry, effect, Standing::Free);
        Ok(self.standing(effect))
    }

    async fn prior(&self, entry: EntryId, effect: &Effect) -> Result<Option<String>, NotRecorded> {
        let priors = self.priors.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(priors.get(&(entry, effect.clone())).cloned())
    }

    fn standing(&self, effect: &Effect) -> Standing {
        let claims = self.claims();
        let holders = claims.get(effect).into_iter().flat_map(BTreeMap::values);
        holders.fold(Standing::Free, |all, one| all.and(*one))
    }

    fn others(&self, entry: EntryId, effect: &Effect) -> Standing {
        let claims = self.claims();
        let holders = claims.get(effect).into_iter().flatten().filter(|(id, _)| **id != entry);
        holders.fold(Standing::Free, |all, (_, one)| all.and(*one))
    }

    fn marked(&self, effect: &Effect) -> (Standing, Option<EntryId>) {
        let first = self.claims().get(effect).and_then(|holders| holders.keys().next().copied());
        (self.standing(effect), first)
    }

    async fn knows(&self, marks: Vec<Mark>) -> Result<Vec<bool>, NotRecorded> {
        let strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(marks.iter().map(|mark| mark.entry.is_none_or(|entry| !strangers.contains(&entry))).collect())
    }
}
