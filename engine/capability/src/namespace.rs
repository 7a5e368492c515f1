//! For tests: a network of their own, which no test can harm the host from.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::net::IpAddr;

use nix::sched::{CloneFlags, unshare};

use crate::netlink::{ACK, CREATE, Outbox, Socket};

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
/// A new namespace has one interface, `lo`, and this is its number.
const LOOPBACK: u32 = 1;

/// Runs a test on a thread of its own in an empty network namespace, with `lo`
/// up. Without the right to make one the test is skipped, but never in CI.
pub(crate) fn within(test: impl AsyncFnOnce() + Send + 'static) {
    let run = move || {
        if let Err(e) = unshare(CloneFlags::CLONE_NEWNET) {
            #[expect(clippy::disallowed_methods, reason = "CI must not skip what only root can test")]
            let must = std::env::var("CI").is_ok();
            assert!(!must, "no network namespace: {e}");
            eprintln!("skipped: needs root ({e})");
            return;
        }
        let mut header = vec![0; 16];
        header.splice(4..8, LOOPBACK.to_ne_bytes());
        header.splice(8..12, 1u32.to_ne_bytes());
        header.splice(12..16, 1u32.to_ne_bytes());
        tell(NEW_LINK, &header, |_| ());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test());
    };
    std::thread::spawn(run).join().unwrap();
}

/// Gives `lo` another address.
pub(crate) fn add_address(address: &str) {
    let octets = octets(address);
    let family = if octets.len() == 4 { 2 } else { 10 };
    // Usable at once: no detection of duplicates.
    let mut header = vec![family, u8::try_from(octets.len() * 8).unwrap(), 2, 0];
    header.extend(LOOPBACK.to_ne_bytes());
    tell(NEW_ADDRESS, &header, |m| {
        m.put(1, &octets);
        m.put(2, &octets);
    });
}

/// Makes a default route by way of `gateway`.
pub(crate) fn add_gateway(gateway: &str) {
    // Family, lengths, main table, static, everywhere, unicast; on-link, since
    // no network of this host holds the gateway.
    let mut header = vec![2, 0, 0, 0, 254, 4, 0, 1];
    header.extend(4u32.to_ne_bytes());
    tell(NEW_ROUTE, &header, |m| {
        m.put(5, &octets(gateway));
        m.put(4, &LOOPBACK.to_ne_bytes());
    });
}

/// Another machine at the other end of a cable: a namespace of its own. This
/// end is called `here`, the other one `there`.
pub(crate) struct Cable {
    holder: std::process::Child,
}

impl Cable {
    /// Lays it, with an address and its length at each end.
    pub(crate) fn new(here: &str, there: &str) -> Self {
        let holder = command("unshare")
            .args(["--net", "--", "sh", "-c", "ip link set lo up && echo up && exec cat"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut cable = Self { holder };
        let mut line = [0; 3];
        std::io::Read::read_exact(cable.holder.stdout.as_mut().unwrap(), &mut line).unwrap();
        let pid = cable.holder.id().to_string();
        cable.here(&["link", "add", "here", "type", "veth", "peer", "name", "there", "netns", &pid]);
        cable.here(&["link", "set", "here", "up"]);
        cable.there(&["link", "set", "there", "up"]);
        cable.add(here, there);
        cable
    }

    /// Gives each end one more address.
    pub(crate) fn add(&self, here: &str, there: &str) {
        // IPv6 would wait a second for somebody who has the same address.
        let more = |address: &str| if address.contains(':') { "nodad" } else { "scope global" };
        for (address, link) in [(here, "here"), (there, "there")] {
            let mut arguments = vec!["addr", "add", address, "dev", link];
            arguments.extend(more(address).split(' '));
            if link == "here" { self.here(&arguments) } else { self.there(&arguments) }
        }
    }

    /// Runs `ip` on this machine.
    pub(crate) fn here(&self, arguments: &[&str]) {
        assert!(command("ip").args(arguments).status().unwrap().success(), "{arguments:?}");
    }

    /// Runs `ip` on the other one.
    pub(crate) fn there(&self, arguments: &[&str]) {
        let net = format!("--net={}", self.path());
        let status = command("nsenter").args([&net, "--", "ip"]).args(arguments).status();
        assert!(status.unwrap().success(), "{arguments:?}");
    }

    /// Does something as a thread of the other machine.
    pub(crate) fn over_there<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> T {
        #[expect(clippy::disallowed_methods, reason = "a namespace is entered by its file")]
        let namespace = std::fs::File::open(self.path()).unwrap();
        let enter = move || {
            nix::sched::setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            act()
        };
        std::thread::spawn(enter).join().unwrap()
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.holder.id())
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test lays its network with ip")]
fn command(program: &str) -> std::process::Command {
    std::process::Command::new(program)
}

fn octets(address: &str) -> Vec<u8> {
    match address.parse().unwrap() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn tell(kind: u16, header: &[u8], body: impl FnOnce(&mut Outbox)) {
    let mut socket = Socket::open(None).unwrap();
    let number = socket.numbers(1);
    let mut outbox = Outbox::default();
    outbox.message(kind, CREATE | ACK, number, header, body);
    socket.transact(&outbox, number, number).unwrap();
}
