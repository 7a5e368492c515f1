//! Ledgers of the version before.

use rusqlite::Connection;

use super::{Machine, block, enter, entry, open_entries};
use crate::entry::Filter;
use crate::ledger::Pending;
use crate::{Admitted, Cause, Handed, Ledger, Rekeyed, State, Wait};

/// A ledger as version 1 left it: a block in force for 10 minutes, since 4; a
/// program's that was begun; one for good; and one that was undone.
fn version_1() -> Machine {
    let machine = Machine::new();
    let conn = Connection::open(machine.path()).unwrap();
    conn.execute_batch(include_str!("version1.sql")).unwrap();
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
           INSERT INTO body VALUES (1, '{{"srcip":"192.0.2.7"}}', 600000, NULL), (2, '{{}}', 600000, '[1800000]'),
                                   (3, '{{}}', NULL, NULL);
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
    drop(conn);
    machine
}

#[tokio::test]
async fn a_ledger_of_version_1_keeps_all_it_has_and_goes_on() {
    let machine = version_1();
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
    let conn = Connection::open(machine.path()).unwrap();
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, crate::schema::VERSION);
    assert!(conn.execute("UPDATE entry SET state = 'in-force', closed = NULL WHERE id = 4", ()).is_err());
    assert!(conn.execute("UPDATE entry SET state = 'elsewhere' WHERE id = 4", ()).is_err());
}

/// Entries whose undo was begun or had failed when the version before stopped.
#[tokio::test]
async fn what_was_being_undone_is_undone_after_the_change_of_version() {
    let machine = version_1();
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

#[test]
fn a_migrated_ledger_is_made_like_a_new_one() {
    let (old, new) = (version_1(), Machine::new());
    let shapes = [&old, &new].map(|machine| {
        drop(machine.ledger());
        let conn = Connection::open(machine.path()).unwrap();
        let mut all = conn
            .prepare(
                "SELECT schema.type, schema.name, coalesce(info.name, ''), coalesce(info.type, ''), info.pk
                 FROM sqlite_schema AS schema LEFT JOIN pragma_table_info(schema.name) AS info ORDER BY 1, 2, 3",
            )
            .unwrap();
        let rows = all.query_map((), |row| {
            Ok(format!("{:?}", (row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?)))
        });
        rows.unwrap().map(Result::unwrap).collect::<Vec<_>>()
    });
    assert!(shapes[0].len() > 60, "{}", shapes[0].len());
    assert_eq!(shapes[0], shapes[1]);
}

#[tokio::test]
async fn a_ledger_of_version_1_can_be_read_without_being_changed() {
    let machine = version_1();
    let open = Filter { open_only: true, ..Filter::default() };
    let read = Ledger::read(&machine.path(), &open).unwrap();
    assert_eq!(read.iter().map(|entry| entry.id.0).collect::<Vec<_>>(), [1, 2, 3]);
    let conn = Connection::open(machine.path()).unwrap();
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, crate::schema::FIRST);
    drop(conn);
    assert_eq!(open_entries(&machine.ledger()).await, read);
}

#[tokio::test]
async fn a_migration_that_finds_no_space_leaves_the_ledger_as_it_was() {
    let machine = version_1();
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
