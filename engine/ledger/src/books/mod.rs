//! What each request does, on the writer's connection and in the index.
//!
//! Every function here looks first, in memory, whether it may; then writes;
//! then changes the index. So a refusal leaves no trace, and the only errors
//! after the first statement are the storage's, which undo the whole commit.

mod admit;
mod asked;
mod chain;
mod clock;
mod effect;
mod enter;
mod extend;
mod input;
mod load;
mod offence;
mod redact;
mod rekey;
mod rule;
mod undo;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use riposte_policy::keys::Pointer;
use riposte_policy::order::EntryId;
use rusqlite::{CachedStatement, Connection, Params};

use crate::clock::{Clock, Now};
use crate::entry::State;
use crate::error::LedgerError;
use crate::index::{Index, Live};
use crate::ledger::Settings;
use crate::store::Store;

use clock::{due, due_at, offset_ms};
pub(crate) use input::inputs;
pub(crate) use rule::{allows, modes, pauses};

/// The writer's side of the ledger.
pub(crate) struct Books {
    path: Arc<Path>,
    store: Store,
    clock: Arc<dyn Clock>,
    index: Arc<Mutex<Index>>,
    pub(crate) settings: Settings,
    /// What of an alert is not kept when its entry is over.
    pub(crate) redact: Vec<Pointer>,
    /// The number of this start of the machine in the table `boot`.
    boot: i64,
    /// Wall clock minus boot-time clock, as the due times in the tables have it.
    offset_ms: i64,
    /// When these books were opened.
    opened: Now,
    /// Never taken back, not even with a failed commit: nobody then acts on an
    /// entry that has another's number.
    next: i64,
    /// Definitions that are in the tables, by their number.
    definitions: HashMap<(Arc<str>, Option<Arc<str>>), i64>,
    /// Per input: what was admitted from above its position.
    handled: HashMap<i64, BTreeSet<(u64, u32)>>,
}

impl Books {
    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(crate) fn begin(&mut self) -> Result<(), LedgerError> {
        self.execute("BEGIN IMMEDIATE", ()).map(drop)
    }

    pub(crate) fn commit(&mut self) -> Result<(), LedgerError> {
        // Last, so that it is also about what was just written.
        let offset_ms = self.follow_wall_clock()?;
        self.execute("COMMIT", ())?;
        // Only now: what was not committed is to be followed again.
        self.offset_ms = offset_ms;
        Ok(())
    }

    /// Undoes on disk what was not committed. The memory still shows it, until
    /// [`Books::load`].
    pub(crate) fn roll_back(&mut self, error: &LedgerError) -> Result<(), LedgerError> {
        if let LedgerError::DiskFull { .. } = error {
            let boot_ms = self.now().boot_ms;
            self.store.give_up_reserve(boot_ms).map_err(|error| self.failed(&error))?;
        }
        // SQLite has done it by itself after some errors.
        if self.store.conn.is_autocommit() { Ok(()) } else { self.execute("ROLLBACK", ()).map(drop) }
    }

    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The open entry `id`.
    fn live(&self, id: EntryId) -> Result<Live, LedgerError> {
        self.index().get(id).cloned().ok_or(LedgerError::NoSuchEntry(id))
    }

    /// The open entry `id`, which is to get into the state `to`.
    fn live_that_may(&self, id: EntryId, to: State) -> Result<Live, LedgerError> {
        let live = self.live(id)?;
        match live.state.may(to) {
            true => Ok(live),
            false => Err(LedgerError::Illegal { id, from: live.state, to }),
        }
    }

    /// Ends an entry. The alert goes too, except where somebody will ask what
    /// went wrong: undoing needed it, and nothing is left to undo.
    fn close(&mut self, id: EntryId, to: State, error: Option<&str>) -> Result<(), LedgerError> {
        let now = self.now();
        self.execute(
            "UPDATE entry SET state = ?2, closed = ?3, error = coalesce(?4, error) WHERE id = ?1",
            (id.0, to.as_str(), now.wall_ms, error.map(shorten)),
        )?;
        if to != State::Merged {
            self.count_offence(id, &now)?;
        }
        match to {
            State::Failed | State::Unknown => self.redact_body(id)?,
            _ => drop(self.execute("DELETE FROM body WHERE entry = ?1", [id.0])?),
        }
        self.execute("DELETE FROM receipt WHERE entry = ?1", [id.0])?;
        self.index().remove(id);
        Ok(())
    }

    fn statement(&self, sql: &str) -> Result<CachedStatement<'_>, LedgerError> {
        self.store.conn.prepare_cached(sql).map_err(|error| self.failed(&error))
    }

    fn execute(&self, sql: &str, params: impl Params) -> Result<usize, LedgerError> {
        self.statement(sql)?.execute(params).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &rusqlite::Error) -> LedgerError {
        LedgerError::sqlite(&self.path, error)
    }

    fn conn(&self) -> &Connection {
        &self.store.conn
    }
}

/// Keys as the tables keep them. Strings always have a JSON form.
fn keys_json(keys: &[String]) -> String {
    serde_json::to_string(keys).unwrap_or_default()
}

/// Messages come from components and programs: they are cut, not trusted.
fn shorten(message: &str) -> &str {
    message.get(..message.floor_char_boundary(2_048)).unwrap_or(message)
}
