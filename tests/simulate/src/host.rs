//! What the engine acts on: a firewall with timeouts of its own, routes that go
//! with the kernel, files that stay, programs. All of it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use riposte_capability::claim::{Claims, Standing};
use riposte_capability::firewall::{Element, GRACE, Look, Lost, Target};
use riposte_capability::held::Gone;
use riposte_capability::{Refusal, firewall, held, lines, routes};
use riposte_policy::order::EntryId;

use crate::random::Random;
use crate::world::World;

/// A value of a file that a response made: no foreign one is below zero.
const OURS: i64 = -1;

/// What is on the host.
#[derive(Default)]
pub struct Host {
    /// What the firewall blocks, by effect.
    firewall: BTreeMap<String, Block>,
    /// Routes of the engine's.
    routes: BTreeSet<String>,
    /// What files say, where it is not what they said at first.
    files: BTreeMap<String, i64>,
    /// What they said at first, drawn from this.
    foreign: u64,
    /// What programs did.
    programs: BTreeSet<String>,
    /// How often what is to happen once has happened, by entry.
    once: BTreeMap<i64, u32>,
    /// Effects of which the kernel's timeout may be an earlier one.
    unsettled: BTreeSet<String>,
    /// How many calls of a hundred go wrong.
    pub trouble: u32,
    /// Every call is refused.
    pub dead: bool,
}

/// An element of the firewall.
#[derive(Clone)]
struct Block {
    target: Target,
    /// When the kernel drops it, in time awake.
    deadline: Option<i64>,
    /// The entry that its comment names.
    mark: Option<EntryId>,
}

/// How a call goes.
#[derive(Clone, Copy, Debug)]
enum How {
    Well,
    Refused,
    DoneAndRefused,
    Late(i64),
    LateAndRefused(i64),
    Dies,
    DoneAndDies,
}

/// Changes the host, or does not.
async fn call<T>(world: &World, what: &str, act: impl FnOnce() -> T) -> Result<T, Refusal> {
    let how = world.with(|parts| how(&mut parts.random, &parts.host));
    world.note(|| format!("host: {what}: {how:?}"));
    let refused = || Refusal::unavailable(format!("{what}: simulated"));
    match how {
        How::Well => {}
        How::Refused => return Err(refused()),
        How::Late(ms) | How::LateAndRefused(ms) => world.sleep(ms).await,
        How::Dies => world.die("before it was done"),
        How::DoneAndRefused | How::DoneAndDies => {}
    }
    world.point("on the host").await;
    if matches!(how, How::LateAndRefused(_)) {
        return Err(refused());
    }
    let done = act();
    if matches!(how, How::DoneAndDies) {
        world.die("after it was done");
    }
    world.point("done on the host").await;
    if matches!(how, How::DoneAndRefused) { Err(refused()) } else { Ok(done) }
}

fn how(random: &mut Random, host: &Host) -> How {
    if host.dead {
        return if random.percent(80) { How::Refused } else { How::LateAndRefused(random.between(1, 3_000)) };
    }
    if !random.percent(host.trouble) {
        return if random.percent(10) { How::Late(random.between(1, 2_000)) } else { How::Well };
    }
    match random.below(20) {
        0..7 => How::Refused,
        7..12 => How::DoneAndRefused,
        12..15 => How::Late(random.between(1, 20_000)),
        15..18 => How::LateAndRefused(random.between(1, 20_000)),
        18 => How::Dies,
        _ => How::DoneAndDies,
    }
}

impl Host {
    /// A host of somebody's.
    #[must_use]
    pub fn new(random: &mut Random) -> Self {
        Self { foreign: random.number(), ..Self::default() }
    }

    /// The machine was started again: the kernel knows nothing, files stay.
    pub fn reboot(&mut self) {
        self.firewall.clear();
        self.routes.clear();
    }

    /// Somebody flushes what is the engine's own in the kernel.
    pub fn flush(&mut self) {
        self.firewall.clear();
        self.routes.clear();
    }

    /// Somebody takes one thing of the engine's away, whichever `choice` falls on,
    /// or has the kernel drop it a moment from now: what that was.
    pub fn meddle(&mut self, choice: u64, awake_ms: i64) -> Option<String> {
        let ours: Vec<String> = self.ours().into_iter().filter(|key| !self.programs.contains(key)).collect();
        let at = choice.checked_rem(u64::try_from(ours.len()).ok()?)?;
        let key = ours.get(usize::try_from(at).ok()?)?.clone();
        match key.split_once(' ')? {
            (firewall::INTERFACE, _) if choice.is_multiple_of(2) => {
                self.firewall.get_mut(&key)?.deadline = Some(awake_ms + 1_000);
                self.unsettle([key.clone()]);
            }
            (firewall::INTERFACE, _) => drop(self.firewall.remove(&key)),
            (routes::INTERFACE, target) => drop(self.routes.remove(target)),
            (_, target) => drop(self.files.remove(target)),
        }
        Some(key)
    }

    /// What the firewall dropped by itself by now.
    pub fn expire(&mut self, awake_ms: i64) -> Vec<String> {
        let is_over = |deadline: &Option<i64>| deadline.is_some_and(|deadline| deadline <= awake_ms);
        let over = self.firewall.iter().filter(|(_, block)| is_over(&block.deadline));
        let over: Vec<String> = over.map(|(key, _)| key.clone()).collect();
        for key in &over {
            self.firewall.remove(key);
        }
        over
    }

    /// When it drops the next.
    pub fn next_expiry(&self) -> Option<i64> {
        self.firewall.values().filter_map(|block| block.deadline).min()
    }

    /// Whether an effect is there.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        match key.split_once(' ') {
            Some((firewall::INTERFACE, _)) => self.firewall.contains_key(key),
            Some((routes::INTERFACE, target)) => self.routes.contains(target),
            Some((lines::INTERFACE, target)) => self.file(target) == OURS,
            _ => self.programs.contains(key),
        }
    }

    /// Everything on it that is the engine's.
    #[must_use]
    pub fn ours(&self) -> Vec<String> {
        let mut ours: Vec<String> = self.firewall.keys().cloned().collect();
        ours.extend(self.routes.iter().map(|target| format!("{} {target}", routes::INTERFACE)));
        let files = self.files.iter().filter(|(_, value)| **value == OURS);
        ours.extend(files.map(|(target, _)| format!("{} {target}", lines::INTERFACE)));
        ours.extend(self.programs.iter().cloned());
        ours
    }

    /// Files that say neither what they said at first nor what a response made.
    #[must_use]
    pub fn spoilt(&self) -> Vec<String> {
        let spoilt =
            self.files.iter().filter(|(target, value)| **value != OURS && **value != self.first(target));
        spoilt.map(|(target, value)| format!("{target} says {value}, not {}", self.first(target))).collect()
    }

    /// The kernel's timeout of these may be an earlier one than the claims ask
    /// for, until they are settled.
    pub fn unsettle(&mut self, keys: impl IntoIterator<Item = String>) {
        self.unsettled.extend(keys);
    }

    /// Whether that is so.
    #[must_use]
    pub fn is_unsettled(&self, key: &str) -> bool {
        self.unsettled.contains(key)
    }

    /// Something that is to happen once happens: how often it has.
    pub fn happen(&mut self, entry: i64) -> u32 {
        let times = self.once.entry(entry).or_default();
        *times += 1;
        *times
    }

    fn file(&self, target: &str) -> i64 {
        self.files.get(target).copied().unwrap_or_else(|| self.first(target))
    }

    /// What a file says before anybody touches it.
    fn first(&self, target: &str) -> i64 {
        let mixed = target
            .bytes()
            .fold(self.foreign, |mixed, byte| (mixed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        i64::try_from(mixed % 3).unwrap_or(0)
    }
}

/// A firewall.
pub struct SimFirewall {
    /// Its machine.
    pub world: Arc<World>,
    /// Who holds what.
    pub claims: Arc<dyn Claims>,
    made: Mutex<Made>,
}

/// What this process has made.
#[derive(Default)]
struct Made {
    targets: BTreeMap<String, Target>,
    /// What is being written just now, which is no difference.
    writing: BTreeSet<String>,
}

impl SimFirewall {
    /// The firewall of this machine, for one process.
    #[must_use]
    pub fn new(world: &Arc<World>, claims: &Arc<dyn Claims>) -> Self {
        Self { world: Arc::clone(world), claims: Arc::clone(claims), made: Mutex::default() }
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn settle(&self, target: &Target) -> Result<(), Refusal> {
        let key = target.effect().to_string();
        self.world.with(|parts| parts.host.unsettle([key.clone()]));
        self.made().writing.insert(key.clone());
        let done = call(&self.world, &key, || match self.claims.standing(target.effect()) {
            Standing::Free => {
                let was = self.world.with(|parts| parts.host.firewall.remove(&key).is_some());
                self.made().targets.remove(&key);
                removed(&self.world, &key, was);
            }
            Standing::For(span) => {
                let kept = i64::try_from((span + GRACE).as_millis()).unwrap_or(i64::MAX);
                self.put(target, &key, Some(self.world.clocks.awake_ms().saturating_add(kept)));
            }
            Standing::Permanent => self.put(target, &key, None),
        });
        let done = done.await;
        self.made().writing.remove(&key);
        done?;
        self.world.with(|parts| parts.host.unsettled.remove(&key));
        Ok(())
    }

    fn put(&self, target: &Target, key: &str, deadline: Option<i64>) {
        made(&self.world, key);
        let mark = self.claims.marked(target.effect()).1;
        let block = Block { target: target.clone(), deadline, mark };
        self.made().targets.insert(key.to_owned(), target.clone());
        self.world.with(|parts| parts.host.firewall.insert(key.to_owned(), block));
    }
}

#[async_trait]
impl firewall::Backend for SimFirewall {
    async fn sync(&self, targets: Vec<Target>) -> Result<(), Refusal> {
        let mut outcome = Ok(());
        for target in targets {
            outcome = outcome.and(self.settle(&target).await);
        }
        outcome
    }

    async fn list(&self) -> Result<Vec<Element>, Refusal> {
        let listed: Vec<Element> = call(&self.world, "list", || {
            let awake_ms = self.world.clocks.awake_ms();
            let left = |deadline: i64| u64::try_from(deadline.saturating_sub(awake_ms)).unwrap_or(0);
            self.world.with(|parts| {
                let listed = parts.host.firewall.values();
                let element = |block: &Block| Element {
                    entry: block.mark,
                    target: block.target.clone(),
                    remaining: block.deadline.map(|deadline| Duration::from_millis(left(deadline))),
                };
                listed.map(element).collect()
            })
        })
        .await?;
        // What a process before has made is known from then on.
        let shown =
            listed.iter().map(|element| (element.target.effect().to_string(), element.target.clone()));
        self.made().targets.extend(shown);
        Ok(listed)
    }

    /// From what it knows to have made, and from what is shown and should not be.
    async fn lost(&self, look: Look) -> Result<Lost, Refusal> {
        let listed = self.list().await?;
        let made = self.made();
        let shows = |target: &Target| listed.iter().any(|element| element.target == *target);
        let is_missing = |key: &str, target: &Target| {
            !made.writing.contains(key) && !shows(target) && self.claims.standing(target.effect()).lasts()
        };
        let missing = made.targets.iter().filter(|(key, target)| is_missing(key, target));
        let missing = missing.map(|(_, target)| target.clone()).collect();
        let is_astray = |element: &Element| {
            let standing = self.claims.standing(element.target.effect());
            let differs = match (standing, element.remaining) {
                (Standing::Free, _) => true,
                (Standing::For(left), Some(remaining)) => {
                    standing.lasts() && remaining.abs_diff(left + GRACE) > Duration::from_secs(1)
                }
                (standing, remaining) => {
                    standing.lasts() && remaining.is_none() != (standing == Standing::Permanent)
                }
            };
            differs && !made.writing.contains(&element.target.effect().to_string())
        };
        let astray = match look {
            Look::Quick => Vec::new(),
            _ => listed.iter().filter(|element| is_astray(element)).cloned().collect(),
        };
        Ok(Lost { rebuilt: 0, missing, astray })
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Routes, or files.
pub struct SimHeld {
    /// Its machine.
    pub world: Arc<World>,
    /// [`routes::INTERFACE`] or [`lines::INTERFACE`].
    pub interface: &'static str,
}

impl SimHeld {
    fn key(&self, target: &str) -> String {
        format!("{} {target}", self.interface)
    }
}

#[async_trait]
impl held::Backend for SimHeld {
    async fn prior(&self, target: &str) -> Result<String, Refusal> {
        let read = || self.world.with(|parts| parts.host.file(target));
        let found = call(&self.world, &format!("read {}", self.key(target)), read).await?;
        Ok(if self.lists() { "none".to_owned() } else { found.to_string() })
    }

    async fn make(&self, target: &str) -> Result<bool, Refusal> {
        let key = self.key(target);
        call(&self.world, &format!("make {key}"), || {
            made(&self.world, &key);
            self.world.with(|parts| match self.lists() {
                true => parts.host.routes.insert(target.to_owned()),
                false => parts.host.files.insert(target.to_owned(), OURS) != Some(OURS),
            })
        })
        .await
    }

    async fn restore(&self, target: &str, prior: &str) -> Result<(), Refusal> {
        let key = self.key(target);
        call(&self.world, &format!("restore {key}"), || {
            let was = self.world.with(|parts| {
                let was = parts.host.has(&key);
                match self.lists() {
                    true => drop(parts.host.routes.remove(target)),
                    false => drop(parts.host.files.insert(target.to_owned(), prior.parse().unwrap_or(-9))),
                }
                was
            });
            removed(&self.world, &key, was);
        })
        .await
    }

    async fn list(&self) -> Result<Vec<String>, Refusal> {
        if !self.lists() {
            return Ok(Vec::new());
        }
        call(&self.world, "list routes", || {
            self.world.with(|parts| parts.host.routes.iter().cloned().collect())
        })
        .await
    }

    fn lists(&self) -> bool {
        self.interface == routes::INTERFACE
    }

    /// Files show which of their lines are gone, though no mark.
    async fn gone(&self, claimed: &[String]) -> Result<Gone, Refusal> {
        let look = || {
            let missing = |target: &&String| !self.world.with(|parts| parts.host.has(&self.key(target)));
            claimed.iter().filter(missing).cloned().collect()
        };
        let missing = call(&self.world, &format!("look for {}", self.interface), look).await?;
        Ok(Gone { missing, ..Gone::default() })
    }

    async fn remove(&self, target: &str) -> Result<(), Refusal> {
        let key = self.key(target);
        call(&self.world, &format!("remove {key}"), || {
            let was = self.world.with(|parts| parts.host.routes.remove(target));
            removed(&self.world, &key, was);
        })
        .await
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// What a native program does for itself: `key` is there afterwards, or not.
///
/// # Errors
///
/// What it says.
pub async fn program(world: &World, key: &str, entry: i64, adds: bool) -> Result<(), Refusal> {
    call(world, &format!("program {key} {}", if adds { "add" } else { "delete" }), || {
        if adds {
            // An undo ends a program that still runs.
            if world.with(|parts| parts.oracle.is_ending(entry)) {
                return;
            }
            // It claims nothing: its entry is what has to be durable.
            let open = "SELECT 1 FROM entry WHERE id = ?1 AND closed IS NULL";
            if !world.is_durable(open, [entry]) {
                world.fail(format!("{key} was made by a program without a durable entry {entry}"));
            }
            world.with(|parts| parts.host.programs.insert(key.to_owned()));
        } else {
            let was = world.with(|parts| parts.host.programs.remove(key));
            removed(world, key, was);
        }
    })
    .await
}

/// An effect is being made: its claim must be on the disk.
fn made(world: &World, key: &str) {
    let Some((interface, target)) = key.split_once(' ') else { return };
    let claimed = "SELECT 1 FROM effect JOIN entry ON entry.id = effect.entry
                   WHERE interface = ?1 AND target = ?2 AND NOT released AND closed IS NULL";
    if !world.is_durable(claimed, [interface, target]) {
        world.fail(format!("{key} was made without a durable claim"));
    }
}

/// An effect was taken back: nobody may need it any more.
fn removed(world: &World, key: &str, was: bool) {
    if was {
        let wrong = world.with(|parts| parts.oracle.removed(key));
        world.fail_all(wrong);
    }
}
