//! From intended to closed.

use std::sync::Arc;

use riposte_policy::config::Mode;
use riposte_policy::order::{Actor, EntryId};

use super::{MINUTE, Machine, ban, block, enter, entry, in_force, open_entries, state};
use crate::entry::{Filter, Kind};
use crate::{Admitted, Cause, Handed, Ledger, LedgerError, NewEntry, Settled, Standing, State, Wait};

#[tokio::test]
async fn a_block_is_intended_in_force_undone_and_closed() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let new = NewEntry { digest: Some("9f2c".into()), reason: Some("why".into()), ..block("192.0.2.7") };
    let id = enter(&ledger, new).await;
    let found = entry(&ledger, id).await;
    assert_eq!(found.state, State::Intended);
    assert_eq!(
        (found.command.as_str(), found.response.as_deref()),
        ("firewall-drop", Some("firewall-drop#1"))
    );
    assert_eq!((found.agent.as_str(), found.location.as_str()), ("000", "local"));
    assert_eq!((found.keys.as_slice(), found.kind), (["192.0.2.7".to_owned()].as_slice(), Kind::Reversible));
    assert_eq!((found.since_ms, found.due_ms, found.timeout_ms), (machine.wall_ms(), None, Some(600_000)));
    assert_eq!((found.offence, found.attempt, found.undo_attempts, found.stuck), (1, 1, 0, false));
    assert_eq!((found.alert_id.as_str(), found.rule_id.as_str()), ("1.1", "5712"));
    assert_eq!((found.actor, found.reason.as_deref()), (Actor::Alert, Some("why")));
    assert_eq!((found.definition.as_str(), found.digest.as_deref()), ("<command/>", Some("9f2c")));
    assert_eq!(found.alert.as_deref(), Some(r#"{"srcip":"192.0.2.7"}"#));

    assert_eq!(ledger.claim(id, "firewall", "drop 192.0.2.7", Some("open")).await, Ok(Standing::Free));
    let Ok(Settled::InForce { due }) = ledger.added(id, Some(b"receipt".to_vec())).await else { panic!() };
    assert_eq!((due.wall_ms, due.boot_ms), (machine.wall_ms() + 600_000, machine.boot_ms() + 600_000));
    let found = entry(&ledger, id).await;
    assert_eq!((found.state, found.due_ms), (State::InForce, Some(due.wall_ms)));

    machine.clock.advance(10 * MINUTE);
    let undo = ledger.begin_undo(id, Cause::Due).await.unwrap();
    assert_eq!(undo.entry.state, State::Undoing);
    assert_eq!(undo.entry.alert.as_deref(), Some(r#"{"srcip":"192.0.2.7"}"#));
    assert_eq!(undo.entry.receipt.as_deref(), Some(b"receipt".as_slice()));
    assert_eq!(undo.effects.len(), 1);
    let effect = &undo.effects[0];
    assert_eq!((effect.interface.as_str(), effect.target.as_str()), ("firewall", "drop 192.0.2.7"));
    assert_eq!((effect.prior.as_deref(), effect.released), (Some("open"), false));

    assert_eq!(ledger.release(id, "firewall", "drop 192.0.2.7").await, Ok(Standing::Free));
    ledger.undone(id).await.unwrap();
    let found = entry(&ledger, id).await;
    assert_eq!((found.state, found.cause.as_deref()), (State::Closed, Some("due")));
    assert_eq!((found.closed_ms, found.ended_by.as_deref()), (Some(machine.wall_ms()), Some("engine")));
    assert_eq!((found.alert, found.receipt), (None, None), "nothing is left to undo");
    assert!(open_entries(&ledger).await.is_empty());
    assert_eq!(ledger.open_entries(), 0);
}

#[tokio::test]
async fn a_crowd_lets_go_at_once_of_what_is_due_and_of_nothing_else() {
    const FIREWALL: [&str; 1] = ["firewall"];
    let machine = Machine::new();
    let ledger = machine.ledger();
    let mut ids = Vec::new();
    for (address, effects) in [
        ("192.0.2.1", vec![("firewall", "drop 192.0.2.1")]),
        ("192.0.2.2", vec![("firewall", "drop 192.0.2.0/24"), ("lines", "/etc/hosts.deny ALL:192.0.2.2")]),
        ("192.0.2.3", vec![("lines", "/etc/hosts.deny ALL:192.0.2.3")]),
    ] {
        let id = enter(&ledger, block(address)).await;
        for (interface, target) in effects {
            assert!(ledger.claim(id, interface, target, None).await.is_ok());
        }
        assert!(matches!(ledger.added(id, None).await, Ok(Settled::InForce { .. })));
        ids.push(id);
    }
    assert_eq!(ledger.networks().await.unwrap(), [(ids[1], "192.0.2.0/24".to_owned())]);
    assert_eq!(ledger.begin_ahead(ids.clone(), &FIREWALL).await, Ok(Vec::new()), "nothing is due");

    machine.clock.advance(10 * MINUTE);
    let all = [ids.clone(), vec![EntryId(99)]].concat();
    let begun = ledger.begin_ahead(all, &FIREWALL).await.unwrap();
    assert_eq!(begun.iter().map(|undo| undo.entry.id).collect::<Vec<_>>(), ids[..2]);
    assert!(begun.iter().flat_map(|undo| &undo.effects).all(|effect| !effect.released), "as it was");
    assert_eq!(ledger.standing("firewall", "drop 192.0.2.1"), Standing::Free);
    assert_ne!(ledger.standing("lines", "/etc/hosts.deny ALL:192.0.2.2"), Standing::Free);
    assert_eq!(state(&ledger, ids[2]).await, State::InForce);
    assert!(ledger.networks().await.unwrap().is_empty());

    // The undo comes all the same, lets go of it again, and of the rest.
    let undo = ledger.begin_undo(ids[1], Cause::Due).await.unwrap();
    assert_eq!(undo.effects.iter().filter(|effect| effect.released).count(), 1);
    assert_eq!(ledger.release(ids[1], "firewall", "drop 192.0.2.0/24").await, Ok(Standing::Free));
    assert!(matches!(ledger.undone(ids[1]).await, Err(LedgerError::StillHeld { .. })));
    assert!(ledger.release(ids[1], "lines", "/etc/hosts.deny ALL:192.0.2.2").await.is_ok());
    assert_eq!(ledger.undone(ids[1]).await, Ok(()));
    let none = LedgerError::NoSuchEntry(ids[1]);
    assert_eq!(ledger.release(ids[1], "firewall", "drop 192.0.2.0/24").await, Err(none));
}

#[tokio::test]
async fn what_is_for_good_is_never_due() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = enter(&ledger, ban("192.0.2.7")).await;
    let _ = ledger.claim(id, "firewall", "drop 192.0.2.7", None).await.unwrap();
    assert_eq!(ledger.added(id, None).await, Ok(Settled::Permanent));
    // A retry may be left of an entry that had its number and was not kept.
    let never = LedgerError::Illegal { id, from: State::InForce, to: State::Undoing };
    assert_eq!(ledger.begin_undo(id, Cause::Due).await, Err(never.clone()));
    assert_eq!(ledger.begin_unrecorded(id, &Cause::Due).await, Err(never));
    assert_eq!(entry(&ledger, id).await.state, State::InForce);
    let asked = Cause::Asked { actor: Actor::User(0), reason: None };
    assert!(ledger.begin_undo(id, asked).await.is_ok());
    // Once it is begun, time asks for it until it is done.
    assert!(ledger.begin_undo(id, Cause::Due).await.is_ok());
}

#[tokio::test]
async fn what_asks_for_no_timeout_is_done_or_in_force_for_good() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = enter(&ledger, ban("192.0.2.7")).await;
    assert_eq!(ledger.added(id, None).await, Ok(Settled::Done), "it holds nothing");
    assert_eq!(state(&ledger, id).await, State::Done);

    let id = enter(&ledger, ban("192.0.2.7")).await;
    assert_eq!(ledger.claim(id, "firewall", "drop", None).await, Ok(Standing::Free));
    assert_eq!(ledger.added(id, None).await, Ok(Settled::Permanent));
    assert_eq!(ledger.standing("firewall", "drop"), Standing::Permanent);
    assert_eq!(state(&ledger, id).await, State::InForce);
    let _ = ledger
        .begin_undo(id, Cause::Asked { actor: Actor::User(0), reason: Some("by hand".into()) })
        .await
        .unwrap();
    assert_eq!(ledger.release(id, "firewall", "drop").await, Ok(Standing::Free));
    ledger.undone(id).await.unwrap();
    let found = entry(&ledger, id).await;
    assert_eq!((found.state, found.cause.as_deref()), (State::Closed, Some("asked")));
    assert_eq!((found.ended_by.as_deref(), found.end_reason.as_deref()), (Some("uid:0"), Some("by hand")));
}

#[tokio::test]
async fn a_component_that_runs_once_has_no_timeout() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let once = NewEntry { kind: Kind::Oneshot, ..block("192.0.2.7") };
    let Ok(Admitted::New { id, timeout: None, .. }) = ledger.admit(once.clone(), Wait::Applied).await else {
        panic!()
    };
    assert_eq!(ledger.added(id, None).await, Ok(Settled::Done));
    assert!(
        matches!(ledger.admit(once, Wait::Applied).await, Ok(Admitted::New { .. })),
        "again, by the next alert"
    );
}

#[tokio::test]
async fn a_failed_add_is_undone_and_ends_as_failed() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = enter(&ledger, block("192.0.2.7")).await;
    let _ = ledger.claim(id, "firewall", "drop", None).await.unwrap();
    let refused = ledger.fail(id, "trapped").await;
    assert_eq!(refused, Err(LedgerError::StillHeld { id, effects: vec!["firewall drop".to_owned()] }));
    let _ = ledger.begin_undo(id, Cause::Failed).await.unwrap();
    assert!(matches!(ledger.undone(id).await, Err(LedgerError::StillHeld { .. })));
    assert_eq!(ledger.undo_failed(id, "delete trapped").await, Ok(1));
    // Whatever the reason for the next try, the first one counts.
    let again = ledger.begin_undo(id, Cause::Due).await.unwrap();
    assert!(!again.effects[0].released);
    let _ = ledger.release(id, "firewall", "drop").await.unwrap();
    let again = ledger.begin_undo(id, Cause::Recovery).await.unwrap();
    assert!(again.effects[0].released, "listed until all is over");
    ledger.undone(id).await.unwrap();
    let found = entry(&ledger, id).await;
    assert_eq!((found.state, found.error.as_deref()), (State::Failed, Some("delete trapped")));
    assert!(found.alert.is_some(), "somebody will ask why");
}

#[tokio::test]
async fn what_did_nothing_fails_at_once() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = enter(&ledger, block("192.0.2.7")).await;
    ledger.fail(id, "no such program").await.unwrap();
    let found = entry(&ledger, id).await;
    assert_eq!((found.state, found.error.as_deref()), (State::Failed, Some("no such program")));
}

#[tokio::test]
async fn from_the_third_failure_on_an_undo_is_stuck_and_still_open() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = in_force(&ledger, block("192.0.2.7")).await;
    let _ = ledger.begin_undo(id, Cause::Failed).await.unwrap();
    for attempts in 1..=3 {
        assert_eq!(ledger.undo_failed(id, "busy").await, Ok(attempts));
        let found = entry(&ledger, id).await;
        assert_eq!(
            (found.state, found.stuck, found.undo_attempts),
            (State::Undoing, attempts == 3, attempts)
        );
    }
    let _ = ledger.release(id, "firewall", "192.0.2.7").await.unwrap();
    ledger.undone(id).await.unwrap();
    assert!(!entry(&ledger, id).await.stuck);
}

#[tokio::test]
async fn messages_are_cut_between_characters() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = enter(&ledger, block("192.0.2.7")).await;
    ledger.fail(id, &"é".repeat(5_000)).await.unwrap();
    let error = entry(&ledger, id).await.error.unwrap();
    assert!(error.len() <= 2_048 && error.chars().all(|c| c == 'é'), "{}", error.len());
}

#[tokio::test]
async fn a_shadow_is_written_down_and_holds_nothing() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let real = in_force(&ledger, block("192.0.2.7")).await;
    let shadow = NewEntry { mode: Mode::Shadow, ..block("192.0.2.7") };
    let id = enter(&ledger, shadow.clone()).await;
    assert!(
        matches!(ledger.admit(shadow, Wait::Applied).await, Ok(Admitted::UnderWay { id: same, .. }) if same == id)
    );
    assert_eq!(ledger.claim(id, "accounts", "lock eve", None).await, Ok(Standing::Free));
    assert_eq!(ledger.standing("accounts", "lock eve"), Standing::Free);
    assert_eq!(ledger.added(id, Some(vec![1])).await, Ok(Settled::Done));
    let found = entry(&ledger, id).await;
    assert_eq!((found.state, found.mode, found.offence), (State::Shadow, Mode::Shadow, 1));
    assert_eq!(ledger.effects(id).await.unwrap()[0].target, "lock eve");
    assert_eq!(state(&ledger, real).await, State::InForce);
}

#[tokio::test]
async fn what_cannot_be_repeated_ends_as_unknown_but_keeps_its_effects() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let once = |address| NewEntry { kind: Kind::Oneshot, ..ban(address) };
    let bare = enter(&ledger, once("192.0.2.7")).await;
    assert_eq!(ledger.unknown(bare).await, Ok(Settled::Done));
    assert_eq!(state(&ledger, bare).await, State::Unknown);
    let holding = enter(&ledger, once("192.0.2.8")).await;
    let _ = ledger.claim(holding, "firewall", "drop", None).await.unwrap();
    assert_eq!(ledger.unknown(holding).await, Ok(Settled::Permanent));
    let found = entry(&ledger, holding).await;
    assert_eq!(found.state, State::InForce);
    assert!(found.error.is_some_and(|error| error.contains("must not be repeated")));
    assert_eq!(ledger.standing("firewall", "drop"), Standing::Permanent);
}

#[tokio::test]
async fn each_attempt_counts() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let id = enter(&ledger, block("192.0.2.7")).await;
    assert_eq!(ledger.attempt(id).await, Ok(2));
    assert_eq!(ledger.attempt(id).await, Ok(3));
    assert_eq!(entry(&ledger, id).await.attempt, 3);
}

/// Every request that changes a state, in every state.
#[tokio::test]
async fn what_is_illegal_is_refused_and_changes_nothing() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    for (number, from) in State::ALL.into_iter().enumerate() {
        let id = brought_to(&ledger, from, number).await;
        for (deed, legal) in [
            ("claim", from == State::Intended),
            ("added", from == State::Intended),
            ("rekey", from == State::Intended),
            ("fail", from == State::Intended),
            ("unknown", from == State::Intended),
            ("attempt", from == State::Intended),
            ("undone", from == State::Undoing),
            ("undo_failed", from == State::Undoing),
            ("begin_undo", from.is_open()),
            ("release", from.is_open()),
        ] {
            if legal {
                continue;
            }
            let error = match deed {
                "claim" => ledger.claim(id, "i", "t", None).await.err(),
                "added" => ledger.added(id, None).await.err(),
                "rekey" => ledger.rekey(id, Vec::new()).await.err(),
                "fail" => ledger.fail(id, "").await.err(),
                "unknown" => ledger.unknown(id).await.err(),
                "attempt" => ledger.attempt(id).await.err(),
                "undone" => ledger.undone(id).await.err(),
                "undo_failed" => ledger.undo_failed(id, "").await.err(),
                "begin_undo" => ledger.begin_undo(id, Cause::Failed).await.err(),
                _ => ledger.release(id, "i", "t").await.err(),
            };
            match error {
                Some(LedgerError::NoSuchEntry(said)) => {
                    assert!(said == id && !from.is_open(), "{deed} {from}");
                }
                Some(LedgerError::Illegal { id: said, from: is, .. }) => {
                    assert_eq!((said, is), (id, from), "{deed}");
                }
                Some(LedgerError::HandedOver { id: said, .. }) => {
                    assert_eq!((said, from, deed), (id, State::HandedOver, "begin_undo"));
                }
                other => panic!("{deed} in {from}: {other:?}"),
            }
            assert_eq!(state(&ledger, id).await, from, "{deed}");
        }
    }
    assert!(matches!(ledger.undone(EntryId(999)).await, Err(LedgerError::NoSuchEntry(EntryId(999)))));
}

async fn brought_to(ledger: &Ledger, state: State, number: usize) -> EntryId {
    let address = format!("192.0.2.{number}");
    let id = match state {
        State::Done => enter(ledger, ban(&address)).await,
        State::Shadow => enter(ledger, NewEntry { mode: Mode::Shadow, ..block(&address) }).await,
        State::HandedOver => match ledger.handed_over(block(&address)).await.unwrap() {
            Handed::Over { id } => id,
            Handed::Handled => panic!(),
        },
        _ => enter(ledger, block(&address)).await,
    };
    match state {
        State::Intended | State::HandedOver => {}
        State::InForce | State::Done | State::Shadow => drop(ledger.added(id, None).await.unwrap()),
        State::Undoing | State::Closed => {
            let _ = ledger.added(id, None).await.unwrap();
            let _ = ledger.begin_undo(id, Cause::Recovery).await.unwrap();
        }
        State::Failed => ledger.fail(id, "").await.unwrap(),
        State::Unknown => drop(ledger.unknown(id).await.unwrap()),
        State::Merged => {
            let _ = in_force(ledger, block("198.51.100.1")).await;
            let _ = ledger.rekey(id, vec!["198.51.100.1".to_owned()]).await.unwrap();
        }
    }
    if state == State::Closed {
        ledger.undone(id).await.unwrap();
    }
    assert_eq!(super::state(ledger, id).await, state);
    id
}

#[tokio::test]
async fn entries_are_found_by_what_is_known_of_them() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let first = in_force(&ledger, block("192.0.2.7")).await;
    let second = in_force(&ledger, NewEntry { tenant: "acme".into(), ..block("198.51.100.70") }).await;
    let third = enter(&ledger, NewEntry { command: "lock".into(), ..block("eve_100%") }).await;
    let _ = ledger.claim(third, "accounts", "lock eve", None).await.unwrap();
    let closed = enter(&ledger, block("192.0.2.9")).await;
    ledger.fail(closed, "").await.unwrap();
    let ids = async |filter| -> Vec<EntryId> {
        ledger.entries(filter).await.unwrap().into_iter().map(|entry| entry.id).collect()
    };
    assert_eq!(ids(Filter::default()).await, [first, second, third, closed]);
    let open = Filter { open_only: true, ..Filter::default() };
    assert_eq!(ids(open.clone()).await, [first, second, third]);
    assert_eq!(ids(Filter { tenant: Some("acme".into()), ..open.clone() }).await, [second]);
    assert_eq!(ids(Filter { command: Some("lock".into()), ..open.clone() }).await, [third]);
    let target = |text: &str| Filter { target: Some(text.to_owned()), ..Filter::default() };
    assert_eq!(ids(target("192.0.2.")).await, [first, closed], "in a key");
    assert_eq!(ids(target("lock eve")).await, [third], "in an effect");
    assert_eq!(ids(target("_100%")).await, [third], "no wildcards");
    assert!(ids(target("eve%100")).await.is_empty());
    assert_eq!(ids(Filter { after: Some(first), limit: Some(1), ..open }).await, [second]);
    let offline = Ledger::read(&machine.path(), &Filter::default()).unwrap();
    assert_eq!(offline.len(), 4, "beside a running engine");
    let json = serde_json::to_value(&offline[0]).unwrap();
    assert_eq!(
        (&json["id"], &json["state"], &json["mode"]),
        (&1.into(), &"in-force".into(), &"enforce".into())
    );
}

#[tokio::test]
async fn what_was_closed_long_ago_is_forgotten() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let old = enter(&ledger, block("192.0.2.1")).await;
    ledger.fail(old, "").await.unwrap();
    machine.clock.advance(60 * MINUTE);
    let (open, recent) =
        (in_force(&ledger, block("192.0.2.2")).await, enter(&ledger, block("192.0.2.3")).await);
    ledger.fail(recent, "").await.unwrap();
    assert_eq!(ledger.prune(30 * MINUTE, 100).await, Ok(1));
    assert!(ledger.entry(old).await.unwrap().is_none());
    assert!(ledger.entry(recent).await.unwrap().is_some());
    assert_eq!(state(&ledger, open).await, State::InForce);
    machine.clock.advance(60 * MINUTE);
    assert_eq!(ledger.prune(30 * MINUTE, 100).await, Ok(0), "the newest stays, for its number");
    drop(ledger);
    let ledger = machine.ledger();
    assert!(enter(&ledger, block("192.0.2.4")).await > recent);
    assert_eq!(ledger.prune(30 * MINUTE, 100).await, Ok(1), "the time that has passed is kept");
}

#[tokio::test]
async fn a_full_ledger_says_so() {
    let machine = Machine::new();
    let settings = crate::Settings { per_command: 2, total: 3, ..Default::default() };
    let ledger = machine.try_open(settings).unwrap().ledger;
    let first = in_force(&ledger, block("192.0.2.1")).await;
    let _ = in_force(&ledger, block("192.0.2.2")).await;
    assert_eq!(ledger.admit(block("192.0.2.3"), Wait::Applied).await, Ok(Admitted::Full { limit: 2 }));
    assert!(matches!(ledger.admit(block("192.0.2.1"), Wait::Applied).await, Ok(Admitted::InForce { .. })));
    let other = |address: &str| NewEntry { command: "route-null".into(), ..block(address) };
    let _ = in_force(&ledger, other("192.0.2.3")).await;
    assert_eq!(ledger.admit(other("192.0.2.4"), Wait::Applied).await, Ok(Admitted::Full { limit: 3 }));
    let shadow = NewEntry { mode: Mode::Shadow, ..other("192.0.2.4") };
    assert!(matches!(ledger.admit(shadow, Wait::Applied).await, Ok(Admitted::New { .. })));
    let _ = ledger.begin_undo(first, Cause::Recovery).await.unwrap();
    let _ = ledger.release(first, "firewall", "192.0.2.1").await.unwrap();
    ledger.undone(first).await.unwrap();
    assert!(matches!(ledger.admit(block("192.0.2.3"), Wait::Applied).await, Ok(Admitted::New { .. })));
    ledger.configure(crate::Settings::default()).await.unwrap();
    assert!(matches!(ledger.admit(other("192.0.2.4"), Wait::Applied).await, Ok(Admitted::New { .. })));
}

#[tokio::test]
async fn a_definition_is_kept_as_it_was() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let with = |address, text: &str| NewEntry { definition: Arc::from(text), ..block(address) };
    let (one, two) =
        (enter(&ledger, with("192.0.2.1", "old")).await, enter(&ledger, with("192.0.2.2", "new")).await);
    let same = enter(&ledger, NewEntry { digest: Some("ab".into()), ..with("192.0.2.3", "old") }).await;
    assert_eq!(entry(&ledger, one).await.definition, "old");
    assert_eq!(entry(&ledger, two).await.definition, "new");
    let same = entry(&ledger, same).await;
    assert_eq!((same.definition.as_str(), same.digest.as_deref()), ("old", Some("ab")));
}
