//! All files of a disk, their names, locks and shared memory; faults.

use std::collections::BTreeMap;
use std::ffi::c_int;

use rusqlite::ffi;

pub use super::file::Loss;

use super::file::File;
use super::sqlite::Region;
use crate::random::Random;

/// What fails, each once in so many times; 0: never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Writing, and making a file.
    pub write: u64,
    /// Syncing.
    pub sync: u64,
    /// Cutting a file off.
    pub truncate: u64,
    /// Reading.
    pub read: u64,
    /// Mapping and locking shared memory.
    pub shared: u64,
    /// Opening a file.
    pub open: u64,
}

/// What syncing does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncs {
    /// What it should.
    Really,
    /// Nothing, and says that it did: what a disk must not do.
    Never,
}

/// A file, by number.
pub(super) type Inode = usize;

/// One connection's hold on a file.
pub(super) type Holder = u64;

pub(super) struct State {
    random: Random,
    files: Vec<File>,
    names: BTreeMap<String, Inode>,
    /// The names as they were when the folder was last synced.
    synced: BTreeMap<String, Inode>,
    locks: BTreeMap<Inode, Locks>,
    shared: BTreeMap<Inode, Shared>,
    holders: Holder,
    changes: u64,
    die_at: Option<u64>,
    /// How large all files may be together.
    capacity: Option<usize>,
    pub(super) dead: bool,
    pub(super) faults: Faults,
    pub(super) syncs: Syncs,
}

/// SQLite's locks on a database file.
#[derive(Clone, Debug, Default)]
struct Locks {
    levels: BTreeMap<Holder, c_int>,
}

/// The memory that connections share beside a database in WAL mode.
#[derive(Default)]
struct Shared {
    regions: Vec<Region>,
    slots: [Slot; SLOTS],
    users: u64,
}

const SLOTS: usize = ffi::SQLITE_SHM_NLOCK as usize;

#[derive(Clone, Debug, Default)]
struct Slot {
    readers: Vec<Holder>,
    writer: Option<Holder>,
}

impl State {
    pub(super) fn new(random: Random) -> Self {
        Self {
            random,
            files: Vec::new(),
            names: BTreeMap::new(),
            synced: BTreeMap::new(),
            locks: BTreeMap::new(),
            shared: BTreeMap::new(),
            holders: 0,
            changes: 0,
            die_at: None,
            capacity: None,
            dead: false,
            faults: Faults::default(),
            syncs: Syncs::Really,
        }
    }

    pub(super) fn copy(&self, random: Random) -> Self {
        let mut copy = Self::new(random);
        for (name, inode) in &self.names {
            copy.add(name, self.files[*inode].clone());
        }
        copy.files.iter_mut().for_each(File::sync);
        copy.sync_names();
        copy
    }

    pub(super) fn copy_of_synced(&self) -> Self {
        let mut copy = Self::new(Random::new(0, 0));
        for (name, inode) in &self.synced {
            copy.add(name, self.files[*inode].synced());
        }
        copy.sync_names();
        copy
    }

    pub(super) fn is_synced(&self) -> bool {
        // A name that is gone but would come back is no loss; one that is new is.
        // Nobody needs the reserve to be there.
        let named = self
            .names
            .iter()
            .all(|(name, inode)| self.synced.get(name) == Some(inode) || name.ends_with(".reserve"));
        named && self.names.values().all(|inode| self.files[*inode].is_synced())
    }

    pub(super) fn die_in(&mut self, changes: Option<u64>) {
        self.die_at = changes.map(|changes| self.changes + changes);
    }

    pub(super) fn set_free(&mut self, bytes: Option<usize>) {
        self.capacity = bytes.map(|bytes| self.used() + bytes);
    }

    pub(super) fn is_limited(&self) -> bool {
        self.capacity.is_some()
    }

    pub(super) fn restart(&mut self, loss: Option<Loss>) {
        self.dead = false;
        self.die_at = None;
        self.locks.clear();
        self.shared.clear();
        let Some(loss) = loss else { return };
        for file in &mut self.files {
            file.lose(loss, &mut self.random);
        }
        let mut names = self.synced.clone();
        let changed: Vec<String> = self.names.keys().chain(self.synced.keys()).cloned().collect();
        for name in changed {
            let kept = match loss {
                Loss::All => false,
                Loss::None => true,
                Loss::Later | Loss::Torn => self.random.percent(50),
            };
            match self.names.get(&name) {
                Some(inode) if kept => names.insert(name, *inode),
                None if kept => names.remove(&name),
                _ => None,
            };
        }
        self.synced.clone_from(&names);
        self.names = names;
    }

    // Names.

    pub(super) fn find(&self, name: &str) -> Option<Inode> {
        self.names.get(name).copied()
    }

    pub(super) fn create(&mut self, name: &str) -> Result<(), c_int> {
        self.find_or_create(name).map(drop)
    }

    pub(super) fn find_or_create(&mut self, name: &str) -> Result<Inode, c_int> {
        if let Some(inode) = self.find(name) {
            return if self.dead { Err(ffi::SQLITE_CANTOPEN) } else { Ok(inode) };
        }
        self.change(self.faults.write, ffi::SQLITE_CANTOPEN)?;
        Ok(self.add(name, File::default()))
    }

    /// A file without a name.
    pub(super) fn nameless(&mut self) -> Inode {
        self.files.push(File::default());
        self.files.len() - 1
    }

    /// A file of so many bytes, all of them there or none.
    pub(super) fn allocate(&mut self, name: &str, bytes: usize) -> Result<(), &'static str> {
        let inode = self.find_or_create(name).map_err(|_| "no such file can be made")?;
        let missing = bytes.saturating_sub(self.files[inode].data().len());
        if missing > self.free() {
            return Err("no space left");
        }
        if missing > 0 {
            let from = bytes - missing;
            self.files[inode].write(from, &vec![0; missing]);
            self.files[inode].sync();
        }
        Ok(())
    }

    pub(super) fn unlink(&mut self, name: &str) {
        if !self.dead {
            self.names.remove(name);
        }
    }

    pub(super) fn delete(&mut self, name: &str, sync: bool) -> Result<(), c_int> {
        self.change(self.faults.write, ffi::SQLITE_IOERR_DELETE)?;
        if self.names.remove(name).is_none() {
            return Err(ffi::SQLITE_IOERR_DELETE_NOENT);
        }
        if sync {
            self.sync_folder()?;
        }
        Ok(())
    }

    pub(super) fn sync_folder(&mut self) -> Result<(), c_int> {
        // SQLite's own VFS takes no notice when this fails, so here it does not.
        self.change(0, ffi::SQLITE_IOERR_DIR_FSYNC)?;
        self.sync_names();
        Ok(())
    }

    fn sync_names(&mut self) {
        if self.syncs == Syncs::Really {
            self.synced = self.names.clone();
        }
    }

    fn add(&mut self, name: &str, file: File) -> Inode {
        self.files.push(file);
        let inode = self.files.len() - 1;
        self.names.insert(name.to_owned(), inode);
        inode
    }

    // Contents.

    /// What there is of so many bytes.
    pub(super) fn read(&mut self, inode: Inode, at: usize, bytes: usize) -> Result<&[u8], c_int> {
        if self.dead || self.random_fault(self.faults.read) {
            return Err(ffi::SQLITE_IOERR_READ);
        }
        let there = self.files[inode].data().get(at..).unwrap_or_default();
        Ok(&there[..there.len().min(bytes)])
    }

    pub(super) fn write(&mut self, inode: Inode, at: usize, data: &[u8]) -> Result<(), c_int> {
        let was_dead = self.dead;
        if let Err(code) = self.change(self.faults.write, ffi::SQLITE_IOERR_WRITE) {
            // Some of it may be there all the same.
            if !was_dead && self.random.percent(50) {
                let part = self.random.index(data.len() + 1);
                self.files[inode].write(at, &data[..part]);
            }
            return Err(code);
        }
        let growth = (at + data.len()).saturating_sub(self.size(inode));
        if growth > self.free() {
            return Err(ffi::SQLITE_FULL);
        }
        self.files[inode].write(at, data);
        Ok(())
    }

    pub(super) fn truncate(&mut self, inode: Inode, to: usize) -> Result<(), c_int> {
        self.change(self.faults.truncate, ffi::SQLITE_IOERR_TRUNCATE)?;
        self.files[inode].truncate(to);
        Ok(())
    }

    pub(super) fn sync(&mut self, inode: Inode) -> Result<(), c_int> {
        self.change(self.faults.sync, ffi::SQLITE_IOERR_FSYNC)?;
        if self.syncs == Syncs::Really {
            self.files[inode].sync();
        }
        Ok(())
    }

    pub(super) fn size(&self, inode: Inode) -> usize {
        self.files[inode].data().len()
    }

    fn used(&self) -> usize {
        self.names.values().map(|inode| self.size(*inode)).sum()
    }

    fn free(&self) -> usize {
        self.capacity.map_or(usize::MAX, |capacity| capacity.saturating_sub(self.used()))
    }

    // Faults.

    /// Counts a change, and refuses it where the process dies or it fails.
    fn change(&mut self, fault: u64, code: c_int) -> Result<(), c_int> {
        if self.dead {
            return Err(code);
        }
        self.changes += 1;
        if self.die_at.is_some_and(|at| self.changes >= at) {
            self.dead = true;
            return Err(code);
        }
        if self.random_fault(fault) { Err(code) } else { Ok(()) }
    }

    fn random_fault(&mut self, fault: u64) -> bool {
        fault > 0 && self.random.once_in(fault)
    }

    pub(super) fn refuses_to_open(&mut self) -> bool {
        self.dead || self.random_fault(self.faults.open)
    }

    // Locks, as in SQLite's documentation of xLock and xUnlock.

    pub(super) fn holder(&mut self) -> Holder {
        self.holders += 1;
        self.holders
    }

    pub(super) fn lock(&mut self, inode: Inode, holder: Holder, level: c_int) -> Result<(), c_int> {
        if self.dead {
            return Err(ffi::SQLITE_IOERR_LOCK);
        }
        let levels = &mut self.locks.entry(inode).or_default().levels;
        let others = levels.iter().filter(|(other, _)| **other != holder).map(|(_, level)| *level).max();
        let others = others.unwrap_or(ffi::SQLITE_LOCK_NONE);
        let mine = levels.get(&holder).copied().unwrap_or(ffi::SQLITE_LOCK_NONE);
        if mine >= level {
            return Ok(());
        }
        let (most, instead) = match level {
            ffi::SQLITE_LOCK_SHARED => (ffi::SQLITE_LOCK_RESERVED, None),
            ffi::SQLITE_LOCK_RESERVED => (ffi::SQLITE_LOCK_SHARED, None),
            _ => (ffi::SQLITE_LOCK_NONE, Some(ffi::SQLITE_LOCK_PENDING)),
        };
        if others <= most {
            levels.insert(holder, level);
            return Ok(());
        }
        if let Some(instead) = instead.filter(|_| others <= ffi::SQLITE_LOCK_SHARED) {
            levels.insert(holder, instead);
        }
        Err(ffi::SQLITE_BUSY)
    }

    pub(super) fn unlock(&mut self, inode: Inode, holder: Holder, level: c_int) {
        let levels = &mut self.locks.entry(inode).or_default().levels;
        match level {
            ffi::SQLITE_LOCK_NONE => levels.remove(&holder),
            level => levels.insert(holder, level),
        };
    }

    pub(super) fn is_reserved(&self, inode: Inode) -> bool {
        let locks = self.locks.get(&inode);
        locks.is_some_and(|locks| locks.levels.values().any(|level| *level >= ffi::SQLITE_LOCK_RESERVED))
    }

    // Shared memory.

    pub(super) fn join_shared(&mut self, inode: Inode) {
        self.shared.entry(inode).or_default().users += 1;
    }

    /// The last one to leave takes the memory along.
    pub(super) fn leave_shared(&mut self, inode: Inode, holder: Holder) {
        let Some(shared) = self.shared.get_mut(&inode) else { return };
        shared.users = shared.users.saturating_sub(1);
        for slot in &mut shared.slots {
            slot.readers.retain(|other| *other != holder);
            slot.writer = slot.writer.filter(|other| *other != holder);
        }
        if shared.users == 0 {
            self.shared.remove(&inode);
        }
    }

    /// Region `number`; made when it is not there and `make` says so.
    pub(super) fn map(
        &mut self,
        inode: Inode,
        number: usize,
        bytes: usize,
        make: bool,
    ) -> Result<*mut u8, c_int> {
        if self.dead || self.random_fault(self.faults.shared) {
            return Err(ffi::SQLITE_IOERR_SHMMAP);
        }
        let shared = self.shared.entry(inode).or_default();
        while make && shared.regions.len() <= number {
            shared.regions.push(Region::new(bytes));
        }
        Ok(shared.regions.get(number).map_or(std::ptr::null_mut(), Region::address))
    }

    pub(super) fn lock_shared(
        &mut self,
        inode: Inode,
        holder: Holder,
        slots: std::ops::Range<usize>,
        flags: c_int,
    ) -> Result<(), c_int> {
        let lets_go = flags & ffi::SQLITE_SHM_UNLOCK != 0;
        // No system fails to let go, and SQLite would take no notice of it.
        if !lets_go && (self.dead || self.random_fault(self.faults.shared)) {
            return Err(ffi::SQLITE_IOERR_SHMLOCK);
        }
        let shared = self.shared.entry(inode).or_default();
        let Some(slots) = shared.slots.get_mut(slots) else { return Err(ffi::SQLITE_IOERR_SHMLOCK) };
        let alone = flags & ffi::SQLITE_SHM_EXCLUSIVE != 0;
        if lets_go {
            for slot in slots {
                slot.readers.retain(|other| *other != holder);
                slot.writer = slot.writer.filter(|other| *other != holder);
            }
            return Ok(());
        }
        let taken = |slot: &Slot| {
            slot.writer.is_some_and(|other| other != holder)
                || alone && slot.readers.iter().any(|other| *other != holder)
        };
        if slots.iter().any(taken) {
            return Err(ffi::SQLITE_BUSY);
        }
        for slot in slots {
            if alone {
                slot.writer = Some(holder);
            } else if !slot.readers.contains(&holder) {
                slot.readers.push(holder);
            }
        }
        Ok(())
    }
}
