//! Programs that wait for their turn.
//!
//! Few native programs run at a time, and one that hangs takes its deadline
//! each time. An order for one that has no room now is in the ledger already,
//! with its alert: all that waits in memory is the number of its entry. Each
//! command waits in a line of its own. What has waited longer than it was to
//! last is not begun any more.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use riposte_ledger::State;
use riposte_policy::order::EntryId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Before, Outcome, resume};
use crate::arm::Ready;
use crate::engine::Engine;
use crate::outcome::Refused;

/// Programs of one command that nobody waits for any more, at a time.
const ALONE: usize = 512;
/// What is to last shorter than this may wait as long all the same.
const AT_LEAST: Duration = Duration::from_secs(10);
/// How long what has no timeout may wait.
const AT_MOST: Duration = Duration::from_secs(3600);

/// The lines, one for each command that has to wait.
#[derive(Default)]
pub struct Turns {
    /// A line is here as long as a task serves it. At most as many wait as the
    /// ledger lets a command have open.
    lines: Mutex<HashMap<Arc<str>, VecDeque<Waiting>>>,
    /// Room for programs that go on alone, by command.
    alone: Mutex<HashMap<Arc<str>, Arc<Semaphore>>>,
}

/// An entry whose program is still to be started.
#[derive(Clone, Copy)]
struct Waiting {
    id: EntryId,
    /// Since when, in milliseconds since the machine was started.
    since_ms: i64,
    before: Before,
}

/// Room for one start of a program.
pub struct Turn {
    /// Of those that its command may start at a time.
    pub own: Option<OwnedSemaphorePermit>,
    /// Of those that are started at a time.
    pub all: Option<OwnedSemaphorePermit>,
    /// Of those of its command that may go on alone: kept until it has ended.
    pub alone: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// A turn, when there is room now and nobody of the same command waits.
    pub fn now(&self, engine: &Engine, ready: &Ready) -> Option<Turn> {
        if self.lines().contains_key(&ready.command.name) {
            return None;
        }
        let alone = self.room(&ready.command.name).try_acquire_owned().ok()?;
        let own = Arc::clone(&ready.permits).try_acquire_owned().ok()?;
        let all = engine.program_room().try_acquire_owned().ok()?;
        Some(Turn { own: Some(own), all: Some(all), alone: Some(alone) })
    }

    /// The next turn of a command.
    pub async fn next(&self, engine: &Engine, ready: Option<&Ready>, name: &Arc<str>) -> Turn {
        // Its own limits first, so that those that wait for them hold nothing
        // that others could use. Never closed, so never refused.
        let alone = self.room(name).acquire_owned().await.ok();
        let own = match ready {
            Some(ready) => Arc::clone(&ready.permits).acquire_owned().await.ok(),
            None => None,
        };
        Turn { own, all: engine.program_room().acquire_owned().await.ok(), alone }
    }

    /// Lets an intended entry wait. Its response is under way until it has run.
    pub fn wait(&self, engine: &Arc<Engine>, name: &Arc<str>, id: EntryId, before: Before) {
        engine.begin();
        let waiting = Waiting { id, since_ms: engine.now().boot_ms, before };
        let mut lines = self.lines();
        if let Some(line) = lines.get_mut(name) {
            return line.push_back(waiting);
        }
        lines.insert(Arc::clone(name), VecDeque::from([waiting]));
        drop(lines);
        tokio::spawn(serve(Arc::clone(engine), Arc::clone(name)));
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lines().values().map(VecDeque::len).sum()
    }

    /// Nobody waits any more: the engine ends, and the next one finds them
    /// intended. Returns how many there were.
    pub fn abandon(&self) -> usize {
        self.lines().values_mut().map(|line| std::mem::take(line).len()).sum()
    }

    /// The first of a line; at its end the line is over.
    fn first(&self, name: &Arc<str>) -> Option<Waiting> {
        let mut lines = self.lines();
        let first = lines.get_mut(name).and_then(VecDeque::pop_front);
        if first.is_none() {
            lines.remove(name);
        }
        first
    }

    fn room(&self, name: &Arc<str>) -> Arc<Semaphore> {
        let mut alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        // Names come and go with the configuration.
        if alone.len() >= 1024 {
            alone.retain(|_, room| room.available_permits() < ALONE);
        }
        Arc::clone(alone.entry(Arc::clone(name)).or_insert_with(|| Arc::new(Semaphore::new(ALONE))))
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Arc<str>, VecDeque<Waiting>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins what waits for a command, as room is made.
async fn serve(engine: Arc<Engine>, name: Arc<str>) {
    loop {
        let ready = engine.armed().ready(&name);
        let turn = engine.turns.next(&engine, ready.as_deref(), &name).await;
        let Some(waiting) = engine.turns.first(&name) else { return };
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            begin(&engine, waiting, turn).await;
            engine.responded();
        });
    }
}

/// Its turn has come.
async fn begin(engine: &Arc<Engine>, waiting: Waiting, turn: Turn) {
    let entry = match super::recorded(engine, || engine.ledger.entry(waiting.id)).await {
        Ok(Some(entry)) => entry,
        Ok(None) => return,
        Err(error) => {
            return tracing::error!(entry = %waiting.id, %error, "cannot be read; it stays intended");
        }
    };
    let waited = Duration::from_millis(
        u64::try_from(engine.now().boot_ms.saturating_sub(waiting.since_ms)).unwrap_or(0),
    );
    let lasting = entry.timeout_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
    let instead = if entry.state != State::Intended {
        Some(Outcome::Failed { id: Some(entry.id), error: "it was undone before its turn came".to_owned() })
    } else if waited > lasting.unwrap_or(AT_MOST).max(AT_LEAST) {
        let late = Outcome::Refused(Refused::Late(waited));
        let why = late.to_string();
        match super::recorded(engine, || engine.ledger.fail(entry.id, &why)).await {
            Ok(()) => Some(late),
            Err(error) => Some(Outcome::Failed { id: Some(entry.id), error: error.to_string() }),
        }
    } else {
        None
    };
    match instead {
        Some(outcome) => super::settled_entry(engine, &entry, &outcome),
        None => drop(resume(engine, &entry, waiting.before, Some(turn)).await),
    }
}
