//! The day Riposte goes: everything undone, with an engine, without one, and
//! without a ledger; and nothing of others touched.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the administrator"
)]

use std::fs;

use riposte_tests::{Ended, Host, alert, binary, sshd, until};

fn response(name: &str, executable: &str, rule: &str, rest: &str, timeout: &str) -> String {
    format!(
        "<command><name>{name}</name><executable>{executable}</executable><timeout_allowed>yes</timeout_allowed>{rest}</command>
         <active-response><command>{name}</command><location>local</location><rules_id>{rule}</rules_id>{timeout}</active-response>"
    )
}

const HOUR: &str = "<timeout>3600</timeout>";

/// Blocks by three packet filters, a route, and a line; for an hour, one for good.
fn blocks() -> String {
    let by = |backend: &str| format!(r#"<capabilities><firewall backend="{backend}"/></capabilities>"#);
    [
        response("by-nftables", "firewall-drop", "5712", &by("nftables"), ""),
        response("by-iptables", "firewall-drop", "5712", &by("iptables"), HOUR),
        response("by-ipset", "firewall-drop", "5712", &by("ipset"), HOUR),
        response("route", "route-null", "5712", "", HOUR),
        response("host-deny", "host-deny", "5712", "", HOUR),
    ]
    .concat()
}

fn run(host: &Host, line: &str) -> String {
    let output = host.command("sh").args(["-c", line]).output().unwrap();
    let ended = Ended::from(output);
    assert_eq!(ended.code, 0, "{line}: {ended:?}");
    ended.out
}

/// What packet filters and routes show, without what counts or is temporary.
fn filters(host: &Host) -> String {
    run(host, "nft list ruleset; iptables-save -t filter; ip6tables-save -t filter; ipset list -name; ip route; ip -6 route")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(" [").next().unwrap_or_default().to_owned() + "\n")
        .collect()
}

/// Rules of somebody else's, some much like ours.
fn foreign(host: &Host) {
    run(
        host,
        "nft add table inet mine && nft add chain inet mine riposte && iptables -N mine && iptables -A INPUT -s 203.0.113.1 -j mine \
         && iptables -A FORWARD -j mine && ip6tables -N mine && ip6tables -A INPUT -j mine && ip6tables -A FORWARD -j mine && ipset create mine hash:net && ipset add mine 203.0.113.2 && ip route add blackhole 203.0.113.3 \
         && iptables -A INPUT -m comment --comment riposte -s 203.0.113.4 -j ACCEPT",
    );
}

fn all_in_force(host: &Host, count: usize) {
    until("all are in force", || host.count("in-force") == count);
}

#[test]
fn what_the_ledger_knows_is_undone_and_what_it_does_not_know_is_removed() {
    for forgets in [false, true] {
        let host = Host::with_machine();
        run(&host, "ip addr add 192.0.2.1/24 dev lo");
        foreign(&host);
        host.write("machine/etc/hosts.deny", "# ours\nALL: 203.0.113.9\n");
        let (before, denied) = (filters(&host), host.read("machine/etc/hosts.deny"));
        host.configure(&blocks());
        let engine = host.start(&[]);
        host.alerts(&[sshd(1, "198.18.0.1")]);
        all_in_force(&host, 5);
        assert!(host.read("machine/etc/hosts.deny").contains("198.18.0.1"));
        let now = filters(&host);
        for shown in ["table inet riposte", "riposte-drop", "blackhole 198.18.0.1"] {
            assert!(now.contains(shown), "{shown}: {now}");
        }
        engine.kill();
        if forgets {
            fs::remove_dir_all(host.path("state")).unwrap();
        }
        let dry = host.riposte(&["uninstall", "--dry-run"]);
        assert_eq!(dry.code, 0, "{dry:?}");
        for named in
            ["nftables table inet riposte", "chains riposte-drop", "ipset riposte-drop4", "routes 198.18.0.1"]
        {
            assert!(dry.out.contains(named), "{named}: {dry:?}");
        }
        assert_eq!(dry.out.contains("undo: entry"), !forgets, "{dry:?}");
        assert_eq!(filters(&host), now, "a dry run changes nothing");

        let ended = host.riposte(&["uninstall"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_eq!(filters(&host), before, "{ended:?}");
        assert_eq!(host.read("machine/etc/hosts.deny"), denied, "{ended:?}");
        if !forgets {
            assert_eq!(host.count("closed"), 5);
        }
        let again = host.riposte(&["uninstall", "--json"]);
        assert_eq!(again.code, 0, "{again:?}");
        assert!(
            again.json()["steps"].as_array().unwrap().iter().all(|step| step["do"] == "left"),
            "{again:?}"
        );
    }
}

#[test]
fn what_another_home_blocks_stays() {
    for forgets in [false, true] {
        let host = Host::with_machine();
        let drop = response("block", "firewall-drop", "5712", "", HOUR);
        host.configure(&drop);
        let other = host.path("other").display().to_string();
        let alerts = host.path("other/alerts.json").display().to_string();
        host.write("other/etc/ossec.conf", format!("<ossec_config>\n{drop}\n</ossec_config>\n"));
        host.write("other/alerts.json", sshd(1, "198.18.0.2") + "\n");
        let theirs = host.riposte(&["run", "--once", "--home", &other, "--alerts", &alerts]);
        assert_eq!(theirs.code, 0, "{theirs:?}");
        let engine = host.start(&[]);
        host.alerts(&[sshd(1, "198.18.0.1")]);
        all_in_force(&host, 1);
        engine.kill();
        if forgets {
            fs::remove_dir_all(host.path("state")).unwrap();
        }
        let dry = host.riposte(&["uninstall", "--dry-run"]);
        assert!(dry.out.contains("remove: 1 elements of the nftables table inet riposte\n"), "{dry:?}");
        assert_eq!(host.elements("drop4").len(), 2);
        let ended = host.riposte(&["uninstall"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(
            ended.out.contains(
                "left: nftables table inet riposte: it holds 1 elements of the engine of another home"
            ),
            "{ended:?}"
        );
        assert_eq!(ended.out.contains("remove: 1 elements"), forgets, "{ended:?}");
        assert_eq!(host.elements("drop4"), ["198.18.0.2"]);
        assert!(run(&host, "nft list table inet riposte").contains("ip saddr @drop4 counter"));
        let ended = host.riposte(&["uninstall", "--home", &other]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.out.contains("remove: nftables table inet riposte\n"), "{ended:?}");
        assert!(!run(&host, "nft list ruleset").contains("riposte"));
    }
}

#[test]
fn files_and_accounts_are_what_they_were_and_an_engine_is_not_run_over() {
    let host = Host::with_machine();
    for (file, line) in [
        ("passwd", "riposte-open:x:3000001:3000001::/:/bin/sh\n"),
        ("shadow", "riposte-open:$6$s$h:19000:0:99999:7::20000:\n"),
    ] {
        let path = host.path("machine/etc").join(file);
        fs::write(&path, fs::read_to_string(&path).unwrap() + line).unwrap();
    }
    host.write("machine/etc/hosts.deny", "# ours\nALL: 203.0.113.9\n");
    host.write("found/evil", "evil");
    let before = (host.read("machine/etc/shadow"), host.read("machine/etc/hosts.deny"));
    let folder = host.path("found").display().to_string();
    host.configure(&format!(
        "{}{}{}{}",
        response("host-deny", "host-deny", "5712", "", HOUR),
        response("disable-account", "disable-account", "5713", "", HOUR),
        response("isolate-host", "isolate-host", "5714", "", HOUR),
        response(
            "quarantine-file",
            "quarantine-file",
            "5715",
            &format!(r#"<capabilities><quarantine folders="{folder}"/></capabilities>"#),
            HOUR
        ),
    ));
    let mut engine = host.start(&[]);
    let rule = |alert: String, rule: &str| alert.replace("5712", rule);
    let file = alert(3, "")
        .replace(r#""data":{}"#, &format!(r#""data":{{}},"syscheck":{{"path":"{folder}/evil"}}"#));
    host.alerts(&[
        sshd(1, "198.18.0.1"),
        rule(alert(2, r#""dstuser":"riposte-open""#), "5713"),
        rule(file, "5715"),
        rule(alert(4, ""), "5714"),
    ]);
    all_in_force(&host, 4);
    assert!(host.read("machine/etc/shadow").contains("riposte-open:!$6$"));
    assert!(host.read("machine/etc/hosts.deny").contains("198.18.0.1"));
    assert!(!host.path("found/evil").exists());

    let refused = host.riposte(&["uninstall"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("nothing was done") && refused.err.contains("--stop"), "{refused:?}");
    let unsaid = host.riposte(&["uninstall", "--purge", "--stop"]);
    assert_eq!(unsaid.code, 1, "{unsaid:?}");
    assert!(unsaid.err.contains("--quarantine") && unsaid.err.contains("found/evil"), "{unsaid:?}");
    assert!(engine.runs());

    let ended = host.riposte(&["uninstall", "--purge", "--stop", "--quarantine", "restore"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    until("the engine has stopped", || !engine.runs());
    assert_eq!((host.read("machine/etc/shadow"), host.read("machine/etc/hosts.deny")), before);
    assert_eq!(host.read("found/evil"), "evil");
    assert!(!run(&host, "nft list ruleset").contains("riposte"));
    for gone in ["state", "log", "run"] {
        assert!(!host.path(gone).exists(), "{gone}: {ended:?}");
    }
    assert!(host.path("etc/ossec.conf").exists(), "the configuration stays");
}

#[test]
fn an_engine_that_cannot_be_reached_is_not_run_over_either() {
    let host = Host::new();
    host.configure(&response("block", "firewall-drop", "5712", "", HOUR));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    all_in_force(&host, 1);
    fs::remove_file(host.path("run/riposte.sock")).unwrap();
    let dry = host.riposte(&["uninstall", "--dry-run"]);
    assert!(dry.out.starts_with("refuse: another engine has the ledger"), "{dry:?}");
    for options in [&["uninstall"][..], &["uninstall", "--purge", "--stop"]] {
        let refused = host.riposte(options);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.err.contains("nothing was done") && refused.out.is_empty(), "{refused:?}");
    }
    assert!(filters(&host).contains("table inet riposte"));
    assert!(host.path("state/ledger.db.lock").exists());
    engine.kill();
    let foreign = ["state/ledger-notes.txt", "state/state-of-mine", "log/audit.pdf"];
    foreign.iter().for_each(|name| host.write(name, "mine"));
    host.write("log/ocsf.jsonl", "");
    assert_eq!(host.riposte(&["uninstall", "--purge"]).code, 0);
    assert!(foreign.iter().all(|name| host.path(name).exists()));
    assert!(!host.path("log/ocsf.jsonl").exists() && !host.path("state/ledger.db").exists());
}

#[test]
fn programs_that_are_links_to_us_are_what_they_were() {
    let host = Host::with_machine();
    for folder in ["queue/alerts", "logs"] {
        fs::create_dir_all(host.path(folder)).unwrap();
    }
    host.program("firewall-drop", "#!/bin/sh\n# stock\n");
    host.program("mine", "#!/bin/sh\n");
    host.write(
        "etc/ossec.conf",
        "<ossec_config>\n  <active-response>\n  </active-response>\n</ossec_config>\n",
    );
    let before = host.read("etc/ossec.conf");
    let root = host.path("").display().to_string();
    let installed = Ended::from(
        host.command(binary())
            .args(["execd", "install", "--root", &root, "--link", "firewall-drop"])
            .output()
            .unwrap(),
    );
    assert_eq!(installed.code, 0, "{installed:?}");
    // One that no file of ours names, and one of somebody else's.
    std::os::unix::fs::symlink(binary(), host.path("active-response/bin/host-deny")).unwrap();
    std::os::unix::fs::symlink("mine", host.path("active-response/bin/theirs")).unwrap();
    let ended = host.riposte(&["uninstall", "--root", &root]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(host.read("active-response/bin/firewall-drop"), "#!/bin/sh\n# stock\n");
    assert!(fs::symlink_metadata(host.path("active-response/bin/host-deny")).is_err());
    assert_eq!(fs::read_link(host.path("active-response/bin/theirs")).unwrap().to_str(), Some("mine"));
    assert_eq!(host.read("etc/ossec.conf"), before);
    assert!(!host.path("etc/riposte.conf").exists());
}

#[test]
fn everything_is_undone_by_an_engine_and_without_one() {
    let host = Host::new();
    host.configure(&response("firewall-drop", "firewall-drop", "5712", "", ""));
    let engine = host.start(&[]);
    let alerts: Vec<_> = (1..=300).map(|n| sshd(n, &riposte_tests::address(n))).collect();
    host.alerts(&alerts);
    all_in_force(&host, 300);
    let ended = host.riposte(&["undo", "--all", "--reason", "test"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(host.count("closed"), 300);
    let refused = host.riposte(&["undo", "--all", "--offline"]);
    assert_eq!(refused.code, 1, "an engine has the ledger: {refused:?}");

    host.alerts(&[sshd(401, "198.18.9.1"), sshd(402, "198.18.9.2")]);
    all_in_force(&host, 2);
    engine.kill();
    let unanswered = host.riposte(&["undo", "--all"]);
    assert_eq!(unanswered.code, 3, "{unanswered:?}");
    assert!(unanswered.err.contains("riposte undo --all --offline"), "{unanswered:?}");
    // No engine starts with this, and none is needed.
    host.write("etc/ossec.conf", "<ossec_config><command>");
    let ended = host.riposte(&["undo", "--all", "--offline", "--json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.json()["undone"], 2);
    assert!(host.elements("drop4").is_empty());
    assert_eq!(host.count("closed"), 302);
}

#[test]
fn a_lost_ledger_is_made_of_its_copy_before_anything_is_removed() {
    let host = Host::new();
    host.program("tell.sh", "#!/bin/sh\nread -r line\necho \"$line\" >> told\n");
    host.configure(&format!(
        "{}<riposte><audit><ocsf>yes</ocsf></audit></riposte>",
        response("tell", "tell.sh", "5712", "", HOUR)
    ));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    all_in_force(&host, 1);
    engine.kill();
    let copy = host.path("state/ledger.db.backup").display().to_string();
    assert_eq!(host.riposte(&["ledger", "backup", &copy]).code, 0);
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        std::fs::remove_file(host.path("state").join(name)).unwrap();
    }
    let gone = host.riposte(&["why", "198.18.0.1"]);
    assert_eq!(gone.code, 1, "{gone:?}");
    assert!(gone.err.contains("is gone, but a copy of it is there"), "{gone:?}");

    let dry = host.riposte(&["uninstall", "--dry-run"]);
    assert!(dry.out.contains("which is damaged or gone"), "{dry:?}");
    let dry = host.riposte(&["uninstall", "--purge", "--dry-run"]);
    let purged = host.riposte(&["uninstall", "--purge"]);
    assert_eq!(purged.code, 0, "{purged:?}");
    for folder in ["state", "log"] {
        let removed = format!("remove: {}\n", host.path(folder).display());
        assert!(dry.out.contains(&removed) && purged.out.contains(&removed), "{dry:?} {purged:?}");
    }
    assert!(purged.out.contains("undo: 1 entry"), "{purged:?}");
    let told = std::fs::read_to_string(host.path("told")).unwrap();
    assert!(told.contains("\"command\":\"delete\""), "{told}");
    assert!(!host.path("state").exists() && !host.path("log").exists(), "OCSF goes too: {purged:?}");
}

#[test]
fn what_cannot_be_undone_stays_and_is_named() {
    let host = Host::new();
    host.program(
        "tell.sh",
        "#!/bin/sh\nread -r line\ncase $line in *'\"command\":\"delete\"'*) exit 1;; esac\n",
    );
    host.configure(&response("tell", "tell.sh", "5712", "", HOUR));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    all_in_force(&host, 1);
    engine.kill();
    let ended = host.riposte(&["undo", "--all", "--offline"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.err.contains("entry 1 (tell 198.18.0.1) stays"), "{ended:?}");
    let purged = host.riposte(&["uninstall", "--purge"]);
    assert_eq!(purged.code, 1, "{purged:?}");
    assert!(host.path("state/ledger.db").exists(), "only the ledger knows it: {purged:?}");
}
