//! The expressions of an isolation's rules, as the kernel's messages have them.

use super::nftables::in_family;
use crate::firewall::nftables::schema::{self, Kind};
use crate::netlink::Outbox;

pub(super) const IPV4: u8 = 2;
pub(super) const IPV6: u8 = 10;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
const ICMP6: u8 = 58;
pub(super) const DROP: u32 = 0;
pub(super) const ACCEPT: u32 = 1;
/// Keys of `meta`: kind of the interface inward and outward, family, protocol.
const META_INWARD: u32 = 8;
const META_OUTWARD: u32 = 9;
pub(super) const META_FAMILY: u32 = 15;
const META_PROTOCOL: u32 = 16;
/// `ARPHRD_LOOPBACK`.
const LOOPBACK: u16 = 772;
/// Headers that `payload` reads from.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;

pub(super) fn loopback(m: &mut Outbox, inward: bool) {
    is(m, if inward { META_INWARD } else { META_OUTWARD }, &LOOPBACK.to_ne_bytes());
}

/// The other machine's address is in a set.
pub(super) fn peer_in(m: &mut Outbox, inward: bool, kind: Kind, set: &str) {
    let (family, offset, length) = match (kind == Kind::Networks4, inward) {
        (true, true) => (IPV4, 12, 4),
        (true, false) => (IPV4, 16, 4),
        (false, true) => (IPV6, 8, 16),
        (false, false) => (IPV6, 24, 16),
    };
    is(m, META_FAMILY, &[family]);
    payload(m, NETWORK, offset, length);
    lookup(m, &in_family(set, kind));
}

pub(super) fn their_port(m: &mut Outbox, inward: bool, protocol: u8, port: u16) {
    is(m, META_PROTOCOL, &[protocol]);
    payload(m, TRANSPORT, if inward { 0 } else { 2 }, 2);
    compare(m, 0, &port.to_be_bytes());
}

pub(super) fn our_port(m: &mut Outbox, inward: bool, port: u16) {
    payload(m, TRANSPORT, if inward { 2 } else { 0 }, 2);
    compare(m, 0, &port.to_be_bytes());
}

pub(super) fn icmp6(m: &mut Outbox, first: u8, last: u8) {
    is(m, META_FAMILY, &[IPV6]);
    is(m, META_PROTOCOL, &[ICMP6]);
    payload(m, TRANSPORT, 0, 1);
    // At least, at most.
    compare(m, 5, &[first]);
    compare(m, 3, &[last]);
}

pub(super) fn is(m: &mut Outbox, key: u32, value: &[u8]) {
    meta(m, key);
    compare(m, 0, value);
}

pub(super) fn meta(m: &mut Outbox, key: u32) {
    expression(m, "meta", |m| {
        m.number(1, 1);
        m.number(2, key);
    });
}

fn payload(m: &mut Outbox, base: u32, offset: u32, length: u32) {
    expression(m, "payload", |m| {
        m.number(1, 1);
        m.number(2, base);
        m.number(3, offset);
        m.number(4, length);
    });
}

fn compare(m: &mut Outbox, how: u32, value: &[u8]) {
    expression(m, "cmp", |m| {
        m.number(1, 1);
        m.number(2, how);
        m.nest(3, |m| m.put(schema::VALUE, value));
    });
}

pub(super) fn lookup(m: &mut Outbox, set: &str) {
    expression(m, "lookup", |m| {
        m.name(1, set);
        m.number(2, 1);
    });
}

pub(super) fn verdict(m: &mut Outbox, code: u32) {
    expression(m, "immediate", |m| {
        m.number(1, 0);
        m.nest(2, |m| m.nest(2, |m| m.number(1, code)));
    });
}

pub(super) fn expression(m: &mut Outbox, name: &str, data: impl FnOnce(&mut Outbox)) {
    m.nest(schema::LIST_ITEM, |m| {
        m.name(1, name);
        m.nest(2, data);
    });
}
