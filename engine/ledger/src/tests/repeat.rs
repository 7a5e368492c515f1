//! What is asked for again while it is in force or under way.

use std::time::Duration;

use riposte_policy::config::Mode;
use riposte_policy::order::{EntryId, Source};
use rusqlite::Connection;

use super::{MINUTE, Machine, ban, block, enter, entry, in_force};
use crate::input::FileIdentity;
use crate::ledger::{Extension, Known, Prolonged, Same};
use crate::{Admitted, Cause, LedgerError, NewEntry, Standing, Wait};

fn same(new: &NewEntry) -> Same<'_> {
    Same {
        tenant: &new.tenant,
        command: &new.command,
        agent: &new.agent,
        keys: &new.keys,
        mode: new.mode,
        source: new.source,
        length_ms: new.timeout.map_or(0, |timeout| i64::try_from(timeout.as_millis()).unwrap()),
    }
}

#[tokio::test]
async fn it_is_known_as_long_as_it_is_in_force_or_under_way() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let new = block("192.0.2.7");
    assert_eq!(ledger.asked_again(&same(&new)), None);
    let id = enter(&ledger, new.clone()).await;
    assert_eq!(ledger.asked_again(&same(&new)), Some(Known { id, ends_boot_ms: None }), "under way");
    let longer = Same { length_ms: 3_600_000, ..same(&new) };
    assert_eq!(ledger.asked_again(&longer), None, "the ledger has to be asked: it would last longer");
    let _ = ledger.added(id, None).await.unwrap();
    let ends = machine.boot_ms() + 600_000;
    assert_eq!(ledger.asked_again(&same(&new)), Some(Known { id, ends_boot_ms: Some(ends) }));
    for other in [
        Same { command: "other", ..same(&new) },
        Same { agent: "001", ..same(&new) },
        Same { keys: &[], ..same(&new) },
        Same { mode: Mode::Shadow, ..same(&new) },
        Same { tenant: "other", ..same(&new) },
    ] {
        assert_eq!(ledger.asked_again(&other), None);
    }
    let _ = ledger.begin_undo(id, Cause::Recovery).await.unwrap();
    assert_eq!(ledger.asked_again(&same(&new)), None, "it is being undone");
    let for_good = ban("192.0.2.8");
    let _ = enter(&ledger, for_good.clone()).await;
    assert_eq!(ledger.asked_again(&same(&for_good)), None, "like no other");
}

#[tokio::test]
async fn many_ends_are_moved_at_once_and_only_to_later() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(in_force(&ledger, block(&format!("192.0.2.{n}"))).await);
    }
    machine.clock.advance(MINUTE);
    let later = machine.boot_ms() + 600_000;
    for id in ids.iter().copied() {
        // The last one said is not the latest.
        assert_eq!(ledger.prolong(later_end(id, later)), Prolonged::Stands);
        assert_eq!(ledger.prolong(later_end(id, later - 1)), Prolonged::Stands);
    }
    assert_eq!(ledger.verify_memory().await, Ok(Vec::new()), "what is not written yet is no difference");
    let mut moved = ledger.write_later().await.unwrap();
    moved.sort_by_key(|extended| extended.id);
    assert_eq!(moved.iter().map(|extended| extended.id).collect::<Vec<_>>(), ids);
    assert!(moved.iter().all(|extended| extended.due.boot_ms == later && extended.in_force));
    assert_eq!(ledger.write_later().await, Ok(Vec::new()), "it is written once");
    // At its old time it is not due; and what is over is passed over.
    machine.clock.advance(Duration::from_secs(590));
    let not_due = ledger.begin_undo(ids[0], Cause::Due).await;
    assert!(matches!(not_due, Err(LedgerError::NotDue { due_boot_ms, .. }) if due_boot_ms == later));
    for id in ids.iter().copied() {
        assert_eq!(ledger.prolong(later_end(id, later + 5)), Prolonged::Stands);
    }
    let _ = ledger.begin_undo(ids[1], Cause::Recovery).await.unwrap();
    assert_eq!(ledger.write_later().await.unwrap().len(), 4);
    assert_eq!(ledger.verify_memory().await, Ok(Vec::new()));
    // It is on the disk.
    drop(ledger);
    let ledger = machine.ledger();
    let kept = entry(&ledger, ids[2]).await;
    assert_eq!(kept.due_boot_ms, Some(later + 5));
    assert_eq!(ledger.open_counts().await, Ok((5, 0)));
}

#[tokio::test]
async fn a_repeat_at_the_very_end_moves_it_or_is_told_that_it_is_too_late() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let new = block("192.0.2.7");
    let id = in_force(&ledger, new.clone()).await;
    let ends = machine.boot_ms() + 600_000;
    // It is looked up just before its end, and answered at it.
    machine.clock.advance(Duration::from_millis(599_999));
    assert_eq!(ledger.asked_again(&same(&new)), Some(Known { id, ends_boot_ms: Some(ends) }));
    machine.clock.advance(Duration::from_millis(1));
    let later = ends + 600_000;

    // Before the undo begins: there is none, though nothing is written.
    assert_eq!(ledger.prolong(later_end(id, later)), Prolonged::Stands);
    let not_due = Err(LedgerError::NotDue { id, due_boot_ms: later });
    assert_eq!(ledger.begin_undo(id, Cause::Due).await, not_due);
    assert_eq!(ledger.begin_ahead(vec![id], &["firewall"]).await, Ok(Vec::new()));
    assert!(ledger.begin_unrecorded(id, &Cause::Due).await.is_err());
    assert_eq!(ledger.standing("firewall", "192.0.2.7"), Standing::For(10 * MINUTE));

    // After it began, also for a crowd: the order goes the long way, and is new.
    machine.clock.advance(10 * MINUTE);
    // The kernel drops it soon, so nothing more is answered from memory.
    assert_eq!(ledger.asked_again(&same(&new)), None);
    let begun = ledger.begin_ahead(vec![id], &["firewall"]).await.unwrap();
    assert_eq!(begun.len(), 1);
    assert_eq!(ledger.prolong(later_end(id, later + 600_000)), Prolonged::Over);
    assert_eq!(ledger.admit(new.clone(), Wait::Applied).await, Ok(Admitted::Undoing { id }));
    ledger.undone(id).await.unwrap();
    assert_eq!(ledger.prolong(later_end(id, later + 600_000)), Prolonged::Over);
    assert!(matches!(ledger.admit(new, Wait::Applied).await, Ok(Admitted::New { .. })));
}

#[test]
fn an_undo_and_a_repeat_that_meet_never_both_win() {
    let machine = Machine::new();
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ledger = machine.ledger();
    for round in 0..200 {
        let id = runtime().block_on(in_force(&ledger, block(&format!("192.0.2.{round}"))));
        machine.clock.advance(10 * MINUTE);
        let later = machine.boot_ms() + 600_000;
        let together = std::sync::Barrier::new(2);
        let (said, begun) = std::thread::scope(|scope| {
            let undo = scope.spawn(|| {
                together.wait();
                runtime().block_on(ledger.begin_undo(id, Cause::Due))
            });
            together.wait();
            (ledger.prolong(later_end(id, later)), undo.join().unwrap())
        });
        match (said, begun) {
            (Prolonged::Stands, Err(LedgerError::NotDue { due_boot_ms, .. })) => {
                assert_eq!(due_boot_ms, later);
            }
            (Prolonged::Over, Ok(_)) => {}
            both => panic!("{both:?}"),
        }
    }
}

/// What was answered is in the tables, whatever was written in that moment.
#[test]
fn an_end_that_is_written_never_hides_a_later_one() {
    let machine = Machine::new();
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ledger = machine.ledger();
    for round in 0..200 {
        let new = block(&format!("192.0.2.{round}"));
        let is_first = round % 2 == 0;
        let id = runtime().block_on(async {
            let id = enter(&ledger, new.clone()).await;
            let _ = ledger.claim(id, "firewall", &new.keys[0], None).await.unwrap();
            if !is_first {
                let _ = ledger.added(id, None).await.unwrap();
            }
            id
        });
        machine.clock.advance(MINUTE);
        let later = machine.boot_ms() + 3_600_000;
        let together = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                together.wait();
                runtime().block_on(async {
                    match is_first {
                        true => drop(ledger.added(id, None).await.unwrap()),
                        false => drop(ledger.admit(new, Wait::Applied).await.unwrap()),
                    }
                });
            });
            together.wait();
            // It meets the write, which takes this long.
            (0..round * 20).for_each(|_| std::hint::spin_loop());
            assert_eq!(ledger.prolong(later_end(id, later)), Prolonged::Stands);
        });
        let kept = runtime().block_on(async {
            ledger.write_later().await.unwrap();
            entry(&ledger, id).await
        });
        assert_eq!(kept.due_boot_ms, Some(later), "round {round}");
    }
}

#[tokio::test]
async fn a_later_end_that_could_not_be_written_holds_and_is_written_when_that_works() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = in_force(&ledger, block("192.0.2.7")).await;
    machine.clock.advance(MINUTE);
    let later = machine.boot_ms() + 600_000;
    assert_eq!(ledger.prolong(later_end(id, later)), Prolonged::Stands);
    let disk = Connection::open(machine.path()).unwrap();
    let fails = "CREATE TRIGGER fails BEFORE UPDATE ON entry BEGIN SELECT RAISE(FAIL, 'it fails'); END";
    disk.execute_batch(fails).unwrap();
    assert!(ledger.write_later().await.is_err());
    // The memory was made anew from the tables, which do not show it.
    assert_eq!(entry(&ledger, id).await.due_boot_ms, Some(later - 60_000));
    machine.clock.advance(9 * MINUTE);
    let not_due = Err(LedgerError::NotDue { id, due_boot_ms: later });
    assert_eq!(ledger.begin_undo(id, Cause::Due).await, not_due);
    assert_eq!(ledger.begin_unrecorded(id, &Cause::Due).await.map(drop), not_due.map(drop));
    assert_eq!(ledger.standing("firewall", "192.0.2.7"), Standing::For(MINUTE));
    disk.execute_batch("DROP TRIGGER fails").unwrap();
    assert_eq!(ledger.write_later().await.unwrap().len(), 1);
    drop(ledger);
    assert_eq!(entry(&machine.ledger(), id).await.due_boot_ms, Some(later));
}

#[tokio::test]
async fn an_answer_that_relies_on_an_end_in_memory_has_it_written() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = in_force(&ledger, block("192.0.2.7")).await;
    let later = machine.boot_ms() + 3_600_000;
    let hour = Extension { length_ms: 3_600_000, ..later_end(id, later) };
    assert_eq!(ledger.prolong(hour), Prolonged::Stands);
    let Ok(Admitted::InForce { due, extended, .. }) = ledger.admit(block("192.0.2.7"), Wait::Applied).await
    else {
        panic!()
    };
    assert_eq!((due.boot_ms, extended), (later, true));
    assert_eq!(ledger.write_later().await, Ok(Vec::new()), "it was");
    drop(ledger);
    let ledger = machine.ledger();
    let kept = entry(&ledger, id).await;
    assert_eq!((kept.due_boot_ms, kept.timeout_ms), (Some(later), Some(3_600_000)));
}

fn later_end(id: EntryId, due_boot_ms: i64) -> Extension {
    Extension { id, due_boot_ms, length_ms: 600_000 }
}

#[tokio::test]
async fn what_may_have_been_admitted_before_the_ledger_has_to_be_asked() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let identity = FileIdentity { dev: 1, ino: 2, head_hash: [7; 32], head_len: 100 };
    let input = ledger.new_input("alerts.json", identity, 0).await.unwrap();
    let from = |offset| NewEntry { source: Some(Source { input, offset, ordinal: 0 }), ..block("192.0.2.7") };
    let _ = in_force(&ledger, from(300)).await;
    assert!(ledger.asked_again(&same(&from(400))).is_some());
    ledger.flush().await.unwrap();
    drop(ledger);
    let ledger = machine.ledger();
    assert_eq!(ledger.asked_again(&same(&from(100))), None, "read for the second time");
    assert_eq!(ledger.asked_again(&same(&from(300))), None);
    assert_eq!(ledger.admit(from(300), Wait::Durable).await, Ok(Admitted::Handled));
    assert!(ledger.asked_again(&same(&from(301))).is_some());
}
