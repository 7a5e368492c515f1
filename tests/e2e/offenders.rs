//! Repeated offenders: from some offence on the network around the address is
//! blocked, on a real kernel, and it shrinks back.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::process::{Child, Command, Stdio};

use riposte_tests::{Engine, Host, sshd, until};

/// Writes down from where datagrams came, as they come.
const HEARS: &str = "
import socket
heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
heard.bind(('198.18.1.1', 9))
log = open('heard', 'w')
print('up', file=log, flush=True)
while True: print(heard.recvfrom(9)[1][0], file=log, flush=True)
";

const SAYS: &str = "
import socket, sys
for source in sys.argv[1:]:
    said = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    said.bind((source, 0))
    said.sendto(b'x', ('198.18.1.1', 9))
";

/// Whoever nobody blocks: what it says comes behind what was said before.
const FREE: &str = "198.18.3.1";

/// A machine with an engine, and another one with many addresses.
struct Lab {
    host: Host,
    other: Host,
    listener: Child,
}

impl Lab {
    fn new(rest: &str) -> Self {
        let (host, other) = (Host::new(), Host::new());
        let ip = |host: &Host, arguments: &str| {
            assert!(host.command("ip").args(arguments.split(' ')).status().unwrap().success(), "{arguments}");
        };
        ip(&host, &format!("link add here type veth peer name there netns {}", other.pid()));
        ip(&host, "address add 198.18.1.1/32 dev here");
        ip(&host, "link set here up");
        for address in ["198.18.2.7", "198.18.2.8", "198.18.2.9", FREE] {
            ip(&other, &format!("address add {address}/32 dev there"));
        }
        ip(&other, "link set there up");
        ip(&host, "route add 198.18.0.0/16 dev here");
        ip(&other, "route add 198.18.1.1/32 dev there");
        host.configure(&format!(
            r#"<command><name>firewall-drop</name><executable>firewall-drop</executable>
               <timeout_allowed>yes</timeout_allowed>
               <capabilities><firewall widest4="24" widen="3" confirm="none"/></capabilities></command>
               <active-response><command>firewall-drop</command><location>local</location><rules_id>5712</rules_id>
               <timeout>1</timeout><repeated_offenders>1s,10m</repeated_offenders></active-response>
               <active-response><command>firewall-drop</command><location>local</location><rules_id>99</rules_id>
               <timeout>600</timeout></active-response>{rest}"#
        ));
        let mut listener = host.command("python3");
        listener.args(["-c", HEARS]).current_dir(host.path("")).stdin(Stdio::null());
        let listener = listener.spawn().unwrap();
        let lab = Self { host, other, listener };
        until("it listens", || lab.host.read("heard").starts_with("up\n"));
        lab
    }

    /// Whether a datagram from there arrives here.
    fn hears(&self, address: &str) -> bool {
        let before = self.host.read("heard").matches(FREE).count();
        let mut says: Command = self.other.command("python3");
        assert!(says.args(["-c", SAYS, address, FREE]).status().unwrap().success());
        until("what nobody blocks is heard", || self.host.read("heard").matches(FREE).count() > before);
        let heard = self.host.read("heard");
        let lines: Vec<&str> = heard.lines().collect();
        lines[lines.len() - 2] == address
    }

    /// Two offences that are over, and the third, which is in force.
    fn third_offence(&self) -> Engine {
        let engine = self.host.start(&[]);
        for offence in 1..=2 {
            self.host.alerts(&[sshd(offence, "198.18.2.7")]);
            until("an offence is over", || self.host.count("closed") == offence as usize);
        }
        self.host.alerts(&[sshd(3, "198.18.2.7")]);
        until("the third is in force", || self.host.count("in-force") == 1);
        assert_eq!(self.host.entries()[2]["offence"], 3);
        engine
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.listener.kill();
        let _ = self.listener.wait();
    }
}

#[test]
fn the_third_offence_blocks_the_network_until_it_ends() {
    let lab = Lab::new("");
    let host = &lab.host;
    assert!(lab.hears("198.18.2.7") && lab.hears("198.18.2.8"));
    let engine = lab.third_offence();
    assert_eq!(host.elements("drop4net").len(), 1);
    assert!(host.elements("drop4").is_empty(), "the network alone");
    assert!(!lab.hears("198.18.2.7") && !lab.hears("198.18.2.8"));
    let said = host.riposte(&["explain", "--id", "3"]);
    assert!(said.out.contains("drop 198.18.2.0/24"), "{said:?}");

    // One inside offends while the network is blocked: it has an entry of its own.
    host.alerts(&[sshd(4, "198.18.2.9").replace("5712", "99")]);
    until("both are in force", || host.count("in-force") == 2);
    assert_eq!(host.elements("drop4"), ["198.18.2.9"]);

    // All of that outlives the engine.
    engine.kill();
    assert!(!lab.hears("198.18.2.8"));
    let _engine = host.start(&[]);
    assert!(!lab.hears("198.18.2.8"));
    assert_eq!(host.count("in-force"), 2);

    let undone = host.riposte(&["undo", "198.18.2.7"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    assert!(host.elements("drop4net").is_empty());
    assert!(lab.hears("198.18.2.7") && lab.hears("198.18.2.8"), "free again");
    assert!(!lab.hears("198.18.2.9"), "blocked by its own entry");
    assert_eq!(host.elements("drop4"), ["198.18.2.9"]);
}

#[test]
fn a_network_that_holds_what_is_protected_is_not_blocked_and_the_address_is() {
    let lab = Lab::new("<global><white_list>198.18.2.8</white_list></global>");
    let host = &lab.host;
    let _engine = lab.third_offence();
    assert!(host.elements("drop4net").is_empty());
    assert_eq!(host.elements("drop4"), ["198.18.2.7"]);
    assert!(!lab.hears("198.18.2.7") && lab.hears("198.18.2.8"));
    let told = || host.read("log/audit.jsonl").contains("198.18.2.7 alone is blocked instead");
    until("it is told", told);
    let undone = host.riposte(&["undo", "198.18.2.7"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    assert!(lab.hears("198.18.2.7"));
}
