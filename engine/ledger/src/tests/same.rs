//! The same again: extended, not repeated.

use super::{MINUTE, Machine, block, enter, entry, in_force, state};
use crate::entry::Kind;
use crate::{Admitted, Cause, LedgerError, NewEntry, Rekeyed, Standing, State, Wait};

#[tokio::test]
async fn an_alert_for_what_is_in_force_moves_its_end_and_all_it_holds() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = in_force(&ledger, block("192.0.2.7")).await;
    machine.clock.advance(4 * MINUTE);
    let Ok(Admitted::InForce { id: same, due, extended: true }) =
        ledger.admit(block("192.0.2.7"), Wait::Applied).await
    else {
        panic!()
    };
    assert_eq!((same, due.boot_ms), (id, machine.boot_ms() + 600_000));
    assert_eq!(ledger.standing("firewall", "192.0.2.7"), Standing::For(10 * MINUTE));
    assert_eq!(entry(&ledger, id).await.due_ms, Some(machine.wall_ms() + 600_000));

    let short = NewEntry { timeout: Some(MINUTE), ..block("192.0.2.7") };
    let Ok(Admitted::InForce { due: kept, extended: false, .. }) = ledger.admit(short, Wait::Applied).await
    else {
        panic!()
    };
    assert_eq!(kept, due, "the later of the two");
    assert_eq!(entry(&ledger, id).await.offence, 1, "no offence of its own");
}

#[tokio::test]
async fn an_undo_that_comes_due_as_it_is_extended_is_refused() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = in_force(&ledger, block("192.0.2.7")).await;
    machine.clock.advance(10 * MINUTE);
    let _ = ledger.admit(block("192.0.2.7"), Wait::Applied).await.unwrap();
    let due_boot_ms = machine.boot_ms() + 600_000;
    assert_eq!(ledger.begin_undo(id, Cause::Due).await, Err(LedgerError::NotDue { id, due_boot_ms }));
    assert_eq!(state(&ledger, id).await, State::InForce);
    machine.clock.advance(10 * MINUTE);
    assert!(ledger.begin_undo(id, Cause::Due).await.is_ok());
}

#[tokio::test]
async fn what_is_under_way_or_being_undone_is_said_so() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = enter(&ledger, block("192.0.2.7")).await;
    assert_eq!(
        ledger.admit(block("192.0.2.7"), Wait::Applied).await,
        Ok(Admitted::UnderWay { id, extended: false })
    );
    let _ = ledger.begin_undo(id, Cause::Failed).await.unwrap();
    assert_eq!(ledger.admit(block("192.0.2.7"), Wait::Applied).await, Ok(Admitted::Undoing { id }));
    ledger.undone(id).await.unwrap();
    assert!(matches!(ledger.admit(block("192.0.2.7"), Wait::Applied).await, Ok(Admitted::New { .. })));
}

#[tokio::test]
async fn what_differs_in_any_part_of_the_key_is_another() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let _ = in_force(&ledger, block("192.0.2.7")).await;
    let same = block("192.0.2.7");
    for other in [
        NewEntry { tenant: "acme".into(), ..same.clone() },
        NewEntry { command: "route-null".into(), ..same.clone() },
        NewEntry { agent: "001".into(), ..same.clone() },
        NewEntry { keys: vec!["192.0.2.7".into(), "22".into()], ..same.clone() },
        NewEntry { keys: vec!["192.0.2.".into(), "7".into()], ..same.clone() },
        NewEntry { keys: Vec::new(), ..same.clone() },
        NewEntry { timeout: None, ..same.clone() },
    ] {
        let admitted = ledger.admit(other, Wait::Applied).await.unwrap();
        assert!(matches!(admitted, Admitted::New { .. }), "{admitted:?}");
    }
    let other_response = NewEntry { response: Some("firewall-drop#2".into()), ..same };
    assert!(matches!(ledger.admit(other_response, Wait::Applied).await, Ok(Admitted::InForce { .. })));
}

#[tokio::test]
async fn a_program_that_names_keys_in_force_is_merged_and_extends_them() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let known = in_force(&ledger, block("192.0.2.7")).await;
    machine.clock.advance(MINUTE);
    let native = |key: &str| NewEntry { kind: Kind::Native, ..block(key) };
    let asking = enter(&ledger, native("web")).await;
    let said = ledger.rekey(asking, vec!["192.0.2.7".into()]).await.unwrap();
    let Rekeyed::InForce { existing, due: Some(due) } = said else { panic!("{said:?}") };
    assert_eq!((existing, due.boot_ms), (known, machine.boot_ms() + 600_000));
    assert_eq!(state(&ledger, asking).await, State::Merged);
    assert_eq!(entry(&ledger, known).await.due_ms, Some(due.wall_ms));
    // It was no offence of the definition's keys.
    assert!(matches!(ledger.admit(native("web"), Wait::Applied).await, Ok(Admitted::New { offence: 1, .. })));
}

#[tokio::test]
async fn a_program_that_names_new_keys_goes_on_under_them() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let native = |key: &str| NewEntry { kind: Kind::Native, offenders: [30 * MINUTE].into(), ..block(key) };
    let id = enter(&ledger, native("a")).await;
    let same = ledger.rekey(id, vec!["a".into()]).await.unwrap();
    assert_eq!(same, Rekeyed::Continue { timeout: Some(10 * MINUTE), offence: 1 });
    let first = ledger.rekey(id, vec!["b".into(), "c".into()]).await.unwrap();
    assert_eq!(first, Rekeyed::Continue { timeout: Some(10 * MINUTE), offence: 1 });
    let _ = ledger.added(id, None).await.unwrap();
    assert_eq!(entry(&ledger, id).await.keys, ["b", "c"]);
    assert!(matches!(ledger.admit(native("a"), Wait::Applied).await, Ok(Admitted::New { offence: 1, .. })));
    let _ = ledger.begin_undo(id, Cause::Recovery).await.unwrap();

    let again = enter(&ledger, native("d")).await;
    let undoing = ledger.rekey(again, vec!["b".into(), "c".into()]).await.unwrap();
    assert_eq!(undoing, Rekeyed::Undoing { existing: id });
    assert_eq!(state(&ledger, again).await, State::Intended);
    ledger.undone(id).await.unwrap();
    let second = ledger.rekey(again, vec!["b".into(), "c".into()]).await.unwrap();
    assert_eq!(second, Rekeyed::Continue { timeout: Some(30 * MINUTE), offence: 2 }, "an old acquaintance");
    let Ok(crate::Settled::InForce { due }) = ledger.added(again, None).await else { panic!() };
    assert_eq!(due.boot_ms, machine.boot_ms() + 1_800_000);
}

#[tokio::test]
async fn two_programs_that_name_the_same_keys_become_one() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let native = |key: &str| NewEntry { kind: Kind::Native, ..block(key) };
    let (first, second) = (enter(&ledger, native("a")).await, enter(&ledger, native("b")).await);
    assert!(matches!(ledger.rekey(first, vec!["k".into()]).await, Ok(Rekeyed::Continue { .. })));
    let merged = ledger.rekey(second, vec!["k".into()]).await.unwrap();
    assert_eq!(merged, Rekeyed::InForce { existing: first, due: None });
    assert_eq!(state(&ledger, second).await, State::Merged);
}

#[tokio::test]
async fn a_longer_time_that_is_asked_for_during_an_add_is_not_lost() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let longer = NewEntry { timeout: Some(60 * MINUTE), ..block("192.0.2.7") };
    let shorter = NewEntry { timeout: Some(MINUTE), ..block("192.0.2.7") };

    // Before its first effect: so long after that.
    let id = enter(&ledger, block("192.0.2.7")).await;
    let again = ledger.admit(shorter.clone(), Wait::Applied).await;
    assert_eq!(again, Ok(Admitted::UnderWay { id, extended: false }));
    let again = ledger.admit(longer.clone(), Wait::Applied).await;
    assert_eq!(again, Ok(Admitted::UnderWay { id, extended: true }));
    let _ = ledger.claim(id, "firewall", "192.0.2.7", None).await.unwrap();
    assert_eq!(ledger.standing("firewall", "192.0.2.7"), Standing::For(60 * MINUTE));

    // After it: until later.
    machine.clock.advance(MINUTE);
    let again = ledger.admit(longer, Wait::Applied).await;
    assert_eq!(again, Ok(Admitted::UnderWay { id, extended: true }));
    assert_eq!(ledger.standing("firewall", "192.0.2.7"), Standing::For(60 * MINUTE));
    drop(ledger);
    machine.clock.reboot("boot-2", MINUTE);
    let ledger = machine.ledger();
    assert_eq!(ledger.standing("firewall", "192.0.2.7"), Standing::For(59 * MINUTE), "also on the disk");
    let _ = ledger.added(id, None).await.unwrap();
    assert_eq!(entry(&ledger, id).await.timeout_ms, Some(3_600_000));
    assert_eq!(
        ledger.admit(shorter, Wait::Applied).await.unwrap(),
        Admitted::InForce {
            id,
            due: crate::entry::Due { wall_ms: machine.wall_ms() + 59 * 60_000, boot_ms: 59 * 60_000 },
            extended: false,
        }
    );
}
