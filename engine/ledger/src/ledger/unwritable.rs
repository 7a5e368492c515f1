//! A ledger on a file system that cannot be written, before an engine is started.

use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::{Ledger, Opened};
use crate::clock::Clock;
use crate::error::LedgerError;
use crate::store;

impl Ledger {
    /// Whether there is a ledger at `path` that can only be read, since its file
    /// system is read-only.
    #[must_use]
    pub fn is_read_only(path: &Path) -> bool {
        access(path, Access::WRITE_OK) == Err(Errno::ROFS)
    }

    /// Opens a copy of it in `folder`, to undo by: what the copy records stands
    /// in the ledger itself only when it is undone once more.
    ///
    /// # Errors
    ///
    /// When an engine has it open, it cannot be read, or not be copied.
    pub fn open_copy(path: &Path, folder: &Path, clock: Arc<dyn Clock>) -> Result<Opened, LedgerError> {
        store::nobody_has(path)?;
        let copy = folder.join("ledger.db");
        for suffix in ["", "-wal"] {
            let from = store::beside(path, suffix);
            if suffix.is_empty() || from.exists() {
                let to = store::beside(&copy, suffix);
                std::fs::copy(&from, &to).map_err(|error| store::cannot_open(&from, &error))?;
            }
        }
        Self::open(&copy, clock)
    }
}
