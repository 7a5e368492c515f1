//! Accounts: the real files of a machine of the test's own, and `usermod`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the administrator and wazuh-execd"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};

use riposte_tests::{Host, alert, binary, until};

const RESPONSE: &str = r"
  <command>
    <name>disable-account</name>
    <executable>disable-account</executable>
    <timeout_allowed>yes</timeout_allowed>
  </command>
  <active-response>
    <command>disable-account</command>
    <location>local</location>
    <rules_id>5712</rules_id>
    <timeout>TIME</timeout>
  </active-response>";

const OPEN: &str = "$6$salt$hash:19000:0:99999:7::20000:";
const LOCKED: &str = "!$6$salt$hash:19000:0:99999:7:::";
const EMPTY: &str = ":19000:0:99999:7:::";

/// A machine with accounts that no other machine has.
fn machine() -> Host {
    let host = Host::with_machine();
    let accounts = [("riposte-open", OPEN), ("riposte-locked", LOCKED), ("riposte-empty", EMPTY)];
    for (number, (name, fields)) in (3_000_001..).zip(accounts) {
        append(&host, "passwd", &format!("{name}:x:{number}:{number}::/:/bin/sh\n"));
        append(&host, "shadow", &format!("{name}:{fields}\n"));
    }
    host
}

fn append(host: &Host, file: &str, line: &str) {
    let path = host.path("machine/etc").join(file);
    fs::write(&path, fs::read_to_string(&path).unwrap() + line).unwrap();
}

/// The fields of an account in `/etc/shadow`.
fn fields(host: &Host, user: &str) -> String {
    let text = host.read("machine/etc/shadow");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{user}:")));
    line.unwrap_or_default().to_owned()
}

fn is_locked(host: &Host, user: &str) -> bool {
    let fields = fields(host, user);
    fields.starts_with('!') && fields.ends_with(":1:")
}

fn about(id: u32, user: &str) -> String {
    alert(id, &format!(r#""dstuser":"{user}""#))
}

#[test]
fn an_alert_locks_an_account_and_its_time_restores_it() {
    let host = machine();
    let before = host.read("machine/etc/shadow");
    host.configure(&RESPONSE.replace("TIME", "8"));
    let _engine = host.start(&[]);
    let users = ["riposte-open", "riposte-locked", "riposte-empty"];
    host.alerts(&(1..).zip(users).map(|(id, user)| about(id, user)).collect::<Vec<_>>());
    until("all are locked", || users.iter().all(|user| is_locked(&host, user)));
    // Again, while it is in force; and users who are never locked, or not there.
    let more = ["riposte-open", "root", "daemon", "nobody-here", "-d", "a b"];
    host.alerts(&(10..).zip(more).map(|(id, user)| about(id, user)).collect::<Vec<_>>());
    until("all are restored", || host.count("closed") == 3);
    assert_eq!(host.read("machine/etc/shadow"), before);
    // The machine that runs the test was never meant.
    assert!(!fs::read_to_string("/etc/passwd").unwrap().contains("riposte-open"));
}

#[test]
fn killed_while_in_force_the_prior_state_is_not_forgotten() {
    let host = machine();
    let before = host.read("machine/etc/shadow");
    host.configure(&RESPONSE.replace("TIME", "1h"));
    let engine = host.start(&[]);
    host.alerts(&[about(1, "riposte-open"), about(2, "riposte-locked")]);
    until("both are in force", || host.count("in-force") == 2);
    assert!(is_locked(&host, "riposte-open") && is_locked(&host, "riposte-locked"));
    engine.kill();
    let _engine = host.start(&[]);
    assert!(is_locked(&host, "riposte-open"));
    for entry in host.entries() {
        let id = entry["id"].to_string();
        let ended = host.riposte(&["undo", id.trim_matches('"'), "--reason", "test"]);
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    until("both are restored", || host.count("closed") == 2);
    assert_eq!(host.read("machine/etc/shadow"), before);
}

#[test]
fn shadow_locks_nobody() {
    let host = machine();
    let before = host.read("machine/etc/shadow");
    host.configure(&RESPONSE.replace("TIME", "1h"));
    let _engine = host.start(&["--shadow"]);
    host.alerts(&[about(1, "riposte-open")]);
    until("it is told", || host.entries().len() == 1);
    assert_eq!(host.read("machine/etc/shadow"), before);
}

fn message(verb: &str, user: &str) -> String {
    format!(
        r#"{{"version":1,"origin":{{"name":"node01","module":"wazuh-execd"}},"command":"{verb}","parameters":{{"extra_args":[],"alert":{{"rule":{{"level":5,"id":"5715"}},"data":{{"dstuser":"{user}"}}}},"program":"active-response/bin/disable-account"}}}}"#
    ) + "\n"
}

/// Calls the drop-in program as `wazuh-execd` does: the first line that it
/// wrote and its exit code.
fn call(host: &Host, verb: &str, user: &str) -> (String, Option<i32>) {
    let mut command = host.command("sh");
    command.args(["-c", "cd \"$0\" && exec active-response/bin/disable-account"]).arg(host.path(""));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(message(verb, user).as_bytes());
    let mut line = String::new();
    if verb == "add" {
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let _ = stdin.write_all(message("continue", user).as_bytes());
    }
    drop(stdin);
    (line, child.wait().unwrap().code())
}

#[test]
fn seven_steps_as_a_program_of_wazuh() {
    let host = machine();
    host.configure(&RESPONSE.replace("TIME", "1h"));
    host.write("logs/active-responses.log", "");
    symlink(binary(), host.path("active-response/bin/disable-account")).unwrap();
    // Without an engine nobody would know what to restore: nothing is locked.
    assert_ne!(call(&host, "add", "riposte-open").1, Some(0));
    assert_eq!(fields(&host, "riposte-open"), OPEN);
    let _engine = host.start(&[]);
    for (user, before) in [("riposte-open", OPEN), ("riposte-locked", LOCKED), ("riposte-empty", EMPTY)] {
        // Delete without an add before it.
        assert_eq!(call(&host, "delete", user).1, Some(0), "{user}");
        assert_eq!(fields(&host, user), before, "{user}");
        let (line, code) = call(&host, "add", user);
        assert!(line.contains(&format!(r#""keys":["{user}"]"#)), "{line}");
        assert_eq!(code, Some(0), "{user}");
        assert!(is_locked(&host, user), "{user}: {}", fields(&host, user));
        assert_eq!(call(&host, "add", user).1, Some(0), "{user}");
        assert!(is_locked(&host, user), "{user}");
        // Without a receipt: each call of the program is a process of its own.
        for _ in 0..2 {
            assert_eq!(call(&host, "delete", user).1, Some(0), "{user}");
            assert_eq!(fields(&host, user), before, "{user}");
        }
    }
    let before = host.read("machine/etc/shadow");
    for user in ["root", "daemon", "nobody-here"] {
        assert_ne!(call(&host, "add", user).1, Some(0), "{user}");
    }
    assert_eq!(host.read("machine/etc/shadow"), before);
}

/// A process of this user, which says when it runs.
fn start(host: &Host, uid: &str) -> Child {
    let mut command: Command = host.command("setpriv");
    command.args([
        "--reuid",
        uid,
        "--regid",
        uid,
        "--clear-groups",
        "--",
        "sh",
        "-c",
        "echo up; exec sleep 1000",
    ]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "up\n");
    child
}

#[test]
fn sessions_end_when_the_operator_says_so() {
    let host = machine();
    let units = riposte_tests::units::Units::start(&host.path("machine/run/dbus"), &[]);
    let ending = r#"<account users="riposte-*" sessions="end"/><config name="sessions" value="end"/>"#;
    let ending = format!("</timeout_allowed><capabilities>{ending}</capabilities>");
    host.configure(&RESPONSE.replace("TIME", "1h").replace("</timeout_allowed>", &ending));
    let (mut theirs, mut other) = (start(&host, "3000001"), start(&host, "3000002"));
    let _engine = host.start(&[]);
    host.alerts(&[about(1, "riposte-open")]);
    until("the session has ended", || theirs.try_wait().unwrap().is_some());
    until("it is in force", || host.count("in-force") == 1);
    assert!(is_locked(&host, "riposte-open"));
    assert!(other.try_wait().unwrap().is_none());
    assert_eq!(units.asked(), ["TerminateUser 3000001"]);
    other.kill().unwrap();
    other.wait().unwrap();
}
