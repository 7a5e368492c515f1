//! All the firewalls of this host behind one.
//!
//! What is in force is undone by what made it, so a target names its backend
//! and goes there, whatever the settings say now. A backend that nothing names
//! is never touched: `iptables -S` alone loads modules into some kernels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use riposte_policy::address::Prefix;
use riposte_policy::grant::FirewallBackend;

use super::{Backend, Element, Look, Lost, Target, elsewhere};
use crate::claim::Claims;
use crate::refusal::Refusal;

/// What a system may have, the best first: that is the order of the choice.
#[cfg(target_os = "linux")]
const KINDS: &[FirewallBackend] = &[
    FirewallBackend::Nftables,
    FirewallBackend::Ipset,
    FirewallBackend::Iptables,
    FirewallBackend::Firewalld,
];
/// The other systems' firewalls: those that are not of this system refuse to
/// be opened.
#[cfg(not(target_os = "linux"))]
const KINDS: &[FirewallBackend] = &[
    FirewallBackend::Pf,
    FirewallBackend::Npf,
    FirewallBackend::Ipfw,
    FirewallBackend::Ipf,
    FirewallBackend::Aix,
    FirewallBackend::Netsh,
];

/// Where nothing works, it is tried out again what does as often as this goes
/// into how often it is listed: about once a minute.
const SELDOM: u32 = 12;

/// Which of them are chosen without being asked for. Firewalld is not: where
/// it runs, one of the others works too, and knows a network from an address.
fn picked_by_itself(kind: FirewallBackend) -> bool {
    kind != FirewallBackend::Firewalld
}

/// Opens one backend. Whoever writes another one adds its line here and its
/// name in [`KINDS`].
fn open(kind: FirewallBackend, claims: &Arc<dyn Claims>) -> Result<Arc<dyn Backend>, Refusal> {
    #[cfg(target_os = "linux")]
    {
        let claims = Arc::clone(claims);
        match kind {
            FirewallBackend::Nftables => Ok(Arc::new(super::nftables::Nftables::open(claims)?)),
            FirewallBackend::Iptables => super::iptables::open(claims),
            FirewallBackend::Ipset => super::ipset::open(claims),
            FirewallBackend::Firewalld => Ok(super::firewalld::open(None, claims)),
            other => Err(elsewhere(other)),
        }
    }
    #[cfg(not(target_os = "linux"))]
    super::vectors::backend(kind, Arc::clone(claims))
}

/// Whether a packet filter is one of this kind of system; whether it works
/// is for its probe to say.
#[must_use]
pub fn may_be_here(kind: FirewallBackend) -> bool {
    KINDS.contains(&kind)
}

/// A backend that does not block, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Which.
    pub backend: FirewallBackend,
    /// One line for people.
    pub why: String,
}

/// Every backend of this host; one of them is chosen where a grant names none.
pub struct Firewalls {
    claims: Arc<dyn Claims>,
    choice: Mutex<Choice>,
    slots: Vec<Slot>,
    /// Those that have been written to, now or by an earlier engine.
    used: Mutex<BTreeSet<FirewallBackend>>,
    /// Why what some of them block could not be read last: said once.
    unread: Mutex<BTreeMap<FirewallBackend, String>>,
    /// How often none could be, while none is known to work.
    in_vain: AtomicU32,
}

/// Which backend blocks where a grant names none.
#[derive(Clone)]
struct Choice {
    chosen: FirewallBackend,
    passed_over: Vec<PassedOver>,
    /// Nothing worked when it was chosen, and nobody asked for it: whatever works
    /// first takes its place.
    is_open: bool,
}

struct Slot {
    kind: FirewallBackend,
    /// Opened when it is first needed; a failure is not kept, so that a program
    /// that is installed later is found.
    backend: OnceLock<Arc<dyn Backend>>,
}

impl Firewalls {
    /// Those of this host. `wanted`: what the settings name; `None`: the first
    /// that works. Where nothing works, or what is wanted does not, each block
    /// is refused with what is missing; [`Backend::probe`] says it too.
    #[must_use]
    pub fn of_this_host(claims: Arc<dyn Claims>, wanted: Option<FirewallBackend>) -> Self {
        let first = KINDS.first().copied().unwrap_or(FirewallBackend::Nftables);
        let mut firewalls = Self::with(claims, wanted.unwrap_or(first), Vec::new());
        if let Some(wanted) = wanted {
            let passed_over = firewalls.others(&[], wanted, "the settings name another");
            firewalls.choice = Mutex::new(Choice { chosen: wanted, passed_over, is_open: false });
            return firewalls;
        }
        let mut tried = Vec::new();
        let mut found = None;
        for kind in KINDS.iter().copied().filter(|kind| picked_by_itself(*kind)) {
            match firewalls.works(kind) {
                Ok(()) => {
                    found = Some(kind);
                    break;
                }
                Err(refusal) => tried.push(PassedOver { backend: kind, why: refusal.message }),
            }
        }
        firewalls.choose(found, tried);
        // What was only tried out is not looked at again.
        *firewalls.used_set() = [firewalls.chosen()].into();
        firewalls
    }

    /// Those that are given, and whatever else is needed of this host: for
    /// tests, and for what comes by another way.
    #[must_use]
    pub fn with(
        claims: Arc<dyn Claims>,
        chosen: FirewallBackend,
        given: Vec<(FirewallBackend, Arc<dyn Backend>)>,
    ) -> Self {
        let mut slots: Vec<Slot> =
            KINDS.iter().map(|kind| Slot { kind: *kind, backend: OnceLock::new() }).collect();
        for (kind, backend) in given {
            slots.retain(|slot| slot.kind != kind);
            slots.push(Slot { kind, backend: OnceLock::from(backend) });
        }
        Self {
            claims,
            choice: Mutex::new(Choice { chosen, passed_over: Vec::new(), is_open: false }),
            slots,
            used: Mutex::new([chosen].into()),
            unread: Mutex::default(),
            in_vain: AtomicU32::new(1),
        }
    }

    /// Whether the chosen one is there.
    ///
    /// # Errors
    ///
    /// What is missing, and what to do about it.
    pub fn there(&self) -> Result<(), Refusal> {
        self.slot(self.chosen()).map(drop)
    }

    /// Opens it and tries it out.
    fn works(&self, kind: FirewallBackend) -> Result<(), Refusal> {
        let backend = Arc::clone(self.slot(kind)?);
        if kind == FirewallBackend::Nftables {
            // It tries by opening.
            return Ok(());
        }
        // The start is not part of any runtime yet, and a program needs one.
        let probing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| Refusal::unavailable(format!("cannot probe: {error}")))?;
            runtime.block_on(backend.probe())
        });
        probing.join().unwrap_or_else(|_| Err(Refusal::failed("its probe ended unexpectedly")))
    }

    /// Settles what blocks; `None`: nothing works, and the choice stays open.
    fn choose(&self, found: Option<FirewallBackend>, mut tried: Vec<PassedOver>) {
        let chosen = found.unwrap_or_else(|| self.chosen());
        tried.retain(|other| other.backend != chosen);
        let passed_over = self.others(&tried, chosen, "another works and comes before it");
        *self.choice() = Choice { chosen, passed_over, is_open: found.is_none() };
        self.used_set().insert(chosen);
    }

    /// Looks once more for one that works, when none did. What lists them is
    /// asked every few seconds, and some have to be tried out by starting a
    /// program: not each time.
    async fn choose_again(&self) -> Option<FirewallBackend> {
        if !self.choice().is_open || !self.in_vain.fetch_add(1, Ordering::Relaxed).is_multiple_of(SELDOM) {
            return None;
        }
        let mut tried = Vec::new();
        for kind in KINDS.iter().copied().filter(|kind| picked_by_itself(*kind)) {
            let probed = match self.slot(kind) {
                Ok(backend) => backend.probe().await,
                Err(refusal) => Err(refusal),
            };
            match probed {
                Ok(()) => {
                    self.choose(Some(kind), tried);
                    tracing::info!(
                        backend = kind.as_str(),
                        "a packet filter works now, and blocks from now on"
                    );
                    return Some(kind);
                }
                Err(refusal) => tried.push(PassedOver { backend: kind, why: refusal.message }),
            }
        }
        None
    }

    /// What one of them blocks. That it cannot be read is said once, and so is
    /// that it can be again.
    async fn list_of(&self, kind: FirewallBackend) -> Result<Vec<Element>, Refusal> {
        let found = match self.slot(kind) {
            Ok(backend) => backend.list().await,
            Err(refusal) => Err(refusal),
        };
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        match &found {
            Ok(_) => {
                if unread.remove(&kind).is_some() {
                    tracing::info!(backend = kind.as_str(), "what it blocks can be read now");
                }
                let mut choice = self.choice();
                choice.is_open &= choice.chosen != kind;
            }
            Err(why) => {
                if unread.insert(kind, why.message.clone()).as_deref() != Some(why.message.as_str()) {
                    tracing::warn!(
                        backend = kind.as_str(),
                        %why,
                        "what it blocks cannot be read; it is tried again every few seconds, and not said again"
                    );
                }
            }
        }
        found
    }

    /// What there is besides `chosen`: why it did not work when it was `tried`,
    /// why it is not there, or else `why` it is not used.
    fn others(&self, tried: &[PassedOver], chosen: FirewallBackend, why: &str) -> Vec<PassedOver> {
        let other = |kind: &FirewallBackend| {
            if let Some(tried) = tried.iter().find(|tried| tried.backend == *kind) {
                return tried.clone();
            }
            // Opening the programs' backends and firewalld looks for files only.
            let missing = match kind {
                FirewallBackend::Nftables => None,
                kind => self.slot(*kind).err().map(|refusal| refusal.message),
            };
            PassedOver { backend: *kind, why: missing.unwrap_or_else(|| why.to_owned()) }
        };
        KINDS.iter().filter(|kind| **kind != chosen).map(other).collect()
    }

    fn slot(&self, kind: FirewallBackend) -> Result<&Arc<dyn Backend>, Refusal> {
        let slot = self.slots.iter().find(|slot| slot.kind == kind).ok_or_else(|| elsewhere(kind))?;
        if let Some(backend) = slot.backend.get() {
            return Ok(backend);
        }
        let opened = open(kind, &self.claims)?;
        // Two may open it at once; one of them is kept.
        Ok(slot.backend.get_or_init(|| opened))
    }

    fn in_use(&self) -> Vec<FirewallBackend> {
        self.used_set().iter().copied().collect()
    }

    fn choice(&self) -> MutexGuard<'_, Choice> {
        self.choice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used_set(&self) -> MutexGuard<'_, BTreeSet<FirewallBackend>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of these targets by one backend.
    async fn by(&self, kind: FirewallBackend, targets: Vec<Target>) -> Result<(), Refusal> {
        let backend = self.slot(kind)?;
        if kind != self.chosen() {
            self.used_set().insert(kind);
        }
        backend.sync(targets).await
    }
}

#[async_trait]
impl Backend for Firewalls {
    async fn sync(&self, mut targets: Vec<Target>) -> Result<(), Refusal> {
        let Some(kind) = targets.first().map(Target::backend) else { return Ok(()) };
        if targets.iter().all(|target| target.backend() == kind) {
            return self.by(kind, targets).await;
        }
        let mut outcome = Ok(());
        while let Some(kind) = targets.first().map(Target::backend) {
            let (mine, rest) = targets.into_iter().partition(|target| target.backend() == kind);
            targets = rest;
            outcome = outcome.and(self.by(kind, mine).await);
        }
        outcome
    }

    /// A backend that cannot be read does not hide the others: what is claimed
    /// of it counts as missing, and is refused when it is to be made again.
    async fn list(&self) -> Result<Vec<Element>, Refusal> {
        let mut elements = Vec::new();
        let mut refusal = None;
        let mut listed = false;
        for kind in self.in_use() {
            match self.list_of(kind).await {
                Ok(found) => {
                    listed = true;
                    elements.extend(found);
                }
                Err(why) => refusal = Some(why),
            }
        }
        if !listed && let Some(kind) = self.choose_again().await {
            return self.list_of(kind).await;
        }
        match refusal {
            Some(refusal) if !listed => Err(refusal),
            _ => Ok(elements),
        }
    }

    /// Of the chosen one; the others are looked at too, and only logged.
    async fn probe(&self) -> Result<(), Refusal> {
        let chosen = self.chosen();
        for kind in self.in_use().into_iter().filter(|kind| *kind != chosen) {
            let probed = match self.slot(kind) {
                Ok(backend) => backend.probe().await,
                Err(refusal) => Err(refusal),
            };
            if let Err(refusal) = probed {
                tracing::debug!(backend = kind.as_str(), %refusal, "it cannot be looked at");
            }
        }
        self.slot(chosen)?.probe().await
    }

    async fn lost(&self, look: Look) -> Result<Lost, Refusal> {
        let chosen = self.chosen();
        let mut all = Lost::default();
        let mut refusal = None;
        for kind in self.in_use() {
            // What was never opened made nothing.
            let Some(backend) =
                self.slots.iter().find(|slot| slot.kind == kind).and_then(|s| s.backend.get())
            else {
                continue;
            };
            match backend.lost(look).await {
                Ok(Lost { rebuilt, missing, astray }) => {
                    all.rebuilt += rebuilt;
                    all.missing.extend(missing);
                    all.astray.extend(astray);
                }
                Err(why) if kind == chosen => refusal = Some(why),
                Err(why) => tracing::debug!(backend = kind.as_str(), %why, "it cannot be looked at"),
            }
        }
        match refusal {
            Some(refusal) if all == Lost::default() => Err(refusal),
            _ => Ok(all),
        }
    }

    async fn look(&self, mut targets: Vec<Target>) -> Result<Vec<Element>, Refusal> {
        let mut elements = Vec::new();
        while let Some(kind) = targets.first().map(Target::backend) {
            let (mine, rest) = targets.into_iter().partition(|target| target.backend() == kind);
            targets = rest;
            elements.extend(self.slot(kind)?.look(mine).await?);
        }
        Ok(elements)
    }

    async fn take_from_others(&self, target: Target) -> Result<(), Refusal> {
        self.slot(target.backend())?.take_from_others(target).await
    }

    fn ports(&self) -> Vec<u32> {
        let open = self.slots.iter().filter_map(|slot| slot.backend.get());
        open.flat_map(|backend| backend.ports()).collect()
    }

    fn rebuilt(&self) -> u64 {
        let open = self.slots.iter().filter_map(|slot| slot.backend.get());
        open.map(|backend| backend.rebuilt()).fold(0, u64::wrapping_add)
    }

    fn chosen(&self) -> FirewallBackend {
        self.choice().chosen
    }

    fn kinds(&self) -> &[FirewallBackend] {
        KINDS
    }

    fn ready(&self, target: &Target) -> Result<(), Refusal> {
        self.slot(target.backend())?.ready(target)
    }

    fn used(&self, kinds: &[FirewallBackend]) {
        self.used_set().extend(kinds);
    }

    fn passed_over(&self) -> Vec<PassedOver> {
        self.choice().passed_over.clone()
    }

    async fn cut(&self, prefix: Prefix) -> Result<(), Refusal> {
        #[cfg(target_os = "linux")]
        return super::cut::cut(prefix).await;
        #[cfg(not(target_os = "linux"))]
        {
            let _ = prefix;
            Err(Refusal::unsupported("open connections cannot be ended on this system: they starve"))
        }
    }
}

#[cfg(test)]
mod tests;
