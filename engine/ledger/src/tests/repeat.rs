//! What is asked for again while it is in force or under way.

use std::time::Duration;

use riposte_policy::config::Mode;
use riposte_policy::order::Source;

use super::{MINUTE, Machine, ban, block, enter, entry, in_force};
use crate::input::FileIdentity;
use crate::ledger::{Extension, Known, Same};
use crate::{Admitted, Cause, LedgerError, NewEntry, Wait};

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
    let all: Vec<_> =
        ids.iter().map(|id| Extension { id: *id, due_boot_ms: later, length_ms: 600_000 }).collect();
    let moved = ledger.extend(all.clone()).await.unwrap();
    assert_eq!(moved.iter().map(|extended| extended.id).collect::<Vec<_>>(), ids);
    assert!(moved.iter().all(|extended| extended.due.boot_ms == later && extended.in_force));
    assert_eq!(ledger.extend(all).await, Ok(Vec::new()), "again is nothing");
    let earlier = Extension { id: ids[0], due_boot_ms: later - 1, length_ms: 600_000 };
    assert_eq!(ledger.extend(vec![earlier]).await, Ok(Vec::new()));
    // At its old time it is not due; and what is over is passed over.
    machine.clock.advance(Duration::from_secs(590));
    let not_due = ledger.begin_undo(ids[0], Cause::Due).await;
    assert!(matches!(not_due, Err(LedgerError::NotDue { due_boot_ms, .. }) if due_boot_ms == later));
    let _ = ledger.begin_undo(ids[1], Cause::Recovery).await.unwrap();
    let again = ids.iter().map(|id| Extension { id: *id, due_boot_ms: later + 5, length_ms: 1 }).collect();
    assert_eq!(ledger.extend(again).await.unwrap().len(), 4);
    // It is on the disk.
    ledger.flush().await.unwrap();
    drop(ledger);
    let ledger = machine.ledger();
    let kept = entry(&ledger, ids[2]).await;
    assert_eq!(kept.due_boot_ms, Some(later + 5));
    assert_eq!(ledger.open_counts().await, Ok((5, 0)));
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
