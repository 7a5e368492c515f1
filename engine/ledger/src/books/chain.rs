//! How far the audit was written.

use super::Books;
use crate::audit::chain::Head;
use crate::error::LedgerError;
use crate::ledger::read_head;

impl Books {
    /// The head of the audit.
    pub(crate) fn head(&self) -> Result<Option<Head>, LedgerError> {
        read_head(self.conn()).map_err(|error| self.failed(&error))
    }

    /// Writes the head of the audit.
    pub(crate) fn write_head(&mut self, head: Head) -> Result<(), LedgerError> {
        let count = i64::try_from(head.count).unwrap_or(i64::MAX);
        self.execute(
            "INSERT OR REPLACE INTO chain (number, count, hash) VALUES (1, ?1, ?2)",
            (count, head.hash.0),
        )?;
        Ok(())
    }
}
