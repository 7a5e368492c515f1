//! What a plugin is told, what it may do, and what comes back.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::sync::Arc;

use common::{ALERT, Machine, firewall, invocation, said};
use riposte_capability::WouldBe;
use riposte_policy::config::Mode;
use riposte_policy::grant::Grants;
use riposte_policy::limit::Limits;
use riposte_runtime::{Failure, Kind, Plugin};

/// The built-in response, with the grants of its definition.
fn firewall_drop(machine: &Machine) -> Arc<Plugin> {
    let builtin = riposte_plugins::builtins().iter().find(|builtin| builtin.name == "firewall-drop").unwrap();
    let grants = Arc::new(firewall());
    machine.components.load(builtin.name, builtin.wasm, &grants, &Limits::default(), true).unwrap()
}

#[tokio::test]
async fn firewall_drop_blocks_and_unblocks() {
    let machine = Machine::new();
    let plugin = firewall_drop(&machine);
    assert_eq!(
        (plugin.name(), plugin.kind(), plugin.warnings()),
        ("firewall-drop", Kind::Reversible, &[][..])
    );
    let call = invocation(r#"{"data":{"srcip":"2001:DB8:0::7"}}"#);

    let keys = plugin.keys(&call).await.result.unwrap().unwrap();
    assert_eq!(keys.as_slice(), ["2001:db8::7"]);
    assert!(machine.firewall.blocked().is_empty());

    let added = plugin.add(&call).await;
    assert_eq!(added.result, Ok(vec![]));
    assert_eq!(said(&added), ["info: blocked 2001:db8::7"]);
    assert_eq!(machine.firewall.blocked(), ["drop 2001:db8::7"]);
    assert_eq!(said(&plugin.add(&call).await), ["info: 2001:db8::7 was blocked already"]);

    // Without a receipt, twice.
    assert_eq!(plugin.delete(&call, None).await.result, Ok(()));
    assert!(machine.firewall.blocked().is_empty());
    assert_eq!(plugin.delete(&call, Some(vec![])).await.result, Ok(()));
}

#[tokio::test]
async fn what_the_guard_refuses_reaches_the_outcome() {
    let machine = Machine::new();
    let refused = firewall_drop(&machine).add(&invocation(r#"{"data":{"srcip":"127.0.0.1"}}"#)).await;
    let Err(Failure::Said { kind, retry: false, .. }) = &refused.result else { panic!("{refused:?}") };
    assert_eq!(kind, "denied");
    assert!(machine.firewall.blocked().is_empty());
}

#[tokio::test]
async fn an_alert_without_a_key_says_so() {
    let machine = Machine::new();
    let keys = firewall_drop(&machine).keys(&invocation("{}")).await;
    let Err(Failure::Said { kind, .. }) = &keys.result else { panic!("{keys:?}") };
    assert_eq!(kind, "no-key");
}

#[tokio::test]
async fn shadow_records_and_does_nothing() {
    let machine = Machine::new();
    let mut call = invocation(ALERT);
    call.mode = Mode::Shadow;
    call.entry = None;
    let added = firewall_drop(&machine).add(&call).await;
    assert_eq!(added.result, Ok(vec![]));
    let [WouldBe::Made(effect)] = &added.would_be[..] else { panic!("{added:?}") };
    assert_eq!(effect.to_string(), "firewall drop 203.0.113.7");
    assert!(machine.firewall.synced().is_empty());
}

#[tokio::test]
async fn a_plugin_is_told_everything() {
    let machine = Machine::new();
    let echo = machine.hostile("echo", Grants::default());
    let receipt = echo.add(&invocation(ALERT)).await.result.unwrap();
    let told = String::from_utf8(receipt).unwrap();
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "test",
            "order-7",
            "2",
            "Some(600)",
            "3",
            "default",
            "local",
            "-x+y",
            ALERT,
            "Some(\"5712\")",
            "Some(\"10\")",
            "None",
            "None",
            "Some(\"zero\")",
            "Some(10)",
            "Some(5712)",
            "None",
        ]
    );
}

#[tokio::test]
async fn a_receipt_comes_back_or_does_not() {
    let machine = Machine::new();
    let echo = machine.hostile("echo", Grants::default());
    let call = invocation(ALERT);
    assert_eq!(echo.delete(&call, None).await.result, Ok(()));
    let with = echo.delete(&call, Some(vec![0; 3])).await.result.unwrap_err();
    assert_eq!(with.to_string(), "failed: a receipt of 3 bytes");
}

#[tokio::test]
async fn a_oneshot_runs_and_has_no_keys() {
    let machine = Machine::new();
    let says = machine.hostile("oneshot", Grants::default());
    assert_eq!(says.kind(), Kind::Oneshot);
    let ran = says.run(&invocation(ALERT)).await;
    assert_eq!((said(&ran), ran.result), (vec!["info: test answers rule 5712".to_owned()], Ok(())));
    assert!(matches!(says.keys(&invocation(ALERT)).await.result, Err(Failure::Host(_))));
}

#[tokio::test]
async fn effects_are_refused_while_keys_are_asked_for() {
    let machine = Machine::new();
    let keys = machine.hostile("cheat", firewall()).keys(&invocation(ALERT)).await;
    assert_eq!(keys.result.unwrap().unwrap().as_slice(), ["refused"]);
    assert!(keys.would_be.is_empty());
    assert!(machine.firewall.synced().is_empty());
}

#[tokio::test]
async fn keys_are_checked() {
    let machine = Machine::new();
    let many = machine.hostile("manykeys", Grants::default());
    let keys = async |alert: &str| many.keys(&invocation(alert)).await.result;
    assert_eq!(keys(r#"{"count":0}"#).await, Ok(None));
    assert_eq!(keys(r#"{"count":16,"length":1024}"#).await.unwrap().unwrap().as_slice().len(), 16);
    assert!(matches!(keys(r#"{"count":17}"#).await, Err(Failure::Unfit { .. })));
    for alert in [r#"{"length":1025}"#, r#"{"key":"a\nb"}"#, r#"{"key":" "}"#] {
        // The alert's text is wrong, not the plugin.
        let Err(why @ Failure::Said { .. }) = keys(alert).await else { panic!("{alert}") };
        assert!(!why.is_fault() && why.to_string().starts_with("invalid-input: "), "{why}");
    }
}

#[tokio::test]
async fn calls_can_be_spawned() {
    let machine = Machine::new();
    let echo = machine.hostile("echo", Grants::default());
    let spawned = tokio::spawn(async move {
        let call = invocation(ALERT);
        (echo.keys(&call).await, echo.add(&call).await, echo.delete(&call, None).await, echo.run(&call).await)
    });
    assert!(spawned.await.unwrap().1.result.is_ok());
}
