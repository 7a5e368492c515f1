//! Reading a ledger without an engine, or beside one.

use std::path::Path;

use riposte_policy::order::EntryId;

use super::Ledger;
use crate::books;
use crate::entry::{EffectRow, Entry, Filter};
use crate::error::LedgerError;
use crate::reader;
use crate::rule::{Allow, Pause};
use crate::store::{self, HostDisk};

impl Ledger {
    /// Reads entries without an engine, or beside one; also in a ledger of
    /// version 1, which stays as it is.
    ///
    /// # Errors
    ///
    /// When there is no ledger of a version that this program knows.
    pub fn read(path: &Path, filter: &Filter) -> Result<Vec<Entry>, LedgerError> {
        let conn = store::open_to_read(path, &HostDisk)?;
        reader::entries(&conn, filter).map_err(|error| LedgerError::sqlite(path, &error))
    }

    /// Reads the entries from this number on, and these others, without an
    /// engine, or beside one.
    ///
    /// # Errors
    ///
    /// When there is no ledger of a version that this program knows.
    pub fn read_from(path: &Path, first: i64, others: &[i64]) -> Result<Vec<Entry>, LedgerError> {
        let conn = store::open_to_read(path, &HostDisk)?;
        reader::from(&conn, first, others).map_err(|error| LedgerError::sqlite(path, &error))
    }

    /// Reads the networks that open entries block, by entry: also those that took
    /// the place of an address. Without an engine, or beside one.
    ///
    /// # Errors
    ///
    /// When there is no ledger of a version that this program knows.
    pub fn read_networks(path: &Path) -> Result<Vec<(EntryId, String)>, LedgerError> {
        let conn = store::open_to_read(path, &HostDisk)?;
        reader::networks(&conn).map_err(|error| LedgerError::sqlite(path, &error))
    }

    /// Reads what operators settled: allows and pauses, also those whose time is
    /// up and that no engine has forgotten yet. Without an engine, or beside one.
    ///
    /// # Errors
    ///
    /// When there is no ledger of a version that this program knows.
    pub fn read_settled(path: &Path) -> Result<(Vec<Allow>, Vec<Pause>), LedgerError> {
        let conn = store::open_to_read(path, &HostDisk)?;
        let read = || Ok((books::allows(&conn, i64::MIN)?, books::pauses(&conn, i64::MIN)?));
        read().map_err(|error| LedgerError::sqlite(path, &error))
    }

    /// Reads one entry, with its alert, and its effects in the order they were
    /// recorded; without an engine, or beside one.
    ///
    /// # Errors
    ///
    /// When there is no ledger of a version that this program knows.
    pub fn read_entry(path: &Path, id: EntryId) -> Result<Option<(Entry, Vec<EffectRow>)>, LedgerError> {
        let conn = store::open_to_read(path, &HostDisk)?;
        let read = || {
            let Some(entry) = reader::entry(&conn, id)? else { return Ok(None) };
            Ok(Some((entry, reader::effects(&conn, id)?)))
        };
        read().map_err(|error| LedgerError::sqlite(path, &error))
    }
}
