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
fn a_storm_of_flushes_ends_with_all_back_and_no_more_work_than_flushes() {
    const FLUSHES: u64 = 20;
    let (host, engine) = blocked();
    for _ in 0..FLUSHES {
        types(&host, "nft", "flush ruleset");
    }
    until("all are back", || shown(&host) == ALL);
    until("it is reported", || !host.events("repaired").is_empty());
    // By then the engine has nothing more to repair: an alert is answered, and
    // what it blocks stands beside the others.
    host.alerts(&[sshd(4, "198.18.0.4")]);
    until("the next one is in force", || host.count("in-force") == 4);
    until("it is blocked too", || shown(&host).len() == 4);
    engine.stop();
    let repaired = host.events("repaired").len() as u64;
    assert!((1..=FLUSHES).contains(&repaired), "{repaired} repairs");
    assert_eq!(shown(&host).len(), 4);
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

/// What has the name of the engine's set and is another: its elements have no
/// timeout, are no addresses, are intervals, end too early, are to be few, or lead
/// somewhere.
const OTHERS: [&str; 6] = [
    "set inet riposte drop4 { type ipv4_addr; }",
    "set inet riposte drop4 { type inet_service; flags timeout; }",
    "set inet riposte drop4 { type ipv4_addr; flags interval,timeout; }",
    "set inet riposte drop4 { type ipv4_addr; flags timeout; timeout 5s; }",
    "set inet riposte drop4 { type ipv4_addr; flags timeout; size 1; }",
    "map inet riposte drop4 { type ipv4_addr : verdict; }",
];

#[test]
fn a_set_that_is_another_of_the_same_name_is_made_anew() {
    for other in OTHERS {
        let rule = match other.starts_with("map") {
            true => "ip saddr vmap @drop4",
            false if other.contains("inet_service") => "tcp dport @drop4 accept",
            false => "ip saddr @drop4 accept",
        };
        let other = format!(
            "add table inet riposte; add {other}; add chain inet riposte mine; add rule inet riposte mine {rule}"
        );
        // Before the engine ever was there.
        let host = Host::new();
        host.configure(DROP);
        types(&host, "nft", &other);
        let engine = host.start(&[]);
        host.alerts(&[sshd(1, "198.18.0.1"), sshd(2, "198.18.0.2"), sshd(3, "2001:db8::7")]);
        until("all are in force", || host.count("in-force") == 3);
        assert_eq!(shown(&host), ALL, "{other}: {}", engine.log());
        // Under a running engine, and under one that has ended.
        types(&host, "nft", &format!("delete table inet riposte; {other}"));
        until("all are back", || shown(&host) == ALL);
        engine.stop();
        types(&host, "nft", &format!("delete table inet riposte; {other}"));
        let engine = host.start(&[]);
        until("all are back", || shown(&host) == ALL);
        assert!(engine.log().contains("is not the one made by riposte"), "{}", engine.log());
        let status = host.riposte(&["status", "--json"]).json();
        assert_eq!(status["firewall"]["state"], "works", "{status}");
    }
}

#[test]
fn a_chain_that_is_another_of_the_same_name_is_told() {
    let host = Host::new();
    host.configure(DROP);
    types(
        &host,
        "nft",
        "add table inet riposte; add chain inet riposte input { type nat hook input priority 5; }",
    );
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it has failed", || host.events("failed").len() == 1);
    assert!(!engine.log().contains("made anew, and what was blocked"), "{}", engine.log());
    let failed = host.events("failed").remove(0);
    assert!(failed["detail"].as_str().unwrap().contains("nft delete table inet riposte"), "{failed}");
    types(&host, "nft", "delete table inet riposte");
    host.alerts(&[sshd(2, "198.18.0.1")]);
    until("the next one is in force", || host.count("in-force") == 1);
}

#[test]
fn a_chain_in_the_way_of_a_start_is_told_until_it_is_gone() {
    let (host, engine) = blocked();
    engine.stop();
    types(&host, "nft", "delete table inet riposte");
    types(
        &host,
        "nft",
        "add table inet riposte; add chain inet riposte input; add rule inet riposte input accept",
    );
    let engine = host.start(&[]);
    let state = || {
        let status = host.riposte(&["status", "--json"]).json();
        status["firewall"]["state"].as_str().unwrap().to_owned()
    };
    assert!(state().contains("nft delete table inet riposte"), "{}", state());
    until("it is told", || engine.log().contains("does not show everything that the ledger says"));
    types(&host, "nft", "delete table inet riposte");
    back(&host, "3 effects put back");
    assert_eq!(state(), "works");
}

#[test]
fn a_dormant_table_is_woken() {
    let host = Host::new();
    host.configure(DROP);
    let sleeps = || types(&host, "nft", "add table inet riposte { flags dormant; }");
    let awake = |times: usize| {
        until("it is woken and told", || host.events("repaired").len() == times);
        let listed = host.command("nft").args(["list", "table", "inet", "riposte"]).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(listed.contains("hook input") && !listed.contains("dormant"), "{listed}");
        assert_eq!(shown(&host), ALL);
    };
    sleeps();
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1"), sshd(2, "198.18.0.2"), sshd(3, "2001:db8::7")]);
    until("all are in force", || host.count("in-force") == 3);
    awake(1);
    sleeps();
    awake(2);
    engine.stop();
    sleeps();
    let engine = host.start(&[]);
    awake(3);
    assert!(engine.log().contains("was dormant"), "{}", engine.log());
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

#[test]
fn what_others_made_is_left_alone() {
    let (host, _engine) = blocked();
    types(&host, "nft", "add table inet other");
    types(&host, "nft", "add set inet other drop4 { type ipv4_addr; }");
    types(&host, "nft", "add element inet other drop4 { 192.0.2.99 }");
    types(&host, "nft", "add element inet riposte drop4 { 192.0.2.98 comment \"ticket\" }");
    types(&host, "ip", "route add blackhole 192.0.2.96/32");
    // Something to repair, so that everything was looked at since.
    types(&host, "nft", "flush chain inet riposte input");
    until("the rules are back", || host.events("repaired").len() == 1);
    let listed = |what: &[&str]| {
        String::from_utf8(host.command(what[0]).args(&what[1..]).output().unwrap().stdout).unwrap()
    };
    assert!(listed(&["nft", "list", "table", "inet", "other"]).contains("192.0.2.99"));
    assert!(host.elements("drop4").contains(&"192.0.2.98".to_owned()));
    assert!(listed(&["ip", "route", "show"]).contains("blackhole 192.0.2.96"));
    assert!(host.events("orphan").is_empty(), "{:?}", host.events("orphan"));
}

#[test]
fn a_deleted_route() {
    let host = Host::new();
    host.configure(
        "<command><name>route-null</name><executable>route-null</executable></command>
         <active-response><command>route-null</command><location>local</location><rules_id>5712</rules_id>
         <timeout>600</timeout></active-response>",
    );
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1"), sshd(2, "198.18.0.2")]);
    until("both are in force", || host.count("in-force") == 2);
    let routes = || {
        let listed = host.command("ip").args(["route", "show", "proto", "199"]).output().unwrap();
        String::from_utf8(listed.stdout).unwrap().lines().count()
    };
    types(&host, "ip", "route del blackhole 198.18.0.1");
    until("it is back", || routes() == 2);
    until("it is reported", || host.events("repaired").len() == 1);
    types(&host, "ip", "route flush proto 199");
    until("both are back", || routes() == 2 && host.events("repaired").len() == 2);
}

#[test]
fn lines_of_hosts_deny() {
    let host = Host::new();
    let file = host.path("scratch/hosts.deny").display().to_string();
    host.configure(&format!(
        r#"<command><name>host-deny</name><executable>host-deny</executable>
           <capabilities><lines file="{file}" match="ALL:*"/><config name="file" value="{file}"/></capabilities></command>
         <active-response><command>host-deny</command><location>local</location><rules_id>5712</rules_id>
           <timeout>3600</timeout></active-response>"#
    ));
    host.write("scratch/hosts.deny", "sshd: 192.0.2.1\n");
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1"), sshd(2, "198.18.0.2")]);
    until("both are in force", || host.count("in-force") == 2);
    let both = |text: &str| text.contains("\nALL:198.18.0.1\n") && text.contains("\nALL:198.18.0.2\n");
    let whole = host.read("scratch/hosts.deny");
    assert!(both(&whole) && whole.contains("# riposte: entry "), "{whole}");
    // Edited in place.
    host.write("scratch/hosts.deny", whole.replace("ALL:198.18.0.2\n", "ALL:192.0.2.2\n"));
    until("the line is back", || {
        both(&host.read("scratch/hosts.deny")) && host.events("repaired").len() == 1
    });
    assert!(host.read("scratch/hosts.deny").contains("\nALL:192.0.2.2\n"), "what was written by hand stays");
    // Replaced by another.
    host.write("scratch/new", "sshd: 192.0.2.3\n");
    std::fs::rename(host.path("scratch/new"), &file).unwrap();
    until("both are back", || both(&host.read("scratch/hosts.deny")) && host.events("repaired").len() == 2);
    assert!(host.read("scratch/hosts.deny").starts_with("sshd: 192.0.2.3\n"));
    // Removed.
    std::fs::remove_file(&file).unwrap();
    until("the file is back", || host.read("scratch/hosts.deny").matches("ALL:198.18.0.").count() == 2);
    until("it is reported", || host.events("repaired").len() == 3);
    assert_eq!(host.riposte(&["undo", "--all"]).code, 0);
    until("both are gone", || !host.read("scratch/hosts.deny").contains("198.18.0."));
    assert!(!host.read("scratch/hosts.deny").contains("riposte"), "with what marked them");
}

#[test]
fn marks_of_another_ledger_are_orphans() {
    let (host, engine) = blocked();
    types(&host, "nft", "add element inet riposte drop4 { 198.18.9.9 timeout 1h comment \"entry 4711\" }");
    until("it is seen", || host.events("orphan").len() == 1);
    let listed = host.riposte(&["list", "--orphans", "--json"]).json();
    assert_eq!(listed[0]["effect"], "firewall drop 198.18.9.9", "{listed}");
    assert_eq!(listed[0]["entry"], 4711);
    assert_eq!(listed[0]["undo"], "riposte undo --orphan 'firewall drop 198.18.9.9'");
    assert_eq!(host.riposte(&["status", "--json"]).json()["orphans"], 1);
    assert!(host.elements("drop4").contains(&"198.18.9.9".to_owned()), "it is left to its timeout");
    assert_eq!(host.riposte(&["undo", "--orphan", "firewall drop 198.18.0.1"]).code, 1, "that is none");
    let undone = host.riposte(&["undo", "--orphan", "firewall drop 198.18.9.9"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    assert_eq!(shown(&host), ALL);
    assert_eq!(host.riposte(&["list", "--orphans", "--json"]).json(), serde_json::json!([]));
    // The ledger is lost: nothing that it held is taken away.
    engine.kill();
    for file in std::fs::read_dir(host.path("state")).unwrap() {
        let file = file.unwrap();
        if file.file_name().to_string_lossy().starts_with("ledger") {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    // With the position in the alerts, which are not to be read once more.
    let _engine = host.start(&["--from", "end"]);
    until("they are seen", || host.events("orphan").len() == 4);
    assert_eq!(shown(&host), ALL);
    // A new entry of the same number is of another address, and takes none away.
    host.alerts(&[sshd(11, "198.18.0.5")]);
    until("it is in force", || host.count("in-force") == 1);
    types(&host, "nft", "flush chain inet riposte input");
    until("everything was looked at", || !host.events("repaired").is_empty());
    assert_eq!(shown(&host).len(), 4);
}

#[test]
fn a_leftover_of_this_ledger_is_taken_away() {
    let (host, _engine) = blocked();
    assert_eq!(host.riposte(&["undo", "198.18.0.1"]).code, 0);
    let id = host.entries().iter().find(|entry| entry["keys"][0] == "198.18.0.1").unwrap()["id"].clone();
    types(&host, "nft", &format!("add element inet riposte drop4 {{ 198.18.0.1 comment \"entry {id}\" }}"));
    until("it is taken away", || host.events("repaired").len() == 1);
    until("it is gone", || shown(&host) == ALL[1..]);
    assert!(host.events("orphan").is_empty());
}

/// Two homes, each with an engine and a ledger of its own, that count alike and
/// block the same address in the one table.
#[test]
fn what_another_home_blocks_longer_stays_when_ours_ends() {
    const X: &str = "198.18.0.1";
    let host = Host::new();
    host.configure(DROP);
    let other = host.path("other");
    let home = other.display().to_string();
    let alerts = other.join("alerts.json").display().to_string();
    let conf = DROP.replace("<timeout>600<", "<timeout>3600<");
    host.write("other/etc/ossec.conf", format!("<ossec_config>\n{conf}\n</ossec_config>\n"));
    host.write("other/alerts.json", "");
    let theirs = || {
        riposte_tests::Engine::start(
            host.riposte_command(&["run", "--home", &home, "--alerts", &alerts, "--log", "debug"]),
        )
    };
    let ours = host.start(&[]);
    host.alerts(&[sshd(1, X)]);
    until("ours is in force", || host.count("in-force") == 1);
    let b = theirs();
    host.write("other/alerts.json", sshd(1, X) + "\n");
    until("theirs is, for longer", || left(&host, X).is_some_and(|left| left > 3_000));
    until("ours has seen it", || ours.log().contains("another ledger's engine blocks"));

    // Nobody is there who would put it back.
    b.stop();
    assert_eq!(host.riposte(&["undo", X]).code, 0);
    assert_eq!(host.count("in-force"), 0);
    assert!(left(&host, X).is_some_and(|left| left > 3_000), "{:?}", left(&host, X));
    // Neither does a shorter one of ours make it shorter, nor the next start.
    host.alerts(&[sshd(2, X)]);
    until("ours is in force again", || host.count("in-force") == 1);
    ours.stop();
    let ours = host.start(&[]);
    until("the start has compared", || ours.log().contains("another ledger's engine blocks"));
    assert!(left(&host, X).is_some_and(|left| left > 3_000), "{:?}", left(&host, X));
    assert!(host.riposte(&["list", "--orphans", "--json"]).json().as_array().unwrap().is_empty());

    // Theirs ends first, and what is ours is there.
    let _b = theirs();
    assert_eq!(host.riposte(&["undo", X, "--home", &home]).code, 0);
    until("ours stands alone", || left(&host, X).is_some_and(|left| left <= 602));
    assert_eq!(host.riposte(&["undo", X]).code, 0);
    assert_eq!(left(&host, X), None);
}

#[test]
fn a_home_that_is_named_by_a_link_is_no_other() {
    const X: &str = "198.18.0.1";
    let host = Host::new();
    host.configure(DROP);
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, X)]);
    until("it is in force", || host.count("in-force") == 1);
    engine.stop();
    let link = host.path("link");
    std::os::unix::fs::symlink(host.path(""), &link).unwrap();
    let home = link.display().to_string();
    let alerts = host.path("alerts.json").display().to_string();
    let command = host.riposte_command(&["run", "--home", &home, "--alerts", &alerts, "--log", "debug"]);
    let engine = riposte_tests::Engine::start(command);
    assert_eq!(host.riposte(&["undo", X, "--home", &home]).code, 0);
    assert_eq!(left(&host, X), None);
    assert!(!engine.log().contains("another ledger's engine blocks"), "{}", engine.log());
}

/// For how many seconds the kernel keeps an address blocked.
fn left(host: &Host, address: &str) -> Option<i64> {
    let output =
        host.command("nft").args(["-j", "list", "set", "inet", "riposte", "drop4"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let elements = json["nftables"].as_array()?.iter().find_map(|object| object["set"]["elem"].as_array())?;
    let found = elements.iter().find(|element| element["elem"]["val"] == address)?;
    found["elem"]["expires"].as_i64()
}
