//! Stops asking a command that keeps failing.
//!
//! Only adds are suspended. An undo is always tried.

use std::sync::{Mutex, PoisonError};

/// Failures in a row after which adds are suspended.
const STRIKES: u32 = 5;
/// How long they are, in milliseconds.
const SUSPENDED_MS: i64 = 30_000;

/// Whether a command may add now.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    strikes: u32,
    until_ms: i64,
}

/// What the breaker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Go on.
    Closed,
    /// Suspended for this many milliseconds more.
    Open(i64),
}

impl Breaker {
    /// Whether the command may add at `boot_ms`.
    pub fn verdict(&self, boot_ms: i64) -> Verdict {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.until_ms - boot_ms {
            left if left > 0 && state.strikes >= STRIKES => Verdict::Open(left),
            _ => Verdict::Closed,
        }
    }

    /// An add worked.
    pub fn worked(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).strikes = 0;
    }

    /// An add failed. After the pause one more failure suspends again.
    pub fn failed(&self, boot_ms: i64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.strikes = state.strikes.saturating_add(1);
        if state.strikes >= STRIKES {
            state.until_ms = boot_ms + SUSPENDED_MS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_suspend_for_half_a_minute() {
        let breaker = Breaker::default();
        for _ in 0..4 {
            breaker.failed(1_000);
        }
        breaker.worked();
        for _ in 0..4 {
            breaker.failed(1_000);
        }
        assert_eq!(breaker.verdict(1_000), Verdict::Closed);
        breaker.failed(1_000);
        assert_eq!(breaker.verdict(1_001), Verdict::Open(29_999));
        assert_eq!(breaker.verdict(31_000), Verdict::Closed);
        breaker.failed(31_000);
        assert!(matches!(breaker.verdict(31_001), Verdict::Open(_)));
    }
}
