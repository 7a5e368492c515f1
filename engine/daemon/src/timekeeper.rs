//! Drives the ledger's scheduler: the only place where time makes things happen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use riposte_ledger::Cause;
use riposte_ledger::scheduler::{Action, Event, Scheduler};
use riposte_policy::order::EntryId;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::{ahead, undo};

/// Longest sleep while something is due later: tokio's clock stands still while
/// the machine is suspended, the ledger's does not.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Undos handed out at a time. More than run at a time, so that slow programs
/// do not hold up components.
const UNDOS: usize = 256;

/// Entries that have to wait for their turn whose effects are taken back in one
/// go: so many that a flood is off the host as fast as it came, and so few that
/// others come in between.
const AHEAD: usize = 2_048;

/// Tells the scheduler what happened.
pub struct Timekeeper(Arc<Mailbox>);

/// What happened since the scheduler looked last: for each entry the last of it,
/// which alone decides what becomes of the entry. So however late the scheduler
/// is, no more is kept than there are entries.
#[derive(Default)]
pub struct Mailbox {
    events: Mutex<HashMap<EntryId, Event>>,
    told: Notify,
}

impl Timekeeper {
    /// The telling side, and what [`keep`] needs.
    #[must_use]
    pub fn new() -> (Self, Arc<Mailbox>) {
        let mailbox = Arc::new(Mailbox::default());
        (Self(Arc::clone(&mailbox)), mailbox)
    }

    /// The entry is in force until then.
    pub fn in_force(&self, id: EntryId, due_boot_ms: i64) {
        self.tell(id, Event::InForce { id, due_boot_ms });
    }

    /// The entry ends later.
    pub fn extended(&self, id: EntryId, due_boot_ms: i64) {
        self.tell(id, Event::Extended { id, due_boot_ms });
    }

    /// The entry was undone.
    pub fn undone(&self, id: EntryId) {
        self.tell(id, Event::Undone { id });
    }

    /// The entry is not to be undone any more.
    pub fn gone(&self, id: EntryId) {
        self.tell(id, Event::Gone { id });
    }

    /// The entry could not be undone.
    pub fn undo_failed(&self, id: EntryId, attempts: u32) {
        self.tell(id, Event::UndoFailed { id, attempts });
    }

    /// Looks at the clock now, for tests that have moved it.
    #[cfg(test)]
    pub fn look_again(&self) {
        self.0.told.notify_one();
    }

    fn tell(&self, id: EntryId, event: Event) {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner).insert(id, event);
        self.0.told.notify_one();
    }
}

impl Mailbox {
    fn take(&self) -> HashMap<EntryId, Event> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Keeps time until the engine is gone.
pub async fn keep(engine: Weak<Engine>, mailbox: Arc<Mailbox>) {
    let mut scheduler = Scheduler::new(UNDOS);
    let mut wake_at = None;
    let mut ahead: Option<JoinHandle<()>> = None;
    loop {
        let Some(now) = engine.upgrade().map(|engine| engine.now().boot_ms) else { return };
        let left = wake_at.map(|at: i64| Duration::from_millis(u64::try_from(at - now).unwrap_or(0)));
        tokio::select! {
            () = mailbox.told.notified() => {}
            // Also when nothing is due: the engine may be gone.
            () = tokio::time::sleep(left.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN)) => {}
        }
        let Some(engine) = engine.upgrade() else { return };
        wake_at = None;
        for event in mailbox.take().into_values().chain([Event::Tick]) {
            for action in scheduler.step(engine.now().boot_ms, event) {
                match action {
                    Action::Undo { id } => {
                        let engine = Arc::clone(&engine);
                        // Its end is told to the scheduler by `undo` itself.
                        tokio::spawn(async move { drop(undo::undo(&engine, id, Cause::Due).await) });
                    }
                    Action::WakeAt { boot_ms } => wake_at = Some(boot_ms),
                }
            }
        }
        // One after the other: the next one takes all that has come up meanwhile.
        if ahead.as_ref().is_none_or(JoinHandle::is_finished) {
            let waiting = scheduler.kept_waiting(engine.now().boot_ms, AHEAD);
            if !waiting.is_empty() {
                let mailbox = Arc::clone(&mailbox);
                let crowd = ahead::of_a_crowd(engine, waiting);
                ahead = Some(tokio::spawn(async move {
                    crowd.await;
                    mailbox.told.notify_one();
                }));
            }
        }
    }
}
