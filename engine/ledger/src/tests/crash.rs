//! Crashes, full disks, damaged and foreign files.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::{Machine, ban, block, enter, entry, in_force, open_entries, state};
use crate::entry::Filter;
use crate::{Admitted, Cause, Ledger, LedgerError, NewEntry, Opened, Settings, Standing, State, Wait};

/// What a killed process leaves: the files as they are at this moment, without
/// whatever it still had in memory.
pub(super) fn killed(machine: &Machine) -> Machine {
    let after = Machine { folder: tempfile::tempdir().unwrap(), clock: Arc::clone(&machine.clock) };
    for suffix in ["", "-wal"] {
        let name = format!("ledger.db{suffix}");
        std::fs::copy(machine.folder.path().join(&name), after.folder.path().join(&name)).unwrap();
    }
    after
}

#[tokio::test]
async fn what_was_answered_as_durable_survives_a_kill_at_every_step() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = enter(&ledger, block("192.0.2.7")).await;
    let found = killed(&machine).open();
    assert_eq!((found.recovery[0].id, found.recovery[0].state), (id, State::Intended));

    let _ = ledger.claim(id, "firewall", "x", Some("open")).await.unwrap();
    let found = killed(&machine).open();
    assert_eq!(found.recovery[0].state, State::Intended);
    assert_eq!(found.ledger.standing("firewall", "x"), Standing::For(10 * super::MINUTE));
    assert_eq!(found.ledger.effects(id).await.unwrap()[0].prior.as_deref(), Some("open"));

    let _ = ledger.added(id, Some(vec![1, 2])).await.unwrap();
    ledger.flush().await.unwrap();
    let found = killed(&machine).open();
    assert_eq!((found.recovery.len(), found.pending[0].id), (0, id));

    let _ = ledger.begin_undo(id, Cause::Failed).await.unwrap();
    let found = killed(&machine).open();
    assert_eq!((found.recovery[0].id, found.recovery[0].state), (id, State::Undoing));
    let undo = found.ledger.begin_undo(id, Cause::Recovery).await.unwrap();
    assert_eq!((undo.entry.receipt.as_deref(), undo.effects.len()), (Some([1, 2].as_slice()), 1));
    assert!(undo.entry.alert.is_some());

    let _ = ledger.release(id, "firewall", "x").await.unwrap();
    ledger.undone(id).await.unwrap();
    let found = killed(&machine).open();
    assert!(found.recovery.is_empty() && found.pending.is_empty());
    assert_eq!(state(&found.ledger, id).await, State::Failed, "the cause was written down");
}

#[tokio::test]
async fn a_log_cut_anywhere_loses_whole_commits_only() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    for number in 0..6 {
        let _ = in_force(&ledger, block(&format!("192.0.2.{number}"))).await;
    }
    ledger.flush().await.unwrap();
    // Behind what was written the log is kept empty.
    let log = std::fs::read(machine.folder.path().join("ledger.db-wal")).unwrap();
    let length = log.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1;
    let mut before = 0;
    for part in 0..=40 {
        let after = killed(&machine);
        let log =
            std::fs::OpenOptions::new().write(true).open(after.folder.path().join("ledger.db-wal")).unwrap();
        log.set_len(length * part / 40).unwrap();
        let Ok(Opened { ledger, .. }) = after.try_open(Settings::default()) else { continue };
        let entries = open_entries(&ledger).await;
        for entry in &entries {
            let effects = ledger.effects(entry.id).await.unwrap();
            match entry.state {
                State::InForce => assert_eq!(effects.len(), 1, "in force without its claim: {entry:?}"),
                State::Intended => assert_eq!(effects.is_empty(), entry.due_boot_ms.is_none(), "{entry:?}"),
                other => panic!("{other}"),
            }
        }
        assert!(entries.len() >= before);
        before = entries.len();
    }
    assert_eq!(before, 6);
}

#[tokio::test]
async fn a_full_disk_refuses_what_is_new_and_goes_on_with_what_is_there() {
    let machine = Machine::new();
    let settings = Settings { most_pages: Some(80), ..Settings::default() };
    let ledger = machine.try_open(settings.clone()).unwrap().ledger;
    let mut made = Vec::new();
    let error = loop {
        let alert = format!(r#"{{"full_log":"{}"}}"#, "x".repeat(8_000));
        let address = format!("192.0.2.{}", made.len());
        match ledger.admit(NewEntry { alert: alert.into(), ..block(&address) }, Wait::Durable).await {
            Ok(Admitted::New { id, .. }) => made.push(id),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
        assert!(made.len() < 1_000, "the limit does not hold");
    };
    assert_eq!(error, LedgerError::DiskFull { path: machine.path() });
    assert!(error.is_storage() && error.to_string().contains("no space left"));
    assert!(!machine.folder.path().join("ledger.db.reserve").exists(), "given up");
    assert_eq!(ledger.open_entries(), made.len(), "in memory as on disk");
    let same = ledger.admit(block("192.0.2.0"), Wait::Applied).await;
    assert_eq!(same, Ok(Admitted::UnderWay { id: made[0], extended: false }), "the known is answered");

    let refused = ledger.admit(block("198.51.100.1"), Wait::Applied).await;
    assert_eq!(refused, Err(LedgerError::NoRoom { path: machine.path() }), "before anything is tried");

    // What is there can be carried on and undone, which makes space.
    for id in &made {
        let _ = ledger.claim(*id, "firewall", &id.to_string(), None).await.unwrap();
        let _ = ledger.added(*id, Some(vec![7; 1_000])).await.unwrap();
    }
    machine.clock.advance(super::MINUTE);
    assert!(matches!(
        ledger.admit(block("198.51.100.1"), Wait::Applied).await,
        Err(LedgerError::NoRoom { .. })
    ));
    for id in &made {
        let _ = ledger.begin_undo(*id, Cause::Recovery).await.unwrap();
        let _ = ledger.release(*id, "firewall", &id.to_string()).await.unwrap();
        ledger.undone(*id).await.unwrap();
    }
    machine.clock.advance(super::MINUTE);
    let id = in_force(&ledger, block("198.51.100.1")).await;
    assert!(machine.folder.path().join("ledger.db.reserve").exists(), "taken back");
    drop(ledger);
    let opened = machine.try_open(settings).unwrap();
    assert_eq!((opened.pending[0].id, opened.recovery.len()), (id, 0));
}

/// A commit that fails takes with it all that was done in it, also what was
/// answered already, unless that was an undo; and nothing else.
#[tokio::test]
async fn a_failed_commit_is_undone_in_memory_too() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let kept = in_force(&ledger, block("192.0.2.1")).await;
    let other = Connection::open(machine.path()).unwrap();
    other
        .execute_batch("CREATE TRIGGER sabotage BEFORE INSERT ON effect BEGIN SELECT RAISE(ABORT, 'no'); END")
        .unwrap();
    let lost = enter(&ledger, block("192.0.2.2")).await;
    let failed = ledger.claim(lost, "firewall", "x", None).await;
    assert!(matches!(failed, Err(LedgerError::Io { .. })), "{failed:?}");
    assert_eq!(ledger.standing("firewall", "x"), Standing::Free);
    assert_eq!(ledger.standing("firewall", "192.0.2.1"), Standing::For(10 * super::MINUTE));
    assert_eq!(entry(&ledger, lost).await.due_ms, None);
    assert_eq!(
        ledger.admit(block("192.0.2.2"), Wait::Applied).await,
        Ok(Admitted::UnderWay { id: lost, extended: false })
    );
    other.execute_batch("DROP TRIGGER sabotage").unwrap();
    assert_eq!(ledger.claim(lost, "firewall", "x", None).await, Ok(Standing::Free), "the thread lives on");
    assert_eq!(state(&ledger, kept).await, State::InForce);
}

/// The number of what was lost is not given to another: whoever still acts on
/// it is refused.
#[tokio::test]
async fn the_number_of_a_lost_entry_is_not_given_again() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let other = Connection::open(machine.path()).unwrap();
    other
        .execute_batch("CREATE TRIGGER sabotage BEFORE INSERT ON body BEGIN SELECT RAISE(ABORT, 'no'); END")
        .unwrap();
    assert!(ledger.admit(block("192.0.2.1"), Wait::Applied).await.is_err());
    other.execute_batch("DROP TRIGGER sabotage").unwrap();
    assert_eq!(enter(&ledger, block("192.0.2.2")).await.0, 2);
    assert_eq!(open_entries(&ledger).await.len(), 1);
}

/// Makes every commit fail that does `what`, until the trigger is dropped.
pub(super) fn sabotage_commits(other: &Connection, what: &str) {
    other
        .execute_batch(&format!(
            "CREATE TABLE never (number INTEGER PRIMARY KEY);
             CREATE TABLE sabotaged (number INTEGER REFERENCES never (number) DEFERRABLE INITIALLY DEFERRED);
             CREATE TRIGGER sabotage AFTER {what} BEGIN INSERT INTO sabotaged VALUES (1); END"
        ))
        .unwrap();
}

#[tokio::test]
async fn a_wall_clock_is_followed_again_after_a_commit_that_failed() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = in_force(&ledger, block("192.0.2.1")).await;
    let other = Connection::open(machine.path()).unwrap();
    sabotage_commits(&other, "UPDATE OF due ON entry");
    machine.clock.step_wall(365 * 86_400_000);
    assert!(ledger.flush().await.is_err(), "the sabotage does not work");
    other.execute_batch("DROP TRIGGER sabotage").unwrap();
    ledger.flush().await.unwrap();
    drop(ledger);
    machine.clock.reboot("boot-2", super::MINUTE);
    let opened = machine.open();
    assert!(opened.recovery.is_empty(), "{id} is not overdue");
    assert_eq!(opened.pending[0].due_boot_ms, 9 * 60_000);
}

/// Nothing that follows would notice that it was lost.
#[tokio::test]
async fn a_moved_end_is_answered_when_it_is_durable() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = in_force(&ledger, block("192.0.2.1")).await;
    let other = Connection::open(machine.path()).unwrap();
    sabotage_commits(&other, "UPDATE OF due ON entry");
    machine.clock.advance(super::MINUTE);
    let answer = ledger.admit(block("192.0.2.1"), Wait::Applied).await;
    assert!(matches!(answer, Err(LedgerError::Io { .. })), "{answer:?}");
    other.execute_batch("DROP TRIGGER sabotage").unwrap();
    let answer = ledger.admit(block("192.0.2.1"), Wait::Applied).await;
    assert!(
        matches!(answer, Ok(Admitted::InForce { id: same, extended: true, .. }) if same == id),
        "{answer:?}"
    );
}

#[tokio::test]
async fn carried_out_is_answered_when_it_is_durable() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = enter(&ledger, ban("192.0.2.1")).await;
    let _ = ledger.claim(id, "firewall", "x", None).await.unwrap();
    let other = Connection::open(machine.path()).unwrap();
    sabotage_commits(&other, "UPDATE OF state ON entry");
    assert!(matches!(ledger.added(id, None).await, Err(LedgerError::Io { .. })));
    assert_eq!(state(&ledger, id).await, State::Intended);
    other.execute_batch("DROP TRIGGER sabotage").unwrap();
    let _ = ledger.added(id, None).await.unwrap();
    assert_eq!(state(&ledger, id).await, State::InForce);
}

#[tokio::test]
async fn another_engine_is_refused_by_name() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let second = machine.try_open(Settings::default()).err().unwrap();
    assert_eq!(second, LedgerError::InUse { path: machine.path(), pid: Some(std::process::id()) });
    assert!(second.to_string().contains("stop it first"));
    let another = ledger.clone();
    drop(ledger);
    assert!(machine.try_open(Settings::default()).is_err(), "a clone still has it");
    drop(another);
    assert!(machine.try_open(Settings::default()).is_ok());
}

#[tokio::test]
async fn the_files_are_nobody_elses_business() {
    let machine = Machine::new();
    std::fs::write(machine.path(), "").unwrap();
    std::fs::set_permissions(machine.path(), PermissionsExt::from_mode(0o644)).unwrap();
    let ledger = machine.ledger();
    let _ = enter(&ledger, block("192.0.2.7")).await;
    let files: Vec<_> = std::fs::read_dir(machine.folder.path()).unwrap().map(Result::unwrap).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.path().display());
    }
}

#[test]
fn a_ledger_of_a_newer_program_is_left_alone() {
    let machine = Machine::new();
    drop(machine.ledger());
    Connection::open(machine.path()).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let before = std::fs::read(machine.path()).unwrap();
    let error = machine.try_open(Settings::default()).err().unwrap();
    assert_eq!(error, LedgerError::Newer { path: machine.path(), found: 9, known: crate::schema::VERSION });
    assert!(error.to_string().contains("start that newer Riposte"));
    assert_eq!(std::fs::read(machine.path()).unwrap(), before);
    assert!(Ledger::read(&machine.path(), &Filter::default()).is_err());
}

#[test]
fn a_database_of_something_else_is_left_alone() {
    let machine = Machine::new();
    let other = Connection::open(machine.path()).unwrap();
    other.execute_batch("CREATE TABLE mail (text)").unwrap();
    drop(other);
    let error = machine.try_open(Settings::default()).err().unwrap();
    assert_eq!(error, LedgerError::Foreign { path: machine.path() });
    assert!(!machine.folder.path().join("ledger.db-wal").exists());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let clock = Arc::new(crate::ManualClock::new());
    let path = Path::new("/nonexistent/riposte/ledger.db");
    let error = Ledger::open(path, clock).err().unwrap();
    assert!(matches!(error, LedgerError::CannotOpen { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("/nonexistent/riposte/ledger.db") && text.contains("must exist and be writable"),
        "{text}"
    );
    assert!(matches!(Ledger::read(path, &Filter::default()), Err(LedgerError::CannotOpen { .. })));
}

#[tokio::test]
async fn a_ledger_made_halfway_is_made_again() {
    let machine = Machine::new();
    std::fs::write(machine.path(), "").unwrap();
    let ledger = machine.ledger();
    let _ = enter(&ledger, block("192.0.2.7")).await;
}

#[tokio::test]
async fn another_programs_transaction_is_waited_for_and_then_named() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let other = Connection::open(machine.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = ledger.admit(block("192.0.2.7"), Wait::Durable).await;
    assert_eq!(refused, Err(LedgerError::Busy { path: machine.path() }));
    other.execute_batch("ROLLBACK").unwrap();
    let _ = enter(&ledger, block("192.0.2.7")).await;
}
