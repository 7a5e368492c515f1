//! The way back: what was done is undone, by what did it or by the engine.
//!
//! An entry closes only when its undo succeeded. A component that is gone, or
//! whose delete fails three times, is not asked again: the engine reverses the
//! effects it recorded. What cannot be undone now is tried again, for ever.
//!
//! A ledger that cannot be written holds up no undo: the host is restored from
//! what can be read, or else remembered, and the ledger told when it can be.

use std::sync::Arc;

use riposte_capability::process::Exit;
use riposte_ledger::entry::{AfterFailedDelete, Begun, Kind};
use riposte_ledger::{Cause, Entry, LedgerError, Undo};
use riposte_policy::Order;
use riposte_policy::config::{Command, Settings};
use riposte_policy::grant::Digest;
use riposte_policy::order::EntryId;
use riposte_runtime::native::{Message, NativeProgram};

use crate::ahead;
use crate::arm::{self, Ready, Runner};
use crate::engine::{self, Engine};
use crate::respond;

/// How an undo went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Undone {
    /// The entry is closed.
    Closed,
    /// It was closed already, never existed, or is not due any more.
    Nothing,
    /// It did not work; it is tried again.
    Failed {
        /// How often it was tried.
        attempts: u32,
        /// Why.
        error: String,
    },
    /// Nobody can say now whether there is such an entry, and nothing was begun:
    /// whoever asked has to ask again.
    Unknown {
        /// Why.
        error: String,
    },
}

/// Undoes an entry now. The timekeeper learns how it went.
pub async fn undo(engine: &Arc<Engine>, id: EntryId, cause: Cause) -> Undone {
    let taken_back = engine.taken_back.take(id).await;
    let begun = match Begun::of(engine.ledger.begin_undo(id, cause.clone()).await) {
        Begun::Undo(begun) => begun,
        Begun::Failed(error) if error.is_storage() => {
            return unrecorded(engine, id, &cause, &error.to_string()).await;
        }
        Begun::NotDue { due_boot_ms } => return not_due(engine, id, due_boot_ms).await,
        Begun::Gone => {
            engine.timekeeper.gone(id);
            return Undone::Nothing;
        }
        Begun::Failed(error) => return retry_later(engine, id, None, &error.to_string()).await,
    };
    engine.programs.end(id).await;
    if !taken_back {
        engine.report.undoing(&begun.entry, &cause);
        ahead::of_delete(engine, &begun).await;
    }
    let by_engine = match reverse(engine, &begun, &cause).await {
        Ok(by_engine) => by_engine,
        Err(error) => match begun.after_failed_delete() {
            AfterFailedDelete::AskAgain => return retry_later(engine, id, alert_of(&begun), &error).await,
            AfterFailedDelete::ReverseRecorded => Some(error),
        },
    };
    // Whatever the delete left claimed goes too: the entry is over.
    for effect in begun.effects.iter().filter(|row| !(taken_back && ahead::is_a_block(row))) {
        if let Err(refusal) = engine.reverse(id, effect).await {
            return retry_later(engine, id, alert_of(&begun), &refusal.to_string()).await;
        }
    }
    if let Some(why) = by_engine {
        let order = order(&begun.entry, &engine.armed().config.settings).ok();
        engine.report.reversed_by_engine(order.as_ref(), &begun.entry, &cause, &why);
    }
    match engine.ledger.undone(id).await {
        Ok(()) => {
            engine.report.undone(&begun.entry);
            engine.timekeeper.undone(id);
            engine.undone.notify_waiters();
            Undone::Closed
        }
        Err(error) if error.is_storage() => close_unrecorded(engine, &begun, &cause).await,
        Err(error) => retry_later(engine, id, None, &error.to_string()).await,
    }
}

/// It ends later than was thought, which may not even be written yet: the host
/// learns it now, before the kernel's own timeout is up.
async fn not_due(engine: &Arc<Engine>, id: EntryId, due_boot_ms: i64) -> Undone {
    engine.timekeeper.extended(id, due_boot_ms);
    engine.settle_effects(id).await;
    Undone::Nothing
}

/// The same, when the ledger cannot record that it begins. Whatever fails of it
/// the engine does itself, at once: there is no counting of attempts.
async fn unrecorded(engine: &Arc<Engine>, id: EntryId, cause: &Cause, ledger: &str) -> Undone {
    let begun = match engine.ledger.begin_unrecorded(id, cause).await {
        Ok(Some(begun)) => begun,
        Ok(None) => return from_memory(engine, id, cause, ledger).await,
        Err(LedgerError::NotDue { due_boot_ms, .. }) => return not_due(engine, id, due_boot_ms).await,
        Err(error) if error.is_storage() => {
            // A retry comes as due, which is not what was asked for, and the
            // number may be another entry's by then.
            return match cause {
                Cause::Asked { .. } => Undone::Unknown { error: error.to_string() },
                Cause::Due | Cause::Failed | Cause::Recovery => {
                    retry_later(engine, id, None, &error.to_string()).await
                }
            };
        }
        Err(_) => {
            engine.timekeeper.gone(id);
            return Undone::Nothing;
        }
    };
    engine.programs.end(id).await;
    engine.report.undoing(&begun.entry, cause);
    match reverse(engine, &begun, cause).await {
        Ok(_) => {}
        // What a program did, only it can take back.
        Err(error) if begun.entry.kind == Kind::Native => {
            return retry_later(engine, id, alert_of(&begun), &error).await;
        }
        Err(error) => tracing::warn!(entry = %id, %error, "the engine reverses it itself"),
    }
    close_unrecorded(engine, &begun, cause).await
}

/// Takes back what is recorded, and ends the entry in memory.
async fn close_unrecorded(engine: &Arc<Engine>, begun: &Undo, cause: &Cause) -> Undone {
    let id = begun.entry.id;
    for effect in &begun.effects {
        if let Err(refusal) = engine.reverse(id, effect).await {
            return retry_later(engine, id, alert_of(begun), &refusal.to_string()).await;
        }
    }
    engine.ledger.undone_unrecorded(id, cause);
    engine.report.undone(&begun.entry);
    engine.timekeeper.undone(id);
    engine.undone.notify_waiters();
    Undone::Closed
}

/// The same, when the ledger cannot even be read: what was remembered of the
/// entry's effects is taken back.
async fn from_memory(engine: &Arc<Engine>, id: EntryId, cause: &Cause, ledger: &str) -> Undone {
    let Some(effects) = engine.remembered.of(id) else {
        return retry_later(engine, id, None, ledger).await;
    };
    for effect in &effects {
        if let Err(refusal) = engine.capabilities.reverse(id, effect).await {
            return retry_later(engine, id, None, &refusal.to_string()).await;
        }
    }
    engine.ledger.undone_unrecorded(id, cause);
    tracing::warn!(entry = %id, "undone from memory: the ledger cannot be read");
    engine.remembered.undone(id, engine.now().wall_ms);
    engine.timekeeper.undone(id);
    engine.undone.notify_waiters();
    Undone::Closed
}

/// What led to an entry, as far as it is still kept.
fn alert_of(begun: &Undo) -> Option<&str> {
    begun.entry.alert.as_deref()
}

/// Undoes what a failed add may have done. `alert` is what led to it.
pub async fn after_failure(engine: &Arc<Engine>, id: EntryId, alert: Option<&str>, error: &str) {
    engine.report.add_failed(id, alert, error);
    if let Undone::Failed { attempts, error } = undo(engine, id, Cause::Failed).await {
        tracing::error!(entry = %id, attempts, %error, "the failed response could not be undone yet, it is tried again");
    }
}

/// The delete of whatever made the entry. `Some`: why the engine itself has to
/// take back what is recorded.
async fn reverse(engine: &Arc<Engine>, begun: &Undo, cause: &Cause) -> Result<Option<String>, String> {
    let entry = &begun.entry;
    if !begun.asks_its_maker() {
        return Ok(None);
    }
    let (order, ready) = match ready(engine, entry) {
        Ok(found) => found,
        // Nobody is left who could be asked: the engine reverses what is recorded.
        Err(error) if entry.kind == Kind::Reversible => return Ok(Some(error)),
        Err(error) => return Err(error),
    };
    match &ready.runner {
        Runner::Component(plugin) => {
            let _permit = engine.component_delete_permit().await;
            let mut invocation = respond::invocation(&order, entry.mode);
            invocation.id = entry.id.to_string();
            invocation.entry = Some(entry.id);
            invocation.attempt = entry.attempt;
            invocation.offence = entry.offence;
            invocation.named(&order.command, &entry.keys);
            let answer = plugin.delete(&invocation, entry.receipt.clone()).await;
            let result = answer.result.map_err(|failure| failure.to_string());
            let said = riposte_runtime::outcome::texts(answer.log);
            match cause {
                // What was never added is not called unblocked.
                Cause::Failed => engine.report.said(&order, &said),
                _ => {
                    let result = result.as_ref().map(|_| ()).map_err(String::as_str);
                    engine.report.deleted(&order, &said, result);
                }
            }
            result.map(|_| None)
        }
        Runner::Native(program) => by_program(engine, &order, program).await.map(|()| None),
        Runner::Unsupported(why) => Err(why.clone()),
    }
}

/// The delete of a native program.
///
/// # Errors
///
/// When it did not start, or says that it failed.
pub async fn by_program(engine: &Engine, order: &Order, program: &NativeProgram) -> Result<(), String> {
    let permit = engine.program_delete_permit().await;
    let message = Message::new(order, program.name());
    let mut deleting = std::pin::pin!(program.delete(&message));
    // One that takes long is waited for, but keeps no other from being undone.
    let ended = tokio::select! {
        biased;
        ended = &mut deleting => ended,
        () = tokio::time::sleep(program.deadlines.answer) => {
            drop(permit);
            deleting.await
        }
    };
    let ended = ended.map_err(|error| error.to_string())?;
    engine.report.program_deleted(order, &ended);
    // A program that says it failed has undone nothing that could be relied on.
    if ended.exit == Exit::Code(0) { Ok(()) } else { Err(ended.to_string()) }
}

/// What made an entry, ready to run: the very version for a component, also
/// when the configuration has long named another.
pub fn ready(engine: &Engine, entry: &Entry) -> Result<(Order, Arc<Ready>), String> {
    let order = order(entry, &engine.armed().config.settings)?;
    let runner = match entry.kind {
        Kind::Native => {
            // The very command as it is armed, with its limits and its breaker.
            if let Some(ready) = engine.armed().ready(&entry.command)
                && matches!(ready.runner, Runner::Native(_))
                && *ready.definition == *entry.definition
            {
                return Ok((order, ready));
            }
            Runner::Native(engine.program(&order.command)?)
        }
        Kind::Reversible | Kind::Oneshot => {
            let digest = entry.digest.as_deref().unwrap_or_default();
            let digest: Digest = digest.parse().map_err(|error| format!("{error}"))?;
            if let Some(ready) = engine.armed().ready(&entry.command)
                && matches!(&ready.runner, Runner::Component(plugin) if plugin.digest() == digest)
            {
                return Ok((order, ready));
            }
            // It may have to be compiled, which must not hold up a worker.
            Runner::Component(tokio::task::block_in_place(|| engine.version(&order.command, digest))?)
        }
    };
    let ready = arm::ready(&order.command, runner, true);
    Ok((order, Arc::new(ready)))
}

/// The order that led to an entry.
pub fn order(entry: &Entry, settings: &Settings) -> Result<Order, String> {
    let command = Command::from_stored(&entry.definition).map_err(|error| error.to_string())?;
    Ok(Order {
        tenant: entry.tenant.as_str().into(),
        command: Arc::new(command),
        response: None,
        location: engine::location(&entry.location),
        agent: entry.agent.as_str().into(),
        alert: entry.alert.as_deref().unwrap_or("{}").into(),
        alert_id: entry.alert_id.as_str().into(),
        rule_id: entry.rule_id.as_str().into(),
        timeout: entry.timeout_ms.and_then(|ms| u64::try_from(ms).ok()).map(std::time::Duration::from_millis),
        offenders: Arc::new([]),
        mode: entry.mode,
        actor: entry.actor.clone(),
        reason: entry.reason.as_deref().map(Into::into),
        source: None,
        message: entry.message.as_deref().map(Into::into),
        // Only an add that is taken up again asks for these.
        key: settings.key,
        offences: settings.offences,
    })
}

/// `alert` is what led to the entry, where somebody's words may quote it.
async fn retry_later(engine: &Arc<Engine>, id: EntryId, alert: Option<&str>, error: &str) -> Undone {
    let recorded = engine.ledger.undo_failed(id, error).await;
    if let Err(ledger) = &recorded {
        tracing::error!(entry = %id, %error, %ledger, "an undo failed, and the ledger could not record it");
    }
    let attempts = Undo::attempts(&recorded);
    engine.report.undo_failed(id, alert, attempts, error);
    engine.timekeeper.undo_failed(id, attempts);
    Undone::Failed { attempts, error: error.to_owned() }
}
