//! Folders that a component sees through `wasi:filesystem`.
//!
//! Which folders, and what may be done below them, is decided here; the
//! runtime only hands them to WASI. A folder is opened once for each run, with
//! no link on the way that is not root's and none at its end, and everything
//! the component does is relative to what was opened.

use std::fs::File;
use std::path::PathBuf;

use riposte_policy::config::Mode;
use riposte_policy::diagnostic::shown;
use riposte_policy::grant::{Access, FolderGrant};
use rustix::io::Errno;

use crate::path::HostPath;
use crate::place::{Links, look, open_folder, refused};
use crate::refusal::Refusal;
use crate::session::{Phase, Session};

/// A folder for one run.
#[derive(Debug)]
pub struct Folder {
    /// The folder itself, open.
    pub folder: File,
    /// Where the component sees it: its path on the host.
    pub path: String,
    /// What may be done below it.
    pub access: Access,
}

/// The folders of a run. None while keys are asked for, since reading may
/// already tell (and a pipe would block); in shadow all of them are only read,
/// since what is written below a folder cannot be held back and shown.
///
/// # Errors
///
/// `failed` when one is not there or is no folder, `denied` when it is one
/// that no component gets.
pub fn open(session: &Session) -> Result<Vec<Folder>, Refusal> {
    if session.phase == Phase::Keys {
        return Ok(Vec::new());
    }
    let shadow = session.mode == Mode::Shadow;
    let opened = session.grants.folders.iter().map(|grant| {
        let access = if shadow { Access::Read } else { grant.access };
        check(grant).map(|(path, folder)| Folder { folder, path, access })
    });
    opened.collect()
}

/// Folders that stand in the place of others: seen under one path, opened from
/// another, and only read.
pub(crate) fn played(session: &Session, folders: Vec<(String, PathBuf)>) -> Result<Vec<Folder>, Refusal> {
    if session.phase == Phase::Keys {
        return Ok(Vec::new());
    }
    let opened = folders.into_iter().map(|(path, real)| {
        let (_, folder) = check(&FolderGrant { path: real, access: Access::Read })?;
        Ok(Folder { folder, path, access: Access::Read })
    });
    opened.collect()
}

/// Whether a granted folder could be given to a component now, for `check`.
///
/// # Errors
///
/// As for [`open`].
pub fn check(grant: &FolderGrant) -> Result<(String, File), Refusal> {
    let given = &grant.path;
    let path = HostPath::parse(&given.to_string_lossy()).map_err(|refusal| {
        let message = format!(
            "<folder path={}/> cannot be given: {}",
            shown(&given.to_string_lossy()),
            refusal.message
        );
        Refusal::failed(message)
    })?;
    for (special, why) in NEVER {
        if path.as_path().starts_with(special) {
            return Err(Refusal::denied(format!(
                "<folder path=\"{path}\"/> is given to no component: {why}"
            )));
        }
    }
    let parent =
        open_folder(path.folder(), Links::Ours).map_err(|errno| refused(given, "reach the folder", errno))?;
    let found = look(&parent, path.name()).map_err(|errno| refused(given, "look at the folder", errno))?;
    if found.is_none() {
        return Err(Refusal::failed(format!(
            "the folder {path} of <folder path=\"{path}\"/> is not there: make it"
        )));
    }
    // Beneath what is open: its own name may have become a link by now.
    let flags = rustix::fs::OFlags::RDONLY
        | rustix::fs::OFlags::DIRECTORY
        | rustix::fs::OFlags::NOFOLLOW
        | rustix::fs::OFlags::CLOEXEC;
    match rustix::fs::openat(&parent, path.name(), flags, rustix::fs::Mode::empty()) {
        Ok(folder) => Ok((path.as_str().to_owned(), File::from(folder))),
        Err(Errno::LOOP | Errno::NOTDIR) => Err(Refusal::failed(format!(
            "{path} of <folder path=\"{path}\"/> is a link or no folder: name the folder itself"
        ))),
        Err(errno) => Err(refused(given, "open the folder", errno)),
    }
}

/// Views of the kernel: what is read or written there acts on the host.
const NEVER: [(&str, &str); 3] = [
    ("/proc", "what is written there acts on the kernel and on other processes"),
    ("/sys", "what is written there acts on the kernel"),
    ("/dev", "devices are no files"),
];

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed unwrap is a failed test; it plays the host"
)]
mod tests {
    use std::sync::Arc;

    use riposte_policy::grant::Grants;

    use super::*;
    use crate::session::Recorder;

    fn grant(path: &std::path::Path, access: Access) -> FolderGrant {
        FolderGrant { path: path.to_owned(), access }
    }

    #[test]
    fn who_gets_which_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folders = vec![grant(dir.path(), Access::Write)];
        let session = |phase, mode| Session {
            offence: 1,
            command: "test".into(),
            tenant: "default".into(),
            entry: None,
            phase,
            mode,
            grants: Arc::new(Grants { folders: folders.clone(), ..Grants::default() }),
            record: Recorder::default(),
        };
        let access = |phase, mode| {
            let opened = open(&session(phase, mode)).unwrap();
            opened.into_iter().map(|folder| (folder.path, folder.access)).collect::<Vec<_>>()
        };
        let path = dir.path().display().to_string();
        assert_eq!(access(Phase::Effects, Mode::Enforce), [(path.clone(), Access::Write)]);
        assert_eq!(access(Phase::Effects, Mode::Shadow), [(path, Access::Read)]);
        assert_eq!(access(Phase::Keys, Mode::Enforce), []);
    }

    #[test]
    fn what_is_no_plain_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("link")).unwrap();
        let at = |name: &str| dir.path().join(name);
        for (path, words) in [
            (at("gone"), "not there"),
            (at("gone/x"), "not there"),
            (at("file"), "no folder"),
            (at("link"), "is a link"),
            (at("../x"), "`..`"),
            ("relative".into(), "does not begin"),
            ("/".into(), "empty part"),
            ("/proc/self".into(), "kernel"),
            ("/sys".into(), "kernel"),
            ("/dev/shm".into(), "devices"),
        ] {
            let refusal = check(&grant(&path, Access::Read)).unwrap_err();
            assert!(refusal.message.contains(words), "{}: {refusal}", path.display());
        }
        assert!(check(&grant(dir.path(), Access::Read)).is_ok());
    }
}
