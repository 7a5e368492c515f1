//! What must hold when everything works again.

use std::collections::BTreeSet;
use std::sync::Arc;

use riposte_ledger::{Clock, Ledger, Settings};

use super::machine::Machine;
use crate::oracle::Found;
use crate::random::Random;

impl Machine {
    /// Everything works for a while; then host and ledger must agree.
    pub(super) fn calm(&mut self) {
        self.heal();
        self.pass(20_000);
        self.look();
        self.pass(15_000);
        self.agree();
    }

    /// The host is compared with the ledger: as while the engine runs, or as a
    /// start does it, which also finds what is left of another process.
    fn look(&mut self) {
        let whole = self.random.percent(50);
        self.run_process(|process| match whole {
            true => process.engine.look_after(),
            false => process.engine.compare_host(),
        });
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
    pub(super) fn end(&mut self) {
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
