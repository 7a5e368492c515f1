//! A storage that does not do what it should: what ends, ends all the same.

use rusqlite::Connection;

use super::{Machine, block, entry, in_force, open_entries, state};
use crate::{Cause, Health, Ledger, LedgerError, Standing, State, Wait};

/// Another program's transaction: nothing can be written until it ends.
fn locked(machine: &Machine) -> Connection {
    let other = Connection::open(machine.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

/// An undo that the ledger cannot record, as the engine does it.
async fn undo_unrecorded(ledger: &Ledger, id: riposte_policy::order::EntryId, cause: &Cause) {
    let undo = ledger.begin_unrecorded(id, cause).await.unwrap().unwrap();
    for effect in &undo.effects {
        assert_eq!(ledger.release_unrecorded(id, &effect.interface, &effect.target), Standing::Free);
    }
    ledger.undone_unrecorded(id, cause);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_undone_in_memory_and_recorded_later() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let gone = in_force(&ledger, block("192.0.2.1")).await;
    let kept = in_force(&ledger, block("192.0.2.2")).await;
    ledger.flush().await.unwrap();
    assert_eq!(ledger.health(), Health::Ok);
    let other = locked(&machine);
    machine.clock.advance(11 * super::MINUTE);
    let error = ledger.begin_undo(gone, Cause::Due).await.unwrap_err();
    assert!(error.is_storage(), "{error:?}");
    assert_eq!(ledger.health().word(), "failing");
    undo_unrecorded(&ledger, gone, &Cause::Due).await;
    assert_eq!(ledger.standing("firewall", "192.0.2.1"), Standing::Free);
    assert!(matches!(ledger.standing("firewall", "192.0.2.2"), Standing::For(_)));
    assert_eq!((ledger.open_entries(), ledger.owed()), (1, 1));
    // A commit that fails reads the tables again: the memory stays ahead of them.
    assert!(ledger.flush().await.is_err());
    assert_eq!(ledger.standing("firewall", "192.0.2.1"), Standing::Free);
    other.execute_batch("ROLLBACK").unwrap();
    ledger.flush().await.unwrap();
    assert_eq!((ledger.owed(), ledger.health()), (0, Health::Ok));
    let found = entry(&ledger, gone).await;
    assert_eq!((found.state, found.cause.as_deref()), (State::Closed, Some("due")));
    assert!(ledger.effects(gone).await.unwrap().iter().all(|effect| effect.released));
    assert_eq!(open_entries(&ledger).await.len(), 1);
    assert_eq!(state(&ledger, kept).await, State::InForce);
    assert!(ledger.verify_memory().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_owed_is_recorded_without_being_asked_for() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = in_force(&ledger, block("192.0.2.1")).await;
    ledger.flush().await.unwrap();
    let other = locked(&machine);
    undo_unrecorded(&ledger, id, &Cause::Recovery).await;
    other.execute_batch("ROLLBACK").unwrap();
    // The writer comes to it by itself; nobody asks it for anything here.
    while ledger.owed() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(state(&ledger, id).await, State::Closed);
}

#[tokio::test]
async fn an_undo_that_is_only_begun_keeps_the_same_from_being_entered() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = in_force(&ledger, block("192.0.2.1")).await;
    ledger.flush().await.unwrap();
    let other = locked(&machine);
    assert!(matches!(ledger.begin_unrecorded(id, &Cause::Due).await, Err(LedgerError::NotDue { .. })));
    machine.clock.advance(11 * super::MINUTE);
    let _ = ledger.begin_unrecorded(id, &Cause::Due).await.unwrap();
    other.execute_batch("ROLLBACK").unwrap();
    let again = ledger.admit(block("192.0.2.1"), Wait::Durable).await;
    assert_eq!(again, Ok(crate::Admitted::Undoing { id }));
    assert_eq!(state(&ledger, id).await, State::Undoing, "its beginning was recorded with it");
    ledger.undone_unrecorded(id, &Cause::Due);
    ledger.flush().await.unwrap();
    assert_eq!(state(&ledger, id).await, State::Closed);
}

#[tokio::test]
async fn what_was_not_recorded_before_a_crash_is_undone_again() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = in_force(&ledger, block("192.0.2.1")).await;
    ledger.flush().await.unwrap();
    let other = locked(&machine);
    machine.clock.advance(11 * super::MINUTE);
    undo_unrecorded(&ledger, id, &Cause::Due).await;
    let after = super::crash::killed(&machine);
    drop(other);
    let opened = after.open();
    assert_eq!((opened.recovery.len(), opened.recovery[0].id), (1, id));
}

#[tokio::test]
async fn space_is_kept_for_the_undo_of_each_open_entry() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let mut ids = Vec::new();
    for number in 0..1_100 {
        ids.push(in_force(&ledger, block(&format!("10.0.{}.{}", number / 250, number % 250))).await);
    }
    ledger.flush().await.unwrap();
    let steps = || -> i64 {
        let conn = Connection::open(machine.path()).unwrap();
        conn.query_row("SELECT count(*) FROM reserve", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(steps(), 3, "512 entries a step");
    for id in ids {
        let _ = ledger.begin_undo(id, Cause::Recovery).await.unwrap();
        let target = ledger.effects(id).await.unwrap()[0].target.clone();
        let _ = ledger.release(id, "firewall", &target).await.unwrap();
        ledger.undone(id).await.unwrap();
    }
    assert_eq!(steps(), 0);
}
