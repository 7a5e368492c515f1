//! Where everything lies, and the only place that makes folders.
//!
//! The Filesystem Hierarchy Standard by default; `--home DIR` puts all of it
//! under one folder. Wazuh's home (`root`) is a place of its own: native
//! programs run there, and `logs/active-responses.log` is written there.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use riposte_ledger::backup::{NEWER, OLDER};
use serde::Serialize;

/// Every path in use.
#[derive(Clone, Debug, Serialize)]
pub struct Places {
    /// Configuration read by default.
    pub config: PathBuf,
    /// Ledger, installed components, compiled code.
    pub state: PathBuf,
    /// Control socket.
    pub run: PathBuf,
    /// Our own logs.
    pub log: PathBuf,
    /// Wazuh's home.
    pub root: PathBuf,
}

impl Places {
    /// The places for `--home`, `--root` and the configuration in use.
    #[must_use]
    pub fn new(home: Option<&Path>, root: Option<&Path>, configs: &[PathBuf]) -> Self {
        let base = match home {
            Some(home) => {
                let home = absolute(home);
                Self {
                    config: home.join("etc"),
                    state: home.join("state"),
                    run: home.join("run"),
                    log: home.join("log"),
                    root: home,
                }
            }
            None => Self {
                config: "/etc/riposte".into(),
                state: "/var/lib/riposte".into(),
                run: "/run/riposte".into(),
                log: "/var/log/riposte".into(),
                root: "/var/lib/riposte".into(),
            },
        };
        let root = root.map(absolute).or_else(|| configs.iter().find_map(|config| wazuh_home(config)));
        Self { root: root.unwrap_or(base.root), ..base }
    }

    /// The ledger's file.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.state.join("ledger.db")
    }

    /// Whether there is a ledger, or a copy of which the next start makes one.
    ///
    /// # Errors
    ///
    /// When this user may not look: nothing is known then.
    pub fn has_ledger(&self) -> Result<bool, String> {
        let ledger = self.ledger();
        let copies = [NEWER, OLDER].map(|suffix| PathBuf::from(format!("{}{suffix}", ledger.display())));
        for path in copies.iter().chain([&ledger]) {
            let there = path.try_exists().map_err(|error| {
                format!("the ledger {} cannot be read: {error}{}", ledger.display(), way_out(&error))
            })?;
            if there {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The ledger's file, for who only reads it.
    ///
    /// # Errors
    ///
    /// When it is not there, or this user may not look.
    pub fn ledger_to_read(&self) -> Result<PathBuf, String> {
        let ledger = self.ledger();
        match (self.has_ledger()?, ledger.exists()) {
            (_, true) => Ok(ledger),
            (true, false) => Err(format!(
                "the ledger {} is gone, but a copy of it is there: the next start of the engine makes a new one of that; \
                 `riposte ledger recover FILE` makes one to look at",
                ledger.display()
            )),
            (false, false) => {
                Err(format!("there is no ledger {}; name its folder with --home DIR", ledger.display()))
            }
        }
    }

    /// The control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.run.join("riposte.sock")
    }

    /// Compiled components; only root may write here.
    #[must_use]
    pub fn compiled(&self) -> PathBuf {
        self.state.join("compiled")
    }

    /// Installed components.
    #[must_use]
    pub fn plugins(&self) -> PathBuf {
        self.state.join("plugins")
    }

    /// The bytes of every component that an open entry was made with.
    #[must_use]
    pub fn versions(&self) -> PathBuf {
        self.state.join("versions")
    }

    /// Files that responses took out of reach.
    #[must_use]
    pub fn quarantine(&self) -> PathBuf {
        self.state.join("quarantine")
    }

    /// Values that commands keep.
    #[must_use]
    pub fn values(&self) -> PathBuf {
        self.state.join("state")
    }

    /// What is the engine's own, and never a response's to take.
    #[must_use]
    pub fn own(&self) -> Vec<PathBuf> {
        let folders = [&self.config, &self.state, &self.run, &self.log].map(Clone::clone);
        folders.into_iter().chain(std::env::current_exe()).collect()
    }

    /// Native programs.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.root.join("active-response/bin")
    }

    /// Wazuh's log of what responses did: in Wazuh's home when there is one,
    /// else among our own logs.
    #[must_use]
    pub fn response_log(&self) -> PathBuf {
        let logs = self.root.join("logs");
        if logs.is_dir() { logs } else { self.log.clone() }.join("active-responses.log")
    }

    /// The audit events.
    #[must_use]
    pub fn audit(&self) -> PathBuf {
        self.log.join("audit.jsonl")
    }

    /// Heads of the audit that a key vouches for.
    #[must_use]
    pub fn audit_heads(&self) -> PathBuf {
        self.log.join("audit.heads")
    }

    /// The audit's steps in the words of OCSF.
    #[must_use]
    pub fn ocsf(&self) -> PathBuf {
        self.log.join("ocsf.jsonl")
    }

    /// The alerts that are followed by default.
    #[must_use]
    pub fn alerts(&self) -> PathBuf {
        self.root.join("logs/alerts/alerts.json")
    }

    /// Makes the folders the engine writes to.
    ///
    /// # Errors
    ///
    /// When one cannot be made, is not a folder, or is writable by others.
    pub fn create(&self) -> Result<(), Unusable> {
        let private = [&self.state, &self.compiled(), &self.plugins(), &self.versions(), &self.run];
        for folder in private {
            make(folder, 0o700)?;
        }
        make(&self.log, 0o750)?;
        let parents: BTreeSet<_> =
            [&self.state, &self.run, &self.log].into_iter().filter_map(|one| one.parent()).collect();
        parents.into_iter().try_for_each(not_everybodys)
    }
}

/// Makes a folder and its parents; it must then be ours alone to write.
fn make(folder: &Path, mode: u32) -> Result<(), Unusable> {
    let unusable = |source| Unusable { folder: folder.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(mode).create(folder).map_err(unusable)?;
    let found = std::fs::metadata(folder).map_err(unusable)?;
    if found.mode() & 0o022 != 0 {
        let why = format!("others may write to it; run: chmod go-w {}", folder.display());
        return Err(unusable(io::Error::other(why)));
    }
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us && found.uid() != 0 {
        let why = format!("it belongs to another user; run: chown {us} {}", folder.display());
        return Err(unusable(io::Error::other(why)));
    }
    let probe = rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
    probe.map_err(|errno| unusable(errno.into()))
}

/// Whoever may write the folder that ours lie in could exchange them, unless
/// its sticky bit keeps to each what is theirs.
fn not_everybodys(folder: &Path) -> Result<(), Unusable> {
    let unusable = |source| Unusable { folder: folder.to_owned(), source };
    let mode = std::fs::metadata(folder).map_err(unusable)?.mode();
    if mode & 0o002 == 0 || mode & 0o1000 != 0 {
        return Ok(());
    }
    let why = format!("everybody may write to it; run: chmod o-w {}", folder.display());
    Err(unusable(io::Error::other(why)))
}

/// The parent of `etc/`, when the configuration lies in one that has
/// `active-response/` beside it.
fn wazuh_home(config: &Path) -> Option<PathBuf> {
    let config = absolute(config);
    let folder = if config.is_dir() { config.as_path() } else { config.parent()? };
    let home =
        folder.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "etc"))?.parent()?;
    home.join("active-response").is_dir().then(|| home.to_owned())
}

/// What a user who may not read something is told, behind what the system said.
#[must_use]
pub fn way_out(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied { "; run it as root" } else { "" }
}

fn absolute(path: &Path) -> PathBuf {
    // Fails only for an empty path, which then stays what it is.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A folder the engine needs cannot be used.
#[derive(Debug)]
pub struct Unusable {
    folder: PathBuf,
    source: io::Error,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.display();
        write!(f, "cannot use the folder {folder}: {}; nothing was started. ", self.source)?;
        f.write_str(match self.source.kind() {
            // Root is not to be told to become root.
            io::ErrorKind::PermissionDenied if !rustix::process::geteuid().is_root() => {
                "Run it as root, with `sudo`"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Free some space",
            _ => "Mend that",
        })?;
        f.write_str(", or choose another place with --home DIR")
    }
}

impl std::error::Error for Unusable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_moves_everything() {
        let places = Places::new(Some(Path::new("/srv/r")), None, &[]);
        for path in [places.ledger(), places.socket(), places.compiled(), places.audit(), places.programs()] {
            assert!(path.starts_with("/srv/r"), "{}", path.display());
        }
    }

    #[test]
    fn wazuhs_home_is_found_by_its_shape() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::DirBuilder::new().recursive(true).create(dir.path().join("ossec/etc/shared")).unwrap();
        let config = dir.path().join("ossec/etc/ossec.conf");
        let root = || Places::new(Some(dir.path()), None, std::slice::from_ref(&config)).root;
        assert_eq!(root(), dir.path());
        std::fs::DirBuilder::new().create(dir.path().join("ossec/active-response")).unwrap();
        assert_eq!(root(), dir.path().join("ossec"));
    }

    #[test]
    fn what_to_do_is_told_of_what_is_wrong() {
        let told =
            |kind: io::ErrorKind| Unusable { folder: "/srv/r".into(), source: kind.into() }.to_string();
        let denied = told(io::ErrorKind::PermissionDenied);
        // Who is root already is told no such thing.
        assert_eq!(denied.contains("`sudo`"), !rustix::process::geteuid().is_root(), "{denied}");
        assert!(denied.contains("--home DIR"), "{denied}");
        assert!(!denied.contains("free some space"), "{denied}");
        assert!(told(io::ErrorKind::StorageFull).contains("Free some space"));
    }

    #[test]
    fn a_folder_others_may_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::new(Some(dir.path()), None, &[]);
        places.create().unwrap();
        rustix::fs::chmod(places.state.as_path(), 0o777.into()).unwrap();
        let refused = places.create().unwrap_err().to_string();
        assert!(refused.contains("chmod go-w"), "{refused}");
        rustix::fs::chmod(places.state.as_path(), 0o700.into()).unwrap();
        places.create().unwrap();
        // Also the one that they all lie in, unless what is in it stays ours.
        rustix::fs::chmod(dir.path(), 0o777.into()).unwrap();
        assert!(places.create().unwrap_err().to_string().contains("chmod o-w"));
        rustix::fs::chmod(dir.path(), 0o1777.into()).unwrap();
        places.create().unwrap();
    }
}
