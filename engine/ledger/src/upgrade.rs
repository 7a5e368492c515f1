//! Whether this program would take a ledger over from the one that runs now.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::Clock;
use crate::entry::{Entry, Filter};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::reader;
use crate::schema;
use crate::store::{self, HostDisk};

/// What a start of this program would make of a ledger.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    /// The version that it has.
    pub found: i64,
    /// The version that it would have.
    pub now: i64,
    /// The open entries, which the change leaves as they are.
    pub open: Vec<Entry>,
    /// How many of them a start would have to look after first: what is
    /// overdue, intended, or being undone.
    pub unsettled: usize,
}

impl Ledger {
    /// Copies the ledger at `path` into `folder`, as it is at one moment, also
    /// while an engine writes it, and opens the copy as a start would: it is
    /// checked, brought over to the current version, and its entries are read.
    /// The ledger itself is only read.
    ///
    /// # Errors
    ///
    /// Why a start of this program would fail; [`LedgerError::Newer`] when the
    /// ledger is a newer program's.
    pub fn rehearse(path: &Path, folder: &Path, clock: Arc<dyn Clock>) -> Result<Rehearsed, LedgerError> {
        let failed = |error: rusqlite::Error| LedgerError::sqlite(path, &error);
        has_room(path, folder)?;
        let conn = store::open_to_read(path, &HostDisk)?;
        let found = conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
        let copy: PathBuf = folder.join("ledger.db");
        let name = copy.to_str().ok_or_else(|| LedgerError::CannotOpen {
            path: copy.clone(),
            detail: "the name of the folder is not UTF-8".to_owned(),
        })?;
        // One reading transaction: what is committed behind it is not in the copy.
        conn.execute("VACUUM INTO ?1", [name]).map_err(|error| LedgerError::sqlite(&copy, &error))?;
        drop(conn);
        let open = Filter { open_only: true, ..Filter::default() };
        let before = entries(&copy, &open)?;
        let opened = Self::open(&copy, clock)?;
        let unsettled = opened.recovery.len();
        drop(opened);
        let after = entries(&copy, &open)?;
        // Due times may follow the clock at each start.
        let kept = |entries: &[Entry]| -> Vec<_> {
            let what = |entry: &Entry| {
                (entry.id, entry.state, entry.command.clone(), entry.keys.clone(), entry.timeout_ms)
            };
            entries.iter().map(what).collect()
        };
        if kept(&before) != kept(&after) {
            let detail = format!("{} open entries became {} others", before.len(), after.len());
            return Err(LedgerError::Corrupt { path: copy, detail });
        }
        Ok(Rehearsed { found, now: schema::VERSION, open: after, unsettled })
    }
}

/// Refuses where a copy, and what bringing it over writes beside it, could take
/// the room that the engine that runs needs.
fn has_room(path: &Path, folder: &Path) -> Result<(), LedgerError> {
    const SPARE: u64 = 64 << 20;
    let length = |suffix| store::beside(path, suffix).metadata().map_or(0, |found| found.len());
    let takes = length("").saturating_add(length("-wal")).saturating_mul(2).saturating_add(SPARE);
    let copy = folder.join("ledger.db");
    match store::free(&copy) {
        Some(free) if free < takes => {
            let (takes, free) = (takes >> 20, free >> 20);
            let detail = format!(
                "trying the upgrade on a copy takes up to {takes} MiB there, and {free} are free; nothing was copied"
            );
            Err(LedgerError::Io { path: copy, detail })
        }
        _ => Ok(()),
    }
}

fn entries(path: &Path, filter: &Filter) -> Result<Vec<Entry>, LedgerError> {
    let conn = store::open_to_read(path, &HostDisk)?;
    let failed = |error: rusqlite::Error| LedgerError::sqlite(path, &error);
    let said: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if said != "ok" {
        return Err(LedgerError::Corrupt { path: path.to_owned(), detail: said });
    }
    reader::entries(&conn, filter).map_err(failed)
}
