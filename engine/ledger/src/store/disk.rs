//! What the ledger needs of a disk besides SQLite.

use std::path::Path;

use super::{lock, private, reserve};
use crate::error::LedgerError;

/// 32 MiB of log.
const CHECKPOINT_PAGES: u32 = 8_192;

/// The disk that a ledger lies on. Another one than the host's is for the
/// simulator, which loses, tears and refuses what is written.
pub trait Disk: Send + Sync {
    /// The SQLite VFS that reads and writes the database; `None`: the usual one.
    fn vfs(&self) -> Option<&str> {
        None
    }

    /// After how many pages of the log a commit also writes them back.
    fn checkpoint_pages(&self) -> u32 {
        CHECKPOINT_PAGES
    }

    /// Takes the ledger at `path` for this process alone, for as long as what
    /// is returned lives.
    ///
    /// # Errors
    ///
    /// When another process has it, or the lock cannot be made.
    fn lock(&self, path: &Path) -> Result<Locked, LedgerError>;

    /// Makes the file at `path`, empty where there is none, and keeps it from
    /// everybody else.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    fn make_private(&self, path: &Path) -> Result<(), LedgerError>;

    /// Takes the space that is kept for undoing in the file at `path`. Taken
    /// already is as good.
    ///
    /// # Errors
    ///
    /// When there is no such space.
    fn take_reserve(&self, path: &Path) -> std::io::Result<()>;

    /// Gives it up. Gone already is as good.
    fn give_up_reserve(&self, path: &Path);
}

/// Lets go of a ledger when it is dropped.
pub type Locked = Box<dyn Send>;

/// The disk of this host.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostDisk;

impl Disk for HostDisk {
    fn lock(&self, path: &Path) -> Result<Locked, LedgerError> {
        lock::lock(path).map(|file| Box::new(file) as Locked)
    }

    fn make_private(&self, path: &Path) -> Result<(), LedgerError> {
        private::make(path)
    }

    fn take_reserve(&self, path: &Path) -> std::io::Result<()> {
        reserve::take(path)
    }

    fn give_up_reserve(&self, path: &Path) {
        reserve::give_up(path);
    }
}
