//! Runs futures, one at a time, in the order that a seed decides.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::random::Random;

type Work = Pin<Box<dyn Future<Output = ()>>>;

/// Futures that run until they are done, or dropped.
#[derive(Default)]
pub struct Executor {
    tasks: Vec<Task>,
}

struct Task {
    work: Work,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Executor {
    /// Takes a future on.
    pub fn spawn(&mut self, work: Work) {
        self.tasks.push(Task { work, woken: Arc::new(Woken(AtomicBool::new(true))) });
    }

    /// Goes on with one of those that can go on; `false`: none can.
    pub fn step(&mut self, random: &mut Random) -> bool {
        let ready: Vec<usize> =
            (0..self.tasks.len()).filter(|at| self.tasks[*at].woken.0.load(Ordering::Relaxed)).collect();
        if ready.is_empty() {
            return false;
        }
        let at = *random.of(&ready);
        let task = &mut self.tasks[at];
        task.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&task.woken));
        if let Poll::Ready(()) = task.work.as_mut().poll(&mut Context::from_waker(&waker)) {
            drop(self.tasks.swap_remove(at));
        }
        true
    }

    /// Whether every future is done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Drops them all, as the end of a process does.
    pub fn clear(&mut self) {
        self.tasks.clear();
    }
}
