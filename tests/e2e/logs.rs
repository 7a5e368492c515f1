//! `active-responses.log` as Wazuh's stock decoders and rules read it.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use riposte_tests::stock::{Decoded, decode, fired};
use riposte_tests::{Host, alert, fixture, sshd, until};

const LOG: &str = "logs/active-responses.log";

fn command(name: &str, executable: &str, timeout: u32, rest: &str) -> String {
    format!(
        "<command><name>{name}</name><executable>{executable}</executable><timeout_allowed>yes</timeout_allowed>{rest}</command>
         <active-response><command>{name}</command><location>local</location><rules_id>5712</rules_id><timeout>{timeout}</timeout></active-response>"
    )
}

fn host(xml: &str) -> Host {
    let host = Host::new();
    host.write(LOG, "");
    host.configure(xml);
    host
}

fn rules(decoded: &[Decoded]) -> Vec<u32> {
    decoded.iter().map(|decoded| decoded.rule).collect()
}

#[test]
fn a_component_writes_what_rules_651_and_652_read() {
    let host = host(&command("block", "firewall-drop", 1, ""));
    let _engine = host.start(&[]);
    host.alerts(&[alert(1, r#""srcip":"198.18.0.1","dstuser":"eve""#)]);
    until("it was undone", || host.count("closed") == 1);
    let log = host.read(LOG);
    let lines: Vec<Decoded> =
        log.lines().map(|line| decode(line).unwrap_or_else(|| panic!("{line}"))).collect();
    assert!(lines.iter().all(|line| line.decoder == "ar_log_json"));
    let commands: Vec<&str> = lines.iter().map(|line| line.field("command")).collect();
    assert_eq!(commands, ["", "add", "check_keys", "continue", "", "", "", "delete", "", ""], "{log}");
    let fired = fired(&log);
    assert_eq!(rules(&fired), [651, 652]);
    for line in &fired {
        assert_eq!(line.field("parameters.program"), "active-response/bin/firewall-drop");
        assert_eq!(line.field("origin.module"), "wazuh-execd");
        assert_eq!(line.field("parameters.alert.rule.id"), "5712");
        assert_eq!(line.field("parameters.alert.data.srcip"), "198.18.0.1");
        assert_eq!((line.field("srcip"), line.field("user")), ("198.18.0.1", "eve"));
    }
    assert_eq!(lines[2].field("parameters.keys"), r#"["198.18.0.1"]"#);
    assert!(!log.contains("\n\n"), "no empty lines");
}

#[test]
fn what_blocks_nothing_fires_no_rule() {
    let host = host(&command("block", "firewall-drop", 600, ""));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force", || host.count("in-force") == 1);
    let before = host.read(LOG);
    assert_eq!(rules(&fired(&before)), [651]);
    // Nothing runs for what is in force already.
    host.alerts(&[sshd(2, "198.18.0.1")]);
    until("it is in force already", || host.events("already").len() == 1);
    assert_eq!(host.read(LOG), before);
    // What the guard refuses, and what is no address, is not called blocked.
    host.alerts(&[sshd(3, "127.0.0.1"), sshd(4, "none")]);
    until("both failed", || host.events("failed").len() == 2);
    let after = host.read(LOG);
    assert_eq!(rules(&fired(&after)), [651], "{after}");
    let why = after.lines().find(|line| line.contains("127.0.0.1")).unwrap();
    assert!(why.contains("active-response/bin/firewall-drop: denied"), "{why}");
    assert!(after.contains("Starting for alert 1763632800.3, rule 5712"), "{after}");
}

#[test]
fn a_failed_delete_does_not_say_that_the_host_is_unblocked() {
    let host = host(&command(
        "deaf-delete",
        "deaf-delete",
        1,
        "<capabilities><firewall/></capabilities><keys>/data/srcip</keys>",
    ));
    host.plugin("deaf-delete", riposte_hostile::component("deaf-delete"));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("the engine undid it", || host.count("closed") == 1);
    let log = host.read(LOG);
    let fired = fired(&log);
    assert_eq!(rules(&fired), [657, 657], "{log}");
    assert_eq!((fired[0].field("command"), fired[1].field("command")), ("add", "delete"));
    assert!(log.contains("undone by the engine itself"), "{log}");
}

#[test]
fn a_program_that_logs_for_itself_is_not_logged_again() {
    let host = host(&command("own", "dialogue.sh", 1, ""));
    host.program("dialogue.sh", &fixture("scripts/dialogue.sh"));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it was undone", || host.count("closed") == 1);
    let log = host.read(LOG);
    let fired = fired(&log);
    assert_eq!(rules(&fired), [657, 657], "{log}");
    assert!(fired.iter().all(|line| line.field("parameters.program") == "active-response/bin/dialogue.sh"));
    assert_eq!(log.lines().filter(|line| line.ends_with(": Starting")).count(), 2, "{log}");
}

#[test]
fn a_script_with_arguments_writes_what_rules_603_and_604_read() {
    let host = host(&command("deny", "host-deny.sh", 1, "<expect>srcip</expect>"));
    host.program("host-deny.sh", &fixture("scripts/argv.sh"));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it was undone", || host.count("closed") == 1);
    let log = host.read(LOG);
    let fired = fired(&log);
    assert_eq!(rules(&fired), [603, 604], "{log}");
    assert_eq!(log.lines().count(), 2, "the engine adds nothing: {log}");
    for line in &fired {
        assert_eq!(line.decoder, "ar_log");
        assert_eq!(line.field("script"), "host-deny.sh");
        assert_eq!(line.field("srcip"), "198.18.0.1");
        assert_eq!((line.field("id"), line.field("extra_data")), ("1763632800.1", "5712"));
    }
}

#[test]
fn lines_are_in_local_time() {
    let host = host(&command("block", "firewall-drop", 600, ""));
    // Half past five ahead of UTC all year, whatever zones this machine knows.
    let _engine = host.start_with(&[], &[("TZ", "TEST-5:30")]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    // The audit is written by a thread of its own.
    until("it is in force", || !host.events("in-force").is_empty());
    until("it is logged", || host.read(LOG).len() > 20);
    let log = host.read(LOG);
    let minute = |text: &str| {
        let (hour, minute) = (text.get(11..13).unwrap(), text.get(14..16).unwrap());
        hour.parse::<i32>().unwrap() * 60 + minute.parse::<i32>().unwrap()
    };
    let event = host.events("in-force").remove(0);
    let ahead = (minute(&log) - minute(event["time"].as_str().unwrap())).rem_euclid(24 * 60);
    // The event may fall into the next minute.
    assert!([329, 330].contains(&ahead), "{ahead} minutes ahead: {log}{event}");
}

/// How often each of these addresses was blocked, by the lines of these files.
fn blocked(host: &Host, files: &[&str]) -> Vec<String> {
    let logs = files.iter().map(|file| host.read(file)).collect::<String>();
    fired(&logs).iter().map(|line| line.field("srcip").to_owned()).collect()
}

#[test]
fn a_log_renamed_by_logrotate_is_made_again_and_no_line_is_lost() {
    let host = host(&command("block", "firewall-drop", 600, ""));
    std::fs::set_permissions(host.path(LOG), std::fs::Permissions::from_mode(0o660)).unwrap();
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("the first is in force", || host.count("in-force") == 1);
    until("it stands in the log", || blocked(&host, &[LOG]).len() == 1);
    std::fs::rename(host.path(LOG), host.path("logs/active-responses.log.1")).unwrap();
    let before = std::fs::metadata(host.path("logs/active-responses.log.1")).unwrap();
    host.alerts(&[sshd(2, "198.18.0.2"), sshd(3, "198.18.0.3")]);
    until("the others are in force", || host.count("in-force") == 3);
    until("they stand in the new log", || blocked(&host, &[LOG]).len() == 2);
    let mut all = blocked(&host, &["logs/active-responses.log.1", LOG]);
    all.sort();
    assert_eq!(all, ["198.18.0.1", "198.18.0.2", "198.18.0.3"]);
    let after = std::fs::metadata(host.path(LOG)).unwrap();
    assert_eq!((after.uid(), after.gid(), after.mode()), (before.uid(), before.gid(), before.mode()));
}

#[test]
fn a_log_copied_and_truncated_by_logrotate_goes_on_at_its_beginning() {
    let host = host(&command("block", "firewall-drop", 600, ""));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it stands in the log", || host.count("in-force") == 1 && blocked(&host, &[LOG]).len() == 1);
    std::fs::copy(host.path(LOG), host.path("logs/active-responses.log.1")).unwrap();
    std::fs::OpenOptions::new().write(true).truncate(true).open(host.path(LOG)).unwrap();
    host.alerts(&[sshd(2, "198.18.0.2")]);
    until("the second is in force", || host.count("in-force") == 2);
    until("it stands in the log", || blocked(&host, &[LOG]).len() == 1);
    assert!(!host.read(LOG).contains('\0'), "it goes on at its beginning");
    assert_eq!(blocked(&host, &["logs/active-responses.log.1", LOG]), ["198.18.0.1", "198.18.0.2"]);
}
