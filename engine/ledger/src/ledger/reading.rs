//! What the tables say, read off the writer.

use riposte_policy::order::EntryId;

use super::Ledger;
use crate::entry::{EffectRow, Entry, Filter, Held};
use crate::error::LedgerError;
use crate::reader;

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

    /// The networks that open entries block, by entry: also those that took the
    /// place of an address.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn networks(&self) -> Result<Vec<(EntryId, String)>, LedgerError> {
        self.read_all(reader::networks).await
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
