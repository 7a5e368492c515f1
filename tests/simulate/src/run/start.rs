//! How a process ends, and how the next one starts.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use riposte_ledger::input::FileIdentity;
use riposte_ledger::scheduler::Scheduler;
use riposte_ledger::{Clock, Driven, Ledger, LedgerError, Settings, Turn};

use super::machine::Machine;
use super::process::Process;
use crate::engine::Engine;
use crate::executor::Executor;
use crate::oracle::Found;
use crate::vfs::Loss;
use crate::world::World;

/// Where alerts are read.
const ALERTS: &str = "/simulated/alerts.json";

/// Why a process did not start.
enum Start {
    Died,
    Refused(LedgerError),
}

impl Machine {
    /// Something ended the process in the middle of something.
    pub(super) fn died(&mut self) {
        let loss = match self.random.below(3) {
            0 => None,
            _ => Some(self.loss()),
        };
        self.after_death(loss);
    }

    fn loss(&mut self) -> Loss {
        *self.random.of(&[Loss::All, Loss::None, Loss::Later, Loss::Torn, Loss::Torn])
    }

    pub(super) fn end_process(&mut self) {
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
        self.world.with(|parts| {
            parts.oracle.committed(offset, false);
            parts.oracle.ended();
        });
    }

    pub(super) fn stop_at_once(&mut self) {
        self.world.disk.die();
        self.world.with(|parts| parts.oracle.ended());
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

    pub(super) fn start(&mut self) {
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
        self.process = Some(Process {
            executor: Executor::default(),
            engine,
            scheduler,
            wake_at: None,
            wrote_ms: self.world.clocks.awake_ms(),
            driven,
        });
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
