//! Native programs that nobody waits for any more.
//!
//! A script that has not answered within its deadline goes on running while
//! its entry is in force. It is ended when it is undone, and at its own limit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use riposte_policy::order::EntryId;
use riposte_runtime::native::Running;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinHandle;

/// The programs still running, by entry.
#[derive(Default)]
pub struct Programs(Arc<Mutex<HashMap<EntryId, Watched>>>);

struct Watched {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Programs {
    /// Waits for the program in the background. `room` is given back when it
    /// has ended.
    pub fn supervise(&self, id: EntryId, running: Running, room: Option<OwnedSemaphorePermit>) {
        let (end, ended) = oneshot::channel();
        let all = Arc::clone(&self.0);
        let mut programs = self.lock();
        let task = tokio::spawn(async move {
            let outcome = running.wait_or(ended).await;
            drop(room);
            tracing::info!(entry = %id, %outcome, "a program that was not waited for has ended");
            all.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        });
        programs.insert(id, Watched { end, task });
    }

    /// Ends the program of this entry, if one is still running, and waits until
    /// it is gone.
    pub async fn end(&self, id: EntryId) {
        let Some(watched) = self.lock().remove(&id) else { return };
        // Refused only when it has just ended by itself.
        let _ = watched.end.send(());
        // A panicked task has dropped its program, which ends it.
        let _ = watched.task.await;
    }

    /// How many are running.
    #[must_use]
    pub fn running(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<EntryId, Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
