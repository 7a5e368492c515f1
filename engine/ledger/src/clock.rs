//! The time, asked through one trait so that tests and the simulator set it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::time::ClockId;

/// What time it is, by every clock the ledger uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, milliseconds since 1970 UTC. It can be set, forward and back.
    pub wall_ms: i64,
    /// Milliseconds since the machine was started, time asleep included. It
    /// cannot be set.
    pub boot_ms: i64,
    /// Which start of the machine `boot_ms` counts from.
    pub boot_id: Arc<str>,
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Now;
}

/// The clocks of the operating system.
#[derive(Clone, Debug)]
pub struct SystemClock {
    boot_id: Arc<str>,
}

/// `CLOCK_BOOTTIME` counts while the machine sleeps; elsewhere the monotonic
/// clock is the nearest there is.
#[cfg(target_os = "linux")]
const SINCE_BOOT: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const SINCE_BOOT: ClockId = ClockId::Monotonic;

impl SystemClock {
    /// Reads which start of the machine this is.
    ///
    /// Where the system does not say, every start of the engine counts as one
    /// of the machine: due times then follow the wall clock, never a boot-time
    /// clock that might be another's.
    #[must_use]
    pub fn new() -> Self {
        let boot_id = read_boot_id().unwrap_or_else(|| {
            let wall = millis(rustix::time::clock_gettime(ClockId::Realtime));
            format!("process-{}-{wall}", std::process::id())
        });
        Self { boot_id: boot_id.into() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now {
            wall_ms: millis(rustix::time::clock_gettime(ClockId::Realtime)),
            boot_ms: millis(rustix::time::clock_gettime(SINCE_BOOT)),
            boot_id: Arc::clone(&self.boot_id),
        }
    }
}

fn millis(time: rustix::time::Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000).saturating_add(time.tv_nsec / 1_000_000)
}

#[expect(clippy::disallowed_methods, reason = "this module owns the clocks, and the boot id is part of one")]
fn read_boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let id = text.trim();
    (!id.is_empty()).then(|| id.to_owned())
}

/// A clock that moves only when it is told to.
#[derive(Debug)]
pub struct ManualClock(Mutex<Now>);

impl ManualClock {
    /// A machine that was started 1,000 s ago, at noon on 2026-01-01 UTC.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Now { wall_ms: 1_767_268_800_000, boot_ms: 1_000_000, boot_id: "boot-1".into() })
    }

    /// Starts at `now`.
    #[must_use]
    pub fn at(now: Now) -> Self {
        Self(Mutex::new(now))
    }

    /// Lets time pass: both clocks move.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.change(|now| {
            now.wall_ms = now.wall_ms.saturating_add(by);
            now.boot_ms = now.boot_ms.saturating_add(by);
        });
    }

    /// Sets the wall clock forward or back by so many milliseconds.
    pub fn step_wall(&self, by_ms: i64) {
        self.change(|now| now.wall_ms = now.wall_ms.saturating_add(by_ms));
    }

    /// Starts the machine again after it was off for `off`.
    pub fn reboot(&self, boot_id: &str, off: Duration) {
        let off = i64::try_from(off.as_millis()).unwrap_or(i64::MAX);
        self.change(|now| {
            now.wall_ms = now.wall_ms.saturating_add(off);
            now.boot_ms = 0;
            now.boot_id = boot_id.into();
        });
    }

    fn change(&self, how: impl FnOnce(&mut Now)) {
        how(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_which_start_this_is_and_never_runs_back() {
        let clock = SystemClock::new();
        let (first, second) = (clock.now(), clock.now());
        assert_eq!(first.boot_id, second.boot_id);
        assert!(!first.boot_id.is_empty());
        assert!(second.boot_ms >= first.boot_ms);
        assert!(first.wall_ms > 1_700_000_000_000);
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::new();
        let first = clock.now();
        assert_eq!(clock.now(), first);
        clock.advance(Duration::from_secs(1));
        clock.step_wall(-500);
        assert_eq!(clock.now().wall_ms, first.wall_ms + 500);
        assert_eq!(clock.now().boot_ms, first.boot_ms + 1_000);
        clock.reboot("boot-2", Duration::from_secs(60));
        assert_eq!(clock.now().boot_ms, 0);
        assert_eq!(&*clock.now().boot_id, "boot-2");
        assert_eq!(clock.now().wall_ms, first.wall_ms + 60_500);
    }
}
