//! A damaged ledger, and what is made of it.
//!
//! It is never mended in place and never deleted. What SQLite can still read of
//! it is brought together with the last copy (see [`crate::backup`]) in a
//! new file, and that takes its place: what began or ended since the copy is in
//! the damaged file, what the damage took is in the copy. What is in neither is
//! counted, and the marks on the host tell of it.
//!
//! Every step can be cut short: until the new file is whole, nothing but scratch
//! files changes; from then on, the next start only has to move files.

mod mend;
mod merge;
mod source;

use std::fmt;
use std::path::{Path, PathBuf};

use riposte_policy::order::EntryId;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use serde::{Deserialize, Serialize};

use crate::backup::{self, NEWER, OLDER};
use crate::error::LedgerError;
use crate::schema;
use crate::store::beside;

use self::source::Source;

/// A new ledger that is not whole yet.
const NEW: &str = ".new";

/// A new ledger that is whole, and waits for its place.
const WHOLE: &str = ".salvaged";

/// How many salvages a name is found for within one second.
const NAMES: u32 = 1_000;

/// What became of a damaged ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Salvaged {
    /// When, in Unix milliseconds.
    pub time_ms: i64,
    /// What was wrong, as SQLite said it.
    pub why: String,
    /// Where the damaged file is now.
    pub aside: PathBuf,
    /// When the copy was made that was used; `None`: there was none.
    pub backup_ms: Option<i64>,
    /// How many entries came from where.
    pub counts: Counts,
}

/// How many entries came from where, and what could not be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Entries that only the copy had: the damaged file does not show them.
    pub from_backup: u64,
    /// Entries that only the damaged file had: they began after the copy.
    pub from_damaged: u64,
    /// Entries in both, of which the damaged file's was the newer.
    pub in_both: u64,
    /// Of these, how many had ended since the copy.
    pub ended_since: u64,
    /// Entries that are open now.
    pub open: u64,
    /// Rows of the damaged file that could be read but not be true.
    pub refused: u64,
    /// Numbers of entries that could not be read and are in no copy. Some of
    /// them may long have been forgotten.
    pub lost: u64,
    /// Entries of which the effects could not be read.
    pub effects_lost: u64,
    /// Other rows without the entry that they belong to.
    pub dangling: u64,
    /// Whole tables of which a part could not be read.
    pub tables_cut: u64,
    /// How long the damaged file was, when not one row of it could be read.
    pub unreadable_bytes: u64,
    /// Copies that were themselves damaged.
    pub bad_backups: u64,
}

impl fmt::Display for Salvaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { from_backup, from_damaged, in_both, lost, open, unreadable_bytes, .. } = self.counts;
        let copy = if self.backup_ms.is_some() { "the last copy" } else { "no copy" };
        write!(
            f,
            "the ledger was damaged ({}) and set aside as {}; the new one was made of it and {copy}: {in_both} entries \
             from both, {from_damaged} only from the damaged one, {from_backup} only from the copy; {open} are open; \
             {lost} could not be read",
            self.why,
            self.aside.display()
        )?;
        match unreadable_bytes {
            0 => Ok(()),
            bytes => write!(
                f,
                "; not one row of its {bytes} bytes could be read: what began since the copy is lost"
            ),
        }
    }
}

/// Sets a damaged ledger aside and puts in its place what can be had of it.
/// Nobody else has it open.
///
/// # Errors
///
/// When the new one cannot be written: the damaged one is still in its place.
pub(crate) fn salvage(path: &Path, why: &str, now_ms: i64) -> Result<Salvaged, LedgerError> {
    let new = beside(path, NEW);
    backup::forget(&new);
    let aside = free_name(path, now_ms);
    let salvaged = make(path, &new, &aside, why, now_ms)?;
    backup::sync(&new)?;
    set_aside(path, &aside)?;
    backup::rename(&new, &beside(path, WHOLE))?;
    take_place(path)?;
    Ok(salvaged)
}

/// Makes the new file out of a damaged one and its copies, which stay as they are.
///
/// # Errors
///
/// When it cannot be written.
pub(crate) fn make(
    path: &Path,
    new: &Path,
    aside: &Path,
    why: &str,
    now_ms: i64,
) -> Result<Salvaged, LedgerError> {
    let mut counts = Counts::default();
    let mut backup_ms = None;
    let copy = [NEWER, OLDER].into_iter().map(|suffix| beside(path, suffix)).find(|copy| {
        let is_sound = backup::exists(copy) && backup::is_sound(copy);
        counts.bad_backups += u64::from(!is_sound && backup::exists(copy));
        is_sound
    });
    backup::create(new)?;
    if let Some(copy) = &copy {
        copy_file(copy, new)?;
        backup_ms = backup::written_ms(copy);
    }
    let failed = |error: rusqlite::Error| LedgerError::sqlite(new, &error);
    let conn =
        Connection::open_with_flags(new, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(failed)?;
    // It is synced as a whole, before anybody depends on it.
    conn.pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(())).map_err(failed)?;
    conn.pragma_update(None, "synchronous", "OFF").map_err(failed)?;
    match &copy {
        None => {
            conn.pragma_update(None, "page_size", 4_096).map_err(failed)?;
            schema::create(&conn).map_err(failed)?;
        }
        Some(_) => {
            let version = conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
            if version != schema::VERSION {
                schema::migrate(&conn, version).map_err(failed)?;
            }
        }
    }
    let source = Source::open(path, copy.as_deref());
    conn.execute_batch("BEGIN; DELETE FROM reserve;").map_err(failed)?;
    let seen = match &source {
        Some(source) => merge::merge(&conn, source.conn(), source.bytes(), &mut counts).map_err(failed)?,
        None => {
            counts.from_backup = merge::count(&conn, "SELECT count(*) FROM entry").map_err(failed)?;
            counts.unreadable_bytes = length(path);
            mend::highest(&conn).map_err(failed)?.saturating_add(merge::most_entries(length(path)))
        }
    };
    mend::mend(&conn, &mut counts).map_err(failed)?;
    let salvaged =
        Salvaged { time_ms: now_ms, why: why.to_owned(), aside: aside.to_owned(), backup_ms, counts };
    write(&conn, &salvaged, seen.saturating_add(1)).map_err(failed)?;
    conn.execute_batch("COMMIT").map_err(failed)?;
    Ok(salvaged)
}

/// What the last salvage of a ledger found.
pub(crate) fn last(conn: &Connection) -> rusqlite::Result<Option<Salvaged>> {
    conn.query_row(
        "SELECT time, why, aside, backup, counts FROM salvage WHERE aside <> '' ORDER BY number DESC LIMIT 1",
        [],
        |row| {
            Ok(Salvaged {
                time_ms: row.get(0)?,
                why: row.get(1)?,
                aside: PathBuf::from(row.get::<_, String>(2)?),
                backup_ms: row.get(3)?,
                counts: serde_json::from_str(row.get_ref(4)?.as_str()?).unwrap_or_default(),
            })
        },
    )
    .optional()
}

/// Notes that entries get no number up to `id`.
pub(crate) fn never_again(conn: &Connection, id: EntryId, now_ms: i64) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO salvage (time, why, aside, next, counts) VALUES (?1, 'marks on the host', '', ?2, '{}')",
        (now_ms, id.0.saturating_add(1)),
    )
    .map(drop)
}

/// Notes, in a row of its own, which number the next entry of another process
/// gets. Its other columns are [`crate::aging`]'s.
pub(crate) fn hold_numbers(conn: &Connection, next: i64, now_ms: i64) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO salvage (number, time, why, aside, next, counts)
         VALUES (0, ?1, 'numbers that are taken', '', ?2, '{}')
         ON CONFLICT DO UPDATE SET next = excluded.next",
    )?
    .execute((now_ms, next))
    .map(drop)
}

fn write(conn: &Connection, salvaged: &Salvaged, next: i64) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO salvage (time, why, aside, backup, next, counts) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (
            salvaged.time_ms,
            &salvaged.why,
            salvaged.aside.to_string_lossy(),
            salvaged.backup_ms,
            next,
            serde_json::to_string(&salvaged.counts).unwrap_or_default(),
        ),
    )
    .map(drop)
}

/// Gives the damaged files a second name each. They keep the first until the new
/// ledger takes it.
fn set_aside(path: &Path, aside: &Path) -> Result<(), LedgerError> {
    for suffix in ["", "-wal"] {
        let (from, to) = (beside(path, suffix), beside(aside, suffix));
        if backup::exists(&from) && link(&from, &to).is_err() {
            backup::create(&to)?;
            copy_file(&from, &to)?;
            backup::sync(&to)?;
        }
    }
    backup::sync_folder(path)
}

/// Puts a new ledger that is whole in the place of the damaged one, also when
/// that was cut short before. Its log goes first: SQLite would read it into the
/// new one.
pub(crate) fn take_place(path: &Path) -> Result<(), LedgerError> {
    let whole = beside(path, WHOLE);
    if !backup::exists(&whole) {
        return Ok(());
    }
    for suffix in ["-wal", "-shm"] {
        remove(&beside(path, suffix));
    }
    backup::sync_folder(path)?;
    backup::rename(&whole, path)
}

fn free_name(path: &Path, now_ms: i64) -> PathBuf {
    let seconds = now_ms.div_euclid(1_000);
    let name = |nth: u32| match nth {
        0 => beside(path, &format!(".damaged-{seconds}")),
        nth => beside(path, &format!(".damaged-{seconds}-{nth}")),
    };
    (0..NAMES).map(name).find(|name| !backup::exists(name)).unwrap_or_else(|| name(NAMES))
}

#[expect(clippy::disallowed_methods, reason = "this module owns the ledger's files")]
fn remove(path: &Path) {
    // Gone already is as good.
    let _ = std::fs::remove_file(path);
}

fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::hard_link(from, to)
}

fn copy_file(from: &Path, to: &Path) -> Result<(), LedgerError> {
    use std::os::unix::fs::PermissionsExt;
    let copied = std::fs::copy(from, to)
        .and_then(|_| std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o600)));
    copied.map_err(|error| crate::store::cannot_open(to, &error))
}

fn length(path: &Path) -> u64 {
    let of = |path: PathBuf| path.metadata().map_or(0, |found| found.len());
    of(path.to_owned()).saturating_add(of(beside(path, "-wal")))
}
