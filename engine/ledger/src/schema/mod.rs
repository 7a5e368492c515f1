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
        "BEGIN IMMEDIATE;\n{}\n{}\n{REFUSALS}\nPRAGMA application_id = {APPLICATION};\n\
         PRAGMA user_version = {VERSION};\nCOMMIT;",
        tables(),
        transitions()
    ))
}

/// What else the database refuses, whoever tries: what is in force for a time
/// has an end, an open entry is not forgotten, nothing is over while it holds
/// something, and what is over claims nothing.
pub(crate) const REFUSALS: &str = "
CREATE TRIGGER entry_ends BEFORE UPDATE OF state, length, due, due_boot ON entry
    WHEN NEW.state = 'in-force' AND NEW.length IS NOT NULL AND (NEW.due IS NULL OR NEW.due_boot IS NULL)
    BEGIN SELECT RAISE(ABORT, 'an entry in force for a time needs an end'); END;
CREATE TRIGGER entry_over BEFORE UPDATE OF state ON entry
    WHEN NEW.closed IS NOT NULL AND EXISTS (SELECT 1 FROM effect WHERE entry = NEW.id AND NOT released)
    BEGIN SELECT RAISE(ABORT, 'an entry is not over while it holds effects'); END;
CREATE TRIGGER entry_kept BEFORE DELETE ON entry WHEN OLD.closed IS NULL
    BEGIN SELECT RAISE(ABORT, 'an open entry is not forgotten'); END;
CREATE TRIGGER effect_claimed BEFORE INSERT ON effect
    WHEN NOT NEW.released AND EXISTS (SELECT 1 FROM entry WHERE id = NEW.entry AND closed IS NOT NULL)
    BEGIN SELECT RAISE(ABORT, 'an entry that is over claims nothing'); END;
CREATE TRIGGER effect_claimed_again BEFORE UPDATE OF released ON effect
    WHEN NOT NEW.released AND EXISTS (SELECT 1 FROM entry WHERE id = NEW.entry AND closed IS NOT NULL)
    BEGIN SELECT RAISE(ABORT, 'an entry that is over claims nothing'); END;
CREATE TRIGGER effect_kept BEFORE DELETE ON effect
    WHEN NOT OLD.released AND EXISTS (SELECT 1 FROM entry WHERE id = OLD.entry AND closed IS NULL)
    BEGIN SELECT RAISE(ABORT, 'what an open entry holds is not forgotten'); END;
";

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
    fn the_database_refuses_an_end_that_is_none_and_an_end_that_forgets() {
        let conn = database();
        let refused = |sql: &str| conn.execute(sql, ()).map_err(|error| error.to_string()).unwrap_err();
        let done = |sql: &str| conn.execute(sql, ()).map(drop).unwrap();
        entry(&conn, "intended", None).unwrap();
        done("UPDATE entry SET length = 60000");
        assert_eq!(
            refused("UPDATE entry SET state = 'in-force'"),
            "an entry in force for a time needs an end"
        );
        done("INSERT INTO effect (entry, interface, target, number, boot) VALUES (1, 'firewall', 'x', 0, 1)");
        done("UPDATE entry SET state = 'in-force', due = 1, due_boot = 1");
        assert!(refused("UPDATE entry SET due = NULL").contains("needs an end"));
        assert!(refused("UPDATE entry SET due_boot = NULL").contains("needs an end"));
        assert!(refused("DELETE FROM entry").contains("is not forgotten"));
        assert!(refused("DELETE FROM effect").contains("is not forgotten"));
        done("UPDATE entry SET state = 'undoing'");
        let close = "UPDATE entry SET state = 'closed', closed = 9";
        assert!(refused(close).contains("not over while it holds"));
        done("UPDATE effect SET released = 1");
        done(close);
        assert!(refused("UPDATE effect SET released = 0").contains("claims nothing"));
        let claim =
            "INSERT INTO effect (entry, interface, target, number, boot) VALUES (1, 'firewall', 'y', 1, 1)";
        assert!(refused(claim).contains("claims nothing"));
        assert!(refused("UPDATE entry SET closed = NULL").contains("CHECK"));
        assert!(refused("UPDATE entry SET state = 'intended', closed = NULL").contains("illegal transition"));
        done("DELETE FROM effect");
        done("DELETE FROM entry");
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
