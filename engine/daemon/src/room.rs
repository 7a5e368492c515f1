//! Room for orders that are not decided yet.
//!
//! Each holds its alert in memory, so they are bounded by number and by bytes,
//! and every command has a share of its own: one that hangs does not take the
//! room of the others. While there is none, whoever sends the order waits, and
//! with it the file that it reads. But a command none of whose orders has ended
//! for a while holds up nobody: what is for it is refused, with that reason.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use riposte_transport::{Receipt, Sign};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Orders that are not decided, of all commands.
pub const ORDERS: u32 = 4096;
/// What their alerts take, in KiB; a short one counts as one.
pub const KIB: u32 = 64 << 10;
/// Of both, a command may have this part: a quarter.
pub const SHARE: u32 = 4;
/// How long a command whose share is taken may go without one of its orders
/// being decided, until its orders are refused.
pub const STALLED: Duration = Duration::from_secs(5);

/// Who may still come in.
pub struct Room {
    orders: Arc<Semaphore>,
    kib: Arc<Semaphore>,
    stalled: Duration,
    /// By command, while it has any. Their names are those of the configuration.
    shares: Mutex<HashMap<Arc<str>, Arc<Share>>>,
}

/// What one command has.
struct Share {
    held: Mutex<Held>,
    freed: Notify,
}

struct Held {
    orders: u32,
    kib: u32,
    /// When the last of its orders was decided, or the first one came.
    since: Instant,
}

/// The command's share is taken, and nothing has come of it for [`STALLED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stalled {
    /// How many of its orders are not decided.
    pub undecided: u32,
}

/// The place of one order, given back when it is dropped.
pub struct Place {
    share: Arc<Share>,
    kib: u32,
    order: Option<OwnedSemaphorePermit>,
    bytes: Option<OwnedSemaphorePermit>,
}

impl Default for Room {
    fn default() -> Self {
        Self::new(STALLED)
    }
}

impl Room {
    /// One where a command may go `stalled` long without a decision.
    fn new(stalled: Duration) -> Self {
        Self {
            stalled,
            orders: Arc::new(Semaphore::new(ORDERS as usize)),
            kib: Arc::new(Semaphore::new(KIB as usize)),
            shares: Mutex::default(),
        }
    }

    /// A place for an order of `command` whose alert has so many `bytes`. Waits
    /// for one as long as the command's orders are being decided, or `excused`
    /// says that it is not the command's fault that they are not.
    ///
    /// # Errors
    ///
    /// When the command has its share and none of its orders ends.
    pub async fn enter(
        &self,
        command: &Arc<str>,
        bytes: usize,
        excused: impl Fn() -> bool,
    ) -> Result<Place, Stalled> {
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).saturating_add(1).min(KIB / SHARE);
        let share = self.share(command);
        loop {
            let freed = share.freed.notified();
            let (undecided, patience) = match share.take(kib, self.stalled) {
                None => break,
                Some(full) => full,
            };
            if tokio::time::timeout(patience, freed).await.is_err() && share.is_stalled(self.stalled) {
                if !excused() {
                    return Err(Stalled { undecided });
                }
                // Once nothing excuses it any more it has its time again.
                share.held().since = Instant::now();
            }
        }
        // From here on dropping the future gives everything back.
        let mut place = Place { share, kib, order: None, bytes: None };
        // Never closed, so never refused.
        place.order = Arc::clone(&self.orders).acquire_owned().await.ok();
        place.bytes = Arc::clone(&self.kib).acquire_many_owned(kib).await.ok();
        Ok(place)
    }

    fn share(&self, command: &Arc<str>) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(command) {
            return Arc::clone(share);
        }
        // A reload may bring other names; those of commands that are gone go.
        if shares.len() >= 1024 {
            shares.retain(|_, share| Arc::strong_count(share) > 1);
        }
        let held = Held { orders: 0, kib: 0, since: Instant::now() };
        let share = Arc::new(Share { held: Mutex::new(held), freed: Notify::new() });
        shares.insert(Arc::clone(command), Arc::clone(&share));
        share
    }
}

impl Share {
    /// Takes a place; `Some`: there is none, so many orders are undecided, and
    /// so long may that last.
    fn take(&self, kib: u32, stalled: Duration) -> Option<(u32, Duration)> {
        let mut held = self.held();
        let full = held.orders >= ORDERS / SHARE || held.kib.saturating_add(kib) > KIB / SHARE;
        // One that is longer than all that a share holds comes alone.
        if full && held.orders > 0 {
            return Some((held.orders, stalled.saturating_sub(held.since.elapsed())));
        }
        if held.orders == 0 {
            held.since = Instant::now();
        }
        held.orders += 1;
        held.kib = held.kib.saturating_add(kib);
        None
    }

    fn is_stalled(&self, stalled: Duration) -> bool {
        self.held().since.elapsed() >= stalled
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.share.held();
        held.orders = held.orders.saturating_sub(1);
        held.kib = held.kib.saturating_sub(self.kib);
        held.since = Instant::now();
        drop(held);
        self.share.freed.notify_waiters();
    }
}

/// A receipt that gives the order's place back once it is signed, or dropped.
pub struct Placed {
    /// The receipt itself.
    pub receipt: Receipt,
    /// The order's place.
    #[expect(dead_code, reason = "held until the receipt is signed or dropped")]
    pub place: Place,
}

impl Sign for Placed {
    fn decided(self: Box<Self>) {
        self.receipt.decided();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A room that refuses at once what it has no place for, or never.
    fn room(stalled: Duration) -> (Room, Arc<str>, Arc<str>) {
        (Room::new(stalled), "slow".into(), "other".into())
    }

    fn never() -> bool {
        false
    }

    async fn fill(room: &Room, name: &Arc<str>, orders: u32, bytes: usize) -> Vec<Place> {
        let mut held = Vec::new();
        for _ in 0..orders {
            held.push(room.enter(name, bytes, never).await.ok().unwrap());
        }
        held
    }

    #[tokio::test]
    async fn a_command_that_hangs_takes_its_share_and_no_more() {
        let (room, slow, other) = room(Duration::ZERO);
        let mut held = fill(&room, &slow, ORDERS / SHARE, 100).await;
        assert_eq!(room.enter(&slow, 100, never).await.err(), Some(Stalled { undecided: ORDERS / SHARE }));
        assert!(room.enter(&other, 100, never).await.is_ok());
        held.pop();
        assert!(room.enter(&slow, 100, never).await.is_ok());
    }

    #[tokio::test]
    async fn whose_fault_it_is_not_is_waited_for() {
        let (room, slow, _) = room(Duration::from_millis(1));
        let _held = fill(&room, &slow, ORDERS / SHARE, 100).await;
        let asked = std::cell::Cell::new(0);
        let excused = || {
            asked.set(asked.get() + 1);
            asked.get() < 4
        };
        assert!(room.enter(&slow, 100, excused).await.is_err());
        assert_eq!(asked.get(), 4, "each time it has its time again");
    }

    #[tokio::test]
    async fn who_is_only_slow_is_waited_for() {
        let (room, slow, other) = room(Duration::MAX);
        let mut held = fill(&room, &slow, ORDERS / SHARE, 100).await;
        let waiting = room.enter(&slow, 100, never);
        tokio::pin!(waiting);
        assert!(futures_now(&mut waiting).await.is_none());
        drop(room.enter(&other, 100, never).await.ok().unwrap());
        assert!(futures_now(&mut waiting).await.is_none(), "another command's place is not its own");
        held.pop();
        assert!(waiting.await.is_ok());
    }

    #[tokio::test]
    async fn alerts_are_bounded_by_their_bytes() {
        let (room, slow, other) = room(Duration::ZERO);
        let most = (KIB / SHARE) / 1025;
        let held = fill(&room, &slow, most, 1 << 20).await;
        assert!(room.enter(&slow, 1 << 20, never).await.is_err());
        assert!(room.enter(&slow, 100, never).await.is_ok(), "a short one fits beside them");
        let more = fill(&room, &other, most, 1 << 20).await;
        assert!(KIB as usize - room.kib.available_permits() <= (KIB / SHARE * 2) as usize);
        drop((held, more));
        assert_eq!(room.kib.available_permits(), KIB as usize);
        assert_eq!(room.orders.available_permits(), ORDERS as usize);
    }

    #[tokio::test]
    async fn an_alert_longer_than_a_share_comes_alone() {
        let (room, slow, _) = room(Duration::ZERO);
        let place = room.enter(&slow, 1 << 30, never).await.ok().unwrap();
        assert!(room.enter(&slow, 1, never).await.is_err());
        drop(place);
        assert!(room.enter(&slow, 1, never).await.is_ok());
    }

    /// What a future comes to, if it does now.
    async fn futures_now<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        std::future::poll_fn(|context| {
            let polled = std::pin::Pin::new(&mut *future).poll(context);
            std::task::Poll::Ready(match polled {
                std::task::Poll::Ready(ready) => Some(ready),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
