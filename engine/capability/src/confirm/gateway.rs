//! Whether the gateway answers, on its link.
//!
//! Many gateways answer no ping, but each answers for its own address (ARP,
//! neighbour discovery), or nothing would get out. So the kernel is told to ask
//! its neighbour again, and its table of neighbours shows whether it answered.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use rustix::io::Errno;

use crate::netlink::{self, ACK, CREATE, Outbox, Rejected, Socket};

const GET_ROUTE: u16 = 26;
const NEW_NEIGHBOUR: u16 = 28;
const GET_NEIGHBOUR: u16 = 30;
/// `NLM_F_REPLACE`.
const REPLACE: u16 = 0x100;

/// Sizes of `struct rtmsg`, `rtnexthop` and `ndmsg`.
const ROUTE: usize = 12;
const HOP: usize = 8;
const NEIGHBOUR: usize = 12;

/// `NUD_REACHABLE`, and those that are not asked: `NUD_NOARP`, `NUD_PERMANENT`.
const REACHABLE: u16 = 0x02;
const PROBE: u16 = 0x10;
const FAILED: u16 = 0x20;
const SETTLED: u16 = 0x40 | 0x80;
/// `NTF_USE`: as if a packet were to be sent.
const USE: u8 = 0x01;

/// How often the table is looked at.
const AGAIN: Duration = Duration::from_millis(20);

/// One next hop of a default route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gateway {
    address: IpAddr,
    link: u32,
}

/// Whether one gateway of a default route answers. A host without one has
/// nobody to ask, and that is well.
pub(super) async fn answers(patience: Duration) -> Result<(), String> {
    let failed = |errno: Errno| format!("the kernel did not say who the gateway is: {errno}");
    let mut socket = Socket::open(None).map_err(failed)?;
    let gateways = gateways(&mut socket).map_err(failed)?;
    if gateways.is_empty() {
        return Ok(());
    }
    for gateway in &gateways {
        match state(&mut socket, *gateway).map_err(failed)? {
            Some(state) if state & SETTLED != 0 => return Ok(()),
            _ => solicit(&mut socket, *gateway).map_err(failed)?,
        }
    }
    let waiting = async {
        loop {
            let mut left = 0;
            for gateway in &gateways {
                match state(&mut socket, *gateway).map_err(failed)? {
                    Some(state) if state & (REACHABLE | SETTLED) != 0 => return Ok(()),
                    Some(state) if state & FAILED != 0 => {}
                    _ => left += 1,
                }
            }
            if left == 0 {
                return Err(silent(&gateways));
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::time::timeout(patience, waiting).await.unwrap_or_else(|_| Err(silent(&gateways)))
}

fn silent(gateways: &[Gateway]) -> String {
    let listed = gateways.iter().map(|gateway| gateway.address.to_string()).collect::<Vec<_>>().join(", ");
    format!("the gateway ({listed}) does not answer on its link")
}

/// The next hops of all default routes.
fn gateways(socket: &mut Socket) -> Result<Vec<Gateway>, Errno> {
    repeated(|| {
        let mut found = Vec::new();
        socket.dump(
            GET_ROUTE,
            &[0; ROUTE],
            |_| (),
            |message| {
                let Some((header, attributes)) = message.payload.split_at_checked(ROUTE) else { return };
                // Bits of the destination, and RTN_UNICAST.
                if header.get(1) != Some(&0) || header.get(7) != Some(&1) {
                    return;
                }
                let link = netlink::find(attributes, 4).and_then(number);
                found.extend(hop(attributes, link));
                let mut hops = netlink::find(attributes, 9).unwrap_or_default();
                while let Some((&[low, high], _)) = hops.split_first_chunk::<2>() {
                    let length = usize::from(u16::from_ne_bytes([low, high]));
                    let Some(inner) = hops.get(HOP..length) else { break };
                    found.extend(hop(inner, hops.get(4..8).and_then(number)));
                    hops = hops.get(length.next_multiple_of(4)..).unwrap_or_default();
                }
            },
        )?;
        Ok(found)
    })
}

fn hop(attributes: &[u8], link: Option<u32>) -> Option<Gateway> {
    let direct = netlink::find(attributes, 5);
    let via = || netlink::find(attributes, 18).and_then(|via| via.get(2..));
    Some(Gateway { address: address(direct.or_else(via)?)?, link: link? })
}

/// What the kernel believes of it; `None`: nothing.
fn state(socket: &mut Socket, gateway: Gateway) -> Result<Option<u16>, Errno> {
    repeated(|| {
        let mut found = None;
        socket.dump(
            GET_NEIGHBOUR,
            &[0; NEIGHBOUR],
            |_| (),
            |message| {
                let Some((header, attributes)) = message.payload.split_at_checked(NEIGHBOUR) else { return };
                let same = header.get(4..8).and_then(number) == Some(gateway.link)
                    && netlink::find(attributes, 1).and_then(address) == Some(gateway.address);
                if let (true, Some(&[low, high])) = (same, header.get(8..10)) {
                    found = Some(u16::from_ne_bytes([low, high]));
                }
            },
        )?;
        Ok(found)
    })
}

/// Has the kernel ask it now, whatever it believed before.
fn solicit(socket: &mut Socket, gateway: Gateway) -> Result<(), Errno> {
    // One that is known is asked again at once; one that is not, as for a packet.
    match tell(socket, gateway, PROBE, 0) {
        Ok(()) => Ok(()),
        Err(_) => tell(socket, gateway, 0, USE),
    }
}

fn tell(socket: &mut Socket, gateway: Gateway, state: u16, flags: u8) -> Result<(), Errno> {
    let octets = match gateway.address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let mut header = vec![if octets.len() == 4 { 2 } else { 10 }, 0, 0, 0];
    header.extend(gateway.link.to_ne_bytes());
    header.extend(state.to_ne_bytes());
    header.extend([flags, 0]);
    let create = if flags == 0 { REPLACE } else { CREATE };
    let sequence = socket.numbers(1);
    let mut outbox = Outbox::default();
    outbox.message(NEW_NEIGHBOUR, create | ACK, sequence, &header, |m| m.put(1, &octets));
    socket.transact(&outbox, sequence, sequence).map_err(|rejected| match rejected {
        Rejected::Whole(errno) => errno,
        Rejected::Messages(messages) => messages.first().map_or(Errno::CANCELED, |(_, errno)| *errno),
    })
}

/// A list that changes while it is read is read again.
fn repeated<T>(mut read: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 0..4 {
        match read() {
            Err(Errno::INTR) => {}
            answer => return answer,
        }
    }
    read()
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}
