//! Drives the ledger's scheduler: the only place where time makes things happen.

use std::sync::{Arc, Weak};
use std::time::Duration;

use riposte_ledger::Cause;
use riposte_ledger::scheduler::{Action, Event, Scheduler};
use riposte_policy::order::EntryId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::engine::Engine;
use crate::undo;

/// Longest sleep while something is due later: tokio's clock stands still while
/// the machine is suspended, the ledger's does not.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Undos handed out at a time. More than run at a time, so that slow programs
/// do not hold up components.
const UNDOS: usize = 256;

/// Tells the scheduler what happened.
pub struct Timekeeper(UnboundedSender<Event>);

impl Timekeeper {
    /// The telling side, and what [`keep`] needs.
    #[must_use]
    pub fn new() -> (Self, UnboundedReceiver<Event>) {
        let (events, receiver) = unbounded_channel();
        (Self(events), receiver)
    }

    /// The entry is in force until then.
    pub fn in_force(&self, id: EntryId, due_boot_ms: i64) {
        self.tell(Event::InForce { id, due_boot_ms });
    }

    /// The entry ends later.
    pub fn extended(&self, id: EntryId, due_boot_ms: i64) {
        self.tell(Event::Extended { id, due_boot_ms });
    }

    /// The entry was undone.
    pub fn undone(&self, id: EntryId) {
        self.tell(Event::Undone { id });
    }

    /// The entry is not to be undone any more.
    pub fn gone(&self, id: EntryId) {
        self.tell(Event::Gone { id });
    }

    /// The entry could not be undone.
    pub fn undo_failed(&self, id: EntryId, attempts: u32) {
        self.tell(Event::UndoFailed { id, attempts });
    }

    /// Looks at the clock now, for tests that have moved it.
    #[cfg(test)]
    pub fn look_again(&self) {
        self.tell(Event::Tick);
    }

    fn tell(&self, event: Event) {
        // Nobody listens only while the engine ends, and then nothing is due.
        let _ = self.0.send(event);
    }
}

/// Keeps time until the engine is gone.
pub async fn keep(engine: Weak<Engine>, mut events: UnboundedReceiver<Event>) {
    let mut scheduler = Scheduler::new(UNDOS);
    let mut wake_at = None;
    loop {
        let Some(now) = engine.upgrade().map(|engine| engine.now().boot_ms) else { return };
        let left = wake_at.map(|at: i64| Duration::from_millis(u64::try_from(at - now).unwrap_or(0)));
        let event = tokio::select! {
            event = events.recv() => match event {
                Some(event) => event,
                None => return,
            },
            () = tokio::time::sleep(left.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN)), if wake_at.is_some() => Event::Tick,
        };
        let Some(engine) = engine.upgrade() else { return };
        wake_at = None;
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
}
