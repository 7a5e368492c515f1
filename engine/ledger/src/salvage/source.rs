//! A damaged file, opened to read what can be read.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{copy_file, length};
use crate::backup;
use crate::store::beside;

/// Bytes of a page.
const PAGE: usize = 4_096;

/// Where the number of pages, the list of free pages and their number lie in
/// the first page: <https://www.sqlite.org/fileformat.html>, section 1.3.
const PAGES_AT: usize = 28;
const FREE_AT: usize = 32;
/// Counters that say whether the number of pages is to be believed.
const CHANGED_AT: usize = 24;
const VALID_FOR_AT: usize = 92;

/// What can be read.
pub(super) struct Source {
    conn: Connection,
    bytes: u64,
    /// Gone after the connection.
    _scratch: Option<Scratch>,
}

/// A copy that is only for this.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        backup::forget(&self.0);
    }
}

impl Source {
    /// Opens a damaged ledger, with its log. Where not even its first page is
    /// sound, that of `twin` stands in: the tables of one ledger stay where they
    /// were made.
    pub(super) fn open(path: &Path, twin: Option<&Path>) -> Option<Self> {
        let bytes = length(path);
        if let Some(conn) = read(path) {
            return Some(Self { conn, bytes, _scratch: None });
        }
        let scratch = Scratch(beside(path, ".reading"));
        backup::forget(&scratch.0);
        with_first_page(path, &scratch.0, twin?)?;
        let conn = read(&scratch.0)?;
        Some(Self { conn, bytes, _scratch: Some(scratch) })
    }

    pub(super) fn conn(&self) -> &Connection {
        &self.conn
    }

    /// How long it is, with its log.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Nothing is written to it, not even when it is closed.
fn read(path: &Path) -> Option<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).ok()?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).ok()?;
    conn.busy_timeout(std::time::Duration::from_secs(2)).ok()?;
    let has_entries = conn
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'entry'", [], |row| row.get::<_, i64>(0));
    has_entries.is_ok_and(|count| count > 0).then_some(conn)
}

#[expect(clippy::disallowed_methods, reason = "this module reads damaged ledgers")]
fn with_first_page(path: &Path, scratch: &Path, twin: &Path) -> Option<()> {
    for suffix in ["", "-wal"] {
        let from = beside(path, suffix);
        if backup::exists(&from) {
            copy_file(&from, &beside(scratch, suffix)).ok()?;
        }
    }
    let mut page = vec![0; PAGE];
    std::fs::File::open(twin).ok()?.read_exact(&mut page).ok()?;
    let mut file = OpenOptions::new().write(true).open(scratch).ok()?;
    let pages = u32::try_from(file.metadata().ok()?.len() / 4_096).ok()?;
    put(&mut page, PAGES_AT, pages);
    put(&mut page, FREE_AT, 0);
    put(&mut page, FREE_AT + 4, 0);
    put(&mut page, CHANGED_AT, 1);
    put(&mut page, VALID_FOR_AT, 1);
    // The copy is no log's database, the damaged one is: both versions say so.
    page.get_mut(18..20)?.fill(2);
    file.seek(SeekFrom::Start(0)).ok()?;
    file.write_all(&page).ok()
}

fn put(page: &mut [u8], at: usize, number: u32) {
    if let Some(place) = page.get_mut(at..at + 4) {
        place.copy_from_slice(&number.to_be_bytes());
    }
}
