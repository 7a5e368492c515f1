//! By what things are old enough to be deleted.
//!
//! What is deleted is gone, so the wall clock alone does not say that its time is
//! over: a clock that was set forward by years would have everything deleted at
//! once. This time follows the wall clock, and is kept in the ledger over starts
//! of the engine and of the machine. It never runs ahead of the wall clock, and
//! catches up with it [`PACE`] times as fast as time really passes: a machine
//! that was off for a night has caught up in the morning. Only a lead that has
//! stood for [`BELIEVED_MS`] is taken for the truth.

use crate::clock::Now;

/// How many times as fast as the other clock it runs at most.
const PACE: i64 = 4;

/// A lead of the wall clock that is worth counting.
const LEAD_MS: i64 = 86_400_000;

/// For how long the wall clock must be ahead, while an engine runs, until it is
/// believed: thirty days.
const BELIEVED_MS: i64 = 30 * 86_400_000;

/// The time that has surely passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aging {
    /// In Unix milliseconds.
    sure_ms: i64,
    /// How long the wall clock has been far ahead of it.
    stood_ms: i64,
    /// When that was so, in milliseconds since the machine was started.
    at_boot_ms: i64,
}

impl Aging {
    /// As it was left, at the start of an engine.
    pub(crate) fn from(sure_ms: i64, stood_ms: i64, now: &Now) -> Self {
        Self { sure_ms, stood_ms: stood_ms.max(0), at_boot_ms: now.boot_ms }
    }

    /// What is to be kept of it.
    pub(crate) fn left(&self) -> (i64, i64) {
        (self.sure_ms, self.stood_ms)
    }

    /// Goes on to `now`: the time by which something may be deleted.
    pub(crate) fn wall_ms(&mut self, now: &Now) -> i64 {
        let ran = now.boot_ms.saturating_sub(self.at_boot_ms).max(0);
        self.at_boot_ms = now.boot_ms;
        let lead = now.wall_ms.saturating_sub(self.sure_ms).max(0);
        self.sure_ms = self.sure_ms.saturating_add(lead.min(ran.saturating_mul(PACE)));
        if now.wall_ms.saturating_sub(self.sure_ms) <= LEAD_MS {
            self.stood_ms = 0;
        } else {
            self.stood_ms = self.stood_ms.saturating_add(ran);
        }
        if self.stood_ms >= BELIEVED_MS {
            (self.sure_ms, self.stood_ms) = (now.wall_ms, 0);
        }
        now.wall_ms.min(self.sure_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn at(wall: i64, boot: i64) -> Now {
        Now { wall_ms: wall, boot_ms: boot, boot_id: "boot".into() }
    }

    #[test]
    fn a_clock_that_is_right_is_followed_and_a_night_is_caught_up_with() {
        let mut aging = Aging::from(1_000 * DAY, 0, &at(1_000 * DAY, 0));
        assert_eq!(aging.wall_ms(&at(1_001 * DAY, DAY)), 1_001 * DAY);
        // Off for half a day, and on for the other half.
        let (sure, stood) = aging.left();
        let mut aging = Aging::from(sure, stood, &at(1_001 * DAY + DAY / 2, 0));
        assert_eq!(aging.wall_ms(&at(1_002 * DAY, DAY / 2)), 1_002 * DAY);
        assert_eq!(aging.left(), (1_002 * DAY, 0));
    }

    #[test]
    fn a_clock_set_forward_is_believed_when_it_has_stood_for_long() {
        let years = 3_650 * DAY;
        let mut aging = Aging::from(0, 0, &at(0, 0));
        assert_eq!(aging.wall_ms(&at(years, 0)), 0);
        assert_eq!(aging.wall_ms(&at(years + DAY, DAY)), 4 * DAY);
        // Over any number of starts.
        for start in 1..29 {
            let (sure, stood) = aging.left();
            aging = Aging::from(sure, stood, &at(years + start * DAY, 0));
            assert!(aging.wall_ms(&at(years + (start + 1) * DAY, DAY)) <= 4 * (start + 1) * DAY);
        }
        let (sure, stood) = aging.left();
        aging = Aging::from(sure, stood, &at(years + 29 * DAY, 0));
        assert_eq!(aging.wall_ms(&at(years + 30 * DAY, DAY)), years + 30 * DAY);
    }

    #[test]
    fn a_clock_set_right_again_has_stood_for_nothing() {
        let mut aging = Aging::from(0, 0, &at(0, 0));
        let _ = aging.wall_ms(&at(3_650 * DAY, 20 * DAY));
        assert_eq!(aging.left(), (80 * DAY, 20 * DAY));
        // What it ran ahead is waited for.
        assert_eq!(aging.wall_ms(&at(21 * DAY, 21 * DAY)), 21 * DAY);
        assert_eq!(aging.left(), (80 * DAY, 0));
    }

    #[test]
    fn a_clock_set_back_keeps_what_was_sure() {
        let mut aging = Aging::from(1_000 * DAY, 0, &at(1_000 * DAY, 0));
        assert_eq!(aging.wall_ms(&at(DAY, DAY)), DAY);
        assert_eq!(aging.wall_ms(&at(1_002 * DAY, 2 * DAY)), 1_002 * DAY);
    }
}
