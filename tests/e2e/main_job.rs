//! The main job: alerts in, blocked in the kernel, undone on time.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::collections::HashSet;

use riposte_tests::{Host, address, sshd, until};

const FIREWALL_DROP: &str = r"
  <command>
    <name>firewall-drop</name>
    <executable>firewall-drop</executable>
    <timeout_allowed>yes</timeout_allowed>
  </command>
  <active-response>
    <command>firewall-drop</command>
    <location>local</location>
    <rules_id>5710,5712</rules_id>
    <timeout>5</timeout>
  </active-response>";

/// The same for so long that a thousand are in force at once also on a machine
/// that has other things to do.
fn longer() -> String {
    FIREWALL_DROP.replace("<timeout>5", "<timeout>30")
}

fn alerts(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|n| sshd(n, &address(n))).collect()
}

/// Every entry closed, none before its time, each address once.
fn all_undone_on_time(host: &Host, expected: usize) {
    let entries = host.entries();
    assert_eq!(entries.len(), expected);
    let mut keys = HashSet::new();
    for entry in &entries {
        assert_eq!(entry["state"], "closed", "{entry}");
        let (closed, due) = (entry["closed"].as_str().unwrap(), entry["due"].as_str().unwrap());
        assert!(closed >= due, "undone before its time: {entry}");
        keys.insert(entry["keys"].to_string());
    }
    assert_eq!(keys.len(), expected);
}

#[test]
fn a_thousand_addresses_are_blocked_then_none() {
    let host = Host::new();
    host.configure(&longer());
    let _engine = host.start(&[]);
    host.alerts(&alerts(0..1_000));
    let mut most = 0;
    let mut seen = HashSet::new();
    until("all are blocked at once", || {
        let elements = host.elements("drop4");
        most = most.max(elements.len());
        seen.extend(elements);
        most == 1_000 || host.count("closed") > 0
    });
    assert_eq!(most, 1_000);
    until("none is left", || host.elements("drop4").is_empty() && host.count("closed") == 1_000);
    all_undone_on_time(&host, 1_000);
    assert!(seen.contains(&address(0)) && seen.contains(&address(999)));
}

#[test]
fn killed_half_way_none_is_left_and_none_ends_early() {
    let host = Host::new();
    host.configure(FIREWALL_DROP);
    let engine = host.start(&[]);
    host.alerts(&alerts(0..1_000));
    until("some are blocked", || host.elements("drop4").len() > 100);
    engine.kill();
    let _engine = host.start(&[]);
    until("none is left", || host.count("closed") == 1_000 && host.elements("drop4").is_empty());
    all_undone_on_time(&host, 1_000);
}

#[test]
fn killed_while_in_force_the_time_goes_on() {
    let host = Host::new();
    host.configure(&longer());
    let engine = host.start(&[]);
    host.alerts(&alerts(0..1_000));
    until("all are in force", || host.count("in-force") == 1_000);
    engine.kill();
    let _engine = host.start(&[]);
    until("none is left", || host.count("closed") == 1_000 && host.elements("drop4").is_empty());
    all_undone_on_time(&host, 1_000);
}

#[test]
fn six_is_as_good_as_four() {
    let host = Host::new();
    host.configure(&FIREWALL_DROP.replace("<timeout>5", "<timeout>1"));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "2001:db8::7"), sshd(2, "::ffff:198.18.0.9")]);
    until("both were undone", || host.count("closed") == 2);
    assert!(host.elements("drop6").is_empty() && host.elements("drop4").is_empty());
    let keys: Vec<_> =
        host.entries().iter().map(|entry| entry["keys"][0].as_str().unwrap().to_owned()).collect();
    assert!(keys.contains(&"2001:db8::7".to_owned()), "{keys:?}");
}

#[test]
fn the_first_kernel_state_is_the_engines_own_table() {
    let host = Host::new();
    host.configure(&FIREWALL_DROP.replace("<timeout>5", "<timeout>600"));
    let foreign = "table inet mine { set s { type ipv4_addr; elements = { 192.0.2.1 }; }; }";
    assert!(host.command("nft").arg(foreign).status().unwrap().success());
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is blocked", || host.elements("drop4") == ["198.18.0.1"]);
    let kept = host.command("nft").args(["list", "set", "inet", "mine", "s"]).output().unwrap();
    assert!(String::from_utf8_lossy(&kept.stdout).contains("192.0.2.1"));
}

#[test]
fn the_response_log_has_wazuhs_shape_and_each_step_its_event() {
    let host = Host::new();
    host.configure(&FIREWALL_DROP.replace("<timeout>5", "<timeout>1"));
    host.write("logs/active-responses.log", "");
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it was undone", || host.count("closed") == 1);
    until("both dialogues are written", || {
        host.read("logs/active-responses.log").matches(": Ended").count() == 2
    });
    let log = host.read("logs/active-responses.log");
    let texts: Vec<_> = log
        .lines()
        .map(|line| {
            let (time, rest) = line.split_at(19);
            assert!(
                time.bytes().zip(*b"dddd/dd/dd dd:dd:dd").all(|(b, shape)| b == shape || b.is_ascii_digit()),
                "{line}"
            );
            rest.strip_prefix(" active-response/bin/firewall-drop: ").unwrap_or_else(|| panic!("{line}"))
        })
        .collect();
    let commands: Vec<_> = texts
        .iter()
        .filter_map(|text| serde_json::from_str::<serde_json::Value>(text).ok())
        .map(|message| {
            if message["command"] == "check_keys" {
                assert_eq!(message["parameters"]["keys"][0], "198.18.0.1");
            } else {
                // What the stock decoder and rules 651 and 652 look at.
                assert_eq!(message["parameters"]["program"], "active-response/bin/firewall-drop");
                assert_eq!(message["parameters"]["alert"]["data"]["srcip"], "198.18.0.1");
            }
            message["command"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(commands, ["add", "check_keys", "continue", "delete"]);
    assert_eq!((texts[0], *texts.last().unwrap()), ("Starting", "Ended"));
    for kind in ["in-force", "undoing", "undone"] {
        // The audit is written by a thread of its own.
        until(kind, || !host.events(kind).is_empty());
        let events = host.events(kind);
        assert_eq!(events.len(), 1, "{kind}");
        assert_eq!(events[0]["keys"][0], "198.18.0.1", "{}", events[0]);
    }
}
