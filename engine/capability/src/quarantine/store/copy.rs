//! The same between two file systems, where nothing can be renamed: a copy
//! that reaches the disk before the file itself goes.

use std::fs;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags, XattrFlags, fstat, fsync, openat, unlinkat};
use rustix::io::Errno;

use super::super::record::Record;
use super::take::{rename, replaced};
use super::{Store, is_unchanged};
use crate::path::HostPath;
use crate::place::{Links, attributes, errno, look, open_folder, refused};
use crate::refusal::Refusal;

/// Largest file that is copied, in bytes.
const LARGEST: u64 = 1 << 30;

impl Store {
    pub(super) fn copy_here(
        &self,
        store: &OwnedFd,
        folder: &OwnedFd,
        path: &HostPath,
        record: &Record,
        file: &fs::File,
    ) -> Result<(), Refusal> {
        let part = format!("{}.part", record.name);
        self.remove(store, &part)?;
        copy(file, store, &part).map_err(|fault| fault.refused(path, "copy"))?;
        self.seal(store, &part)?;
        rename(store, &part, store, &record.name).map_err(|errno| self.failed(&part, "rename", errno))?;
        fsync(store).map_err(|errno| self.failed(&record.name, "write", errno))?;
        let removed = self.remove_original(folder, path, record);
        if removed.is_err() && matches!(look(folder, path.name()), Ok(Some(_))) {
            // A file is at the path: nothing was taken. Where there is none, or
            // nobody can tell, the copy is all there is of it.
            self.remove(store, &record.name)?;
        }
        removed
    }

    /// Removes the file of a path after it was copied, and no other: it gets a
    /// name that nobody uses first, and is looked at under that one.
    fn remove_original(&self, folder: &OwnedFd, path: &HostPath, record: &Record) -> Result<(), Refusal> {
        let failed = |errno| refused(path.as_path(), "remove", errno);
        let aside = Self::beside(path);
        rename(folder, path.name(), folder, &aside).map_err(failed)?;
        let moved = look(folder, &aside).map_err(failed)?;
        if !moved.is_some_and(|moved| record.is_of(&moved)) {
            rename(folder, &aside, folder, path.name()).map_err(failed)?;
            return Err(replaced(path));
        }
        if let Err(errno) = unlinkat(folder, &aside, AtFlags::empty()) {
            rename(folder, &aside, folder, path.name()).map_err(failed)?;
            return Err(failed(errno));
        }
        fsync(folder).map_err(failed)
    }

    /// Removes what a crash left of a file that was copied.
    pub(super) fn remove_copied(&self, path: &HostPath, record: &Record) -> Result<(), Refusal> {
        let Ok(folder) = open_folder(path.folder(), Links::None) else { return Ok(()) };
        let failed = |errno| refused(path.as_path(), "remove", errno);
        // A number alone says little here: it is given away again.
        let is_original = |name: &str| {
            let found = look(&folder, name).map_err(failed)?;
            let numbered = found.is_some_and(|found| record.is_of(&found));
            Ok::<_, Refusal>(numbered && is_unchanged(&folder, path, name, record))
        };
        if is_original(&Self::beside(path))? {
            return unlinkat(&folder, Self::beside(path), AtFlags::empty()).map_err(failed);
        }
        if is_original(path.name())? { self.remove_original(&folder, path, record) } else { Ok(()) }
    }

    pub(super) fn copy_back(
        &self,
        store: &OwnedFd,
        folder: &OwnedFd,
        path: &HostPath,
        record: &Record,
        kept: OwnedFd,
    ) -> Result<(), Refusal> {
        let failed = |errno| refused(path.as_path(), "put back", errno);
        let kept = fs::File::from(kept);
        let aside = Self::beside(path);
        match unlinkat(folder, &aside, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(failed(errno)),
        }
        let copied = copy(&kept, folder, &aside).map_err(|fault| fault.refused(path, "put back"));
        let placed = copied.and_then(|copied| {
            let copied = OwnedFd::from(copied);
            self.dress(&copied, record)?;
            match rename(folder, &aside, folder, path.name()) {
                Ok(()) => Ok(copied),
                Err(Errno::EXIST) => Err(self.kept(path, record, "something else has taken its place")),
                Err(errno) => Err(self.kept(path, record, &errno.to_string())),
            }
        });
        let copied = match placed {
            Ok(copied) => copied,
            Err(refusal) => {
                let _ = unlinkat(folder, &aside, AtFlags::empty());
                self.seal(store, &record.name)?;
                return Err(refusal);
            }
        };
        // Who owns the folder may have put another file under either name.
        let (ours, there) = (fstat(&copied).map_err(failed)?, look(folder, path.name()).map_err(failed)?);
        if there.is_none_or(|there| crate::place::identity(&there) != crate::place::identity(&ours)) {
            self.seal(store, &record.name)?;
            return Err(self.kept(path, record, "it was replaced while it was being put back"));
        }
        fsync(folder).map_err(failed)?;
        self.remove(store, &record.name)
    }
}

/// Why a copy was not made.
enum Fault {
    TooLarge,
    System(Errno),
}

impl Fault {
    fn refused(self, path: &HostPath, doing: &str) -> Refusal {
        match self {
            Self::System(errno) => refused(path.as_path(), doing, errno),
            Self::TooLarge => Refusal::failed(format!(
                "{path} is larger than 1 GiB and on another file system than the quarantine; put the engine's state on the same one"
            )),
        }
    }
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

/// Copies bytes and attributes to a new file, durably. A copy that fails is
/// removed.
fn copy(mut from: &fs::File, folder: &OwnedFd, name: &str) -> Result<fs::File, Fault> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut to = fs::File::from(openat(folder, name, flags, Mode::from_raw_mode(0o600))?);
    let copied = (|| {
        from.rewind().map_err(|error| errno(&error))?;
        let bytes = std::io::copy(&mut from.take(LARGEST + 1), &mut to).map_err(|error| errno(&error))?;
        if bytes > LARGEST {
            return Err(Fault::TooLarge);
        }
        to.flush().map_err(|error| errno(&error))?;
        for (name, value) in attributes(from)? {
            // As far as this file system keeps them.
            let _ = rustix::fs::fsetxattr(&to, name.as_slice(), &value, XattrFlags::empty());
        }
        Ok(fsync(&to)?)
    })();
    match copied {
        Ok(()) => Ok(to),
        Err(fault) => {
            let _ = unlinkat(folder, name, AtFlags::empty());
            Err(fault)
        }
    }
}
