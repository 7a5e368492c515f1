//! What the kernel has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use riposte_policy::address::{Address, Prefix};
use riposte_policy::grant::SetName;
use rustix::io::Errno;

use super::schema::{self, Kind};
use super::transaction::{self, Item};
use crate::mark::Comment;
use crate::netlink::{self, Outbox, Socket};

/// Family header of a request: the family, and three bytes of no interest.
const HEADER: [u8; 4] = [schema::INET, 0, 0, 0];

/// How often a dump is begun again because the tables changed under it.
const ATTEMPTS: usize = 8;

/// The sets in the engine's table, none if there is no such table. Sets that
/// were not made here are left out.
pub(super) fn sets(socket: &mut Socket) -> Result<Vec<(SetName, Kind)>, Errno> {
    Ok(named(socket)?.into_iter().filter_map(|(set, kind, fits)| fits.then_some((set, kind))).collect())
}

/// Sets that have names of the engine's and were made otherwise: none of its
/// elements fits there.
pub(super) fn unfit(socket: &mut Socket) -> Result<Vec<(SetName, Kind)>, Errno> {
    Ok(named(socket)?.into_iter().filter_map(|(set, kind, fits)| (!fits).then_some((set, kind))).collect())
}

/// The sets that have names of the engine's, and whether they were made like
/// its own.
fn named(socket: &mut Socket) -> Result<Vec<(SetName, Kind, bool)>, Errno> {
    let in_table = |m: &mut Outbox| m.name(schema::SET_TABLE, schema::TABLE);
    let whole = |_: &mut [_]| true;
    dump(socket, schema::GET_SET, in_table, whole, |attributes, found| {
        // Kernels that know no filter list the sets of all tables.
        if netlink::find_name(attributes, schema::SET_TABLE) == Some(schema::TABLE) {
            let named = netlink::find_name(attributes, schema::SET_NAME).and_then(Kind::parse);
            found.extend(named.map(|(set, kind)| (set, kind, kind.is_shape_of(attributes))));
        }
    })
}

/// The flags of a table, and the socket that owns it; `None`: there is no such
/// table.
pub(crate) fn table(socket: &mut Socket, name: &str) -> Result<Option<(u32, Option<u32>)>, Errno> {
    let mut found = None;
    let asked = socket.ask(
        schema::GET_TABLE,
        &HEADER,
        |m| m.name(schema::TABLE_NAME, name),
        |message| {
            let attributes = message.payload.get(HEADER.len()..).unwrap_or_default();
            let number = |kind| Some(u32::from_be_bytes(netlink::find(attributes, kind)?.try_into().ok()?));
            found = Some((number(schema::TABLE_FLAGS).unwrap_or_default(), number(schema::TABLE_OWNER)));
        },
    );
    match asked {
        Ok(()) => Ok(found),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Chains that have names of the engine's and were made otherwise: its rules do
/// nothing there.
pub(super) fn unfit_chains(socket: &mut Socket) -> Result<Vec<&'static str>, Errno> {
    let in_table = |m: &mut Outbox| m.name(schema::CHAIN_TABLE, schema::TABLE);
    let whole = |_: &mut [_]| true;
    dump(socket, schema::GET_CHAIN, in_table, whole, |attributes, found| {
        found.extend(schema::unfit_chain(attributes));
    })
}

/// The elements of one set with what remains of their timeouts, none if there
/// is no such set. Ranges that are no networks come as the networks they
/// consist of. Addresses that somebody else's comment says are not the
/// engine's are left out.
pub(super) fn elements(socket: &mut Socket, set: &SetName, kind: Kind) -> Result<Vec<Item>, Errno> {
    let name = kind.name(set);
    let of_set = |m: &mut Outbox| {
        m.name(schema::ELEMENTS_TABLE, schema::TABLE);
        m.name(schema::ELEMENTS_SET, &name);
    };
    let found = dump(socket, schema::GET_ELEMENT, of_set, sorted_whole, |attributes, found| {
        found.extend(points(attributes));
    })?;
    if kind.holds_networks() {
        Ok(networks(found, kind.is_ipv4()))
    } else {
        let addresses = found.into_iter().filter(|point| point.comment != Comment::Foreign);
        Ok(addresses.map(|point| point.item(Prefix::from(Address::from(point.address)))).collect())
    }
}

/// One address of a set; `None`: it is not there, or is somebody else's.
pub(super) fn address(socket: &mut Socket, set: &SetName, prefix: Prefix) -> Result<Option<Item>, Errno> {
    let mut found = None;
    let asked = socket.ask(
        schema::GET_ELEMENT,
        &HEADER,
        |m| {
            m.name(schema::ELEMENTS_TABLE, schema::TABLE);
            m.name(schema::ELEMENTS_SET, &Kind::of(prefix).name(set));
            m.nest(schema::ELEMENTS, |m| transaction::element(m, Kind::of(prefix), Item::bare(prefix)));
        },
        |message| found = points(message.payload.get(HEADER.len()..).unwrap_or_default()).next(),
    );
    match asked {
        Ok(()) => Ok(found.filter(|point| point.comment != Comment::Foreign).map(|point| point.item(prefix))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// The rules of the engine's table, as chain and set that is asked.
pub(super) fn rules(socket: &mut Socket) -> Result<Vec<(String, String)>, Errno> {
    const RULE_TABLE: u16 = 1;
    let in_table = |m: &mut Outbox| m.name(RULE_TABLE, schema::TABLE);
    dump(
        socket,
        schema::GET_RULE,
        in_table,
        |_| true,
        |attributes, found| {
            found.extend(schema::rule_of(attributes));
        },
    )
}

/// How often the tables of this host were changed, by whomever.
pub(super) fn generation(socket: &mut Socket) -> Result<u32, Errno> {
    const ID: u16 = 1;
    let mut found = None;
    socket.ask(
        schema::GET_GENERATION,
        &[0; 4],
        |_| (),
        |message| {
            let attributes = message.payload.get(HEADER.len()..).unwrap_or_default();
            found =
                netlink::find(attributes, ID).and_then(|id| Some(u32::from_be_bytes(id.try_into().ok()?)));
        },
    )?;
    found.ok_or(Errno::NODATA)
}

/// What a message about elements of the engine's table names: the set, and the
/// addresses in it; `None` for a network, of which one end says little.
pub(crate) fn touched(attributes: &[u8]) -> Option<(SetName, Vec<Prefix>)> {
    let (set, kind) = Kind::parse(netlink::find_name(attributes, schema::ELEMENTS_SET)?)?;
    let addresses = points(attributes).map(|point| Prefix::from(Address::from(point.address)));
    (!kind.holds_networks()).then(|| (set, addresses.collect()))
}

/// The elements that a message lists.
fn points(attributes: &[u8]) -> impl Iterator<Item = Point> {
    let list = netlink::find(attributes, schema::ELEMENTS).unwrap_or_default();
    netlink::attributes(list).filter_map(|(_, element)| point(element))
}

/// All messages of a dump, read by `each`; again when it was interrupted or is
/// not `whole`.
fn dump<T>(
    socket: &mut Socket,
    kind: u16,
    body: impl Fn(&mut Outbox),
    whole: impl Fn(&mut [T]) -> bool,
    each: impl Fn(&[u8], &mut Vec<T>),
) -> Result<Vec<T>, Errno> {
    for _ in 0..ATTEMPTS {
        let mut found = Vec::new();
        let dumped = socket.dump(kind, &HEADER, &body, |message| {
            each(message.payload.get(HEADER.len()..).unwrap_or_default(), &mut found);
        });
        match dumped {
            Ok(()) if whole(&mut found) => return Ok(found),
            Ok(()) | Err(Errno::INTR) => {}
            Err(Errno::NOENT) => return Ok(Vec::new()),
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::INTR)
}

/// One element as the kernel keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    address: IpAddr,
    /// It is the first address behind an interval.
    end: bool,
    remaining: Option<Duration>,
    comment: Comment,
}

impl Point {
    fn item(&self, prefix: Prefix) -> Item {
        Item { prefix, timeout: self.remaining, entry: self.comment.entry() }
    }
}

/// Sorts elements, and says whether each is there once. The kernel goes on in a
/// dump by position: when it enlarged the set meanwhile, it lists some elements
/// twice and others not at all, and does not tell.
fn sorted_whole(points: &mut [Point]) -> bool {
    // Where one interval ends and the next begins, the end comes first.
    let key = |point: &Point| (value(point.address), !point.end);
    points.sort_unstable_by_key(key);
    points.is_sorted_by(|a, b| key(a) < key(b))
}

fn point(element: &[u8]) -> Option<Point> {
    let key = netlink::find(netlink::find(element, schema::ELEMENT_KEY)?, schema::VALUE)?;
    let address = match key.len() {
        4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(key).ok()?)),
        _ => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(key).ok()?)),
    };
    let flags = netlink::find(element, schema::ELEMENT_FLAGS).and_then(|f| f.try_into().ok());
    let timeout = netlink::find(element, schema::ELEMENT_EXPIRATION)
        .or_else(|| netlink::find(element, schema::ELEMENT_TIMEOUT))
        .and_then(|t| t.try_into().ok());
    Some(Point {
        address,
        end: flags.is_some_and(|f| u32::from_be_bytes(f) & schema::INTERVAL_END != 0),
        remaining: timeout.map(|t| Duration::from_millis(u64::from_be_bytes(t))),
        comment: netlink::find(element, schema::ELEMENT_USERDATA).map_or(Comment::None, Comment::in_userdata),
    })
}

/// The networks between beginnings and ends, which are sorted.
fn networks(points: Vec<Point>, is_ipv4: bool) -> Vec<Item> {
    let bits = if is_ipv4 { 32 } else { 128 };
    let highest = u128::MAX >> (128 - bits);
    let mut found = Vec::new();
    let mut open: Option<(u128, Point)> = None;
    for point in points {
        let at = value(point.address);
        if let (Some((first, of)), Some(last)) = (open.take(), at.checked_sub(1)) {
            split(first, last, bits, |prefix| found.push(of.item(prefix)));
        }
        if !point.end {
            open = Some((at, point));
        }
    }
    if let Some((first, of)) = open {
        split(first, highest, bits, |prefix| found.push(of.item(prefix)));
    }
    found
}

/// The fewest networks that make up the addresses `first` to `last`.
fn split(mut first: u128, last: u128, bits: u32, mut each: impl FnMut(Prefix)) {
    while first <= last {
        // As wide as the first address is aligned and as the rest is long.
        let aligned = first.trailing_zeros().min(bits);
        let length_of_rest = (last - first).checked_add(1).map_or(bits, u128::ilog2);
        let host_bits = aligned.min(length_of_rest);
        let length = u8::try_from(bits - host_bits).unwrap_or(u8::MAX);
        if let Some(prefix) = Prefix::new(Address::from(address_of(first, bits)), length) {
            each(prefix);
        }
        let Some(next) = 1u128.checked_shl(host_bits).and_then(|size| first.checked_add(size)) else { break };
        first = next;
    }
}

fn value(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn address_of(value: u128, bits: u32) -> IpAddr {
    match u32::try_from(value) {
        Ok(v4) if bits == 32 => IpAddr::V4(v4.into()),
        _ => IpAddr::V6(value.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn read(points: &[(&str, bool)]) -> Vec<String> {
        let is_ipv4 = !points.iter().any(|(address, _)| address.contains(':'));
        let mut points: Vec<_> = points
            .iter()
            .map(|(address, end)| Point {
                address: address.parse().unwrap(),
                end: *end,
                remaining: None,
                comment: Comment::None,
            })
            .collect();
        assert!(sorted_whole(&mut points));
        networks(points, is_ipv4).into_iter().map(|item| item.prefix.to_string()).collect()
    }

    #[test]
    fn intervals_are_networks_again() {
        assert_eq!(read(&[("192.0.2.0", false), ("192.0.3.0", true)]), ["192.0.2.0/24"]);
        // Neighbours; the kernel lists from the end.
        assert_eq!(
            read(&[("192.0.3.0", true), ("192.0.2.128", false), ("192.0.2.128", true), ("192.0.2.0", false)]),
            ["192.0.2.0/25", "192.0.2.128/25"]
        );
        assert_eq!(read(&[("255.255.255.0", false)]), ["255.255.255.0/24"]);
        assert_eq!(read(&[("2001:db8::", false), ("2001:db8:1::", true)]), ["2001:db8::/48"]);
        assert_eq!(read(&[("ff00::", false)]), ["ff00::/8"]);
        // The end that nft puts before the first interval, or of an expired one.
        assert_eq!(read(&[("0.0.0.0", true), ("192.0.2.0", true)]), Vec::<String>::new());
        assert_eq!(read(&[("0.0.0.0", false)]), ["0.0.0.0/0"]);
    }

    #[test]
    fn ranges_of_others_are_split() {
        assert_eq!(
            read(&[("192.0.2.5", false), ("192.0.2.17", true)]),
            ["192.0.2.5", "192.0.2.6/31", "192.0.2.8/29", "192.0.2.16"]
        );
    }

    #[test]
    fn a_dump_that_repeats_itself_is_not_whole() {
        let point = |last| Point {
            address: [192, 0, 2, last].into(),
            end: false,
            remaining: None,
            comment: Comment::None,
        };
        assert!(sorted_whole(&mut [point(3), point(1), point(2)]));
        assert!(!sorted_whole(&mut [point(3), point(1), point(3)]));
    }
}
