//! Native programs that are being started, and those that nobody waits for any
//! more.
//!
//! A script that has not answered within its deadline goes on running while
//! its entry is in force. It is ended when it is undone, and at its own limit.
//! An undo that comes while a program is still being started ends it, too, and
//! waits for that: only what has ended can be undone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use riposte_policy::order::EntryId;
use riposte_runtime::native::Running;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tokio::task::JoinHandle;

/// The programs that run for an add, by entry.
#[derive(Default)]
pub struct Programs(Arc<Mutex<All>>);

#[derive(Default)]
struct All {
    starting: HashMap<EntryId, Started>,
    alone: HashMap<EntryId, Watched>,
}

/// A program that somebody waits for.
struct Started {
    /// Taken by the first that wants its end.
    stop: Option<oneshot::Sender<()>>,
    /// Closed when it has ended, or goes on alone.
    over: watch::Receiver<()>,
}

/// A program is being started, for as long as this lives.
pub struct Starting {
    id: EntryId,
    all: Arc<Mutex<All>>,
    stop: Option<oneshot::Receiver<()>>,
    /// Only ever closed.
    _over: watch::Sender<()>,
}

struct Watched {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Programs {
    /// The program of this entry is about to be started. Whoever undoes the
    /// entry from now on waits until what is returned is dropped.
    pub fn starting(&self, id: EntryId) -> Starting {
        let (stop, stopped) = oneshot::channel();
        let (over, waits) = watch::channel(());
        lock(&self.0).starting.insert(id, Started { stop: Some(stop), over: waits });
        Starting { id, all: Arc::clone(&self.0), stop: Some(stopped), _over: over }
    }

    /// Waits for the program in the background. `room` is given back when it
    /// has ended.
    pub fn supervise(&self, id: EntryId, running: Running, room: Option<OwnedSemaphorePermit>) {
        let (end, ended) = oneshot::channel();
        let all = Arc::clone(&self.0);
        let mut programs = lock(&self.0);
        let task = tokio::spawn(async move {
            let outcome = running.wait_or(ended).await;
            drop(room);
            tracing::info!(entry = %id, %outcome, "a program that was not waited for has ended");
            lock(&all).alone.remove(&id);
        });
        programs.alone.insert(id, Watched { end, task });
    }

    /// Ends the program of this entry, if one is still running, and waits until
    /// it is gone.
    pub async fn end(&self, id: EntryId) {
        let starting = lock(&self.0).starting.get_mut(&id).map(|it| (it.stop.take(), it.over.clone()));
        if let Some((stop, mut over)) = starting {
            if let Some(stop) = stop {
                // Refused only when it is over just now.
                let _ = stop.send(());
            }
            // Never anything but closed.
            let _ = over.changed().await;
        }
        let Some(watched) = lock(&self.0).alone.remove(&id) else { return };
        // Refused only when it has just ended by itself.
        let _ = watched.end.send(());
        // A panicked task has dropped its program, which ends it.
        let _ = watched.task.await;
    }

    /// How many are running that nobody waits for.
    #[must_use]
    pub fn running(&self) -> usize {
        lock(&self.0).alone.len()
    }
}

impl Starting {
    /// Waits until somebody wants its end.
    pub fn stopped(&mut self) -> impl Future<Output = ()> + use<> {
        let stop = self.stop.take();
        async move {
            let wanted = match stop {
                Some(stop) => stop.await.is_ok(),
                None => false,
            };
            if !wanted {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        lock(&self.all).starting.remove(&self.id);
    }
}

fn lock(all: &Mutex<All>) -> MutexGuard<'_, All> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}
