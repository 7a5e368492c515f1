//! A copy of the ledger beside it, for the day it is damaged.
//!
//! SQLite copies what was committed when the copy began, a few pages at a time,
//! on a connection of its own: no commit waits for it. Two copies are kept, since
//! the newer one may show damage that nobody has noticed yet.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::error::LedgerError;
use crate::store::{self, HostDisk, beside};

/// What the newer copy is called, behind the ledger's own name.
pub const NEWER: &str = ".backup";

/// What the older copy is called.
pub const OLDER: &str = ".backup.1";

/// Pages that are copied at a time: 1 MiB.
const PAGES: i32 = 256;

/// The rest in between, in which the disk is others'.
const REST: Duration = Duration::from_millis(2);

/// Space that a copy leaves free, in bytes.
const LEFT_FREE: u64 = 16 * 1024 * 1024;

/// A copy that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backed {
    /// Where it is.
    pub path: PathBuf,
    /// When it was begun, in Unix milliseconds: what was committed then is in it.
    pub time_ms: i64,
    /// How long it is.
    pub bytes: u64,
}

/// Copies the ledger at `from` to the file `to`, which appears when it is whole.
///
/// # Errors
///
/// [`LedgerError::NoRoom`] when that would fill the disk, and when the ledger
/// cannot be read or the copy not be written.
pub(crate) fn copy(from: &Path, to: &Path, time_ms: i64) -> Result<Backed, LedgerError> {
    let new = beside(to, ".new");
    forget(&new);
    let made = copy_pages(from, &new).and_then(|bytes| {
        publish(&new, to)?;
        Ok(Backed { path: to.to_owned(), time_ms, bytes })
    });
    if made.is_err() {
        forget(&new);
    }
    made
}

/// Copies it beside itself; the copy before becomes the older one.
pub(crate) fn keep(path: &Path, time_ms: i64) -> Result<Backed, LedgerError> {
    let (newer, older) = (beside(path, NEWER), beside(path, OLDER));
    let next = beside(path, ".backup.next");
    forget(&next);
    let made = copy(path, &next, time_ms)?;
    // A crash in between leaves at least one of them in its place.
    if exists(&newer) {
        rename(&newer, &older)?;
    }
    rename(&next, &newer)?;
    Ok(Backed { path: newer, ..made })
}

fn copy_pages(from: &Path, to: &Path) -> Result<u64, LedgerError> {
    let failed = |error: rusqlite::Error| LedgerError::sqlite(from, &error);
    let source = store::open_to_read(from, &HostDisk)?;
    // One snapshot for the whole copy, so that no commit makes it begin again.
    source.execute_batch("BEGIN").map_err(failed)?;
    let pages: i64 = source.query_row("PRAGMA page_count", [], |row| row.get(0)).map_err(failed)?;
    let bytes = u64::try_from(pages).unwrap_or(0).saturating_mul(4_096);
    source.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(failed)?;
    if store::free(from).is_some_and(|free| free < bytes.saturating_add(LEFT_FREE)) {
        return Err(LedgerError::NoRoom { path: from.to_owned() });
    }
    create(to)?;
    let at = |error: rusqlite::Error| LedgerError::sqlite(to, &error);
    let mut target =
        Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(at)?;
    target.pragma_update(None, "synchronous", "OFF").map_err(at)?;
    let backup = Backup::new(&source, &mut target).map_err(at)?;
    loop {
        match backup.step(PAGES).map_err(at)? {
            StepResult::Done => break,
            _ => std::thread::sleep(REST),
        }
    }
    drop(backup);
    // A file of its own, that can be read without being written.
    target.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(at)?;
    drop(target);
    Ok(bytes)
}

/// An empty file that only its owner may read.
#[expect(clippy::disallowed_methods, reason = "this module owns the ledger's copies")]
pub(crate) fn create(path: &Path) -> Result<(), LedgerError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map(drop).map_err(|error| store::cannot_open(path, &error))
}

/// Syncs a file and gives it its name, durably.
pub(crate) fn publish(from: &Path, to: &Path) -> Result<(), LedgerError> {
    sync(from)?;
    rename(from, to)
}

#[expect(clippy::disallowed_methods, reason = "this module owns the ledger's copies")]
pub(crate) fn sync(path: &Path) -> Result<(), LedgerError> {
    let synced = std::fs::File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|error| store::cannot_open(path, &error))
}

#[expect(clippy::disallowed_methods, reason = "this module owns the ledger's copies")]
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), LedgerError> {
    std::fs::rename(from, to).map_err(|error| store::cannot_open(to, &error))?;
    sync_folder(to)
}

pub(crate) fn sync_folder(path: &Path) -> Result<(), LedgerError> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync(folder.unwrap_or(Path::new(".")))
}

/// Removes a file and what SQLite may have put beside it.
#[expect(clippy::disallowed_methods, reason = "this module owns the ledger's copies")]
pub(crate) fn forget(path: &Path) {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        // Gone already is as good.
        let _ = std::fs::remove_file(beside(path, suffix));
    }
}

pub(crate) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The last copy of a ledger, as its files tell of it.
pub(crate) fn last(path: &Path) -> Option<Backed> {
    [NEWER, OLDER].into_iter().find_map(|suffix| {
        let path = beside(path, suffix);
        let (time_ms, bytes) = (written_ms(&path)?, path.metadata().ok()?.len());
        Some(Backed { path, time_ms, bytes })
    })
}

/// When a copy was last written, in Unix milliseconds.
pub(crate) fn written_ms(path: &Path) -> Option<i64> {
    let found = path.metadata().ok()?.modified().ok()?;
    let since = found.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

/// Whether a copy is one, and whole.
pub(crate) fn is_sound(path: &Path) -> bool {
    store::open_to_read(path, &HostDisk).is_ok_and(|conn| {
        conn.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
            .is_ok_and(|said| said == "ok")
    })
}
