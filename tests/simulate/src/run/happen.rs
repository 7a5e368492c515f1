//! What happens to a machine.

use riposte_policy::order::EntryId;

use super::machine::Machine;
use crate::commands::{Order, SPECS};
use crate::random::Random;
use crate::vfs::Faults;

/// A year in milliseconds.
const YEAR_MS: i64 = 365 * 86_400_000;

impl Machine {
    /// One thing, whichever the seed says.
    pub(super) fn happen(&mut self) {
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
            97 => self.meddle(),
            98 => self.run_process(|process| process.engine.look_after()),
            _ => self.calm(),
        }
    }

    fn small(&mut self) -> i64 {
        self.random.between(0, 1_500)
    }

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
        // One that there is, or one that is still to come.
        let ids = self.world.with(|parts| parts.oracle.ids());
        let at = self.random.index(ids.len() + 1);
        let id = EntryId(ids.get(at).copied().unwrap_or_else(|| ids.last().map_or(1, |last| last + 1)));
        self.world.note(|| format!("somebody undoes entry {id}"));
        self.run_process(|process| process.engine.undo_by_hand(id));
    }

    pub(super) fn step_clock(&mut self) {
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

    pub(super) fn heal_disk(&mut self) {
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

    pub(super) fn heal_host(&mut self) {
        self.world.note(|| "the host is well".to_owned());
        self.world.with(|parts| {
            parts.host.trouble = 0;
            parts.host.dead = false;
        });
    }

    /// Somebody changes one thing, which is noticed at once or some time later.
    fn meddle(&mut self) {
        let (choice, awake_ms) = (self.random.number(), self.world.clocks.awake_ms());
        let what = self.world.with(|parts| parts.host.meddle(choice, awake_ms));
        self.world.note(|| format!("somebody takes away {what:?}"));
        if self.random.percent(70) {
            self.run_process(|process| process.engine.compare_host());
        }
    }

    fn flush_host(&mut self) {
        self.world.note(|| "somebody flushes what is ours".to_owned());
        self.world.with(|parts| parts.host.flush());
        self.run_process(|process| process.engine.compare_host());
    }
}
