//! What this host must keep reaching: its own addresses, gateways and name
//! servers, and whoever the configuration names.

use std::fmt;

use riposte_policy::address::{Address, Prefix};

/// Where name servers stand: the file of the C library, and the one in which
/// systemd-resolved keeps the real ones behind its local stub.
const RESOLVER_FILES: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// Why something about the host is not known.
#[derive(Debug)]
pub(super) struct Unread(String);

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name servers of all files that are there.
pub(super) fn resolvers() -> Result<Vec<Prefix>, Unread> {
    let mut found = Vec::new();
    let mut unread = None;
    for file in RESOLVER_FILES {
        #[expect(clippy::disallowed_methods, reason = "the guard owns the knowledge of what to protect")]
        match std::fs::read_to_string(file) {
            Ok(text) => found.extend(name_servers(&text)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => unread = Some(Unread(format!("{file}: {e}"))),
        }
    }
    match unread {
        Some(unread) if found.is_empty() => Err(unread),
        _ => Ok(found),
    }
}

fn name_servers(text: &str) -> impl Iterator<Item = Prefix> {
    text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let value = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        // A link-local server is written with its interface: fe80::1%eth0.
        let address = value.split_once('%').map_or(value, |(address, _)| address);
        address.parse::<Address>().ok().map(Prefix::from)
    })
}

/// The addresses of a host, by its address or its name; `None` when the name
/// has none now. It asks name servers, and waits for them.
pub(super) fn named(host: &str) -> Option<Vec<Prefix>> {
    if let Ok(address) = host.parse::<Address>() {
        return Some(vec![address.into()]);
    }
    let found = std::net::ToSocketAddrs::to_socket_addrs(&(host, 0)).ok()?;
    let found: Vec<Prefix> = found.map(|socket| Address::from(socket.ip()).into()).collect();
    (!found.is_empty()).then_some(found)
}

#[cfg(target_os = "linux")]
pub(super) use linux::{addresses, broadcasts, gateways};

#[cfg(not(target_os = "linux"))]
pub(super) fn addresses() -> Result<Vec<Prefix>, Unread> {
    Err(Unread("reading this system's addresses is not implemented: put them on the white_list".to_owned()))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn broadcasts() -> Result<Vec<Prefix>, Unread> {
    Ok(Vec::new())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn gateways() -> Result<Vec<Prefix>, Unread> {
    Err(Unread("reading this system's routes is not implemented: put gateways on the white_list".to_owned()))
}

#[cfg(target_os = "linux")]
mod linux {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use riposte_policy::address::{Address, Prefix};
    use rustix::io::Errno;

    use super::Unread;
    use crate::netlink::{self, Socket};

    const GET_ADDRESS: u16 = 22;
    const GET_ROUTE: u16 = 26;
    /// Sizes of `struct ifaddrmsg`, `rtmsg` and `rtnexthop`.
    const ADDRESS_HEADER: usize = 8;
    const ROUTE_HEADER: usize = 12;
    const HOP_HEADER: usize = 8;

    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    const RTA_DST: u16 = 1;
    /// Where the kind of a route stands, and `RTN_BROADCAST`.
    const ROUTE_KIND: usize = 7;
    const BROADCAST: u8 = 3;
    const RTA_GATEWAY: u16 = 5;
    const RTA_MULTIPATH: u16 = 9;
    const RTA_VIA: u16 = 18;

    /// Every address of every interface in this network namespace.
    pub(crate) fn addresses() -> Result<Vec<Prefix>, Unread> {
        dump("addresses", GET_ADDRESS, ADDRESS_HEADER, |_, attributes, found| {
            // On a point-to-point link IFA_ADDRESS is the other end.
            let own = netlink::find(attributes, IFA_LOCAL).or_else(|| netlink::find(attributes, IFA_ADDRESS));
            found.extend(own.and_then(address));
        })
    }

    /// What stands for everybody on each network of this host: the kernel keeps
    /// a route of a kind of its own for it, whether the address is set or not.
    pub(crate) fn broadcasts() -> Result<Vec<Prefix>, Unread> {
        dump("routes", GET_ROUTE, ROUTE_HEADER, |header, attributes, found| {
            if header.get(ROUTE_KIND) == Some(&BROADCAST) {
                found.extend(netlink::find(attributes, RTA_DST).and_then(address));
            }
        })
    }

    /// The next hops of every route in this network namespace.
    pub(crate) fn gateways() -> Result<Vec<Prefix>, Unread> {
        dump("routes", GET_ROUTE, ROUTE_HEADER, |_, attributes, found| {
            next_hop(attributes, found);
            let mut hops = netlink::find(attributes, RTA_MULTIPATH).unwrap_or_default();
            while let Some((&[low, high], _)) = hops.split_first_chunk::<2>() {
                let length = usize::from(u16::from_ne_bytes([low, high]));
                let Some(hop) = hops.get(HOP_HEADER..length) else { break };
                next_hop(hop, found);
                hops = hops.get(length.next_multiple_of(4)..).unwrap_or_default();
            }
        })
    }

    fn next_hop(attributes: &[u8], found: &mut Vec<Prefix>) {
        found.extend(netlink::find(attributes, RTA_GATEWAY).and_then(address));
        // An IPv4 route over an IPv6 next hop: the family, then the address.
        let via = netlink::find(attributes, RTA_VIA).and_then(|via| via.get(2..));
        found.extend(via.and_then(address));
    }

    fn dump(
        what: &str,
        kind: u16,
        header: usize,
        each: impl Fn(&[u8], &[u8], &mut Vec<Prefix>),
    ) -> Result<Vec<Prefix>, Unread> {
        let unread = |e: Errno| Unread(format!("the kernel did not list this machine's {what}: {e}"));
        let mut socket = Socket::open(None).map_err(unread)?;
        let mut last = Errno::INTR;
        // Interfaces that come and go while they are listed spoil the list.
        for _ in 0..5 {
            let mut found = Vec::new();
            // A header of zeros asks for all families.
            let listed = socket.dump(
                kind,
                &vec![0; header],
                |_| (),
                |message| {
                    let (header, attributes) = message.payload.split_at_checked(header).unwrap_or_default();
                    each(header, attributes, &mut found);
                },
            );
            match listed {
                Ok(()) => return Ok(found),
                Err(e) => last = e,
            }
        }
        Err(unread(last))
    }

    fn address(bytes: &[u8]) -> Option<Prefix> {
        let ip = match bytes.len() {
            4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
            16 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
            _ => return None,
        };
        Some(Prefix::from(Address::from(ip)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_of_a_resolver_file() {
        let text = "# nameserver 192.0.2.1\nnameserver 192.0.2.53\n nameserver\t2001:db8::53 # two\n\
                    search example.org\nnameserver fe80::1%eth0\nnameserver nonsense\nnameserver\n\
                    nameservers 192.0.2.9\nnameserver 198.51.100.53";
        let found: Vec<_> = name_servers(text).map(|p| p.to_string()).collect();
        assert_eq!(found, ["192.0.2.53", "2001:db8::53", "fe80::1", "198.51.100.53"]);
    }
}
