//! Queries, on a connection of their own, off the writer.

use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use riposte_policy::config::Mode;
use riposte_policy::order::{Actor, EntryId};
use rusqlite::{Connection, OptionalExtension, Params, Row, named_params};
use tokio::sync::oneshot;

use crate::condition::Shared;
use crate::entry::{EffectRow, Entry, Filter, Kind, State, actor_of, mode_of};
use crate::error::LedgerError;
use crate::ledger::{Named, Turn};
use crate::store::{self, Disk, HostDisk};

/// From how many failures on an undo is shown as stuck.
const STUCK: u32 = 3;

const COLUMNS: &str = "
    id, tenant, command, response, agent, location, keys, kind, state, mode, since, length, due, due_boot, closed,
    offence, attempt, undo_attempts, alert_id, rule_id, actor, reason, cause, ended_by, end_reason, error,
    digest, text";

/// The entries for which `which` holds.
pub(crate) fn select(conn: &Connection, which: &str, params: impl Params) -> rusqlite::Result<Vec<Entry>> {
    let sql = format!("SELECT {COLUMNS} FROM entry JOIN definition ON number = definition WHERE {which}");
    conn.prepare_cached(&sql)?.query_map(params, entry_of)?.collect()
}

/// The entry `id`, open or closed, with its alert, message and receipt.
pub(crate) fn entry(conn: &Connection, id: EntryId) -> rusqlite::Result<Option<Entry>> {
    let Some(mut entry) = select(conn, "id = ?1", [id.0])?.pop() else { return Ok(None) };
    let body = conn
        .prepare_cached("SELECT alert, message FROM body WHERE entry = ?1")?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    (entry.alert, entry.message) = body.unwrap_or_default();
    entry.receipt = conn
        .prepare_cached("SELECT receipt FROM receipt WHERE entry = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    Ok(Some(entry))
}

/// The entries that `filter` lets through, by number.
pub(crate) fn entries(conn: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Entry>> {
    let like = filter.target.as_ref().map(|text| {
        let text = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        format!("%{text}%")
    });
    let open = if filter.open_only { "closed IS NULL AND" } else { "" };
    let which = format!(
        "{open} (:tenant IS NULL OR tenant = :tenant) AND (:command IS NULL OR command = :command)
         AND (:since IS NULL OR since >= :since OR closed IS NULL OR closed >= :since)
         AND (:until IS NULL OR since <= :until)
         AND id > :after AND (:target IS NULL
             OR EXISTS (SELECT 1 FROM json_each(entry.keys) WHERE value LIKE :target ESCAPE '\\')
             OR EXISTS (SELECT 1 FROM effect WHERE effect.entry = entry.id AND target LIKE :target ESCAPE '\\'))
         ORDER BY id LIMIT :limit"
    );
    select(
        conn,
        &which,
        named_params! {
            ":tenant": filter.tenant,
            ":command": filter.command,
            ":target": like,
            ":since": filter.since_ms,
            ":until": filter.until_ms,
            ":after": filter.after.map_or(i64::MIN, |id| id.0),
            ":limit": filter.limit.map_or(-1, i64::from),
        },
    )
}

/// The entries from this number on, and these others, by number.
pub(crate) fn from(conn: &Connection, first: i64, others: &[i64]) -> rusqlite::Result<Vec<Entry>> {
    let which = "id >= ?1 OR id IN (SELECT value FROM json_each(?2)) ORDER BY id";
    select(conn, which, (first, serde_json::json!(others).to_string()))
}

/// How many entries are open, and how many of them are stuck.
pub(crate) fn open_counts(conn: &Connection) -> rusqlite::Result<(i64, i64)> {
    conn.prepare_cached(
        "SELECT count(*), count(*) FILTER (WHERE state = 'undoing' AND undo_attempts >= ?1)
         FROM entry WHERE closed IS NULL",
    )?
    .query_row([STUCK], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Every effect that an entry recorded, in the order it did.
pub(crate) fn effects(conn: &Connection, id: EntryId) -> rusqlite::Result<Vec<EffectRow>> {
    conn.prepare_cached(
        "SELECT interface, target, prior, released FROM effect WHERE entry = ?1 ORDER BY number",
    )?
    .query_map([id.0], |row| {
        Ok(EffectRow {
            interface: row.get(0)?,
            target: row.get(1)?,
            prior: row.get(2)?,
            released: row.get(3)?,
        })
    })?
    .collect()
}

/// What open entries hold, by entry.
pub(crate) fn open_effects(conn: &Connection, most: u32) -> rusqlite::Result<Vec<(EntryId, EffectRow)>> {
    conn.prepare_cached(
        "SELECT interface, target, prior, released, effect.entry FROM entry JOIN effect ON effect.entry = entry.id
         WHERE entry.closed IS NULL AND NOT released ORDER BY effect.entry, number LIMIT ?1",
    )?
    .query_map([most], |row| {
        let effect = EffectRow {
            interface: row.get(0)?,
            target: row.get(1)?,
            prior: row.get(2)?,
            released: row.get(3)?,
        };
        Ok((EntryId(row.get(4)?), effect))
    })?
    .collect()
}

/// The networks that open entries block, by entry: also those that took the
/// place of an address.
pub(crate) fn networks(conn: &Connection) -> rusqlite::Result<Vec<(EntryId, String)>> {
    conn.prepare_cached(
        "SELECT effect.entry, substr(target, instr(target, ' ') + 1) FROM entry JOIN effect ON effect.entry = entry.id
         WHERE entry.closed IS NULL AND interface = 'firewall' AND target LIKE '%/%'
         AND NOT (released AND mode = 'enforce') ORDER BY effect.entry, number",
    )?
    .query_map((), |row| Ok((EntryId(row.get(0)?), row.get(1)?)))?
    .collect()
}

/// Which of these effects were recorded. The entry alone does not tell: a ledger
/// that was made anew begins to count at one again. An effect that names no
/// entry is taken for one of a sound ledger.
pub(crate) fn known(conn: &Connection, effects: &[Named]) -> rusqlite::Result<Vec<bool>> {
    let mut recorded = conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM effect WHERE entry = ?1 AND interface = ?2 AND target = ?3)",
    )?;
    let sound = is_sound(conn)?;
    let mut known = |effect: &Named| match effect.entry {
        Some(entry) => recorded.query_row((entry.0, &effect.interface, &effect.target), |row| row.get(0)),
        None => Ok(sound),
    };
    effects.iter().map(&mut known).collect()
}

/// Whether this ledger knows all that it ever recorded: it was not made anew just
/// now, and not put together from a damaged one.
fn is_sound(conn: &Connection) -> rusqlite::Result<bool> {
    let ask = |sql: &str| conn.prepare_cached(sql)?.query_row((), |row| row.get::<_, bool>(0));
    let salvaged = ask("SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'salvage')")?
        && ask("SELECT EXISTS (SELECT 1 FROM salvage WHERE number > 0)")?;
    Ok(!salvaged && ask("SELECT EXISTS (SELECT 1 FROM entry)")?)
}

/// What open entries hold of an interface: target and prior state, once each.
pub(crate) fn held(conn: &Connection, interface: &str) -> rusqlite::Result<Vec<(String, Option<String>)>> {
    conn.prepare_cached(
        "SELECT target, max(prior) FROM entry JOIN effect ON effect.entry = entry.id
         WHERE entry.closed IS NULL AND interface = ?1 AND NOT released GROUP BY target ORDER BY target",
    )?
    .query_map([interface], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

/// Columns by their place in [`COLUMNS`]: finding them by name would take
/// longer than reading them.
fn entry_of(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let text = |column: usize| row.get::<_, String>(column);
    // The words are checked by the tables; what stands in for an unknown one
    // is what asks for the most care.
    let state = State::of(row.get_ref(8)?.as_str()?).unwrap_or(State::Undoing);
    let undo_attempts = row.get(17)?;
    Ok(Entry {
        id: EntryId(row.get(0)?),
        tenant: text(1)?,
        command: text(2)?,
        response: row.get(3)?,
        agent: text(4)?,
        location: text(5)?,
        keys: serde_json::from_str(row.get_ref(6)?.as_str()?).unwrap_or_default(),
        kind: Kind::of(row.get_ref(7)?.as_str()?).unwrap_or(Kind::Native),
        state,
        stuck: state == State::Undoing && undo_attempts >= STUCK,
        mode: mode_of(row.get_ref(9)?.as_str()?).unwrap_or(Mode::Enforce),
        since_ms: row.get(10)?,
        timeout_ms: row.get(11)?,
        due_ms: row.get(12)?,
        due_boot_ms: row.get(13)?,
        closed_ms: row.get(14)?,
        offence: row.get(15)?,
        attempt: row.get(16)?,
        undo_attempts,
        alert_id: text(18)?,
        rule_id: text(19)?,
        actor: actor_of(row.get_ref(20)?.as_str()?).unwrap_or(Actor::Engine),
        reason: row.get(21)?,
        cause: row.get(22)?,
        ended_by: row.get(23)?,
        end_reason: row.get(24)?,
        error: row.get(25)?,
        digest: row.get::<_, Option<String>>(26)?.filter(|digest| !digest.is_empty()),
        definition: text(27)?,
        alert: None,
        message: None,
        receipt: None,
    })
}

type Query = Box<dyn FnOnce(&Connection) + Send>;

/// The asking side of a connection of its own: a query of all entries holds up
/// nobody.
pub(crate) struct Reader {
    path: Arc<Path>,
    condition: Shared,
    queries: Option<Mutex<mpsc::Sender<Query>>>,
    /// None where somebody drives the [`Answers`].
    thread: Option<JoinHandle<()>>,
}

/// The answering side.
pub(crate) struct Answers {
    conn: Connection,
    waiting: mpsc::Receiver<Query>,
    path: Arc<Path>,
    condition: Shared,
    /// Which of the files that the ledger has been `conn` reads.
    file: u64,
}

impl Reader {
    /// Both sides, the answering one for whoever drives it.
    pub(crate) fn driven(
        path: &Arc<Path>,
        disk: &dyn Disk,
        condition: Shared,
    ) -> Result<(Self, Answers), LedgerError> {
        let conn = store::open_to_read(path, disk)?;
        let (queries, waiting) = mpsc::channel::<Query>();
        let answers =
            Answers { conn, waiting, path: Arc::clone(path), condition: condition.clone(), file: 0 };
        let queries = Some(Mutex::new(queries));
        Ok((Self { path: Arc::clone(path), condition, queries, thread: None }, answers))
    }

    /// With a thread that answers.
    pub(crate) fn start(path: &Arc<Path>, disk: &dyn Disk, condition: Shared) -> Result<Self, LedgerError> {
        let (mut reader, answers) = Self::driven(path, disk, condition)?;
        let thread = std::thread::Builder::new()
            .name("ledger-reader".into())
            .spawn(move || answers.run())
            .map_err(|error| LedgerError::Io { path: path.to_path_buf(), detail: error.to_string() })?;
        reader.thread = Some(thread);
        Ok(reader)
    }

    /// Answers a query on what is committed.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let asked = self.queries.as_ref().is_some_and(|queries| {
            let query: Query = Box::new(move |conn| drop(answer.send(query(conn))));
            queries.lock().unwrap_or_else(PoisonError::into_inner).send(query).is_ok()
        });
        if !asked {
            return Err(LedgerError::Stopped);
        }
        let result = answered.await.map_err(|_| LedgerError::Stopped)?;
        let result = result.map_err(|error| LedgerError::sqlite(&self.path, &error));
        if let Err(LedgerError::Corrupt { .. }) = &result {
            self.condition.lock().is_suspect = true;
        }
        result
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.queries = None;
        if let Some(thread) = self.thread.take() {
            // It panicked, at worst; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl Answers {
    fn run(mut self) {
        while let Ok(query) = self.waiting.recv() {
            self.follow();
            query(&self.conn);
        }
    }

    /// After a salvage the ledger is another file. The old one is read on where
    /// the new one cannot be.
    fn follow(&mut self) {
        let now = self.condition.lock().file;
        if now != self.file
            && let Ok(conn) = store::open_to_read(&self.path, &HostDisk)
        {
            (self.conn, self.file) = (conn, now);
        }
    }

    /// Answers the next query, if one is queued.
    pub(crate) fn turn(&self) -> Turn {
        match self.waiting.try_recv() {
            Ok(query) => {
                query(&self.conn);
                Turn::Answered
            }
            Err(_) => Turn::Idle,
        }
    }
}
