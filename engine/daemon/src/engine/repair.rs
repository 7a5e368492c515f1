//! Making the host agree with the ledger, and taking back what was done.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use riposte_capability::firewall::Look;
use riposte_capability::repair::Blocks;
use riposte_capability::watch::Watch;
use riposte_capability::{Capabilities, Effect, Mark, Mended, Refusal, Touched, isolation};
use riposte_ledger::entry::EffectRow;
use riposte_policy::order::EntryId;
use tokio::time::MissedTickBehavior;

use super::Engine;

/// How often everything is compared, whatever the kernel tells or does not tell.
const INTERVAL: Duration = Duration::from_secs(5);
/// Files that are followed before anything is claimed of them.
const USUAL: [&str; 4] = ["/etc/hosts.deny", "/etc/hosts.allow", "/etc/passwd", "/etc/shadow"];
/// How long a comparison waits after it was called for: who changes a file, or
/// flushes rules, is seldom done at once.
const PAUSE: Duration = Duration::from_millis(100);
/// How long it waits at most when each one before found something to repair:
/// somebody keeps taking it away, and is answered no more often than the clock.
const LONGEST_PAUSE: Duration = INTERVAL;

/// Entries whose effects are made to follow later ends in one go: others come
/// in between.
const AT_ONCE: usize = 1_024;

/// What was repaired since the start, and what is told once only.
#[derive(Debug, Default)]
pub struct Repairs {
    counts: Mutex<Counts>,
    told: Mutex<BTreeMap<String, String>>,
    trouble: Mutex<Option<Refusal>>,
}

/// How much was repaired since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How often anything was.
    pub times: u64,
    /// Effects that were put back.
    pub put_back: u64,
    /// Effects that were taken away.
    pub taken_away: u64,
    /// Tables, chains, sets and rules that were made again.
    pub rebuilt: u64,
    /// When it was last, in Unix milliseconds.
    pub last_ms: Option<i64>,
}

impl Repairs {
    /// How much was repaired since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, mended: &Mended, now_ms: i64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.times = counts.times.saturating_add(1);
        counts.put_back = counts.put_back.saturating_add(mended.repaired.written as u64);
        counts.taken_away = counts.taken_away.saturating_add(mended.repaired.removed as u64);
        counts.rebuilt = counts.rebuilt.saturating_add(mended.rebuilt as u64);
        counts.last_ms = Some(now_ms);
    }

    /// What of this was not told before. What does not hold any more is told
    /// again when it comes back.
    fn news(&self, found: Vec<(Effect, String)>) -> Vec<(Effect, String)> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now: BTreeMap<String, String> =
            found.iter().map(|(effect, why)| (effect.to_string(), why.clone())).collect();
        let before = std::mem::replace(&mut *told, now);
        found.into_iter().filter(|(effect, why)| before.get(&effect.to_string()) != Some(why)).collect()
    }
}

/// Compares the host with the ledger for as long as the engine runs: as soon as
/// somebody else touched something, and every few seconds.
pub async fn keep(engine: Arc<Engine>) {
    if engine.settings.shadow {
        return;
    }
    let watch = Watch::open();
    let mut clock = tokio::time::interval(INTERVAL);
    // What was missed while a comparison waited is compared by it.
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pause = PAUSE;
    loop {
        let ports = engine.capabilities.ports();
        let touched = tokio::select! {
            touched = watch.touched(&ports) => touched,
            _ = clock.tick() => {
                watch.follow(&engine.files_that_count().await);
                Touched::anything()
            }
        };
        tokio::time::sleep(pause).await;
        let whole = touched == Touched::anything();
        let found = engine.compare(touched).await;
        pause = next_pause(pause, found, whole);
    }
}

/// How long the next comparison waits: longer each time that something had to be
/// repaired, until nothing differs at all.
fn next_pause(pause: Duration, found: Found, whole: bool) -> Duration {
    match found {
        Found::Repaired => pause.saturating_mul(2).min(LONGEST_PAUSE),
        Found::Nothing if whole => PAUSE,
        Found::Nothing => pause,
    }
}

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The host shows what the ledger says, as far as was looked.
    Nothing,
    /// It did not, and does now.
    Repaired,
}

impl Engine {
    /// Makes the host agree with the ledger, for the start.
    pub async fn repair(&self) {
        if self.settings.shadow {
            return;
        }
        let everything = Touched::anything();
        let Some(effects) = self.claimed(&everything, true).await else {
            self.capabilities.owe_blocks();
            return;
        };
        let (mended, outcome) = self.capabilities.repair_all(&effects).await;
        self.mended(&everything, mended, outcome);
        self.rebuilt.store(self.firewall.rebuilt(), Ordering::Release);
    }

    /// Settles what others changed since.
    pub async fn compare(&self, mut touched: Touched) -> Found {
        if self.settings.shadow {
            return Found::Nothing;
        }
        // A write found the table damaged before any message of it was read.
        let rebuilt = self.firewall.rebuilt();
        if self.rebuilt.swap(rebuilt, Ordering::AcqRel) != rebuilt {
            touched.blocks = Blocks::Any(Look::Whole);
        }
        // What a start could not do is done as soon as it can be.
        if touched.blocks != Blocks::None && self.capabilities.owes_blocks() {
            touched.blocks = Blocks::All;
        }
        let blocks = touched.blocks == Blocks::All;
        let Some(effects) = self.claimed(&touched, blocks).await else { return Found::Nothing };
        let (mended, outcome) = self.capabilities.compare(&touched, &effects).await;
        let found = if mended.is_nothing() { Found::Nothing } else { Found::Repaired };
        self.mended(&touched, mended, outcome);
        // What it put back itself is no news.
        self.rebuilt.store(self.firewall.rebuilt(), Ordering::Release);
        found
    }

    /// Everything that is claimed of what may have been touched; of the firewall
    /// only when `blocks` is asked for.
    async fn claimed(&self, touched: &Touched, blocks: bool) -> Option<Vec<Effect>> {
        let mut effects = Vec::new();
        for interface in Capabilities::interfaces() {
            let firewall = *interface == riposte_capability::firewall::INTERFACE;
            if !touched.includes(interface) || (firewall && !blocks) {
                continue;
            }
            match self.ledger.held(interface).await {
                Ok(held) => {
                    effects.extend(held.into_iter().map(|held| Effect { interface, target: held.target }));
                }
                Err(error) => {
                    tracing::error!(%error, "cannot read what is claimed");
                    return None;
                }
            }
        }
        Some(effects)
    }

    fn mended(&self, touched: &Touched, mended: Mended, outcome: Result<(), Refusal>) {
        let mut trouble = self.repairs.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            // Said once, and tried every few seconds.
            Err(refusal) => {
                if trouble.as_ref() != Some(&refusal) {
                    tracing::warn!(%refusal, "the host does not show everything that the ledger says");
                }
                *trouble = Some(refusal);
            }
            // Over, so that it is said again when it comes back.
            Ok(()) if *touched == Touched::anything() => *trouble = None,
            Ok(()) => {}
        }
        drop(trouble);
        if !mended.is_nothing() {
            self.repairs.count(&mended, self.now().wall_ms);
            self.report.repaired(&mended);
        }
        for Mark { effect, entry, remaining } in &mended.orphans {
            self.report.orphan(effect, *entry, *remaining);
        }
        if touched.files {
            for (effect, why) in self.repairs.news(mended.told) {
                self.report.differs(&effect, &why);
            }
        }
    }

    /// The files in which a change is to be seen at once.
    async fn files_that_count(&self) -> BTreeSet<PathBuf> {
        let mut files: BTreeSet<PathBuf> = USUAL.iter().map(PathBuf::from).collect();
        for interface in Capabilities::interfaces_of_files() {
            if let Ok(held) = self.ledger.held(interface).await {
                files.extend(held.iter().flat_map(|held| Capabilities::files_of(interface, &held.target)));
            }
        }
        files
    }

    /// Lets an isolated host reach those who became its managers since.
    pub async fn follow_superiors(&self) {
        let interface = isolation::INTERFACE;
        let held = match self.ledger.held(interface).await {
            Ok(held) => held,
            Err(error) => return tracing::error!(%error, "cannot read whether this host is isolated"),
        };
        // Who is connected is not asked without need: the answer counts for a while.
        if self.settings.shadow || held.is_empty() {
            // The next isolation is told anew.
            return self.superiors.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        let guard = self.capabilities.guard();
        let now = [guard.superiors(), guard.name_servers()].concat();
        if now == *self.superiors.lock().unwrap_or_else(PoisonError::into_inner) {
            return;
        }
        let effects: Vec<_> =
            held.into_iter().map(|held| Effect { interface, target: held.target }).collect();
        match self.capabilities.settle(&effects).await {
            Ok(()) => *self.superiors.lock().unwrap_or_else(PoisonError::into_inner) = now,
            Err(refusal) => tracing::warn!(%refusal, "an isolated host may not reach a new manager"),
        }
    }

    /// Makes the kernel's timeouts follow an entry whose due time has moved.
    pub async fn settle_effects(&self, id: EntryId) {
        self.settle_effects_of(vec![id]).await;
    }

    /// The same for several entries, as few changes.
    pub async fn settle_effects_of(&self, ids: Vec<EntryId>) {
        for few in ids.chunks(AT_ONCE) {
            let effects = match self.ledger.effects_of(few.to_vec()).await {
                Ok(effects) => effects,
                Err(error) => {
                    // The host keeps the earlier time until everything is compared.
                    self.capabilities.owe_blocks();
                    return tracing::error!(%error, "cannot read the effects");
                }
            };
            let effects: Vec<_> = effects.iter().filter_map(effect).collect();
            if effects.is_empty() {
                continue;
            }
            if let Err(refusal) = self.capabilities.settle(&effects).await {
                tracing::warn!(%refusal, "the host keeps the earlier time");
            }
        }
    }

    /// The engine itself takes back one recorded effect of an entry.
    ///
    /// # Errors
    ///
    /// When the host refuses. An effect that this engine does not know is the
    /// work of a newer one, and stays open.
    pub async fn reverse(&self, id: EntryId, row: &EffectRow) -> Result<(), Refusal> {
        let Some(effect) = effect(row) else {
            let what = format!("{} {}", row.interface, row.target);
            return Err(Refusal::unsupported(format!("this engine does not know the effect {what}")));
        };
        self.capabilities.reverse(id, &effect).await.map(drop)
    }
}

/// A recorded effect as capabilities know it.
fn effect(row: &EffectRow) -> Option<Effect> {
    Capabilities::recorded(&row.interface, &row.target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_keeps_taking_it_away_is_answered_ever_more_slowly() {
        let mut pause = PAUSE;
        for _ in 0..3 {
            pause = next_pause(pause, Found::Repaired, false);
        }
        assert_eq!(pause, PAUSE * 8);
        // A file edited beside it calms nobody.
        assert_eq!(next_pause(pause, Found::Nothing, false), PAUSE * 8);
        for _ in 0..20 {
            pause = next_pause(pause, Found::Repaired, true);
        }
        assert_eq!(pause, LONGEST_PAUSE);
        assert_eq!(next_pause(pause, Found::Nothing, true), PAUSE);
    }
}
