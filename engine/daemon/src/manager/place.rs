//! Files in Wazuh's home: read, and replaced so that a reader sees the old one
//! or the new one, with the owner and the mode that the old one had.

use std::fmt;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Largest file read, in bytes.
const LARGEST: u64 = 16 << 20;

/// The text of a file; `None` when it is not there.
///
/// # Errors
///
/// When it cannot be read, or is not UTF-8, which could not be written back
/// byte for byte.
pub fn read(path: &Path) -> Result<Option<String>, Failed> {
    let failed = |why: io::Error| Failed { path: path.to_owned(), doing: "read", why: why.to_string() };
    let bytes = match crate::files::read_at_most(path, LARGEST) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    String::from_utf8(bytes).map(Some).map_err(|error| failed(io::Error::other(error)))
}

/// Puts `text` in the place of the file. A new file gets `mode` and the group
/// of its folder.
///
/// # Errors
///
/// When it cannot be written; the old one is then as it was.
pub fn replace(path: &Path, text: &str, mode: u32) -> Result<(), Failed> {
    let failed = |why: io::Error| Failed { path: path.to_owned(), doing: "write", why: why.to_string() };
    // A link stays one: what it leads to is replaced.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("/"));
    let old = std::fs::metadata(path).ok();
    let around = std::fs::metadata(folder).map_err(failed)?;
    let (uid, gid) = old.as_ref().map_or((around.uid(), around.gid()), |old| (old.uid(), old.gid()));
    let mode = old.map_or(mode, |old| old.mode() & 0o7777);
    let mut partial = path.clone().into_os_string();
    partial.push(".riposte-partial");
    let partial = PathBuf::from(partial);
    let written = write(&partial, text, (uid, gid), mode)
        .and_then(|()| Ok(rustix::fs::rename(&partial, path)?))
        .and_then(|()| open(folder)?.sync_all());
    written.map_err(|error| {
        // Nothing to take away when it was never made.
        let _ = rustix::fs::unlink(&partial);
        failed(error)
    })
}

/// Removes a file.
///
/// # Errors
///
/// When it cannot be removed.
pub fn remove(path: &Path) -> Result<(), Failed> {
    rustix::fs::unlink(path)
        .map_err(|errno| Failed { path: path.to_owned(), doing: "remove", why: errno.to_string() })
}

fn write(path: &Path, text: &str, (uid, gid): (u32, u32), mode: u32) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "this module owns the files that are replaced in Wazuh's home")]
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (uid, gid) {
        fchown(&file, Some(uid), Some(gid))?;
    }
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

#[expect(clippy::disallowed_methods, reason = "a folder is opened to make a rename durable")]
fn open(folder: &Path) -> io::Result<File> {
    File::open(folder)
}

/// A file could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    path: PathBuf,
    doing: &'static str,
    why: String,
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
    use super::*;

    #[test]
    fn a_file_keeps_its_mode_and_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ossec.conf");
        assert_eq!(read(&path), Ok(None));
        replace(&path, "a", 0o640).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o640);
        std::fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
        replace(&path, "b", 0o640).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o604);
        assert_eq!(read(&path), Ok(Some("b".to_owned())));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
        std::fs::write(&path, [0xff]).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("utf-8"));
    }

    #[test]
    fn a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::write(&real, "a").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        replace(&link, "b", 0o640).unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "b");
    }
}
