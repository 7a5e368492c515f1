//! Alerts are read once each: through rotation, truncation and restarts.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::io::Write;
use std::process::Stdio;

use riposte_tests::{Host, address, alert, sshd, until};

const CONFIG: &str = "<command><name>firewall-drop</name><executable>firewall-drop</executable></command>
    <active-response><command>firewall-drop</command><location>local</location><rules_id>5712</rules_id><timeout>600</timeout></active-response>";

/// A once-only response: it shows whether an alert was handled twice.
const COUNT: &str = "<command><name>count</name><executable>count.sh</executable></command>
    <active-response><command>count</command><location>local</location><rules_id>5712</rules_id></active-response>";

fn host() -> Host {
    let host = Host::new();
    host.configure(CONFIG);
    host
}

#[test]
fn once_handles_what_is_there_and_leaves_it_in_force() {
    let host = host();
    host.alerts(&(0..100).map(|n| sshd(n, &address(n))).collect::<Vec<_>>());
    let ended = host.once(&[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(host.count("in-force"), 100);
    assert_eq!(host.elements("drop4").len(), 100);
    // Again: the position is kept, so nothing is handled twice.
    assert_eq!(host.once(&[]).code, 0);
    assert_eq!(host.entries().len(), 100);
    host.alerts(&[sshd(100, &address(100))]);
    assert_eq!(host.once(&[]).code, 0);
    assert_eq!(host.entries().len(), 101);
}

#[test]
fn standard_input() {
    let host = host();
    let mut command = host.riposte_command(&["run", "--once", "--alerts", "-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // The last line has no line end.
    input.write_all(format!("{}\n{}", sshd(1, "198.18.0.1"), sshd(2, "198.18.0.2")).as_bytes()).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
    assert_eq!(host.count("in-force"), 2);
}

#[test]
fn lines_that_are_no_alerts_are_reported_with_their_number_and_skipped() {
    let host = host();
    host.write("alerts.json", format!("{}\nnonsense\n\n{{\"rule\":1}}\n", sshd(1, "198.18.0.1")));
    host.alerts(&["x".repeat(5_000), sshd(2, "198.18.0.2")]);
    host.alerts(&[format!("{{\"rule\":{}", "[".repeat(2_000))]);
    let ended = host.once(&["--max-line", "4096"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(host.count("in-force"), 2);
    let skipped: Vec<String> = host
        .events("line-skipped")
        .iter()
        .map(|event| event["detail"].as_str().unwrap().to_owned())
        .collect();
    for (line, word) in [("line 2:", ""), ("line 4:", ""), ("line 5:", "5000 bytes"), ("line 7:", "")] {
        assert!(
            skipped.iter().any(|said| said.starts_with(line) && said.contains(word)),
            "{line} {skipped:?}"
        );
    }
    assert_eq!(skipped.len(), 4, "{skipped:?}");
    // What it is is said once.
    assert!(ended.err.contains("skipped: not an alert: at byte"), "{ended:?}");
    assert!(ended.err.contains("; one alert per line"), "{ended:?}");
}

#[test]
fn once_says_why_nothing_came_of_its_input() {
    let host = host();
    let says = |words: &str| {
        let ended = host.once(&[]);
        assert!(ended.code == 0 && ended.err.contains(words), "{words}: {ended:?}");
    };
    let other = |n| sshd(n, "198.18.0.1").replace("\"5712\"", "\"1\"");
    host.alerts(&[other(1), other(2)]);
    says("2 alerts read; none of them asks for a response: `riposte explain --alert FILE`");
    says("holds no alert that was not read before");
    host.alerts(&["{".to_owned(), "}".to_owned()]);
    says("no alert was read, 2 lines skipped: one alert per line");
    host.alerts(&[sshd(3, "198.18.0.3"), other(4)]);
    let fired = host.once(&[]);
    assert!(fired.code == 0 && !fired.err.contains("asks for a response"), "{fired:?}");
}

#[test]
fn rotation_truncation_and_restarts_lose_nothing_and_repeat_nothing() {
    let host = Host::new();
    host.configure(COUNT);
    host.program("count.sh", "#!/bin/sh\nread -r line\necho x >>counted\n");
    let counted = || host.read("counted").lines().count();
    let settled = |n: usize| host.count("done") == n;
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("the first", || settled(1));
    // Rotated while it runs, as logrotate does.
    std::fs::rename(host.path("alerts.json"), host.path("alerts.json.1")).unwrap();
    host.alerts(&[sshd(2, "198.18.0.2")]);
    until("the second", || settled(2));
    // Truncated while it runs, and shorter than before.
    host.write("alerts.json", "");
    until("the truncation is seen", || engine.log().contains("truncated"));
    host.alerts(&[sshd(3, "198.18.0.3")]);
    until("the third", || settled(3));
    engine.stop();
    // Written, then rotated, then written again while nobody reads.
    host.alerts(&[sshd(4, "198.18.0.4")]);
    std::fs::create_dir_all(host.path("2026/Nov")).unwrap();
    std::fs::rename(host.path("alerts.json"), host.path("2026/Nov/ossec-alerts-19.json")).unwrap();
    host.alerts(&[sshd(5, "198.18.0.5")]);
    let engine = host.start(&[]);
    until("the fourth and the fifth", || settled(5));
    engine.stop();
    // Rotated while nobody reads, and gone.
    host.alerts(&[sshd(6, "198.18.0.6")]);
    std::fs::remove_file(host.path("alerts.json")).unwrap();
    host.alerts(&[sshd(7, "198.18.0.7")]);
    let _engine = host.start(&[]);
    until("the seventh", || settled(6));
    until("what is lost is reported", || host.events("input-lost").len() == 1);
    assert_eq!(counted(), 6);
}

#[test]
fn killed_again_and_again_each_alert_is_handled_once() {
    let host = Host::new();
    host.configure(&format!("{CONFIG}{COUNT}"));
    host.program("count.sh", "#!/bin/sh\nread -r line\necho x >>counted\n");
    let mut number = 0;
    for round in 1..=5 {
        let engine = host.start(&[]);
        host.alerts(&(0..40).map(|n| sshd(number + n, &address(number + n))).collect::<Vec<_>>());
        number += 40;
        until("some of them are there", || host.entries().len() > (round - 1) * 80 + 10);
        engine.kill();
    }
    let _engine = host.start(&[]);
    until("all of them are settled", || {
        let entries = host.entries();
        let over = |entry: &serde_json::Value| {
            ["in-force", "done", "unknown"].contains(&entry["state"].as_str().unwrap())
        };
        entries.len() == 400 && entries.iter().all(over)
    });
    let entries = host.entries();
    let mut seen: Vec<_> =
        entries.iter().map(|entry| format!("{} {}", entry["command"], entry["alert"])).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 400, "no alert led to two entries of one response");
    assert_eq!(host.elements("drop4").len(), 200);
    // A once-only response that was under way is not run again: none ran twice.
    assert!(host.read("counted").lines().count() <= 200);
    let unknown = host.count("unknown");
    assert_eq!(host.count("done") + unknown, 200);
    until("each is reported", || host.events("unknown").len() == unknown);
}

#[test]
fn where_to_begin_and_how_old() {
    let host = host();
    host.alerts(&[sshd(1, "198.18.0.1")]);
    let engine = host.start(&["--from", "end"]);
    host.alerts(&[sshd(2, "198.18.0.2")]);
    until("the second", || host.elements("drop4") == ["198.18.0.2"]);
    engine.stop();
    let host = self::host();
    host.alerts(&[
        sshd(1, "198.18.0.1").replace("2026-11-20", "2020-11-20"),
        alert(2, r#""srcip":"198.18.0.2""#).replace("2026-11-20", "2099-01-01"),
    ]);
    assert_eq!(host.once(&["--max-age", "1h"]).code, 0);
    assert_eq!(host.elements("drop4"), ["198.18.0.2"]);
    assert_eq!(host.events("stale").len(), 1);
}

#[test]
fn alerts_of_other_agents_are_for_other_machines() {
    let host = host();
    let other = |n: u32, ip: &str| sshd(n, ip).replace(r#""agent":{"id":"000""#, r#""agent":{"id":"007""#);
    host.alerts(&[other(1, "198.18.0.1")]);
    let ended = host.once(&[]);
    assert_eq!(ended.code, 0);
    assert!(ended.err.contains("--agent-id 007"), "{}", ended.err);
    assert_eq!(host.events("undeliverable").len(), 1);
    assert!(host.elements("drop4").is_empty());
    host.alerts(&[other(2, "198.18.0.2")]);
    assert_eq!(host.once(&["--agent-id", "7"]).code, 0);
    host.alerts(&[other(3, "198.18.0.3")]);
    assert_eq!(host.once(&["--all-local"]).code, 0);
    assert_eq!(host.elements("drop4").len(), 2);
}

#[test]
fn an_odd_byte_does_not_switch_a_response_off() {
    let host = host();
    let mut line = sshd(1, "198.18.0.1").replace("invalid user admin", "invalid user \u{7}X").into_bytes();
    let at = line.iter().position(|byte| *byte == 7).unwrap();
    line[at] = 0xff;
    line.push(b'\n');
    std::fs::write(host.path("alerts.json"), line).unwrap();
    assert_eq!(host.once(&[]).code, 0);
    assert_eq!(host.elements("drop4"), ["198.18.0.1"]);
}

#[test]
fn rotated_twice_between_two_looks() {
    let host = host();
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("the first", || host.elements("drop4").len() == 1);
    engine.signal("STOP");
    std::fs::rename(host.path("alerts.json"), host.path("alerts.json.2")).unwrap();
    host.alerts(&[sshd(2, "198.18.0.2")]);
    std::fs::rename(host.path("alerts.json"), host.path("alerts.json.1")).unwrap();
    host.alerts(&[sshd(3, "198.18.0.3")]);
    engine.signal("CONT");
    until("the third", || host.elements("drop4").contains(&"198.18.0.3".to_owned()));
    until("the second", || host.elements("drop4").contains(&"198.18.0.2".to_owned()));
    assert_eq!(host.entries().len(), 3);
}

#[test]
fn a_pipe_in_the_place_of_the_alerts_holds_nobody() {
    let host = host();
    let engine = host.start(&[]);
    std::fs::remove_file(host.path("alerts.json")).unwrap();
    assert!(host.command("mkfifo").arg(host.path("alerts.json")).status().unwrap().success());
    until("it is said", || engine.log().contains("waiting for the alerts"));
    std::fs::remove_file(host.path("alerts.json")).unwrap();
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("the next file is read", || host.elements("drop4") == ["198.18.0.1"]);
}
