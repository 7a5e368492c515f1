//! The tables.
//!
//! An entry is split by how often its parts are written: `entry` is small and
//! changes with every state, `body` holds the alert and is written once. A
//! commit then rewrites few pages, whatever the alerts weigh.

mod migrate;
mod tables;

use rusqlite::Connection;

use self::tables::tables;
use crate::entry::State;

pub(crate) use self::migrate::migrate;

/// `RIPO`: tells a ledger from other SQLite databases.
pub(crate) const APPLICATION: i64 = 0x5249_504f;

/// The version that this program writes.
pub(crate) const VERSION: i64 = 3;

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
