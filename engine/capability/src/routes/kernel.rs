//! Blackhole routes of Linux, by netlink.
//!
//! They stand in the main table and carry a protocol number of their own, 199,
//! which `ip route show proto 199` lists: that is the mark by which a route is
//! the engine's. Only such a route is ever removed, so an administrator's route
//! for the same prefix stays, whatever it is; while ours is there, it goes
//! before it.
//!
//! The numbers are those of `linux/rtnetlink.h`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use riposte_policy::address::{Address, Prefix};
use rustix::io::Errno;

use crate::held::Backend;
use crate::netlink::{self, ACK, CREATE, Message, Outbox, REPLACE, Rejected, Socket};
use crate::refusal::Refusal;

/// The mark of the engine's routes. Numbers from 4 on are free for programs;
/// none of iproute2's list has this one.
pub const PROTOCOL: u8 = 199;

const NEW: u16 = 24;
const DELETE: u16 = 25;
const GET: u16 = 26;
/// Size of `struct rtmsg`.
const HEADER: usize = 12;
const MAIN: u8 = 254;
const BLACKHOLE: u8 = 6;
const DESTINATION: u16 = 1;
const METRIC: u16 = 6;
const TABLE: u16 = 15;
/// IPv6 takes the smallest number first, and gives 1024 to whoever names none.
/// IPv4 takes the newest of those that name none.
const METRIC6: u32 = 1;

/// How often a list is begun again because it changed meanwhile.
const ATTEMPTS: usize = 5;

/// What was there before: nothing that matters, or a blackhole of somebody's.
const NONE: &str = "none";
const THEIRS: &str = "blackhole";

/// The routes of one network namespace: that of the thread which opened it.
#[derive(Debug)]
pub struct Kernel {
    // One message and its answer at a time; the kernel answers at once.
    socket: Mutex<Socket>,
}

impl Kernel {
    /// Opens the kernel's socket. Changes nothing.
    ///
    /// # Errors
    ///
    /// When the kernel gives none.
    pub fn open() -> Result<Self, Refusal> {
        let socket = Socket::open(None).map_err(|errno| refusal(errno, "open its socket for"))?;
        Ok(Self { socket: Mutex::new(socket) })
    }

    /// `None` when it is said to be so already.
    fn tell(&self, kind: u16, flags: u16, prefix: Prefix) -> Result<Option<()>, Refusal> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let number = socket.numbers(1);
        let mut outbox = Outbox::default();
        let ipv4 = prefix.network().ip().is_ipv4();
        outbox.message(kind, flags | ACK, number, &header(prefix, ipv4), |m| {
            match prefix.network().ip() {
                IpAddr::V4(v4) => m.put(DESTINATION, &v4.octets()),
                IpAddr::V6(v6) => m.put(DESTINATION, &v6.octets()),
            }
            if !ipv4 {
                m.put(METRIC, &METRIC6.to_ne_bytes());
            }
        });
        match socket.transact(&outbox, number, number) {
            Ok(()) => Ok(Some(())),
            Err(Rejected::Whole(Errno::EXIST | Errno::SRCH | Errno::NOENT)) => Ok(None),
            Err(Rejected::Whole(errno)) => Err(refusal(errno, "change")),
            Err(Rejected::Messages(parts)) => {
                Err(refusal(parts.first().map_or(Errno::CANCELED, |(_, errno)| *errno), "change"))
            }
        }
    }

    /// The prefixes of all blackhole routes in the main table that are, or are
    /// not, the engine's.
    fn blackholes(&self, ours: bool) -> Result<BTreeSet<Prefix>, Refusal> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = Errno::INTR;
        for _ in 0..ATTEMPTS {
            let mut found = BTreeSet::new();
            let listed = socket.dump(
                GET,
                &[0; HEADER],
                |_| (),
                |message| found.extend(blackhole(&message).filter(|(_, mark)| *mark == ours).map(|(p, _)| p)),
            );
            match listed {
                Ok(()) => return Ok(found),
                Err(errno) => last = errno,
            }
        }
        Err(refusal(last, "list"))
    }

    fn gone(&self, prefix: Prefix) -> Result<(), Refusal> {
        self.tell(DELETE, 0, prefix)?;
        if self.blackholes(true)?.contains(&prefix) {
            return Err(Refusal::unavailable(format!(
                "the kernel took the removal of the route for {prefix} but still has it: `ip route show proto {PROTOCOL}`"
            )));
        }
        Ok(())
    }
}

#[async_trait]
impl Backend for Kernel {
    async fn prior(&self, target: &str) -> Result<String, Refusal> {
        let there = self.blackholes(false)?.contains(&parse(target)?);
        Ok(if there { THEIRS } else { NONE }.to_owned())
    }

    async fn make(&self, target: &str) -> Result<bool, Refusal> {
        let prefix = parse(target)?;
        let new = self.tell(NEW, CREATE, prefix)?.is_some();
        // A route with the same number of somebody else's looks like success.
        if !self.blackholes(true)?.contains(&prefix) {
            return Err(Refusal::unavailable(format!(
                "the kernel did not take the route for {prefix}: look with `ip route show {prefix}` who holds its place"
            )));
        }
        Ok(new)
    }

    async fn restore(&self, target: &str, _prior: &str) -> Result<(), Refusal> {
        self.gone(parse(target)?)
    }

    async fn list(&self) -> Result<Vec<String>, Refusal> {
        Ok(self.blackholes(true)?.iter().map(Prefix::to_string).collect())
    }

    fn port(&self) -> Option<u32> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).port()
    }

    fn lists(&self) -> bool {
        true
    }

    async fn remove(&self, target: &str) -> Result<(), Refusal> {
        self.gone(parse(target)?)
    }

    async fn probe(&self) -> Result<(), Refusal> {
        self.blackholes(true).map(drop)
    }
}

/// `struct rtmsg` of the engine's route for a prefix.
fn header(prefix: Prefix, ipv4: bool) -> [u8; HEADER] {
    let family = if ipv4 { 2 } else { 10 };
    // Family, lengths of destination and source, type of service, table,
    // protocol, scope (anywhere), type; then flags.
    [family, prefix.length(), 0, 0, MAIN, PROTOCOL, 0, BLACKHOLE, 0, 0, 0, 0]
}

/// Whether a message of the kernel's may mean that a route of the engine's is
/// gone: it was deleted, or another took its place.
pub(crate) fn takes_away(message: Message<'_>) -> bool {
    match message.kind {
        DELETE => blackhole(&message).is_some_and(|(_, ours)| ours),
        NEW => message.flags & REPLACE != 0,
        _ => false,
    }
}

/// The prefix of a blackhole route in the main table, and whether it is ours.
fn blackhole(message: &Message<'_>) -> Option<(Prefix, bool)> {
    let (header, attributes) = message.payload.split_at_checked(HEADER)?;
    let &[family, length, _, _, table, protocol, _, kind, ..] = header else { return None };
    // The attribute has the number when it is above 255.
    let table = netlink::find(attributes, TABLE)
        .and_then(|value| value.try_into().ok())
        .map_or(u32::from(table), u32::from_ne_bytes);
    if kind != BLACKHOLE || table != u32::from(MAIN) {
        return None;
    }
    let destination = netlink::find(attributes, DESTINATION);
    let ip = match (family, destination) {
        (2, Some(octets)) => IpAddr::from(<[u8; 4]>::try_from(octets).ok()?),
        (10, Some(octets)) => IpAddr::from(<[u8; 16]>::try_from(octets).ok()?),
        // The default route names no destination.
        _ => return None,
    };
    Some((Prefix::new(Address::from(ip), length)?, protocol == PROTOCOL))
}

fn parse(target: &str) -> Result<Prefix, Refusal> {
    target.parse().map_err(|e| Refusal::unsupported(format!("{e}; undo it by hand")))
}

/// What an error of the kernel means to the operator. `action` completes "the
/// kernel did not ... routes".
fn refusal(errno: Errno, action: &str) -> Refusal {
    match errno {
        Errno::PERM | Errno::ACCESS => Refusal::unavailable(
            "the kernel does not let riposte change routes: run it as root or with CAP_NET_ADMIN",
        )
        .for_good(),
        Errno::AFNOSUPPORT | Errno::OPNOTSUPP | Errno::PROTONOSUPPORT => {
            Refusal::unsupported("this kernel has no routes of this address family")
        }
        Errno::NOMEM | Errno::NOBUFS | Errno::NOSPC => {
            Refusal::unavailable(format!("the kernel has no room for another route ({errno}): end some"))
        }
        errno => Refusal::unavailable(format!("the kernel did not {action} routes: {errno}")),
    }
}
