//! What somebody else takes away comes back, without any other event, and is
//! reported once. What is not the engine's is left alone.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use riposte_tests::{Host, sshd, until};

const DROP: &str = "<command><name>firewall-drop</name><executable>firewall-drop</executable></command>
    <active-response><command>firewall-drop</command><location>local</location><rules_id>5712</rules_id>
    <timeout>600</timeout></active-response>";

/// What an administrator types.
fn types(host: &Host, program: &str, line: &str) {
    let status = host.command(program).args(line.split(' ')).status().unwrap();
    assert!(status.success(), "{program} {line}");
}

/// A host with two blocked addresses, of either family.
fn blocked() -> (Host, riposte_tests::Engine) {
    let host = Host::new();
    host.configure(DROP);
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1"), sshd(2, "198.18.0.2"), sshd(3, "2001:db8::7")]);
    until("all are in force", || host.count("in-force") == 3);
    (host, engine)
}

fn shown(host: &Host) -> Vec<String> {
    let mut shown = [host.elements("drop4"), host.elements("drop6")].concat();
    shown.sort();
    shown
}

const ALL: [&str; 3] = ["198.18.0.1", "198.18.0.2", "2001:db8::7"];

/// All are back, and that was reported once, in these words.
fn back(host: &Host, words: &str) {
    until("all are back", || shown(host) == ALL);
    until("it is reported", || host.events("repaired").len() == 1);
    let event = host.events("repaired").remove(0);
    let detail = event["detail"].as_str().unwrap();
    assert!(detail.contains(words), "{detail}");
    let status = host.riposte(&["status", "--json"]).json();
    assert_eq!(status["repaired"]["times"], 1, "{status}");
}

#[test]
fn a_flushed_ruleset() {
    let (host, _engine) = blocked();
    types(&host, "nft", "flush ruleset");
    back(&host, "3 effects put back");
}

#[test]
fn a_deleted_table() {
    let (host, _engine) = blocked();
    types(&host, "nft", "delete table inet riposte");
    back(&host, "3 effects put back");
}

#[test]
fn a_deleted_set_with_its_rules() {
    let (host, _engine) = blocked();
    types(&host, "nft", "flush chain inet riposte input");
    until("the rules are back", || host.events("repaired").len() == 1);
    types(&host, "nft", "flush table inet riposte");
    until("they are back once more", || host.events("repaired").len() == 2);
    types(&host, "nft", "flush set inet riposte drop6");
    until("the set is full again", || host.events("repaired").len() == 3);
    assert_eq!(shown(&host), ALL);
    types(&host, "nft", "flush table inet riposte; delete set inet riposte drop6");
    until("the set is back", || shown(&host) == ALL && host.events("repaired").len() >= 4);
}

#[test]
fn one_deleted_element() {
    let (host, _engine) = blocked();
    types(&host, "nft", "delete element inet riposte drop4 { 198.18.0.2 }");
    back(&host, "1 effects put back, 0 taken away: firewall drop 198.18.0.2 put back");
}

#[test]
fn a_deleted_rule() {
    let (host, _engine) = blocked();
    let rules = || {
        let listed =
            host.command("nft").args(["list", "chain", "inet", "riposte", "input"]).output().unwrap();
        String::from_utf8(listed.stdout).unwrap().matches(" drop\n").count()
    };
    assert_eq!(rules(), 4);
    types(&host, "nft", "flush chain inet riposte input");
    until("the rules are back", || rules() == 4);
    back(&host, "rules made again");
}
