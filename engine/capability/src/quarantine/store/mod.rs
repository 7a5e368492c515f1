//! The quarantine of this host: a folder that only the engine reaches.
//!
//! A file is kept as `HASH-N`, where `HASH` is that of its path and `N` tells
//! several of one path apart, with `HASH-N.json` beside it: what it takes to
//! put it back, written before anything is moved. Each step leaves a state
//! from which the next call goes on, so that a crash anywhere loses nothing.

mod copy;
mod kept;
mod seen;
mod take;

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use riposte_policy::order::EntryId;
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, fgetxattr, fstat, fstatfs, fsync, mkdirat, openat, unlinkat,
};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::never;
use super::record::{CAPABILITY, Record, hex, stem};
use crate::held::{self, Gone, Listed};
use crate::path::HostPath;
use crate::place::{Links, blocking, errno, look, open_folder, refused};
use crate::refusal::Refusal;

pub use self::kept::Kept;

/// Largest file whose digest is taken, in bytes: it has to be read for that.
const DIGESTED: u64 = 256 << 20;

/// File systems that are views of something else (magic numbers of statfs(2)
/// and linux/magic.h): proc, sysfs, devpts, cgroup, cgroup2, debugfs, tracefs,
/// securityfs, selinuxfs, configfs, bpf, mqueue, efivarfs, pstore.
const VIEWS: [u64; 14] = [
    0x9fa0,
    0x6265_6572,
    0x1cd1,
    0x0027_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xf97c_ff8c,
    0x6265_6570,
    0xcafe_4a11,
    0x1980_0202,
    0xde5e_81e4,
    0x6165_676c,
];

/// The quarantine of this host.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    own: Arc<[PathBuf]>,
}

impl Store {
    /// A quarantine in `folder`, which is made when it is needed first. What
    /// lies in `own` is this engine's, and never taken.
    #[must_use]
    pub fn new(folder: PathBuf, own: Vec<PathBuf>) -> Self {
        let own = own.into_iter().chain([folder.clone()]).collect();
        Self { folder, own }
    }

    /// Reads what is needed to put the file back, and writes it down.
    fn record(&self, path: &HostPath, entry: Option<EntryId>) -> Result<Record, Refusal> {
        never::judge_path(path, &self.own)?;
        let folder = open_folder(path.folder(), Links::None)
            .map_err(|errno| refused(path.as_path(), "reach", errno))?;
        let mut file = source(&folder, path, path.name())?;
        let found = fstat(&file).map_err(|errno| refused(path.as_path(), "look at", errno))?;
        never::judge_file(path, &found)?;
        let store = self.open()?;
        let mut record = Record::new(path, self.free_name(&store, path)?, &found);
        record.entry = entry.map(|entry| entry.0);
        let mut value = [0; 64];
        if let Ok(length) = fgetxattr(&file, CAPABILITY, &mut value[..]) {
            record.capability = value.get(..length).map(hex);
        }
        if record.size <= DIGESTED {
            record.sha256 =
                Some(digest(&mut file, DIGESTED).map_err(|errno| refused(path.as_path(), "read", errno))?);
        }
        self.write_record(&store, &record)?;
        Ok(record)
    }

    /// The folder, made when it is not there.
    fn open(&self) -> Result<OwnedFd, Refusal> {
        let failed = |errno| refused(&self.folder, "use the quarantine", errno);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let parent = self.folder.parent().unwrap_or(Path::new("/"));
        let parent =
            rustix::fs::open(parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let parent = parent.map_err(failed)?;
        let name = self.folder.file_name().unwrap_or_default();
        match mkdirat(&parent, name, Mode::from_raw_mode(0o700)) {
            Ok(()) => fsync(&parent).map_err(failed)?,
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(failed(errno)),
        }
        let store = openat(&parent, name, flags, Mode::empty()).map_err(failed)?;
        let found = fstat(&store).map_err(failed)?;
        if found.st_mode & 0o077 != 0 {
            return Err(Refusal::failed(format!(
                "others can reach into the quarantine {0}; run: chmod 700 {0}",
                self.folder.display()
            )));
        }
        Ok(store)
    }

    /// A name for the file of this path that is not in use. Records without a
    /// file, of what was never moved, are removed.
    fn free_name(&self, store: &OwnedFd, path: &HostPath) -> Result<String, Refusal> {
        let stem = stem(path);
        let mut next = 0;
        for number in self.numbers(store, &stem)? {
            let name = format!("{stem}-{number}");
            if self.look(store, &name)? {
                next = next.max(number.saturating_add(1));
            } else {
                self.remove(store, &format!("{name}.json"))?;
            }
        }
        Ok(format!("{stem}-{next}"))
    }

    /// The record that was written last for this path.
    fn last_record(&self, store: &OwnedFd, path: &HostPath) -> Result<Record, Refusal> {
        let stem = stem(path);
        let Some(number) = self.numbers(store, &stem)?.into_iter().max() else {
            return Err(Refusal::failed(format!(
                "the quarantine {} has lost its record of {path}, so it is not moved",
                self.folder.display()
            )));
        };
        self.read_record(store, &format!("{stem}-{number}.json"))
    }

    fn read_record(&self, store: &OwnedFd, name: &str) -> Result<Record, Refusal> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            openat(store, name, flags, Mode::empty()).map_err(|errno| self.failed(name, "read", errno))?;
        let mut text = String::new();
        let read = fs::File::from(file).take(64 << 10).read_to_string(&mut text);
        read.map_err(|error| self.failed(name, "read", errno(&error)))?;
        Record::read(&text)
    }

    /// The numbers of all records of a path.
    fn numbers(&self, store: &OwnedFd, stem: &str) -> Result<Vec<u64>, Refusal> {
        let entries = Dir::read_from(store).map_err(|errno| self.failed("", "list", errno))?;
        let mut numbers = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|errno| self.failed("", "list", errno))?;
            let number = entry.file_name().to_str().ok().and_then(|name| {
                name.strip_prefix(stem)?.strip_prefix('-')?.strip_suffix(".json")?.parse::<u64>().ok()
            });
            numbers.extend(number);
        }
        Ok(numbers)
    }

    fn write_record(&self, store: &OwnedFd, record: &Record) -> Result<(), Refusal> {
        let name = format!("{}.json", record.name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(store, &name, flags, Mode::from_raw_mode(0o600));
        let mut file = fs::File::from(file.map_err(|errno| self.failed(&name, "write", errno))?);
        let written = file.write_all(record.stored().as_bytes()).map_err(|error| errno(&error));
        let durable = written.and_then(|()| fsync(&file)).and_then(|()| fsync(store));
        durable.map_err(|errno| {
            // Nothing is moved without a record, so half a record tells of nothing.
            let _ = self.remove(store, &name);
            self.failed(&name, "write", errno)
        })
    }

    /// Whether the quarantine holds a file of this name.
    fn look(&self, store: &OwnedFd, name: &str) -> Result<bool, Refusal> {
        look(store, name).map(|found| found.is_some()).map_err(|errno| self.failed(name, "look at", errno))
    }

    fn remove(&self, store: &OwnedFd, name: &str) -> Result<(), Refusal> {
        match unlinkat(store, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.failed(name, "remove", errno)),
        }
    }

    fn failed(&self, name: &str, doing: &str, errno: Errno) -> Refusal {
        refused(self.folder.join(name), doing, errno)
    }
}

#[async_trait]
impl held::Backend for Store {
    async fn prior(&self, target: &str) -> Result<String, Refusal> {
        let (store, path) = (self.clone(), HostPath::parse(target)?);
        blocking(move || store.record(&path, None).map(|record| record.stored())).await
    }

    async fn prior_for(&self, entry: EntryId, target: &str) -> Result<String, Refusal> {
        let (store, path) = (self.clone(), HostPath::parse(target)?);
        blocking(move || store.record(&path, Some(entry)).map(|record| record.stored())).await
    }

    async fn forgo(&self, target: &str, prior: &str) {
        let forgotten = match Record::read(prior) {
            Ok(record) => {
                let store = self.clone();
                blocking(move || store.forgo_record(&record)).await
            }
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = forgotten {
            // The next file of this path takes its place.
            tracing::warn!(path = target, "a record of what was not taken stays: {refusal}");
        }
    }

    async fn make(&self, target: &str) -> Result<bool, Refusal> {
        let (store, path) = (self.clone(), HostPath::parse(target)?);
        blocking(move || store.take(&path)).await
    }

    async fn join(&self, target: &str) -> Result<bool, Refusal> {
        let (store, path) = (self.clone(), HostPath::parse(target)?);
        blocking(move || store.join(&path)).await
    }

    async fn restore(&self, target: &str, prior: &str) -> Result<(), Refusal> {
        let (store, path, record) = (self.clone(), HostPath::parse(target)?, Record::read(prior)?);
        blocking(move || store.give_back(&path, &record)).await
    }

    async fn marks(&self, _: &[String]) -> Result<Vec<Listed>, Refusal> {
        let store = self.clone();
        blocking(move || store.kept_files()).await
    }

    async fn gone(&self, claimed: &[String]) -> Result<Gone, Refusal> {
        let (store, claimed) = (self.clone(), claimed.to_vec());
        blocking(move || store.gone(&claimed)).await
    }

    /// Nobody puts a file back that was dangerous once, but who is asked to.
    fn takes_away(&self) -> bool {
        false
    }

    async fn remove(&self, target: &str) -> Result<(), Refusal> {
        let (store, path) = (self.clone(), HostPath::parse(target)?);
        blocking(move || store.give_back(&path, &store.last_record(&store.open()?, &path)?)).await
    }

    async fn probe(&self) -> Result<(), Refusal> {
        let store = self.clone();
        blocking(move || store.open().map(drop)).await
    }
}

/// Opens the file of a path, under that name, when it is one that can be taken.
fn source(folder: &OwnedFd, path: &HostPath, name: &str) -> Result<fs::File, Refusal> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Err(Refusal::failed(format!("there is no file {path}"))),
        // What sockets and devices without a driver answer.
        Err(Errno::NXIO | Errno::NODEV) => return Err(no_file(path)),
        Err(errno) => return Err(refused(path.as_path(), "open", errno)),
    };
    let found = fstat(&file).map_err(|errno| refused(path.as_path(), "look at", errno))?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(no_file(path));
    }
    if found.st_nlink != 1 {
        return Err(several_names(path));
    }
    let system = fstatfs(&file).map_err(|errno| refused(path.as_path(), "look at", errno))?;
    #[allow(clippy::cast_sign_loss, reason = "a magic number of 32 bits, signed on some systems")]
    if VIEWS.contains(&(system.f_type as u64 & 0xffff_ffff)) {
        return Err(Refusal::denied(format!("{path} is no file on a disk, but a view of the kernel's")));
    }
    Ok(fs::File::from(file))
}

fn no_file(path: &HostPath) -> Refusal {
    Refusal::denied(format!(
        "{path} is no regular file; folders, pipes and devices are not put in quarantine"
    ))
}

fn several_names(path: &HostPath) -> Refusal {
    Refusal::denied(format!(
        "{path} has several names (hard links), and the others would still lead to it: it could also be a file of somebody else's"
    ))
}

/// Whether the file under that name is as it was recorded, bytes and all.
fn is_unchanged(folder: &OwnedFd, path: &HostPath, name: &str, record: &Record) -> bool {
    let Ok(mut file) = source(folder, path, name) else { return false };
    let Ok(found) = fstat(&file) else { return false };
    let now = Record::new(path, String::new(), &found);
    (now.mode, now.uid, now.gid, now.mtime, now.size)
        == (record.mode, record.uid, record.gid, record.mtime, record.size)
        && match &record.sha256 {
            Some(wanted) => {
                digest(&mut file, record.size.saturating_add(1)).is_ok_and(|found| found == *wanted)
            }
            None => true,
        }
}

/// SHA-256 of what is left to read, at most `most` bytes, in hexadecimal.
fn digest(file: &mut fs::File, most: u64) -> Result<String, Errno> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    let mut left = most;
    loop {
        let length = file.read(&mut buffer).map_err(|error| errno(&error))?;
        if length == 0 || left == 0 {
            return Ok(hex(&digest.finalize()));
        }
        digest.update(buffer.get(..length).unwrap_or_default());
        left = left.saturating_sub(length as u64);
    }
}

#[cfg(test)]
mod tests;
