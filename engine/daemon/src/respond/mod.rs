//! The path of one response, from its order to the ledger.
//!
//! ```text
//! Order ─ keys ─ admit ─ Entry (intended) ─ run ─ Effect, Receipt ─ settle (in force, due)
//! ```

mod admit;
mod foresee;
mod run;
pub mod same;
mod turns;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use riposte_ledger::entry::Recovery;
use riposte_ledger::{Entry, LedgerError};
use riposte_policy::Order;
use riposte_policy::config::Mode;
use riposte_policy::order::{Actor, EntryId};
use riposte_runtime::Invocation;
use riposte_transport::{Receipt, Sign};

pub use self::admit::{Scales, invocation, spared};
use self::admit::{admit, still};
pub use self::foresee::{Foreseen, foresee};
pub use self::turns::{Turn, Turns};
use crate::arm::{Ready, Runner};
use crate::engine::Engine;
use crate::outcome::{Outcome, Refused};
use crate::undo;

/// How long to wait before a ledger that cannot be written is tried again.
const LEDGER_AGAIN: Duration = Duration::from_secs(1);

/// Decides an order and, when it is admitted, does it.
pub async fn respond(engine: &Arc<Engine>, order: Order, receipt: Receipt) -> Outcome {
    let (keys, outcome) = match admitted(engine, &order).await {
        Ok(intended) => match intended.respond(engine, &order, receipt).await {
            Ok(done) => done,
            // What becomes of it is said when its turn has come.
            Err(Waits(id)) => return Outcome::Waiting(id),
        },
        // Unsigned, the receipt says that the alert is to be handled again.
        Err(undecided @ Outcome::Undecided(_)) => (Vec::new(), undecided),
        Err(outcome) => {
            receipt.decided();
            (Vec::new(), outcome)
        }
    };
    settled(engine, &order, &keys, &outcome);
    if engine.report.is_wordy()
        && let Some(id) = outcome.entry()
        && let Ok(Some(entry)) = engine.ledger.entry(id).await
    {
        engine.report.listed(&order, &outcome, &entry);
    }
    outcome
}

/// Counts and reports what became of an order. Each ends here, once, or is
/// [undeliverable](crate::engine::Engine::dispatch).
pub fn settled(engine: &Engine, order: &Order, keys: &[String], outcome: &Outcome) {
    if matches!(outcome, Outcome::Failed { .. } | Outcome::Undecided(_)) {
        engine.counters.failed.fetch_add(1, Ordering::Relaxed);
    }
    if matches!(outcome, Outcome::Refused(Refused::Off)) {
        engine.counters.off.fetch_add(1, Ordering::Relaxed);
    }
    engine.tally.ended(&order.command.name, outcome);
    engine.report.outcome(order, keys, outcome);
}

/// The same for an entry that was not begun.
fn settled_entry(engine: &Engine, entry: &Entry, outcome: &Outcome) {
    match undo::order(entry, &engine.armed().config.settings) {
        Ok(order) => settled(engine, &order, &entry.keys, outcome),
        Err(error) => {
            tracing::warn!(entry = %entry.id, "{outcome}; its definition cannot be read: {error}");
            engine.tally.ended(&entry.command.as_str().into(), outcome);
        }
    }
}

/// Admits an order, however long the ledger cannot be written: an alert is
/// handled late rather than lost. Only the end of the engine gives up.
async fn admitted(engine: &Arc<Engine>, order: &Order) -> Result<Intended, Instead> {
    loop {
        match admit(engine, order).await {
            Err(Outcome::Undecided(error)) if !engine.gives_up() => {
                if engine.complains() {
                    tracing::error!(command = %order.command.name, "waiting for the ledger: {error}");
                }
                tokio::time::sleep(LEDGER_AGAIN).await;
            }
            decided => return decided,
        }
    }
}

/// Asks the ledger until it can answer: nobody else looks after an intended
/// entry before the next start, so one that is left here would be left for long.
/// Only the end of the engine gives up.
pub async fn recorded<T, F>(engine: &Engine, ask: impl Fn() -> F) -> Result<T, LedgerError>
where
    F: Future<Output = Result<T, LedgerError>>,
{
    loop {
        match ask().await {
            Err(error) if error.is_storage() && !engine.gives_up() => {
                tracing::error!("waiting for the ledger: {error}");
                tokio::time::sleep(LEDGER_AGAIN).await;
            }
            said => return said,
        }
    }
}

impl Intended {
    /// Runs it and records what came of it. A component's entry reaches the disk
    /// while it runs, so its alert counts as handled only then; should that
    /// commit fail, the entry was never there and the order begins anew. That
    /// of a program is on the disk already.
    async fn respond(
        mut self,
        engine: &Arc<Engine>,
        order: &Order,
        receipt: Receipt,
    ) -> Result<(Vec<String>, Outcome), Waits> {
        let mut receipt = Some(receipt);
        let mut sign = || receipt.take().into_iter().for_each(Sign::decided);
        loop {
            if self.starts_program() {
                sign();
                // Whoever asks by hand waits for it.
                if order.actor == Actor::Alert {
                    self.turn = engine.turns.now(engine, &self.ready);
                    if self.turn.is_none() {
                        engine.turns.wait(engine, &order.command.name, self.id, Before::Nothing);
                        return Err(Waits(self.id));
                    }
                }
            }
            let made = self.run(engine, order).await;
            let outcome = self.settle(engine, order, made).await;
            let failed = matches!(outcome, Outcome::Failed { .. });
            if !failed {
                sign();
                return Ok((self.keys, outcome));
            }
            match recorded(engine, || engine.ledger.entry(self.id)).await {
                Ok(Some(_)) => {
                    sign();
                    return Ok((self.keys, outcome));
                }
                // Its commit failed, and the next one may: not at once again.
                Ok(None) => tokio::time::sleep(LEDGER_AGAIN).await,
                Err(error) => return Ok((self.keys, Outcome::Undecided(error))),
            }
            match admitted(engine, order).await {
                Ok(again) => self = again,
                Err(undecided @ Outcome::Undecided(_)) => return Ok((self.keys, undecided)),
                Err(outcome) => {
                    sign();
                    return Ok((self.keys, outcome));
                }
            }
        }
    }

    fn starts_program(&self) -> bool {
        matches!(self.ready.runner, Runner::Native(_)) && self.invocation.mode == Mode::Enforce
    }
}

/// The program of this entry waits for its turn.
struct Waits(EntryId);

/// What is done before an entry is begun that is in the ledger already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing: it was never begun.
    Nothing,
    /// What a program may have done is deleted: nobody knows how far it came.
    Delete,
}

/// Takes up an entry that was intended when the engine ended: nobody knows how
/// far it came. A component's add is made to be repeated; what a program did is
/// deleted first.
pub async fn again(engine: &Arc<Engine>, entry: &Entry) -> Outcome {
    let outcome = resume(engine, entry, Before::Delete, None).await;
    tracing::info!(entry = %entry.id, "taken up again: {outcome}");
    outcome
}

/// Does what an intended entry says, and reports what came of it.
async fn resume(engine: &Arc<Engine>, entry: &Entry, before: Before, turn: Option<Turn>) -> Outcome {
    let id = entry.id;
    let (order, ready) = match undo::ready(engine, entry) {
        Ok(found) => found,
        Err(error) => {
            undo::after_failure(engine, id, entry.alert.as_deref(), &error).await;
            let failed = Outcome::Failed { id: Some(id), error };
            settled_entry(engine, entry, &failed);
            return failed;
        }
    };
    let outcome = resumed(engine, entry, &order, ready, before, turn).await;
    settled(engine, &order, &entry.keys, &outcome);
    outcome
}

async fn resumed(
    engine: &Arc<Engine>,
    entry: &Entry,
    order: &Order,
    ready: Arc<Ready>,
    before: Before,
    turn: Option<Turn>,
) -> Outcome {
    let id = entry.id;
    let recovery = entry.recovery();
    if let (Runner::Native(program), Mode::Enforce) = (&ready.runner, entry.mode) {
        // It may never have acted, so a delete that fails is no reason not to add.
        if before == Before::Delete
            && recovery == Recovery::DeleteThenAdd
            && let Err(error) = undo::by_program(engine, order, program).await
        {
            tracing::warn!(entry = %id, "the delete before the new add failed: {error}");
        }
        // Its target may be protected by now.
        if let Err(refused) = still(engine, order, program, &entry.keys) {
            let why = refused.to_string();
            return match recorded(engine, || engine.ledger.fail(id, &why)).await {
                Ok(()) => refused,
                Err(error) => Outcome::Failed { id: Some(id), error: format!("{refused}; {error}") },
            };
        }
    }
    // What happens once counts its beginning itself, and so does what was never begun.
    let attempt = match (recovery, before) {
        (Recovery::Begin, _) | (_, Before::Nothing) => Ok(1),
        _ => recorded(engine, || engine.ledger.attempt(id)).await,
    };
    let attempt = match attempt {
        Ok(attempt) => attempt,
        Err(error) => return Outcome::Failed { id: Some(id), error: error.to_string() },
    };
    let mut invocation = invocation(order, entry.mode);
    invocation.id = id.to_string();
    invocation.entry = (entry.mode == Mode::Enforce).then_some(id);
    invocation.attempt = attempt;
    invocation.offence = entry.offence;
    invocation.named(&order.command, &entry.keys);
    let timed = entry.timeout_ms.is_some();
    let mut intended = Intended { id, ready, invocation, keys: entry.keys.clone(), timed, turn };
    let made = intended.run(engine, order).await;
    intended.settle(engine, order, made).await
}

/// Why an order has no entry: its outcome.
type Instead = Outcome;

/// An order that the ledger knows, about to be done.
struct Intended {
    id: EntryId,
    ready: Arc<Ready>,
    invocation: Invocation,
    keys: Vec<String>,
    /// Whether it is undone after a time.
    timed: bool,
    /// Room for its program, when it has some already.
    turn: Option<Turn>,
}
