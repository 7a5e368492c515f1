//! What time it is on the simulated machine, by every clock that it has.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use riposte_ledger::{Clock, Now};

/// The clocks.
pub struct Clocks(Mutex<Times>);

#[derive(Clone, Debug)]
struct Times {
    wall_ms: i64,
    boot_ms: i64,
    boots: u32,
    boot_id: Arc<str>,
    /// What the kernel's timeouts count: it stands still while the machine sleeps.
    awake_ms: i64,
}

impl Clocks {
    /// A machine that was started 1,000 s ago, at noon on 2026-01-01 UTC.
    #[must_use]
    pub fn new() -> Self {
        Self(Mutex::new(Times {
            wall_ms: 1_767_268_800_000,
            boot_ms: 1_000_000,
            boots: 1,
            boot_id: "boot-1".into(),
            awake_ms: 1_000_000,
        }))
    }

    /// Milliseconds since the machine was started.
    pub fn boot_ms(&self) -> i64 {
        self.times().boot_ms
    }

    /// The same without the time asleep.
    pub fn awake_ms(&self) -> i64 {
        self.times().awake_ms
    }

    /// Wall clock minus boot-time clock.
    pub fn offset_ms(&self) -> i64 {
        let times = self.times();
        times.wall_ms - times.boot_ms
    }

    /// Time passes.
    pub fn advance(&self, ms: i64) {
        let mut times = self.times();
        times.wall_ms += ms;
        times.boot_ms += ms;
        times.awake_ms += ms;
    }

    /// The machine sleeps.
    pub fn suspend(&self, ms: i64) {
        let mut times = self.times();
        times.wall_ms += ms;
        times.boot_ms += ms;
    }

    /// Somebody sets the wall clock. It never leaves the years in which a clock
    /// can be set at all.
    pub fn step(&self, ms: i64) {
        let mut times = self.times();
        times.wall_ms = (times.wall_ms + ms).clamp(0, 4_102_444_800_000);
    }

    /// The machine was off for so long.
    pub fn reboot(&self, off_ms: i64) {
        let mut times = self.times();
        times.wall_ms += off_ms;
        times.boot_ms = 1_000;
        times.awake_ms = 1_000;
        times.boots += 1;
        times.boot_id = format!("boot-{}", times.boots).into();
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Clocks {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for Clocks {
    fn now(&self) -> Now {
        let times = self.times();
        Now { wall_ms: times.wall_ms, boot_ms: times.boot_ms, boot_id: Arc::clone(&times.boot_id) }
    }
}
