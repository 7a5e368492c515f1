//! A disk in memory, for SQLite and for the ledger, that forgets what was not
//! synced when the power goes.
//!
//! * `file`: one file: what is in it, and what of that would survive.
//! * `disk`: all files, their names, locks and shared memory; faults.
//! * `sqlite`: the VFS, which is the only unsafe code of the project's tests.

mod disk;
mod file;
mod sqlite;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use riposte_ledger::{LedgerError, Locked};

pub use disk::{Faults, Loss, Syncs};

use crate::random::Random;
use disk::State;
use sqlite::Registered;

/// How much the ledger keeps in reserve, here: enough for what is in force.
const RESERVE_BYTES: usize = 256 * 1024;

/// A disk. Clones are the same one.
#[derive(Clone)]
pub struct Disk {
    // Goes before the state that it points to.
    vfs: Arc<Registered>,
    state: Arc<Mutex<State>>,
    checkpoint_pages: u32,
}

impl Disk {
    /// An empty disk, whose faults come from `random`.
    #[must_use]
    pub fn new(random: Random, checkpoint_pages: u32) -> Self {
        Self::of(State::new(random), checkpoint_pages)
    }

    fn of(state: State, checkpoint_pages: u32) -> Self {
        let state = Arc::new(Mutex::new(state));
        Self { vfs: Arc::new(Registered::new(Arc::clone(&state))), state, checkpoint_pages }
    }

    /// Where the ledger lies.
    #[must_use]
    pub fn ledger(&self) -> &'static Path {
        Path::new("/simulated/ledger.db")
    }

    /// The name by which SQLite knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.vfs.name()
    }

    /// A sound disk with what is on this one now.
    #[must_use]
    pub fn copy(&self, random: Random, checkpoint_pages: u32) -> Self {
        Self::of(self.state().copy(random), checkpoint_pages)
    }

    /// A sound disk with what would be left of this one if the power went now
    /// and took everything that was not synced.
    #[must_use]
    pub fn copy_of_synced(&self) -> Self {
        Self::of(self.state().copy_of_synced(), self.checkpoint_pages)
    }

    /// Whether that is what is on it now.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.state().is_synced()
    }

    /// The process ends: nothing that is still asked of the disk happens.
    pub fn die(&self) {
        self.state().dead = true;
    }

    /// Whether the process has ended, by [`Disk::die`] or [`Disk::die_at`].
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Ends the process in the middle of the so many-th change from now on.
    pub fn die_at(&self, change: u64) {
        self.state().die_in(Some(change));
    }

    /// Takes that back.
    pub fn live_on(&self) {
        self.state().die_in(None);
    }

    /// A new process, after every connection of the old one is closed. With a
    /// `loss`, the power was gone in between.
    pub fn restart(&self, loss: Option<Loss>) {
        self.state().restart(loss);
    }

    /// What fails from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// How much more may be written before the disk is full; `None`: any.
    pub fn set_free(&self, bytes: Option<usize>) {
        self.state().set_free(bytes);
    }

    /// Whether there is an end to what may be written.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.state().is_limited()
    }

    /// What syncing does.
    pub fn set_syncs(&self, syncs: Syncs) {
        self.state().syncs = syncs;
    }

    /// Tells whether nothing is left of it.
    #[cfg(test)]
    pub(crate) fn watch(&self) -> impl Fn() -> bool + use<> {
        let state = Arc::downgrade(&self.state);
        move || state.upgrade().is_none()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl riposte_ledger::Disk for Disk {
    fn vfs(&self) -> Option<&str> {
        Some(self.vfs.name())
    }

    fn checkpoint_pages(&self) -> u32 {
        self.checkpoint_pages
    }

    /// A lock goes with its process, whatever ends it.
    fn lock(&self, path: &Path) -> Result<Locked, LedgerError> {
        if self.is_dead() {
            return Err(LedgerError::CannotOpen { path: path.to_owned(), detail: "dead".to_owned() });
        }
        Ok(Box::new(()))
    }

    fn make_private(&self, path: &Path) -> Result<(), LedgerError> {
        self.state()
            .create(&name_of(path))
            .map_err(|_| LedgerError::CannotOpen { path: path.to_owned(), detail: "simulated".to_owned() })
    }

    fn take_reserve(&self, path: &Path) -> std::io::Result<()> {
        self.state().allocate(&name_of(path), RESERVE_BYTES).map_err(std::io::Error::other)
    }

    fn give_up_reserve(&self, path: &Path) {
        self.state().unlink(&name_of(path));
    }
}

fn name_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
