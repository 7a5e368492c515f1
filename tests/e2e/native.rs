//! Native scripts, as users have them.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use riposte_tests::{Host, address, alert, fixture, sshd, until};

fn command(name: &str, executable: &str, timeout: u32, limits: &str) -> String {
    format!(
        "<command><name>{name}</name><executable>{executable}</executable><timeout_allowed>yes</timeout_allowed>{limits}</command>
         <active-response><command>{name}</command><location>local</location><rules_id>5712</rules_id><timeout>{timeout}</timeout></active-response>"
    )
}

fn host(scripts: &[&str]) -> Host {
    let host = Host::new();
    host.write("logs/active-responses.log", "");
    for script in scripts {
        host.program(script, &fixture(&format!("scripts/{script}")));
    }
    host
}

#[test]
fn scripts_that_never_speak_are_undone_all_the_same() {
    let host = host(&["note.sh", "note.py"]);
    host.configure(&format!("{}{}", command("bash", "note.sh", 1, ""), command("python", "note.py", 1, "")));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("both were undone", || host.count("closed") == 2);
    let log = host.read("logs/active-responses.log");
    for script in ["note.sh", "note.py"] {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(script)).collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert!(lines.iter().all(|line| line.contains("198.18.0.1")), "{log}");
    }
}

#[test]
fn folders_that_are_called_like_users_are_no_users() {
    let host = Host::new();
    host.program("file.sh", "#!/bin/sh\nread -r line\necho ran >>did\n");
    host.configure(&command("file", "file.sh", 600, ""));
    let _engine = host.start(&[]);
    let at = |id, data: &str, path: &str| {
        alert(id, data).replacen('{', &format!(r#"{{"syscheck":{{"path":"{path}"}},"#), 1)
    };
    host.alerts(&[
        at(1, "", "/usr/bin/evil"),
        at(2, "", "/root/.ssh/authorized_keys"),
        at(3, "", r"C:\\Users\\root\\x"),
        // Where a user stands, nothing is a file.
        at(4, r#""dstuser":"/home/root""#, "/tmp/x"),
    ]);
    until("the last was decided", || host.events("refused").len() == 1);
    until("the others are in force", || host.count("in-force") == 3);
    assert_eq!(host.read("did"), "ran\nran\nran\n");
}

#[test]
fn a_script_that_speaks_is_told_to_abort_what_is_in_force() {
    let host = host(&["keys.py", "note.sh"]);
    // A second command keeps the order: it runs when the first alert is settled.
    host.configure(&command("speaks", "keys.py", 600, "<keys>/id</keys>"));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force", || host.count("in-force") == 1);
    host.alerts(&[sshd(2, "198.18.0.1")]);
    until("the second was told to abort", || {
        host.read("logs/active-responses.log").contains("was told to abort 198.18.0.1")
    });
    until("it is merged", || host.count("merged") == 1);
    assert_eq!(host.count("in-force"), 1);
    let entries = host.entries();
    let first = entries.iter().find(|entry| entry["state"] == "in-force").unwrap();
    assert_eq!(first["keys"][0], "198.18.0.1", "the script's keys replace the definition's");
}

#[test]
fn nobody_waits_for_slow_scripts() {
    let host = host(&["hour.sh", "drain.sh", "note.sh"]);
    let limits = r#"<limits answer="1s"/>"#;
    host.configure(&format!(
        "{}{}{}{}",
        command("hour", "hour.sh", 600, limits),
        command("drain", "drain.sh", 600, limits),
        command("quick", "note.sh", 600, ""),
        command("firewall-drop", "firewall-drop", 600, "")
    ));
    let engine = host.start(&[]);
    host.alerts(&(0..20).map(|n| sshd(n, &address(n))).collect::<Vec<_>>());
    until("every address is blocked", || host.elements("drop4").len() == 20);
    until("every response is in force", || host.count("in-force") == 80);
    let log = host.read("logs/active-responses.log");
    assert_eq!(log.lines().filter(|line| line.contains("drain.sh")).count(), 20, "{log}");
    let pids: Vec<String> = host.read("logs/hour.pids").split_whitespace().map(str::to_owned).collect();
    assert_eq!(pids.len(), 40);
    let alive = |pid: &String| {
        let stat = riposte_tests::text(format!("/proc/{pid}/stat").as_ref());
        !stat.is_empty() && !stat.contains(") Z ")
    };
    assert!(pids.iter().all(alive), "they are still running, and nobody waited");
    // The engine takes them along: scripts, and what they left in the background.
    engine.stop();
    until("none of them is left", || !pids.iter().any(alive));
}

#[test]
fn hostile_text_reaches_no_script() {
    let host = host(&["note.sh"]);
    host.configure(&command("quick", "note.sh", 600, "<expect>srcip</expect>"));
    let _engine = host.start(&[]);
    let windows = r#""win":{"eventdata":{"ipAddress":"$(reboot)"}},"srcip":"198.18.0.9""#;
    host.alerts(&[sshd(1, "127.0.0.1"), sshd(2, "$(touch /tmp/x)"), sshd(3, "-rf"), alert(5, windows)]);
    host.alerts(&[sshd(4, "198.18.0.1")]);
    until("the honest one ran", || host.count("in-force") == 1);
    until("the others were decided", || host.events("refused").len() == 4);
    let log = host.read("logs/active-responses.log");
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[test]
fn a_delete_that_fails_stays_visible_and_is_tried_again() {
    let host = Host::new();
    host.program(
        "stubborn.sh",
        "#!/bin/sh\nread -r line\ncase $line in *'\"command\":\"delete\"'*) echo try >>tries; [ -e mended ] || exit 3;; esac\n",
    );
    host.configure(&command("stubborn", "stubborn.sh", 1, ""));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is stuck", || host.count("stuck") == 1);
    assert!(host.read("tries").lines().count() >= 3);
    host.write("mended", "");
    let undone = host.riposte(&["undo", "198.18.0.1", "--reason", "mended"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    assert_eq!(host.count("closed"), 1);
}

#[test]
fn programs_that_hang_in_delete_keep_no_other_from_being_undone() {
    let host = host(&["note.sh"]);
    host.program(
        "hang.sh",
        "#!/bin/sh\nread -r line\ncase $line in *'\"command\":\"delete\"'*) while [ -e alerts.json ]; do sleep 1; done;; esac\n",
    );
    host.configure(&format!(
        "{}{}",
        command("hang", "hang.sh", 1, r#"<limits answer="100ms"/>"#),
        command("good", "note.sh", 2, "").replace("5712", "9999")
    ));
    let _engine = host.start(&[]);
    host.alerts(&(0..8).map(|n| sshd(n, &address(n))).collect::<Vec<_>>());
    host.alerts(&[sshd(99, "198.18.0.99").replace("\"5712\"", "\"9999\"")]);
    until("the good one is undone", || {
        host.entries().iter().any(|entry| entry["command"] == "good" && entry["state"] == "closed")
    });
    assert_eq!(host.count("undoing"), 8);
}

#[test]
fn what_never_started_is_not_undone() {
    let host = host(&[]);
    host.program("quick.sh", "#!/bin/sh\n");
    host.configure(&command("quick", "quick.sh", 600, ""));
    let _engine = host.start(&[]);
    std::fs::remove_file(host.path("active-response/bin/quick.sh")).unwrap();
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it has failed", || host.count("failed") == 1 && host.events("failed").len() == 1);
    assert!(host.events("undoing").is_empty());
}

#[test]
fn a_program_names_only_keys_that_are_text() {
    let host = host(&[]);
    host.program(
        "forge.sh",
        "#!/bin/sh\nread -r line\nprintf '%s\\n' '{\"version\":1,\"origin\":{\"name\":\"x\",\"module\":\"y\"},\"command\":\"check_keys\",\"parameters\":{\"keys\":[\"a\\u001b[31m\\nb\"]}}'\nread -r line\n",
    );
    host.configure(&command("forge", "forge.sh", 600, ""));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is refused", || host.events("refused").len() == 1);
    assert_eq!(host.count("in-force"), 0);
}

#[test]
fn the_guard_sees_arguments_that_are_no_keys() {
    let host = host(&[]);
    host.program("args.sh", "#!/bin/sh\necho \"$3\" >>said\n");
    host.configure(&command("args", "args.sh", 600, "<keys>/id</keys><expect>srcip</expect>"));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "127.0.0.1"), sshd(2, "198.18.0.1")]);
    until("the honest one ran", || host.count("in-force") == 1);
    until("the other was refused", || host.events("refused").len() == 1);
    assert_eq!(host.read("said"), "198.18.0.1\n");
}

/// With Wazuh's key: what makes two of a program's runs the same is what it
/// says itself.
fn as_wazuh(command: &str) -> String {
    format!("<riposte><key>wazuh</key></riposte>{command}")
}

#[test]
fn with_wazuhs_key_any_line_is_an_answer() {
    let host = host(&[]);
    host.program(
        "any.sh",
        "#!/bin/bash\nread -r line\ncase $line in *'\"command\":\"delete\"'*) echo delete >>said; exit;; esac\necho blocking now\nread -r answer\ngrep -oE '\"command\":\"[a-z]+\"' <<<\"$answer\" >>said\n",
    );
    host.configure(&as_wazuh(&command("any", "any.sh", 600, r#"<limits answer="2m"/>"#)));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force", || host.count("in-force") == 1);
    // Another address, and yet the same: its key is the program's name alone.
    host.alerts(&[sshd(2, "198.18.0.2")]);
    until("the second was told to abort", || host.read("said").lines().count() == 2);
    assert_eq!(host.read("said"), "\"command\":\"continue\"\n\"command\":\"abort\"\n");
    until("it is merged", || host.count("merged") == 1);
    assert_eq!(host.count("in-force"), 1);
}

#[test]
fn with_wazuhs_key_a_program_that_refuses_its_alert_leaves_nothing() {
    let host = host(&[]);
    // It finds nothing to act on, as the definition does, and says so.
    host.program("refuses.sh", "#!/bin/sh\nread -r line\necho ran >>said\nexit 255\n");
    host.program("works.sh", "#!/bin/sh\nread -r line\necho worked >>said\n");
    let limits = r#"<expect>srcip</expect><limits answer="2m"/>"#;
    host.configure(&as_wazuh(&format!(
        "{}{}",
        command("refuses", "refuses.sh", 1, limits),
        command("works", "works.sh", 1, limits)
    )));
    let _engine = host.start(&[]);
    host.alerts(&[alert(1, r#""dstuser":"eve""#)]);
    until("one was undone, the other never was there", || {
        host.count("closed") == 1 && host.count("failed") == 1
    });
    let log = host.read("said");
    assert_eq!(log.lines().filter(|line| *line == "ran").count(), 1, "{log}");
    assert_eq!(log.lines().filter(|line| *line == "worked").count(), 2, "{log}");
}
