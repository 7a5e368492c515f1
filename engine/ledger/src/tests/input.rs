//! How far the alerts were read.

use riposte_policy::order::Source;

use super::{Machine, block, enter, in_force};
use crate::input::FileIdentity;
use crate::{Admitted, Ledger, NewEntry, Wait};

fn identity(ino: u64) -> FileIdentity {
    FileIdentity { dev: u64::MAX, ino, head_hash: [7; 32], head_len: 100 }
}

fn from(input: i64, offset: u64, ordinal: u32) -> NewEntry {
    let address = format!("192.0.2.{offset}-{ordinal}");
    NewEntry { source: Some(Source { input, offset, ordinal }), ..block(&address) }
}

async fn is_handled(ledger: &Ledger, new: NewEntry) -> bool {
    ledger.admit(new, Wait::Durable).await.unwrap() == Admitted::Handled
}

#[tokio::test]
async fn a_file_is_known_by_what_it_is() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    assert_eq!(ledger.input_for("alerts.json").await, Ok(None));
    let old = ledger.new_input("alerts.json", identity(1), 0).await.unwrap();
    let grown = FileIdentity { head_len: 4_096, ..identity(1) };
    ledger.identify_input(old, grown).await.unwrap();
    ledger.mark(old, 500);
    ledger.flush().await.unwrap();
    let found = ledger.input_for("alerts.json").await.unwrap().unwrap();
    assert_eq!((found.id, found.identity, found.offset, found.done), (old, grown, 500, false));
    let new = ledger.new_input("alerts.json", identity(2), 0).await.unwrap();
    assert_eq!(ledger.input_for("alerts.json").await.unwrap().unwrap().id, new);
    ledger.finish_input(old).await.unwrap();
    let both = ledger.inputs("alerts.json").await.unwrap();
    assert_eq!(
        both.iter().map(|input| (input.id, input.done)).collect::<Vec<_>>(),
        [(new, false), (old, true)]
    );
}

#[tokio::test]
async fn of_many_rotated_files_the_newest_are_remembered() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let still_read = ledger.new_input("alerts.json", identity(99), 0).await.unwrap();
    for ino in 0..20 {
        let id = ledger.new_input("alerts.json", identity(ino), 0).await.unwrap();
        ledger.finish_input(id).await.unwrap();
    }
    let left = ledger.inputs("alerts.json").await.unwrap();
    assert_eq!(left.len(), 11);
    assert_eq!(left.last().map(|input| (input.id, input.done)), Some((still_read, false)));
}

#[tokio::test]
async fn positions_travel_with_the_next_commit() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let input = ledger.new_input("alerts.json", identity(1), 0).await.unwrap();
    ledger.mark(input, 10);
    ledger.mark(input, 20);
    let _ = enter(&ledger, block("192.0.2.7")).await;
    drop(ledger);
    let ledger = machine.ledger();
    assert_eq!(ledger.input_for("alerts.json").await.unwrap().unwrap().offset, 20);
    ledger.mark(input, 30);
    drop(ledger);
    assert_eq!(
        machine.ledger().input_for("alerts.json").await.unwrap().unwrap().offset,
        30,
        "also at the end"
    );
}

#[tokio::test]
async fn an_alert_above_the_mark_is_not_answered_twice() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let input = ledger.new_input("alerts.json", identity(1), 0).await.unwrap();
    let _ = in_force(&ledger, from(input, 10, 0)).await;
    let failed = enter(&ledger, from(input, 20, 1)).await;
    ledger.fail(failed, "").await.unwrap();
    let _ = in_force(&ledger, from(input, 30, 0)).await;
    ledger.mark(input, 20);
    ledger.flush().await.unwrap();
    let mut ledger = ledger;
    for _start in 0..2 {
        assert_eq!(ledger.admitted_after(input, 0).await.unwrap(), [(20, 1), (30, 0)]);
        assert_eq!(ledger.admitted_after(input, 21).await.unwrap(), [(30, 0)]);
        assert!(is_handled(&ledger, from(input, 20, 1)).await, "whatever became of it");
        assert!(is_handled(&ledger, from(input, 30, 0)).await);
        drop(ledger);
        ledger = machine.ledger();
    }
    assert!(!is_handled(&ledger, from(input, 30, 1)).await, "another response");
    assert!(!is_handled(&ledger, from(input + 1, 30, 0)).await, "another file");
}

#[tokio::test]
async fn what_the_mark_passed_is_forgotten() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let input = ledger.new_input("alerts.json", identity(1), 0).await.unwrap();
    for offset in 0..100 {
        let _ = enter(&ledger, from(input, offset, 0)).await;
    }
    ledger.mark(input, 90);
    ledger.flush().await.unwrap();
    assert_eq!(ledger.admitted_after(input, 0).await.unwrap().len(), 10);
    ledger.finish_input(input).await.unwrap();
    assert!(ledger.admitted_after(input, 0).await.unwrap().is_empty());
}
