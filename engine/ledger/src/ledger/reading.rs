//! What the tables say, read off the writer.

use std::path::Path;

use riposte_policy::order::EntryId;

use super::Ledger;
use crate::entry::{EffectRow, Entry, Filter, Held};
use crate::error::LedgerError;
use crate::reader;
use crate::store::{self, HostDisk};

/// An effect that the host shows, for [`Ledger::known`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The entry that it names.
    pub entry: Option<EntryId>,
    /// The interface.
    pub interface: String,
    /// The target.
    pub target: String,
}

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

    /// One entry, open or closed, with its alert, message and receipt.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn entry(&self, id: EntryId) -> Result<Option<Entry>, LedgerError> {
        self.read_all(move |conn| reader::entry(conn, id)).await
    }

    /// The entries that `filter` lets through, by number, which is the order
    /// they were entered in, without alerts.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn entries(&self, filter: Filter) -> Result<Vec<Entry>, LedgerError> {
        self.read_all(move |conn| reader::entries(conn, &filter)).await
    }

    /// Every effect that an entry recorded, in the order it did.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn effects(&self, id: EntryId) -> Result<Vec<EffectRow>, LedgerError> {
        self.read_all(move |conn| reader::effects(conn, id)).await
    }

    /// Everything of an interface that open entries hold: what the host should
    /// show.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn held(&self, interface: &str) -> Result<Vec<Held>, LedgerError> {
        let asked = interface.to_owned();
        let held = self.read_all(move |conn| reader::held(conn, &asked)).await?;
        let with_standing = |(target, prior): (String, Option<String>)| {
            let standing = self.standing(interface, &target);
            Held { target, prior, standing }
        };
        Ok(held.into_iter().map(with_standing).collect())
    }

    /// Which of these effects were recorded here: by the entry that is named, or
    /// where none is, by this ledger at all as far as anybody can tell.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn known(&self, effects: Vec<Named>) -> Result<Vec<bool>, LedgerError> {
        self.read_all(move |conn| reader::known(conn, &effects)).await
    }

    /// Reads what is committed, after what was asked before is. When that
    /// cannot be committed, what is there can still be read.
    pub(super) async fn read_all<T: Send + 'static>(
        &self,
        query: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        if let Err(error) = self.flush().await
            && !error.is_storage()
        {
            return Err(error);
        }
        self.0.reader.ask(query).await
    }
}
