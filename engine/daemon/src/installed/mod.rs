//! Installed components: the folder from which the engine takes them, and
//! their earlier versions.
//!
//! `plugins/NAME.wasm` is what runs. `plugins/.versions/NAME/` holds every
//! version that was installed under that name, by digest, and a record of
//! them: what is there besides the file decides nothing, so a crash between
//! two steps leaves either the old version or the new one. What is in force
//! keeps the version that made it in another folder, the engine's own
//! ([`crate::arm::versions`]).
//!
//! * [`apart`]: a component is examined and compiled in a limited process.
//! * [`mod@file`]: a file that is to be one is read, and told apart from what is none.
//! * [`Name`]: what a component may be called; [`Version`], [`record`]: what is known of each.
//! * [`uses`]: commands that run one, and what they have in force.

pub mod apart;
pub mod file;
mod record;
pub mod uses;

use std::fmt;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use riposte_policy::diagnostic::shown;
use rustix::fs::FlockOperation;

use crate::files;
use crate::places::Places;
use record::Record;
pub use record::Version;

/// Largest component that is read. The largest that an SDK makes, Python's,
/// have some 20 MiB.
pub const LARGEST: u64 = 128 << 20;
/// How many versions of one name are kept, with the one that runs.
const KEPT: usize = 5;
/// Where earlier versions lie. No executable can be called so.
const VERSIONS: &str = ".versions";

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
            "{} cannot name a component: use 1 to 64 of A-Z, a-z, 0-9, -, _ and ., beginning with a letter or digit",
            self.0
        )
    }
}

impl std::error::Error for NotAName {}

/// The folder of installed components. Nobody else changes it while this lives.
#[derive(Debug)]
pub struct Installed {
    plugins: PathBuf,
    _lock: Option<std::fs::File>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct One {
    /// What it is called.
    pub name: Name,
    /// What runs.
    pub now: Version,
    /// Others that are kept, the one that ran last first.
    pub earlier: Vec<Version>,
}

impl Installed {
    /// To look at it.
    #[must_use]
    pub fn to_read(places: &Places) -> Self {
        Self { plugins: places.plugins(), _lock: None }
    }

    /// To change it: makes the folders that are not there.
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
        #[expect(clippy::disallowed_methods, reason = "this module owns the installed components")]
        let lock =
            std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = lock.map_err(|source| InstallError::Write { path: path.clone(), source })?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { plugins, _lock: Some(lock) }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(InstallError::Busy),
            Err(errno) => Err(InstallError::Write { path, source: errno.into() }),
        }
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
        let mut versions = Record::read(&self.kept(name)).versions;
        let at = versions.iter().position(|version| version.sha256 == digest.to_string());
        // What was put there by hand is no version that is kept.
        let now = at.map_or_else(|| Version::by_hand(digest, wasm.len()), |at| versions.remove(at));
        versions.retain(|version| self.version(name, version).is_file());
        Ok(Some(One { name: name.clone(), now, earlier: versions }))
    }

    /// Puts a version in the place of what runs under a name, and keeps that.
    ///
    /// # Errors
    ///
    /// When something cannot be written; then what ran still does.
    pub fn put(&self, name: &Name, wasm: &[u8], version: Version) -> Result<(), InstallError> {
        let kept = self.kept(name);
        folder(&kept)?;
        let mut order = vec![version];
        let before = self.one(name)?;
        if let Some(before) = &before {
            self.keep_by_hand(before)?;
            order.push(before.now.clone());
            order.extend(before.earlier.iter().cloned());
        }
        let mut seen = std::collections::HashSet::new();
        order.retain(|version| seen.insert(version.sha256.clone()));
        let dropped = order.split_off(order.len().min(KEPT));
        if let Some(version) = order.first() {
            write(&self.version(name, version), wasm)?;
        }
        // The record comes last: a crash before it leaves what ran until then as
        // the one to go back to, never a version that has not run.
        write(&self.path(name), wasm)?;
        if let Err(error) = (Record { versions: order }).write(&kept) {
            // What ran is to run on, as the error says.
            match &before {
                Some(one) => write(&self.path(name), &self.kept_bytes(one, &one.now)?)?,
                None => drop(rustix::fs::unlink(self.path(name))),
            }
            return Err(error);
        }
        for version in dropped {
            // What stays lies there unused.
            let _ = rustix::fs::unlink(self.version(name, &version));
        }
        Ok(())
    }

    /// Lets a version that is kept run again.
    ///
    /// # Errors
    ///
    /// When its file is gone or was changed, or something cannot be written.
    pub fn switch(&self, one: &One, to: &Version) -> Result<(), InstallError> {
        self.keep_by_hand(one)?;
        write(&self.path(&one.name), &self.kept_bytes(one, to)?)
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
    /// When its file stays.
    pub fn remove(&self, name: &Name) -> Result<(), InstallError> {
        let path = self.path(name);
        rustix::fs::unlink(&path).map_err(|errno| InstallError::Write { path, source: errno.into() })?;
        let kept = self.kept(name);
        match std::fs::remove_dir_all(&kept) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(InstallError::Write { path: kept, source })
            }
            _ => Ok(()),
        }
    }

    /// What was put there by hand is kept too before something else runs.
    fn keep_by_hand(&self, one: &One) -> Result<(), InstallError> {
        let path = self.version(&one.name, &one.now);
        if path.is_file() {
            return Ok(());
        }
        folder(&self.kept(&one.name))?;
        let from = self.path(&one.name);
        let wasm = files::read_at_most(&from, LARGEST)
            .map_err(|source| InstallError::Read { path: from, source })?;
        write(&path, &wasm)?;
        let kept = self.kept(&one.name);
        let mut record = Record::read(&kept);
        record.versions.insert(0, one.now.clone());
        record.write(&kept)
    }

    fn kept(&self, name: &Name) -> PathBuf {
        self.plugins.join(VERSIONS).join(name.as_str())
    }

    fn version(&self, name: &Name, version: &Version) -> PathBuf {
        self.kept(name).join(format!("{}.wasm", version.sha256))
    }
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
    let partial = path.with_file_name(format!(".{name}.partial"));
    let whole = || {
        #[expect(clippy::disallowed_methods, reason = "this module owns the installed components")]
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        rustix::fs::rename(&partial, path)?;
        // The name too is to outlast a crash.
        let folder = path.parent().unwrap_or(Path::new("."));
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        rustix::fs::fsync(rustix::fs::open(folder, flags, rustix::fs::Mode::empty())?)?;
        Ok(())
    };
    let written: io::Result<()> = whole();
    if written.is_err() {
        let _ = rustix::fs::unlink(&partial);
    }
    written.map_err(failed)
}

/// Installed components cannot be read or changed.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are the path in question and the system's words")]
pub enum InstallError {
    /// A folder cannot be used.
    Place(String),
    /// Somebody else changes them now.
    Busy,
    /// Something cannot be read.
    Read { path: PathBuf, source: io::Error },
    /// Something cannot be written.
    Write { path: PathBuf, source: io::Error },
    /// A version that was kept is another one now.
    Changed(PathBuf),
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way_out = crate::places::way_out;
        match self {
            Self::Place(why) => f.write_str(why),
            Self::Busy => f.write_str(
                "another `riposte plugin` changes installed components now; wait until it has ended",
            ),
            Self::Read { path, source } => {
                write!(f, "cannot read {}: {source}{}", path.display(), way_out(source))
            }
            Self::Write { path, source } => {
                write!(f, "cannot write {}: {source}; what ran still does{}", path.display(), way_out(source))
            }
            Self::Changed(path) => write!(
                f,
                "{} was changed since it was installed, and is not used; install the version again from its file",
                path.display()
            ),
        }
    }
}

impl std::error::Error for InstallError {}

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_runtime::digest;

    fn version(wasm: &[u8]) -> Version {
        Version { version: Some("0.1.0".to_owned()), ..Version::by_hand(digest(wasm), wasm.len()) }
    }

    fn digests(one: &One) -> (String, Vec<String>) {
        (one.now.sha256.clone(), one.earlier.iter().map(|version| version.sha256.clone()).collect())
    }

    #[test]
    fn names_are_plain() {
        for (text, name) in [("block", "block"), ("a-b_c.d", "a-b_c.d"), ("block.wasm", "block")] {
            assert_eq!(text.parse::<Name>().unwrap().as_str(), name);
        }
        for text in ["", ".wasm", ".versions", "../x", "a/b", "a b", "-x", &"x".repeat(65), "é"] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_version_goes_back_to_the_one_that_ran_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let installed = Installed::to_change(&Places::new(Some(dir.path()), None, &[])).unwrap();
        let name: Name = "block".parse().unwrap();
        assert!(installed.one(&name).unwrap().is_none() && installed.names().unwrap().is_empty());
        let hex = |wasm: &[u8]| digest(wasm).to_string();
        for wasm in [b"a", b"b", b"c"] {
            installed.put(&name, wasm, version(wasm)).unwrap();
        }
        let one = installed.one(&name).unwrap().unwrap();
        assert_eq!(digests(&one), (hex(b"c"), vec![hex(b"b"), hex(b"a")]));
        installed.switch(&one, &one.earlier[0]).unwrap();
        let one = installed.one(&name).unwrap().unwrap();
        assert_eq!(one.now.sha256, hex(b"b"));
        // What ran last is what a new one goes back to.
        installed.put(&name, b"d", version(b"d")).unwrap();
        let one = installed.one(&name).unwrap().unwrap();
        assert_eq!(digests(&one), (hex(b"d"), vec![hex(b"b"), hex(b"c"), hex(b"a")]));
        assert_eq!(installed.names().unwrap(), std::slice::from_ref(&name));
        installed.remove(&name).unwrap();
        assert!(installed.one(&name).unwrap().is_none());
        assert!(!installed.kept(&name).exists());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test plays the operator")]
    fn what_was_put_there_by_hand_is_kept_and_what_was_changed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let installed = Installed::to_change(&Places::new(Some(dir.path()), None, &[])).unwrap();
        let name: Name = "block".parse().unwrap();
        std::fs::write(installed.path(&name), b"by hand").unwrap();
        installed.put(&name, b"new", version(b"new")).unwrap();
        let one = installed.one(&name).unwrap().unwrap();
        assert_eq!(one.earlier[0].sha256, digest(b"by hand").to_string());
        installed.switch(&one, &one.earlier[0]).unwrap();
        let one = installed.one(&name).unwrap().unwrap();
        std::fs::write(installed.version(&name, &one.earlier[0]), b"other").unwrap();
        let refused = installed.switch(&one, &one.earlier[0]).unwrap_err().to_string();
        assert!(refused.contains("was changed"), "{refused}");
        assert_eq!(std::fs::read(installed.path(&name)).unwrap(), b"by hand");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test plays the crash, and the disk")]
    fn what_did_not_get_its_record_is_nothing_to_go_back_to() {
        let dir = tempfile::tempdir().unwrap();
        let installed = Installed::to_change(&Places::new(Some(dir.path()), None, &[])).unwrap();
        let name: Name = "block".parse().unwrap();
        let hex = |wasm: &[u8]| digest(wasm).to_string();
        for wasm in [b"a", b"b"] {
            installed.put(&name, wasm, version(wasm)).unwrap();
        }
        // Killed before the record was written.
        std::fs::write(installed.path(&name), b"c").unwrap();
        let one = installed.one(&name).unwrap().unwrap();
        assert_eq!(digests(&one), (hex(b"c"), vec![hex(b"b"), hex(b"a")]));
        installed.switch(&one, &one.earlier[0]).unwrap();
        // No record can be written: a folder stands in its place.
        let record = installed.kept(&name).join("record.json");
        std::fs::remove_file(&record).unwrap();
        std::fs::create_dir_all(record.join("x")).unwrap();
        assert!(installed.put(&name, b"d", version(b"d")).is_err());
        assert_eq!(std::fs::read(installed.path(&name)).unwrap(), b"b", "what ran still does");
    }

    #[test]
    fn every_name_has_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let installed = Installed::to_change(&Places::new(Some(dir.path()), None, &[])).unwrap();
        for name in ["lock", "versions", "record.json", "a.b"] {
            let name: Name = name.parse().unwrap();
            installed.put(&name, b"a", version(b"a")).unwrap();
            assert_eq!(installed.one(&name).unwrap().unwrap().name, name);
        }
    }

    #[test]
    fn only_so_many_are_kept_and_one_changes_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::new(Some(dir.path()), None, &[]);
        let installed = Installed::to_change(&places).unwrap();
        assert!(matches!(Installed::to_change(&places), Err(InstallError::Busy)));
        let name: Name = "block".parse().unwrap();
        for n in 0..9_u8 {
            installed.put(&name, &[n], version(&[n])).unwrap();
        }
        let one = installed.one(&name).unwrap().unwrap();
        assert_eq!(one.earlier.len(), KEPT - 1);
        let files = std::fs::read_dir(installed.kept(&name)).unwrap().count();
        assert_eq!(files, KEPT + 1, "and the record");
    }
}
