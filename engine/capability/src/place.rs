//! Folders of the host, opened without being led astray.
//!
//! A path that a response names was often written by whoever caused the alert,
//! and the folders on its way may belong to them. So its
//! folder is opened step by step, and everything after that is done relative to
//! the open folder: what becomes of the path meanwhile does not matter.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

use riposte_policy::diagnostic::shown;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawMode, Stat, fgetxattr, flistxattr, fstat, openat, readlinkat, statat,
};
use rustix::io::Errno;

use crate::refusal::Refusal;

/// Most links on the way, as in the kernel (`path_resolution(7)`).
const LINKS: usize = 40;

/// Which links may lie on the way to a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// Those of root and of this process's user, such as `/var/run`.
    Ours,
    /// None at all.
    None,
}

/// Opens a folder, step by step from the root.
///
/// # Errors
///
/// [`Errno::LOOP`] for a link that is not allowed, else what the system says.
pub(crate) fn open_folder(path: &Path, links: Links) -> Result<OwnedFd, Errno> {
    let step = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = || rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let mut here = root()?;
    let mut ahead: VecDeque<OsString> = names(path);
    let mut followed = 0;
    while let Some(name) = ahead.pop_front() {
        let next = openat(&here, &name, step, Mode::empty())?;
        let found = fstat(&next)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => here = next,
            FileType::Symlink => {
                followed += 1;
                if links == Links::None || !is_ours(&found) || followed > LINKS {
                    return Err(Errno::LOOP);
                }
                let leads = OsString::from_vec(readlinkat(&next, "", Vec::new())?.into_bytes());
                let leads = Path::new(&leads);
                if leads.is_absolute() {
                    here = root()?;
                }
                for name in names(leads).into_iter().rev() {
                    ahead.push_front(name);
                }
            }
            _ => return Err(Errno::NOTDIR),
        }
    }
    openat(&here, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// The parts of a path that are names, and `..` where a link holds it.
fn names(path: &Path) -> VecDeque<OsString> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    parts.collect()
}

/// Whether it belongs to root or to this process's user.
pub(crate) fn is_ours(found: &Stat) -> bool {
    found.st_uid == 0 || found.st_uid == rustix::process::geteuid().as_raw()
}

/// What a name in a folder is, without following a link; `None`: nothing.
pub(crate) fn look(folder: &OwnedFd, name: &str) -> Result<Option<Stat>, Errno> {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// The permission bits of a file.
pub(crate) fn permissions(found: &Stat) -> Mode {
    Mode::from_raw_mode(RawMode::from(found.st_mode) & 0o7777)
}

/// Device and number of a file: the same for all of its names.
#[allow(clippy::useless_conversion, reason = "the widths differ between systems")]
pub(crate) fn identity(found: &Stat) -> (u64, u64) {
    (u64::from(found.st_dev), u64::from(found.st_ino))
}

/// What went wrong with a path, and whether waiting may help.
pub(crate) fn refused(path: impl AsRef<Path>, doing: &str, errno: Errno) -> Refusal {
    let path = shown(&String::from_utf8_lossy(path.as_ref().as_os_str().as_bytes()));
    let hint = match errno {
        Errno::LOOP => return Refusal::denied(format!("cannot {doing} {path}: {LINK}")),
        Errno::NOENT => "a folder on the way to it is not there",
        Errno::ROFS => "the file system is read-only for the engine (under systemd: add ReadWritePaths=)",
        Errno::ACCESS | Errno::PERM => {
            "this is not permitted to the engine: run it as root, and look at `lsattr` of the file"
        }
        Errno::NOSPC | Errno::DQUOT => "there is no space left",
        Errno::NAMETOOLONG => "a name in it is too long for the file system",
        _ => "",
    };
    let text = match hint {
        "" => format!("cannot {doing} {path}: {errno}"),
        hint => format!("cannot {doing} {path}: {hint}"),
    };
    match errno {
        Errno::NOSPC
        | Errno::DQUOT
        | Errno::IO
        | Errno::MFILE
        | Errno::NFILE
        | Errno::NOMEM
        | Errno::AGAIN => Refusal::unavailable(text),
        _ => Refusal::failed(text),
    }
}

const LINK: &str =
    "it is a link, or a link on the way to it is not root's; name the file that the link leads to";

/// Name and value of an extended attribute.
pub(crate) type Attribute = (Vec<u8>, Vec<u8>);

/// The extended attributes of a file.
pub(crate) fn attributes(file: impl AsFd) -> Result<Vec<Attribute>, Errno> {
    // The kernel's own bounds: XATTR_LIST_MAX and XATTR_SIZE_MAX.
    let mut names = vec![0; 64 << 10];
    let length = match flistxattr(&file, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => 0,
        Err(errno) => return Err(errno),
    };
    names.truncate(length);
    let mut found = Vec::new();
    let mut value = vec![0; 64 << 10];
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        match fgetxattr(&file, name, &mut value[..]) {
            Ok(length) => found.push((name.to_vec(), value.get(..length).unwrap_or_default().to_vec())),
            // It went meanwhile, or the kernel lists what it does not show.
            Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(found)
}

pub(crate) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Does what blocks on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|_| {
        Err(Refusal::unavailable("the engine is ending, or a fault of it stopped this call"))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_lead_on_only_where_they_may() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("real")).unwrap();
        std::fs::create_dir(at("real/deep")).unwrap();
        symlink("real", at("link")).unwrap();
        symlink("../real/deep", at("real/up")).unwrap();
        symlink(at("loop"), at("loop")).unwrap();
        let same = |path: &str| {
            let opened = open_folder(&at(path), Links::Ours).unwrap();
            identity(&fstat(opened).unwrap())
        };
        assert_eq!(same("link/up"), same("real/deep"));
        assert_eq!(open_folder(&at("loop"), Links::Ours).unwrap_err(), Errno::LOOP);
        assert_eq!(open_folder(&at("link"), Links::None).unwrap_err(), Errno::LOOP);
        assert_eq!(open_folder(&at("link/deep"), Links::None).unwrap_err(), Errno::LOOP);
        assert_eq!(open_folder(&at("gone"), Links::None).unwrap_err(), Errno::NOENT);
        assert!(open_folder(&at("real/deep"), Links::None).is_ok());
        assert_eq!(open_folder(Path::new("/proc/self/root/etc"), Links::None).unwrap_err(), Errno::LOOP);
    }

    #[test]
    fn a_strangers_link_is_not_followed() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        symlink("/etc", &link).unwrap();
        assert!(open_folder(&link, Links::Ours).is_ok());
        std::os::unix::fs::lchown(&link, Some(1000), Some(1000)).unwrap();
        assert_eq!(open_folder(&link, Links::Ours).unwrap_err(), Errno::LOOP);
    }
}
