//! The machine, and the time on it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use riposte_ledger::scheduler::Event;
use riposte_ledger::{Clock, Ledger, Settings, Turn};

use super::process::Process;
use super::{Mutant, Run};
use crate::clocks::Clocks;
use crate::commands::Order;
use crate::random::Random;
use crate::vfs::{Disk, Syncs};
use crate::world::World;

/// How often work may go on before somebody must be going round in circles.
const LONGEST: u64 = 200_000;

/// A machine, and the process that runs on it.
pub(super) struct Machine {
    pub(super) world: Arc<World>,
    pub(super) random: Random,
    pub(super) process: Option<Process>,
    pub(super) orders: Vec<Order>,
    pub(super) decided: Rc<RefCell<Vec<bool>>>,
    pub(super) input: Option<i64>,
    pub(super) mutant: Option<Mutant>,
    /// Whether the machine was started again since the ledger was open last.
    pub(super) rebooted: Option<i64>,
    pub(super) worked: u64,
}

/// A ledger that every run may begin with.
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
    pub(super) fn new(run: Run) -> Self {
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
    pub(super) fn live(&mut self) {
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

    pub(super) fn pass(&mut self, ms: i64) {
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
            let writes = self.process.as_ref().and_then(Process::writes_at);
            let next = [Some(until), self.world.next_ring(), expiry, wake_at, writes];
            let next = next.into_iter().flatten().min();
            self.world.clocks.advance(next.unwrap_or(until).clamp(now + 1, until) - now);
        }
    }

    pub(super) fn notice_time(&mut self) {
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

    pub(super) fn run_process(&mut self, act: impl FnOnce(&mut Process)) {
        if let Some(process) = &mut self.process {
            act(process);
        }
    }

    /// Some of what can go on does, or all.
    pub(super) fn go_on_a_bit(&mut self) {
        let steps = if self.random.percent(50) { self.random.below(12) } else { LONGEST };
        self.work(steps);
    }

    pub(super) fn go_on(&mut self) {
        self.work(LONGEST);
    }

    pub(super) fn work(&mut self, steps: u64) {
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
}
