//! Undos that fail: never dropped, visible, not begun from zero by a restart,
//! and never held up by the breaker.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use riposte_tests::{Host, sshd, until};

fn response(name: &str, executable: &str, timeout: u32, rest: &str) -> String {
    format!(
        "<command><name>{name}</name><executable>{executable}</executable>\
         <timeout_allowed>yes</timeout_allowed>{rest}</command>\
         <active-response><command>{name}</command><location>local</location><rules_id>5712</rules_id>\
         <timeout>{timeout}</timeout></active-response>"
    )
}

/// Deletes only when the file `mended` is there.
const STUBBORN: &str = "#!/bin/sh\nread -r line\ncase $line in *'\"command\":\"delete\"'*) echo try >>tries; [ -e mended ] || exit 3;; esac\n";

fn attempts(host: &Host) -> u64 {
    host.entries()[0]["undo_attempts"].as_u64().unwrap()
}

#[test]
fn a_stuck_undo_is_listed_counts_on_over_a_restart_and_ends_by_hand() {
    let host = Host::new();
    host.program("stubborn.sh", STUBBORN);
    host.configure(&response("stubborn", "stubborn.sh", 1, ""));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1"), sshd(2, "198.18.0.2")]);
    until("both are stuck", || host.count("stuck") == 2);
    let listed = host.riposte(&["list", "--stuck", "--json"]);
    assert_eq!(listed.out.lines().count(), 2, "{listed:?}");
    let status = host.riposte(&["status", "--json"]).json();
    assert!(status.to_string().contains("\"stuck\":2"), "{status}");
    engine.kill();
    let before = attempts(&host);
    let _engine = host.start(&[]);
    until("it is tried again, and counted on", || attempts(&host) > before);
    assert_eq!(host.count("stuck"), 2, "as stuck as before");
    host.write("mended", "");
    let undone = host.riposte(&["undo", "198.18.0.1", "--reason", "mended"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    let by_hand = |entry: &serde_json::Value| entry["keys"][0] == "198.18.0.1" && entry["state"] == "closed";
    assert!(host.entries().iter().any(by_hand), "{:?}", host.entries());
}

#[test]
fn a_component_that_deletes_badly_is_not_asked_for_ever_also_over_a_restart() {
    let host = Host::new();
    host.plugin("deaf-delete", riposte_hostile::component("deaf-delete"));
    host.configure(&response(
        "deaf",
        "deaf-delete",
        1,
        "<keys>/data/srcip</keys><capabilities><firewall/></capabilities>",
    ));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it failed once", || host.entries().first().is_some_and(|entry| entry["undo_attempts"] == 1));
    engine.kill();
    let _engine = host.start(&[]);
    until("the engine did it itself", || host.count("closed") == 1);
    assert_eq!(attempts(&host), 2, "two failures, and then not asked for more");
    until("it is reported", || host.events("reversed-by-engine").len() == 1);
    assert!(host.elements("drop4").is_empty());
}

#[test]
fn the_breaker_of_a_component_stops_no_undo() {
    let host = Host::new();
    let granted = "<keys>/data/srcip</keys><capabilities><firewall/></capabilities>";
    host.configure(&response("mine", "mine", 600, granted));
    host.plugin("mine", riposte_hostile::component("ungranted"));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force", || host.count("in-force") == 1);
    host.plugin("mine", riposte_hostile::component("panics"));
    engine.signal("HUP");
    until("the new one is in use", || engine.log().contains("the new configuration is in use"));
    host.alerts(&(2..=6).map(|n| sshd(n, &format!("198.18.0.{n}"))).collect::<Vec<_>>());
    until("all have failed", || host.events("failed").len() == 5);
    host.alerts(&[sshd(7, "198.18.0.7")]);
    until("adds are suspended", || host.events("refused").len() == 1);
    let undone = host.riposte(&["undo", "198.18.0.1"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    assert!(host.elements("drop4").is_empty());
}

#[test]
fn the_breaker_of_a_program_stops_no_undo() {
    let host = Host::new();
    let program = "#!/bin/sh\nread -r line\necho \"$line\" >>did\n";
    host.program("note.sh", program);
    host.configure(&response("note", "note.sh", 600, "<expect>srcip</expect>"));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force", || host.count("in-force") == 1);
    // No interpreter: it cannot be started, which is a failure of an add.
    host.program("note.sh", "#!/nonexistent/sh\n");
    host.alerts(&(2..=6).map(|n| sshd(n, &format!("198.18.0.{n}"))).collect::<Vec<_>>());
    until("all have failed", || host.events("failed").len() == 5);
    host.alerts(&[sshd(7, "198.18.0.7")]);
    until("adds are suspended", || host.events("refused").len() == 1);
    host.program("note.sh", program);
    let undone = host.riposte(&["undo", "198.18.0.1"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    assert!(host.read("did").lines().last().unwrap().contains("delete"));
}
