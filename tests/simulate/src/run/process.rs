//! The process of the engine: one step after the other.

use std::rc::Rc;

use riposte_ledger::scheduler::{Action, Event, Scheduler};
use riposte_ledger::{Driven, Turn};

use crate::engine::Engine;
use crate::executor::Executor;
use crate::random::Random;
use crate::world::World;

/// How long what waits is left waiting for a commit to travel with.
const WRITES_MS: i64 = 1_000;

/// In the order in which it goes.
pub(super) struct Process {
    pub(super) executor: Executor,
    pub(super) engine: Rc<Engine>,
    pub(super) scheduler: Scheduler,
    pub(super) wake_at: Option<i64>,
    /// When what waits without being asked for was last written, in time awake.
    pub(super) wrote_ms: i64,
    pub(super) driven: Driven,
}

impl Process {
    /// One task goes on, or when none can, the ledger does what is queued.
    pub(super) fn step(&mut self, world: &World, random: &mut Random) -> Turn {
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
        let awake_ms = world.clocks.awake_ms();
        let writes = self.writes_at().is_some_and(|at| at <= awake_ms);
        let turn = if writes { self.driven.write_marks() } else { self.driven.turn() };
        Self::noticed(world, turn);
        if writes {
            self.wrote_ms = awake_ms;
            return Turn::Answered;
        }
        turn
    }

    /// When positions, and what is owed to the tables, are written next.
    pub(super) fn writes_at(&self) -> Option<i64> {
        self.driven.is_waiting().then_some(self.wrote_ms + WRITES_MS)
    }

    /// What became of a commit.
    fn noticed(world: &World, turn: Turn) {
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
