//! Making the host agree with the claims: at start, and whenever somebody else
//! changed what the engine has made.
//!
//! What is claimed and missing is made again. What carries the engine's mark
//! and is claimed by nobody is one of two things: a leftover of an entry that
//! the ledger knows, which is taken away; or an orphan, of a ledger that was
//! lost or is another, which is left to the host's own clock and shown to the
//! operator.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crate::Verdict;
use crate::claim::{Effect, Standing};
use crate::firewall::{self, Element, Look, Lost, Target};
use crate::mark::Mark;
use crate::refusal::Refusal;
use crate::{
    Capabilities, INTERFACES, accounts, isolation, lines, quarantine, routes, target_of, targets_of,
};

/// How many effects a report names.
const NAMED: usize = 10;
/// A leftover that is there again after it was taken away so often is made by
/// somebody who goes on: an engine with another ledger, most likely.
const TAKEN: u8 = 3;
/// For how many leftovers that is counted.
const COUNTED: usize = 4096;

/// How much was changed to make the host agree with the claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// How many effects were missing or had another timeout than their claims.
    pub written: usize,
    /// How many effects nobody claimed.
    pub removed: usize,
}

/// What was changed, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// How much.
    pub repaired: Repaired,
    /// Tables, chains, sets and rules that were made again.
    pub rebuilt: usize,
    /// The first of the effects, each with what was done.
    pub named: Vec<String>,
    /// What differs and is not for the engine to change: for the operator.
    pub told: Vec<(Effect, String)>,
    /// Orphans that were not known before.
    pub orphans: Vec<Mark>,
}

impl Mended {
    /// Whether anything was changed.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.repaired == Repaired::default() && self.rebuilt == 0
    }

    pub(crate) fn put_back(&mut self, effect: &Effect) {
        self.repaired.written = self.repaired.written.saturating_add(1);
        self.name(effect, "put back");
    }

    pub(crate) fn took_away(&mut self, effect: &Effect) {
        self.repaired.removed = self.repaired.removed.saturating_add(1);
        self.name(effect, "taken away");
    }

    fn name(&mut self, effect: &Effect, what: &str) {
        if self.named.len() < NAMED {
            self.named.push(format!("{effect} {what}"));
        }
    }
}

/// What somebody else may have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Of the firewall.
    pub blocks: Blocks,
    /// Routes.
    pub routes: bool,
    /// Tables of an isolation.
    pub isolation: bool,
    /// Files: those of `lines`, of accounts, and what is in quarantine.
    pub files: bool,
}

/// What may have changed of the firewall.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Blocks {
    /// Nothing.
    #[default]
    None,
    /// These, and somebody else did it.
    These(HashSet<Target>),
    /// More than that, or nobody knows.
    Any(Look),
    /// Everything is compared with all claims, as at a start.
    All,
}

impl Touched {
    /// Everything, looked at as closely as costs little.
    #[must_use]
    pub fn anything() -> Self {
        Self { blocks: Blocks::Any(Look::Quick), routes: true, isolation: true, files: true }
    }

    /// Whether nothing was.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the effects of an interface may have been.
    #[must_use]
    pub fn includes(&self, interface: &str) -> bool {
        match interface {
            firewall::INTERFACE => self.blocks != Blocks::None,
            routes::INTERFACE => self.routes,
            isolation::INTERFACE => self.isolation,
            _ => self.files,
        }
    }
}

impl Capabilities {
    /// Compares the host with `effects`, which must be everything that is
    /// claimed, and settles each difference: what is missing is made again,
    /// what differs is renewed, and what nobody claims is removed when it is a
    /// leftover. For the start.
    ///
    /// # Errors
    ///
    /// When the host could not be read, or the first failure of a backend; the
    /// other effects were settled.
    pub async fn repair(&self, effects: &[Effect]) -> Result<Repaired, Refusal> {
        let (mended, outcome) = self.repair_all(effects).await;
        outcome.map(|()| mended.repaired)
    }

    /// The same, with what was done also where a part of it failed.
    pub async fn repair_all(&self, effects: &[Effect]) -> (Mended, Result<(), Refusal>) {
        let mut mended = Mended::default();
        let mut outcome = self.repair_firewall(effects, &mut mended).await;
        for interface in INTERFACES {
            outcome = outcome.and(self.compare_held(interface, effects, &mut mended).await);
        }
        (mended, outcome)
    }

    /// Whether [`Capabilities::repair`] could not read the firewall, or not write
    /// all of it. Nobody else would notice what is missing.
    #[must_use]
    pub fn owes_blocks(&self) -> bool {
        self.owes_blocks.load(Ordering::Acquire)
    }

    /// The same: the claims could not be read for it.
    pub fn owe_blocks(&self) {
        self.owes_blocks.store(true, Ordering::Release);
    }

    /// Settles what others changed. `effects` must be everything that is claimed
    /// of the interfaces that are [`Touched::includes`]d, but those of the
    /// firewall, whose backends know what they have made: those only for
    /// [`Blocks::All`].
    ///
    /// # Errors
    ///
    /// As [`Capabilities::repair`]; the report says what was settled.
    pub async fn compare(&self, touched: &Touched, effects: &[Effect]) -> (Mended, Result<(), Refusal>) {
        let mut mended = Mended::default();
        let mut outcome = match &touched.blocks {
            Blocks::All => self.repair_firewall(effects, &mut mended).await,
            blocks => self.compare_firewall(blocks, &mut mended).await,
        };
        for interface in INTERFACES.into_iter().filter(|interface| touched.includes(interface)) {
            outcome = outcome.and(self.compare_held(interface, effects, &mut mended).await);
        }
        (mended, outcome)
    }

    /// The numbers of the sockets by which the kernel names this engine where it
    /// tells who changed something.
    #[must_use]
    pub fn ports(&self) -> Vec<u32> {
        let held = INTERFACES.iter().filter_map(|interface| self.held(interface)?.backend.port());
        held.chain(self.backends.firewall.ports()).collect()
    }

    /// The interfaces whose effects are seen in files.
    #[must_use]
    pub fn interfaces_of_files() -> &'static [&'static str] {
        &[accounts::INTERFACE, lines::INTERFACE, quarantine::INTERFACE]
    }

    /// The files that show whether an effect is there, and those that it is about.
    #[must_use]
    pub fn files_of(interface: &str, target: &str) -> Vec<PathBuf> {
        match interface {
            lines::INTERFACE => lines::file_of(target).into_iter().collect(),
            quarantine::INTERFACE => vec![PathBuf::from(target)],
            accounts::INTERFACE => ["/etc/passwd", "/etc/shadow"].map(PathBuf::from).to_vec(),
            _ => Vec::new(),
        }
    }

    /// What the host shows with the engine's mark, and this ledger never heard
    /// of, as far as was seen.
    #[must_use]
    pub fn orphans(&self) -> Vec<Mark> {
        let mut orphans = self.orphans.lock().unwrap_or_else(PoisonError::into_inner);
        // A later entry may have made it its own.
        orphans.retain(|_, mark| self.claims.standing(&mark.effect) == Standing::Free);
        orphans.values().cloned().collect()
    }

    /// Takes an orphan away. `false`: there is none of this name; it may have
    /// gone by itself.
    ///
    /// # Errors
    ///
    /// When the host may still have it.
    pub async fn remove_orphan(&self, name: &str) -> Result<bool, Refusal> {
        let Some(Mark { effect, .. }) =
            self.orphans().into_iter().find(|mark| mark.effect.to_string() == name)
        else {
            return Ok(false);
        };
        match self.held(effect.interface) {
            Some(holding) => holding.remove_unclaimed(&effect).await?,
            // Nobody claims it, so to agree is to remove.
            None => self.backends.firewall.take_from_others(target_of(&effect)?).await?,
        }
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(true)
    }

    /// Of these, which nobody claims, those that are leftovers. The others are
    /// orphans from now on.
    pub(crate) async fn leftovers(&self, marks: Vec<Mark>, mended: &mut Mended) -> Vec<Mark> {
        if marks.is_empty() {
            return marks;
        }
        // What cannot be told is left alone, and asked again next time.
        let known = match self.claims.knows(marks.clone()).await {
            Ok(known) => known,
            Err(error) => {
                tracing::warn!(%error, "whose marks these are cannot be told");
                return Vec::new();
            }
        };
        let mut leftovers = Vec::new();
        for (mark, known) in marks.into_iter().zip(known) {
            let name = mark.effect.to_string();
            let orphan = self.orphans.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&name);
            if known && !orphan && self.taken(&mark) < TAKEN {
                leftovers.push(mark);
            } else {
                self.adopt_as_orphans(vec![mark], mended);
            }
        }
        leftovers
    }

    fn taken(&self, mark: &Mark) -> u8 {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.get(&numbered(mark)).copied().unwrap_or_default()
    }

    fn count_taken(&self, mark: &Mark) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= COUNTED {
            taken.clear();
        }
        let times = taken.entry(numbered(mark)).or_default();
        *times = times.saturating_add(1);
    }

    /// Of elements that do not agree with their claims, those that are to be
    /// written. What another ledger's mark keeps longer than the claims here is
    /// left so: two engines that share a table would set it in turns for ever,
    /// and what is claimed here ends on time all the same.
    async fn not_kept_by_others(&self, differing: Vec<Element>) -> Vec<Target> {
        let (others, mut wrong): (Vec<_>, Vec<_>) = differing.into_iter().partition(|element| {
            let (standing, first) = self.claims.marked(element.target.effect());
            let wanted = firewall::kept(element.target.backend(), standing);
            let longer = wanted.is_some_and(|wanted| element.remaining.is_none_or(|left| left > wanted));
            longer && element.entry.is_some() && element.entry != first
        });
        if !others.is_empty() {
            let marks = others.iter().cloned().map(Mark::from).collect();
            // What cannot be told is written.
            let known = self.claims.knows(marks).await.unwrap_or_else(|_| vec![true; others.len()]);
            wrong.extend(others.into_iter().zip(known).filter_map(|(one, known)| known.then_some(one)));
        }
        wrong.into_iter().map(|element| element.target).collect()
    }

    /// Why an account is not locked again: what was no harm when it was locked
    /// may lock out the last administrator by now.
    fn judge(&self, user: &str) -> Option<String> {
        match self.guard.judge_user(&user.parse().ok()?) {
            Verdict::Pass => None,
            Verdict::Never { rule, detail } => {
                Some(format!("somebody unlocked it, and it stays so: {detail} (guard: {rule})"))
            }
        }
    }

    fn adopt_as_orphans(&self, marks: Vec<Mark>, mended: &mut Mended) {
        for mark in marks {
            let mut orphans = self.orphans.lock().unwrap_or_else(PoisonError::into_inner);
            if orphans.insert(mark.effect.to_string(), mark.clone()).is_none() {
                mended.orphans.push(mark);
            }
        }
    }

    async fn repair_firewall(&self, effects: &[Effect], mended: &mut Mended) -> Result<(), Refusal> {
        self.owe_blocks();
        match self.repair_blocks(effects, mended).await {
            Ok(()) => self.owes_blocks.store(false, Ordering::Release),
            // Nothing is claimed, so nothing is missing: a host without a packet
            // filter is as it should be. It is looked at again all the same.
            Err(_) if targets_of(effects).is_empty() => {}
            Err(refusal) => return Err(refusal),
        }
        Ok(())
    }

    async fn repair_blocks(&self, effects: &[Effect], mended: &mut Mended) -> Result<(), Refusal> {
        let firewall = self.backends.firewall.as_ref();
        let targets = targets_of(effects);
        let kinds: BTreeSet<_> = targets.iter().map(Target::backend).collect();
        firewall.used(&kinds.into_iter().collect::<Vec<_>>());
        let listed = firewall.list().await?;
        let mut correct = HashSet::new();
        let (mut unclaimed, mut differing) = (Vec::new(), Vec::new());
        for element in listed {
            let standing = self.claims.standing(element.target.effect());
            if standing == Standing::Free {
                unclaimed.push(element);
            } else if firewall::agrees(element.target.backend(), standing, element.remaining) {
                correct.insert(element.target);
            } else {
                differing.push(element);
            }
        }
        let others: Vec<Target> = differing.iter().map(|element| element.target.clone()).collect();
        let wrong: HashSet<Target> = self.not_kept_by_others(differing).await.into_iter().collect();
        correct.extend(others.into_iter().filter(|target| !wrong.contains(target)));
        let wrong = targets.into_iter().filter(|target| !correct.contains(target)).collect();
        self.settle_blocks(unclaimed, wrong, mended).await
    }

    async fn compare_firewall(&self, blocks: &Blocks, mended: &mut Mended) -> Result<(), Refusal> {
        let firewall = self.backends.firewall.as_ref();
        let (missing, astray) = match blocks {
            Blocks::None | Blocks::All => return Ok(()),
            Blocks::These(targets) => self.look_at(targets).await?,
            Blocks::Any(look) => {
                let Lost { rebuilt, missing, astray } = firewall.lost(*look).await?;
                mended.rebuilt = mended.rebuilt.saturating_add(rebuilt);
                (missing, astray)
            }
        };
        let (unclaimed, differing): (Vec<_>, Vec<_>) = astray
            .into_iter()
            .partition(|element| self.claims.standing(element.target.effect()) == Standing::Free);
        let wrong = missing.into_iter().chain(self.not_kept_by_others(differing).await).collect();
        self.settle_blocks(unclaimed, wrong, mended).await
    }

    /// Takes away what is a leftover of what nobody claims, and writes what is
    /// `wrong`. Only what the host has taken is told.
    async fn settle_blocks(
        &self,
        unclaimed: Vec<Element>,
        wrong: Vec<Target>,
        mended: &mut Mended,
    ) -> Result<(), Refusal> {
        let firewall = self.backends.firewall.as_ref();
        let (leftovers, gone) = self.unclaimed_blocks(unclaimed, mended).await;
        let removed = firewall.sync(gone).await.map(|()| {
            for leftover in &leftovers {
                self.count_taken(leftover);
                mended.took_away(&leftover.effect);
            }
        });
        let written = firewall.sync(wrong.clone()).await;
        let settled = if written.is_ok() { wrong } else { self.settled(wrong).await };
        settled.iter().for_each(|target| mended.put_back(target.effect()));
        removed.and(written)
    }

    /// Of targets that were written and not all of them taken, those that the
    /// host shows now.
    async fn settled(&self, mut targets: Vec<Target>) -> Vec<Target> {
        let listed = self.backends.firewall.list().await.unwrap_or_default();
        let shown: HashMap<Target, Element> =
            listed.into_iter().map(|element| (element.target.clone(), element)).collect();
        targets.retain(|target| {
            let standing = self.claims.standing(target.effect());
            let agrees = |one: &Element| firewall::agrees(target.backend(), standing, one.remaining);
            shown.get(target).is_some_and(agrees)
        });
        targets
    }

    /// Of targets that somebody touched, those that are missing, and those that
    /// are otherwise than their claims.
    async fn look_at(&self, targets: &HashSet<Target>) -> Result<(Vec<Target>, Vec<Element>), Refusal> {
        let shown = self.backends.firewall.look(targets.iter().cloned().collect()).await?;
        let mut shown: HashMap<Target, Element> =
            shown.into_iter().map(|element| (element.target.clone(), element)).collect();
        let (mut missing, mut astray) = (Vec::new(), Vec::new());
        for target in targets {
            let standing = self.claims.standing(target.effect());
            match shown.remove(target) {
                None if standing.lasts() => missing.push(target.clone()),
                Some(element) if !firewall::agrees(target.backend(), standing, element.remaining) => {
                    if standing == Standing::Free || standing.lasts() {
                        astray.push(element);
                    }
                }
                None | Some(_) => {}
            }
        }
        Ok((missing, astray))
    }

    /// Of elements that nobody claims, those that are to go, and their targets.
    async fn unclaimed_blocks(
        &self,
        elements: Vec<Element>,
        mended: &mut Mended,
    ) -> (Vec<Mark>, Vec<Target>) {
        let targets: HashMap<Effect, Target> =
            elements.iter().map(|e| (e.target.effect().clone(), e.target.clone())).collect();
        let leftovers = self.leftovers(elements.into_iter().map(Mark::from).collect(), mended).await;
        let gone = leftovers.iter().filter_map(|mark| targets.get(&mark.effect).cloned()).collect();
        (leftovers, gone)
    }

    /// The same for an interface that takes the place of a state.
    async fn compare_held(
        &self,
        interface: &str,
        effects: &[Effect],
        mended: &mut Mended,
    ) -> Result<(), Refusal> {
        let Some(holding) = self.held(interface) else { return Ok(()) };
        let judge = |target: &str| (interface == accounts::INTERFACE).then(|| self.judge(target)).flatten();
        let unclaimed = holding.mend(effects, &judge, mended).await?;
        if !holding.backend.takes_away() {
            self.adopt_as_orphans(unclaimed, mended);
            return Ok(());
        }
        let mut outcome = Ok(());
        for leftover in self.leftovers(unclaimed, mended).await {
            let removed = holding.remove_unclaimed(&leftover.effect).await;
            outcome = outcome.and(removed.map(|()| {
                self.count_taken(&leftover);
                mended.took_away(&leftover.effect);
            }));
        }
        outcome
    }
}

/// A mark with the entry that it names.
fn numbered(Mark { effect, entry, .. }: &Mark) -> String {
    format!("{} {effect}", entry.map_or(0, |entry| entry.0))
}
