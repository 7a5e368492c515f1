//! Space that the files of the database hold before they need it.
//!
//! What was committed lies in the log first, and has to go into the database
//! before the log can be used again. On a full disk neither may need a block
//! that is not its own already: so with each commit the database's file gets the
//! blocks of all its pages, and the log never has less than [`LOG_BYTES`].
//! Nobody else can take them, other than space that is set free on the day.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, fstat, statvfs};
use rustix::io::Errno;

use super::{beside, cannot_open};
use crate::error::LedgerError;

/// Room in the log for a thousand pages: some hundred undos at a time, and it is
/// used again after each commit while the disk is full.
const LOG_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes of a page.
const PAGE: u64 = 4_096;

pub(super) struct Room {
    path: PathBuf,
    /// Never closed before the connections are: closing any descriptor of a file
    /// gives up all locks that its process holds on it.
    file: File,
    pages: u64,
    /// Some file systems cannot be asked for blocks in advance.
    is_possible: bool,
}

impl Room {
    /// Before any connection is opened; the file is there.
    #[expect(clippy::disallowed_methods, reason = "this module owns the ledger's files")]
    pub(super) fn open(path: &Path) -> Result<Self, LedgerError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|error| cannot_open(path, &error))?;
        Ok(Self { path: path.to_owned(), file, pages: 0, is_possible: true })
    }

    /// Has blocks for so many pages of the database. The file does not get
    /// longer by that, so SQLite does not see it.
    pub(super) fn hold(&mut self, pages: u64) -> Result<(), LedgerError> {
        if pages <= self.pages || !self.is_possible {
            return Ok(());
        }
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, pages.saturating_mul(PAGE)) {
            Ok(()) => self.pages = pages,
            Err(Errno::NOSPC | Errno::DQUOT) => {
                return Err(LedgerError::DiskFull { path: self.path.clone() });
            }
            // What it is needed for will say what else is wrong.
            Err(_) => self.is_possible = false,
        }
        Ok(())
    }

    /// Has blocks for the log. It ends where its checks end, so what lies behind
    /// that is nothing to SQLite.
    #[expect(clippy::disallowed_methods, reason = "this module owns the ledger's files")]
    pub(super) fn hold_log(&self) -> Result<(), LedgerError> {
        let log = beside(&self.path, "-wal");
        let Ok(file) = OpenOptions::new().read(true).write(true).mode(0o600).open(log) else { return Ok(()) };
        let has = fstat(&file).map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
        if has >= LOG_BYTES {
            return Ok(());
        }
        match fallocate(&file, FallocateFlags::empty(), 0, LOG_BYTES) {
            Err(Errno::NOSPC | Errno::DQUOT) => Err(LedgerError::DiskFull { path: self.path.clone() }),
            // As above.
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Bytes that are free where `path` lies; `None` when the system does not say.
pub(crate) fn free(path: &Path) -> Option<u64> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let found = statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
