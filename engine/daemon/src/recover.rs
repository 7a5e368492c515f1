//! What a start finds in the ledger, and what it does about it, before any new
//! work is taken. [`Entry::recovery`] decides it.
//!
//! | found | done |
//! |---|---|
//! | undoing | undone again |
//! | in force, overdue | undone |
//! | in force | timed; its effects are put back where the host lost them |
//! | for good | its effects likewise |
//! | intended, reversible component | added again |
//! | intended, program with rollback | deleted, then added again |
//! | intended, once-only, not begun | begun |
//! | intended, once-only, begun | not run again; closed as unknown and reported |

use std::sync::Arc;
use std::time::Duration;

use riposte_capability::Capabilities;
use riposte_ledger::entry::{Kind, Recovery};
use riposte_ledger::ledger::Pending;
use riposte_ledger::{Cause, Entry, State};
use riposte_policy::config::Mode;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::engine::Engine;
use crate::respond::Before;
use crate::{respond, undo};

/// How long new work waits for the undos of a start. A program whose delete
/// hangs is waited for, but not by everybody.
const PATIENCE: Duration = Duration::from_secs(5);

/// Effects of earlier engines that are remembered for a ledger without a disk.
const REMEMBERED: u32 = 100_000;
/// How many entries are taken up at a time.
const AT_A_TIME: usize = 256;

/// Takes up every entry that was open when the last engine ended.
pub async fn recover(engine: &Arc<Engine>, found: Vec<Entry>, pending: Vec<Pending>) {
    if !found.is_empty() || !pending.is_empty() {
        let (unsettled, in_force) = (found.len(), pending.len());
        tracing::info!(unsettled, in_force, "taking up what the last engine left");
    }
    match engine.ledger.open_effects(REMEMBERED).await {
        Ok(effects) => {
            for (id, row) in effects {
                if let Some(effect) = Capabilities::recorded(&row.interface, &row.target) {
                    engine.remembered.claimed(id, &effect, row.prior);
                }
            }
        }
        Err(error) => tracing::warn!(%error, "the effects in force cannot be remembered"),
    }
    let (intended, overdue): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|entry| entry.state == State::Intended);
    let mut undos = JoinSet::new();
    for entry in overdue {
        let engine = Arc::clone(engine);
        let cause = if entry.recovery() == Recovery::UndoAgain { Cause::Recovery } else { Cause::Due };
        // What fails is tried again by the timekeeper; nobody waits for that here.
        undos.spawn(async move { drop(undo::undo(&engine, entry.id, cause).await) });
    }
    let all = async { while undos.join_next().await.is_some() {} };
    if tokio::time::timeout(PATIENCE, all).await.is_err() {
        tracing::warn!(left = undos.len(), "undos that take long go on; the start does not wait for them");
        undos.detach_all();
    }
    engine.repair().await;
    for Pending { id, due_boot_ms } in pending {
        engine.timekeeper.in_force(id, due_boot_ms);
    }
    for entry in &intended {
        engine.tally.given(&entry.command.as_str().into(), 1);
    }
    let (programs, others): (Vec<_>, Vec<_>) = intended.into_iter().partition(waits_for_a_turn);
    for entry in programs {
        engine.turns.wait(engine, &entry.command.as_str().into(), entry.id, Before::Delete);
    }
    if !others.is_empty() {
        engine.begin();
        tokio::spawn(take_up_all(Arc::clone(engine), others));
    }
}

/// A program that is to be started: few are at a time.
fn waits_for_a_turn(entry: &Entry) -> bool {
    entry.kind == Kind::Native && entry.mode == Mode::Enforce && entry.recovery() != Recovery::Unknown
}

/// Takes up entries, few at a time: each has its alert in memory meanwhile.
async fn take_up_all(engine: Arc<Engine>, entries: Vec<Entry>) {
    let room = Arc::new(Semaphore::new(AT_A_TIME));
    for entry in entries {
        // Never closed, so never refused.
        let place = Arc::clone(&room).acquire_owned().await.ok();
        let engine = Arc::clone(&engine);
        engine.begin();
        tokio::spawn(async move {
            take_up(&engine, &entry).await;
            drop(place);
            engine.responded();
        });
    }
    engine.responded();
}

/// An entry of which nobody knows how far it came.
async fn take_up(engine: &Arc<Engine>, entry: &Entry) {
    if entry.recovery() != Recovery::Unknown {
        match respond::recorded(engine, || engine.ledger.entry(entry.id)).await {
            // With its alert now. The outcome is reported on the way.
            Ok(Some(entry)) => drop(respond::again(engine, &entry).await),
            Ok(None) => {}
            Err(error) => tracing::error!(entry = %entry.id, %error, "cannot be taken up; it stays intended"),
        }
        return;
    }
    engine.report.unknown(entry);
    engine.tally.unknown(&entry.command.as_str().into());
    if let Err(error) = respond::recorded(engine, || engine.ledger.unknown(entry.id)).await {
        tracing::error!(entry = %entry.id, %error, "cannot close an entry of unknown outcome");
    }
}
