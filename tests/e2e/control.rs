//! What an operator asks of a running engine.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use riposte_tests::{Host, address, alert, sshd, until};

const CONFIG: &str = "<command><name>firewall-drop</name><executable>firewall-drop</executable></command>
    <active-response><command>firewall-drop</command><location>local</location><rules_id>5712</rules_id><timeout>600</timeout>
    <repeated_offenders>30,60</repeated_offenders></active-response>";

fn host() -> Host {
    let host = Host::new();
    host.configure(CONFIG);
    host
}

#[test]
fn list_undo_and_allow() {
    let host = host();
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, &address(1)), sshd(2, &address(2)), sshd(3, "2001:db8::3")]);
    until("all are in force", || host.count("in-force") == 3);

    let listed = host.riposte(&["list", "--json"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let entries: Vec<serde_json::Value> =
        listed.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(entries.len(), 3);
    for key in ["id", "tenant", "command", "keys", "state", "since", "due", "offence"] {
        assert!(!entries[0][key].is_null(), "{key}: {}", entries[0]);
    }
    assert!(host.riposte(&["list"]).out.contains("2001:db8::3"));

    let undone = host.riposte(&["unban", "2001:db8:0::3"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    let undone = host.riposte(&["undo", &address(1), "--allow", "24h", "--reason", "a customer", "--json"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    assert_eq!(undone.json()[0]["state"], "closed");
    assert_eq!(host.elements("drop4"), [address(2)]);
    assert!(host.elements("drop6").is_empty());

    host.alerts(&[sshd(4, &address(1)), sshd(5, &address(5))]);
    until("the next one is blocked", || host.elements("drop4").contains(&address(5)));
    until("the allowed one was refused", || host.events("refused").len() == 1);
    assert!(!host.elements("drop4").contains(&address(1)));
    let allows = host.riposte(&["allow", "list", "--json"]).json();
    assert_eq!(allows[0]["target"], address(1));
    assert_eq!(allows[0]["reason"], "a customer");
    assert_eq!(allows[0]["actor"], "uid:0");
    assert_eq!(host.riposte(&["allow", "delete", &address(1)]).code, 0);
    assert_eq!(host.riposte(&["allow", "delete", &address(1)]).code, 1);

    // By id, then by hand what is not there, then everything.
    let id = entries.iter().find(|entry| entry["keys"][0] == address(2)).unwrap()["id"].to_string();
    assert_eq!(host.riposte(&["undo", &id]).code, 0);
    assert_eq!(host.riposte(&["undo", &id]).code, 1);
    assert_eq!(host.riposte(&["undo", "no such thing/"]).code, 1);
    assert_eq!(host.riposte(&["undo", "--all"]).code, 0);
    assert!(host.elements("drop4").is_empty());
    let acts = host.events("undo");
    assert!(acts.iter().all(|act| act["actor"] == "uid:0"), "{acts:?}");
}

#[test]
fn add_by_hand() {
    let host = host();
    let _engine = host.start(&[]);
    let added = host.riposte(&[
        "add",
        "firewall-drop",
        "--srcip",
        "198.18.0.1",
        "--for",
        "4h",
        "--reason",
        "ticket 4711",
        "--json",
    ]);
    assert_eq!(added.code, 0, "{added:?}");
    assert_eq!(added.json()["outcome"], "in-force");
    assert_eq!(host.elements("drop4"), ["198.18.0.1"]);
    let longer = host.riposte(&["add", "firewall-drop", "--srcip", "198.18.0.1", "--for", "5h"]);
    assert_eq!(longer.code, 0, "{longer:?}");
    assert!(longer.out.contains("in force already, as entry 1, and until "), "{longer:?}");
    until("the audit says until when", || {
        host.events("already").iter().any(|event| event["detail"].as_str().unwrap().contains("until "))
    });
    assert_eq!(host.riposte(&["list", "--json"]).out.lines().count(), 1);
    for (wrong, word) in [
        (["add", "firewall-drop", "--srcip", "127.0.0.1"], "loopback"),
        (["add", "firewall-drop", "--srcip", "nonsense"], "nonsense"),
        (["add", "firewall-dorp", "--srcip", "198.18.0.2"], "there are: firewall-drop"),
        (["add", "firewall-drop", "--user", "backup"], "no key"),
    ] {
        let refused = host.riposte(&wrong);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.err.contains(word), "{refused:?}");
    }
    // For good: listed, undoable, no due time.
    let added = host.riposte(&["add", "firewall-drop", "--srcip", "198.18.0.9"]);
    assert_eq!(added.code, 0, "{added:?}");
    // What an answer says reaches the file with the next commit.
    until("it is in force for good", || {
        let entries = host.entries();
        let permanent = entries.iter().find(|entry| entry["keys"][0] == "198.18.0.9").unwrap();
        permanent["due"].is_null() && permanent["state"] == "in-force"
    });
    assert_eq!(host.riposte(&["undo", "198.18.0.9"]).code, 0);
    assert_eq!(host.elements("drop4"), ["198.18.0.1"]);
}

#[test]
fn answers_name_what_they_are_about() {
    let host = host();
    host.configure(&format!("<global><white_list>192.0.2.0/24</white_list></global>{CONFIG}"));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, &address(1))]);
    until("it is in force", || host.count("in-force") == 1);
    for stuck in [&["list", "--stuck"][..], &["list", "--stuck", "--offline"]] {
        assert_eq!(host.riposte(stuck).out, "nothing is stuck\n");
    }
    let listed = host.riposte(&["allow", "delete", "192.0.2.7"]);
    assert!(listed.code == 1 && listed.err.contains("white_list has 192.0.2.0/24"), "{listed:?}");
    let unlisted = host.riposte(&["allow", "remove", "198.51.100.7"]);
    assert!(unlisted.code == 1 && unlisted.err.contains("allow list shows"), "{unlisted:?}");
    for (words, named) in [(&["undo"][..], "--all"), (&["pause", "firewall-drop"], "--command")] {
        let usage = host.riposte(words);
        assert!(usage.code == 2 && usage.err.contains(named), "{usage:?}");
    }
}

#[test]
fn pause_and_mode() {
    let host = host();
    let _engine = host.start(&[]);
    assert_eq!(host.riposte(&["pause", "--all", "--for", "2h", "--reason", "maintenance"]).code, 0);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is refused", || host.events("refused").len() == 1);
    let status = host.riposte(&["status", "--json"]).json();
    assert_eq!(status["paused"][0]["scope"], "every command");
    assert_eq!(host.riposte(&["resume", "--all"]).code, 0);
    assert_eq!(host.riposte(&["resume", "--all"]).code, 1);

    assert_eq!(host.riposte(&["mode", "firewall-drop", "shadow"]).code, 0);
    host.alerts(&[sshd(2, "198.18.0.2")]);
    until("it is a shadow", || host.events("shadow").len() == 1);
    assert!(host.events("shadow")[0]["detail"].as_str().unwrap().contains("drop 198.18.0.2"));
    assert!(host.elements("drop4").is_empty());
    assert_eq!(host.riposte(&["mode", "firewall-drop", "file"]).code, 0);
    host.alerts(&[sshd(3, "198.18.0.3")]);
    until("it acts again", || host.elements("drop4") == ["198.18.0.3"]);
    assert_eq!(host.riposte(&["mode", "nothing", "shadow"]).code, 1);
}

#[test]
fn switches_outlive_the_engine() {
    let host = host();
    let engine = host.start(&[]);
    assert_eq!(host.riposte(&["pause", "--command", "firewall-drop"]).code, 0);
    assert_eq!(host.riposte(&["allow", "add", "198.18.0.0/24"]).code, 0);
    engine.kill();
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.1.1")]);
    until("it is paused", || host.events("refused").len() == 1);
    assert_eq!(host.riposte(&["resume", "--command", "firewall-drop"]).code, 0);
    host.alerts(&[sshd(2, "198.18.0.7"), sshd(3, "198.18.1.1")]);
    until("only the other is blocked", || host.elements("drop4") == ["198.18.1.1"]);
    until("the allowed one was refused", || host.events("refused").len() == 2);
}

#[test]
fn reload_keeps_the_old_one_on_an_error() {
    let host = host();
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force", || host.count("in-force") == 1);
    host.configure("<command><name>x</command>");
    let reloaded = host.riposte(&["reload"]);
    assert_eq!(reloaded.code, 1);
    assert!(reloaded.err.contains("the old configuration stays in use"), "{reloaded:?}");
    host.alerts(&[sshd(2, "198.18.0.2")]);
    until("the old one responds", || host.elements("drop4").len() == 2);

    // Now only rule 9999 fires; what is in force keeps what it was made with.
    host.configure(&CONFIG.replace("5712", "9999"));
    engine.signal("HUP");
    until("the new one is in use", || engine.log().contains("the new configuration is in use"));
    host.alerts(&[
        sshd(3, "198.18.0.3"),
        alert(4, r#""srcip":"198.18.0.4""#).replace("\"5712\"", "\"9999\""),
    ]);
    until("the new one responds", || host.elements("drop4").contains(&"198.18.0.4".to_owned()));
    assert!(!host.elements("drop4").contains(&"198.18.0.3".to_owned()));
    host.configure("");
    assert_eq!(host.riposte(&["reload"]).code, 0);
    assert_eq!(host.riposte(&["undo", "--all"]).code, 0, "undone without its command in the configuration");
    assert!(host.elements("drop4").is_empty());
}

#[test]
fn shadow_touches_nothing() {
    let host = Host::new();
    host.configure(&format!(
        "{CONFIG}<command><name>script</name><executable>script.sh</executable><timeout_allowed>yes</timeout_allowed></command>
         <active-response><command>script</command><location>local</location><rules_id>5712</rules_id><timeout>600</timeout></active-response>"
    ));
    host.program("script.sh", "#!/bin/sh\ntouch started\n");
    host.alerts(&[sshd(1, "198.18.0.1")]);
    let ended = host.once(&["--shadow"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let table = host.command("nft").args(["list", "tables"]).output().unwrap();
    assert!(table.stdout.is_empty(), "the kernel was touched");
    assert!(!host.path("started").exists(), "the script was started");
    assert_eq!(host.count("shadow"), 2);
    let would: Vec<String> = host.events("shadow").iter().map(|event| event["detail"].to_string()).collect();
    assert!(would.iter().any(|would| would.contains("firewall drop 198.18.0.1")), "{would:?}");
    assert!(would.iter().any(|would| would.contains("start of script.sh")), "{would:?}");

    // A response may be a shadow by itself.
    host.configure(&CONFIG.replace("<timeout>", "<mode>shadow</mode><timeout>"));
    host.alerts(&[sshd(2, "198.18.0.2")]);
    assert_eq!(host.once(&[]).code, 0);
    assert_eq!(host.count("shadow"), 3);
    assert!(host.elements("drop4").is_empty());
}

#[test]
fn an_alert_for_what_is_in_force_extends_it() {
    let host = Host::new();
    host.configure(
        "<command><name>firewall-drop</name><executable>firewall-drop</executable></command>
         <active-response><command>firewall-drop</command><location>local</location><rules_id>5712</rules_id><timeout>600</timeout></active-response>
         <active-response><command>firewall-drop</command><location>local</location><rules_id>9999</rules_id><timeout>6000</timeout></active-response>",
    );
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force", || host.count("in-force") == 1);
    let due = host.entries()[0]["due"].clone();
    host.alerts(&[sshd(2, "198.18.0.1").replace("\"5712\"", "\"9999\"")]);
    until("it ends later", || host.entries()[0]["due"].as_str() > due.as_str());
    assert_eq!(host.entries().len(), 1);
    // The kernel's own timeout follows.
    until("the kernel's timeout follows", || {
        let set = host.command("nft").args(["list", "set", "inet", "riposte", "drop4"]).output().unwrap();
        let set = String::from_utf8_lossy(&set.stdout).into_owned();
        set.contains("expires 1h")
    });
}

#[test]
fn a_built_in_response_without_a_command_is_told_how_it_gets_one() {
    let host = Host::new();
    host.configure("");
    let _engine = host.start(&[]);
    let add = || host.riposte(&["add", "firewall-drop", "--srcip", &address(1)]);
    let refused = add();
    let command = "<command><name>firewall-drop</name><executable>firewall-drop</executable></command>";
    assert!(refused.code == 1 && refused.err.contains(command), "{refused:?}");
    let unknown = host.riposte(&["mode", "block", "shadow"]);
    assert!(unknown.code == 1 && unknown.err.contains("the configuration has none"), "{unknown:?}");
    host.configure(command);
    assert_eq!(host.riposte(&["reload"]).code, 0);
    let added = add();
    assert_eq!(added.code, 0, "{added:?}");
}
