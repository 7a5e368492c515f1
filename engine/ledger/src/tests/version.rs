//! Ledgers of the versions before.

use std::sync::Arc;

use rusqlite::Connection;

use super::{Machine, block, enter, entry, in_force};
use crate::entry::Filter;
use crate::ledger::Pending;
use crate::{Admitted, Cause, Handed, Ledger, Rekeyed, State, Wait};

/// A ledger as that version left it: a block in force for 10 minutes, since 4; a
/// program's that was begun; one for good; and one that was undone.
fn of_version(version: i64) -> Machine {
    let machine = Machine::new();
    let conn = Connection::open(machine.path()).unwrap();
    let tables = match version {
        1 => include_str!("version1.sql"),
        2 => include_str!("version2.sql"),
        other => panic!("no version {other} was ever released"),
    };
    conn.execute_batch(tables).unwrap();
    let (wall, boot) = (machine.wall_ms(), machine.boot_ms());
    conn.execute_batch(&format!(
        r#"INSERT INTO boot VALUES (1, 'boot-1');
           INSERT INTO definition VALUES (1, '<command/>', '');
           INSERT INTO entry (id, tenant, command, response, agent, location, keys, kind, state, mode, since, length,
                              due, due_boot, boot, closed, offence, alert_id, rule_id, actor, definition, input, offset, ordinal)
           VALUES (1, 'default', 'firewall-drop', 'firewall-drop#1', '000', 'local', '["192.0.2.7"]', 'reversible',
                   'in-force', 'enforce', {since}, 600000, {due}, {due_boot}, 1, NULL, 2, '1.1', '5712', 'alert', 1, 1, 40, 0),
                  (2, 'default', 'firewall-drop', 'firewall-drop#1', '000', 'local', '["192.0.2.8"]', 'native',
                   'intended', 'enforce', {wall}, 600000, NULL, NULL, 1, NULL, 1, '1.1', '5712', 'alert', 1, NULL, NULL, NULL),
                  (3, 'default', 'firewall-drop', NULL, '000', 'local', '["192.0.2.9"]', 'reversible',
                   'in-force', 'enforce', {wall}, NULL, NULL, NULL, 1, NULL, 1, '1.1', '5712', 'uid:0', 1, NULL, NULL, NULL),
                  (4, 'default', 'firewall-drop', 'firewall-drop#1', '000', 'local', '["192.0.2.10"]', 'reversible',
                   'closed', 'enforce', {since}, 600000, {wall}, {boot}, 1, {wall}, 3, '1.1', '5712', 'alert', 1, NULL, NULL, NULL);
           INSERT INTO body (entry, alert, base, offenders)
           VALUES (1, '{{"srcip":"192.0.2.7"}}', 600000, NULL), (2, '{{}}', 600000, '[1800000]'), (3, '{{}}', NULL, NULL);
           INSERT INTO effect VALUES (1, 'firewall', 'drop 192.0.2.7', NULL, 0, 0, {due}, {due_boot}, 1),
                                     (3, 'firewall', 'drop 192.0.2.9', NULL, 0, 0, NULL, NULL, 1);
           INSERT INTO receipt VALUES (1, x'0102');
           INSERT INTO offence VALUES ('default', 'firewall-drop#1', '000', '["192.0.2.10"]', 3, {wall});
           INSERT INTO input VALUES (1, '/alerts.json', 1, 2, zeroblob(32), 0, 40, 0, {wall});"#,
        since = wall - 240_000,
        due = wall + 360_000,
        due_boot = boot + 360_000,
    ))
    .unwrap();
    machine
}

/// The versions before this one.
const OLD: [i64; 2] = [1, 2];

fn version(machine: &Machine) -> i64 {
    let conn = Connection::open(machine.path()).unwrap();
    conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[test]
fn every_version_before_this_one_is_tried() {
    assert_eq!(*OLD.last().unwrap() + 1, crate::schema::VERSION, "freeze the tables of the version before");
}

#[tokio::test]
async fn an_older_ledger_keeps_all_it_has_and_goes_on() {
    for version in OLD {
        goes_on(of_version(version)).await;
    }
}

async fn goes_on(machine: Machine) {
    let opened = machine.open();
    let due_boot_ms = machine.boot_ms() + 360_000;
    let [first, second, third, fourth] = [1, 2, 3, 4].map(riposte_policy::order::EntryId);
    assert_eq!(opened.pending, [Pending { id: first, due_boot_ms }]);
    assert_eq!(opened.recovery.iter().map(|entry| entry.id).collect::<Vec<_>>(), [second]);
    let ledger = opened.ledger;
    let states: Vec<State> =
        ledger.entries(Filter::default()).await.unwrap().iter().map(|entry| entry.state).collect();
    assert_eq!(states, [State::InForce, State::Intended, State::InForce, State::Closed]);
    let found = entry(&ledger, first).await;
    assert_eq!((found.offence, found.timeout_ms, found.receipt), (2, Some(600_000), Some(vec![1, 2])));
    assert_eq!((found.alert.as_deref(), found.message), (Some(r#"{"srcip":"192.0.2.7"}"#), None));

    // The same is still known, handled and counted.
    assert!(matches!(
        ledger.admit(block("192.0.2.7"), Wait::Durable).await,
        Ok(Admitted::InForce { id, extended: true, .. }) if id == first
    ));
    assert_eq!(ledger.admitted_after(1, 40).await, Ok(vec![(40, 0)]));
    let again = ledger.admit(block("192.0.2.10"), Wait::Durable).await;
    assert!(matches!(again, Ok(Admitted::New { offence: 4, .. })), "{again:?}");
    // A program that was begun names its keys, in our way.
    let named = ledger.rekey(second, vec!["web".into()]).await.unwrap();
    assert!(matches!(named, Rekeyed::Continue { offence: 1, .. }), "{named:?}");
    for id in [first, third] {
        let undo = ledger.begin_undo(id, Cause::Recovery).await.unwrap();
        let effect = &undo.effects[0];
        let _ = ledger.release(id, &effect.interface, &effect.target).await.unwrap();
        ledger.undone(id).await.unwrap();
    }
    assert!(matches!(ledger.handed_over(block("192.0.2.1")).await, Ok(Handed::Over { .. })));
    assert_eq!(entry(&ledger, fourth).await.state, State::Closed);

    // It is of this version now, with the same guards.
    drop(ledger);
    assert_eq!(version(&machine), crate::schema::VERSION);
    let conn = Connection::open(machine.path()).unwrap();
    assert!(conn.execute("UPDATE entry SET state = 'in-force', closed = NULL WHERE id = 4", ()).is_err());
    assert!(conn.execute("UPDATE entry SET state = 'elsewhere' WHERE id = 4", ()).is_err());
}

/// Entries whose undo was begun or had failed when the version before stopped.
#[tokio::test]
async fn what_was_being_undone_is_undone_after_the_change_of_version() {
    for version in OLD {
        is_undone(of_version(version)).await;
    }
}

async fn is_undone(machine: Machine) {
    let conn = Connection::open(machine.path()).unwrap();
    conn.execute_batch(
        "UPDATE entry SET state = 'undoing', cause = 'due', undo_attempts = 4 WHERE id = 1;
         UPDATE entry SET state = 'undoing', cause = 'asked' WHERE id = 3;",
    )
    .unwrap();
    drop(conn);
    let opened = machine.open();
    let [first, second, third] = [1, 2, 3].map(riposte_policy::order::EntryId);
    let mut found: Vec<_> =
        opened.recovery.iter().map(|entry| (entry.id, entry.state, entry.stuck)).collect();
    found.sort_by_key(|(id, ..)| *id);
    assert_eq!(
        found,
        [(first, State::Undoing, true), (second, State::Intended, false), (third, State::Undoing, false)]
    );
    for id in [first, third] {
        let undo = opened.ledger.begin_undo(id, Cause::Recovery).await.unwrap();
        let effect = &undo.effects[0];
        let _ = opened.ledger.release(id, &effect.interface, &effect.target).await.unwrap();
        opened.ledger.undone(id).await.unwrap();
        assert_eq!(entry(&opened.ledger, id).await.state, State::Closed);
    }
}

/// What version 2 brought, of which version 1 has nothing.
#[tokio::test]
async fn what_wazuhs_way_counted_in_version_2_is_still_counted() {
    let machine = of_version(2);
    let conn = Connection::open(machine.path()).unwrap();
    let wall = machine.wall_ms();
    conn.execute_batch(&format!(
        r#"INSERT INTO wazuh_offence VALUES ('default', 'firewall-drop192.0.2.7', '["192.0.2.7"]', 2);
           UPDATE entry SET wazuh_key = 'firewall-drop192.0.2.7', counted = 1 WHERE id = 1;
           UPDATE body SET message = '{{"version":1}}', program = 'firewall-drop' WHERE entry = 1;
           INSERT INTO entry (id, tenant, command, response, agent, location, keys, kind, state, mode, since, length,
                              boot, closed, offence, alert_id, rule_id, actor, definition)
           VALUES (5, 'default', 'firewall-drop', 'firewall-drop#1', '007', 'local', '["192.0.2.11"]', 'native',
                   'handed-over', 'enforce', {wall}, 600000, 1, {wall}, 1, '1.1', '5712', 'alert', 1);"#
    ))
    .unwrap();
    drop(conn);
    let ledger = machine.ledger();
    let [first, handed] = [1, 5].map(riposte_policy::order::EntryId);
    assert_eq!(entry(&ledger, first).await.message.as_deref(), Some(r#"{"version":1}"#));
    assert_eq!(entry(&ledger, handed).await.state, State::HandedOver);
    drop(ledger);
    let conn = Connection::open(machine.path()).unwrap();
    let read = |sql: &str| conn.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(read("SELECT count FROM wazuh_offence"), 2);
    assert_eq!(read("SELECT counted FROM entry WHERE wazuh_key = 'firewall-drop192.0.2.7'"), 1);
}

#[test]
fn a_migrated_ledger_is_made_like_a_new_one() {
    // The text as well: a trigger of the version before would refuse what this
    // one does. A column that was added stands at the end of its table.
    let shape = |machine: &Machine| {
        drop(machine.ledger());
        let conn = Connection::open(machine.path()).unwrap();
        let rows = |sql: &str| -> Vec<String> {
            let mut all = conn.prepare(sql).unwrap();
            let rows = all.query_map((), |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
            rows.map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        let columns = rows(
            "SELECT schema.name || ' ' || info.name || ' ' || info.type || ' ' || info.pk || ' ' || info.\"notnull\"
             FROM sqlite_schema AS schema, pragma_table_info(schema.name) AS info ORDER BY 1",
        );
        let texts = rows(
            "SELECT name || ' ' || sql FROM sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL ORDER BY 1",
        );
        (columns, texts)
    };
    let new = shape(&Machine::new());
    assert!(new.0.len() > 60 && new.1.len() > 5, "{new:?}");
    for version in OLD {
        assert_eq!(shape(&of_version(version)), new, "version {version}");
    }
}

#[test]
fn an_older_ledger_can_be_read_without_being_changed() {
    for old in OLD {
        let machine = of_version(old);
        let open = Filter { open_only: true, ..Filter::default() };
        let read = Ledger::read(&machine.path(), &open).unwrap();
        assert_eq!(read.iter().map(|entry| entry.id.0).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(version(&machine), old);
        drop(machine.ledger());
        assert_eq!(Ledger::read(&machine.path(), &open).unwrap(), read);
    }
}

#[tokio::test]
async fn a_migration_that_finds_no_space_leaves_the_ledger_as_it_was() {
    let machine = of_version(1);
    let conn = Connection::open(machine.path()).unwrap();
    let pages: u32 = conn.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    drop(conn);
    let settings = crate::Settings { most_pages: Some(pages), ..crate::Settings::default() };
    let refused = machine.try_open(settings).err();
    assert_eq!(refused, Some(crate::LedgerError::DiskFull { path: machine.path() }));
    assert_eq!(Ledger::read(&machine.path(), &Filter::default()).unwrap().len(), 4);
    let ledger = machine.ledger();
    assert!(enter(&ledger, block("192.0.2.1")).await.0 > 4, "with more space it goes on");
}

/// What is on the disk when the process is killed behind the last step and
/// before the commit: with next to no cache, SQLite has written most of it.
#[test]
fn a_migration_that_is_killed_leaves_the_ledger_as_it_was() {
    for old in OLD {
        let (killed, after) = (of_version(old), Machine::new());
        let conn = Connection::open(killed.path()).unwrap();
        conn.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE;",
        )
        .unwrap();
        // Alerts enough that the new tables do not fit into the cache.
        conn.execute_batch(
            "WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO entry (id, tenant, command, agent, location, keys, kind, state, mode, since, boot, closed,
                                offence, alert_id, rule_id, actor, definition)
             SELECT i, 'default', 'c', '000', 'local', '[]', 'native', 'closed', 'enforce', 0, 1, 1, 1, '', '', 'alert', 1
             FROM n; COMMIT; BEGIN IMMEDIATE;",
        )
        .unwrap();
        let written = |machine: &Machine| std::fs::metadata(wal(machine)).map_or(0, |found| found.len());
        let before = written(&killed);
        crate::schema::steps(&conn, old).unwrap();
        assert!(old > 1 || written(&killed) > before, "it reached the disk, uncommitted");
        for (from, to) in [(killed.path(), after.path()), (wal(&killed), wal(&after))] {
            std::fs::copy(from, to).unwrap();
        }
        assert_eq!(version(&after), old);
        let open = Filter { open_only: true, ..Filter::default() };
        drop(after.ledger());
        assert_eq!(version(&after), crate::schema::VERSION, "the next start brings it over");
        assert_eq!(Ledger::read(&after.path(), &open).unwrap().len(), 3);
        assert_eq!(Ledger::read(&after.path(), &Filter::default()).unwrap().len(), 2905);
    }
}

fn wal(machine: &Machine) -> std::path::PathBuf {
    machine.folder.path().join("ledger.db-wal")
}

#[test]
fn a_newer_ledger_is_refused_with_the_way_out() {
    let machine = Machine::new();
    drop(machine.ledger());
    let conn = Connection::open(machine.path()).unwrap();
    conn.pragma_update(None, "user_version", crate::schema::VERSION + 1).unwrap();
    drop(conn);
    for refused in [
        machine.try_open(crate::Settings::default()).err().unwrap(),
        Ledger::read(&machine.path(), &Filter::default()).unwrap_err(),
        Ledger::rehearse(&machine.path(), machine.folder.path(), Arc::clone(&machine.clock) as _)
            .unwrap_err(),
    ] {
        let text = refused.to_string();
        for words in ["version 4, this program knows up to 3", "undo --all --offline", "move"] {
            assert!(text.contains(words), "{text}");
        }
    }
    assert_eq!(version(&machine), crate::schema::VERSION + 1);
}

#[tokio::test]
async fn a_rehearsal_brings_a_copy_over_and_leaves_the_ledger_to_its_engine() {
    for old in OLD {
        let machine = of_version(old);
        let scratch = tempfile::tempdir().unwrap();
        let rehearsed =
            Ledger::rehearse(&machine.path(), scratch.path(), Arc::clone(&machine.clock) as _).unwrap();
        assert_eq!((rehearsed.found, rehearsed.now), (old, crate::schema::VERSION));
        assert_eq!(rehearsed.open.iter().map(|entry| entry.id.0).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(version(&machine), old, "only the copy changed");
    }
    // Also while an engine holds it, with what it has committed by then.
    let machine = Machine::new();
    let ledger = machine.ledger();
    let _ = in_force(&ledger, block("192.0.2.1")).await;
    let scratch = tempfile::tempdir().unwrap();
    let rehearsed =
        Ledger::rehearse(&machine.path(), scratch.path(), Arc::clone(&machine.clock) as _).unwrap();
    assert_eq!(rehearsed.open.len(), 1);
    assert!(enter(&ledger, block("192.0.2.2")).await.0 > 1, "the engine goes on");
}
