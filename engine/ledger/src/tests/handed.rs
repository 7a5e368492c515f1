//! What would be, what is handed to an agent of Wazuh's, and messages.

use riposte_policy::order::{Actor, EntryId, Source};

use super::wazuh::{SECOND, done, program, repeated};
use super::{Machine, block, enter, entry, in_force, open_entries};
use crate::entry::Filter;
use crate::input::FileIdentity;
use crate::{Cause, Handed, LedgerError, NewEntry, State, WouldBe};

#[tokio::test]
async fn what_would_be_is_said_and_nothing_done() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let new = || NewEntry { keys: vec!["3.3.3.3".into()], ..repeated(program("firewall-drop", 60)) };
    for _ in 0..2 {
        let said = ledger.would_be(new()).await;
        assert_eq!(said, Ok(WouldBe::New { timeout: Some(60 * SECOND), offence: 1 }));
    }
    let (id, due_ms) = done(&ledger, new(), &["3.3.3.3"]).await;
    machine.clock.advance(20 * SECOND);
    let Ok(WouldBe::InForce { id: same, due }) = ledger.would_be(new()).await else { panic!() };
    assert_eq!((same, due.wall_ms), (id, machine.wall_ms() + 61_000));
    assert_eq!(entry(&ledger, id).await.due_ms, Some(due_ms), "not moved");
    let _ = ledger.begin_undo(id, Cause::Recovery).await.unwrap();
    assert_eq!(ledger.would_be(new()).await, Ok(WouldBe::Undoing { id }));
    ledger.undone(id).await.unwrap();
    let said = ledger.would_be(new()).await;
    assert_eq!(said, Ok(WouldBe::New { timeout: Some(60 * SECOND), offence: 2 }));

    // In our way too.
    let source = Source { input: 1, offset: 5, ordinal: 0 };
    let own = || NewEntry { source: Some(source), ..block("192.0.2.7") };
    let id = enter(&ledger, own()).await;
    assert_eq!(ledger.would_be(own()).await, Ok(WouldBe::Handled));
    assert_eq!(ledger.would_be(block("192.0.2.7")).await, Ok(WouldBe::UnderWay { id }));
    let few = crate::Settings { per_command: 1, ..crate::Settings::default() };
    ledger.configure(few).await.unwrap();
    assert_eq!(ledger.would_be(block("192.0.2.8")).await, Ok(WouldBe::Full { limit: 1 }));
    assert_eq!(open_entries(&ledger).await.len(), 1);
}

#[tokio::test]
async fn what_is_handed_over_is_written_down_once_and_undone_elsewhere() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let few = crate::Settings { per_command: 0, ..crate::Settings::default() };
    ledger.configure(few).await.unwrap();
    let identity = FileIdentity { dev: 1, ino: 2, head_hash: [0; 32], head_len: 0 };
    let input = ledger.new_input("/alerts.json", identity, 0).await.unwrap();
    let source = Source { input, offset: 5, ordinal: 0 };
    let new = || NewEntry { source: Some(source), agent: "003".into(), ..program("firewall-drop", 60) };
    let Ok(Handed::Over { id }) = ledger.handed_over(new()).await else { panic!() };
    assert_eq!(ledger.handed_over(new()).await, Ok(Handed::Handled));
    let without = NewEntry { source: None, ..new() };
    assert!(matches!(ledger.handed_over(without).await, Ok(Handed::Over { .. })), "nothing is the same");
    drop(ledger);

    let opened = machine.open();
    assert!(opened.recovery.is_empty() && opened.pending.is_empty());
    let ledger = opened.ledger;
    assert_eq!(ledger.open_entries(), 0);
    assert_eq!(ledger.handed_over(new()).await, Ok(Handed::Handled), "still");
    let found = entry(&ledger, id).await;
    assert_eq!((found.state, found.closed_ms), (State::HandedOver, Some(machine.wall_ms())));
    assert_eq!((found.timeout_ms, found.due_ms), (Some(60_000), None));
    let cause = Cause::Asked { actor: Actor::User(0), reason: None };
    let error = ledger.begin_undo(id, cause).await.unwrap_err();
    let agent = "003".to_owned();
    assert_eq!(error, LedgerError::HandedOver { id, agent, command: "firewall-drop60".into() });
    assert!(!error.is_storage() && error.to_string().contains("only be undone there"), "{error}");
    let missing = ledger.begin_undo(EntryId(99), Cause::Recovery).await;
    assert_eq!(missing, Err(LedgerError::NoSuchEntry(EntryId(99))));
    let all = ledger.entries(Filter::default()).await.unwrap();
    let json = serde_json::to_value(&all[0]).unwrap();
    assert_eq!(json["state"], "handed-over");
}

#[tokio::test]
async fn a_message_outlives_the_process() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let message = r#"{"version":1,"command":"x"}"#;
    let id = in_force(&ledger, NewEntry { message: Some(message.into()), ..block("192.0.2.7") }).await;
    drop(ledger);
    let ledger = machine.ledger();
    assert_eq!(entry(&ledger, id).await.message.as_deref(), Some(message));
    assert_eq!(open_entries(&ledger).await[0].message, None, "not in lists");
    let undo = ledger.begin_undo(id, Cause::Recovery).await.unwrap();
    assert_eq!(undo.entry.message.as_deref(), Some(message));
}
