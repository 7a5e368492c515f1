//! How far the audit was written, kept beside what is in force.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension};

use super::Ledger;
use crate::aging::Aging;
use crate::audit::chain::{Hash, Head};
use crate::clock::Now;
use crate::error::LedgerError;
use crate::store;

/// The head of the audit: what the ledger knew of it when it was opened, and
/// what it is told. A clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    known: Option<Head>,
    noted: Arc<Mutex<Option<Head>>>,
    aging: Arc<Mutex<Option<Aging>>>,
}

impl Heads {
    pub(crate) fn new(
        known: Option<Head>,
        noted: Arc<Mutex<Option<Head>>>,
        aging: Arc<Mutex<Option<Aging>>>,
    ) -> Self {
        Self { known, noted, aging }
    }

    /// The time by which something may be deleted; `None`: no ledger knows.
    pub(crate) fn surely_wall_ms(&self, now: &Now) -> Option<i64> {
        let mut aging = self.aging.lock().unwrap_or_else(PoisonError::into_inner);
        aging.as_mut().map(|aging| aging.wall_ms(now))
    }

    /// The head that was known at the start.
    #[must_use]
    pub fn known(&self) -> Option<Head> {
        self.known
    }

    /// Notes a head, of which every line is on the disk. Returns at once; the
    /// next commit writes it, whatever that is for.
    pub fn note(&self, head: Head) {
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
    }

    /// The last head that was noted and not yet written.
    #[must_use]
    pub fn noted(&self) -> Option<Head> {
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// The head of the audit.
    #[must_use]
    pub fn heads(&self) -> Heads {
        self.0.heads.clone()
    }

    /// Reads the head of the audit without an engine, or beside one; `None`
    /// when none was ever noted, or the ledger is of an older version.
    ///
    /// # Errors
    ///
    /// When there is no ledger of a version that this program knows.
    pub fn read_head(path: &Path) -> Result<Option<Head>, LedgerError> {
        let conn = store::open_to_read(path, &store::HostDisk)?;
        read(&conn).map_err(|error| LedgerError::sqlite(path, &error))
    }
}

/// The head in the tables.
pub(crate) fn read(conn: &Connection) -> rusqlite::Result<Option<Head>> {
    let table = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'chain'";
    if conn.query_row(table, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(None);
    }
    let row = conn
        .query_row("SELECT count, hash FROM chain WHERE number = 1", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()?;
    Ok(row.and_then(|(count, hash)| {
        Some(Head { count: u64::try_from(count).ok()?, hash: Hash(hash.try_into().ok()?) })
    }))
}
