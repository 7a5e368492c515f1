//! Components that misbehave: each call ends at its limit, says which, and
//! leaves others alone.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::time::Duration;

use common::{ALERT, Machine, firewall, invocation, said};
use riposte_policy::grant::Grants;
use riposte_policy::limit::Limits;
use riposte_runtime::{Failure, Settings};

/// Calls that would never end by a limit of their own.
fn endless() -> Limits {
    let hour = Duration::from_secs(3600);
    Limits { cpu: hour, wall: 24 * hour, ..Limits::default() }
}

/// Another plugin of the same machine still works.
async fn others_work(machine: &Machine) {
    let echo = machine.hostile("echo", Grants::default());
    assert!(echo.add(&invocation(ALERT)).await.result.is_ok());
}

#[tokio::test]
async fn computing_without_end_is_stopped() {
    let machine = Machine::new();
    let limits = Limits { cpu: Duration::from_millis(20), ..endless() };
    let spin = machine.limited("spin", Grants::default(), &limits);
    let added = spin.add(&invocation(ALERT)).await;
    assert_eq!(added.result, Err(Failure::CpuLimit { limit: limits.cpu }));
    assert!(added.cpu >= limits.cpu);
    let keys = spin.keys(&invocation(r#"{"spin":"keys"}"#)).await;
    assert_eq!(keys.result, Err(Failure::CpuLimit { limit: limits.cpu }));
    // The same plugin answers where it does not spin.
    assert_eq!(spin.delete(&invocation(ALERT), None).await.result, Ok(()));
    others_work(&machine).await;
}

#[tokio::test]
async fn computing_without_end_gives_way_to_others() {
    let machine = Machine::new();
    let spin = machine.limited("spin", Grants::default(), &endless());
    let call = invocation(ALERT);
    // One thread: the second call ends only because the first one, which
    // never does, is interrupted at every tick.
    tokio::select! {
        biased;
        spun = spin.add(&call) => panic!("ended: {spun:?}"),
        () = others_work(&machine) => {}
    }
    // And the slot of the abandoned call is free again.
    others_work(&machine).await;
}

#[tokio::test]
async fn allocating_without_end_is_stopped() {
    let machine = Machine::new();
    let limits = Limits { memory: 8 << 20, ..endless() };
    let added = machine.limited("hog", Grants::default(), &limits).add(&invocation(ALERT)).await;
    assert_eq!(added.result, Err(Failure::MemoryLimit { limit: 8 << 20 }));
    others_work(&machine).await;
}

#[tokio::test]
async fn a_plugin_larger_than_its_memory_does_not_start() {
    let machine = Machine::new();
    let limits = Limits { memory: 64 << 10, ..endless() };
    let added = machine.limited("echo", Grants::default(), &limits).add(&invocation(ALERT)).await;
    assert_eq!(added.result, Err(Failure::MemoryLimit { limit: 64 << 10 }));
    others_work(&machine).await;
}

#[tokio::test]
async fn a_panic_is_a_crash() {
    let machine = Machine::new();
    let added = machine.hostile("panics", Grants::default()).add(&invocation(ALERT)).await;
    let Err(Failure::Trap { what }) = &added.result else { panic!("{added:?}") };
    assert!(what.contains("unreachable"), "{what}");
    others_work(&machine).await;
}

#[tokio::test(start_paused = true)]
async fn waiting_in_the_host_is_stopped() {
    let machine = Machine::new();
    let sleeper = machine.hostile("sleeper", Grants::default());
    let added = sleeper.add(&invocation(ALERT)).await;
    assert_eq!(added.result, Err(Failure::WallLimit { limit: Limits::default().wall }));
    assert_eq!(said(&added), ["info: going to sleep"]);
    let deleted = sleeper.delete(&invocation(ALERT), None).await;
    assert_eq!(riposte_runtime::outcome::texts(deleted.log), ["not asleep"]);
    others_work(&machine).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_slot_is_not_made() {
    let machine = Machine::with(&Settings { concurrency: 1, ..Settings::default() });
    let sleeper = machine.limited("sleeper", Grants::default(), &endless());
    let echo = machine.hostile("echo", Grants::default());
    let call = invocation(ALERT);
    tokio::select! {
        biased;
        slept = sleeper.add(&call) => panic!("ended: {slept:?}"),
        outcome = echo.add(&call) => assert_eq!(outcome.result, Err(Failure::Busy)),
    }
    others_work(&machine).await;
}

#[tokio::test]
async fn exit_is_no_answer() {
    let machine = Machine::new();
    let added = machine.hostile("exits", Grants::default()).add(&invocation(ALERT)).await;
    assert_eq!(added.result, Err(Failure::Exit));
    others_work(&machine).await;
}

#[tokio::test]
async fn wasi_is_there_and_empty() {
    let machine = Machine::new();
    let exits = machine.hostile("exits", Grants::default());
    assert!(exits.inspection().wasi);
    assert_eq!(exits.delete(&invocation(ALERT), None).await.result, Ok(()));
}

#[tokio::test]
async fn the_log_is_bounded_and_forges_nothing() {
    let machine = Machine::new();
    let added = machine.hostile("floodlog", Grants::default()).add(&invocation(ALERT)).await;
    assert_eq!(added.result, Ok(vec![]));
    assert_eq!(added.log.first().unwrap().text, "first\\n2026/11/20 forged \\u{1b}[31m");
    assert!(added.log.last().unwrap().text.contains("the rest is dropped"));
    assert!(added.log.iter().map(|line| line.text.len()).sum::<usize>() < 9 << 10);
}

#[tokio::test]
async fn a_receipt_has_a_longest_length() {
    let machine = Machine::new();
    let big = machine.hostile("bigreceipt", Grants::default());
    let add = async |length: usize| big.add(&invocation(&format!(r#"{{"length":{length}}}"#))).await.result;
    assert_eq!(add(64 << 10).await.map(|receipt| receipt.len()), Ok(64 << 10));
    assert!(matches!(add((64 << 10) + 1).await, Err(Failure::Unfit { .. })));
    // What is far too long is not even copied out of the component.
    assert!(matches!(add(3 << 20).await, Err(Failure::Trap { .. })));
    others_work(&machine).await;
}

#[tokio::test]
async fn an_alert_has_a_longest_length() {
    let machine = Machine::new();
    let echo = machine.hostile("echo", Grants::default());
    let alert = |length: usize| invocation(&format!(r#"{{"x":"{}"}}"#, "x".repeat(length - 8)));
    assert_eq!(echo.delete(&alert(1 << 20), None).await.result, Ok(()));
    let long = echo.delete(&alert((1 << 20) + 1), None).await.result;
    assert!(matches!(&long, Err(Failure::Said { kind, .. }) if kind == "invalid-input"), "{long:?}");
}

#[tokio::test]
async fn a_delete_that_refuses_is_heard() {
    let machine = Machine::new();
    let deaf = machine.hostile("deaf-delete", firewall());
    assert_eq!(deaf.add(&invocation(ALERT)).await.result, Ok(vec![]));
    let deleted = deaf.delete(&invocation(ALERT), Some(vec![])).await.result.unwrap_err();
    assert!(deleted.may_pass() && !deleted.is_fault(), "{deleted}");
    assert_eq!(machine.firewall.blocked(), ["drop 203.0.113.7"]);
}
