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
mod numbers;
mod offence;
mod owed;
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

use crate::aging::Aging;
use crate::clock::{Clock, Now};
use crate::condition::Shared;
use crate::entry::State;
use crate::error::LedgerError;
use crate::health::Health;
use crate::index::{Index, Live};
use crate::ledger::{Extension, Ledger, Settings};
use crate::owed::{Debt, Owed};
use crate::store::{self, Store};

use clock::{due, due_at, offset_ms};
pub(crate) use input::inputs;
use numbers::Numbers;
pub(crate) use rule::{allows, modes, pauses};

/// With less than this left, in bytes, a failure is the full disk's.
const LITTLE: u64 = 256 * 1024;

/// The writer's side of the ledger.
pub(crate) struct Books {
    path: Arc<Path>,
    store: Store,
    clock: Arc<dyn Clock>,
    index: Arc<Mutex<Index>>,
    /// What the handle knows besides.
    pub(crate) condition: Shared,
    /// What is owed and in the commit under way.
    settling: Vec<(EntryId, Debt)>,
    /// Later ends that are in the commit under way.
    extending: Vec<Extension>,
    /// What undos were answered in the commit under way, before it is durable.
    answered: Owed,
    /// When a damaged database may be salvaged again, in boot time.
    heal_after_ms: i64,
    pub(crate) settings: Settings,
    /// What of an alert is not kept when its entry is over.
    pub(crate) redact: Vec<Pointer>,
    /// The number of this start of the machine in the table `boot`.
    boot: i64,
    /// Wall clock minus boot-time clock, as the due times in the tables have it.
    offset_ms: i64,
    /// When these books were opened.
    opened: Now,
    /// By what something is old enough to be deleted; shared with the audit.
    aging: Arc<Mutex<Option<Aging>>>,
    /// When that was last written down, in boot time.
    aging_kept_ms: i64,
    numbers: Numbers,
    /// Definitions that are in the tables, by their number.
    definitions: HashMap<(Arc<str>, Option<Arc<str>>), i64>,
    /// Per input: what was admitted from above its position.
    handled: HashMap<i64, BTreeSet<(u64, u32)>>,
}

impl Books {
    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Whether there is a file to write to.
    pub(crate) fn is_there(&self) -> Result<(), LedgerError> {
        self.store.is_there(&self.path)
    }

    pub(crate) fn begin(&mut self) -> Result<(), LedgerError> {
        self.extending.clear();
        self.look_at_suspicion()?;
        self.execute("BEGIN IMMEDIATE", ())?;
        self.take_numbers()?;
        self.write_owed()?;
        if self.store.is_short() {
            let (boot_ms, open) = (self.now().boot_ms, self.open_count());
            // It is there or not; either way what is open goes on.
            let _ = self.store.space(boot_ms, open).map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    pub(crate) fn commit(&mut self) -> Result<(), LedgerError> {
        // Last, so that it is also about what was just written.
        let offset_ms = self.follow_wall_clock()?;
        let open = self.open_count();
        self.store.hold(&self.path, open)?;
        self.execute("COMMIT", ())?;
        // Only now: what was not committed is to be followed again.
        self.offset_ms = offset_ms;
        self.numbers.committed();
        self.answered.clear();
        let settled = std::mem::take(&mut self.settling);
        self.condition.lock().owed.settled(&settled);
        let extended = std::mem::take(&mut self.extending);
        let mut index = self.index();
        index.forget_later(&extended);
        index.committed();
        drop(index);
        if self.store.is_short() {
            // What fails here is tried again with the next commit.
            let _ = self.store.empty_log();
            self.stands(&LedgerError::NoRoom { path: self.path.to_path_buf() });
        } else {
            self.works();
        }
        Ok(())
    }

    /// Undoes on disk what was not committed. The memory still shows it, until
    /// [`Books::load`].
    pub(crate) fn roll_back(&mut self, error: &LedgerError) -> Result<(), LedgerError> {
        self.settling.clear();
        self.numbers.rolled_back();
        // SQLite has done it by itself after some errors.
        let undone =
            if self.store.conn.is_autocommit() { Ok(()) } else { self.execute("ROLLBACK", ()).map(drop) };
        // The log's index lies in a file of its own, whose growth fails in other words.
        let is_full = matches!(error, LedgerError::DiskFull { .. })
            || matches!(error, LedgerError::Io { .. })
                && store::free(&self.path).is_some_and(|free| free < LITTLE);
        if is_full {
            self.stands(&LedgerError::DiskFull { path: self.path.to_path_buf() });
            let boot_ms = self.now().boot_ms;
            self.store.give_up_reserve(boot_ms).map_err(|error| self.failed(&error))?;
            self.store.empty_log().map_err(|error| self.failed(&error))?;
        } else if matches!(error, LedgerError::Io { .. }) && Ledger::is_read_only(&self.path) {
            // What is open already fails in other words when a file system is
            // made read-only, as it is after an error of its disk.
            self.stands(&LedgerError::ReadOnly { path: self.path.to_path_buf() });
        } else {
            self.stands(error);
        }
        undone
    }

    /// Notes that the storage does not do what it should; says so when that is new.
    pub(crate) fn stands(&self, error: &LedgerError) {
        let mut condition = self.condition.lock();
        let health = condition.health.failed(error, self.now().wall_ms);
        if health.word() != condition.health.word() {
            tracing::error!("the ledger is {}: {error}", health.word());
        }
        condition.health = health;
    }

    fn works(&self) {
        let mut condition = self.condition.lock();
        if condition.health != Health::Ok {
            tracing::warn!("the ledger can be written again; new responses are taken");
            condition.health = Health::Ok;
        }
    }

    /// Number of open entries.
    fn open_count(&self) -> u64 {
        u64::try_from(self.index().len()).unwrap_or(u64::MAX)
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
