//! Repeated offenders.

use std::time::Duration;

use riposte_policy::order::EntryId;

use super::{MINUTE, Machine, block, in_force};
use crate::ledger::Offences;
use crate::{Admitted, Cause, Ledger, NewEntry, Wait};

const DAY: Duration = Duration::from_secs(86_400);

fn repeated(address: &str) -> NewEntry {
    NewEntry { offenders: [30 * MINUTE, 60 * MINUTE].into(), ..block(address) }
}

/// Commits an offence: how long, which. It is undone at once.
async fn offend(ledger: &Ledger, new: NewEntry) -> (Duration, u32) {
    let admitted = ledger.admit(new, Wait::Applied).await.unwrap();
    let Admitted::New { id, timeout: Some(timeout), offence } = admitted else { panic!("{admitted:?}") };
    end(ledger, id).await;
    (timeout, offence)
}

async fn end(ledger: &Ledger, id: EntryId) {
    let undo = ledger.begin_undo(id, Cause::Recovery).await.unwrap();
    for effect in undo.effects {
        let _ = ledger.release(id, &effect.interface, &effect.target).await.unwrap();
    }
    ledger.undone(id).await.unwrap();
}

#[tokio::test]
async fn each_offence_lasts_as_the_list_says_also_after_a_restart() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    assert_eq!(offend(&ledger, repeated("192.0.2.7")).await, (10 * MINUTE, 1));
    assert_eq!(offend(&ledger, repeated("192.0.2.7")).await, (30 * MINUTE, 2));
    drop(ledger);
    let ledger = machine.ledger();
    assert_eq!(offend(&ledger, repeated("192.0.2.7")).await, (60 * MINUTE, 3));
    assert_eq!(offend(&ledger, repeated("192.0.2.7")).await, (60 * MINUTE, 4));
    assert_eq!(offend(&ledger, repeated("192.0.2.8")).await, (10 * MINUTE, 1), "another");
    assert_eq!(offend(&ledger, block("192.0.2.7")).await, (10 * MINUTE, 5), "without a list");
}

#[tokio::test]
async fn offences_are_of_one_response_of_one_tenant_where_it_runs() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let new = repeated("192.0.2.7");
    assert_eq!(offend(&ledger, new.clone()).await.1, 1);
    for other in [
        NewEntry { response: Some("firewall-drop#2".into()), ..new.clone() },
        NewEntry { response: None, ..new.clone() },
        NewEntry { tenant: "acme".into(), ..new.clone() },
        NewEntry { agent: "001".into(), ..new.clone() },
    ] {
        assert_eq!(offend(&ledger, other).await.1, 1);
    }
    assert_eq!(offend(&ledger, new).await.1, 2);
}

#[tokio::test]
async fn a_quiet_time_after_the_end_of_the_last_one_wipes_the_slate() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = in_force(&ledger, repeated("192.0.2.7")).await;
    // However long it lasts, the quiet time counts from its end.
    for _day in 0..30 {
        machine.clock.advance(DAY);
        let extended = ledger.admit(repeated("192.0.2.7"), Wait::Applied).await;
        assert!(matches!(extended, Ok(Admitted::InForce { extended: true, .. })));
    }
    end(&ledger, id).await;
    machine.clock.advance(7 * DAY);
    assert_eq!(offend(&ledger, repeated("192.0.2.7")).await.1, 2);
    machine.clock.advance(7 * DAY + MINUTE);
    assert_eq!(offend(&ledger, repeated("192.0.2.7")).await.1, 1);
}

#[tokio::test]
async fn what_is_still_open_counts_once_it_ends_also_after_a_restart() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = in_force(&ledger, repeated("192.0.2.7")).await;
    drop(ledger);
    let ledger = machine.ledger();
    end(&ledger, id).await;
    let id = super::enter(&ledger, repeated("192.0.2.7")).await;
    assert_eq!(super::entry(&ledger, id).await.offence, 2);
    ledger.fail(id, "no such program").await.unwrap();
    assert_eq!(offend(&ledger, repeated("192.0.2.7")).await.1, 3, "an offence, whatever the answer came to");
}

#[tokio::test]
async fn offences_can_be_forgotten() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let two = |first: &str| NewEntry { keys: vec![first.into(), "22".into()], ..repeated(first) };
    for new in [repeated("a"), repeated("b"), two("c"), repeated("22"), two("d")] {
        let _ = offend(&ledger, new).await;
    }
    assert_eq!(ledger.forget_offences(Offences::Keys(vec!["a".into()])).await, Ok(1));
    assert_eq!(ledger.forget_offences(Offences::Keys(vec!["a".into()])).await, Ok(0));
    assert_eq!(ledger.forget_offences(Offences::Target("c".into())).await, Ok(1));
    assert_eq!(offend(&ledger, two("d")).await.1, 2);
    assert_eq!(ledger.forget_offences(Offences::Target("22".into())).await, Ok(2));
    assert_eq!(offend(&ledger, repeated("b")).await.1, 2);
    let open = in_force(&ledger, repeated("e")).await;
    assert_eq!(ledger.forget_offences(Offences::All).await, Ok(2));
    end(&ledger, open).await;
    for address in ["b", "e"] {
        assert_eq!(offend(&ledger, repeated(address)).await.1, 1);
    }
}
