//! Minds the ledger: tells once when its storage stands otherwise, and has it
//! copied at an interval.

use std::sync::Arc;
use std::time::Duration;

use riposte_ledger::health::Health;
use riposte_ledger::salvage::Salvaged;
use riposte_ledger::{Ledger, LedgerError};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::notify::Notify;
use crate::report::time;

/// How often the storage is looked at. From memory.
const LOOK: Duration = Duration::from_secs(1);

/// How long a copy that failed waits, at least.
const AGAIN: Duration = Duration::from_secs(60);

/// Minds it until the engine is gone.
pub async fn mind(engine: Arc<Engine>, notify: Notify) {
    let mut known = Health::Ok;
    // That of the start has been told.
    let mut last_salvage = engine.ledger.salvaged();
    let mut copying: Option<JoinHandle<()>> = None;
    let mut not_before = 0;
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let health = engine.ledger.health();
        if health.word() != known.word() {
            let text = format!("the ledger is {health}");
            engine.report.ledger(if health == Health::Ok { "ledger-works" } else { "ledger-degraded" }, text);
            notify.status(&match &health {
                Health::Ok => "responding".to_owned(),
                degraded => format!("undoing on time, adding nothing: the ledger is {degraded}"),
            });
            known = health;
        }
        let found = engine.ledger.salvaged();
        if found != last_salvage {
            if let Some(found) = &found {
                salvaged(&engine, found).await;
                time_again(&engine).await;
            }
            last_salvage = found;
        }
        if known == Health::Ok && engine.report.audit().0.trouble.is_none() {
            tell_undone(&engine).await;
        }
        let Some(every) = engine.armed().config.settings.ledger.backup else { continue };
        let now = engine.now();
        let last = engine.ledger.backed_up().map_or(engine.started_ms, |last| last.time_ms);
        let is_due = now.wall_ms.saturating_sub(last) >= millis(every) && now.boot_ms >= not_before;
        if is_due && known == Health::Ok && copying.as_ref().is_none_or(JoinHandle::is_finished) {
            not_before = now.boot_ms.saturating_add(millis(every.min(AGAIN)));
            let ledger = engine.ledger.clone();
            copying = Some(tokio::task::spawn_blocking(move || copy(&ledger)));
        }
    }
}

fn copy(ledger: &Ledger) {
    match ledger.back_up() {
        Ok(Some(copy)) => tracing::debug!(bytes = copy.bytes, "the ledger is copied"),
        Ok(None) => {}
        Err(LedgerError::NoRoom { .. }) => {
            tracing::warn!("there is no space for a copy of the ledger; the last one stays");
        }
        Err(error) => tracing::warn!("the ledger cannot be copied: {error}"),
    }
}

/// Tells what became of a damaged ledger, and keeps the numbers that the host
/// still shows from being given again.
pub async fn salvaged(engine: &Engine, salvaged: &Salvaged) {
    engine.report.ledger("ledger-salvaged", salvaged.to_string());
    match engine.capabilities.marks().await {
        Ok(marks) => {
            if let Some(highest) = marks.iter().filter_map(|mark| mark.entry).max()
                && let Err(error) = engine.ledger.never_again(highest).await
            {
                tracing::warn!(%error, "the numbers that the host shows could not be set aside");
            }
        }
        Err(refusal) => tracing::warn!(%refusal, "what the host shows cannot be compared with the ledger"),
    }
}

/// Writes the lines of what was undone while nothing could be read or written.
async fn tell_undone(engine: &Engine) {
    for (id, wall_ms) in engine.remembered.take_undone() {
        let entry = engine.ledger.entry(id).await.ok().flatten();
        engine.report.undone_from_memory(entry.as_ref(), id, wall_ms);
    }
}

/// What a salvage brought back has to end, too.
async fn time_again(engine: &Engine) {
    match engine.ledger.in_force().await {
        Ok(pending) => {
            for entry in pending {
                engine.timekeeper.in_force(entry.id, entry.due_boot_ms);
            }
        }
        Err(error) => {
            tracing::error!(%error, "what is in force after the salvage is timed at the next start");
        }
    }
}

/// How the ledger stands, for `status`.
#[must_use]
pub fn facts(engine: &Engine) -> Value {
    let ledger = &engine.ledger;
    let health = ledger.health();
    let backup = ledger.backed_up();
    let salvaged = ledger.salvaged();
    json!({
        "state": health.word(),
        "since": health.since_ms().map(time),
        "detail": (health != Health::Ok).then(|| health.to_string()),
        "unrecorded_undos": ledger.owed(),
        "backup": backup.as_ref().map(|backup| &backup.path),
        "backup_time": backup.as_ref().map(|backup| time(backup.time_ms)),
        "salvaged": salvaged.as_ref().map(|salvaged| time(salvaged.time_ms)),
        "salvage": salvaged.as_ref().map(ToString::to_string),
    })
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
