//! The responses that block addresses, by every backend that this kernel has:
//! each is fired by an alert and undone by hand, and the kernel is looked at
//! after each step. And what a block does to connections that are open.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use riposte_tests::{Host, sshd, until};

/// What blocks, how a grant names it, and how the kernel shows it.
struct Way {
    executable: &'static str,
    capabilities: &'static str,
    settings: &'static str,
    /// The target as the ledger has it, without the address.
    target: &'static str,
    /// A program that shows every block, for IPv4 and IPv6.
    shows: [&'static [&'static str]; 2],
}

const WAYS: [Way; 5] = [
    Way {
        executable: "firewall-drop",
        capabilities: "",
        settings: "",
        target: "drop ",
        shows: [&["nft", "list", "table", "inet", "riposte"]; 2],
    },
    Way {
        executable: "default-firewall-drop",
        capabilities: "<capabilities><firewall backend=\"iptables\"/></capabilities>",
        settings: "",
        target: "iptables:drop ",
        shows: [&["iptables-save"], &["ip6tables-save"]],
    },
    Way {
        executable: "block-ip",
        capabilities: "",
        settings: "<riposte><firewall>iptables</firewall></riposte>",
        target: "iptables:drop ",
        shows: [&["iptables-save"], &["ip6tables-save"]],
    },
    Way {
        executable: "firewall-drop.sh",
        capabilities: "",
        settings: "<riposte><firewall>ipset</firewall></riposte>",
        target: "ipset:drop ",
        shows: [&["ipset", "save"]; 2],
    },
    Way {
        executable: "route-null",
        capabilities: "",
        settings: "",
        target: "",
        shows: [
            &["ip", "-4", "route", "show", "proto", "199"],
            &["ip", "-6", "route", "show", "proto", "199"],
        ],
    },
];

const ADDRESSES: [&str; 2] = ["198.18.0.7", "2001:db8::7"];

impl Way {
    fn configuration(&self, timeout: u32) -> String {
        let Self { executable, capabilities, settings, .. } = self;
        format!(
            "{settings}<command><name>block</name><executable>{executable}</executable>\
             <timeout_allowed>yes</timeout_allowed>{capabilities}</command>\
             <active-response><command>block</command><location>local</location><rules_id>5712</rules_id>\
             <timeout>{timeout}</timeout></active-response>"
        )
    }

    /// Whether the kernel shows the address as blocked.
    fn shown(&self, host: &Host, address: &str) -> bool {
        let [program, arguments @ ..] = self.shows[usize::from(address.contains(':'))] else { return false };
        let output = host.command(program).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split([' ', '\n', ',', '{', '}', '\t', '/']).any(|word| word == address)
    }
}

/// The steps by the engine: add, the kernel's state, added again, undone by
/// hand, undone again, undone without an add. These responses keep no receipt.
fn steps(way: &Way) {
    let host = Host::new();
    host.configure(&way.configuration(600));
    let engine = host.start(&[]);
    for (n, address) in ADDRESSES.into_iter().enumerate() {
        let n = u32::try_from(n).unwrap() * 10;
        host.alerts(&[sshd(n, address)]);
        until("it is in force", || {
            let failed: Vec<_> =
                host.entries().into_iter().filter(|entry| entry["error"].is_string()).collect();
            assert!(failed.is_empty(), "{}: {failed:?}", way.executable);
            host.count("in-force") == 1
        });
        assert!(way.shown(&host, address), "{} {address}", way.executable);
        // Again: one entry, one block.
        host.alerts(&[sshd(n + 1, address)]);
        let decided = format!("1763632800.{}", n + 1);
        until("it was decided", || host.read("log/audit.jsonl").contains(&decided));
        assert_eq!(host.count("in-force"), 1);
        assert!(way.shown(&host, address));

        let undone = host.riposte(&["undo", address]);
        assert_eq!(undone.code, 0, "{undone:?}");
        until("it is gone", || host.count("in-force") == 0 && !way.shown(&host, address));
        let again = host.riposte(&["undo", address]);
        assert!(!way.shown(&host, address), "{again:?}");
        let never = host.riposte(&["undo", "198.18.0.99"]);
        assert!(!way.shown(&host, "198.18.0.99"), "{never:?}");
    }
    engine.stop();
}

#[test]
fn each_step_with_nftables() {
    steps(&WAYS[0]);
}

#[test]
fn each_step_with_iptables_by_the_grant() {
    steps(&WAYS[1]);
}

#[test]
fn each_step_with_iptables_by_the_setting() {
    steps(&WAYS[2]);
}

#[test]
fn each_step_with_ipset() {
    steps(&WAYS[3]);
}

#[test]
fn each_step_with_routes() {
    steps(&WAYS[4]);
}

#[test]
fn what_is_in_force_is_undone_on_time_by_what_made_it_after_the_setting_changed() {
    let (iptables, ipset) = (&WAYS[2], &WAYS[3]);
    let host = Host::new();
    host.configure(&iptables.configuration(3));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.7")]);
    until("it is in force", || host.count("in-force") == 1);
    assert!(iptables.shown(&host, "198.18.0.7"));
    engine.kill();
    host.configure(&ipset.configuration(3));
    let _engine = host.start(&[]);
    until("it was undone", || host.count("closed") == 1);
    assert!(!iptables.shown(&host, "198.18.0.7"));
}

#[test]
fn what_was_flushed_comes_back_by_itself() {
    for way in [&WAYS[2], &WAYS[3]] {
        let host = Host::new();
        host.configure(&way.configuration(600));
        let _engine = host.start(&[]);
        host.alerts(&[sshd(1, "198.18.0.7")]);
        until("it is in force", || host.count("in-force") == 1);
        assert!(host.command("iptables").arg("-F").status().unwrap().success());
        if way.target.starts_with("ipset") {
            assert!(host.command("ipset").arg("flush").status().unwrap().success());
        }
        assert!(
            host.command("iptables-save").output().unwrap().stdout.windows(10).all(|w| w != b"198.18.0.7")
        );
        until("it is back", || way.shown(&host, "198.18.0.7"));
    }
}

#[test]
fn status_says_what_blocks_and_why_the_others_do_not() {
    let host = Host::new();
    host.configure(&WAYS[0].configuration(600));
    let engine = host.start(&[]);
    let status = host.riposte(&["status", "--json"]).json();
    assert_eq!(status["firewall"]["backend"], "nftables", "{status}");
    assert_eq!(status["firewall"]["state"], "works");
    let others = status["firewall"]["others"].to_string();
    for other in ["ipset: ", "iptables: ", "firewalld: "] {
        assert!(others.contains(other), "{others}");
    }
    engine.stop();
    host.configure(&WAYS[3].configuration(600));
    let _engine = host.start(&[]);
    let status = host.riposte(&["status"]);
    assert!(status.out.contains("firewall.backend"), "{status:?}");
    assert!(host.riposte(&["status", "--json"]).json()["firewall"]["backend"] == "ipset");
}

/// A Python interpreter in a host's network: told a line, it answers one.
struct Peer {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Peer {
    fn start(host: &Host, script: &str) -> Self {
        let mut child = host
            .command("python3")
            .args(["-u", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout }
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Accepts one connection, then says what its socket does: a line of data, or
/// how it ended.
const SERVER: &str = "
import socket
listener = socket.create_server(('198.18.1.1', 2222))
print('listens')
connection, _ = listener.accept()
print('accepted')
try:
    while True:
        data = connection.recv(100)
        if not data:
            print('closed'); break
        print('got ' + data.decode())
except OSError as error:
    print('ended')
";

/// Connects and sends what it is told.
const CLIENT: &str = "
import socket, sys
connection = socket.create_connection(('198.18.1.1', 2222))
print('connected')
for line in sys.stdin:
    try:
        connection.sendall(line.strip().encode())
        print('sent')
    except OSError:
        print('broken'); break
";

/// Two machines with a cable between them: the first has the engine, and the
/// second a connection to it.
fn connected(established: &str) -> (Host, Host, Peer, Peer) {
    let (host, other) = (Host::new(), Host::new());
    let ip = |host: &Host, arguments: &str| {
        let done = host.command("ip").args(arguments.split(' ')).status().unwrap();
        assert!(done.success(), "ip {arguments}");
    };
    ip(&host, &format!("link add cable0 type veth peer name cable1 netns {}", other.pid()));
    for (machine, end, address) in [(&host, "cable0", "198.18.1.1/24"), (&other, "cable1", "198.18.1.2/24")] {
        ip(machine, &format!("address add {address} dev {end}"));
        ip(machine, &format!("link set {end} up"));
    }
    host.configure(&format!(
        "<command><name>firewall-drop</name><executable>firewall-drop</executable>\
         <timeout_allowed>yes</timeout_allowed>\
         <capabilities><firewall established=\"{established}\"/></capabilities></command>\
         <active-response><command>firewall-drop</command><location>local</location>\
         <rules_id>5712</rules_id><timeout>600</timeout></active-response>"
    ));
    let mut server = Peer::start(&host, SERVER);
    assert_eq!(server.hear(), "listens");
    let mut client = Peer::start(&other, CLIENT);
    assert_eq!((client.hear().as_str(), server.hear().as_str()), ("connected", "accepted"));
    client.say("before");
    assert_eq!((client.hear().as_str(), server.hear().as_str()), ("sent", "got before"));
    (host, other, server, client)
}

#[test]
fn an_open_connection_is_cut_where_the_grant_says_so() {
    let (host, _other, mut server, _client) = connected("cut");
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.1.2")]);
    // Its socket is gone at once, and its program told; nothing is waited for.
    assert_eq!(server.hear(), "ended");
    until("it is in force", || host.count("in-force") == 1);
    assert_eq!(host.elements("drop4"), ["198.18.1.2"]);
}

#[test]
fn an_open_connection_starves_by_default() {
    let (host, _other, mut server, mut client) = connected("starve");
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.1.2")]);
    until("it is in force", || host.count("in-force") == 1);
    client.say("after");
    assert_eq!(client.hear(), "sent");
    // It is still open, and what was sent waits on the other side.
    let sockets = |host: &Host| {
        let output = host.command("ss").args(["-Htn", "state", "established"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(sockets(&host).contains("198.18.1.2"), "{}", sockets(&host));
    until("the rule has dropped what was sent", || {
        let listed =
            host.command("nft").args(["list", "chain", "inet", "riposte", "input"]).output().unwrap();
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        text.lines().any(|line| line.contains("@drop4 ") && !line.contains("packets 0 "))
    });
    assert!(host.riposte(&["undo", "198.18.1.2"]).code == 0);
    // Freed, the same connection goes on.
    assert_eq!(server.hear(), "got after");
}
