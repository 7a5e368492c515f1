//! Processor time spent in one call.
//!
//! Not the time from start to end: on a machine that is short of processors a
//! plugin would be charged for what others compute. The thread's own clock
//! counts only what this thread computed; a poll of a future runs on one
//! thread from beginning to end, and one call is at work in it.
//!
//! Asking that clock is a system call, and most polls are over in some
//! microseconds. So it is asked only from a poll's first tick on; what comes
//! before counts by the wall, at most [`UNTIMED`].

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// Most that a poll is charged for the time before its first tick: two ticks.
const UNTIMED: u64 = 2_000_000;

/// What one call may spend, and has spent. The call itself and the callback
/// that interrupts it share it; both run in the same poll.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: Duration,
    /// Nanoseconds spent in the polls that have ended.
    spent: AtomicU64,
    /// The thread's clock at the first tick of the poll at work; 0 before.
    ticked: AtomicU64,
    /// Nanoseconds charged for the time before that tick.
    untimed: AtomicU64,
    /// When the poll at work began, in nanoseconds since `origin`.
    began: AtomicU64,
    origin: Instant,
}

impl Meter {
    pub(crate) fn new(limit: Duration) -> Arc<Self> {
        let zero = || AtomicU64::new(0);
        let origin = Instant::now();
        Arc::new(Self { limit, spent: zero(), ticked: zero(), untimed: zero(), began: zero(), origin })
    }

    /// Runs `call` and counts what it spends.
    pub(crate) async fn measure<F: Future>(&self, call: F) -> F::Output {
        let mut call = pin!(call);
        poll_fn(|context| {
            self.ticked.store(0, Relaxed);
            self.began.store(self.wall(), Relaxed);
            let polled = call.as_mut().poll(context);
            self.spent.fetch_add(self.in_this_poll(), Relaxed);
            polled
        })
        .await
    }

    /// Spent in the polls that have ended.
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent.load(Relaxed))
    }

    /// Whether the call has spent its limit. To be asked at each tick, from
    /// within a poll.
    pub(crate) fn exhausted(&self) -> bool {
        if self.ticked.load(Relaxed) == 0 {
            self.untimed.store(self.since_it_began(), Relaxed);
            self.ticked.store(thread_clock(), Relaxed);
        }
        self.spent() + Duration::from_nanos(self.in_this_poll()) >= self.limit
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    fn in_this_poll(&self) -> u64 {
        match self.ticked.load(Relaxed) {
            0 => self.since_it_began(),
            ticked => self.untimed.load(Relaxed) + thread_clock().saturating_sub(ticked),
        }
    }

    fn since_it_began(&self) -> u64 {
        self.wall().saturating_sub(self.began.load(Relaxed)).min(UNTIMED)
    }

    fn wall(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Nanoseconds that this thread has computed.
#[cfg(unix)]
fn thread_clock() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    // A thread's clock begins at zero: neither part is negative.
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Nanoseconds since the first time it was asked: a thread's own clock is read
/// on Unix only, so what others compute counts too.
#[cfg(not(unix))]
fn thread_clock() -> u64 {
    static ORIGIN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    // Zero would say that there was no tick.
    u64::try_from(ORIGIN.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn computing_counts_and_waiting_does_not() {
        let meter = Meter::new(Duration::from_millis(1));
        meter.measure(tokio::task::yield_now()).await;
        let waited = meter.spent();
        meter
            .measure(async {
                while !meter.exhausted() {
                    std::hint::black_box(0);
                }
            })
            .await;
        assert!(meter.spent() >= Duration::from_millis(1));
        assert!(waited < meter.spent());
    }
}
