//! Many callers, few commits.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::Barrier;

use super::{Machine, block, in_force, open_entries};
use crate::{Admitted, Cause, Ledger, Standing, State, Wait};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everybody_gets_their_own_answer() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let start = Arc::new(Barrier::new(64));
    let mut callers = Vec::new();
    for caller in 0..64 {
        let (ledger, start) = (ledger.clone(), Arc::clone(&start));
        callers.push(tokio::spawn(async move {
            start.wait().await;
            let mut ids = Vec::new();
            for turn in 0..20 {
                let address = format!("10.{caller}.{turn}.1");
                let id = in_force(&ledger, block(&address)).await;
                assert!(matches!(ledger.standing("firewall", &address), Standing::For(_)));
                let entry = super::entry(&ledger, id).await;
                assert_eq!((entry.keys.as_slice(), entry.state), ([address].as_slice(), State::InForce));
                ids.push(id);
            }
            ids
        }));
    }
    let mut ids = HashSet::new();
    for caller in callers {
        ids.extend(caller.await.unwrap());
    }
    assert_eq!(ids.len(), 64 * 20, "no number is given twice");
    drop(ledger);
    assert_eq!(machine.open().pending.len(), 64 * 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_ask_for_the_same_at_once_one_does_it() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let start = Arc::new(Barrier::new(64));
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let (ledger, start) = (ledger.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                ledger.admit(block("192.0.2.7"), Wait::Applied).await.unwrap()
            })
        })
        .collect();
    let mut new = 0;
    for caller in callers {
        match caller.await.unwrap() {
            Admitted::New { .. } => new += 1,
            Admitted::UnderWay { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((new, open_entries(&ledger).await.len()), (1, 1));
}

/// Claims and releases of one target, all at once: whoever lets go last sees
/// that it is free, and only they.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_of_many_to_let_go_sees_it_free() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let mut ids = Vec::new();
    for caller in 0..32 {
        let id = super::enter(&ledger, block(&format!("10.0.0.{caller}"))).await;
        let _ = ledger.claim(id, "firewall", "10.0.0.0/24", None).await.unwrap();
        let _ = ledger.added(id, None).await.unwrap();
        ids.push(id);
    }
    let start = Arc::new(Barrier::new(ids.len()));
    let callers: Vec<_> = ids
        .into_iter()
        .map(|id| {
            let (ledger, start): (Ledger, _) = (ledger.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                let _ = ledger.begin_undo(id, Cause::Recovery).await.unwrap();
                let left = ledger.release(id, "firewall", "10.0.0.0/24").await.unwrap();
                ledger.undone(id).await.unwrap();
                left
            })
        })
        .collect();
    let mut free = 0;
    for caller in callers {
        free += usize::from(caller.await.unwrap() == Standing::Free);
    }
    assert_eq!(free, 1);
    assert_eq!(ledger.standing("firewall", "10.0.0.0/24"), Standing::Free);
}
