//! The path of one response, from its order to the ledger.
//!
//! ```text
//! Order ─ keys ─ admit ─ Entry (intended) ─ run ─ Effect, Receipt ─ settle (in force, due)
//! ```

mod admit;
mod run;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use riposte_ledger::Entry;
use riposte_policy::Order;
use riposte_policy::order::EntryId;
use riposte_runtime::Invocation;
use riposte_transport::Receipt;

use self::admit::admit;
pub use self::admit::invocation;
use crate::arm::{Ready, Runner};
use crate::engine::Engine;
use crate::outcome::Outcome;
use crate::undo;

/// How long to wait before a ledger that cannot be written is tried again.
const LEDGER_AGAIN: Duration = Duration::from_secs(1);

/// Decides an order and, when it is admitted, does it.
pub async fn respond(engine: &Arc<Engine>, order: Order, receipt: Receipt) -> Outcome {
    let (keys, outcome) = match admitted(engine, &order).await {
        Ok(intended) => {
            receipt.decided();
            let made = intended.run(engine, &order).await;
            let outcome = intended.settle(engine, made).await;
            (intended.keys, outcome)
        }
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
            if let Runner::Native(program) = &ready.runner {
                // It may never have acted, so a delete that fails is no reason not to add.
                if let Err(error) = undo::by_program(engine, entry, program).await {
                    tracing::warn!(entry = %id, "the delete before the new add failed: {error}");
                }
            }
            match engine.ledger.attempt(id).await {
                Err(error) => failed(error.to_string()),
                Ok(attempt) => {
                    let mut invocation = invocation(&order, &ready, entry.mode);
                    invocation.id = id.to_string();
                    invocation.entry = Some(id);
                    invocation.attempt = attempt;
                    invocation.offence = entry.offence;
                    invocation.named(&order.command, &entry.keys);
                    let intended = Intended { id, ready, invocation, keys: entry.keys.clone() };
                    let made = intended.run(engine, &order).await;
                    let outcome = intended.settle(engine, made).await;
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
}
