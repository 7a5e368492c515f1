//! A flood of alerts, as fast as they can be read: memory stays bounded, every
//! alert is accounted for, every rollback comes, and nobody who works well is
//! held up by a script that hangs or a component that fails.
//!
//! `make test` runs a small one. `make flood` sets `RIPOSTE_FLOOD` to the number
//! of alerts, and prints the figures.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::collections::{BTreeMap, HashMap};
use std::io::{BufWriter, Write};
use std::time::{Duration, Instant, SystemTime};

use riposte_tests::{Engine, Host, address, alert, sshd};
use serde_json::Value;

/// The most memory that the engine may have taken at any time, in KiB: what
/// docs/floods.md states, and a tenth for a build that is not optimised.
const MOST_KIB: u64 = 512 << 10;

/// Reads one line, and then nothing moves it but the kill of its undo. Its
/// delete is quick.
const HANGS: &str = r#"#!/bin/sh
read -r line
case "$line" in *'"command":"delete"'*) exit 0 ;; esac
trap '' TERM INT HUP
while :; do sleep 1000; done
"#;

/// How long after the due time the kernel drops a block by itself, in
/// milliseconds.
const GRACE: i128 = 2_000;
/// How much too early a due undo may seem, in milliseconds: the engine goes by
/// the clock that counts since the machine was started, the audit writes that of
/// the wall, and each is cut to whole milliseconds.
const CLOCKS: i128 = 1;

/// How many may be undone before one that was due earlier: four times as many as
/// are undone at a time.
const OVERTAKE: usize = 1_024;

/// What is fired by every alert.
const CONFIGURATION: &str = r#"
<command><name>drop</name><executable>firewall-drop</executable><timeout_allowed>yes</timeout_allowed></command>
<active-response><command>drop</command><location>local</location><rules_id>5712</rules_id><timeout>20</timeout></active-response>
<command><name>hangs</name><executable>hangs.sh</executable><timeout_allowed>yes</timeout_allowed></command>
<active-response><command>hangs</command><location>local</location><rules_id>5712</rules_id><timeout>10</timeout></active-response>
<command><name>fails</name><executable>trap-add</executable><timeout_allowed>yes</timeout_allowed><keys>/data/srcip</keys></command>
<active-response><command>fails</command><location>local</location><rules_id>5712</rules_id><timeout>20</timeout></active-response>
"#;

struct Flood {
    alerts: u32,
    addresses: u32,
    /// Of those, alerts of nearly 1 MiB.
    long: u32,
    /// Lines that are no JSON, and lines that are longer than allowed.
    bad: u32,
    too_long: u32,
}

impl Flood {
    /// So many alerts, for so many addresses.
    fn of(alerts: u32, addresses: u32) -> Self {
        Self { alerts, addresses, long: 200.min(alerts / 300), bad: alerts / 50, too_long: 2 }
    }

    /// All of it, mixed as an attacker would: the addresses in turn, so that
    /// each alert is for another one than the last.
    fn write(&self, host: &Host) {
        let file = std::fs::File::create(host.path("alerts.json")).unwrap();
        let mut file = BufWriter::with_capacity(1 << 20, file);
        let filling = "x".repeat(1_040_000);
        let every = |n: u32, of: u32| {
            of > 0 && n.is_multiple_of((self.alerts / of).max(1)) && n / (self.alerts / of).max(1) < of
        };
        for n in 0..self.alerts {
            let source = address(n % self.addresses);
            let line = match every(n, self.long) {
                true => alert(n, &format!(r#""srcip":"{source}","text":"{filling}""#)),
                false => sshd(n, &source),
            };
            writeln!(file, "{line}").unwrap();
            if every(n, self.bad) {
                writeln!(file, "{{\"no\": json {n}").unwrap();
            }
            if every(n, self.too_long) {
                writeln!(file, "{{\"a\": \"{filling}{filling}\"}}").unwrap();
            }
        }
        file.flush().unwrap();
    }

    fn lines(&self) -> u32 {
        self.alerts + self.bad + self.too_long
    }
}

fn status(host: &Host) -> Value {
    let asked = host.riposte(&["status", "--json"]);
    assert_eq!(asked.code, 0, "{asked:?}");
    asked.json()
}

/// Looks again until `so`, for at most an hour.
fn wait(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(3600), "never came true: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The most memory that a process has had, in KiB.
fn peak(engine: &Engine) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", engine.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The sum of what stands under each kind of outcome.
fn sum(ended: &Value) -> u64 {
    ended.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

/// What the audit counts, by kind.
fn audited(host: &Host) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in host.audit().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let count = event["count"].as_u64().unwrap_or(1);
        *counts.entry(event["kind"].as_str().unwrap().to_owned()).or_default() += count;
    }
    counts
}

fn milliseconds(time: &Value) -> i128 {
    let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
    SystemTime::from(time).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis().cast_signed()
}

/// When the audit says that the undo of each entry began: for what had to wait
/// for others, that it was off the host by then.
fn undoing(host: &Host) -> HashMap<i64, i128> {
    let mut begun = HashMap::new();
    for line in host.audit().lines().filter(|line| line.contains("\"undoing\"")) {
        let event: Value = serde_json::from_str(line).unwrap();
        if event["kind"] == "undoing" {
            begun.entry(event["entry"].as_i64().unwrap()).or_insert_with(|| milliseconds(&event["time"]));
        }
    }
    begun
}

/// Asserts that what was due first was undone first, but for those that were under
/// way together.
fn undone_in_order(undone: &[(i128, i128)]) {
    let mut dues: Vec<i128> = undone.iter().map(|(due, _)| *due).collect();
    dues.sort_unstable();
    let mut by_end = undone.to_vec();
    by_end.sort_by_key(|(due, closed)| (*closed, *due));
    for (ended, (due, _)) in by_end.iter().enumerate() {
        let due_no_later = dues.partition_point(|other| other <= due);
        // So many of those that were due later at least have overtaken it.
        let overtook = (ended + 1).saturating_sub(due_no_later);
        assert!(overtook <= OVERTAKE, "{overtook} were undone before one that was due before them");
    }
}

#[test]
fn every_alert_of_a_flood_is_accounted_for_within_bounds() {
    let asked = std::env::var("RIPOSTE_FLOOD").ok().map(|alerts| alerts.parse().unwrap());
    let flood =
        asked.map_or_else(|| Flood::of(30_000, 1_500), |alerts| Flood::of(alerts, 50_000.min(alerts / 2)));
    let host = Host::new();
    host.configure(CONFIGURATION);
    host.program("hangs.sh", HANGS);
    host.plugin("trap-add", riposte_hostile::component("trap-add"));
    flood.write(&host);

    let begun = Instant::now();
    let engine = host.start_saying("error", &[]);
    // An operator is heard in the middle of it.
    let paused = host.riposte(&["pause", "--command", "drop", "--reason", "flood"]);
    assert_eq!(paused.code, 0, "{paused:?}");
    wait("the pause acts", || {
        status(&host)["orders"]["commands"]["drop"]["refused"]["paused"].as_u64() > Some(0)
    });
    assert!(status(&host)["alerts"]["lines"].as_u64() < Some(u64::from(flood.lines())), "in the middle");
    let resumed = host.riposte(&["resume", "--command", "drop"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");

    wait("all is read", || status(&host)["alerts"]["lines"] == flood.lines());
    let read = begun.elapsed();
    wait("nothing is under way", || status(&host)["orders"]["under_way"] == 0);
    let settled = begun.elapsed();
    wait("all is undone", || status(&host)["in_force"] == 0);
    assert!(host.elements("drop4").is_empty(), "the kernel holds nothing more");

    let facts = status(&host);
    let peak = peak(&engine);
    engine.stop();

    // The lines.
    let alerts = &facts["alerts"];
    assert_eq!(alerts["read"], flood.alerts);
    assert_eq!(alerts["fired"], flood.alerts);
    assert_eq!(alerts["unreadable"], flood.bad);
    assert_eq!(alerts["too_long"], flood.too_long);

    // The orders: each alert calls for three, and each came to one outcome.
    let orders = &facts["orders"];
    assert_eq!(orders["given"], 3 * flood.alerts);
    assert_eq!(sum(&orders["ended"]), u64::from(3 * flood.alerts), "{orders}");
    for name in ["drop", "hangs", "fails"] {
        let of_command = &orders["commands"][name];
        assert_eq!(of_command["given"], flood.alerts);
        assert_eq!(sum(&of_command["ended"]), u64::from(flood.alerts), "{name}: {of_command}");
        let refused = of_command["ended"]["refused"].as_u64().unwrap_or(0);
        assert_eq!(sum(&of_command["refused"]), refused, "{name}: {of_command}");
    }

    // The audit says the same.
    let audited = audited(&host);
    for (kind, count) in orders["ended"].as_object().unwrap() {
        assert_eq!(audited.get(kind).copied(), count.as_u64(), "{kind}: {audited:?}");
    }
    assert_eq!(audited["line-skipped"], u64::from(flood.bad + flood.too_long));

    // Who works well was not held up: it refused nothing for want of room.
    let drop = &orders["commands"]["drop"];
    assert_eq!(sum(&drop["refused"]), drop["refused"]["paused"].as_u64().unwrap(), "{drop}");
    assert_eq!(drop["ended"]["failed"], Value::Null);

    // Every rollback came, none too early, and the first that was due first.
    let entries = host.entries();
    let undoing = undoing(&host);
    let (mut undone, mut latest, mut latest_off, mut by_kernel) = (Vec::new(), 0, 0, 0);
    for entry in entries.iter().filter(|entry| entry["state"] == "closed" && entry["command"] == "drop") {
        let (due, closed) = (milliseconds(&entry["due"]), milliseconds(&entry["closed"]));
        let off = undoing[&entry["id"].as_i64().unwrap()] - due;
        assert!(closed >= due, "undone too early: {entry}");
        assert!(off >= -CLOCKS, "begun {off} ms too early: {entry}");
        undone.push((due, closed));
        latest = latest.max(closed - due);
        latest_off = latest_off.max(off);
        by_kernel += usize::from(off > GRACE);
    }
    undone_in_order(&undone);
    let in_force = drop["ended"]["in-force"].as_u64().unwrap();
    assert!(in_force >= u64::from(flood.addresses), "each address was blocked: {drop}");
    let closed = undone.len();
    assert_eq!(closed as u64, in_force);

    assert!(peak < MOST_KIB, "{peak} KiB at its peak, more than {MOST_KIB}");
    let bytes = std::fs::metadata(host.path("alerts.json")).unwrap().len();
    println!(
        "{} alerts for {} addresses ({} MiB): read in {:.1} s ({:.0} alerts/s), settled in {:.1} s; peak {} MiB of {}; \
         {} rollbacks, the latest off the host after {latest_off} ms and closed after {latest} ms, {by_kernel} by the \
         kernel first; orders: {}",
        flood.alerts,
        flood.addresses,
        bytes >> 20,
        read.as_secs_f64(),
        f64::from(flood.alerts) / read.as_secs_f64(),
        settled.as_secs_f64(),
        peak >> 10,
        MOST_KIB >> 10,
        closed,
        orders["commands"],
    );
}

#[test]
fn repeats_move_the_end_and_do_nothing_else() {
    const ALERTS: u32 = 5_000;
    let host = Host::new();
    host.configure(
        r"<command><name>drop</name><executable>firewall-drop</executable><timeout_allowed>yes</timeout_allowed></command>
        <active-response><command>drop</command><location>local</location><rules_id>5712</rules_id><timeout>600</timeout></active-response>",
    );
    host.alerts(&[sshd(0, "198.18.0.1")]);
    let begun = Instant::now();
    let engine = host.start_saying("error", &[]);
    let due = || {
        let entries = host.entries();
        assert!(entries.len() <= 1, "{entries:?}");
        entries.first().map_or(0, |entry| entry["due"].as_str().map_or(0, |_| milliseconds(&entry["due"])))
    };
    wait("it is in force", || due() > 0);
    let first = due();
    host.alerts(&(1..ALERTS).map(|n| sshd(n, "198.18.0.1")).collect::<Vec<_>>());
    wait("all is decided", || {
        let orders = &status(&host)["orders"];
        orders["given"] == ALERTS && orders["under_way"] == 0
    });
    println!("{:.0} alerts/s", f64::from(ALERTS) / begun.elapsed().as_secs_f64());
    wait("its end has moved", || due() > first);
    let ended = status(&host)["orders"]["ended"].clone();
    assert_eq!(ended, serde_json::json!({"in-force": 1, "already": ALERTS - 1}));
    // An engine that stops has written what it knows.
    host.alerts(&[sshd(ALERTS, "198.18.0.1")]);
    wait("the last one is decided", || status(&host)["orders"]["ended"]["already"] == ALERTS);
    let before = due();
    engine.stop();
    assert!(due() >= before);
    assert_eq!(audited(&host)["already"], u64::from(ALERTS));
    assert_eq!(host.elements("drop4"), ["198.18.0.1"]);
    // All alerts count as handled: the next engine reads none of them again.
    let engine = host.start_saying("error", &[]);
    host.alerts(&[sshd(ALERTS + 1, "198.18.0.1")]);
    wait("the new one is decided", || status(&host)["orders"]["given"] == 1);
    engine.stop();
}
