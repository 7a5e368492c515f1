//! Sockets of this host: `sock_diag`.
//!
//! The numbers are those of `linux/sock_diag.h` and `linux/inet_diag.h`.

use riposte_policy::address::Prefix;
use rustix::io::Errno;

use super::within;
use crate::netlink::{ACK, Outbox, Rejected, Socket};

const BY_FAMILY: u16 = 20;
const DESTROY: u16 = 21;
const TCP: u8 = 6;
const INET: u8 = 2;
const INET6: u8 = 10;
/// All states but `LISTEN` (10), which has no peer, and `TIME_WAIT` (6), which
/// is over.
const STATES: u32 = 0x0fff & !(1 << 10) & !(1 << 6);

/// `struct inet_diag_sockid`: it stands behind four bytes of an answer, and of
/// a request behind eight. In it: two ports, the own address, the peer's.
const IDENTITY: std::ops::Range<usize> = 4..52;
const PEER: usize = 20;

/// How often the list is begun again because it changed meanwhile.
const ATTEMPTS: usize = 4;

/// Closes every TCP socket whose peer is in `prefix`; how many.
///
/// # Errors
///
/// `OPNOTSUPP`: this kernel closes no sockets of others. Only said when there
/// is one to close.
pub(super) fn close(prefix: Prefix) -> Result<usize, Errno> {
    let mut socket = Socket::open(Some(rustix::net::netlink::SOCK_DIAG))?;
    let mut closed = 0;
    // An IPv6 socket may have an IPv4 peer.
    for family in [INET, INET6] {
        for _ in 0..ATTEMPTS {
            let mut found = Vec::new();
            let listed = socket.dump(
                BY_FAMILY,
                &request(family, &[0; 48]),
                |_| (),
                |message| found.extend(peer_within(prefix, message.payload)),
            );
            match listed {
                Ok(()) | Err(Errno::INTR) => {}
                // Without sock_diag, or without IPv6: nothing to see.
                Err(Errno::NOENT | Errno::OPNOTSUPP | Errno::INVAL | Errno::AFNOSUPPORT) => break,
                Err(errno) => return Err(errno),
            }
            for identity in &found {
                closed += usize::from(destroy(&mut socket, family, identity)?);
            }
            if listed.is_ok() {
                break;
            }
        }
    }
    Ok(closed)
}

/// The identity of the socket in an answer, when its peer is in `prefix`.
fn peer_within(prefix: Prefix, answer: &[u8]) -> Option<Vec<u8>> {
    let family = *answer.first()?;
    let identity = answer.get(IDENTITY)?;
    let length = if family == INET { 4 } else { 16 };
    within(prefix, identity.get(PEER..PEER + length)?).then(|| identity.to_vec())
}

/// `false`: it was closed already.
fn destroy(socket: &mut Socket, family: u8, identity: &[u8]) -> Result<bool, Errno> {
    let number = socket.numbers(1);
    let mut outbox = Outbox::default();
    outbox.message(DESTROY, ACK, number, &request(family, identity), |_| ());
    match socket.transact(&outbox, number, number) {
        Ok(()) => Ok(true),
        Err(Rejected::Whole(Errno::NOENT)) => Ok(false),
        Err(Rejected::Whole(errno)) => Err(errno),
        Err(Rejected::Messages(parts)) => Err(parts.first().map_or(Errno::CANCELED, |(_, errno)| *errno)),
    }
}

/// `struct inet_diag_req_v2`.
fn request(family: u8, identity: &[u8]) -> Vec<u8> {
    let mut request = vec![family, TCP, 0, 0];
    request.extend_from_slice(&STATES.to_ne_bytes());
    request.extend_from_slice(identity);
    request
}
