//! Opening the file: one engine at a time, a sound database, our version.

mod ballast;
mod disk;
mod lock;
mod private;
mod reserve;
mod room;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use self::reserve::{Kept, Reserve};
use self::room::Room;
use crate::backup::{self, NEWER, OLDER};
use crate::error::LedgerError;
use crate::salvage::{self, Salvaged};
use crate::schema;

pub use self::disk::{Disk, HostDisk, Locked};
pub(crate) use self::lock::nobody_has;
pub(crate) use self::reserve::Space;
pub(crate) use self::room::free;

/// How long a statement waits for another program's lock.
const PATIENCE: Duration = Duration::from_secs(2);

/// Each connection belongs to one thread, as Rust makes sure of: SQLite need
/// not lock it.
const UNSHARED: OpenFlags = OpenFlags::SQLITE_OPEN_NO_MUTEX;

/// What is kept in [`reserve`], in pages, beyond a limit on the size of the database.
const RESERVE_PAGES: u32 = 1_024;

/// No version is as high: a number beyond is damage.
const MOST_VERSIONS: i64 = 10_000;

/// How far below that limit the database must be again for anything new.
const SPARE_PAGES: i64 = 16;

/// A ledger file that this process holds alone.
pub(crate) struct Store {
    pub(crate) conn: Connection,
    reserve: Reserve,
    most_pages: Option<u32>,
    /// Closed after the connection: see there. None on a disk of a simulator.
    room: Option<Room>,
    /// Why it has no file: what was found damaged could not be salvaged yet.
    adrift: Option<String>,
    disk: Arc<dyn Disk>,
    /// Released by the system when the process ends, however it does.
    _lock: Locked,
}

impl Store {
    /// Gives up what is kept in reserve, so that what must be recorded can be.
    pub(crate) fn give_up_reserve(&mut self, boot_ms: i64) -> rusqlite::Result<()> {
        self.reserve.give_up();
        self.reserve.tried_ms = boot_ms;
        self.limit(RESERVE_PAGES)
    }

    /// Whether there is no space for anything new, as far as is known.
    pub(crate) fn is_short(&self) -> bool {
        self.reserve.state == Kept::GivenUp
    }

    /// Whether there is space for anything new, with so many entries open.
    /// Takes the reserve back first, when it was given up.
    pub(crate) fn space(&mut self, boot_ms: i64, open: u64) -> rusqlite::Result<Space> {
        if self.reserve.state == Kept::Yes {
            return Ok(Space::Enough);
        }
        let beyond = ballast::bytes(open);
        if self.is_over_limit()? || self.reserve.take_again(boot_ms, beyond) == Space::Short {
            return Ok(Space::Short);
        }
        self.limit(0)?;
        Ok(Space::Enough)
    }

    /// Has the space that a commit takes, and that undoing so many open entries
    /// will: called in its transaction.
    ///
    /// # Errors
    ///
    /// When there is none: the commit must not be.
    pub(crate) fn hold(&mut self, path: &Path, open: u64) -> Result<(), LedgerError> {
        let failed = |error: rusqlite::Error| LedgerError::sqlite(path, &error);
        if self.most_pages.is_none() {
            let wanted = if self.is_short() { 0 } else { open };
            ballast::fit(&self.conn, wanted).map_err(failed)?;
        }
        let pages: i64 = self
            .conn
            .prepare_cached("PRAGMA page_count")
            .and_then(|mut count| count.query_row((), |row| row.get(0)))
            .map_err(failed)?;
        match &mut self.room {
            Some(room) => room.hold(u64::try_from(pages).unwrap_or(0)),
            None => Ok(()),
        }
    }

    /// Makes the log empty again, so that the next commit needs no space in it.
    /// Called after each commit while there is none.
    pub(crate) fn empty_log(&self) -> rusqlite::Result<()> {
        self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
    }

    /// The ledger was found damaged while it was open: puts what can be had of it
    /// in its place, and opens that. Until it succeeds nothing is recorded
    /// ([`Store::is_there`]). None when the file proves to be whole after all.
    pub(crate) fn renew(
        &mut self,
        path: &Path,
        why: &str,
        now_ms: i64,
    ) -> Result<Option<Salvaged>, LedgerError> {
        let failed = |error: rusqlite::Error| LedgerError::sqlite(path, &error);
        if self.disk.vfs().is_some() {
            return Err(LedgerError::Corrupt { path: path.to_owned(), detail: why.to_owned() });
        }
        if self.adrift.is_some() {
            // The disk may have failed where the file does not.
            salvage::take_place(path)?;
            match self.open_again(path) {
                Err(LedgerError::Corrupt { .. }) => {}
                opened => return opened.map(|()| None),
            }
        }
        // What is damaged is read as it is, not written once more.
        let _ = self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        self.conn = Connection::open_in_memory().map_err(failed)?;
        self.adrift = Some(why.to_owned());
        let salvaged = salvage::salvage(path, why, now_ms)?;
        self.open_again(path)?;
        Ok(Some(salvaged))
    }

    fn open_again(&mut self, path: &Path) -> Result<(), LedgerError> {
        self.room = Some(Room::open(path)?);
        self.conn = open_to_write(path, self.most_pages, self.disk.as_ref())?;
        self.adrift = None;
        Ok(())
    }

    /// Whether there is a file to write to.
    ///
    /// # Errors
    ///
    /// When it was damaged, and could not be salvaged yet.
    pub(crate) fn is_there(&self, path: &Path) -> Result<(), LedgerError> {
        match &self.adrift {
            None => Ok(()),
            Some(detail) => Err(LedgerError::Corrupt { path: path.to_owned(), detail: detail.clone() }),
        }
    }

    /// Has the log's own space, once the log is there.
    pub(crate) fn hold_log(&self) -> Result<(), LedgerError> {
        self.room.as_ref().map_or(Ok(()), Room::hold_log)
    }

    fn limit(&self, beyond: u32) -> rusqlite::Result<()> {
        let Some(most) = self.most_pages else { return Ok(()) };
        self.conn.pragma_update_and_check(None, "max_page_count", most.saturating_add(beyond), |_| Ok(()))
    }

    fn is_over_limit(&self) -> rusqlite::Result<bool> {
        let Some(most) = self.most_pages else { return Ok(false) };
        let count = |pragma| self.conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        Ok(count("page_count")? - count("freelist_count")? + SPARE_PAGES > i64::from(most))
    }
}

/// Opens or creates the ledger at `path`.
pub(crate) fn open(path: &Path, most_pages: Option<u32>, disk: &Arc<dyn Disk>) -> Result<Store, LedgerError> {
    let lock = disk.lock(path)?;
    let is_host = disk.vfs().is_none();
    if is_host {
        salvage::take_place(path)?;
        if is_gone(path) {
            let detail = "it is empty or gone".to_owned();
            return Err(LedgerError::Corrupt { path: path.to_owned(), detail });
        }
    }
    disk.make_private(path)?;
    let room = if is_host { Some(Room::open(path)?) } else { None };
    let conn = open_to_write(path, most_pages, disk.as_ref())?;
    let reserve = Reserve::new(path, Arc::clone(disk));
    Ok(Store { conn, reserve, most_pages, room, adrift: None, disk: Arc::clone(disk), _lock: lock })
}

/// The writer's connection, to a ledger of the current version.
fn open_to_write(path: &Path, most_pages: Option<u32>, disk: &dyn Disk) -> Result<Connection, LedgerError> {
    let failed = |error: rusqlite::Error| LedgerError::sqlite(path, &error);
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, disk).map_err(failed)?;
    conn.busy_timeout(PATIENCE).map_err(failed)?;
    match identify(&conn, path)? {
        Found::Nothing => {
            conn.pragma_update(None, "page_size", 4_096).map_err(failed)?;
            prepare(&conn, most_pages, disk).map_err(failed)?;
            schema::create(&conn).map_err(failed)?;
        }
        Found::Ledger { version } => {
            check(&conn, path)?;
            prepare(&conn, most_pages, disk).map_err(failed)?;
            if version != schema::VERSION {
                schema::migrate(&conn, version).map_err(failed)?;
                let (path, now) = (path.display(), schema::VERSION);
                tracing::info!("the ledger {path} was of version {version}, and is of version {now} now");
            }
        }
    }
    Ok(conn)
}

/// Sets a damaged ledger aside: see [`mod@salvage`].
///
/// # Errors
///
/// When another engine has it open, or the new one cannot be written.
pub(crate) fn salvage(path: &Path, why: &str, now_ms: i64) -> Result<Salvaged, LedgerError> {
    let _lock = HostDisk.lock(path)?;
    salvage::salvage(path, why, now_ms)
}

/// Keeps engines off the ledger at `path`: see [`Ledger::hold`](crate::Ledger::hold).
pub(crate) fn hold(path: &Path) -> Result<Option<std::fs::File>, LedgerError> {
    lock::hold(path)
}

/// A ledger that was copied was not empty: it is one that got lost.
fn is_gone(path: &Path) -> bool {
    let length = path.metadata().map_or(0, |found| found.len());
    length == 0 && [NEWER, OLDER].into_iter().any(|suffix| backup::is_sound(&beside(path, suffix)))
}

/// Opens the ledger at `path` to read it, whether or not an engine has it open.
pub(crate) fn open_to_read(path: &Path, disk: &dyn Disk) -> Result<Connection, LedgerError> {
    let failed = |error: rusqlite::Error| LedgerError::sqlite(path, &error);
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, disk).map_err(failed)?;
    conn.busy_timeout(PATIENCE).map_err(failed)?;
    plan_once(&conn).map_err(failed)?;
    match identify(&conn, path)? {
        // What is read without an engine is the same in all versions.
        Found::Ledger { .. } => Ok(conn),
        Found::Nothing => Err(LedgerError::Foreign { path: path.to_owned() }),
    }
}

/// Whether a ledger is whole, as its file says now. That it cannot be read just
/// now does not make it damaged: the disk may come back.
pub(crate) fn look(path: &Path) -> Result<(), LedgerError> {
    match check(&open_to_read(path, &HostDisk)?, path) {
        Err(LedgerError::Corrupt { path, detail }) if is_unread(&detail) => {
            Err(LedgerError::Io { path, detail })
        }
        looked => looked,
    }
}

/// Whether SQLite's check names a page that it could not read, by the code of
/// an I/O error.
fn is_unread(detail: &str) -> bool {
    const IO_ERROR: u32 = 10;
    let codes = detail.split("error code").skip(1).filter_map(|rest| {
        let rest = rest.trim_start_matches(['=', ' ']);
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()
    });
    codes.into_iter().any(|code| code & 0xff == IO_ERROR)
}

fn connect(path: &Path, flags: OpenFlags, disk: &dyn Disk) -> rusqlite::Result<Connection> {
    match disk.vfs() {
        None => Connection::open_with_flags(path, flags | UNSHARED),
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags | UNSHARED, vfs),
    }
}

enum Found {
    Nothing,
    Ledger { version: i64 },
}

fn identify(conn: &Connection, path: &Path) -> Result<Found, LedgerError> {
    let number = |pragma: &str| -> Result<i64, LedgerError> {
        conn.pragma_query_value(None, pragma, |row| row.get(0))
            .map_err(|error| LedgerError::sqlite(path, &error))
    };
    let (application, version, pages) =
        (number("application_id")?, number("user_version")?, number("page_count")?);
    match (application, version) {
        (0, 0) if pages <= 1 && is_bare(conn) => Ok(Found::Nothing),
        (schema::APPLICATION, version @ schema::FIRST..=schema::VERSION) => Ok(Found::Ledger { version }),
        (schema::APPLICATION, found) if (schema::VERSION..MOST_VERSIONS).contains(&found) => {
            Err(LedgerError::Newer { path: path.to_owned(), found, known: schema::VERSION })
        }
        // A ledger has its tables, whatever the damage makes of its number.
        _ if has_entries(conn) => {
            let detail = format!("its header says version {version} of {application:#x}");
            Err(LedgerError::Corrupt { path: path.to_owned(), detail })
        }
        _ => Err(LedgerError::Foreign { path: path.to_owned() }),
    }
}

fn has_entries(conn: &Connection) -> bool {
    conn.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE name IN ('entry', 'definition', 'effect')",
        [],
        |row| row.get::<_, i64>(0),
    )
    .is_ok_and(|found| found == 3)
}

/// A crash between making the file and its tables leaves a database without
/// tables: that is ours to use.
fn is_bare(conn: &Connection) -> bool {
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).is_ok_and(|n| n == 0)
}

fn check(conn: &Connection, path: &Path) -> Result<(), LedgerError> {
    let said: String = conn
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| LedgerError::sqlite(path, &error))?;
    match said.as_str() {
        "ok" => Ok(()),
        detail => Err(LedgerError::Corrupt { path: path.to_owned(), detail: detail.to_owned() }),
    }
}

fn prepare(conn: &Connection, most_pages: Option<u32>, disk: &dyn Disk) -> rusqlite::Result<()> {
    plan_once(conn)?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "wal_autocheckpoint", disk.checkpoint_pages())?;
    conn.pragma_update(None, "cache_size", -16_384)?;
    // What was deleted or redacted is not to be read in free space.
    conn.pragma_update_and_check(None, "secure_delete", "ON", |_| Ok(()))?;
    if let Some(most) = most_pages {
        conn.pragma_update_and_check(None, "max_page_count", most, |_| Ok(()))?;
    }
    conn.set_prepared_statement_cache_capacity(128);
    Ok(())
}

/// Otherwise SQLite, as it is built here, plans many a query again whenever a
/// parameter has another value, which takes longer than the query.
fn plan_once(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

pub(crate) fn cannot_open(path: &Path, error: &std::io::Error) -> LedgerError {
    match error.kind() {
        std::io::ErrorKind::ReadOnlyFilesystem => LedgerError::ReadOnly { path: path.to_owned() },
        std::io::ErrorKind::StorageFull => LedgerError::DiskFull { path: path.to_owned() },
        _ => LedgerError::CannotOpen { path: path.to_owned(), detail: error.to_string() },
    }
}
