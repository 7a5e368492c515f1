//! Nobody reads what is said: a pipe whose reader has gone, a disk that is full.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::fs::File;
use std::process::Stdio;

use riposte_tests::{Engine, Host, sshd, until};

const BLOCK: &str = "<command><name>block</name><executable>firewall-drop</executable></command>
    <active-response><command>block</command><location>local</location><rules_id>5712</rules_id><timeout>600</timeout></active-response>";

fn host() -> Host {
    let host = Host::new();
    host.configure(BLOCK);
    host.write("alerts.json", "");
    host
}

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// A pipe whose reader has gone.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// All that an engine does goes on, with a line in the input of which it says
/// that it is no alert.
fn goes_on(host: &Host, engine: Engine) {
    host.alerts(&["no alert".to_owned(), sshd(1, "198.18.0.1")]);
    until("it is in force", || host.count("in-force") == 1);
    for asked in [
        &["add", "block", "--srcip", "198.18.0.2"][..],
        &["reload"],
        &["pause", "--command", "block"],
        &["resume", "--command", "block"],
        &["undo", "198.18.0.2"],
        &["status"],
    ] {
        let ended = host.riposte(asked);
        assert_eq!(ended.code, 0, "{asked:?}: {ended:?}");
    }
    host.alerts(&["no alert either".to_owned(), sshd(2, "198.18.0.3")]);
    until("the last one is in force", || host.elements("drop4").len() == 2);
    assert_eq!(engine.end("TERM"), Some(0));
}

#[test]
fn an_engine_whose_reader_has_gone_works_on() {
    let host = host();
    let (reader, writer) = std::io::pipe().unwrap();
    let engine = host.start_unheard(writer);
    drop(reader);
    goes_on(&host, engine);
}

#[test]
fn an_engine_that_can_say_nothing_starts_and_works() {
    let host = host();
    let engine = host.start_unheard(full());
    goes_on(&host, engine);
}

#[test]
fn a_command_that_nobody_reads_ends_as_it_does_otherwise() {
    let host = host();
    host.alerts(&[sshd(1, "198.18.0.1")]);
    assert_eq!(host.once(&[]).code, 0);
    host.write("bad.conf", "<ossec_config><command></name></ossec_config>");
    let (bad, alerts) =
        (host.path("bad.conf").display().to_string(), host.path("alerts.json").display().to_string());
    for arguments in [
        &["list", "--offline"][..],
        &["status"],
        &["reload"],
        &["check"],
        &["check", "--config", &bad],
        &["run", "--config", &bad],
        &["run", "--once", "--alerts", &alerts],
        &["commands", "--builtin"],
        &["commands", "--strict", "--config", &bad],
        &["explain", "--alert", &alerts],
        &["explain", "--alert", "/dev/null"],
        &["undo", "--all", "--offline"],
        &["plugin", "inspect", &bad],
        &["--help"],
        &["no-such-command"],
    ] {
        let read = host.riposte(arguments).code;
        let code = |out: Stdio, err: Stdio| {
            let mut command = host.riposte_command(arguments);
            command.stdin(Stdio::null()).stdout(out).stderr(err).status().unwrap().code()
        };
        assert_eq!(code(unread(), unread()), Some(read), "{arguments:?}");
        assert_eq!(code(Stdio::null(), full().into()), Some(read), "{arguments:?}, a full disk");
    }
}
