//! Space kept back for the day the disk is full.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate};

use super::room::free;
use super::{Disk, beside};

/// Room to record some hundred undos at a time, and SQLite reuses its log
/// after each.
const RESERVE_BYTES: u64 = 4 * 1024 * 1024;

/// Space that is taken while there is some, and given up when there is none:
/// new responses are then refused, but those in force can still be undone.
pub(super) struct Reserve {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    pub(super) state: Kept,
    /// When it was last tried to take it, in boot time.
    pub(super) tried_ms: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Yes,
    GivenUp,
}

/// Whether there is space for anything new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Space {
    Enough,
    Short,
}

/// How long to wait before looking again whether there is space.
const RETRY_MS: i64 = 5_000;

impl Reserve {
    pub(super) fn new(path: &Path, disk: Arc<dyn Disk>) -> Self {
        let path = beside(path, ".reserve");
        let mut reserve = Self { disk, path, state: Kept::Yes, tried_ms: i64::MIN };
        if reserve.disk.take_reserve(&reserve.path).is_err() {
            reserve.give_up();
        }
        reserve
    }

    pub(super) fn give_up(&mut self) {
        self.state = Kept::GivenUp;
        self.disk.give_up_reserve(&self.path);
    }

    /// `beyond`: how many bytes have to be free besides.
    pub(super) fn take_again(&mut self, boot_ms: i64, beyond: u64) -> Space {
        if boot_ms.saturating_sub(self.tried_ms) < RETRY_MS {
            return Space::Short;
        }
        self.tried_ms = boot_ms;
        let needed = RESERVE_BYTES.saturating_add(beyond);
        if self.disk.vfs().is_none() && free(&self.path).is_some_and(|free| free < needed) {
            return Space::Short;
        }
        match self.disk.take_reserve(&self.path) {
            Ok(()) => {
                self.state = Kept::Yes;
                Space::Enough
            }
            Err(_) => {
                self.give_up();
                Space::Short
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this module owns the ledger's files")]
pub(super) fn give_up(path: &Path) {
    // Gone already is as good.
    let _ = std::fs::remove_file(path);
}

#[expect(clippy::disallowed_methods, reason = "this module owns the ledger's files")]
pub(super) fn take(path: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.len() >= RESERVE_BYTES {
        return Ok(());
    }
    match fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
            let zeros = [0_u8; 65_536];
            (0..RESERVE_BYTES / 65_536).try_for_each(|_| file.write_all(&zeros))
        }
        other => Ok(other?),
    }
}
