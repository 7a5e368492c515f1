//! The audit, its chain, and what is told from it.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user, and who tampers"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;

use riposte_tests::{Host, sshd, until};
use serde_json::Value;

const BLOCK: &str = "<command><name>block</name><executable>firewall-drop</executable><timeout_allowed>yes</timeout_allowed></command>
    <active-response><command>block</command><location>local</location><rules_id>5712</rules_id><timeout>600</timeout></active-response>";

fn host(audit: &str) -> Host {
    let host = Host::new();
    host.configure(&format!("{BLOCK}<riposte><audit>{audit}</audit></riposte>"));
    host
}

fn verify(host: &Host, arguments: &[&str]) -> (i32, Value) {
    let ended = host.riposte(&[&["audit", "verify", "--json"], arguments].concat());
    (ended.code, ended.json())
}

fn kinds(verified: &Value) -> Vec<&str> {
    verified["findings"].as_array().unwrap().iter().map(|finding| finding["kind"].as_str().unwrap()).collect()
}

#[test]
fn the_chain_holds_over_kills_and_shows_what_was_changed() {
    let host = host("");
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force", || host.events("in-force").len() == 1);
    // Beside a running engine.
    assert_eq!(verify(&host, &[]).0, 0);
    engine.kill();
    let engine = host.start(&[]);
    host.alerts(&[sshd(2, "198.18.0.2")]);
    until("it is in force", || host.events("in-force").len() == 2);
    assert_eq!(host.riposte(&["status", "--json"]).json()["audit"]["state"], "works");
    engine.stop();
    let (code, sound) = verify(&host, &[]);
    assert_eq!(
        (code, &sound["sound"], &sound["ledger"], &sound["heads"]),
        (0, &true.into(), &true.into(), &1.into())
    );
    assert_eq!(host.events("audit-broken").len(), 0);
    let path = host.path("log/audit.jsonl");
    let whole = host.read("log/audit.jsonl");
    fs::write(&path, whole.replacen("198.18.0.1", "198.18.0.9", 1)).unwrap();
    let (code, found) = verify(&host, &[]);
    assert_eq!((code, kinds(&found)), (1, vec!["edited"]));
    assert!(found["findings"][0]["line"].is_u64());
    let last = whole.trim_end().rfind('\n').unwrap();
    fs::write(&path, &whole[..=last]).unwrap();
    assert_eq!(kinds(&verify(&host, &[]).1), ["cut-off"]);
    // A start finds it too, says so, and goes on.
    let engine = host.start(&[]);
    let state = host.riposte(&["status", "--json"]).json()["audit"]["state"].as_str().unwrap().to_owned();
    assert!(state.contains("the audit ends at line"), "{state}");
    assert!(engine.log().contains("the audit is not what was written"), "{}", engine.log());
    engine.stop();
    assert_eq!(host.events("audit-broken").len(), 1);
    assert!(kinds(&verify(&host, &[]).1).contains(&"broken"));
}

/// `riposte` with these arguments, killed before its `number`th write to the
/// audit. Whether it came so far.
fn killed_at_write(host: &Host, number: u32, arguments: &[&str]) -> bool {
    let mut command = host.command("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-P"]).arg(host.path("log/audit.jsonl"));
    command.args(["-e", "trace=write", "-e", &format!("inject=write:signal=SIGKILL:when={number}")]);
    command.arg(riposte_tests::binary()).args(arguments).arg("--home").arg(host.path(""));
    !command.output().unwrap().status.success()
}

#[test]
fn what_a_killed_engine_did_not_live_to_write_is_written_by_the_next_start() {
    let added = |event: &Value| {
        event["detail"].as_str().is_some_and(|detail| detail.ends_with("and the ledger tells it"))
    };
    let told = |host: &Host, kind: &str| -> Vec<bool> { host.events(kind).iter().map(added).collect() };
    let host = host("");
    let alerts = host.path("alerts.json").display().to_string();
    let run = ["run", "--once", "--alerts", &alerts];
    host.alerts(&[sshd(1, "198.18.0.1")]);
    assert!(killed_at_write(&host, 1, &run));
    assert_eq!(
        (host.count("in-force"), host.audit().as_str()),
        (1, ""),
        "the ledger knows it, the audit does not"
    );
    for _ in 0..2 {
        assert_eq!(host.once(&[]).code, 0);
        assert_eq!(told(&host, "in-force"), [true], "once, however often it is started");
    }
    let event = &host.events("in-force")[0];
    assert_eq!(
        (&event["entry"], &event["keys"][0], &event["rule_id"]),
        (&1.into(), &"198.18.0.1".into(), &"5712".into())
    );
    assert!(event["definition"].is_string() && event["digest"].is_string(), "{event}");
    // Behind lines of an audit that goes on.
    host.alerts(&[sshd(2, "198.18.0.2")]);
    assert!(killed_at_write(&host, 1, &run));
    assert_eq!((host.count("in-force"), host.events("in-force").len()), (2, 1));
    // An undo writes that it was asked for, that it begins, and that it is over.
    for number in 1..=3 {
        let _ = killed_at_write(&host, number, &["undo", "--all", "--offline"]);
        host.alerts(&[sshd(10 + number, &format!("198.18.1.{number}"))]);
        assert_eq!(host.once(&[]).code, 0);
        assert_eq!(host.events("undone").len(), host.count("closed"), "after {number}");
        assert_eq!(host.events("in-force").len(), host.entries().len(), "after {number}");
        assert_eq!(verify(&host, &[]).0, 0, "after {number}");
    }
    assert!(told(&host, "undone").contains(&true), "{}", host.audit());
    assert_eq!(told(&host, "in-force")[..2], [true, true]);
    assert!(host.events("audit-broken").is_empty());
}

#[test]
fn signed_heads_and_copies_show_what_a_rewritten_ledger_does_not() {
    let host = Host::new();
    let made = host.riposte(&["audit", "keygen", "--json"]).json();
    let (public, key) = (made["public"].as_str().unwrap(), made["file"].as_str().unwrap());
    assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    let socket = host.path("syslog");
    let server = UnixDatagram::bind(&socket).unwrap();
    host.configure(&format!(
        "{BLOCK}<riposte><audit><ocsf>yes</ocsf><sign key='{key}' every='1s'/>\
         <syslog to='unix:{}' events='yes'/></audit></riposte>",
        socket.display()
    ));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    let mut buffer = vec![0; 65_536];
    let mut next = |what: &str| loop {
        let length = server.recv(&mut buffer).unwrap();
        let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
        if message.contains(what) {
            break message;
        }
    };
    let event = next(" in-force - {");
    assert!(event.starts_with("<110>1 ") && event.contains("198.18.0.1"), "{event}");
    let head = next(" audit-head - {");
    let head: Value = serde_json::from_str(head.split_once(" - ").unwrap().1).unwrap();
    assert_eq!(head["key"], public);
    engine.stop();
    let (code, sound) = verify(&host, &["--key", public]);
    assert_eq!(code, 0, "{sound}");
    assert!(sound["heads"].as_u64().unwrap() >= 2, "the ledger's and a signed one");
    // Who owns the machine removes both; the signed heads remain, here or elsewhere.
    fs::remove_file(host.path("log/audit.jsonl")).unwrap();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let _ = fs::remove_file(host.path("state").join(name));
    }
    let (code, found) = verify(&host, &["--key", public]);
    assert_eq!((code, kinds(&found)), (1, vec!["cut-off"]));
    // One step in the words of OCSF.
    let ocsf = host.read("log/ocsf.jsonl");
    let made: Value = serde_json::from_str(ocsf.lines().next().unwrap()).unwrap();
    assert_eq!((&made["class_uid"], &made["type_uid"]), (&7001.into(), &700_101.into()));
    assert_eq!(made["countermeasures"][0]["d3f_technique"]["uid"], "D3-NTF");
    assert_eq!(made["observables"][0]["value"], "198.18.0.1");
}

#[test]
fn a_key_that_is_not_there_keeps_the_engine_from_starting() {
    let host = host("<sign key='/nonexistent/audit.key'/>");
    let ended =
        host.riposte(&["run", "--once", "--alerts", "-", "--config", host.path("etc").to_str().unwrap()]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("the key /nonexistent/audit.key cannot be used"), "{}", ended.err);
    assert!(ended.err.contains("`riposte audit keygen FILE` makes one"), "{}", ended.err);
    let check = host.riposte(&["upgrade-check", "--config", host.path("etc").to_str().unwrap()]);
    assert_eq!(check.code, 1, "{check:?}");
    assert!(check.out.contains("audit keygen FILE"), "{check:?}");
}

#[test]
fn who_blocked_what_and_why() {
    let host = host("");
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1"), sshd(2, "127.0.0.1")]);
    until("one is in force, one failed", || {
        host.events("in-force").len() == 1
            && host.events("denied").len() == 1
            && host.events("failed").len() == 1
    });
    let added = host.riposte(&["add", "block", "--srcip", "198.18.0.2", "--reason", "seen elsewhere"]);
    assert_eq!(added.code, 0, "{added:?}");
    let why = host.riposte(&["why", "198.18.0.1", "--json"]).json();
    let entry = &why["in_force"][0];
    assert_eq!(
        (&entry["rule"], &entry["actor"], &entry["response"]),
        (&"5712".into(), &"alert".into(), &"block#1".into())
    );
    assert_eq!(entry["alert"], "1763632800.1");
    assert_eq!(entry["effects"][0]["interface"], "firewall");
    assert_eq!(entry["definition_sha256"].as_str().unwrap().len(), 64);
    assert_eq!(entry["component_sha256"].as_str().unwrap().len(), 64);
    assert!(entry["grants"][0].as_str().unwrap().starts_with("<firewall"));
    let event = &host.events("in-force")[0];
    assert_eq!(
        (&event["definition"], &event["digest"]),
        (&entry["definition_sha256"], &entry["component_sha256"])
    );
    assert_eq!(event["interfaces"], serde_json::json!(["firewall"]));
    // What was not blocked, and why.
    let why = host.riposte(&["why", "127.0.0.1", "--json"]).json();
    assert_eq!(why["in_force"], serde_json::json!([]));
    let told = why["not_done"].as_array().unwrap();
    assert!(told.iter().any(|event| event["detail"].as_str().unwrap().contains("loopback")), "{why}");
    let undone = host.riposte(&["undo", "198.18.0.1", "--reason", "a customer"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    engine.stop();
    // Without an engine.
    let why = host.riposte(&["why", "198.18.0.1"]);
    assert!(why.out.contains("nothing is in force on 198.18.0.1"), "{why:?}");
    assert!(why.out.contains("somebody asked (by uid:0): a customer"), "{why:?}");
    let told = |arguments: &[&str]| -> Vec<String> {
        let ended = host.riposte(&[&["history", "--json"], arguments].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        let lines = ended.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| line["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(told(&["--target", "198.18.0.1"]), ["in-force", "undo", "undoing", "undone"]);
    assert_eq!(told(&["--target", "198.18.0.2"]), ["in-force"]);
    assert_eq!(told(&["--target", "198.18.0.0/24", "--actor", "uid:0"]), ["in-force", "undo"]);
    assert_eq!(told(&["--until", "2020-01-01", "--since", "2019-01-01"]), [""; 0]);
    assert_eq!(told(&["--command", "other"]), [""; 0]);
    // The ledger alone still knows the entries.
    fs::remove_file(host.path("log/audit.jsonl")).unwrap();
    assert_eq!(told(&["--target", "198.18.0.1"]), ["closed"]);
    assert_eq!(host.riposte(&["why", "203.0.113.1"]).code, 0);
}

#[test]
fn what_keeps_responses_off_an_address_is_named() {
    let host = Host::new();
    host.configure(&format!("<global><white_list>198.18.7.0/24</white_list></global>{BLOCK}"));
    let engine = host.start(&[]);
    let refused = host.riposte(&["add", "block", "--srcip", "198.18.7.7"]);
    assert!(refused.code == 1 && refused.err.contains("riposte allow list shows"), "{refused:?}");
    let listed = host.riposte(&["allow", "list"]);
    assert!(listed.out.contains("198.18.7.0/24  always  by the configuration's white_list"), "{listed:?}");
    assert_eq!(host.riposte(&["allow", "list", "--json"]).json(), serde_json::json!([]));

    for words in [
        &["allow", "add", "198.18.0.0/28", "--for", "1h", "--reason", "a partner"][..],
        &["pause", "--command", "block", "--reason", "a drill"],
    ] {
        assert_eq!(host.riposte(words).code, 0, "{words:?}");
    }
    let told = || {
        let allowed = host.riposte(&["why", "198.18.0.1"]).out;
        let words = [
            "198.18.0.0/28 is allowed until ",
            "by uid:0 (a partner)",
            "block is paused until taken back, by uid:0 (a drill)",
        ];
        assert!(words.iter().all(|words| allowed.contains(words)), "{allowed}");
        let listed = host.riposte(&["why", "198.18.7.7"]).out;
        assert!(listed.contains("the configuration's white_list has \"198.18.7.0/24\""), "{listed}");
        assert!(!listed.contains("is allowed until"), "{listed}");
    };
    told();
    engine.stop();
    told();
    let json = host.riposte(&["why", "198.18.0.1", "--json"]).json();
    assert_eq!(
        (&json["allowed"][0]["target"], &json["paused"][0]["command"]),
        (&"198.18.0.0/28".into(), &"block".into())
    );
    assert_eq!(json["white_listed"], Value::Null);
}
