//! Files in Wazuh's home: read, and replaced so that a reader sees the old one
//! or the new one, with the owner and the mode that the old one had.
//!
//! `etc` and what is below it may be written by Wazuh's own user, and we are
//! root: no link is followed on the way, so that nobody can have another file
//! read or overwritten by putting a link in the place of one of these.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, RawMode, Uid};
use rustix::io::Errno;

/// Largest file read, in bytes.
const LARGEST: u64 = 16 << 20;

/// The text of the file `below` Wazuh's home; `None` when it is not there.
///
/// # Errors
///
/// When it cannot be read, or is not UTF-8, which could not be written back
/// byte for byte.
pub fn read(root: &Path, below: &str) -> Result<Option<String>, Failed> {
    let text = |bytes| String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"));
    let text = bytes(root, below).and_then(|bytes| bytes.map(text).transpose());
    text.map_err(|error| Failed::new(root, below, "read", &error))
}

/// The same to look at only: what is not UTF-8 is replaced.
///
/// # Errors
///
/// When it cannot be read.
pub fn look(root: &Path, below: &str) -> Result<Option<String>, Failed> {
    match bytes(root, below) {
        Ok(bytes) => Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) => Err(Failed::new(root, below, "read", &error)),
    }
}

/// When the file was written last, in seconds and nanoseconds; `None` when it
/// is not there, or is a link.
pub fn written(root: &Path, below: &str) -> Option<(i64, i64)> {
    let found = root.join(below).symlink_metadata().ok()?;
    found.is_file().then(|| (found.mtime(), found.mtime_nsec()))
}

fn bytes(root: &Path, below: &str) -> io::Result<Option<Vec<u8>>> {
    let read = || {
        let (folder, name) = folder(root, below)?;
        let file = rustix::fs::openat(&folder, name, OFlags::NONBLOCK | PLAIN, Mode::empty())?;
        let file = File::from(file);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LARGEST {
            return Err(io::Error::other(format!("it is larger than {LARGEST} bytes")));
        }
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts `text` in the place of the file. A new file gets `mode`, and user and
/// group of its folder.
///
/// # Errors
///
/// When it cannot be written; the old one is then as it was.
pub fn replace(root: &Path, below: &str, text: &str, mode: u32) -> Result<(), Failed> {
    let written = || {
        let (folder, name) = folder(root, below)?;
        let partial = format!("{name}.riposte-partial");
        let written = write(&folder, &partial, name, text, mode)
            .and_then(|()| Ok(rustix::fs::renameat(&folder, &partial, &folder, name)?));
        if written.is_err() {
            // Nothing to take away when it was never made.
            let _ = rustix::fs::unlinkat(&folder, &partial, AtFlags::empty());
        }
        written?;
        Ok(rustix::fs::fsync(&folder)?)
    };
    written().map_err(|error| Failed::new(root, below, "write", &error))
}

/// Removes a file.
///
/// # Errors
///
/// When it cannot be removed.
pub fn remove(root: &Path, below: &str) -> Result<(), Failed> {
    let removed = || {
        let (folder, name) = folder(root, below)?;
        Ok(rustix::fs::unlinkat(&folder, name, AtFlags::empty())?)
    };
    removed().map_err(|error: io::Error| Failed::new(root, below, "remove", &error))
}

/// Takes away what a [`replace`] that was killed left behind.
pub fn tidy(root: &Path, below: &str) {
    if let Ok((folder, name)) = folder(root, below) {
        // Usually there is nothing.
        let _ = rustix::fs::unlinkat(&folder, format!("{name}.riposte-partial"), AtFlags::empty());
    }
}

/// Opened files and folders: no links, not kept by programs that are started.
const PLAIN: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);

/// The folder that a file below `root` is in, and its name there.
fn folder<'b>(root: &Path, below: &'b str) -> io::Result<(OwnedFd, &'b str)> {
    let directory = OFlags::DIRECTORY | OFlags::CLOEXEC;
    // Wazuh's home itself may be reached over a link: only root can make that one.
    let mut folder = rustix::fs::open(root, directory, Mode::empty())?;
    let mut names = below.split('/').peekable();
    while let Some(name) = names.next() {
        if names.peek().is_none() {
            return Ok((folder, name));
        }
        folder = rustix::fs::openat(&folder, name, directory | PLAIN, Mode::empty())?;
    }
    Err(io::Error::other("it has no name"))
}

/// Writes `partial`, with owner and mode of `name`.
fn write(folder: &OwnedFd, partial: &str, name: &str, text: &str, mode: u32) -> io::Result<()> {
    let old = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(old) if rustix::fs::FileType::from_raw_mode(old.st_mode).is_file() => Some(old),
        Ok(_) => return Err(io::Error::other("it is not a regular file")),
        Err(Errno::NOENT) => None,
        Err(errno) => return Err(errno.into()),
    };
    let around = rustix::fs::fstat(folder)?;
    let (user, group) = old.map_or((around.st_uid, around.st_gid), |old| (old.st_uid, old.st_gid));
    let mode =
        old.map_or(Mode::from_raw_mode(mode as RawMode), |old| Mode::from_raw_mode(old.st_mode & 0o7777));
    // What a writer that was killed left behind.
    match rustix::fs::unlinkat(folder, partial, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | PLAIN;
    let mut file = File::from(rustix::fs::openat(folder, partial, flags, Mode::from_raw_mode(0o600))?);
    file.write_all(text.as_bytes())?;
    let made = rustix::fs::fstat(&file)?;
    if (made.st_uid, made.st_gid) != (user, group) {
        rustix::fs::fchown(&file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?;
    }
    rustix::fs::fchmod(&file, mode)?;
    file.sync_all()
}

/// A file could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    path: PathBuf,
    doing: &'static str,
    why: String,
}

impl Failed {
    fn new(root: &Path, below: &str, doing: &'static str, error: &io::Error) -> Self {
        let link = error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
        let why = if link { "it is a link, and none is followed here".to_owned() } else { error.to_string() };
        Self { path: root.join(below), doing, why }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.doing, self.path.display(), self.why)
    }
}

impl std::error::Error for Failed {}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make files of their own")]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn home() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        let root = folder.path().to_owned();
        (folder, root)
    }

    #[test]
    fn a_file_keeps_its_mode_and_is_whole() {
        let (_folder, root) = home();
        let path = root.join("etc/ossec.conf");
        assert_eq!(read(&root, "etc/ossec.conf"), Ok(None));
        assert_eq!(read(&root, "none/ossec.conf"), Ok(None));
        std::fs::write(root.join("etc/ossec.conf.riposte-partial"), "left over").unwrap();
        replace(&root, "etc/ossec.conf", "a", 0o640).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o640);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).unwrap();
        replace(&root, "etc/ossec.conf", "b", 0o640).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o604);
        assert_eq!(read(&root, "etc/ossec.conf"), Ok(Some("b".to_owned())));
        assert_eq!(std::fs::read_dir(root.join("etc")).unwrap().count(), 1, "nothing is left over");
        std::fs::write(&path, [0xff]).unwrap();
        assert!(read(&root, "etc/ossec.conf").unwrap_err().to_string().contains("UTF-8"));
        remove(&root, "etc/ossec.conf").unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn no_link_leads_us_elsewhere() {
        let (_folder, root) = home();
        let (other, secret) = (root.join("other"), root.join("other/secret"));
        std::fs::create_dir(&other).unwrap();
        std::fs::write(&secret, "secret").unwrap();
        symlink(&secret, root.join("etc/ar.conf")).unwrap();
        symlink(&other, root.join("etc/shared")).unwrap();
        for below in ["etc/ar.conf", "etc/shared/secret"] {
            assert!(read(&root, below).is_err(), "{below}");
            assert!(replace(&root, below, "mine", 0o640).is_err(), "{below}");
        }
        assert!(read(&root, "etc/ar.conf").unwrap_err().to_string().contains("it is a link"));
        symlink(&secret, root.join("etc/new.riposte-partial")).unwrap();
        replace(&root, "etc/new", "mine", 0o640).unwrap();
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret");
        assert_eq!(std::fs::read_to_string(root.join("etc/new")).unwrap(), "mine");
    }
}
