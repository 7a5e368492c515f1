//! The path of one response, from its order to the ledger.
//!
//! ```text
//! Order ─ keys ─ admit ─ Entry (intended) ─ run ─ Effect, Receipt ─ settle (in force, due)
//! ```

mod admit;
mod foresee;
mod run;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use riposte_ledger::entry::Recovery;
use riposte_ledger::{Entry, LedgerError};
use riposte_policy::Order;
use riposte_policy::config::Mode;
use riposte_policy::order::EntryId;
use riposte_runtime::Invocation;
use riposte_transport::{Receipt, Sign};

pub use self::admit::{Scales, invocation, spared};
use self::admit::{admit, still};
pub use self::foresee::{Foreseen, foresee};
use crate::arm::{Ready, Runner};
use crate::engine::Engine;
use crate::outcome::Outcome;
use crate::undo;

/// How long to wait before a ledger that cannot be written is tried again.
const LEDGER_AGAIN: Duration = Duration::from_secs(1);

/// Decides an order and, when it is admitted, does it.
pub async fn respond(engine: &Arc<Engine>, order: Order, receipt: Receipt) -> Outcome {
    let (keys, outcome) = match admitted(engine, &order).await {
        Ok(intended) => intended.respond(engine, &order, receipt).await,
        // Unsigned, the receipt says that the alert is to be handled again.
        Err(undecided @ Outcome::Undecided(_)) => (Vec::new(), undecided),
        Err(outcome) => {
            receipt.decided();
            (Vec::new(), outcome)
        }
    };
    if matches!(outcome, Outcome::Failed { .. } | Outcome::Undecided(_)) {
        engine.counters.failed.fetch_add(1, Ordering::Relaxed);
    }
    engine.report.outcome(&order, &keys, &outcome);
    if engine.report.is_wordy()
        && let Some(id) = outcome.entry()
        && let Ok(Some(entry)) = engine.ledger.entry(id).await
    {
        engine.report.listed(&order, &outcome, &entry);
    }
    outcome
}

/// Admits an order, however long the ledger cannot be written: an alert is
/// handled late rather than lost. Only the end of the engine gives up.
async fn admitted(engine: &Arc<Engine>, order: &Order) -> Result<Intended, Instead> {
    loop {
        match admit(engine, order).await {
            Err(Outcome::Undecided(error)) if !engine.gives_up() => {
                tracing::error!(command = %order.command.name, "waiting for the ledger: {error}");
                tokio::time::sleep(LEDGER_AGAIN).await;
            }
            decided => return decided,
        }
    }
}

impl Intended {
    /// Runs it and records what came of it. A component's entry reaches the disk
    /// while it runs, so its alert counts as handled only then; should that
    /// commit fail, the entry was never there and the order begins anew.
    async fn respond(
        mut self,
        engine: &Arc<Engine>,
        order: &Order,
        receipt: Receipt,
    ) -> (Vec<String>, Outcome) {
        let durable = matches!(self.ready.runner, Runner::Native(_));
        let late = if durable { None } else { engine.late.try_acquire().ok() };
        let mut receipt = Some(receipt);
        let mut sign = || receipt.take().into_iter().for_each(Sign::decided);
        // Once it is signed, it must be there after any crash.
        if durable || late.is_none() && matches!(engine.ledger.entry(self.id).await, Ok(Some(_))) {
            sign();
        }
        loop {
            let made = self.run(engine, order).await;
            let outcome = self.settle(engine, order, made).await;
            let failed = matches!(outcome, Outcome::Failed { .. });
            if !failed {
                sign();
                return (self.keys, outcome);
            }
            match known(engine, self.id).await {
                Ok(Some(_)) => {
                    sign();
                    return (self.keys, outcome);
                }
                Ok(None) => {}
                Err(error) => return (self.keys, Outcome::Undecided(error)),
            }
            match admitted(engine, order).await {
                Ok(again) => self = again,
                Err(undecided @ Outcome::Undecided(_)) => return (self.keys, undecided),
                Err(outcome) => {
                    sign();
                    return (self.keys, outcome);
                }
            }
        }
    }
}

/// An entry as the ledger has it, however long it cannot be read: not being told
/// is no reason to give up on what is under way. Only the end of the engine is.
pub async fn known(engine: &Engine, id: EntryId) -> Result<Option<Entry>, LedgerError> {
    loop {
        match engine.ledger.entry(id).await {
            Err(error) if error.is_storage() && !engine.gives_up() => {
                tracing::error!(entry = %id, "waiting for the ledger: {error}");
                tokio::time::sleep(LEDGER_AGAIN).await;
            }
            found => return found,
        }
    }
}

/// Counts that an entry is begun once more, however long that cannot be written.
async fn attempt(engine: &Engine, id: EntryId) -> Result<u32, LedgerError> {
    loop {
        match engine.ledger.attempt(id).await {
            Err(error) if error.is_storage() && !engine.gives_up() => {
                tracing::error!(entry = %id, "waiting for the ledger: {error}");
                tokio::time::sleep(LEDGER_AGAIN).await;
            }
            counted => return counted,
        }
    }
}

/// Takes up an entry that was intended when the engine ended: nobody knows how
/// far it came. A component's add is made to be repeated; what a program did is
/// deleted first.
pub async fn again(engine: &Arc<Engine>, entry: &Entry) -> Outcome {
    let id = entry.id;
    let failed = |error: String| Outcome::Failed { id: Some(id), error };
    let outcome = match undo::ready(engine, entry) {
        Err(error) => {
            undo::after_failure(engine, id, &error).await;
            failed(error)
        }
        Ok((order, ready)) => {
            let recovery = entry.recovery();
            if let (Runner::Native(program), Recovery::DeleteThenAdd) = (&ready.runner, recovery) {
                // It may never have acted, so a delete that fails is no reason not to add.
                if let Err(error) = undo::by_program(engine, &order, program).await {
                    tracing::warn!(entry = %id, "the delete before the new add failed: {error}");
                }
            }
            // Its target may be protected by now.
            if let (Runner::Native(program), Mode::Enforce) = (&ready.runner, entry.mode)
                && let Err(refused) = still(engine, &order, program, &entry.keys)
            {
                let outcome = match engine.ledger.fail(id, &refused.to_string()).await {
                    Ok(()) => refused,
                    Err(error) => failed(format!("{refused}; {error}")),
                };
                engine.report.outcome(&order, &entry.keys, &outcome);
                tracing::info!(entry = %id, "not taken up again: {outcome}");
                return outcome;
            }
            // What happens once counts its beginning itself.
            let attempt = match recovery {
                Recovery::Begin => Ok(1),
                _ => attempt(engine, id).await,
            };
            match attempt {
                Err(error) => failed(error.to_string()),
                Ok(attempt) => {
                    let mut invocation = invocation(&order, entry.mode);
                    invocation.id = id.to_string();
                    invocation.entry = (entry.mode == Mode::Enforce).then_some(id);
                    invocation.attempt = attempt;
                    invocation.offence = entry.offence;
                    invocation.named(&order.command, &entry.keys);
                    let timed = entry.timeout_ms.is_some();
                    let intended = Intended { id, ready, invocation, keys: entry.keys.clone(), timed };
                    let made = intended.run(engine, &order).await;
                    let outcome = intended.settle(engine, &order, made).await;
                    engine.report.outcome(&order, &entry.keys, &outcome);
                    outcome
                }
            }
        }
    };
    tracing::info!(entry = %id, "taken up again: {outcome}");
    outcome
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
}
