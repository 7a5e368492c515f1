//! Whether a ledger is sound: its file, and what its rows say together.
//!
//! Everything is read from one snapshot on a connection of its own, so it can be
//! asked beside a running engine. Nothing is changed.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde::Serialize;

use crate::backup::{self, Backed, NEWER, OLDER};
use crate::error::LedgerError;
use crate::salvage::{self, Salvaged};
use crate::schema;
use crate::store::{self, HostDisk, beside};

/// Findings of one kind that are listed; the rest is counted.
const LISTED: usize = 10;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable word for it.
    pub code: &'static str,
    /// What is so.
    pub what: String,
    /// What to do about it.
    pub help: &'static str,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The ledger.
    pub path: PathBuf,
    /// Its version; `None`: it cannot be read.
    pub version: Option<i64>,
    /// Entries, also those that are over.
    pub entries: i64,
    /// Entries that are open.
    pub open: i64,
    /// Of those, how many are in force for good.
    pub permanent: i64,
    /// Of those, how many could not be undone three times or more.
    pub stuck: i64,
    /// The last copy.
    pub backup: Option<PathBuf>,
    /// When it was made, in Unix milliseconds.
    pub backup_ms: Option<i64>,
    /// What became of it when it was last found damaged.
    pub salvaged: Option<Salvaged>,
    /// What is not as it should be; empty: it is sound.
    pub findings: Vec<Finding>,
}

const START: &str = "start the engine: it sets the damaged file aside and goes on with what can be read of it and of the last copy";
const REPORT: &str =
    "keep a copy (`riposte ledger backup FILE`) and report it; `riposte undo ID` ends an entry by hand";

/// What must be true of all rows: a query that shows those of which it is not.
const RULES: &[(&str, &str, &str)] = &[
    (
        "half-closed",
        "SELECT 'entry ' || id || ' is ' || state || ' and closed ' || coalesce(closed, 'never') FROM entry
         WHERE (closed IS NULL) <> (state IN ('intended', 'in-force', 'undoing'))",
        REPORT,
    ),
    (
        "state-unknown",
        "SELECT 'entry ' || id || ' is in the unknown state ' || state FROM entry
         WHERE state NOT IN ('intended', 'in-force', 'undoing', 'closed', 'failed', 'done', 'unknown', 'merged',
                             'shadow', 'handed-over')",
        REPORT,
    ),
    (
        "held-after-end",
        "SELECT 'entry ' || id || ' is over and holds ' || interface || ' ' || target
         FROM entry JOIN effect ON effect.entry = id WHERE closed IS NOT NULL AND NOT released",
        "restart the engine: what nobody holds is taken from the host",
    ),
    (
        "no-end",
        "SELECT 'entry ' || id || ' is in force for a time and has no end' FROM entry
         WHERE state = 'in-force' AND length IS NOT NULL AND (due IS NULL OR due_boot IS NULL)",
        "undo it by hand: `riposte undo ID`",
    ),
    (
        "too-long",
        "SELECT 'entry ' || id || ' lasts ' || ((due - since) / 1000) || ' s, longer than anybody asked for' FROM entry
         WHERE closed IS NULL AND length IS NOT NULL AND due IS NOT NULL AND due_boot IS NOT NULL
           AND boot = (SELECT max(number) FROM boot) AND due_boot > ?2 + length + 2000",
        "undo it by hand: `riposte undo ID`",
    ),
    (
        "dangling-body",
        "SELECT 'an alert is kept for the entry ' || entry || ', which is not there' FROM body
         WHERE entry NOT IN (SELECT id FROM entry)",
        REPORT,
    ),
    (
        "dangling-receipt",
        "SELECT 'a receipt is kept for the entry ' || entry || ', which is not open' FROM receipt
         WHERE entry NOT IN (SELECT id FROM entry WHERE closed IS NULL)",
        REPORT,
    ),
    (
        "dangling-effect",
        "SELECT 'the effect ' || interface || ' ' || target || ' is of entry ' || entry || ', which is not there'
         FROM effect WHERE entry NOT IN (SELECT id FROM entry)",
        REPORT,
    ),
    (
        "no-definition",
        "SELECT 'entry ' || id || ' has no definition, so it is in no list' FROM entry
         WHERE definition NOT IN (SELECT number FROM definition)",
        REPORT,
    ),
    (
        "no-alert",
        "SELECT 'entry ' || id || ' is open without its alert' FROM entry
         WHERE closed IS NULL AND id NOT IN (SELECT entry FROM body)",
        "it is undone on time; a program that needs the alert for that may fail: undo it by hand then",
    ),
    (
        "no-boot",
        "SELECT 'entry ' || id || ' counts from a start of the machine that is unknown' FROM entry
         WHERE closed IS NULL AND boot NOT IN (SELECT number FROM boot)",
        REPORT,
    ),
    (
        "stuck",
        "SELECT 'entry ' || id || ' (' || command || ' ' || keys || ') could not be undone ' || undo_attempts ||
                ' times: ' || coalesce(error, '') FROM entry WHERE state = 'undoing' AND undo_attempts >= 3",
        "mend what it says, or undo it on the host; it is tried again every five minutes",
    ),
    (
        "overdue",
        "SELECT 'entry ' || id || ' (' || command || ' ' || keys || ') was due ' || ((?1 - due) / 1000) || ' s ago'
         FROM entry WHERE state = 'in-force' AND due < ?1 - 60000",
        "start the engine: it undoes what is overdue first of all",
    ),
];

/// Looks at the ledger at `path`: `wall_ms` and `boot_ms` are the time.
///
/// # Errors
///
/// When there is no ledger, or it is a newer program's. What is damaged is a
/// finding.
pub fn verify(path: &Path, wall_ms: i64, boot_ms: i64) -> Result<Verified, LedgerError> {
    let mut verified = Verified {
        path: path.to_owned(),
        version: None,
        entries: 0,
        open: 0,
        permanent: 0,
        stuck: 0,
        backup: None,
        backup_ms: None,
        salvaged: None,
        findings: Vec::new(),
    };
    copies(&mut verified);
    let damaged = |what: String| Finding { code: "damaged", what, help: START };
    let conn = match store::open_to_read(path, &HostDisk) {
        Ok(conn) => conn,
        Err(LedgerError::Corrupt { detail, .. }) => {
            verified.findings.push(damaged(detail));
            return Ok(verified);
        }
        Err(error) => return Err(error),
    };
    if let Err(error) = look(&conn, &mut verified, wall_ms, boot_ms) {
        verified.findings.push(damaged(error.to_string()));
    }
    Ok(verified)
}

fn look(conn: &Connection, verified: &mut Verified, wall_ms: i64, boot_ms: i64) -> rusqlite::Result<()> {
    conn.execute_batch("BEGIN")?;
    let said: Vec<String> = conn
        .prepare("PRAGMA integrity_check(10)")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for what in said.into_iter().filter(|said| said != "ok") {
        verified.findings.push(Finding { code: "damaged", what, help: START });
    }
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    verified.version = Some(version);
    if version < schema::VERSION {
        verified.findings.push(Finding {
            code: "older",
            what: format!("it is of version {version}, this program writes {}", schema::VERSION),
            help: "nothing is wrong: the next start brings it over",
        });
    }
    for (code, sql, help) in RULES {
        rule(conn, verified, (code, sql, help), wall_ms, boot_ms)?;
    }
    let number = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    verified.entries = number("SELECT count(*) FROM entry")?;
    verified.open = number("SELECT count(*) FROM entry WHERE closed IS NULL")?;
    verified.permanent = number("SELECT count(*) FROM entry WHERE state = 'in-force' AND length IS NULL")?;
    verified.stuck = number("SELECT count(*) FROM entry WHERE state = 'undoing' AND undo_attempts >= 3")?;
    if version >= schema::VERSION {
        verified.salvaged = salvage::last(conn)?;
    }
    Ok(())
}

fn rule(
    conn: &Connection,
    verified: &mut Verified,
    (code, sql, help): (&'static str, &str, &'static str),
    wall_ms: i64,
    boot_ms: i64,
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(sql)?;
    // Not every rule is about the time.
    let times = [wall_ms, boot_ms];
    let parameters = times.iter().take(statement.parameter_count());
    let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
    let mut found = 0_usize;
    while let Some(row) = rows.next()? {
        found += 1;
        if found <= LISTED {
            let what = row.get::<_, Option<String>>(0)?.unwrap_or_default();
            verified.findings.push(Finding { code, what, help });
        }
    }
    if let Some(more) = found.checked_sub(LISTED).filter(|more| *more > 0) {
        verified.findings.push(Finding { code, what: format!("and {more} more of these"), help });
    }
    Ok(())
}

/// A copy must be there to be of use, and whole.
fn copies(verified: &mut Verified) {
    for suffix in [NEWER, OLDER] {
        let copy = beside(&verified.path, suffix);
        if backup::exists(&copy) && !backup::is_sound(&copy) {
            verified.findings.push(Finding {
                code: "backup-damaged",
                what: format!("the copy {} is damaged", copy.display()),
                help: "look at the disk; move the copy away, and the next one takes its place",
            });
        }
    }
    if let Some(Backed { path, time_ms, .. }) = backup::last(&verified.path) {
        verified.backup = Some(path);
        verified.backup_ms = Some(time_ms);
    }
}
