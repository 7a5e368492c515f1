//! One engine at a time.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::{beside, cannot_open};
use crate::error::LedgerError;

/// The lock is on a file of its own: SQLite opens and closes the database as
/// it likes, and a lock of ours on it would go with that.
#[expect(clippy::disallowed_methods, reason = "this module owns the ledger's files")]
pub(super) fn lock(path: &Path) -> Result<File, LedgerError> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(beside(path, ".lock"))
        .map_err(|error| cannot_open(path, &error))?;
    if !locked_soon(&file) {
        return Err(in_use(path, &mut file));
    }
    // The number only helps to find the process; the lock holds without it.
    let _ = file
        .set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// The same where nothing is to be written: `None` where no engine ever was.
#[expect(clippy::disallowed_methods, reason = "this module owns the ledger's files")]
pub(super) fn hold(path: &Path) -> Result<Option<File>, LedgerError> {
    let mut file = match OpenOptions::new().read(true).open(beside(path, ".lock")) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot_open(path, &error)),
    };
    if locked_soon(&file) { Ok(Some(file)) } else { Err(in_use(path, &mut file)) }
}

/// The same, only to know whether it could be locked now.
pub(crate) fn nobody_has(path: &Path) -> Result<(), LedgerError> {
    hold(path).map(drop)
}

fn in_use(path: &Path, file: &mut File) -> LedgerError {
    let mut text = String::new();
    let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
    LedgerError::InUse { path: path.to_owned(), pid }
}

/// A child that a killed engine was just starting holds the lock until it is
/// its own program, a moment later.
fn locked_soon(file: &File) -> bool {
    const LOOKS: u32 = 20;
    (0..LOOKS).any(|look| {
        if look > 0 {
            std::thread::sleep(Duration::from_millis(50));
        }
        flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
    })
}
