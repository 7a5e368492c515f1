//! Many in force: what becomes of them when the ruleset is flushed, and whether
//! anything passes while the engine stops, is killed and starts again.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::time::Instant;

use riposte_tests::{Host, address, sshd, until};

const MANY: u32 = 20_000;
const PART: u32 = 2_000;

const DROP: &str = "<command><name>firewall-drop</name><executable>firewall-drop</executable></command>
    <active-response><command>firewall-drop</command><location>local</location><rules_id>5712</rules_id>
    <timeout>36000</timeout></active-response>";

fn in_force(host: &Host) -> u64 {
    host.riposte(&["status", "--json"]).json()["in_force"].as_u64().unwrap()
}

fn block_many(host: &Host) {
    // In parts, each with a time of its own to come true in.
    for part in 0..MANY / PART {
        let alerts: Vec<String> = (1..=PART).map(|n| part * PART + n).map(|n| sshd(n, &address(n))).collect();
        host.alerts(&alerts);
        until("the next are in force", || in_force(host) == u64::from((part + 1) * PART));
    }
    until("all are blocked", || host.elements("drop4").len() == MANY as usize);
}

#[test]
fn twenty_thousand_come_back_after_a_flush() {
    let host = Host::new();
    host.configure(DROP);
    let _engine = host.start(&[]);
    block_many(&host);
    let flushed = Instant::now();
    assert!(host.command("nft").args(["flush", "ruleset"]).status().unwrap().success());
    until("it is reported", || !host.events("repaired").is_empty());
    let reported = flushed.elapsed();
    assert_eq!(host.elements("drop4").len(), MANY as usize);
    let events = host.events("repaired");
    assert_eq!(events.len(), 1, "{events:?}");
    let detail = events[0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("20000 effects put back, 0 taken away"), "{detail}");
    println!(
        "{MANY} blocked addresses: all back and reported {} ms after nft flush ruleset",
        reported.as_millis()
    );
}

/// Counts what arrives, by sender, until its standard input ends.
const RECEIVER: &str = "
import json, select, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.bind(('192.0.2.1', 9999))
print('ready', flush=True)
counts = {}
while True:
    ready, _, _ = select.select([s, sys.stdin], [], [])
    if s in ready:
        sender = s.recvfrom(64)[1][0]
        counts[sender] = counts.get(sender, 0) + 1
    else:
        break
print(json.dumps(counts), flush=True)
";

/// Sends from two addresses in turn until its standard input ends: how often.
const SENDER: &str = "
import select, socket, sys
def bound(address):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, 0))
    return s
both = [bound(address) for address in sys.argv[1:]]
print('ready', flush=True)
sent = 0
while not select.select([sys.stdin], [], [], 0.0002)[0]:
    for s in both:
        s.sendto(b'x', ('192.0.2.1', 9999))
    sent += 1
print(sent, flush=True)
";

const BLOCKED: &str = "198.18.0.1";
const FRIEND: &str = "198.19.0.1";

struct Script(Child, BufReader<std::process::ChildStdout>);

impl Script {
    fn start(host: &Host, script: &str, arguments: &[&str]) -> Self {
        let mut command = host.command("python3");
        command.args(["-c", script]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child, out)
    }

    /// Ends it: what it says.
    fn end(mut self) -> String {
        self.0.stdin.take().unwrap().flush().unwrap();
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        self.0.wait().unwrap();
        line
    }
}

fn types(host: &Host, line: &str) {
    let mut words = line.split(' ');
    assert!(host.command(words.next().unwrap()).args(words).status().unwrap().success(), "{line}");
}

/// What arrives while `meanwhile` goes on: from the blocked address, from the
/// other, and how often each was sent from.
fn probe(host: &Host, attacker: &Host, meanwhile: impl FnOnce()) -> (u64, u64, u64) {
    let receiver = Script::start(host, RECEIVER, &[]);
    let sender = Script::start(attacker, SENDER, &[BLOCKED, FRIEND]);
    meanwhile();
    let sent = sender.end().trim().parse().unwrap();
    let arrived: serde_json::Value = serde_json::from_str(&receiver.end()).unwrap();
    let from = |address: &str| arrived[address].as_u64().unwrap_or_default();
    (from(BLOCKED), from(FRIEND), sent)
}

/// How many packets the rules have dropped.
fn dropped(host: &Host) -> u64 {
    let listed =
        host.command("nft").args(["-j", "list", "chain", "inet", "riposte", "input"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let expressions =
        json["nftables"].as_array().unwrap().iter().filter_map(|one| one["rule"]["expr"].as_array());
    expressions.flatten().filter_map(|one| one["counter"]["packets"].as_u64()).sum()
}

#[test]
fn no_packet_passes_while_the_engine_restarts() {
    let (host, attacker) = (Host::new(), Host::new());
    types(&host, &format!("ip link add v0 type veth peer name v1 netns {}", attacker.pid()));
    types(&host, "ip addr add 192.0.2.1/24 dev v0");
    types(&host, "ip link set v0 up");
    for line in [
        "addr add 198.18.0.1/32 dev v1",
        "addr add 198.19.0.1/32 dev v1",
        "link set v1 up",
        "route add 192.0.2.0/24 dev v1",
    ] {
        types(&attacker, &format!("ip {line}"));
    }
    types(&host, "ip route add 198.18.0.0/15 dev v0");

    host.configure(DROP);
    let engine = host.start(&[]);
    let (blocked, friend, sent) =
        probe(&host, &attacker, || std::thread::sleep(std::time::Duration::from_millis(200)));
    assert!(blocked > 0 && friend > 0, "before the block both arrive: {blocked}, {friend} of {sent}");

    block_many(&host);
    let before = dropped(&host);
    let (blocked, friend, sent) = probe(&host, &attacker, || {
        engine.stop();
        let engine = host.start(&[]);
        engine.kill();
        let engine = host.start(&[]);
        until("it answers", || in_force(&host) == u64::from(MANY));
        drop(engine);
    });
    let dropped = dropped(&host) - before;
    println!(
        "stop, start, kill -9, start with {MANY} in force: {sent} sent from the blocked address, {blocked} arrived, \
         {dropped} dropped; {friend} of as many arrived from another"
    );
    assert_eq!(blocked, 0, "a packet from a blocked address has passed");
    assert!(sent > 0 && dropped >= sent, "the rules kept counting: {dropped} of {sent}");
    assert!(friend > sent / 2, "the other address was heard: {friend} of {sent}");
    // The elements are those of before: none was made anew.
    assert!(host.events("repaired").is_empty(), "{:?}", host.events("repaired"));
}
