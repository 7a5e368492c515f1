//! Numbers of entries: none is given twice, also after a kill.

use riposte_policy::order::EntryId;

use super::crash::killed;
use super::{Machine, block, enter};
use crate::{Admitted, Wait};

#[tokio::test]
async fn a_kill_leaves_numbers_out_and_a_stop_does_not() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let first = enter(&ledger, block("192.0.2.1")).await;
    let after = killed(&machine);
    drop(ledger);
    let next = enter(&machine.ledger(), block("192.0.2.2")).await;
    assert_eq!((first, next), (EntryId(1), EntryId(2)), "it was stopped");
    // The process that was killed may have told any of those that it had taken.
    let ledger = after.ledger();
    let beyond = enter(&ledger, block("192.0.2.2")).await;
    assert!(beyond.0 > 16, "{beyond}");
    let once_more = enter(&killed(&after).ledger(), block("192.0.2.3")).await;
    assert!(once_more.0 > beyond.0 + 16, "{once_more}");
    drop(ledger);
    assert_eq!(enter(&after.ledger(), block("192.0.2.3")).await, EntryId(beyond.0 + 1));
}

#[tokio::test]
async fn more_at_once_than_are_taken_at_a_time_get_one_each() {
    const MANY: i64 = 3_000;
    let machine = Machine::new();
    let ledger = machine.ledger();
    let asked: Vec<_> = (0..MANY)
        .map(|number| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                let new = block(&format!("10.0.{}.{}", number / 250, number % 250));
                match ledger.admit(new, Wait::Applied).await {
                    Ok(Admitted::New { id, .. }) => id.0,
                    other => panic!("{other:?}"),
                }
            })
        })
        .collect();
    let mut given = Vec::new();
    for asked in asked {
        given.push(asked.await.unwrap());
    }
    given.sort_unstable();
    assert_eq!(given, (1..=MANY).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_ledger_without_any_is_no_salvaged_one() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let _ = enter(&ledger, block("192.0.2.1")).await;
    let unnamed =
        crate::ledger::Named { entry: None, interface: "firewall".to_owned(), target: "x".to_owned() };
    assert_eq!(ledger.known(vec![unnamed]).await, Ok(vec![true]));
    assert!(ledger.salvaged().is_none());
}
