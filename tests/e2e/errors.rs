//! What is wrong is said, with the place and the way out; the exit code is not
//! zero, and nothing is half done.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::os::unix::fs::PermissionsExt;

use riposte_tests::{Ended, Host, sshd};

const GOOD: &str = "<command><name>firewall-drop</name><executable>firewall-drop</executable></command>
    <active-response><command>firewall-drop</command><location>local</location><rules_id>5712</rules_id><timeout>600</timeout></active-response>";

/// A host whose configuration is this, with one alert that would fire.
fn host(xml: &str) -> Host {
    let host = Host::new();
    host.configure(xml);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    host
}

fn refused(host: &Host, words: &[&str]) -> Ended {
    let ended = host.once(&[]);
    assert_eq!(ended.code, 1, "{ended:?}");
    for word in words {
        assert!(ended.err.contains(word), "{word} is not said: {}", ended.err);
    }
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    assert!(host.elements("drop4").is_empty());
    ended
}

#[test]
fn malformed_xml() {
    let host = host("<command><name>x</naem></command>");
    refused(&host, &["etc/ossec.conf:2:", "</naem>", "error[xml-", "nothing was started"]);
    assert!(!host.path("state").exists());
}

#[test]
fn an_unknown_command_in_a_response() {
    let host = host(&GOOD.replace("<command>firewall-drop<", "<command>firewall-block<"));
    refused(
        &host,
        &["command-undefined", "firewall-block", "did you mean", "firewall-drop", "ossec.conf:3:"],
    );
    assert!(!host.path("state").exists());
}

#[test]
fn a_configuration_that_everybody_can_write() {
    let host = host(GOOD);
    std::fs::set_permissions(host.path("etc/ossec.conf"), std::fs::Permissions::from_mode(0o646)).unwrap();
    refused(&host, &["config-writable", "everybody may write this file", "chmod o-w"]);
    // Wazuh's own group may write Wazuh's own file.
    std::fs::set_permissions(host.path("etc/ossec.conf"), std::fs::Permissions::from_mode(0o660)).unwrap();
    assert_eq!(host.once(&[]).code, 0);
}

#[test]
fn a_component_that_others_can_exchange() {
    let host = host(&GOOD.replace("<executable>firewall-drop", "<executable>mine"));
    host.plugin("mine", b"\0asm\x0d\0\x01\0");
    std::fs::set_permissions(host.path("state/plugins/mine.wasm"), std::fs::Permissions::from_mode(0o666))
        .unwrap();
    refused(&host, &["executable-mode", "mine.wasm may be written by others (mode 0666)", "chmod go-w"]);
}

#[test]
fn a_run_that_met_a_command_that_is_off() {
    // Refused components turn off their command alone; the engine starts.
    let host = host(&GOOD.replace("<executable>firewall-drop", "<executable>mine"));
    host.plugin("mine", b"no component");
    let listed = |arguments: &[&str]| {
        let config = host.path("etc").display().to_string();
        host.riposte(&[&["commands", "--config", &config], arguments].concat()).code
    };
    assert_eq!((listed(&[]), listed(&["--strict"])), (0, 1));
    refused(&host, &["component-refused", "1 responses were not made, since their command is off"]);
    assert_eq!(host.once(&[]).code, 0, "the alert is handled");
}

#[test]
fn a_missing_executable() {
    let host = host(&GOOD.replace("<executable>firewall-drop", "<executable>nothing-there"));
    refused(
        &host,
        &["executable-missing", "nothing-there", "active-response/bin", "built in are: disable-account"],
    );
    assert_eq!(host.count("in-force"), 0);
}

#[test]
fn a_program_that_others_may_write() {
    let host = host(&GOOD.replace("<executable>firewall-drop", "<executable>open.sh"));
    host.program("open.sh", "#!/bin/sh\n");
    let path = host.path("active-response/bin/open.sh");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
    refused(&host, &["executable-mode", "open.sh", "chmod"]);
}

#[test]
fn unreadable_alerts() {
    let host = host(GOOD);
    let missing = host.riposte(&["run", "--once", "--alerts", "/nonexistent/alerts.json"]);
    assert_eq!(missing.code, 1, "{missing:?}");
    assert!(
        missing.err.contains("/nonexistent/alerts.json") && missing.err.contains("--alerts FILE"),
        "{missing:?}"
    );
    let folder = host.riposte(&["run", "--once", "--alerts", "/tmp"]);
    assert_eq!(folder.code, 1, "{folder:?}");
    assert!(folder.err.contains("folder"), "{folder:?}");
    assert!(!host.path("state").exists());
}

#[test]
fn a_home_that_cannot_be_made() {
    let host = host(GOOD);
    let alerts = host.path("alerts.json").display().to_string();
    let config = host.path("etc").display().to_string();
    // A file stands where the home should be.
    let home = host.path("alerts.json/home").display().to_string();
    let ended = host.riposte(&["run", "--once", "--config", &config, "--alerts", &alerts, "--home", &home]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.err.contains("alerts.json/home") && ended.err.contains("--home"), "{ended:?}");
}

#[test]
fn a_full_disk() {
    let host = host(GOOD);
    let alerts = host.path("alerts.json").display().to_string();
    let config = host.path("etc").display().to_string();
    std::fs::create_dir(host.path("small")).unwrap();
    let small = host.path("small").display().to_string();
    // A file system of its own, in a mount namespace of its own, already full.
    let script = format!(
        "mount -t tmpfs -o size=64k,mode=700 tmpfs {small} && {{ cat /dev/zero >{small}/fill 2>/dev/null; }}; exec \"$@\""
    );
    let binary = riposte_tests::binary().display().to_string();
    let run = ["run", "--once", "--config", &config, "--alerts", &alerts, "--home", &small];
    let output = host
        .command("unshare")
        .args(["--mount", "--", "sh", "-c", &script, "sh", &binary])
        .args(run)
        .output()
        .unwrap();
    let ended = Ended::from(output);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.err.contains(&small), "{ended:?}");
    assert!(ended.err.contains("space") || ended.err.contains("full"), "{ended:?}");
    assert!(!ended.err.contains("panicked"), "{ended:?}");
    assert!(host.elements("drop4").is_empty());
}

#[test]
fn a_second_engine_on_one_ledger() {
    let host = host(GOOD);
    let _engine = host.start(&[]);
    let second = host.once(&[]);
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.err.contains("ledger"), "{second:?}");
}

#[test]
fn a_folder_without_a_ledger_is_not_taken_for_a_quiet_host() {
    let host = host(GOOD);
    for command in [
        &["why", "198.18.0.1"][..],
        &["history"],
        &["list", "--offline"],
        &["ledger", "verify"],
        &["ledger", "backup", "copy.db"],
        &["ledger", "recover", "copy.db"],
        &["undo", "--all", "--offline"],
    ] {
        let ended = host.riposte(command);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.err.contains("there is no ledger"), "{ended:?}");
        assert!(ended.err.contains("--home DIR"), "{ended:?}");
    }
    assert!(!host.path("copy.db").exists());
    assert!(!host.path("state").exists(), "who only looks makes nothing");
}

#[test]
fn wrong_arguments_are_named() {
    let host = host(GOOD);
    for (command, words) in [
        (&["undo", "--offline"][..], "--all"),
        (&["undo", "198.18.0.1", "--offline"], "cannot be used with"),
        (&["history", "--actor", "bob"], "write alert, engine, or uid:N"),
        (&["history", "--since", "yesterday"], "write 24h or 7d"),
    ] {
        let ended = host.riposte(command);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.err.contains(words), "{ended:?}");
    }
    for (command, words) in [
        (&["audit", "keygen", "/nonexistent/audit.key"][..], "make the folder"),
        (&["audit", "verify", "--key", "zz"], "neither 64 digits nor a file"),
    ] {
        let ended = host.riposte(command);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.err.contains(words), "{ended:?}");
    }
}

#[test]
fn usage_and_absence_have_their_own_codes() {
    let host = host(GOOD);
    assert_eq!(host.riposte(&["frobnicate"]).code, 2);
    assert_eq!(host.riposte(&["undo"]).code, 2);
    assert_eq!(host.riposte(&["add", "x"]).code, 2);
    for command in [
        &["status"][..],
        &["list"],
        &["undo", "198.18.0.1"],
        &["reload"],
        &["pause", "--all"],
        &["allow", "list"],
    ] {
        let ended = host.riposte(command);
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(ended.err.contains("no engine is listening"), "{ended:?}");
    }
    for command in [
        "run",
        "check",
        "explain",
        "list",
        "undo",
        "add",
        "allow",
        "pause",
        "resume",
        "mode",
        "reload",
        "status",
        "why",
        "history",
        "audit",
        "ledger",
        "uninstall",
        "upgrade-check",
    ] {
        let help = host.command(riposte_tests::binary()).args([command, "--help"]).output().unwrap();
        assert!(help.status.success(), "{command}");
        assert!(String::from_utf8_lossy(&help.stdout).contains("Usage: riposte"), "{command}");
    }
}
