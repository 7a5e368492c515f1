//! Lines in the files of this host.
//!
//! A file is never changed where it lies: what it becomes is written beside
//! it, with its owner, mode, access list and label, reaches the disk, and then
//! takes its name in one step. So whoever reads it sees the old or the new
//! file, also when the machine stops in between. A file that is a mount of its
//! own (in a container) cannot be replaced this way and is refused.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use async_trait::async_trait;
use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, Stat, StatxAttributes, StatxFlags, XattrFlags,
    fcntl_lock, flock, fstat, fsync, openat, renameat, statx, unlinkat,
};
use rustix::io::Errno;

use super::text::{self, Edit, contains, with_marked, without};
use super::{File, Line, Presence, Prior, parts};
use crate::held;
use crate::path::HostPath;
use crate::place::{Links, attributes, blocking, errno, identity, look, open_folder, permissions, refused};
use crate::refusal::Refusal;

/// Largest file in which lines are kept, in bytes: each change writes it anew.
const LARGEST: u64 = 16 << 20;
/// How often a file that somebody else has locked is tried again, and how long
/// each wait is: five seconds in all.
const TRIES: u32 = 500;
const WAIT: Duration = Duration::from_millis(10);

mod marked;

pub use marked::MarkedFiles;

/// The files of this host, without marks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files;

#[async_trait]
impl held::Backend for Files {
    async fn prior(&self, target: &str) -> Result<String, Refusal> {
        let target = Target::parse(target)?;
        blocking(move || target.prior().map(Prior::stored)).await
    }

    async fn make(&self, target: &str) -> Result<bool, Refusal> {
        let target = Target::parse(target)?;
        blocking(move || target.make(None)).await
    }

    async fn restore(&self, target: &str, prior: &str) -> Result<(), Refusal> {
        let (target, prior) = (Target::parse(target)?, Prior::read(prior)?);
        blocking(move || target.restore(prior)).await
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

struct Target {
    file: HostPath,
    line: Line,
}

impl Target {
    fn parse(target: &str) -> Result<Self, Refusal> {
        let (file, line) = parts(target)?;
        Ok(Self { file: HostPath::parse(&file)?, line })
    }

    fn prior(&self) -> Result<Prior, Refusal> {
        let folder = self.folder()?;
        let Some(file) = self.open(&folder, OFlags::RDONLY)? else {
            return Ok(Prior { file: File::Missing, line: Presence::Absent });
        };
        let there = contains(&self.text(&file)?, self.line.as_str());
        Ok(Prior { file: File::There, line: if there { Presence::Present } else { Presence::Absent } })
    }

    fn make(&self, mark: Option<&str>) -> Result<bool, Refusal> {
        let folder = self.folder()?;
        let file = loop {
            match self.locked(&folder)? {
                Some(file) => break file,
                None => self.create(&folder)?,
            }
        };
        match with_marked(&self.text(&file)?, self.line.as_str(), mark) {
            Edit::None => Ok(false),
            Edit::Changed(text) => self.replace(&folder, &file, &text).map(|()| true),
        }
    }

    fn restore(&self, prior: Prior) -> Result<(), Refusal> {
        if prior.line == Presence::Present && !self.is_marked()? {
            return Ok(());
        }
        let folder = match open_folder(self.file.folder(), Links::Ours) {
            // With its folder the line has gone.
            Err(Errno::NOENT) => return Ok(()),
            folder => folder.map_err(|errno| self.failed("reach", errno))?,
        };
        let Some(file) = self.locked(&folder)? else { return Ok(()) };
        let text = self.text(&file)?;
        let left = match without(&text, self.line.as_str()) {
            Edit::None => text,
            Edit::Changed(left) => {
                if !left.is_empty() || !self.was_made(&file, prior) {
                    return self.replace(&folder, &file, &left);
                }
                left
            }
        };
        if left.is_empty() && self.was_made(&file, prior) {
            unlinkat(&folder, self.file.name(), AtFlags::empty())
                .map_err(|errno| self.failed("remove", errno))?;
            fsync(&folder).map_err(|errno| self.failed("remove", errno))?;
        }
        Ok(())
    }

    /// Whether there was no file before the engine's first line in it. Whoever
    /// found one that another entry had made, recorded it as there.
    fn was_made(&self, file: &fs::File, prior: Prior) -> bool {
        let mut value = [0; 1];
        prior.file == File::Missing || rustix::fs::fgetxattr(file, MADE, &mut value[..]).is_ok()
    }

    /// Whether the line is the engine's by its mark: one that somebody else had
    /// written, and took away, was put back by it.
    fn is_marked(&self) -> Result<bool, Refusal> {
        if !marked::takes_marks(&self.file) {
            return Ok(false);
        }
        let text = self.seen()?.unwrap_or_default();
        Ok(text::marked(&text).any(|(_, line)| line == self.line.as_str()))
    }

    /// What the file holds now; `None`: it is not there.
    fn seen(&self) -> Result<Option<Vec<u8>>, Refusal> {
        let folder = match open_folder(self.file.folder(), Links::Ours) {
            Err(Errno::NOENT) => return Ok(None),
            folder => folder.map_err(|errno| self.failed("reach", errno))?,
        };
        self.open(&folder, OFlags::RDONLY)?.map(|file| self.text(&file)).transpose()
    }

    fn folder(&self) -> Result<OwnedFd, Refusal> {
        open_folder(self.file.folder(), Links::Ours).map_err(|errno| self.failed("reach", errno))
    }

    /// The file, if there is one and lines can be kept in it.
    fn open(&self, folder: &OwnedFd, access: OFlags) -> Result<Option<fs::File>, Refusal> {
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(folder, self.file.name(), flags, Mode::empty()) {
            Ok(file) => fs::File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(self.failed("open", errno)),
        };
        let found = self.stat(&file)?;
        let unfit = |why: &str| Err(Refusal::failed(format!("no lines can be kept in {}: {why}", self.file)));
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return unfit("it is no regular file");
        }
        if found.st_nlink > 1 {
            return unfit(
                "it has several names (hard links), and the others would keep the old text; remove them",
            );
        }
        if is_mount(&file) {
            return unfit(MOUNT);
        }
        Ok(Some(file))
    }

    /// The file with both kinds of lock on it: `flock` keeps away other threads
    /// and engines, the lock of `fcntl` those programs that use that one.
    fn locked(&self, folder: &OwnedFd) -> Result<Option<fs::File>, Refusal> {
        for _ in 0..TRIES {
            let Some(file) = self.open(folder, OFlags::RDWR)? else { return Ok(None) };
            let lock = flock(&file, FlockOperation::NonBlockingLockExclusive)
                .and_then(|()| fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive));
            match lock {
                Ok(()) => {
                    // Whoever had it may have put another in its place.
                    let now =
                        look(folder, self.file.name()).map_err(|errno| self.failed("look at", errno))?;
                    let held = identity(&self.stat(&file)?);
                    if now.is_some_and(|now| identity(&now) == held) {
                        self.tidy(folder)?;
                        return Ok(Some(file));
                    }
                }
                Err(Errno::AGAIN | Errno::ACCESS) => std::thread::sleep(WAIT),
                // A file system without locks: the turn of the target has to do.
                Err(Errno::NOTSUP | Errno::NOSYS | Errno::NOLCK) => {
                    self.tidy(folder)?;
                    return Ok(Some(file));
                }
                Err(errno) => return Err(self.failed("lock", errno)),
            }
        }
        Err(Refusal::timeout(format!("another program keeps {} locked; find it with `lslocks`", self.file)))
    }

    /// Removes what a crash left behind. Only who holds the lock writes there.
    fn tidy(&self, folder: &OwnedFd) -> Result<(), Refusal> {
        match unlinkat(folder, self.beside(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(refused(self.file.folder().join(self.beside()), "remove", errno)),
        }
    }

    fn create(&self, folder: &OwnedFd) -> Result<(), Refusal> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(folder, self.file.name(), flags, Mode::from_raw_mode(0o600)) {
            Ok(file) => file,
            Err(Errno::EXIST) => return Ok(()),
            Err(errno) => return Err(self.failed("create", errno)),
        };
        // Whatever the umask is: those who act on the lines must read them.
        let readable = rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644));
        // Where the file system takes no such note, a file that two entries had
        // lines in stays, empty.
        let _ = rustix::fs::fsetxattr(&file, MADE, b"1", XattrFlags::empty());
        readable.and_then(|()| fsync(folder)).map_err(|errno| self.failed("create", errno))
    }

    fn text(&self, file: &fs::File) -> Result<Vec<u8>, Refusal> {
        let mut text = Vec::new();
        let read = file.take(LARGEST + 1).read_to_end(&mut text);
        read.map_err(|error| self.failed("read", errno(&error)))?;
        if text.len() as u64 > LARGEST {
            return Err(Refusal::failed(format!(
                "{} is larger than 16 MiB, too large to keep lines in: remove some",
                self.file
            )));
        }
        Ok(text)
    }

    fn replace(&self, folder: &OwnedFd, old: &fs::File, text: &[u8]) -> Result<(), Refusal> {
        let written = self.write_beside(folder, old, text).and_then(|()| self.put_in_place(folder));
        if written.is_err() {
            // The file is as it was; what is beside it goes now or next time.
            let _ = self.tidy(folder);
        }
        written
    }

    fn write_beside(&self, folder: &OwnedFd, old: &fs::File, text: &[u8]) -> Result<(), Refusal> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let new = openat(folder, self.beside(), flags, Mode::from_raw_mode(0o600));
        let mut new = fs::File::from(new.map_err(|errno| self.failed("write a new version of", errno))?);
        new.write_all(text).map_err(|error| self.failed("write", errno(&error)))?;
        let alike = like(&new, old, &self.stat(old)?);
        alike.map_err(|errno| self.failed("keep owner, mode and attributes of", errno))?;
        fsync(&new).map_err(|errno| self.failed("write", errno))
    }

    fn put_in_place(&self, folder: &OwnedFd) -> Result<(), Refusal> {
        match renameat(folder, self.beside(), folder, self.file.name()) {
            Ok(()) => fsync(folder).map_err(|errno| self.failed("replace", errno)),
            Err(Errno::BUSY | Errno::XDEV) => {
                Err(Refusal::failed(format!("no lines can be kept in {}: {MOUNT}", self.file)))
            }
            Err(errno) => Err(self.failed("replace", errno)),
        }
    }

    /// Where the new version is written: the lock allows one writer at a time.
    fn beside(&self) -> String {
        format!(".{}.riposte-new", self.file.name())
    }

    fn stat(&self, file: &fs::File) -> Result<Stat, Refusal> {
        fstat(file).map_err(|errno| self.failed("look at", errno))
    }

    fn failed(&self, doing: &str, errno: Errno) -> Refusal {
        refused(self.file.as_path(), doing, errno)
    }
}

/// The attribute of a file that the engine made. It moves on to each version.
const MADE: &str = "user.riposte.made";

const MOUNT: &str =
    "it is a mount point of its own and cannot be replaced in one step; mount its folder instead";

/// Whether the file is where a mount begins (Linux 5.8 and later tell).
fn is_mount(file: &fs::File) -> bool {
    let found = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS);
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Gives `new` the owner, mode and attributes of `old`.
fn like(new: &fs::File, old: &fs::File, found: &Stat) -> Result<(), Errno> {
    let fresh = fstat(new)?;
    if (fresh.st_uid, fresh.st_gid) != (found.st_uid, found.st_gid) {
        std::os::unix::fs::fchown(new, Some(found.st_uid), Some(found.st_gid))
            .map_err(|error| errno(&error))?;
    }
    // After the owner: a change of that takes bits away.
    rustix::fs::fchmod(new, permissions(found))?;
    for (name, value) in attributes(old)? {
        match rustix::fs::fsetxattr(new, name.as_slice(), &value, XattrFlags::empty()) {
            // The kernel gives a new file its label by itself where it may not
            // be set; an access list that is lost would open the file.
            Err(Errno::NOTSUP | Errno::PERM) if name.as_slice() != ACCESS_LIST => {}
            result => result?,
        }
    }
    Ok(())
}

const ACCESS_LIST: &[u8] = b"system.posix_acl_access";

#[cfg(test)]
mod tests;
