//! A start on a ledger that cannot be written: what is due is undone all the same.
//!
//! Nothing new can be begun, since nothing is done before it is written down. But
//! what is in force has its time. Until the file system can be written again the
//! engine goes by a copy of the ledger in memory and takes back the recorded
//! effects of what is due by itself, without components and programs. Then the
//! start goes on; it finds these entries overdue and undoes them once more,
//! which every undo is made for, and that is recorded.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use riposte_capability::{Capabilities, Claims, Guard};
use riposte_ledger::clock::Clock;
use riposte_ledger::entry::{Begun, Kind, Recovery};
use riposte_ledger::{Cause, Ledger, Opened};
use riposte_policy::grant::FirewallBackend;
use riposte_policy::order::EntryId;
use tokio::task::JoinSet;

use crate::claims::InLedger;
use crate::host;
use crate::notify::Notify;
use crate::places::Places;
use crate::remembered::Remembered;

/// How often the file system is looked at, and what is due.
const LOOK: Duration = Duration::from_secs(1);
/// How long what could not be undone waits.
const AGAIN_MS: i64 = 10_000;
/// How many are undone at a time.
const AT_A_TIME: usize = 256;

/// Returns when the ledger can be written, or was never there; with `once` when
/// what is overdue is undone.
///
/// # Errors
///
/// When another engine runs, or the ledger cannot be read or copied.
pub fn until_writable(
    places: &Places,
    clock: &Arc<dyn Clock>,
    firewall: Option<FirewallBackend>,
    once: bool,
) -> Result<(), String> {
    let path = places.ledger();
    if !Ledger::is_read_only(&path) {
        return Ok(());
    }
    let folder =
        Folder::new(&places.run).map_err(|error| format!("cannot copy the read-only ledger: {error}"))?;
    let opened = Ledger::open_copy(&path, &folder.0, Arc::clone(clock)).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(keep(opened, places, clock, firewall, once));
    Ok(())
}

/// Where the copy lies: with its alerts nobody else's, and gone with the start.
struct Folder(PathBuf);

impl Folder {
    /// In memory, where the system has such a place.
    fn new(run: &Path) -> std::io::Result<Self> {
        let places = [run.to_owned(), PathBuf::from("/dev/shm"), std::env::temp_dir()];
        let mut made = Err(std::io::ErrorKind::NotFound.into());
        for place in places {
            let folder = place.join(format!("riposte-read-only-{}", std::process::id()));
            made = DirBuilder::new().mode(0o700).create(&folder).map(|()| Self(folder));
            if made.is_ok() {
                break;
            }
        }
        made
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is nobody else's to read.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn keep(
    opened: Opened,
    places: &Places,
    clock: &Arc<dyn Clock>,
    firewall: Option<FirewallBackend>,
    once: bool,
) {
    let path = places.ledger();
    let ledger = opened.ledger;
    let claims: Arc<dyn Claims> = Arc::new(InLedger(ledger.clone(), Arc::new(Remembered::default())));
    let guard = Arc::new(Guard::new());
    guard.refresh();
    let backends = host::backends(&claims, &guard, places, false, firewall);
    let capabilities = Arc::new(Capabilities::new(claims, backends, guard));
    let is_due = |recovery| matches!(recovery, Recovery::UndoAgain | Recovery::Overdue);
    let overdue = opened.recovery.iter().filter(|entry| is_due(entry.recovery())).map(|entry| (entry.id, 0));
    let later = opened.pending.iter().map(|pending| (pending.id, pending.due_boot_ms));
    // What was made and not yet written down as made has no due time: its whole
    // length from now on, which is as long as it would last after any other start.
    let now_ms = clock.now().boot_ms;
    let intended = opened.recovery.iter().filter(|entry| entry.recovery() == Recovery::AddAgain);
    let intended = intended.filter_map(|entry| Some((entry.id, now_ms.saturating_add(entry.timeout_ms?))));
    let mut left: Vec<(EntryId, i64)> = overdue.chain(later).chain(intended).collect();
    tracing::error!(
        in_force = left.len(),
        "the ledger {} is on a file system that is read-only: what is due is undone, nothing new is done; \
         mount it for writing, and the start goes on",
        path.display()
    );
    let notify = Notify::from_environment();
    notify.ready();
    notify.status("undoing on time, adding nothing: the ledger is read-only");
    while Ledger::is_read_only(&path) {
        let now_ms = clock.now().boot_ms;
        let mut due: Vec<EntryId> =
            left.extract_if(.., |(_, due)| *due <= now_ms).map(|(id, _)| id).collect();
        while !due.is_empty() {
            let mut undoing = JoinSet::new();
            for id in due.split_off(due.len().saturating_sub(AT_A_TIME)) {
                let (ledger, capabilities) = (ledger.clone(), Arc::clone(&capabilities));
                undoing.spawn(async move { (id, undo(&ledger, &capabilities, id).await) });
            }
            for (id, undone) in undoing.join_all().await {
                match undone {
                    Ok(()) => tracing::info!(entry = %id, "undone; recorded once the ledger can be written"),
                    Err(error) => {
                        tracing::error!(entry = %id, %error, "could not be undone, tried again");
                        left.push((id, now_ms.saturating_add(AGAIN_MS)));
                    }
                }
            }
        }
        if once {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
    tracing::warn!("the ledger {} can be written again; the start goes on", path.display());
}

/// Takes back what the entry did, as far as that is recorded.
async fn undo(ledger: &Ledger, capabilities: &Capabilities, id: EntryId) -> Result<(), String> {
    let begun = match Begun::of(ledger.begin_undo(id, Cause::Recovery).await) {
        Begun::Undo(begun) => begun,
        Begun::Gone | Begun::NotDue { .. } => return Ok(()),
        Begun::Failed(error) => return Err(error.to_string()),
    };
    if begun.entry.kind == Kind::Native {
        let program = &begun.entry.command;
        return Err(format!("what the program of {program} did waits for it, and for the ledger"));
    }
    for row in &begun.effects {
        let Some(effect) = Capabilities::recorded(&row.interface, &row.target) else { continue };
        capabilities.reverse(id, &effect).await.map_err(|refusal| refusal.to_string())?;
    }
    ledger.undone(id).await.map_err(|error| error.to_string())
}
