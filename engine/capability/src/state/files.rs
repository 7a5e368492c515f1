//! Values as files: `TENANT/COMMAND/KEY` below one folder.
//!
//! Names of commands and keys may hold anything, so each is the hash of its
//! text. A file is the length of the key in two bytes, the key, and the value;
//! it is written beside its name and takes it in one step.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rustix::fs::{
    AtFlags, Dir, FlockOperation, Mode, OFlags, flock, fstat, fsync, mkdirat, openat, renameat, unlinkat,
};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::{Backend, Key, MOST, Owner, too_much};
use crate::place::{blocking, errno, refused};
use crate::refusal::Refusal;

/// Largest file that is read back: what the largest grant allows in one value,
/// and the length of its key.
const LARGEST: u64 = (64 << 20) + 2;
/// Where a new value is written.
const NEW: &str = "new";

/// Values as files.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
}

impl Files {
    /// Values below `folder`, which is made when it is needed first.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

#[async_trait]
impl Backend for Files {
    async fn get(&self, owner: &Owner, key: &Key) -> Result<Option<Vec<u8>>, Refusal> {
        let (shelf, key) = (self.shelf(owner), key.clone());
        blocking(move || shelf.get(&key)).await
    }

    async fn set(&self, owner: &Owner, key: &Key, value: Vec<u8>, size: u64) -> Result<(), Refusal> {
        let (shelf, key) = (self.shelf(owner), key.clone());
        blocking(move || shelf.set(&key, &value, size)).await
    }

    async fn remove(&self, owner: &Owner, key: &Key) -> Result<bool, Refusal> {
        let (shelf, key) = (self.shelf(owner), key.clone());
        blocking(move || shelf.remove(&key)).await
    }

    async fn keys(&self, owner: &Owner) -> Result<Vec<String>, Refusal> {
        let shelf = self.shelf(owner);
        blocking(move || shelf.keys()).await
    }

    async fn probe(&self) -> Result<(), Refusal> {
        let folder = self.folder.clone();
        blocking(move || make(&folder).map(drop)).await
    }
}

impl Files {
    fn shelf(&self, owner: &Owner) -> Shelf {
        Shelf { root: self.folder.clone(), owner: owner.clone() }
    }
}

/// The values of one owner.
struct Shelf {
    root: PathBuf,
    owner: Owner,
}

impl Shelf {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(folder) = self.locked(Existing::Only)? else { return Ok(None) };
        self.read(&folder, &name(key.as_str())).map(|found| found.map(|(_, value)| value))
    }

    fn set(&self, key: &Key, value: &[u8], size: u64) -> Result<(), Refusal> {
        let Some(folder) = self.locked(Existing::OrNew)? else { return Err(self.failed(Errno::NOENT)) };
        let name = name(key.as_str());
        let mut taken = (key.as_str().len() as u64).saturating_add(value.len() as u64);
        let mut others = 0;
        for other in self.names(&folder)?.iter().filter(|other| **other != name) {
            let found = rustix::fs::statat(&folder, other.as_str(), AtFlags::SYMLINK_NOFOLLOW);
            let found = found.map_err(|errno| self.failed(errno))?;
            taken = taken.saturating_add(u64::try_from(found.st_size).unwrap_or(u64::MAX).saturating_sub(2));
            others += 1;
        }
        if taken > size || others >= MOST {
            return Err(too_much(&self.owner, size));
        }
        self.write(&folder, &name, key, value)
    }

    fn write(&self, folder: &OwnedFd, name: &str, key: &Key, value: &[u8]) -> Result<(), Refusal> {
        // What an earlier call left; the lock keeps others from writing it.
        self.unlink(folder, NEW)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(folder, NEW, flags, Mode::from_raw_mode(0o600));
        let mut file = fs::File::from(file.map_err(|errno| self.failed(errno))?);
        let length = u16::try_from(key.as_str().len()).unwrap_or(u16::MAX).to_be_bytes();
        for part in [&length[..], key.as_str().as_bytes(), value] {
            file.write_all(part).map_err(|error| self.failed(errno(&error)))?;
        }
        let placed =
            fsync(&file).and_then(|()| renameat(folder, NEW, folder, name)).and_then(|()| fsync(folder));
        placed.map_err(|errno| self.failed(errno))
    }

    fn remove(&self, key: &Key) -> Result<bool, Refusal> {
        let Some(folder) = self.locked(Existing::Only)? else { return Ok(false) };
        let removed = self.unlink(&folder, &name(key.as_str()))?;
        if removed {
            fsync(&folder).map_err(|errno| self.failed(errno))?;
        }
        Ok(removed)
    }

    fn keys(&self) -> Result<Vec<String>, Refusal> {
        let Some(folder) = self.locked(Existing::Only)? else { return Ok(Vec::new()) };
        let mut keys = Vec::new();
        for name in self.names(&folder)? {
            keys.extend(self.read(&folder, &name)?.map(|(key, _)| key));
        }
        keys.sort_unstable();
        Ok(keys)
    }

    /// The owner's folder, locked until it is dropped: calls of one owner come
    /// one after the other, also from another process.
    fn locked(&self, existing: Existing) -> Result<Option<OwnedFd>, Refusal> {
        let mut folder = match (existing, open(None, &self.root)) {
            (Existing::Only, Err(Errno::NOENT)) => return Ok(None),
            (Existing::OrNew, _) => make(&self.root)?,
            (Existing::Only, opened) => opened.map_err(|errno| self.failed(errno))?,
        };
        // A tenant's name is plain; hashed all the same, like the command's.
        for part in [name(&self.owner.tenant), name(&self.owner.command)] {
            folder = match open(Some(&folder), Path::new(&part)) {
                Err(Errno::NOENT) if existing == Existing::Only => return Ok(None),
                Err(Errno::NOENT) => {
                    match mkdirat(&folder, part.as_str(), Mode::from_raw_mode(0o700)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(errno) => return Err(self.failed(errno)),
                    }
                    fsync(&folder).map_err(|errno| self.failed(errno))?;
                    open(Some(&folder), Path::new(&part)).map_err(|errno| self.failed(errno))?
                }
                opened => opened.map_err(|errno| self.failed(errno))?,
            };
        }
        flock(&folder, FlockOperation::LockExclusive).map_err(|errno| self.failed(errno))?;
        Ok(Some(folder))
    }

    fn names(&self, folder: &OwnedFd) -> Result<Vec<String>, Refusal> {
        let mut names = Vec::new();
        for entry in Dir::read_from(folder).map_err(|errno| self.failed(errno))? {
            let entry = entry.map_err(|errno| self.failed(errno))?;
            let name = entry.file_name().to_str().unwrap_or_default();
            if name.len() == 64 {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn read(&self, folder: &OwnedFd, name: &str) -> Result<Option<(String, Vec<u8>)>, Refusal> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(folder, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            file => fs::File::from(file.map_err(|errno| self.failed(errno))?),
        };
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).map_err(|error| self.failed(errno(&error)))?;
        let found = (|| {
            let (length, rest) = bytes.split_at_checked(2)?;
            let length = u16::from_be_bytes(length.try_into().ok()?);
            let (key, value) = rest.split_at_checked(usize::from(length))?;
            Some((String::from_utf8(key.to_vec()).ok()?, value.to_vec()))
        })();
        match found {
            Some(found) => Ok(Some(found)),
            None => Err(Refusal::failed(format!(
                "{}/.../{name} is damaged, which a disk does and not this engine: remove it; the value is lost",
                self.root.display()
            ))),
        }
    }

    fn unlink(&self, folder: &OwnedFd, name: &str) -> Result<bool, Refusal> {
        match unlinkat(folder, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(self.failed(errno)),
        }
    }

    fn failed(&self, errno: Errno) -> Refusal {
        refused(&self.root, "keep values in", errno)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Existing {
    Only,
    OrNew,
}

/// The name of the file or folder of a text.
fn name(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn open(folder: Option<&OwnedFd>, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match folder {
        Some(folder) => openat(folder, path, flags, Mode::empty()),
        None => rustix::fs::open(path, flags, Mode::empty()),
    }
}

/// The folder of all values, made when it is not there; only the engine's own
/// user may reach it.
fn make(folder: &Path) -> Result<OwnedFd, Refusal> {
    let failed = |errno| refused(folder, "keep values in", errno);
    match rustix::fs::mkdir(folder, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(failed(errno)),
    }
    let opened = open(None, folder).map_err(failed)?;
    if fstat(&opened).map_err(failed)?.st_mode & 0o077 != 0 {
        return Err(Refusal::failed(format!(
            "others can reach into {0}, where values are kept; run: chmod 700 {0}",
            folder.display()
        )));
    }
    Ok(opened)
}
