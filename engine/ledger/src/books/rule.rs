//! What an operator settled: allows, pauses, modes.
//!
//! All queries are here, also those of the reader, so that a table's columns
//! are named in one place.

use std::time::Duration;

use riposte_policy::config::Mode;
use riposte_policy::order::Actor;
use rusqlite::{Connection, OptionalExtension, Params, Row, named_params};

use super::{Books, due};
use crate::entry::{actor_of, length_ms, mode_of, mode_str};
use crate::error::LedgerError;
use crate::rule::{Allow, By, ModeRule, Note, Pause, Scope};

const NOTE: &str = "until, until_boot, actor, reason, created";
const NOTE_VALUES: &str = ":until, :until_boot, :actor, :reason, :created, :boot, :length";

/// Whether a rule that was made to end has not yet.
const LASTS: &str = "(until_boot IS NULL OR until_boot > :boot_ms)";

impl Books {
    /// Keeps an address from everything, for good or for a time.
    pub(crate) fn allow(
        &self,
        address: &str,
        lasts: Option<Duration>,
        by: &By,
    ) -> Result<Allow, LedgerError> {
        self.forget_expired("allow")?;
        let note = self.note(lasts, by);
        let sql = format!(
            "INSERT OR REPLACE INTO allow (address, {NOTE}, boot, length) VALUES (:a, {NOTE_VALUES})"
        );
        self.settle(&sql, &note, lasts, &[(":a", &address)])?;
        Ok(Allow { address: address.to_owned(), note })
    }

    /// Takes an allow back; returns what it was.
    pub(crate) fn disallow(&self, address: &str) -> Result<Option<Allow>, LedgerError> {
        self.forget_expired("allow")?;
        let sql = format!("DELETE FROM allow WHERE address = ?1 RETURNING {NOTE}, address");
        self.take_back(&sql, [address], allow_of)
    }

    /// Stops everything new in `scope`.
    pub(crate) fn pause(
        &self,
        scope: &Scope,
        lasts: Option<Duration>,
        by: &By,
    ) -> Result<Pause, LedgerError> {
        self.forget_expired("pause")?;
        let note = self.note(lasts, by);
        let (tenant, subject) = columns(scope);
        let sql = format!(
            "INSERT OR REPLACE INTO pause (tenant, subject, {NOTE}, boot, length) VALUES (:t, :s, {NOTE_VALUES})"
        );
        self.settle(&sql, &note, lasts, &[(":t", &tenant), (":s", &subject)])?;
        Ok(Pause { scope: scope.clone(), note })
    }

    /// Takes a pause back; returns what it was.
    pub(crate) fn resume(&self, scope: &Scope) -> Result<Option<Pause>, LedgerError> {
        self.forget_expired("pause")?;
        let sql =
            format!("DELETE FROM pause WHERE tenant = ?1 AND subject = ?2 RETURNING {NOTE}, tenant, subject");
        self.take_back(&sql, columns(scope), pause_of)
    }

    /// Gives `scope` a mode other than the configuration's, or, with `None`,
    /// that again. Returns what held before.
    pub(crate) fn set_mode(
        &self,
        scope: &Scope,
        mode: Option<Mode>,
        lasts: Option<Duration>,
        by: &By,
    ) -> Result<Option<ModeRule>, LedgerError> {
        self.forget_expired("mode")?;
        let (tenant, subject) = columns(scope);
        let sql = format!(
            "DELETE FROM mode WHERE tenant = ?1 AND subject = ?2 RETURNING {NOTE}, tenant, subject, mode"
        );
        let before = self.take_back(&sql, (tenant, subject), mode_rule_of)?;
        if let Some(mode) = mode {
            let note = self.note(lasts, by);
            let sql = format!(
                "INSERT INTO mode (tenant, subject, mode, {NOTE}, boot, length) VALUES (:t, :s, :m, {NOTE_VALUES})"
            );
            self.settle(&sql, &note, lasts, &[(":t", &tenant), (":s", &subject), (":m", &mode_str(mode))])?;
        }
        Ok(before)
    }

    fn note(&self, lasts: Option<Duration>, by: &By) -> Note {
        let now = self.now();
        let until = lasts.map(|lasts| due(&now, length_ms(lasts)));
        Note {
            until_ms: until.map(|until| until.wall_ms),
            until_boot_ms: until.map(|until| until.boot_ms),
            by: by.clone(),
            created_ms: now.wall_ms,
        }
    }

    fn settle(
        &self,
        sql: &str,
        note: &Note,
        lasts: Option<Duration>,
        key: &[(&str, &dyn rusqlite::ToSql)],
    ) -> Result<(), LedgerError> {
        let (actor, reason, length) =
            (note.by.actor.to_string(), note.by.reason.as_deref(), lasts.map(length_ms));
        let mut params: Vec<(&str, &dyn rusqlite::ToSql)> = named_params! {
            ":until": note.until_ms,
            ":until_boot": note.until_boot_ms,
            ":actor": actor,
            ":reason": reason,
            ":created": note.created_ms,
            ":boot": self.boot,
            ":length": length,
        }
        .to_vec();
        params.extend(key);
        self.execute(sql, params.as_slice()).map(drop)
    }

    fn take_back<T>(
        &self,
        sql: &str,
        key: impl Params,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, LedgerError> {
        self.statement(sql)?.query_row(key, read).optional().map_err(|error| self.failed(&error))
    }

    /// Forgets what has ended. What is over does not come back with a clock that
    /// was set back while the machine was off.
    pub(super) fn prune_rules(&self) -> Result<(), LedgerError> {
        ["allow", "pause", "mode"].into_iter().try_for_each(|table| self.forget_expired(table))
    }

    fn forget_expired(&self, table: &str) -> Result<(), LedgerError> {
        self.execute(&format!("DELETE FROM {table} WHERE until_boot <= ?1"), [self.now().boot_ms]).map(drop)
    }
}

/// The allows that have not ended.
pub(crate) fn allows(conn: &Connection, boot_ms: i64) -> rusqlite::Result<Vec<Allow>> {
    list(
        conn,
        &format!("SELECT {NOTE}, address FROM allow WHERE {LASTS} ORDER BY address"),
        boot_ms,
        allow_of,
    )
}

/// The pauses that have not ended.
pub(crate) fn pauses(conn: &Connection, boot_ms: i64) -> rusqlite::Result<Vec<Pause>> {
    let sql = format!("SELECT {NOTE}, tenant, subject FROM pause WHERE {LASTS} ORDER BY tenant, subject");
    list(conn, &sql, boot_ms, pause_of)
}

/// The modes that have not ended.
pub(crate) fn modes(conn: &Connection, boot_ms: i64) -> rusqlite::Result<Vec<ModeRule>> {
    let sql =
        format!("SELECT {NOTE}, tenant, subject, mode FROM mode WHERE {LASTS} ORDER BY tenant, subject");
    list(conn, &sql, boot_ms, mode_rule_of)
}

fn list<T>(
    conn: &Connection,
    sql: &str,
    boot_ms: i64,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    conn.prepare_cached(sql)?.query_map(named_params! { ":boot_ms": boot_ms }, read)?.collect()
}

/// `None` is empty in the tables: a primary key takes no NULL for equal.
fn columns(scope: &Scope) -> (&str, &str) {
    (scope.tenant.as_deref().unwrap_or(""), scope.subject.as_deref().unwrap_or(""))
}

fn scope_of(row: &Row<'_>) -> rusqlite::Result<Scope> {
    let part = |column| row.get::<_, String>(column).map(|text| Some(text).filter(|text| !text.is_empty()));
    Ok(Scope { tenant: part("tenant")?, subject: part("subject")? })
}

fn note_of(row: &Row<'_>) -> rusqlite::Result<Note> {
    let actor = actor_of(&row.get::<_, String>("actor")?).unwrap_or(Actor::Engine);
    let reason: Option<String> = row.get("reason")?;
    Ok(Note {
        until_ms: row.get("until")?,
        until_boot_ms: row.get("until_boot")?,
        by: By { actor, reason: reason.map(Into::into) },
        created_ms: row.get("created")?,
    })
}

fn allow_of(row: &Row<'_>) -> rusqlite::Result<Allow> {
    Ok(Allow { address: row.get("address")?, note: note_of(row)? })
}

fn pause_of(row: &Row<'_>) -> rusqlite::Result<Pause> {
    Ok(Pause { scope: scope_of(row)?, note: note_of(row)? })
}

fn mode_rule_of(row: &Row<'_>) -> rusqlite::Result<ModeRule> {
    let mode = mode_of(&row.get::<_, String>("mode")?).unwrap_or(Mode::Enforce);
    Ok(ModeRule { scope: scope_of(row)?, mode, note: note_of(row)? })
}
