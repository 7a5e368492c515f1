//! What goes on beside the work: ends what has expired, tells what was counted,
//! and looks around.

use std::sync::Arc;
use std::time::Duration;

use riposte_capability::guard::watch::Watch;
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::notify::Notify;

/// How often expired allows and pauses end, and the guard looks around.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// How long events that are alike are counted before their number is written.
const TELLING: Duration = Duration::from_secs(1);
/// How long the guard rests between two looks around.
const PAUSE: Duration = Duration::from_millis(100);

/// Ends what has expired, and looks around.
pub(super) async fn keep(engine: Arc<Engine>, notify: Notify) {
    let mut clock = tokio::time::interval(HOUSEKEEPING);
    let mut names: Option<JoinHandle<()>> = None;
    loop {
        clock.tick().await;
        if let Err(error) = engine.read_switches().await {
            tracing::warn!(%error, "cannot read the switches again");
        }
        if let Err(error) = engine.configure_ledger().await {
            tracing::warn!(%error, "the ledger keeps the settings it had");
        }
        look_around(&engine).await;
        let resolving = Arc::clone(&engine);
        // It may wait long for a name server, and the house is kept meanwhile.
        if names.as_ref().is_none_or(JoinHandle::is_finished) {
            names = Some(tokio::task::spawn_blocking(move || resolving.capabilities.guard().resolve()));
        }
        engine.follow_superiors().await;
        let audit = engine.armed().config.settings.audit.clone();
        if let Err(error) = engine.ledger.redact(audit.redact).await {
            tracing::warn!(%error, "alerts of what is over may be kept whole");
        }
        if let Err(error) = engine.ledger.prune(audit.retention, 500).await {
            tracing::warn!(%error, "what is long over cannot be forgotten");
        }
        notify.alive();
    }
}

/// Writes the events of the last second that were counted, each second.
pub(super) async fn tell(engine: Arc<Engine>) {
    let mut clock = tokio::time::interval(TELLING);
    loop {
        clock.tick().await;
        let telling = Arc::clone(&engine);
        // They may be many, and the audit's disk may be slow.
        let _ = tokio::task::spawn_blocking(move || telling.report.flush()).await;
    }
}

/// Has the guard look again as soon as the network changes.
pub(super) async fn watch(engine: Arc<Engine>) {
    let watch = match Watch::open() {
        Ok(watch) => watch,
        Err(error) => {
            let seconds = HOUSEKEEPING.as_secs();
            return tracing::warn!(%error, "the guard sees changes of the network only every {seconds} s");
        }
    };
    loop {
        watch.changed().await;
        look_around(&engine).await;
        // Routes may change all the time; one look sees all that changed before.
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look_around(engine: &Arc<Engine>) {
    let looking = Arc::clone(engine);
    // A panic here would be a fault in the guard; the old view stays in use.
    let _ = tokio::task::spawn_blocking(move || looking.capabilities.guard().refresh()).await;
}
