//! Installed components: the folder from which the engine takes them, and
//! their earlier versions.
//!
//! `plugins/NAME.wasm` is what runs. `plugins/.versions/NAME/` holds every
//! version that was installed under that name, by digest, and a record of
//! them: what is there besides the file decides nothing, so a crash between
//! two steps leaves either the old version or the new one. The record says
//! beforehand what is about to run, so that whoever comes next knows how far a
//! command came that was killed, and ends its work ([`mend`]). What is in force
//! keeps the version that made it in another folder, the engine's own
//! ([`crate::arm::versions`]).
//!
//! * [`apart`]: a component is examined and compiled in a limited process.
//! * [`mod@file`]: a file that is to be one is read, and told apart from what is none.
//! * [`Name`]: what a component may be called; [`Version`], [`record`]: what is known of each.
//! * [`mend`]: what a command leaves that was killed.
//! * [`uses`]: commands that run one, and what they have in force.

pub mod apart;
mod error;
pub mod file;
mod mend;
mod record;
pub mod uses;

use std::fmt;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use riposte_policy::diagnostic::shown;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::files;
use crate::places::Places;
pub use error::InstallError;
use record::Record;
pub use record::Version;

/// Largest component that is read.
pub const LARGEST: u64 = riposte_author::LARGEST;
/// How many versions of one name are kept, with the one that runs.
const KEPT: usize = 5;
/// Where earlier versions lie. No executable can be called so.
const VERSIONS: &str = ".versions";
/// How a file is called until it is whole, behind a `.` and its name.
const PARTIAL: &str = ".partial";
/// The same of what is being removed.
const REMOVED: &str = ".removed";

/// What a component is called, and its executable in a `<command>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The name, without an extension.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let name = text.strip_suffix(".wasm").unwrap_or(text);
        let plain =
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        // The file of one would be taken for the name of another.
        let plain = plain && !name.ends_with(".wasm");
        if plain && (1..=64).contains(&name.len()) && !name.starts_with(['.', '-']) {
            Ok(Self(name.to_owned()))
        } else {
            Err(NotAName(shown(text)))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Nothing can be called so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAName(String);

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cannot name a component: use 1 to 64 of A-Z, a-z, 0-9, -, _ and ., beginning with a letter or digit, and not \
             ending with .wasm",
            self.0
        )
    }
}

impl std::error::Error for NotAName {}

/// The folder of installed components. Nobody else changes it while this lives.
#[derive(Debug)]
pub struct Installed {
    plugins: PathBuf,
    mended: Vec<String>,
    _lock: Option<std::fs::File>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct One {
    /// What it is called.
    pub name: Name,
    /// What runs.
    pub now: Version,
    /// Others that ran, the one that ran last first.
    pub earlier: Vec<Version>,
    /// Digests of those of them whose files are no longer there.
    gone: Vec<String>,
    /// Whether somebody took away the file that ran, so that nothing runs.
    pub lost: bool,
}

impl One {
    /// Whether the file of a version is no longer there, so that it cannot run
    /// again.
    #[must_use]
    pub fn is_gone(&self, version: &Version) -> bool {
        self.gone.contains(&version.sha256)
    }
}

impl Installed {
    /// To look at it.
    #[must_use]
    pub fn to_read(places: &Places) -> Self {
        Self { plugins: places.plugins(), mended: Vec::new(), _lock: None }
    }

    /// To change it: makes the folders that are not there, and
    /// [puts right](Installed::mended) what a command left that was killed.
    ///
    /// # Errors
    ///
    /// When one of them cannot be made or used, or somebody else changes it now.
    pub fn to_change(places: &Places) -> Result<Self, InstallError> {
        places.create().map_err(|error| InstallError::Place(error.to_string()))?;
        let plugins = places.plugins();
        let versions = plugins.join(VERSIONS);
        folder(&versions)?;
        // No component can be called so.
        let path = versions.join(".lock");
        let lock = lock_file(&path).map_err(|source| InstallError::Write { path: path.clone(), source })?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                let mut installed = Self { plugins, mended: Vec::new(), _lock: Some(lock) };
                installed.mended = installed.mend();
                Ok(installed)
            }
            Err(Errno::WOULDBLOCK) => Err(InstallError::Busy),
            Err(errno) => Err(InstallError::Write { path, source: errno.into() }),
        }
    }

    /// What was put right of what a command had left that was killed, for people.
    #[must_use]
    pub fn mended(&self) -> &[String] {
        &self.mended
    }

    /// The file that the engine runs.
    #[must_use]
    pub fn path(&self, name: &Name) -> PathBuf {
        self.plugins.join(format!("{name}.wasm"))
    }

    /// The names of all, sorted.
    ///
    /// # Errors
    ///
    /// When this user may not look.
    pub fn names(&self) -> Result<Vec<Name>, InstallError> {
        let entries = match std::fs::read_dir(&self.plugins) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(InstallError::Read { path: self.plugins.clone(), source }),
        };
        let file = |entry: io::Result<std::fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
        let names = entries.filter_map(file).filter(|file| file.ends_with(".wasm"));
        let mut names: Vec<Name> = names.filter_map(|file| file.parse().ok()).collect();
        names.sort();
        Ok(names)
    }

    /// The digests of all versions that are kept, of every name.
    #[must_use]
    pub fn kept_digests(&self) -> Vec<String> {
        mend::kept_digests(&self.plugins.join(VERSIONS))
    }

    /// What is installed under a name.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn one(&self, name: &Name) -> Result<Option<One>, InstallError> {
        let path = self.path(name);
        let wasm = match files::read_at_most(&path, LARGEST) {
            Ok(wasm) => wasm,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(InstallError::Read { path, source }),
        };
        let digest = riposte_runtime::digest(&wasm);
        let mut earlier = Record::read(&self.kept(name)).settled(&digest.to_string()).versions;
        let at = earlier.iter().position(|version| version.sha256 == digest.to_string());
        // What was put there by hand is no version that is kept.
        let now = at.map_or_else(|| Version::by_hand(digest, wasm.len()), |at| earlier.remove(at));
        let gone = self.gone(name, &earlier);
        Ok(Some(One { name: name.clone(), now, earlier, gone, lost: false }))
    }

    /// What ran under a name until somebody took its file away, when a version of
    /// it is kept.
    #[must_use]
    pub fn lost(&self, name: &Name) -> Option<One> {
        if self.path(name).symlink_metadata().is_ok() {
            return None;
        }
        let mut versions = Record::read(&self.kept(name)).versions;
        let gone = self.gone(name, &versions);
        if gone.len() == versions.len() {
            return None;
        }
        let now = versions.remove(0);
        Some(One { name: name.clone(), now, earlier: versions, gone, lost: true })
    }

    /// The same of all names, sorted.
    #[must_use]
    pub fn all_lost(&self) -> Vec<One> {
        let mut names = mend::names_kept(&self.plugins.join(VERSIONS));
        names.sort();
        names.iter().filter_map(|name| self.lost(name)).collect()
    }

    fn gone(&self, name: &Name, versions: &[Version]) -> Vec<String> {
        let gone = versions.iter().filter(|version| !self.version(name, version).is_file());
        gone.map(|version| version.sha256.clone()).collect()
    }

    /// Whether something lies under a name and cannot be read, such as a link that
    /// leads nowhere.
    #[must_use]
    pub fn is_unreadable(&self, name: &Name) -> bool {
        let path = self.path(name);
        path.symlink_metadata().is_ok() && files::read_at_most(&path, LARGEST).is_err()
    }

    /// The digests of the versions that are known of a name, besides what runs.
    #[must_use]
    pub fn earlier(&self, name: &Name) -> Vec<String> {
        Record::read(&self.kept(name)).versions.into_iter().map(|version| version.sha256).collect()
    }

    /// Puts a version in the place of what runs under a name, and keeps that.
    ///
    /// # Errors
    ///
    /// When something cannot be written; then what ran still does.
    pub fn put(&self, name: &Name, wasm: &[u8], version: Version) -> Result<(), InstallError> {
        let kept = self.kept(name);
        folder(&kept)?;
        let record = Record::to_change(&kept)?;
        let versions = match self.one(name)? {
            Some(before) => {
                self.keep_running(&before)?;
                let there = before.earlier.iter().filter(|version| !before.is_gone(version));
                std::iter::once(&before.now).chain(there).cloned().collect()
            }
            // Somebody took the file away by hand: what is kept of it stays.
            None => {
                let mut versions = record.versions;
                versions.retain(|version| self.version(name, version).is_file());
                versions
            }
        };
        let file = self.version(name, &version);
        Record { versions, next: Some(version) }.write(&kept)?;
        let written = write(&file, wasm).and_then(|()| write(&self.path(name), wasm));
        // Whether it came so far is told by the file that runs, and this is done by
        // the next command when it cannot be done now.
        drop(self.mend_one(name));
        written
    }

    /// Lets a version that is kept run again.
    ///
    /// # Errors
    ///
    /// When its file is gone or was changed, or something cannot be written.
    pub fn switch(&self, one: &One, to: &Version) -> Result<(), InstallError> {
        let wasm = self.kept_bytes(one, to)?;
        if !one.lost {
            self.keep_running(one)?;
        }
        write(&self.path(&one.name), &wasm)
    }

    /// The bytes of a version that is kept.
    ///
    /// # Errors
    ///
    /// When its file is gone or was changed.
    pub fn kept_bytes(&self, one: &One, version: &Version) -> Result<Vec<u8>, InstallError> {
        let path = self.version(&one.name, version);
        let wasm = files::read_at_most(&path, LARGEST)
            .map_err(|source| InstallError::Read { path: path.clone(), source })?;
        let same = riposte_runtime::digest(&wasm).to_string() == version.sha256;
        if same { Ok(wasm) } else { Err(InstallError::Changed(path)) }
    }

    /// Takes a component away, with all its versions.
    ///
    /// # Errors
    ///
    /// When its file stays, or its versions do.
    pub fn remove(&self, name: &Name) -> Result<(), InstallError> {
        let (path, kept, removed) = (self.path(name), self.kept(name), self.removed(name));
        // In one step, and first: by this the next command knows what is to go,
        // should this one be killed.
        match rustix::fs::rename(&kept, &removed) {
            Ok(()) | Err(Errno::NOENT) => sync(&self.plugins.join(VERSIONS)),
            Err(errno) => return Err(InstallError::Write { path: kept, source: errno.into() }),
        }
        // Where somebody took it away already, what is kept of it goes.
        let gone = |errno| errno == Errno::NOENT && removed.is_dir();
        if let Err(errno) = rustix::fs::unlink(&path)
            && !gone(errno)
        {
            // It stays, and so does what is kept of it.
            let _ = rustix::fs::rename(&removed, &kept);
            return Err(InstallError::Write { path, source: errno.into() });
        }
        sync(&self.plugins);
        match std::fs::remove_dir_all(&removed) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(InstallError::Left { path: removed, source })
            }
            _ => Ok(()),
        }
    }

    /// What runs is kept before something else does, also when it was put there
    /// by hand, or what was kept of it is gone or damaged.
    fn keep_running(&self, one: &One) -> Result<(), InstallError> {
        let (kept, path) = (self.kept(&one.name), self.version(&one.name, &one.now));
        let mut record = Record::to_change(&kept)?;
        let is_it = |wasm: &[u8]| riposte_runtime::digest(wasm).to_string() == one.now.sha256;
        if !files::read_at_most(&path, LARGEST).is_ok_and(|wasm| is_it(&wasm)) {
            folder(&kept)?;
            let from = self.path(&one.name);
            let wasm = files::read_at_most(&from, LARGEST)
                .map_err(|source| InstallError::Read { path: from.clone(), source })?;
            if !is_it(&wasm) {
                return Err(InstallError::Exchanged(from));
            }
            write(&path, &wasm)?;
        }
        if !record.has(&one.now.sha256) {
            record.versions.insert(0, one.now.clone());
            record.write(&kept)?;
        }
        Ok(())
    }

    fn kept(&self, name: &Name) -> PathBuf {
        self.plugins.join(VERSIONS).join(name.as_str())
    }

    /// Where that lies while it is removed. No component can be called so.
    fn removed(&self, name: &Name) -> PathBuf {
        self.plugins.join(VERSIONS).join(format!(".{name}{REMOVED}"))
    }

    fn version(&self, name: &Name, version: &Version) -> PathBuf {
        self.kept(name).join(format!("{}.wasm", version.sha256))
    }
}

/// Opens the file that is locked, without waiting for whatever else lies there.
fn lock_file(path: &Path) -> io::Result<std::fs::File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file; remove it")) }
}

/// Makes a folder that is ours alone.
fn folder(path: &Path) -> Result<(), InstallError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| InstallError::Write { path: path.to_owned(), source })
}

/// Writes a file whole or not at all, for this user alone.
fn write(path: &Path, bytes: &[u8]) -> Result<(), InstallError> {
    let failed = |source| InstallError::Write { path: path.to_owned(), source };
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // Hidden: no executable is looked for under such a name.
    let partial = path.with_file_name(format!(".{name}{PARTIAL}"));
    let whole = || {
        // Whatever lies there is nobody's any more.
        let _ = rustix::fs::unlink(&partial);
        #[expect(clippy::disallowed_methods, reason = "this module owns the installed components")]
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        rustix::fs::rename(&partial, path)?;
        sync(path.parent().unwrap_or(Path::new(".")));
        Ok(())
    };
    let written: io::Result<()> = whole();
    if written.is_err() {
        let _ = rustix::fs::unlink(&partial);
    }
    written.map_err(failed)
}

/// Has the names in a folder outlast a loss of power. Where that cannot be had,
/// the step that was just made may be taken back whole, and the record fits both.
fn sync(folder: &Path) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Ok(folder) = rustix::fs::open(folder, flags, Mode::empty()) {
        let _ = rustix::fs::fsync(folder);
    }
}

#[cfg(test)]
mod tests;
