//! Moving a file into the quarantine, and back to its place.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags, chmodat, fchmod,
    fsetxattr, fstat, fsync, futimens, linkat, openat, renameat_with, unlinkat,
};
use rustix::io::Errno;

use super::super::record::{CAPABILITY, Record, stem, unhex};
use super::{Store, is_unchanged, several_names, source};
use crate::path::HostPath;
use crate::place::{Links, errno, look, open_folder, refused};
use crate::refusal::Refusal;

impl Store {
    /// Moves the file here. `false`: it is here.
    pub(super) fn take(&self, path: &HostPath) -> Result<bool, Refusal> {
        let store = self.open()?;
        let record = self.last_record(&store, path)?;
        if self.look(&store, &record.name)? {
            self.seal(&store, &record.name)?;
            // A copy may have been cut short before the file itself went.
            self.remove_copied(path, &record)?;
            return Ok(false);
        }
        let folder = open_folder(path.folder(), Links::None)
            .map_err(|errno| refused(path.as_path(), "reach", errno))?;
        let file = source(&folder, path, path.name())?;
        let found = fstat(&file).map_err(|errno| refused(path.as_path(), "look at", errno))?;
        if !record.is_of(&found) {
            return Err(replaced(path));
        }
        match rename(&folder, path.name(), &store, &record.name) {
            Ok(()) => self.accept(&store, &folder, path, &record)?,
            Err(Errno::XDEV) => self.copy_here(&store, &folder, path, &record, &file)?,
            Err(errno) => return Err(refused(path.as_path(), "move", errno)),
        }
        Ok(true)
    }

    /// Moves the file here for one more holder. What lies at its path beside
    /// the one that is here is another file, and not held with it.
    pub(super) fn join(&self, path: &HostPath) -> Result<bool, Refusal> {
        let taken = self.take(path)?;
        let there = match open_folder(path.folder(), Links::None) {
            Ok(folder) => look(&folder, path.name()),
            Err(errno) => Err(errno),
        };
        match there {
            Ok(Some(_)) => Err(another(path)),
            _ => Ok(taken),
        }
    }

    /// Looks at what a rename brought: the name may have come to mean another
    /// file at the last moment, which then goes back.
    fn accept(
        &self,
        store: &OwnedFd,
        folder: &OwnedFd,
        path: &HostPath,
        record: &Record,
    ) -> Result<(), Refusal> {
        let brought =
            look(store, &record.name).map_err(|errno| self.failed(&record.name, "look at", errno))?;
        let refusal = match brought {
            Some(brought) if !record.is_of(&brought) => replaced(path),
            Some(brought) if brought.st_nlink != 1 => several_names(path),
            Some(_) => {
                self.seal(store, &record.name)?;
                return fsync(folder).map_err(|errno| refused(path.as_path(), "move", errno));
            }
            None => return Err(self.failed(&record.name, "look at", Errno::NOENT)),
        };
        rename(store, &record.name, folder, path.name()).map_err(|errno| {
            let kept = self.folder.join(&record.name);
            Refusal::failed(format!("{refusal}; and what was moved is still at {}: {errno}", kept.display()))
        })?;
        Err(refusal)
    }

    /// Takes every right away from a file in the quarantine.
    pub(super) fn seal(&self, store: &OwnedFd, name: &str) -> Result<(), Refusal> {
        let failed = |errno| self.failed(name, "close", errno);
        let file = self.unseal(store, name)?;
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::fchown(&file, Some(0), Some(0)).map_err(|error| failed(errno(&error)))?;
        }
        fchmod(&file, Mode::empty()).and_then(|()| fsync(&file)).and_then(|()| fsync(store)).map_err(failed)
    }

    /// Opens a file in the quarantine, which nobody else can reach there.
    pub(super) fn unseal(&self, store: &OwnedFd, name: &str) -> Result<OwnedFd, Refusal> {
        let failed = |errno| self.failed(name, "open", errno);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(store, name, flags, Mode::empty()) {
            // Only root opens a file without any right.
            Err(Errno::ACCESS) => {
                chmodat(store, name, Mode::from_raw_mode(0o400), AtFlags::empty()).map_err(failed)?;
                openat(store, name, flags, Mode::empty()).map_err(failed)
            }
            opened => opened.map_err(failed),
        }
    }

    /// Puts the file back. What is back already is a success.
    pub(super) fn give_back(&self, path: &HostPath, record: &Record) -> Result<(), Refusal> {
        let store = self.open()?;
        if !self.look(&store, &record.name)? {
            return self.forget(&store, record);
        }
        let folder = match open_folder(path.folder(), Links::None) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Err(self.kept(path, record, "its folder is gone")),
            Err(Errno::LOOP | Errno::NOTDIR) => {
                return Err(self.kept(path, record, "a link or a file has taken the place of its folder"));
            }
            Err(errno) => return Err(self.kept(path, record, &errno.to_string())),
        };
        if record.sha256.is_some() && is_unchanged(&folder, path, path.name(), record) {
            // It never left, or is back: a copy was cut short before the other one went.
            self.remove(&store, &record.name)?;
            return self.forget(&store, record);
        }
        let file = self.unseal(&store, &record.name)?;
        self.dress(&file, record)?;
        match rename(&store, &record.name, &folder, path.name()) {
            Ok(()) => {}
            Err(Errno::XDEV) => self.copy_back(&store, &folder, path, record, file)?,
            Err(Errno::EXIST) => {
                self.seal(&store, &record.name)?;
                return Err(self.kept(path, record, "something else has taken its place"));
            }
            Err(errno) => {
                self.seal(&store, &record.name)?;
                return Err(self.kept(path, record, &errno.to_string()));
            }
        }
        fsync(&folder).map_err(|errno| refused(path.as_path(), "put back", errno))?;
        self.forget(&store, record)
    }

    /// Gives a file owner, mode and times that are recorded.
    pub(super) fn dress(&self, file: &OwnedFd, record: &Record) -> Result<(), Refusal> {
        let failed = |errno| self.failed(&record.name, "give owner, mode and times back to", errno);
        let now = fstat(file).map_err(failed)?;
        if (now.st_uid, now.st_gid) != (record.uid, record.gid) {
            let owned = std::os::unix::fs::fchown(file, Some(record.uid), Some(record.gid));
            owned.map_err(|error| failed(errno(&error)))?;
        }
        // After the owner: a change of that takes bits and capabilities away.
        fchmod(file, Mode::from_raw_mode(record.mode)).map_err(failed)?;
        if let Some(capability) = record.capability.as_deref().and_then(unhex) {
            fsetxattr(file, CAPABILITY, &capability, XattrFlags::empty()).map_err(failed)?;
        }
        let (tv_sec, tv_nsec) = record.mtime;
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec, tv_nsec },
        };
        futimens(file, &times).and_then(|()| fsync(file)).map_err(failed)
    }

    /// Removes the record of a file that was never taken.
    pub(super) fn forgo_record(&self, record: &Record) -> Result<(), Refusal> {
        let store = self.open()?;
        if self.look(&store, &record.name)? { Ok(()) } else { self.forget(&store, record) }
    }

    fn forget(&self, store: &OwnedFd, record: &Record) -> Result<(), Refusal> {
        self.remove(store, &format!("{}.part", record.name))?;
        self.remove(store, &format!("{}.json", record.name))?;
        fsync(store).map_err(|errno| self.failed(&record.name, "remove", errno))
    }

    pub(super) fn kept(&self, path: &HostPath, record: &Record, why: &str) -> Refusal {
        let kept = self.folder.join(&record.name);
        Refusal::failed(format!(
            "{path} was not put back: {why}; the file is kept as {}: make room for it, and it is put back at the next try, or move it by hand",
            kept.display()
        ))
    }

    /// A name beside the file that is used while it is copied.
    pub(super) fn beside(path: &HostPath) -> String {
        format!(".riposte-{}", stem(path))
    }
}

/// Renames, and never over something.
pub(super) fn rename(from: &OwnedFd, old: &str, to: &OwnedFd, new: &str) -> Result<(), Errno> {
    match renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        // A file system without such a rename.
        Err(Errno::INVAL | Errno::NOSYS) => {
            linkat(from, old, to, new, AtFlags::empty())?;
            unlinkat(from, Path::new(old), AtFlags::empty())
        }
        renamed => renamed,
    }
}

/// Why a file stays where it is while an earlier one of its path is here.
fn another(path: &HostPath) -> Refusal {
    Refusal::failed(format!(
        "{path} was not put in quarantine: an earlier file of this path is there, and a response still holds it; undo that one first (`riposte list` shows it), or move this one by hand"
    ))
}

pub(super) fn replaced(path: &HostPath) -> Refusal {
    let mut refusal =
        Refusal::failed(format!("{path} was replaced by another file while it was being moved"));
    refusal.retry = true;
    refusal
}
