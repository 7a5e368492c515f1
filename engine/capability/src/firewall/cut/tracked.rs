//! What the kernel tracks: `nf_conntrack`, by its netlink interface.
//!
//! The numbers are those of `linux/netfilter/nfnetlink_conntrack.h`.

use riposte_policy::address::Prefix;
use rustix::io::Errno;

use super::within;
use crate::netlink::{self, ACK, Outbox, Rejected, Socket};

const SUBSYSTEM: u16 = 1 << 8;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;
/// Size of `struct nfgenmsg`.
const HEADER: usize = 4;

const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const TUPLE_IP: u16 = 1;
const ID: u16 = 12;
const ZONE: u16 = 18;

/// How often the list is begun again because it changed meanwhile.
const ATTEMPTS: usize = 4;

/// Forgets every connection from or to `prefix`; how many. A kernel that tracks
/// nothing has nothing to forget.
pub(super) fn forget(prefix: Prefix) -> Result<usize, Errno> {
    let mut socket = Socket::open(Some(rustix::net::netlink::NETFILTER))?;
    let mut forgotten = 0;
    for _ in 0..ATTEMPTS {
        let mut found = Vec::new();
        let listed = socket.dump(
            GET,
            // IPv4 and IPv6 come in separate lists; both, when asked for none.
            &[0; HEADER],
            |_| (),
            |message| found.extend(Tracked::of(message.payload, prefix)),
        );
        match listed {
            // An interrupted list has true entries, and is begun again.
            Ok(()) | Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::INVAL | Errno::NOENT) => return Ok(0),
            Err(errno) => return Err(errno),
        }
        for connection in &found {
            forgotten += usize::from(connection.forget(&mut socket)?);
        }
        if listed.is_ok() {
            break;
        }
    }
    Ok(forgotten)
}

/// One connection: what names it, as the kernel wrote it.
struct Tracked {
    family: u8,
    original: Vec<u8>,
    id: Option<Vec<u8>>,
    zone: Option<Vec<u8>>,
}

impl Tracked {
    /// The connection in a message of the list, when one end is in `prefix`.
    fn of(payload: &[u8], prefix: Prefix) -> Option<Self> {
        let (header, attributes) = payload.split_at_checked(HEADER)?;
        let touches = |direction: u16| {
            let addresses =
                netlink::find(attributes, direction).and_then(|tuple| netlink::find(tuple, TUPLE_IP));
            netlink::attributes(addresses.unwrap_or_default()).any(|(_, octets)| within(prefix, octets))
        };
        (touches(ORIGINAL) || touches(REPLY)).then_some(())?;
        let owned = |kind| netlink::find(attributes, kind).map(<[u8]>::to_vec);
        Some(Self { family: *header.first()?, original: owned(ORIGINAL)?, id: owned(ID), zone: owned(ZONE) })
    }

    /// `false`: it was over already.
    fn forget(&self, socket: &mut Socket) -> Result<bool, Errno> {
        let number = socket.numbers(1);
        let mut outbox = Outbox::default();
        outbox.message(DELETE, ACK, number, &[self.family, 0, 0, 0], |m| {
            // The flag that it holds attributes was taken off on the way in.
            m.put(ORIGINAL | 0x8000, &self.original);
            if let Some(id) = &self.id {
                m.put(ID, id);
            }
            if let Some(zone) = &self.zone {
                m.put(ZONE, zone);
            }
        });
        match socket.transact(&outbox, number, number) {
            Ok(()) => Ok(true),
            Err(Rejected::Whole(Errno::NOENT)) => Ok(false),
            Err(Rejected::Whole(errno)) => Err(errno),
            Err(Rejected::Messages(parts)) => Err(parts.first().map_or(Errno::CANCELED, |(_, errno)| *errno)),
        }
    }
}
