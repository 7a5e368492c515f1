//! What the ledger does while its storage does not answer, and for the day it
//! is damaged.

use std::path::Path;

use riposte_policy::order::EntryId;

use super::{Ledger, Pending, Wait};
use crate::backup::{self, Backed};
use crate::entry::{Cause, EffectRow, Standing, State, Undo};
use crate::error::LedgerError;
use crate::health::Health;
use crate::reader;
use crate::salvage::{self, Salvaged};

impl Ledger {
    /// How the storage stands. From memory.
    pub fn health(&self) -> Health {
        self.0.condition.lock().health.clone()
    }

    /// Number of entries that were undone, or begun to be, without being
    /// recorded yet. From memory.
    #[must_use]
    pub fn owed(&self) -> usize {
        self.0.condition.lock().owed.len()
    }

    /// Whether an entry has still to be carried out. From memory, which knows of
    /// an undo before whoever asked for it hears that it began.
    #[must_use]
    pub fn is_intended(&self, id: EntryId) -> bool {
        let index = self.index();
        index.get(id).is_some_and(|live| live.state == State::Intended)
    }

    /// What became of this ledger when it was last found damaged.
    #[must_use]
    pub fn salvaged(&self) -> Option<Salvaged> {
        self.0.condition.lock().salvaged.clone()
    }

    /// The last copy that was made, by this engine or the one before.
    #[must_use]
    pub fn backed_up(&self) -> Option<Backed> {
        self.0.condition.lock().backup.clone()
    }

    /// Begins an undo that [`Ledger::begin_undo`] could not record: from now on
    /// the entry counts as being undone. All that it takes is read as far as the
    /// storage can be read; `None`: it cannot.
    ///
    /// # Errors
    ///
    /// As [`Ledger::begin_undo`]; of the storage only when nobody can say whether
    /// the entry is open.
    pub async fn begin_unrecorded(&self, id: EntryId, cause: &Cause) -> Result<Option<Undo>, LedgerError> {
        {
            let mut condition = self.0.condition.lock();
            let mut index = self.index();
            let live = index.get(id).ok_or_else(|| match condition.is_stale {
                false => LedgerError::NoSuchEntry(id),
                true => LedgerError::Io {
                    path: self.0.path.to_path_buf(),
                    detail: "what was committed could not be read again".to_owned(),
                },
            })?;
            if *cause == Cause::Due {
                live.refuse_unless_due(self.0.clock.now().boot_ms)?;
            }
            condition.owed.begin(id, cause);
            index.set_state(id, State::Undoing);
        }
        self.0.writer.owe();
        let read = move |conn: &rusqlite::Connection| {
            let Some(entry) = reader::entry(conn, id)? else { return Ok(None) };
            Ok(Some(Undo { entry, effects: reader::effects(conn, id)? }))
        };
        Ok(self.0.reader.ask(read).await.unwrap_or_default())
    }

    /// Lets go of an effect when [`Ledger::release`] could not record it: how
    /// long it is to stay now. Recorded as soon as it can be.
    pub fn release_unrecorded(&self, id: EntryId, interface: &str, target: &str) -> Standing {
        let boot_ms = self.0.clock.now().boot_ms;
        let mut condition = self.0.condition.lock();
        let mut index = self.index();
        let print = index.target(interface, target);
        if index.holds(id, print) {
            condition.owed.begin(id, &Cause::Failed);
            condition.owed.release(id, interface, target);
            index.set_state(id, State::Undoing);
            index.release(id, print);
        }
        index.standing(print, None, boot_ms)
    }

    /// What restores the state before the first claim on a target, when
    /// [`Ledger::prior`] could not say: as it was last committed.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn prior_committed(
        &self,
        id: EntryId,
        interface: &str,
        target: &str,
    ) -> Result<Option<String>, LedgerError> {
        let (interface, target) = (interface.to_owned(), target.to_owned());
        let effects = self.0.reader.ask(move |conn| reader::effects(conn, id)).await?;
        let found =
            effects.into_iter().find(|effect| effect.interface == interface && effect.target == target);
        Ok(found.and_then(|effect| effect.prior))
    }

    /// Ends an entry that was undone when [`Ledger::undone`] could not record
    /// it: nobody holds anything for it any more. Recorded as soon as it can be.
    pub fn undone_unrecorded(&self, id: EntryId, cause: &Cause) {
        {
            let mut condition = self.0.condition.lock();
            let mut index = self.index();
            condition.owed.begin(id, cause).is_over = true;
            index.remove(id);
        }
        self.0.writer.owe();
    }

    /// What open entries hold, at most so many effects, by entry.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn open_effects(&self, most: u32) -> Result<Vec<(EntryId, EffectRow)>, LedgerError> {
        self.0.reader.ask(move |conn| reader::open_effects(conn, most)).await
    }

    /// Copies the ledger beside itself, unless nothing changed since the last
    /// copy (`None`). It takes its time, on a connection of its own: not for a
    /// thread that others wait for.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NoRoom`] when that would fill the disk, and when the
    /// ledger cannot be read or the copy not be written.
    pub fn back_up(&self) -> Result<Option<Backed>, LedgerError> {
        let log = crate::store::beside(&self.0.path, "-wal");
        let changed = [&*self.0.path, &log].into_iter().filter_map(backup::written_ms).max();
        if let (Some(last), Some(changed)) = (self.backed_up(), changed)
            && backup::exists(&last.path)
            && changed <= last.time_ms
        {
            return Ok(None);
        }
        let backed = backup::keep(&self.0.path, self.0.clock.now().wall_ms)?;
        self.0.condition.lock().backup = Some(backed.clone());
        Ok(Some(backed))
    }

    /// Copies the ledger at `path` to a new file, also beside an engine.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or the copy not be written.
    pub fn copy(path: &Path, to: &Path, now_ms: i64) -> Result<Backed, LedgerError> {
        backup::copy(path, to, now_ms)
    }

    /// Makes a new ledger at `to` out of a damaged one and the copies beside it,
    /// which all stay as they are. No engine has it open.
    ///
    /// # Errors
    ///
    /// When the new one cannot be written, or is there already.
    pub fn recover(path: &Path, to: &Path, now_ms: i64) -> Result<Salvaged, LedgerError> {
        let salvaged = salvage::make(path, to, path, "recovered by hand", now_ms)?;
        backup::sync(to)?;
        Ok(salvaged)
    }

    /// What is in force for a time, and when it is due, also when that has passed:
    /// for a timer that has to learn it once more, after a salvage.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn in_force(&self) -> Result<Vec<Pending>, LedgerError> {
        self.ask(Wait::Applied, |books| books.in_force()).await
    }

    /// Where what is remembered of open entries is not what the tables say, in
    /// sentences.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn verify_memory(&self) -> Result<Vec<String>, LedgerError> {
        self.ask(Wait::Applied, |books| books.verify_memory()).await
    }

    /// Gives no entry a number up to `id`: the host shows it on something that
    /// this ledger never heard of. Durable.
    ///
    /// # Errors
    ///
    /// When it could not be recorded.
    pub async fn never_again(&self, id: EntryId) -> Result<(), LedgerError> {
        self.ask(Wait::Durable, move |books| books.never_again(id)).await
    }
}
