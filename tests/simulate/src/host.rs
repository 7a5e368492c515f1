//! What the engine acts on: a firewall with timeouts of its own, routes that go
//! with the kernel, files that stay, programs. All of it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use riposte_capability::claim::{Claims, Standing};
use riposte_capability::firewall::{Element, GRACE, Target};
use riposte_capability::held::Gone;
use riposte_capability::{Refusal, firewall, held, lines, routes};

use crate::random::Random;
use crate::world::World;

/// A value of a file that a response made: no foreign one is below zero.
const OURS: i64 = -1;

/// What is on the host.
#[derive(Default)]
pub struct Host {
    /// What the firewall blocks, by effect; when the kernel drops it, in time awake.
    firewall: BTreeMap<String, (Target, Option<i64>)>,
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

    /// What the firewall dropped by itself by now.
    pub fn expire(&mut self, awake_ms: i64) -> Vec<String> {
        let is_over = |deadline: &Option<i64>| deadline.is_some_and(|deadline| deadline <= awake_ms);
        let over = self.firewall.iter().filter(|(_, (_, deadline))| is_over(deadline));
        let over: Vec<String> = over.map(|(key, _)| key.clone()).collect();
        for key in &over {
            self.firewall.remove(key);
        }
        over
    }

    /// When it drops the next.
    pub fn next_expiry(&self) -> Option<i64> {
        self.firewall.values().filter_map(|(_, deadline)| *deadline).min()
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
}

impl SimFirewall {
    async fn settle(&self, target: &Target) -> Result<(), Refusal> {
        let key = target.effect().to_string();
        self.world.with(|parts| parts.host.unsettle([key.clone()]));
        let done = call(&self.world, &key, || match self.claims.standing(target.effect()) {
            Standing::Free => {
                let was = self.world.with(|parts| parts.host.firewall.remove(&key).is_some());
                removed(&self.world, &key, was);
            }
            Standing::For(span) => {
                let kept = i64::try_from((span + GRACE).as_millis()).unwrap_or(i64::MAX);
                self.put(target, &key, Some(self.world.clocks.awake_ms().saturating_add(kept)));
            }
            Standing::Permanent => self.put(target, &key, None),
        });
        done.await?;
        self.world.with(|parts| parts.host.unsettled.remove(&key));
        Ok(())
    }

    fn put(&self, target: &Target, key: &str, deadline: Option<i64>) {
        // What is there already was made with a claim; the end of a claim that
        // could not be recorded may have it written once more.
        if !self.world.with(|parts| parts.host.has(key)) {
            made(&self.world, key);
        }
        self.world.with(|parts| parts.host.firewall.insert(key.to_owned(), (target.clone(), deadline)));
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
        call(&self.world, "list", || {
            let awake_ms = self.world.clocks.awake_ms();
            let remaining = |deadline: &i64| {
                std::time::Duration::from_millis(
                    u64::try_from(deadline.saturating_sub(awake_ms)).unwrap_or(0),
                )
            };
            self.world.with(|parts| {
                let listed = parts.host.firewall.values();
                let element = |(target, deadline): &(Target, Option<i64>)| Element {
                    entry: None,
                    target: target.clone(),
                    remaining: deadline.as_ref().map(remaining),
                };
                listed.map(element).collect()
            })
        })
        .await
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
            if !self.world.with(|parts| parts.host.has(&key)) {
                made(&self.world, &key);
            }
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
