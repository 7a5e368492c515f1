//! The text of the tables.

use riposte_policy::config::Mode;

use crate::entry::{Kind, State, mode_str};

/// All tables of the current version.
pub(super) fn tables() -> String {
    [ENTRY, ENTRY_INDEXES, TABLES, WAZUH_OFFENCE, CHAIN, RESERVE, SALVAGE].map(with_words).concat()
}

/// A text with the checks of its words.
pub(super) fn with_words(sql: &str) -> String {
    let open = State::ALL.into_iter().filter(|state| state.is_open()).map(State::as_str);
    sql.replace("IS_KIND", &one_of("kind", Kind::ALL.map(Kind::as_str)))
        .replace("IS_STATE", &one_of("state", State::ALL.map(State::as_str)))
        .replace("IS_OPEN", &one_of("state", open))
        .replace("IS_MODE", &one_of("mode", [Mode::Enforce, Mode::Shadow].map(mode_str)))
}

pub(super) const ENTRY: &str = "
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

pub(super) const ENTRY_INDEXES: &str = "
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

-- Until when the last offence lasted, by the wall clock and in the start
-- `boot` of the machine; 0: only the wall clock is known.
CREATE TABLE offence (
    tenant    TEXT NOT NULL,
    scope     TEXT NOT NULL,
    agent     TEXT NOT NULL,
    keys      TEXT NOT NULL,
    count     INTEGER NOT NULL,
    ends      INTEGER NOT NULL,
    ends_boot INTEGER NOT NULL DEFAULT 0,
    boot      INTEGER NOT NULL DEFAULT 0,
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
pub(super) const WAZUH_OFFENCE: &str = "
CREATE TABLE wazuh_offence (
    tenant TEXT NOT NULL,
    key    TEXT NOT NULL,
    keys   TEXT NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
";

/// The head of the audit: how many lines were ever written, and the hash of the
/// last. One row, from the first line on.
pub(super) const CHAIN: &str = "
CREATE TABLE chain (
    number INTEGER PRIMARY KEY CHECK (number = 1),
    count  INTEGER NOT NULL,
    hash   BLOB NOT NULL
) STRICT;
";

/// Pages that are kept for the undos of what is open.
pub(super) const RESERVE: &str = "
CREATE TABLE reserve (
    step INTEGER PRIMARY KEY,
    room BLOB NOT NULL
) STRICT;
";

/// What became of ledgers that were found damaged. Entries get no number below
/// `next`: one that was lost may still be marked on the host. The row 0 is of
/// every ledger, and holds the numbers that were taken.
pub(super) const SALVAGE: &str = "
CREATE TABLE salvage (
    number  INTEGER PRIMARY KEY,
    time    INTEGER NOT NULL,
    why     TEXT NOT NULL,
    aside   TEXT NOT NULL,
    backup  INTEGER,
    next    INTEGER NOT NULL,
    counts  TEXT NOT NULL
) STRICT;
";

/// The check of a column that holds a word.
fn one_of<'a>(column: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    let each: Vec<String> = words.into_iter().map(|word| format!("{column} = '{word}'")).collect();
    format!("({})", each.join(" OR "))
}
