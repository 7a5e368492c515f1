//! Due times on a clock that is not the test's: a time namespace sets the
//! boot-time clock ahead, as a suspended machine finds it.
//!
//! The wall clock has no namespace, and that of the machine is not the test's
//! to set: what a step of it does is shown on the ledger, with a clock that
//! obeys (`engine/ledger/src/tests/clocks.rs`).

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use riposte_tests::{Host, sshd, until};

const BLOCK: &str = "<command><name>firewall-drop</name><executable>firewall-drop</executable>
    <timeout_allowed>yes</timeout_allowed></command>
    <active-response><command>firewall-drop</command><location>local</location><rules_id>5712</rules_id>
    <timeout>3600</timeout></active-response>";

/// A host with an hour's block, whose engine was killed.
fn blocked() -> Host {
    let host = Host::new();
    host.configure(BLOCK);
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.7")]);
    until("it is in force", || host.count("in-force") == 1);
    engine.kill();
    host
}

#[test]
fn what_fell_due_while_the_machine_slept_is_undone_at_once() {
    let host = blocked();
    let _engine = host.start_ahead(7_200);
    until("it is undone", || host.count("closed") == 1);
    assert!(host.elements("drop4").is_empty());
}

#[test]
fn what_is_not_due_after_a_short_sleep_stays_and_loses_no_time() {
    let host = blocked();
    let due = host.entries()[0]["due"].clone();
    let _engine = host.start_ahead(1_800);
    let listed = host.riposte(&["list", "--json"]);
    let entry: serde_json::Value = serde_json::from_str(listed.out.lines().next().unwrap()).unwrap();
    assert_eq!(entry["state"], "in-force");
    // Half of its hour has passed by that clock, so it ends half an hour sooner.
    assert_ne!(entry["due"], due, "the list shows when it really ends");
    assert_eq!(host.elements("drop4"), ["198.18.0.7"]);
}
