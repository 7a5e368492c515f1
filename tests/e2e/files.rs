//! The responses that act on files: host-deny, ip-customblock and
//! quarantine-file, each through its whole life, on files of the test's own.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use riposte_tests::{Host, sshd, until};
use serde_json::json;

/// Timed, so that it is only ever undone by hand within a test.
fn response(name: &str, grants: &str) -> String {
    format!(
        "<command><name>{name}</name><executable>{name}</executable><timeout_allowed>yes</timeout_allowed>
           <capabilities>{grants}</capabilities></command>
         <active-response><command>{name}</command><location>local</location><rules_id>5712,554</rules_id>
           <timeout>3600</timeout></active-response>"
    )
}

fn host_deny(host: &Host) -> String {
    let file = host.path("scratch/hosts.deny").display().to_string();
    response(
        "host-deny",
        &format!(r#"<lines file="{file}" match="ALL:*"/><config name="file" value="{file}"/>"#),
    )
}

const DENY: &str = "# ALL:198.18.0.1 is kept\nALL:198.18.0.11\nsshd: 192.0.2.1";

#[test]
fn host_deny_adds_one_line_and_takes_that_one_back() {
    let host = Host::new();
    host.configure(&host_deny(&host));
    host.write("scratch/hosts.deny", DENY);
    let file = host.path("scratch/hosts.deny");
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    chown(&file, None, Some(4)).unwrap();
    // What a crash between the write and the new name would leave.
    host.write("scratch/.hosts.deny.riposte-new", "half a fi");
    let engine = host.start(&[]);

    host.alerts(&[sshd(1, "198.18.0.1"), sshd(2, "2001:db8:ffff::1")]);
    until("both are in force", || host.count("in-force") == 2);
    let text = host.read("scratch/hosts.deny");
    assert!(text.starts_with(&format!("{DENY}\n")), "{text}");
    assert!(text.contains("\nALL:198.18.0.1\n") && text.contains("\nALL:[2001:db8:ffff::1]\n"), "{text}");
    let found = fs::metadata(&file).unwrap();
    assert_eq!((found.mode() & 0o7777, found.gid()), (0o640, 4));
    assert_eq!(fs::read_dir(host.path("scratch")).unwrap().count(), 1);

    host.alerts(&[sshd(3, "198.18.0.1"), sshd(4, "198.18.0.2")]);
    until("the next is in force", || host.count("in-force") == 3);
    assert_eq!(host.read("scratch/hosts.deny").matches("ALL:198.18.0.1\n").count(), 1);

    // Killed and started again, it knows what it has to undo.
    engine.kill();
    let engine = host.start(&[]);
    for _ in 0..2 {
        let _ = host.riposte(&["undo", "198.18.0.1"]);
        until("it is closed", || host.count("closed") == 1);
        let text = host.read("scratch/hosts.deny");
        assert!(text.contains("# ALL:198.18.0.1 is kept") && text.contains("\nALL:198.18.0.11\n"), "{text}");
        assert!(!text.contains("\nALL:198.18.0.1\n") && text.contains("\nALL:198.18.0.2\n"), "{text}");
    }
    assert_eq!(host.riposte(&["undo", "--all"]).code, 0);
    until("all are closed", || host.count("closed") == 3);
    assert_eq!(host.read("scratch/hosts.deny"), format!("{DENY}\n"));
    engine.stop();
}

#[test]
fn what_the_guard_protects_is_in_no_file() {
    let host = Host::new();
    let folder = host.path("scratch").display().to_string();
    let custom = response(
        "ip-customblock",
        &format!(r#"<lines file="{folder}/*"/><config name="folder" value="{folder}"/>"#),
    );
    host.configure(&format!(
        "<global><white_list>198.18.0.9</white_list></global>{}{custom}",
        host_deny(&host)
    ));
    host.write("scratch/hosts.deny", DENY);
    let _engine = host.start(&[]);
    let texts = [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "198.18.0.9",
        "224.0.0.1",
        "ALL",
        "../x",
        "198.18.0.7: spawn id",
    ];
    let alerts: Vec<_> = (1..).zip(texts).map(|(n, text)| sshd(n, text)).collect();
    host.alerts(&alerts);
    host.alerts(&[sshd(99, "198.18.0.1")]);
    until("the last two are in force", || host.count("in-force") == 2);
    let text = host.read("scratch/hosts.deny");
    let (mark, line) = text.strip_prefix(&format!("{DENY}\n")).unwrap().split_once('\n').unwrap();
    assert!(mark.starts_with("# riposte: entry "), "{text}");
    assert_eq!(line, "ALL:198.18.0.1\n");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["198.18.0.1", "hosts.deny"]);
    assert_eq!(host.riposte(&["undo", "--all"]).code, 0);
    until("both are closed", || host.count("closed") == 2);
    assert!(!host.path("scratch/198.18.0.1").exists());
}

#[test]
fn a_file_is_taken_and_put_back_as_it_was() {
    let host = Host::new();
    let folder = host.path("scratch");
    host.configure(&response("quarantine-file", &format!(r#"<quarantine folders="{}"/>"#, folder.display())));
    host.write("scratch/x", "EICAR");
    fs::set_permissions(folder.join("x"), Permissions::from_mode(0o4755)).unwrap();
    let before = fs::metadata(folder.join("x")).unwrap();
    let engine = host.start(&[]);
    let syscheck = |n: u32, path: &str| {
        json!({"id": format!("1763632800.{n}"), "rule": {"level": 7, "id": "554"},
               "agent": {"id": "000", "name": "host"}, "syscheck": {"path": path, "event": "added"}})
        .to_string()
    };
    let path = folder.join("x").display().to_string();
    host.alerts(&[syscheck(1, &path), syscheck(2, &path)]);
    until("it is in force", || host.count("in-force") == 1);
    assert!(!folder.join("x").exists());
    let kept: Vec<_> =
        fs::read_dir(host.path("state/quarantine")).unwrap().map(|e| e.unwrap().path()).collect();
    let kept = kept.iter().find(|path| path.extension().is_none()).unwrap();
    assert_eq!(
        (fs::metadata(kept).unwrap().mode() & 0o7777, fs::read(kept).unwrap()),
        (0, b"EICAR".to_vec())
    );

    // Something takes its place: it is kept, and tried again.
    host.write("scratch/x", "another");
    let _ = host.riposte(&["undo", "--all"]);
    until("the undo has failed", || !host.events("undo-failed").is_empty());
    assert_eq!(host.read("scratch/x"), "another");
    assert!(kept.exists());
    let said = host.events("undo-failed")[0]["detail"].as_str().unwrap_or_default().to_owned();
    assert!(said.contains("state/quarantine/"), "{said}");
    fs::remove_file(folder.join("x")).unwrap();
    engine.kill();
    let _engine = host.start(&[]);
    until("it is back", || host.count("closed") == 1);
    let after = fs::metadata(folder.join("x")).unwrap();
    assert_eq!(host.read("scratch/x"), "EICAR");
    assert_eq!(
        (after.mode(), after.uid(), after.gid(), after.mtime(), after.mtime_nsec()),
        (before.mode(), before.uid(), before.gid(), before.mtime(), before.mtime_nsec())
    );
    assert_eq!(fs::read_dir(host.path("state/quarantine")).unwrap().count(), 0);
}

#[test]
fn a_secret_is_in_nothing_that_the_engine_writes() {
    let host = Host::new();
    host.write("hook", "correct-horse-battery\n");
    fs::set_permissions(host.path("hook"), Permissions::from_mode(0o600)).unwrap();
    host.configure(&format!(
        r#"<command><name>tells</name><executable>tells-secret</executable>
             <capabilities><secret name="hook" file="{}"/></capabilities></command>
           <active-response><command>tells</command><location>local</location><rules_id>5712</rules_id></active-response>"#,
        host.path("hook").display()
    ));
    host.plugin("tells-secret", riposte_hostile::component("tells-secret"));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it has failed, as it says", || {
        host.count("failed") + host.count("unknown") + host.count("closed") > 0
    });
    until("its words are in the log", || engine.log().contains("[secret hook]"));
    let log = engine.log();
    engine.stop();
    assert!(!log.contains("correct-horse"), "{log}");
    let mut folders = vec![host.path("state"), host.path("log"), host.path("logs"), host.path("run")];
    let mut looked = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.file_type().unwrap().is_file() {
                looked += 1;
                let bytes = fs::read(entry.path()).unwrap();
                let found = bytes.windows(13).any(|window| window == b"correct-horse");
                assert!(!found, "{} holds the secret", entry.path().display());
            }
        }
    }
    assert!(looked > 2, "ledger and audit were looked through");
}
