//! Keeping engines off a ledger, without opening it.

use std::fs::File;
use std::path::Path;

use super::Ledger;
use crate::error::LedgerError;
use crate::store;

/// While this is there, no engine opens the ledger.
#[derive(Debug)]
#[must_use]
pub struct Hold {
    /// None where no engine ever was.
    _lock: Option<File>,
}

impl Ledger {
    /// Holds the ledger at `path` as an engine would; writes nothing.
    ///
    /// # Errors
    ///
    /// [`LedgerError::InUse`] when an engine has it open.
    pub fn hold(path: &Path) -> Result<Hold, LedgerError> {
        store::hold(path).map(|lock| Hold { _lock: lock })
    }
}
