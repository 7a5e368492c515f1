//! The one writer: makes the kernel agree with the claims.
//!
//! A transaction is first written as if the kernel had what it was seen to
//! have. That is nearly always so and costs least. When it is not, the kernel
//! names the messages that failed, and they are written again in a form that
//! fits any state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use riposte_policy::address::Prefix;
use riposte_policy::grant::SetName;
use riposte_policy::order::EntryId;
use rustix::io::Errno;

use super::addresses::Addresses;
use super::change::{self, Change, Form, Goal, Sight};
use super::lost::Known;
use super::networks::{Networks, Step};
use super::schema::{self, Kind};
use super::transaction::{Failed, Item, Label, PER_ADDRESS, Transaction};
use super::{LARGEST, dump, refusal};
use crate::claim::{Claims, Standing};
use crate::firewall::{Element, GRACE, Target};
use crate::mark::OTHERS;
use crate::netlink::Socket;
use crate::refusal::Refusal;

/// Most times one transaction is sent: as expected; with the table made anew;
/// in the form that fits any state; one message for each; without those that
/// failed even so.
const ATTEMPTS: usize = 6;

pub(super) struct Writer {
    pub(super) socket: Socket,
    pub(super) claims: Arc<dyn Claims>,
    pub(super) rebuilt: Arc<AtomicU64>,
    /// What is in the kernel, as far as is known.
    pub(super) sets: BTreeMap<SetName, Seen>,
    pub(super) transaction: Transaction,
    /// Whether another ledger's engine was seen to block in the same table.
    pub(super) others: bool,
    /// How often this writer has changed the tables.
    pub(super) commits: u32,
    pub(super) known: Known,
    /// How much was made again since that was told last.
    pub(super) mended: usize,
    /// Whether something was in the way when the table was looked at last.
    pub(super) obstructed: bool,
}

/// What the four sets of one name hold.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) addresses: Addresses,
    /// Whether those are all: the sets were empty when they were made, or have
    /// been listed.
    pub(super) complete: bool,
    pub(super) networks: Networks,
    /// What went with the sets when somebody removed them.
    pub(super) gone: Addresses,
}

impl Writer {
    pub(super) fn new(socket: Socket, claims: Arc<dyn Claims>, rebuilt: Arc<AtomicU64>) -> Self {
        Self {
            socket,
            claims,
            rebuilt,
            sets: BTreeMap::new(),
            transaction: Transaction::default(),
            others: false,
            commits: 0,
            known: Known::default(),
            mended: 0,
            obstructed: false,
        }
    }

    /// Reads what an earlier engine left. What is in the way is for the operator,
    /// and no reason to block with something else.
    pub(super) fn begin(&mut self) -> Result<(), Refusal> {
        self.observe(Kind::holds_networks)?;
        if let Err(refusal) = self.mend() {
            tracing::warn!(%refusal, "nothing can be blocked with nftables");
        }
        Ok(())
    }

    /// Reads which sets there are, and makes what is missing of them and of
    /// their rules.
    pub(super) fn probe(&mut self) -> Result<(), Refusal> {
        self.observe(Kind::holds_networks)?;
        self.mend()
    }

    /// Makes the kernel agree with the claims on all targets. One outcome for
    /// each, in their order.
    pub(super) fn sync(&mut self, targets: &[&Target]) -> Vec<Result<(), Refusal>> {
        let mut outcomes = vec![Ok(()); targets.len()];
        // Callers may ask for one target together: it is written once.
        let mut order: Vec<usize> = (0..targets.len()).collect();
        let key = |at: &usize| targets.get(*at).map(|t| (t.set(), t.prefix()));
        order.sort_by_key(key);
        let same: Vec<&[usize]> = order.chunk_by(|a, b| key(a) == key(b)).collect();

        // With something in the way nothing would be blocked; undoing is tried.
        let obstacle = if self.obstructed { self.flags().err() } else { None };
        let (mut changes, mut refused) = (Vec::new(), Vec::new());
        let mut networks: BTreeMap<&SetName, Vec<(usize, Prefix)>> = BTreeMap::new();
        for (group, first) in same.iter().enumerate().filter_map(|(at, g)| Some((at, *g.first()?))) {
            let Some(target) = targets.get(first) else { continue };
            if self.leave_to_others(target) {
                continue;
            }
            if let Some(refusal) = &obstacle
                && self.claims.standing(target.effect()) != Standing::Free
            {
                refused.push((group, refusal.clone()));
            } else if target.prefix().single().is_none() {
                networks.entry(target.set()).or_default().push((group, target.prefix()));
            } else {
                changes.extend(self.change(group, target));
            }
        }
        refused.extend(self.sync_addresses(changes));
        for (set, prefixes) in networks {
            let wanted: Vec<Prefix> = prefixes.iter().map(|(_, prefix)| *prefix).collect();
            if let Err(refusal) = self.sync_networks(set, &wanted) {
                refused.extend(prefixes.iter().map(|(group, _)| (*group, refusal.clone())));
            }
        }
        for (group, refusal) in refused {
            for at in same.get(group).copied().unwrap_or_default() {
                if let Some(outcome) = outcomes.get_mut(*at) {
                    *outcome = Err(refusal.clone());
                }
            }
        }
        outcomes
    }

    /// Makes the kernel agree with the claims on a target, whoever has made what
    /// is there.
    pub(super) fn take_from_others(&mut self, target: &Target) -> Result<(), Refusal> {
        let others = std::mem::take(&mut self.others);
        let outcome = self.sync(&[target]).into_iter().collect();
        self.others = others;
        outcome
    }

    /// Others are remembered: from now on it costs a look to leave them alone.
    pub(super) fn notice_others(&mut self, shown: bool) {
        if shown && !self.others {
            tracing::info!(
                "another ledger's engine blocks in the table `inet {}` too; what it keeps longer is left to it",
                schema::TABLE
            );
        }
        self.others |= shown;
    }

    /// Whether an address is to stay as it is, since another ledger's engine keeps
    /// it blocked, and for longer than it is claimed here. Its own undo ends it;
    /// whoever is not running cannot put back what was taken away from under it.
    fn leave_to_others(&mut self, target: &Target) -> bool {
        if !self.others || target.prefix().single().is_none() {
            return false;
        }
        // Where it cannot be read, the write says what is wrong.
        let Ok(Some(item)) = dump::address(&mut self.socket, target.set(), target.prefix()) else {
            return false;
        };
        let standing = self.claims.standing(target.effect());
        let wanted = if standing == Standing::Free { Some(Duration::ZERO) } else { timeout(standing) };
        let longer = wanted.is_some_and(|wanted| item.timeout.is_none_or(|left| left >= wanted));
        if item.entry != Some(OTHERS) || !longer {
            return false;
        }
        if let Some(seen) = self.sets.get_mut(target.set()) {
            seen.gone.remove(target.prefix());
            if standing == Standing::Free {
                seen.addresses.remove(target.prefix());
            } else {
                seen.addresses.insert(target.prefix());
            }
        }
        true
    }

    /// Everything in the engine's sets.
    pub(super) fn list(&mut self) -> Result<Vec<Element>, Refusal> {
        self.looked();
        let mut elements = Vec::new();
        for (set, items) in self.observe(|_| true)? {
            let element = |Item { prefix, timeout, entry }| Element {
                target: Target::new(&set, prefix),
                remaining: timeout,
                entry,
            };
            elements.extend(items.into_iter().map(element));
        }
        Ok(elements)
    }

    /// Reads which sets there are, and what is in those that `wanted` names,
    /// which are at least those of networks.
    pub(super) fn observe(
        &mut self,
        wanted: impl Fn(Kind) -> bool,
    ) -> Result<BTreeMap<SetName, Vec<Item>>, Refusal> {
        let found = dump::sets(&mut self.socket).map_err(|errno| refusal(errno, "list"))?;
        // Sets that somebody removed show nothing.
        let mut shown: BTreeMap<SetName, Vec<Item>> =
            self.sets.keys().map(|set| (set.clone(), Vec::new())).collect();
        for (set, kind) in found {
            let shown = shown.entry(set.clone()).or_default();
            if wanted(kind) {
                let items = dump::elements(&mut self.socket, &set, kind);
                shown.extend(items.map_err(|errno| refusal(errno, "list"))?);
            }
        }
        self.notice_others(shown.values().flatten().any(|item| item.entry == Some(OTHERS)));
        for (set, items) in &shown {
            let seen = self.sets.entry(set.clone()).or_default();
            let (addresses, networks): (Vec<Prefix>, Vec<Prefix>) =
                items.iter().map(|item| item.prefix).partition(|prefix| prefix.single().is_some());
            seen.networks.observe(&networks);
            if wanted(Kind::Addresses4) && wanted(Kind::Addresses6) {
                let before = std::mem::replace(&mut seen.addresses, addresses.into_iter().collect());
                let gone = before.iter().filter(|prefix| !seen.addresses.contains(*prefix));
                let gone: Vec<Prefix> = gone
                    .filter(|prefix| self.claims.standing(Target::new(set, *prefix).effect()).lasts())
                    .collect();
                gone.into_iter().for_each(|prefix| seen.gone.insert(prefix));
                seen.complete = true;
            }
        }
        Ok(shown)
    }

    /// What is to be done about an address; `None`: nothing, for the set that
    /// it is to leave does not exist.
    fn change<'a>(&self, target: usize, of: &'a Target) -> Option<Change<'a>> {
        let seen = self.sets.get(of.set());
        let (standing, entry) = self.claims.marked(of.effect());
        let goal = match standing {
            Standing::Free if seen.is_none() => return None,
            Standing::Free => Goal::Absent,
            Standing::For(_) | Standing::Permanent => Goal::Present,
        };
        Some(Change {
            target,
            set: of.set(),
            kind: Kind::of(of.prefix()),
            goal,
            sight: seen.map_or(Sight::NotThere, |seen| seen.sight(of.prefix())),
            form: Form::Expected,
            failed: None,
            item: Item { prefix: of.prefix(), timeout: timeout(standing), entry },
        })
    }

    /// Carries out all changes; returns the targets that were refused.
    fn sync_addresses(&mut self, mut changes: Vec<Change<'_>>) -> Vec<(usize, Refusal)> {
        let missing: BTreeSet<_> =
            changes.iter().map(|change| change.set).filter(|set| !self.sets.contains_key(*set)).collect();
        if let Err(refusal) = self.lay_also(missing) {
            // Without its set nothing can be done for any of them.
            return changes.iter().map(|change| (change.target, refusal.clone())).collect();
        }
        changes.sort_by_key(|change| (change.set, change.kind, change.goal, change.sight));
        let room = (self.socket.room() / PER_ADDRESS).clamp(1, LARGEST);
        let mut refused = Vec::new();
        for chunk in changes.chunks_mut(room) {
            if let Err(refusal) = self.carry_out(chunk) {
                refused.extend(chunk.iter().map(|change| (change.target, refusal.clone())));
                continue;
            }
            for change in chunk {
                match change.failed {
                    Some(errno) => refused.push((change.target, refusal(errno, "change"))),
                    None => self.note(change),
                }
            }
        }
        refused
    }

    /// Remembers a change that was made.
    fn note(&mut self, change: &Change<'_>) {
        if let Some(Seen { addresses, gone, .. }) = self.sets.get_mut(change.set) {
            gone.remove(change.item.prefix);
            match change.goal {
                Goal::Present => addresses.insert(change.item.prefix),
                Goal::Absent => addresses.remove(change.item.prefix),
            }
        }
    }

    /// Sends changes as one transaction, again and again until the kernel
    /// takes all but those that fail by themselves, which are marked.
    fn carry_out(&mut self, changes: &mut [Change<'_>]) -> Result<(), Refusal> {
        let mut pending: Vec<&mut Change<'_>> = changes.iter_mut().collect();
        let mut last = Errno::CANCELED;
        for _ in 0..ATTEMPTS {
            pending.retain(|change| change.failed.is_none());
            self.transaction.begin(&mut self.socket);
            change::write(&mut self.transaction, &pending);
            match self.send() {
                Ok(()) => return Ok(()),
                // Lost answers: whatever was done, the other form fits.
                Err(Failed::Whole(errno @ (Errno::NODATA | Errno::NOBUFS))) => {
                    last = errno;
                    for change in &mut pending {
                        change.form = Form::Any;
                    }
                }
                Err(Failed::Whole(errno)) => return Err(refusal(errno, "change")),
                Err(Failed::Parts(parts)) => {
                    let mut gone = self.replaced(&parts)?;
                    for (label, errno) in parts {
                        last = errno;
                        gone |= errno == Errno::NOENT && matches!(label, Label::Adds(_));
                        change::reconsider(&mut pending, &label, errno);
                    }
                    if gone {
                        self.rebuild()?;
                    }
                }
            }
        }
        Err(refusal(last, "change"))
    }

    /// Makes the kernel agree on networks of one set, all together.
    fn sync_networks(&mut self, set: &SetName, prefixes: &[Prefix]) -> Result<(), Refusal> {
        let claims = Arc::clone(&self.claims);
        let standing = |prefix: Prefix| claims.marked(Target::new(set, prefix).effect());
        if !self.sets.contains_key(set) {
            if prefixes.iter().all(|prefix| standing(*prefix).0 == Standing::Free) {
                return Ok(());
            }
            self.lay_also([set].into())?;
        }
        let Some(Seen { networks, .. }) = self.sets.get_mut(set) else { return Ok(()) };
        self.transaction.begin(&mut self.socket);
        for prefix in prefixes {
            let steps = match standing(*prefix).0 {
                Standing::Free => networks.release(*prefix),
                _ => networks.claim(*prefix),
            };
            for step in steps {
                match step {
                    Step::Remove(p) => self.transaction.remove(set, Kind::of(p), &[Item::bare(p)], 0..0),
                    Step::Add(p) => match standing(p) {
                        // Its own release is on its way and finds it missing.
                        (Standing::Free, _) => networks.astray = true,
                        held => self.transaction.create(set, Kind::of(p), &[item(p, held)], 0..0),
                    },
                }
            }
        }
        if !networks.astray && self.send().is_ok() {
            return Ok(());
        }
        self.rewrite_networks(set, &standing)
    }

    /// Writes all networks of a set anew, whatever the kernel has.
    fn rewrite_networks(
        &mut self,
        set: &SetName,
        standing: &dyn Fn(Prefix) -> (Standing, Option<EntryId>),
    ) -> Result<(), Refusal> {
        let mut last = Errno::CANCELED;
        for _ in 0..2 {
            let Some(Seen { networks, .. }) = self.sets.get_mut(set) else { return Ok(()) };
            networks.astray = true;
            networks.retain(|prefix| standing(*prefix).0 != Standing::Free);
            self.transaction.begin(&mut self.socket);
            for kind in [Kind::Networks4, Kind::Networks6] {
                let items: Vec<Item> = networks
                    .outermost()
                    .filter(|prefix| Kind::of(*prefix) == kind)
                    .map(|prefix| item(prefix, standing(prefix)))
                    .collect();
                self.transaction.flush(set, kind);
                self.transaction.create(set, kind, &items, 0..0);
            }
            match self.send() {
                Ok(()) => {
                    if let Some(Seen { networks, .. }) = self.sets.get_mut(set) {
                        networks.astray = false;
                    }
                    return Ok(());
                }
                Err(Failed::Whole(errno)) => return Err(refusal(errno, "change")),
                Err(Failed::Parts(parts)) => {
                    last = parts.first().map_or(last, |(_, errno)| *errno);
                    if !self.replaced(&parts)? && !parts.iter().any(|(_, errno)| *errno == Errno::NOENT) {
                        break;
                    }
                    self.rebuild()?;
                }
            }
        }
        Err(refusal(last, "change"))
    }

    /// Whether the kernel may have refused elements since their set is another
    /// one of the same name.
    fn replaced(&mut self, parts: &[(Label, Errno)]) -> Result<bool, Refusal> {
        if parts.iter().all(|(_, errno)| matches!(*errno, Errno::NOENT | Errno::EXIST)) {
            return Ok(false);
        }
        self.flags()?;
        self.unfit().map(|unfit| !unfit.is_empty())
    }

    /// Sends what was written, and counts it.
    pub(super) fn send(&mut self) -> Result<(), Failed> {
        let empty = self.transaction.is_empty();
        self.transaction.send(&mut self.socket).inspect(|()| {
            if !empty {
                self.commits = self.commits.wrapping_add(1);
            }
        })
    }
}

impl Seen {
    fn sight(&self, address: Prefix) -> Sight {
        match self.addresses.contains(address) {
            true => Sight::There,
            false if self.complete => Sight::NotThere,
            false => Sight::Unknown,
        }
    }
}

/// A network as it is to be in the kernel.
fn item(prefix: Prefix, (standing, entry): (Standing, Option<EntryId>)) -> Item {
    Item { prefix, timeout: timeout(standing), entry }
}

/// How long the kernel is to keep it; `None`: for good.
fn timeout(standing: Standing) -> Option<Duration> {
    match standing {
        Standing::For(span) => Some(span.saturating_add(GRACE)),
        Standing::Free | Standing::Permanent => None,
    }
}
