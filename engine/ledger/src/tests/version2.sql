-- The tables of version 2, as that version made them.
BEGIN IMMEDIATE;
CREATE TABLE entry (
    id            INTEGER PRIMARY KEY,
    tenant        TEXT NOT NULL,
    command       TEXT NOT NULL,
    response      TEXT,
    agent         TEXT NOT NULL,
    location      TEXT NOT NULL,
    keys          TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK ((kind = 'reversible' OR kind = 'oneshot' OR kind = 'native')),
    state         TEXT NOT NULL CHECK ((state = 'intended' OR state = 'in-force' OR state = 'undoing' OR state = 'closed' OR state = 'failed' OR state = 'done' OR state = 'unknown' OR state = 'merged' OR state = 'shadow' OR state = 'handed-over')),
    mode          TEXT NOT NULL CHECK ((mode = 'enforce' OR mode = 'shadow')),
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
    CHECK ((closed IS NULL) = (state = 'intended' OR state = 'in-force' OR state = 'undoing'))
) STRICT;
CREATE INDEX entry_closed ON entry (closed);
CREATE INDEX entry_source ON entry (input, offset) WHERE input IS NOT NULL;
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
    mode       TEXT NOT NULL CHECK ((mode = 'enforce' OR mode = 'shadow')),
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
CREATE TABLE wazuh_offence (
    tenant TEXT NOT NULL,
    key    TEXT NOT NULL,
    keys   TEXT NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER entry_transition BEFORE UPDATE OF state ON entry
         WHEN NOT (OLD.state = 'intended' AND NEW.state = 'in-force' OR OLD.state = 'intended' AND NEW.state = 'undoing' OR OLD.state = 'intended' AND NEW.state = 'failed' OR OLD.state = 'intended' AND NEW.state = 'done' OR OLD.state = 'intended' AND NEW.state = 'unknown' OR OLD.state = 'intended' AND NEW.state = 'merged' OR OLD.state = 'intended' AND NEW.state = 'shadow' OR OLD.state = 'in-force' AND NEW.state = 'undoing' OR OLD.state = 'undoing' AND NEW.state = 'closed' OR OLD.state = 'undoing' AND NEW.state = 'failed')
         BEGIN SELECT RAISE(ABORT, 'illegal transition of an entry'); END;
PRAGMA application_id = 1380536399;
PRAGMA user_version = 2;
COMMIT;
