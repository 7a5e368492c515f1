//! The tables.
//!
//! An entry is split by how often its parts are written: `entry` is small and
//! changes with every state, `body` holds the alert and is written once. A
//! commit then rewrites few pages, whatever the alerts weigh.

use riposte_policy::config::Mode;
use rusqlite::Connection;

use crate::entry::{Kind, State, mode_str};

/// `RIPO`: tells a ledger from other SQLite databases.
pub(crate) const APPLICATION: i64 = 0x5249_504f;

/// The version that this program writes.
pub(crate) const VERSION: i64 = 2;

/// The first version. What it keeps of entries can be read as it is.
pub(crate) const FIRST: i64 = 1;

/// Makes the tables of the current version in an empty database.
pub(crate) fn create(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(&format!(
        "BEGIN IMMEDIATE;\n{}\n{}\nPRAGMA application_id = {APPLICATION};\n\
         PRAGMA user_version = {VERSION};\nCOMMIT;",
        tables(),
        transitions()
    ))
}

/// Makes a ledger of version 1 one of version 2, all or nothing: it came to
/// have the state `handed-over`, the message that asked for an entry, and what
/// is the same, and an offence, in Wazuh's way.
///
/// The checks of a column cannot be changed in place, so the entries move to a
/// new table. That takes a second for some hundred thousand of them, once.
pub(crate) fn from_version_1(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(&format!(
        "BEGIN IMMEDIATE;\n\
         ALTER TABLE entry RENAME TO entry_1;\n\
         {entry}\n\
         INSERT INTO entry ({COLUMNS_1}) SELECT {COLUMNS_1} FROM entry_1;\n\
         DROP TABLE entry_1;\n\
         {ENTRY_INDEXES}\n\
         {transitions}\n\
         ALTER TABLE body ADD COLUMN message TEXT;\n\
         ALTER TABLE body ADD COLUMN program TEXT;\n\
         {WAZUH_OFFENCE}\n\
         PRAGMA user_version = {VERSION};\nCOMMIT;",
        entry = with_words(ENTRY),
        transitions = transitions(),
    ))
}

/// The columns that entries of version 1 have.
const COLUMNS_1: &str = "
    id, tenant, command, response, agent, location, keys, kind, state, mode, since, length, due, due_boot, boot,
    closed, offence, attempt, undo_attempts, alert_id, rule_id, actor, reason, cause, ended_by, end_reason, error,
    definition, input, offset, ordinal";

/// The second guard on transitions: whatever this program or an `sqlite3`
/// shell tries, the database refuses what [`State::may`] refuses.
///
/// Here and in the tables comparisons are spelled out: for `IN` with more than
/// two values SQLite fills a temporary table each time it looks at a row.
fn transitions() -> String {
    let allowed: Vec<String> = State::ALL
        .into_iter()
        .flat_map(|from| State::ALL.into_iter().map(move |to| (from, to)))
        .filter(|(from, to)| from.may(*to))
        .map(|(from, to)| format!("OLD.state = '{from}' AND NEW.state = '{to}'"))
        .collect();
    format!(
        "CREATE TRIGGER entry_transition BEFORE UPDATE OF state ON entry
         WHEN NOT ({})
         BEGIN SELECT RAISE(ABORT, 'illegal transition of an entry'); END;",
        allowed.join(" OR ")
    )
}

/// The check of a column that holds a word.
fn one_of<'a>(column: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    let each: Vec<String> = words.into_iter().map(|word| format!("{column} = '{word}'")).collect();
    format!("({})", each.join(" OR "))
}

fn tables() -> String {
    [ENTRY, ENTRY_INDEXES, TABLES, WAZUH_OFFENCE].map(with_words).concat()
}

/// With the checks of its words.
fn with_words(sql: &str) -> String {
    let open = State::ALL.into_iter().filter(|state| state.is_open()).map(State::as_str);
    sql.replace("IS_KIND", &one_of("kind", Kind::ALL.map(Kind::as_str)))
        .replace("IS_STATE", &one_of("state", State::ALL.map(State::as_str)))
        .replace("IS_OPEN", &one_of("state", open))
        .replace("IS_MODE", &one_of("mode", [Mode::Enforce, Mode::Shadow].map(mode_str)))
}

const ENTRY: &str = "
-- Times are milliseconds. `due` is by the wall clock, `due_boot` since the
-- start `boot` of the machine, `length` the longest that may be left of it.
-- `wazuh_key` is what makes the entry the same as another, where that goes
-- Wazuh's way; empty until its program has named its keys. `counted` is NULL
-- where offences go our way, else whether this one was counted.
CREATE TABLE entry (
    id            INTEGER PRIMARY KEY,
    tenant        TEXT NOT NULL,
    command       TEXT NOT NULL,
    response      TEXT,
    agent         TEXT NOT NULL,
    location      TEXT NOT NULL,
    keys          TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK (IS_KIND),
    state         TEXT NOT NULL CHECK (IS_STATE),
    mode          TEXT NOT NULL CHECK (IS_MODE),
    since         INTEGER NOT NULL,
    length        INTEGER,
    due           INTEGER,
    due_boot      INTEGER,
    boot          INTEGER NOT NULL,
    closed        INTEGER,
    offence       INTEGER NOT NULL,
    attempt       INTEGER NOT NULL DEFAULT 1,
    undo_attempts INTEGER NOT NULL DEFAULT 0,
    alert_id      TEXT NOT NULL,
    rule_id       TEXT NOT NULL,
    actor         TEXT NOT NULL,
    reason        TEXT,
    cause         TEXT,
    ended_by      TEXT,
    end_reason    TEXT,
    error         TEXT,
    definition    INTEGER NOT NULL,
    input         INTEGER,
    offset        INTEGER,
    ordinal       INTEGER,
    wazuh_key     TEXT,
    counted       INTEGER,
    CHECK ((closed IS NULL) = IS_OPEN)
) STRICT;
";

const ENTRY_INDEXES: &str = "
-- Open entries are the NULLs of one index, and old ones its other end.
CREATE INDEX entry_closed ON entry (closed);
CREATE INDEX entry_source ON entry (input, offset) WHERE input IS NOT NULL;
";

const TABLES: &str = "
CREATE TABLE boot (
    number  INTEGER PRIMARY KEY,
    boot_id TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE definition (
    number INTEGER PRIMARY KEY,
    text   TEXT NOT NULL,
    digest TEXT NOT NULL DEFAULT '',
    UNIQUE (text, digest)
) STRICT;

CREATE TABLE body (
    entry     INTEGER PRIMARY KEY,
    alert     TEXT NOT NULL,
    base      INTEGER,
    offenders TEXT,
    message   TEXT,
    program   TEXT
) STRICT;

CREATE TABLE receipt (
    entry   INTEGER PRIMARY KEY,
    receipt BLOB NOT NULL
) STRICT;

-- The due times are those of the entry, until the entry is in force.
CREATE TABLE effect (
    entry     INTEGER NOT NULL,
    interface TEXT NOT NULL,
    target    TEXT NOT NULL,
    prior     TEXT,
    released  INTEGER NOT NULL DEFAULT 0,
    number    INTEGER NOT NULL,
    due       INTEGER,
    due_boot  INTEGER,
    boot      INTEGER NOT NULL,
    PRIMARY KEY (entry, interface, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE offence (
    tenant TEXT NOT NULL,
    scope  TEXT NOT NULL,
    agent  TEXT NOT NULL,
    keys   TEXT NOT NULL,
    count  INTEGER NOT NULL,
    ends   INTEGER NOT NULL,
    PRIMARY KEY (tenant, scope, agent, keys)
) STRICT, WITHOUT ROWID;

CREATE TABLE allow (
    address    TEXT PRIMARY KEY,
    until      INTEGER,
    until_boot INTEGER,
    boot       INTEGER NOT NULL,
    length     INTEGER,
    actor      TEXT NOT NULL,
    reason     TEXT,
    created    INTEGER NOT NULL
) STRICT;

CREATE TABLE pause (
    tenant     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    until      INTEGER,
    until_boot INTEGER,
    boot       INTEGER NOT NULL,
    length     INTEGER,
    actor      TEXT NOT NULL,
    reason     TEXT,
    created    INTEGER NOT NULL,
    PRIMARY KEY (tenant, subject)
) STRICT;

CREATE TABLE mode (
    tenant     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    mode       TEXT NOT NULL CHECK (IS_MODE),
    until      INTEGER,
    until_boot INTEGER,
    boot       INTEGER NOT NULL,
    length     INTEGER,
    actor      TEXT NOT NULL,
    reason     TEXT,
    created    INTEGER NOT NULL,
    PRIMARY KEY (tenant, subject)
) STRICT;

CREATE TABLE input (
    id        INTEGER PRIMARY KEY,
    path      TEXT NOT NULL,
    dev       INTEGER NOT NULL,
    ino       INTEGER NOT NULL,
    head_hash BLOB NOT NULL,
    head_len  INTEGER NOT NULL,
    offset    INTEGER NOT NULL,
    done      INTEGER NOT NULL DEFAULT 0,
    updated   INTEGER NOT NULL
) STRICT;
";

/// Offences as Wazuh counts them: per key, and for good. `keys` are those that
/// the key was made of last.
const WAZUH_OFFENCE: &str = "
CREATE TABLE wazuh_offence (
    tenant TEXT NOT NULL,
    key    TEXT NOT NULL,
    keys   TEXT NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
";

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        create(&conn).unwrap();
        conn
    }

    fn entry(conn: &Connection, state: &str, closed: Option<i64>) -> rusqlite::Result<usize> {
        conn.execute(
            "INSERT INTO entry (tenant, command, agent, location, keys, kind, state, mode, since, boot, closed,
                                offence, alert_id, rule_id, actor, definition)
             VALUES ('t', 'c', '000', 'local', '[]', 'native', ?1, 'enforce', 0, 1, ?2, 1, '', '', 'alert', 1)",
            (state, closed),
        )
    }

    #[test]
    fn the_database_allows_exactly_the_legal_transitions() {
        for from in State::ALL {
            for to in State::ALL.into_iter().filter(|to| *to != from) {
                let conn = database();
                entry(&conn, from.as_str(), (!from.is_open()).then_some(1)).unwrap();
                let closed = (!to.is_open()).then_some(1);
                let done = conn.execute("UPDATE entry SET state = ?1, closed = ?2", (to.as_str(), closed));
                assert_eq!(done.is_ok(), from.may(to), "{from} to {to}: {done:?}");
            }
        }
    }

    #[test]
    fn the_database_refuses_unknown_states_and_half_closed_entries() {
        let conn = database();
        assert!(entry(&conn, "in force", None).is_err());
        assert!(entry(&conn, "closed", None).is_err());
        assert!(entry(&conn, "in-force", Some(1)).is_err());
        assert!(entry(&conn, "in-force", None).is_ok());
    }
}
