//! What bubblewrap is told (bwrap(1)).
//!
//! The program sees this host read-only, its own `/tmp`, `/run` and `/dev`, no
//! processes but its own and no network. bubblewrap of root needs no namespace
//! of users, so it works where those are switched off; setpriv(1) then makes
//! the program a real `nobody`.
//!
//! Neither `--die-with-parent` nor `--new-session`: the first means the thread
//! that starts it, which is gone at once, and the second would take the program
//! out of the group by which it is ended. Typing into a terminal, which a new
//! session guards against, is refused by the filter.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::fs::{Stat, stat};

use super::super::Program;
use super::{Unconfinable, Wrapper};

/// The user and the group of an isolated program, as all of Linux has them.
const NOBODY: u32 = 65534;

/// Where distributions put programs of theirs.
const FOLDERS: [&str; 3] = ["/usr/bin", "/bin", "/usr/local/bin"];

/// How one program is isolated.
pub(super) struct Isolation<'a> {
    pub(super) program: &'a Program,
    pub(super) root: &'a Path,
    pub(super) write: &'a [PathBuf],
}

impl Isolation<'_> {
    /// bubblewrap and its arguments, up to those of the program itself.
    pub(super) fn words(&self) -> Result<Wrapper, Unconfinable> {
        let bwrap = find("bwrap", "bubblewrap")?;
        for path in self.write {
            if let Err(error) = stat(path) {
                return Err(Unconfinable::NoPath { path: path.clone(), why: error.to_string() });
            }
        }
        let mut words: Vec<OsString> = Vec::new();
        let mut say = |these: &[&dyn AsRef<std::ffi::OsStr>]| {
            words.extend(these.iter().map(|word| word.as_ref().to_owned()));
        };
        say(&[&"--ro-bind", &"/", &"/", &"--dev", &"/dev", &"--proc", &"/proc"]);
        say(&[&"--perms", &"1777", &"--tmpfs", &"/tmp", &"--tmpfs", &"/run"]);
        // They may lie below what was just covered.
        let folder = self.program.path().parent().unwrap_or(Path::new("/"));
        for path in [self.root, folder] {
            if path != Path::new("/") {
                say(&[&"--ro-bind", &path, &path]);
            }
        }
        for path in self.write {
            say(&[&"--bind", path, path]);
        }
        say(&[
            &"--unshare-ipc",
            &"--unshare-pid",
            &"--unshare-net",
            &"--unshare-uts",
            &"--unshare-cgroup-try",
        ]);
        say(&[&"--chdir", &self.root]);
        if !rustix::process::geteuid().is_root() {
            say(&[&"--unshare-user", &"--"]);
            return Ok((bwrap, words));
        }
        let setpriv = find("setpriv", "util-linux")?;
        let (user, group) = (NOBODY.to_string(), self.group()?.to_string());
        say(&[&"--cap-drop", &"ALL", &"--cap-add", &"CAP_SETUID", &"--cap-add", &"CAP_SETGID"]);
        say(&[&"--cap-add", &"CAP_SETPCAP", &"--", &setpriv, &"--reuid", &user, &"--regid", &group]);
        say(&[&"--clear-groups", &"--inh-caps=-all", &"--bounding-set=-all", &"--"]);
        Ok((bwrap, words))
    }

    /// The group it runs with: that of nobody when everybody may run the
    /// program, else the program's own, as with Wazuh's `root:wazuh 0750`. The
    /// group of root is not given away.
    fn group(&self) -> Result<u32, Unconfinable> {
        let path = std::fs::canonicalize(self.program.path()).map_err(|error| Unconfinable::NoPath {
            path: self.program.path().to_owned(),
            why: error.to_string(),
        })?;
        let found = look(&path)?;
        let mut barred = None;
        for group in [NOBODY, found.st_gid] {
            barred = self.barred(&path, &found, group)?;
            if barred.is_none() && (group != 0) {
                return Ok(group);
            }
            if found.st_gid == 0 {
                break;
            }
        }
        Err(Unconfinable::Unreachable { path: barred.unwrap_or(path) })
    }

    /// What keeps a nobody of this group from running the program.
    fn barred(&self, path: &Path, found: &Stat, group: u32) -> Result<Option<PathBuf>, Unconfinable> {
        if !may(found, group, 0o5) {
            return Ok(Some(path.to_owned()));
        }
        for folder in path.ancestors().skip(1).chain(self.root.ancestors()) {
            if !may(&look(folder)?, group, 0o1) {
                return Ok(Some(folder.to_owned()));
            }
        }
        Ok(None)
    }
}

/// Whether a nobody of `group` has these rights. Lists beyond the mode are not
/// looked at: then the kernel says no when the program starts.
fn may(found: &Stat, group: u32, rights: u32) -> bool {
    let mode = if found.st_uid == NOBODY {
        found.st_mode >> 6
    } else if found.st_gid == group {
        found.st_mode >> 3
    } else {
        found.st_mode
    };
    mode & rights == rights
}

fn look(path: &Path) -> Result<Stat, Unconfinable> {
    stat(path).map_err(|error| Unconfinable::NoPath { path: path.to_owned(), why: error.to_string() })
}

/// A program of the host that isolation needs, fit to be started as root.
fn find(name: &'static str, package: &'static str) -> Result<PathBuf, Unconfinable> {
    let mut candidates = FOLDERS.iter().map(|folder| Path::new(folder).join(name));
    candidates.find(|path| Program::at(path).is_ok()).ok_or(Unconfinable::NoProgram { name, package })
}
