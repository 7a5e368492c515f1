//! From the tables to memory, at start and after a failed commit.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};

use riposte_policy::config::Mode;
use riposte_policy::order::EntryId;

use super::numbers::Numbers;
use super::{Books, offset_ms};
use crate::aging::Aging;
use crate::clock::Clock;
use crate::condition::Shared;
use crate::entry::{Entry, State, mode_of};
use crate::error::LedgerError;
use crate::index::{Index, Term};
use crate::ledger::{Pending, Settings};
use crate::owed::Owed;
use crate::reader;
use crate::store::Store;
use crate::{backup, salvage};

/// What the last run left behind.
pub(crate) struct Left {
    pub(crate) recovery: Vec<Entry>,
    pub(crate) pending: Vec<Pending>,
}

impl Books {
    /// Takes over the tables of an opened ledger.
    pub(crate) fn open(
        path: Arc<Path>,
        store: Store,
        clock: Arc<dyn Clock>,
        settings: Settings,
        condition: Shared,
    ) -> Result<(Self, Left), LedgerError> {
        let opened = clock.now();
        let mut books = Self {
            path,
            store,
            clock,
            index: Arc::new(Mutex::new(Index::new())),
            condition,
            settling: Vec::new(),
            extending: Vec::new(),
            answered: Owed::default(),
            heal_after_ms: i64::MIN,
            settings,
            redact: Vec::new(),
            boot: 0,
            offset_ms: offset_ms(&opened),
            aging: Arc::default(),
            aging_kept_ms: opened.boot_ms,
            opened,
            numbers: Numbers::new(),
            definitions: HashMap::new(),
            handled: HashMap::new(),
        };
        if let Err(error) = books.start() {
            // The reserve may be what it takes.
            books.roll_back(&error)?;
            if !books.store.is_short() {
                return Err(error);
            }
            books.start()?;
        }
        books.load()?;
        let left = books.left()?;
        let salvaged = salvage::last(books.conn()).map_err(|error| books.failed(&error))?;
        let mut condition = books.condition.lock();
        condition.salvaged = salvaged;
        condition.backup = backup::last(&books.path);
        drop(condition);
        Ok((books, left))
    }

    /// What a file needs before it is used, now or once it is another.
    pub(super) fn start(&mut self) -> Result<(), LedgerError> {
        self.execute("BEGIN IMMEDIATE", ())?;
        self.find_age()?;
        self.enter_boot()?;
        // What a killed process left may be in the system's memory alone, when
        // syncing had failed. Whatever is done now is done because of it: this
        // writes a page, so that the commit syncs all before it.
        let version = self.conn().pragma_update(None, "user_version", crate::schema::VERSION);
        version.map_err(|error| self.failed(&error))?;
        self.take_first_numbers()?;
        self.keep_age()?;
        self.execute("COMMIT", ())?;
        self.numbers.committed();
        if self.store.hold_log().is_err() || self.store.is_short() {
            let boot_ms = self.now().boot_ms;
            self.store.give_up_reserve(boot_ms).map_err(|error| self.failed(&error))?;
            self.stands(&LedgerError::NoRoom { path: self.path.to_path_buf() });
        }
        Ok(())
    }

    /// By what something is old enough to be deleted.
    pub(crate) fn share_aging(&self) -> Arc<Mutex<Option<Aging>>> {
        Arc::clone(&self.aging)
    }

    pub(crate) fn share_index(&self) -> Arc<Mutex<Index>> {
        Arc::clone(&self.index)
    }

    /// Reads into memory what is committed, in place of what was there.
    pub(crate) fn load(&mut self) -> Result<(), LedgerError> {
        let mut index = self.read_index()?;
        let handled = self.read_handled()?;
        let last = |above: &BTreeSet<(u64, u32)>| above.last().map(|(offset, _)| *offset);
        index.replay(handled.iter().filter_map(|(input, above)| Some((*input, last(above)?))));
        let mut condition = self.condition.lock();
        condition.owed.apply(&mut index);
        let mut known = self.index();
        index.adopt_later(known.later());
        *known = index;
        drop(known);
        condition.is_stale = false;
        drop(condition);
        self.handled = handled;
        self.definitions.clear();
        Ok(())
    }

    /// What is remembered was not committed, and [`Books::load`] failed. Of that
    /// what was claimed is forgotten: nothing may be done on the host by it.
    pub(crate) fn stays_stale(&self) {
        self.index().forget_claims();
        self.condition.lock().is_stale = true;
    }

    /// Where the index is not what a new one, read from the tables, would be.
    pub(crate) fn verify_memory(&self) -> Result<Vec<String>, LedgerError> {
        let mut read = self.read_index()?;
        let condition = self.condition.lock();
        condition.owed.apply(&mut read);
        let index = self.index();
        read.adopt_later(index.later());
        Ok(index.differences(&read))
    }

    fn read_index(&self) -> Result<Index, LedgerError> {
        let mut index = Index::new();
        let mut names: HashMap<String, Arc<str>> = HashMap::new();
        let mut open = self.statement(
            "SELECT id, tenant, command, agent, keys, mode, length,
                    coalesce(due_boot, (SELECT min(due_boot) FROM effect WHERE effect.entry = id AND NOT released)),
                    state, wazuh_key
             FROM entry WHERE closed IS NULL ORDER BY id",
        )?;
        let mut rows = open.query(()).map_err(|error| self.failed(&error))?;
        while let Some(row) = rows.next().map_err(|error| self.failed(&error))? {
            let read = || -> rusqlite::Result<_> {
                let text = |column| row.get::<_, String>(column);
                let term = match (row.get(6)?, row.get(7)?) {
                    (None, _) => Term::Never,
                    (Some(_), Some(due)) => Term::At(due),
                    (Some(length), None) => Term::After(length),
                };
                let wazuh: Option<String> = row.get(9)?;
                Ok((
                    EntryId(row.get(0)?),
                    text(1)?,
                    text(2)?,
                    text(3)?,
                    text(4)?,
                    text(5)?,
                    term,
                    text(8)?,
                    wazuh,
                ))
            };
            let (id, tenant, command, agent, keys, mode, term, state, wazuh) =
                read().map_err(|error| self.failed(&error))?;
            let keys: Vec<String> = serde_json::from_str(&keys).unwrap_or_default();
            let mode = mode_of(&mode).unwrap_or(Mode::Enforce);
            let key = match wazuh.as_deref() {
                None => index.key(&tenant, &command, &agent, &keys, mode),
                Some("") => index.unnamed(id),
                Some(text) => index.wazuh_key(&tenant, text, mode),
            };
            let mut name =
                |text: String| Arc::clone(names.entry(text).or_insert_with_key(|text| text.as_str().into()));
            index.insert(
                id,
                &name(tenant),
                &name(command),
                key,
                term,
                State::of(&state).unwrap_or(State::Undoing),
                mode,
            );
        }
        drop(rows);
        drop(open);
        let mut held = self.statement(
            "SELECT entry, interface, target FROM effect JOIN entry ON entry.id = effect.entry
             WHERE entry.closed IS NULL AND NOT released ORDER BY entry, number",
        )?;
        let mut rows = held.query(()).map_err(|error| self.failed(&error))?;
        while let Some(row) = rows.next().map_err(|error| self.failed(&error))? {
            let read = || -> rusqlite::Result<_> {
                Ok((EntryId(row.get(0)?), row.get::<_, String>(1)?, row.get::<_, String>(2)?))
            };
            let (id, interface, target) = read().map_err(|error| self.failed(&error))?;
            let target = index.target(&interface, &target);
            index.hold(id, target);
        }
        Ok(index)
    }

    fn read_handled(&self) -> Result<HashMap<i64, BTreeSet<(u64, u32)>>, LedgerError> {
        let mut handled: HashMap<i64, BTreeSet<(u64, u32)>> = HashMap::new();
        let mut above = self.statement(
            "SELECT entry.input, entry.offset, entry.ordinal
             FROM input JOIN entry ON entry.input = input.id AND entry.offset >= input.offset
             WHERE NOT input.done AND entry.input IS NOT NULL",
        )?;
        let mut rows = above.query(()).map_err(|error| self.failed(&error))?;
        while let Some(row) = rows.next().map_err(|error| self.failed(&error))? {
            let read =
                || -> rusqlite::Result<(i64, i64, i64)> { Ok((row.get(0)?, row.get(1)?, row.get(2)?)) };
            let (input, offset, ordinal) = read().map_err(|error| self.failed(&error))?;
            if let (Ok(offset), Ok(ordinal)) = (u64::try_from(offset), u32::try_from(ordinal)) {
                handled.entry(input).or_default().insert((offset, ordinal));
            }
        }
        Ok(handled)
    }

    /// What is to be looked after: by the recovery, and by the timer.
    fn left(&self) -> Result<Left, LedgerError> {
        let boot_ms = self.now().boot_ms;
        let recovery = reader::select(
            self.conn(),
            "closed IS NULL AND (state <> 'in-force' OR due_boot <= ?1)
             ORDER BY CASE state WHEN 'undoing' THEN 0 WHEN 'in-force' THEN 1 ELSE 2 END, id",
            [boot_ms],
        )
        .map_err(|error| self.failed(&error))?;
        let mut timed = self.statement(
            "SELECT id, due_boot FROM entry
             WHERE closed IS NULL AND state = 'in-force' AND due_boot > ?1 ORDER BY due_boot, id",
        )?;
        let pending = timed
            .query_map([boot_ms], |row| Ok(Pending { id: EntryId(row.get(0)?), due_boot_ms: row.get(1)? }))
            .and_then(Iterator::collect)
            .map_err(|error| self.failed(&error))?;
        Ok(Left { recovery, pending })
    }

    /// What is in force for a time, and when it is due, also when that has passed.
    pub(crate) fn in_force(&self) -> Result<Vec<Pending>, LedgerError> {
        self.statement(
            "SELECT id, due_boot FROM entry WHERE closed IS NULL AND state = 'in-force' AND due_boot IS NOT NULL",
        )?
        .query_map([], |row| Ok(Pending { id: EntryId(row.get(0)?), due_boot_ms: row.get(1)? }))
        .and_then(Iterator::collect)
        .map_err(|error| self.failed(&error))
    }
}
