//! Up to where an input is handled.
//!
//! Orders are decided in any order, so the position that is safe to store is
//! that of the first line still undecided. It goes to the ledger behind the
//! entries that the lines before it led to, and commits with them; lines
//! beyond it that were decided already are known by their entries.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use riposte_ledger::Ledger;
use riposte_transport::{Receipt, Sign};

/// The progress of one file.
pub struct Progress {
    ledger: Ledger,
    /// The ledger's number for the file.
    pub input: i64,
    state: Mutex<State>,
}

struct State {
    /// First bytes of the lines that are not decided yet.
    undecided: BTreeSet<u64>,
    /// Up to where lines were read.
    read: u64,
    /// What the ledger was told last.
    told: u64,
}

impl Progress {
    /// Progress of `input`, which was handled up to `offset` before.
    #[must_use]
    pub fn new(ledger: Ledger, input: i64, offset: u64) -> Arc<Self> {
        let state = State { undecided: BTreeSet::new(), read: offset, told: offset };
        Arc::new(Self { ledger, input, state: Mutex::new(state) })
    }

    /// Lines up to `end` were read and need no decision.
    pub fn passed(&self, end: u64) {
        self.lock().read = end;
    }

    /// The line from `start` to `end` is being decided, in as many orders as
    /// the receipts returned.
    pub fn deciding(self: &Arc<Self>, start: u64, end: u64, orders: usize) -> impl Iterator<Item = Receipt> {
        let mut state = self.lock();
        state.undecided.insert(start);
        state.read = end;
        let line = Arc::new(Line { progress: Arc::clone(self), start, orders: AtomicUsize::new(orders) });
        (0..orders).map(move |_| Box::new(Order(Arc::clone(&line))) as Receipt)
    }

    /// Tells the ledger how far this input is handled, if that changed.
    pub fn store(&self) {
        let mut state = self.lock();
        let handled = state.undecided.first().copied().unwrap_or(state.read);
        if handled != state.told {
            state.told = handled;
            self.ledger.mark(self.input, handled);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line that is not decided yet.
struct Line {
    progress: Arc<Progress>,
    start: u64,
    orders: AtomicUsize,
}

/// One order of a line.
struct Order(Arc<Line>);

impl Sign for Order {
    fn decided(self: Box<Self>) {
        let line = &self.0;
        if line.orders.fetch_sub(1, Ordering::AcqRel) == 1 {
            line.progress.lock().undecided.remove(&line.start);
            line.progress.store();
        }
    }
}
