//! One seed, one run.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use riposte_ledger::input::FileIdentity;
use riposte_ledger::scheduler::{Action, Event, Scheduler};
use riposte_ledger::{Clock, Driven, Ledger, LedgerError, Settings, Turn};
use riposte_policy::order::EntryId;

use crate::clocks::Clocks;
use crate::engine::{Engine, Order, SPECS};
use crate::executor::Executor;
use crate::oracle::Found;
use crate::random::Random;
use crate::vfs::{Disk, Faults, Loss, Syncs};
use crate::world::World;

/// A year in milliseconds.
const YEAR_MS: i64 = 365 * 86_400_000;

/// Where alerts are read.
const ALERTS: &str = "/simulated/alerts.json";

/// How many of its last steps a failure shows.
const SHOWN: usize = 60;

/// How often work may go on before somebody must be going round in circles.
const LONGEST: u64 = 200_000;

/// A run to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// What decides it.
    pub seed: u64,
    /// What is made wrong on purpose, to see that it is noticed.
    pub mutant: Option<Mutant>,
    /// Whether it writes down what happens.
    pub traced: bool,
}

/// What a run may be made with that has to be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A disk on which syncing does nothing.
    NoSync,
    /// Claims that answer before they are on the disk.
    EffectBeforeIntent,
    /// An undo that takes no notice of failures.
    IgnoresFailedUndos,
}

/// What did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed of the run.
    pub seed: u64,
    /// What.
    pub what: String,
    /// What happened: all of it in a run that writes it down, else the end.
    pub steps: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, what, steps } = self;
        writeln!(f, "milliseconds since the machine was started, and what happened:")?;
        steps.iter().try_for_each(|step| writeln!(f, "{step}"))?;
        writeln!(f, "seed {seed}: {what}")?;
        write!(f, "again: cargo run -p riposte-simulate -- --seed {seed} --trace")
    }
}

impl Run {
    /// The run of a seed, with nothing made wrong.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self { seed, mutant: None, traced: false }
    }

    /// Makes it.
    ///
    /// # Errors
    ///
    /// What did not hold, with the last steps: a run that failed is made once
    /// more for them.
    pub fn go(self) -> Result<Vec<String>, Failure> {
        let mut machine = Machine::new(self);
        machine.live();
        machine.end();
        let world = Arc::clone(&machine.world);
        machine.stop_at_once();
        drop(machine);
        let Some(what) = world.failure() else { return Ok(world.trace()) };
        if self.traced {
            return Err(Failure { seed: self.seed, what, steps: world.trace() });
        }
        let Err(mut again) = (Self { traced: true, ..self }).go() else {
            let what =
                format!("{what} (but not when it was run again: the same seed must give the same run)");
            return Err(Failure { seed: self.seed, what, steps: Vec::new() });
        };
        again.steps.drain(..again.steps.len().saturating_sub(SHOWN));
        Err(again)
    }
}

/// A machine, and the process that runs on it.
struct Machine {
    world: Arc<World>,
    random: Random,
    process: Option<Process>,
    orders: Vec<Order>,
    decided: Rc<RefCell<Vec<bool>>>,
    input: Option<i64>,
    mutant: Option<Mutant>,
    /// Whether the machine was started again since the ledger was open last.
    rebooted: Option<i64>,
    worked: u64,
}

/// In the order in which it goes.
struct Process {
    executor: Executor,
    engine: Rc<Engine>,
    scheduler: Scheduler,
    wake_at: Option<i64>,
    driven: Driven,
}

/// What time it was when a ledger was made that every run may begin with.
fn made_before() -> &'static Disk {
    static MADE: OnceLock<Disk> = OnceLock::new();
    MADE.get_or_init(|| {
        let disk = Disk::new(Random::new(0, 9), 1_000);
        let clock: Arc<dyn Clock> = Arc::new(Clocks::new());
        let on: Arc<dyn riposte_ledger::Disk> = Arc::new(disk.clone());
        let (opened, driven) =
            Ledger::open_driven(disk.ledger(), clock, Settings::default(), &on).expect("a ledger");
        drop(opened);
        driven.close();
        disk
    })
}

impl Machine {
    fn new(run: Run) -> Self {
        let mut random = Random::new(run.seed, 2);
        // A small log is written back often, a large one hardly ever.
        let checkpoint_pages = *random.of(&[4, 12, 40, 200, 8_192]);
        let on_disk = Random::new(run.seed, 3);
        // Making the tables takes as long as the rest of a run.
        let disk = match random.once_in(12) {
            true => Disk::new(on_disk, checkpoint_pages),
            false => made_before().copy(on_disk, checkpoint_pages),
        };
        if run.mutant == Some(Mutant::NoSync) {
            disk.set_syncs(Syncs::Never);
        }
        Self {
            world: World::new(run.seed, disk, run.traced),
            random,
            process: None,
            orders: Vec::new(),
            decided: Rc::default(),
            input: None,
            mutant: run.mutant,
            rebooted: None,
            worked: 0,
        }
    }

    /// Everything that can happen, in the order that the seed decides.
    fn live(&mut self) {
        self.start();
        let steps = 12 + self.random.below(30);
        for _ in 0..steps {
            if self.world.failure().is_some() {
                return;
            }
            self.happen();
            self.go_on_a_bit();
        }
    }

    fn happen(&mut self) {
        match self.random.below(100) {
            0..32 => self.alert(),
            32..50 => {
                let ms = self.small();
                self.pass(ms);
            }
            50..58 => {
                let ms = self.random.between(1_000, 120_000);
                self.pass(ms);
            }
            58..62 => self.undo_by_hand(),
            62..66 => self.end_process(),
            66..71 => {
                let change = self.random.below(60);
                self.world.note(|| format!("it will die at change {change} of the disk"));
                self.world.disk.die_at(change);
            }
            71..76 => {
                let points = self.random.below(30);
                self.world.note(|| format!("it will die at point {points}"));
                self.world.with(|parts| parts.die_in = Some(points));
            }
            76..79 => self.step_clock(),
            79..81 => {
                let ms = self.random.between(1_000, 600_000);
                self.world.note(|| format!("the machine sleeps {ms} ms"));
                self.world.clocks.suspend(ms);
                self.pass(0);
            }
            81..85 => self.trouble_disk(),
            85..88 => self.heal_disk(),
            88..92 => self.trouble_host(),
            92..95 => self.heal_host(),
            95 => self.flush_host(),
            96 => self.run_process(|process| process.engine.prune()),
            97 => self.run_process(|process| process.driven.write_marks()),
            98 => self.run_process(|process| process.engine.look_after()),
            _ => self.calm(),
        }
    }

    fn small(&mut self) -> i64 {
        self.random.between(0, 1_500)
    }

    // What happens to it.

    fn alert(&mut self) {
        let number = self.orders.len();
        let spec = self.random.index(SPECS.len());
        let address = format!("192.0.2.{}", 1 + self.random.below(4));
        self.orders.push(Order { number, spec, address });
        self.decided.borrow_mut().push(false);
        let order = self.orders[number].clone();
        self.run_process(|process| process.engine.respond(order));
    }

    fn undo_by_hand(&mut self) {
        let id = EntryId(self.random.between(1, 2 + i64::try_from(self.orders.len()).unwrap_or(0)));
        self.world.note(|| format!("somebody undoes entry {id}"));
        self.run_process(|process| process.engine.undo_by_hand(id));
    }

    fn step_clock(&mut self) {
        let ms = match self.random.below(4) {
            0 => self.random.between(-10 * YEAR_MS, 10 * YEAR_MS),
            1 => self.random.between(-86_400_000, 86_400_000),
            2 => self.random.between(-60_000, 60_000),
            _ => self.random.between(-3_000, 3_000),
        };
        self.world.note(|| format!("the wall clock is set by {ms} ms"));
        self.world.clocks.step(ms);
    }

    fn trouble_disk(&mut self) {
        if self.random.percent(40) {
            let bytes = self.random.index(200_000);
            self.world.note(|| format!("the disk has {bytes} bytes left"));
            self.world.disk.set_free(Some(bytes));
            return;
        }
        let rate = |random: &mut Random| if random.percent(40) { 1 + random.below(20) } else { 0 };
        let faults = Faults {
            write: rate(&mut self.random),
            sync: rate(&mut self.random),
            truncate: rate(&mut self.random),
            read: rate(&mut self.random),
            shared: rate(&mut self.random),
            open: rate(&mut self.random),
        };
        self.world.note(|| format!("the disk fails: {faults:?}"));
        self.world.set_disk_faults(faults);
    }

    fn heal_disk(&mut self) {
        self.world.note(|| "the disk is well".to_owned());
        self.world.disk.set_free(None);
        self.world.set_disk_faults(Faults::default());
    }

    fn trouble_host(&mut self) {
        let (trouble, dead) = (u32::try_from(self.random.below(60)).unwrap_or(0), self.random.percent(15));
        self.world.note(|| format!("the host fails: {trouble} of 100, dead: {dead}"));
        self.world.with(|parts| {
            parts.host.trouble = trouble;
            parts.host.dead = dead;
        });
    }

    fn heal_host(&mut self) {
        self.world.note(|| "the host is well".to_owned());
        self.world.with(|parts| {
            parts.host.trouble = 0;
            parts.host.dead = false;
        });
    }

    fn flush_host(&mut self) {
        self.world.note(|| "somebody flushes what is ours".to_owned());
        self.world.with(|parts| parts.host.flush());
        self.run_process(|process| process.engine.look_after());
    }

    // Time.

    fn pass(&mut self, ms: i64) {
        let until = self.world.clocks.awake_ms() + ms;
        loop {
            self.notice_time();
            self.go_on();
            let now = self.world.clocks.awake_ms();
            if now >= until || self.world.failure().is_some() {
                return;
            }
            let asleep = self.world.clocks.boot_ms() - now;
            let wake_at = self.process.as_ref().and_then(|process| process.wake_at).map(|at| at - asleep);
            let expiry = self.world.with(|parts| parts.host.next_expiry());
            let next = [Some(until), self.world.next_ring(), expiry, wake_at].into_iter().flatten().min();
            self.world.clocks.advance(next.unwrap_or(until).clamp(now + 1, until) - now);
        }
    }

    fn notice_time(&mut self) {
        let (boot_ms, awake_ms) = (self.world.clocks.boot_ms(), self.world.clocks.awake_ms());
        let wrong = self.world.with(|parts| {
            let over = parts.host.expire(awake_ms);
            let held: Vec<String> = over.into_iter().filter(|key| !parts.host.is_unsettled(key)).collect();
            held.iter().flat_map(|key| parts.oracle.expired(key, boot_ms)).collect::<Vec<_>>()
        });
        self.world.fail_all(wrong);
        self.world.ring();
        if let Some(process) = &mut self.process
            && process.wake_at.is_some_and(|at| at <= boot_ms)
        {
            process.engine.events.borrow_mut().push_back(Event::Tick);
        }
    }

    // The process.

    fn run_process(&mut self, act: impl FnOnce(&mut Process)) {
        if let Some(process) = &mut self.process {
            act(process);
        }
    }

    /// Some of what can go on does, or all.
    fn go_on_a_bit(&mut self) {
        let steps = if self.random.percent(50) { self.random.below(12) } else { LONGEST };
        self.work(steps);
    }

    fn go_on(&mut self) {
        self.work(LONGEST);
    }

    fn work(&mut self, steps: u64) {
        for _ in 0..steps {
            if self.world.failure().is_some() {
                return;
            }
            if self.world.disk.is_dead() {
                self.died();
                return;
            }
            self.worked += 1;
            if self.worked > LONGEST {
                self.world.fail("it goes round in circles");
                return;
            }
            let Some(process) = &mut self.process else { return };
            if process.step(&self.world, &mut self.random) == Turn::Idle {
                return;
            }
        }
    }

    /// Something ended the process in the middle of something.
    fn died(&mut self) {
        let loss = match self.random.below(3) {
            0 => None,
            _ => Some(self.loss()),
        };
        self.after_death(loss);
    }

    fn loss(&mut self) -> Loss {
        *self.random.of(&[Loss::All, Loss::None, Loss::Later, Loss::Torn, Loss::Torn])
    }

    fn end_process(&mut self) {
        match self.random.below(5) {
            0 => {
                self.world.note(|| "it is stopped".to_owned());
                self.stop();
                self.after_death(None);
            }
            1..3 => {
                self.world.die("it is killed");
                self.after_death(None);
            }
            _ => {
                self.world.die("the power goes");
                let loss = self.loss();
                self.after_death(Some(loss));
            }
        }
    }

    /// As when it is told to stop: what is queued is done.
    fn stop(&mut self) {
        let Some(Process { mut executor, engine, driven, .. }) = self.process.take() else { return };
        self.world.look_away();
        executor.clear();
        engine.clear();
        drop(engine);
        driven.close();
        let offset = self.world.clocks.offset_ms();
        self.world.with(|parts| parts.oracle.committed(offset, false));
    }

    fn stop_at_once(&mut self) {
        self.world.disk.die();
        if let Some(mut process) = self.process.take() {
            process.executor.clear();
            process.engine.clear();
        }
        self.world.look_away();
    }

    fn after_death(&mut self, loss: Option<Loss>) {
        let offset = self.world.clocks.offset_ms();
        self.world.with(|parts| parts.oracle.committed(offset, false));
        self.stop_at_once();
        self.world.note(|| format!("what was not synced: {loss:?}"));
        self.world.disk.restart(loss);
        let downtime = match self.random.below(3) {
            0 => 0,
            1 => self.random.between(0, 5_000),
            _ => self.random.between(0, 400_000),
        };
        let reboots = loss.is_some() || self.random.once_in(6);
        if reboots {
            if self.random.once_in(4) {
                self.step_clock();
            }
            self.world.note(|| format!("the machine is started again after {downtime} ms"));
            self.world.clocks.reboot(downtime);
            self.world.with(|parts| parts.host.reboot());
            self.rebooted = Some(downtime);
        }
        self.world.with(|parts| {
            parts.die_in = None;
            parts.failed_commit = false;
        });
        if !reboots {
            self.pass(downtime);
        }
        self.start();
    }

    fn start(&mut self) {
        for attempt in 0..40 {
            match self.try_start() {
                Ok(()) => return,
                Err(Start::Died) => {
                    self.stop_at_once();
                    let loss = if self.random.percent(50) { Some(self.loss()) } else { None };
                    self.world.disk.restart(loss);
                    if loss.is_some() {
                        self.world.clocks.reboot(1_000);
                        self.world.with(|parts| parts.host.reboot());
                        self.rebooted = Some(1_000);
                    }
                }
                Err(Start::Refused(error)) => {
                    self.world.note(|| format!("it does not start: {error}"));
                    if !self.world.disk_is_ill() && !self.world.disk.is_full() {
                        return self.world.fail(format!("it does not start: {error}"));
                    }
                    self.stop_at_once();
                    self.world.disk.restart(None);
                    self.pass(1_000);
                    if attempt > 5 {
                        self.heal_disk();
                    }
                }
            }
        }
        self.world.fail("it does not start");
    }

    fn try_start(&mut self) -> Result<(), Start> {
        let disk = &self.world.disk;
        let on: Arc<dyn riposte_ledger::Disk> = Arc::new(disk.clone());
        let clock: Arc<dyn Clock> = Arc::clone(&self.world.clocks) as _;
        let opened = Ledger::open_driven(disk.ledger(), clock, Settings::default(), &on);
        let offset = self.world.clocks.offset_ms();
        if disk.is_dead() {
            self.world.with(|parts| parts.oracle.committed(offset, false));
            return Err(Start::Died);
        }
        let (opened, mut driven) = opened.map_err(|error| {
            self.world.with(|parts| parts.oracle.committed(offset, false));
            Start::Refused(error)
        })?;
        self.world.note(|| {
            format!("started: {} to look after, {} pending", opened.recovery.len(), opened.pending.len())
        });
        self.compare();
        let (input, position) = self.open_input(&opened.ledger, &mut driven)?;
        self.input = Some(input);
        for (number, decided) in self.decided.borrow_mut().iter_mut().enumerate() {
            *decided = number < position;
        }
        let engine = Engine::new(&self.world, opened.ledger, input, &self.decided, self.mutant);
        engine.recover(opened.recovery, opened.pending);
        for order in self.orders.iter().skip(position) {
            engine.respond(order.clone());
        }
        let scheduler = Scheduler::new(8);
        self.process =
            Some(Process { executor: Executor::default(), engine, scheduler, wake_at: None, driven });
        Ok(())
    }

    /// What the tables show is what is owed.
    fn compare(&mut self) {
        let rebooted = self.rebooted.take();
        let (boot_ms, offset_ms) = (self.world.clocks.boot_ms(), self.world.clocks.offset_ms());
        match self.world.look(Found::read) {
            Ok(found) => {
                let wrong = self.world.with(|parts| {
                    let wrong = parts.oracle.started(&found, rebooted, boot_ms, offset_ms);
                    parts.host.unsettle(parts.oracle.needed(boot_ms));
                    wrong
                });
                self.world.fail_all(wrong);
            }
            Err(error) => self.world.fail(format!("the tables cannot be read: {error}")),
        }
    }

    /// The file of alerts, and from which of them on it is read.
    fn open_input(&mut self, ledger: &Ledger, driven: &mut Driven) -> Result<(i64, usize), Start> {
        let world = Arc::clone(&self.world);
        let inputs = block(&world, driven, ledger.inputs(ALERTS))?;
        if let Some(input) = inputs.first() {
            return Ok((input.id, usize::try_from(input.offset).unwrap_or(0)));
        }
        if self.input.is_some() && !self.orders.is_empty() {
            self.world.fail("how far the alerts were read is forgotten");
        }
        let identity = FileIdentity { dev: 1, ino: 1, head_hash: [0; 32], head_len: 0 };
        let input = block(&world, driven, ledger.new_input(ALERTS, identity, 0))?;
        Ok((input, 0))
    }

    // What must hold now.

    /// Everything works for a while; then host and ledger must agree.
    fn calm(&mut self) {
        self.heal();
        self.pass(20_000);
        self.run_process(|process| process.engine.look_after());
        self.pass(15_000);
        self.agree();
    }

    fn heal(&mut self) {
        self.heal_disk();
        self.heal_host();
        self.world.disk.live_on();
        self.world.with(|parts| parts.die_in = None);
        // What was to die may be dead.
        self.go_on();
        if self.process.is_none() && self.world.failure().is_none() {
            self.start();
        }
    }

    fn agree(&mut self) {
        if self.world.failure().is_some() || self.process.is_none() {
            return;
        }
        let boot_ms = self.world.clocks.boot_ms();
        // What ends or is extended in these seconds may be on its way.
        let missing: Vec<String> = self.world.with(|parts| {
            let needed = parts.oracle.needed(boot_ms + 5_000);
            needed.into_iter().filter(|key| !parts.host.has(key)).collect()
        });
        let spoilt = self.world.with(|parts| parts.host.spoilt());
        self.world
            .fail_all(missing.iter().map(|key| format!("{key} is in force, and not on the host")).collect());
        self.world.fail_all(spoilt);
        self.compare_index();
    }

    /// The ledger's memory is what a fresh start would read.
    fn compare_index(&mut self) {
        let Some(process) = &self.process else { return };
        let copy = self.world.disk.copy(Random::new(0, 0), 8_192);
        let on: Arc<dyn riposte_ledger::Disk> = Arc::new(copy.clone());
        let clock: Arc<dyn Clock> = Arc::clone(&self.world.clocks) as _;
        let (opened, driven) = match Ledger::open_driven(copy.ledger(), clock, Settings::default(), &on) {
            Ok(fresh) => fresh,
            Err(error) => return self.world.fail(format!("a copy of the ledger does not open: {error}")),
        };
        let (ledger, fresh) = (process.engine.ledger(), &opened.ledger);
        if ledger.open_entries() != fresh.open_entries() {
            let (has, reads) = (ledger.open_entries(), fresh.open_entries());
            self.world.fail(format!("{has} entries are open in memory, and {reads} on the disk"));
        }
        let held = self.world.look(Found::read).map(|found| found.held()).unwrap_or_default();
        let ours: BTreeSet<String> = self.world.with(|parts| parts.host.ours().into_iter().collect());
        for key in held.union(&ours) {
            let Some((interface, target)) = key.split_once(' ') else { continue };
            let (has, reads) = (ledger.standing(interface, target), fresh.standing(interface, target));
            if has != reads {
                self.world.fail(format!("{key} stands {has:?} in memory, and {reads:?} on the disk"));
            }
        }
        drop(opened);
        drop(driven);
    }

    /// All is well again, and time passes: whatever was for a time is over.
    fn end(&mut self) {
        self.heal();
        for _ in 0..90 {
            self.pass(60_000);
            self.run_process(|process| process.engine.look_after());
            self.pass(15_000);
            if self.world.failure().is_some() || self.is_settled() {
                break;
            }
        }
        if self.world.failure().is_some() {
            return;
        }
        self.agree();
        let open = self.world.look(|conn| Ok(Found::read(conn)?.open_for_a_time())).unwrap_or_default();
        self.world.fail_all(
            open.iter().map(|entry| format!("{entry} an hour after everything was well")).collect(),
        );
        let needed = self.world.with(|parts| parts.oracle.needed(i64::MIN));
        let left: Vec<String> = self.world.with(|parts| parts.host.ours());
        let left = left.into_iter().filter(|key| !needed.contains(key));
        self.world.fail_all(left.map(|key| format!("{key} was left on the host")).collect());
        let unanswered = self.world.with(|parts| parts.oracle.unanswered(self.orders.len()));
        self.world.fail_all(unanswered.iter().map(|order| format!("order {order} was lost")).collect());
    }

    fn is_settled(&self) -> bool {
        let quiet = self.process.as_ref().is_some_and(|process| process.executor.is_empty());
        quiet && self.world.look(|conn| Ok(Found::read(conn)?.open_for_a_time().is_empty())).unwrap_or(false)
    }
}

/// Why a process did not start.
enum Start {
    Died,
    Refused(LedgerError),
}

impl Process {
    /// One task goes on, or when none can, the ledger does what is queued.
    fn step(&mut self, world: &World, random: &mut Random) -> Turn {
        for work in self.engine.spawned.take() {
            self.executor.spawn(work);
        }
        let event = self.engine.events.borrow_mut().pop_front();
        if let Some(event) = event {
            self.schedule(world, event);
            return Turn::Answered;
        }
        if self.executor.step(random) {
            return Turn::Answered;
        }
        let turn = self.driven.turn();
        let offset = world.clocks.offset_ms();
        match turn {
            Turn::Wrote => world.with(|parts| {
                parts.failed_commit = false;
                // A process that died in it cannot say how it went.
                parts.oracle.committed(offset, !world.disk.is_dead());
            }),
            Turn::Failed => {
                world.note(|| "a commit failed".to_owned());
                world.with(|parts| {
                    parts.failed_commit = true;
                    parts.oracle.committed(offset, false);
                });
                if !world.disk_is_ill() && !world.disk.is_full() && !world.disk.is_dead() {
                    world.fail("a commit failed on a disk that is well");
                }
            }
            Turn::Answered | Turn::Idle => {}
        }
        turn
    }

    fn schedule(&mut self, world: &World, event: Event) {
        world.note(|| format!("scheduler: {event:?}"));
        self.wake_at = None;
        for action in self.scheduler.step(world.clocks.boot_ms(), event) {
            match action {
                Action::Undo { id } => self.engine.undo_due(id),
                Action::WakeAt { boot_ms } => self.wake_at = Some(boot_ms),
            }
        }
    }
}

/// Waits for an answer of the ledger before anything else runs.
fn block<T>(
    world: &World,
    driven: &mut Driven,
    asked: impl Future<Output = Result<T, LedgerError>>,
) -> Result<T, Start> {
    let mut asked = std::pin::pin!(asked);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if world.disk.is_dead() {
            return Err(Start::Died);
        }
        if let Poll::Ready(answer) = asked.as_mut().poll(&mut context) {
            return answer.map_err(Start::Refused);
        }
        if driven.turn() == Turn::Idle {
            return Err(Start::Refused(LedgerError::Stopped));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much memory many runs take must not depend on how many.
    #[test]
    fn nothing_is_left_of_a_run() {
        for seed in 0..60 {
            let mut machine = Machine::new(Run::of(seed));
            let is_gone = machine.world.disk.watch();
            let world = Arc::downgrade(&machine.world);
            machine.live();
            if seed % 2 == 0 {
                machine.end();
            }
            machine.stop_at_once();
            assert!(!is_gone(), "seed {seed}: the machine has no disk");
            drop(machine);
            assert!(world.upgrade().is_none(), "seed {seed}: something keeps the world");
            assert!(is_gone(), "seed {seed}: something keeps the disk");
        }
    }
}
