//! isolate-host and the guard, between two machines.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::process::{Child, Stdio};

use riposte_tests::{Ended, Host, alert, sshd, until};

const RESPONSE: &str = "<active-response><command>isolate-host</command><location>local</location>
    <rules_id>5712</rules_id><timeout>600</timeout></active-response>";

const BY_PORT: &str = r#"<command><name>isolate-host</name><executable>isolate-host</executable>
    <timeout_allowed>yes</timeout_allowed>
    <capabilities><isolation allow="192.0.2.20" confirm="tcp:192.0.2.10:1514"/></capabilities></command>"#;

/// A machine with another one at the end of a cable, which has three addresses:
/// a manager's, a helper's and an attacker's.
struct Lab {
    here: Host,
    there: Host,
}

impl Lab {
    fn new() -> Self {
        let lab = Self { here: Host::new(), there: Host::new() };
        let there = lab.there.holder().to_string();
        lab.ip(&["link", "add", "here", "type", "veth", "peer", "name", "there", "netns", &there]);
        lab.ip(&["addr", "add", "192.0.2.1/24", "dev", "here"]);
        lab.ip(&["link", "set", "here", "up"]);
        for address in ["192.0.2.10/24", "192.0.2.20/24", "192.0.2.66/24"] {
            ip(&lab.there, &["addr", "add", address, "dev", "there"]);
        }
        ip(&lab.there, &["link", "set", "there", "up"]);
        lab
    }

    fn ip(&self, arguments: &[&str]) {
        ip(&self.here, arguments);
    }

    /// Whether the kernel here sends a datagram there.
    fn reaches(&self, address: &str) -> bool {
        let script = format!(
            "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('{address}', 9))"
        );
        let output = self.here.command("python3").args(["-c", &script]).output().unwrap();
        Ended::from(output).code == 0
    }

    /// Somebody who takes connections there.
    fn listens(&self, address: &str, port: u16) -> Listener {
        let script = format!(
            "import socket,sys\ns=socket.create_server(('{address}',{port}))\nprint('up',flush=True)\nkept=[]\nwhile True: kept.append(s.accept())"
        );
        Listener::start(self.there.command("python3").args(["-c", &script]))
    }
}

fn ip(host: &Host, arguments: &[&str]) {
    assert!(host.command("ip").args(arguments).status().unwrap().success(), "{arguments:?}");
}

/// A program that says when it is there. Dropped: killed.
struct Listener(Child);

impl Listener {
    fn start(command: &mut std::process::Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let mut up = [0; 3];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut up).unwrap();
        Self(child)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn only_the_manager_and_who_is_allowed_stay_reachable() {
    let lab = Lab::new();
    let _manager = lab.listens("192.0.2.10", 1514);
    lab.here.configure(&format!(
        "{BY_PORT}{RESPONSE}<client><server><address>192.0.2.10</address></server></client>"
    ));
    let engine = lab.here.start(&[]);
    assert!(lab.reaches("192.0.2.66"));
    lab.here.alerts(&[sshd(1, "192.0.2.66")]);
    until("it is in force", || lab.here.count("in-force") == 1);
    let reached = || ["192.0.2.10", "192.0.2.20", "192.0.2.66"].map(|address| lab.reaches(address));
    assert_eq!(reached(), [true, true, false]);
    // The same again extends it: nothing runs twice.
    lab.here.alerts(&[sshd(2, "198.51.100.1")]);
    until("the second alert was decided", || lab.here.events("already").len() == 1);
    // An engine that is gone changes nothing, and one that comes back knows it.
    engine.kill();
    assert_eq!(reached(), [true, true, false]);
    let table = lab.here.command("nft").args(["-a", "list", "tables"]).output().unwrap();
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    let name = table.lines().find_map(|line| line.strip_prefix("table inet ")).unwrap().to_owned();
    assert!(name.starts_with("riposte-isolation-"), "{table}");
    let name = name.split(' ').next().unwrap();
    assert!(lab.here.command("nft").args(["delete", "table", "inet", name]).status().unwrap().success());
    assert!(lab.reaches("192.0.2.66"));
    let _engine = lab.here.start(&[]);
    until("it is made again", || !lab.reaches("192.0.2.66"));
    for expected in [0, 1] {
        let id = lab.here.entries()[0]["id"].to_string();
        let undone = lab.here.riposte(&["undo", &id, "--reason", "over"]);
        assert_eq!(undone.code == 0, expected == 0, "{undone:?}");
        until("it is undone", || reached() == [true; 3]);
    }
    assert_eq!(lab.here.count("closed"), 1);
}

#[test]
fn a_manager_that_is_named_later_is_let_through() {
    let lab = Lab::new();
    let cut_off = r#"<command><name>isolate-host</name><executable>isolate-host</executable>
        <timeout_allowed>yes</timeout_allowed>
        <capabilities><isolation confirm="none"/></capabilities></command>"#;
    lab.here.configure(&format!("{cut_off}{RESPONSE}"));
    let engine = lab.here.start(&[]);
    lab.here.alerts(&[sshd(1, "192.0.2.66")]);
    until("it is in force", || lab.here.count("in-force") == 1);
    assert!(!lab.reaches("192.0.2.10"));
    let named = |address| {
        format!("{cut_off}{RESPONSE}<client><server><address>{address}</address></server></client>")
    };
    lab.here.configure(&named("192.0.2.10"));
    assert_eq!(lab.here.riposte(&["reload"]).code, 0);
    until("it is let through", || lab.reaches("192.0.2.10"));
    // Another engine lets another one through, and shuts nobody out.
    engine.kill();
    lab.here.configure(&named("192.0.2.20"));
    let _engine = lab.here.start(&[]);
    until("the next one is let through", || lab.reaches("192.0.2.20"));
    assert!(lab.reaches("192.0.2.10") && !lab.reaches("192.0.2.66"));
}

#[test]
fn a_manager_that_falls_silent_ends_it_at_once() {
    let lab = Lab::new();
    lab.here.configure(&format!("{BY_PORT}{RESPONSE}"));
    let _engine = lab.here.start(&[]);
    lab.here.alerts(&[sshd(1, "192.0.2.66")]);
    until("it failed", || lab.here.count("failed") == 1);
    assert!(lab.reaches("192.0.2.66"));
    until("the audit says so", || lab.here.events("unconfirmed").len() == 1);
    let event = &lab.here.events("unconfirmed")[0];
    assert_eq!(
        (event["command"].as_str(), event["keys"][0].as_str()),
        (Some("isolate-host"), Some("host but 192.0.2.20"))
    );
    let detail = event["detail"].as_str().unwrap();
    assert!(
        detail.contains("192.0.2.10 port 1514 did not answer")
            && detail.contains("this response gave it up at once"),
        "{detail}"
    );
}

#[test]
fn without_a_manager_the_gateway_confirms() {
    let lab = Lab::new();
    lab.ip(&["route", "add", "default", "via", "192.0.2.10"]);
    lab.here.configure(&format!(
        "<command><name>isolate-host</name><executable>isolate-host</executable></command>{RESPONSE}"
    ));
    let _engine = lab.here.start(&[]);
    lab.here.alerts(&[sshd(1, "192.0.2.66")]);
    until("it is in force", || lab.here.count("in-force") == 1);
    assert!(!lab.reaches("192.0.2.66") && !lab.reaches("192.0.2.20"));
}

const DROP: &str =
    "<command><name>drop</name><executable>firewall-drop</executable><timeout_allowed>yes</timeout_allowed>
    </command><active-response><command>drop</command><location>local</location><rules_id>5712</rules_id>
    <timeout>600</timeout></active-response>";

#[test]
fn the_guard_follows_the_network_and_says_what_it_refused() {
    let lab = Lab::new();
    lab.here.configure(&format!(
        "{DROP}<riposte><guard><trusted_proxies>203.0.113.0/28</trusted_proxies>
        <override rule='gateway' address='192.0.2.20' reason='a spare'/></guard></riposte>"
    ));
    lab.ip(&["route", "add", "203.0.113.128/25", "via", "192.0.2.20"]);
    let _engine = lab.here.start(&[]);
    let refused = |id: u32, address: &str, rule: &str| {
        lab.here.alerts(&[sshd(id, address)]);
        until(address, || {
            let events = lab.here.events("denied");
            events.iter().any(|event| event["keys"][0] == address && event["command"] == "drop")
        });
        let events = lab.here.events("denied");
        let event = events.iter().find(|event| event["keys"][0] == address).unwrap();
        let detail = event["detail"].as_str().unwrap();
        assert!(
            detail.starts_with("firewall.block: ") && detail.ends_with(&format!("(guard: {rule})")),
            "{detail}"
        );
    };
    refused(1, "203.0.113.7", "trusted-proxy");
    refused(2, "2002:cb00:7107::1", "trusted-proxy");
    refused(3, "192.0.2.255", "broadcast");
    lab.here.alerts(&[sshd(4, "192.0.2.20")]);
    until("the override counts", || !lab.here.events("overridden").is_empty());
    until("it is blocked", || lab.here.elements("drop4") == ["192.0.2.20"]);
    assert_eq!(lab.here.events("overridden")[0]["reason"], "a spare");
    // A gateway that was none when the engine started: the kernel says so, and
    // an alert that comes before that is undone by hand.
    lab.ip(&["route", "add", "198.51.100.0/24", "via", "192.0.2.66"]);
    let mut id = 10;
    until("the new gateway is guarded", || {
        id += 1;
        lab.here.alerts(&[sshd(id, "192.0.2.66")]);
        let of = |kind: &str| {
            let alert = format!("1763632800.{id}");
            lab.here.events(kind).iter().any(|event| event["alert_id"] == alert.as_str())
        };
        until("it was decided", || of("failed") || of("in-force"));
        let guarded = of("failed");
        if !guarded {
            let _ = lab.here.riposte(&["undo", "192.0.2.66", "--reason", "too early"]);
        }
        guarded
    });
    let denied = lab.here.events("denied");
    let detail = denied.last().unwrap()["detail"].as_str().unwrap();
    assert!(detail.ends_with("192.0.2.66 is a gateway of this machine (guard: gateway)"), "{detail}");
}

#[test]
fn an_administrator_who_is_logged_in_is_not_cut_off_and_who_tries_to_be_is() {
    let lab = Lab::new();
    lab.here.configure(DROP);
    let _engine = lab.here.start(&[]);
    // What serves root's session says so in its title; what waits for a password does not.
    let serve = |title: &str, port: u16| {
        let script = format!(
            "import socket\ns=socket.create_server(('192.0.2.1',{port}))\nprint('up',flush=True)\nc,_=s.accept()\ns.close()\nc.recv(1)"
        );
        // The kernel takes the name of a process from the file that is started.
        let python = std::fs::canonicalize(
            String::from_utf8(
                std::process::Command::new("python3")
                    .args(["-c", "import sys; print(sys.executable)"])
                    .output()
                    .unwrap()
                    .stdout,
            )
            .unwrap()
            .trim(),
        )
        .unwrap();
        let sshd = lab.here.path("sshd");
        if !sshd.exists() {
            std::os::unix::fs::symlink(&python, &sshd).unwrap();
        }
        let mut command = lab.here.command("bash");
        command.arg("-c").arg(format!("exec -a '{title}' \"$0\" -c \"$1\"")).arg(&sshd).arg(&script);
        command.env("PYTHONHOME", python.parent().unwrap().parent().unwrap());
        Listener::start(&mut command)
    };
    let connect = |from: &str, port: u16| {
        let script = format!(
            "import socket,time\ns=socket.create_connection(('192.0.2.1',{port}),source_address=('{from}',0))\nprint('up',flush=True)\ns.recv(1)"
        );
        Listener::start(lab.there.command("python3").args(["-c", &script]))
    };
    let _session = serve("sshd: root@pts/0", 22);
    let _attempt = serve("sshd: root [priv]", 2222);
    let _administrator = connect("192.0.2.20", 22);
    let _attacker = connect("192.0.2.66", 2222);
    lab.here.alerts(&[sshd(1, "192.0.2.20"), sshd(2, "192.0.2.66")]);
    until("the attacker is blocked", || lab.here.elements("drop4") == ["192.0.2.66"]);
    until("the other one is not", || lab.here.events("denied").len() == 1);
    let detail = lab.here.events("denied")[0]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("192.0.2.20") && detail.contains("administrator-session"), "{detail}");
}

#[test]
fn a_program_gets_no_target_that_somebody_could_take_for_a_guarded_one() {
    let lab = Lab::new();
    lab.here.configure(
        "<command><name>log</name><executable>log.sh</executable><timeout_allowed>yes</timeout_allowed>
        <keys>/data/target /data/srcip</keys></command>
        <active-response><command>log</command><location>local</location><rules_id>5712</rules_id>
        <timeout>600</timeout></active-response>",
    );
    let started = lab.here.path("started");
    lab.here.program("log.sh", &format!("#!/bin/sh\nread -r line\necho started >> {}\n", started.display()));
    let _engine = lab.here.start(&[]);
    let targets = [
        r#""target":"127.1""#,
        r#""target":"0x7f.0.0.1""#,
        r#""target":"[::1]""#,
        r#""target":"2130706433""#,
        r#""target":"127.0.0.1.""#,
        r#""target":"2002:7f00:1::""#,
        r#""target":"root""#,
        r#""target":"ROOT""#,
        r#""target":"EXAMPLE\\root""#,
        r#""target":"+0""#,
        r#""srcip":"198.51.100.7","srcip":"127.0.0.1""#,
        r#""srcip":"198.51.100.7","SrcIP":"127.0.0.1""#,
    ];
    let alerts: Vec<String> = (0..).zip(targets).map(|(id, data)| alert(id, data)).collect();
    lab.here.alerts(&alerts);
    until("all were refused", || lab.here.events("refused").len() == targets.len());
    assert!(!started.exists());
    lab.here.alerts(&[alert(99, r#""target":"198.51.100.7""#)]);
    until("what is guarded by nobody is done", || started.exists());
}
