//! Who this host is connected to that it must not cut off.
//!
//! TCP connections come from the kernel (`sock_diag(7)`), filtered by port
//! there, so that a busy server's other connections cost nothing.
//!
//! * The manager: peers of port 1514 or 1515, of a process of root or of
//!   Wazuh's own users. Any other user could connect to the address that it
//!   wants to see protected.
//! * Agents: peers that come to port 1514 here, once this host has sent them
//!   something: `wazuh-remoted` answers nobody whose key it does not know, so
//!   that connecting alone protects nobody.
//! * Administrators: `sessions`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use riposte_policy::address::{Address, Prefix};
use rustix::io::Errno;

use super::accounts::Accounts;
use super::sessions;
use crate::netlink::{self, Socket};

/// Where managers listen for agents, and where agents enrol.
const MANAGER: u16 = 1514;
const ENROLMENT: u16 = 1515;
/// Where sessions of administrators mostly arrive.
const SSH: u16 = 22;

/// Users that Wazuh's and OSSEC's processes run as.
const WAZUH: [&str; 5] = ["wazuh", "ossec", "ossecr", "ossecm", "wazuh-manager"];

/// Everybody to be protected.
#[derive(Debug, Default)]
pub(super) struct Peers {
    pub(super) managers: Vec<Prefix>,
    pub(super) administrators: Vec<Prefix>,
    pub(super) agents: Vec<Prefix>,
}

/// One TCP connection of this network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) peer: Address,
    /// The user of the process that made or took it.
    uid: u32,
    pub(super) inode: u32,
    /// How many bytes the peer acknowledged; its handshake counts as one.
    acknowledged: u64,
}

/// Reads the connections as they are now.
pub(super) fn read(accounts: &Accounts) -> Result<Peers, String> {
    let failed = |errno: Errno| format!("the kernel did not list this machine's connections: {errno}");
    let mut socket = Socket::open(Some(rustix::net::netlink::SOCK_DIAG)).map_err(failed)?;
    let trusted: Vec<u32> = WAZUH.iter().filter_map(|name| accounts.number(name)).chain([0]).collect();
    let trusts = |connection: &Connection| trusted.contains(&connection.uid);
    let mut peers = Peers::default();
    for port in [MANAGER, ENROLMENT] {
        let found = connections(&mut socket, Side::Theirs(port)).map_err(failed)?;
        peers.managers.extend(found.iter().filter(|c| trusts(c)).map(|c| Prefix::from(c.peer)));
    }
    let found = connections(&mut socket, Side::Ours(MANAGER)).map_err(failed)?;
    let answered = found.iter().filter(|c| trusts(c) && c.acknowledged > 1);
    peers.agents.extend(answered.map(|c| Prefix::from(c.peer)));

    peers.administrators = sessions::recorded(accounts);
    let mut inodes = sessions::sockets(accounts);
    // Nearly all are found among those of one port.
    for side in [Side::Ours(SSH), Side::All] {
        if inodes.is_empty() {
            break;
        }
        for connection in connections(&mut socket, side).map_err(failed)? {
            if inodes.remove(&connection.inode) {
                peers.administrators.push(connection.peer.into());
            }
        }
    }
    Ok(peers)
}

/// Which connections are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    /// Those of this port here.
    Ours(u16),
    /// Those of this port there.
    Theirs(u16),
    All,
}

/// Connections that are open, or being opened from here.
pub(super) fn connections(socket: &mut Socket, side: Side) -> Result<Vec<Connection>, Errno> {
    let mut found = Vec::new();
    for family in [2, 10] {
        let request = request(family, side);
        let listed = socket.dump(
            DIAGNOSE,
            &request,
            |_| (),
            |message| {
                found.extend(connection(message.payload));
            },
        );
        match listed {
            // Connections that come and go while they are listed: the next look sees them.
            Ok(()) | Err(Errno::INTR) => {}
            // A kernel without IPv6 has no such sockets.
            Err(Errno::NOENT) if family == 10 => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(found)
}

/// `SOCK_DIAG_BY_FAMILY`.
const DIAGNOSE: u16 = 20;
const TCP: u8 = 6;
/// `1 << TCP_ESTABLISHED | 1 << TCP_SYN_SENT`.
const STATES: u32 = 0b110;
/// `INET_DIAG_INFO`, which an answer brings when bit 1 is asked for.
const INFO: u16 = 2;
const ASK_INFO: u8 = 2;

/// `struct inet_diag_req_v2`: the ports in it are a filter.
fn request(family: u8, side: Side) -> Vec<u8> {
    let (ours, theirs) = match side {
        Side::Ours(port) => (port, 0),
        Side::Theirs(port) => (0, port),
        Side::All => (0, 0),
    };
    let mut request = vec![family, TCP, ASK_INFO, 0];
    request.extend(STATES.to_ne_bytes());
    request.extend(ours.to_be_bytes());
    request.extend(theirs.to_be_bytes());
    // Any address, any interface; cookie: none.
    request.extend([0; 36]);
    request.extend([0xff; 8]);
    request
}

/// `struct inet_diag_msg`: family, state, timer, retries; ports, addresses,
/// interface, cookie; expiry, queues, user, inode; then attributes.
fn connection(message: &[u8]) -> Option<Connection> {
    const DESTINATION: usize = 24;
    const USER: usize = 64;
    const END: usize = 72;
    /// `tcpi_bytes_acked` in `struct tcp_info`.
    const ACKNOWLEDGED: usize = 120;

    let peer = match message.first()? {
        2 => IpAddr::from(Ipv4Addr::from(
            <[u8; 4]>::try_from(message.get(DESTINATION..DESTINATION + 4)?).ok()?,
        )),
        10 => IpAddr::from(Ipv6Addr::from(
            <[u8; 16]>::try_from(message.get(DESTINATION..DESTINATION + 16)?).ok()?,
        )),
        _ => return None,
    };
    let number = |at: usize| Some(u32::from_ne_bytes(message.get(at..at + 4)?.try_into().ok()?));
    let info = netlink::find(message.get(END..)?, INFO);
    let acknowledged = info.and_then(|info| info.get(ACKNOWLEDGED..ACKNOWLEDGED + 8)?.try_into().ok());
    Some(Connection {
        peer: Address::from(peer),
        uid: number(USER)?,
        inode: number(USER + 4)?,
        acknowledged: acknowledged.map_or(0, u64::from_ne_bytes),
    })
}
