//! IPv6 addresses that stand for an IPv4 address.
//!
//! Packets for `2002:c000:207::1` end at 192.0.2.7, whatever the text looks
//! like. Who protects an IPv4 address has to know every such form; who wants
//! to block one may not hide it in a prefix either.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::{Address, Prefix};

/// A way to write an IPv4 address within an IPv6 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Its name, for people: `6to4`.
    pub name: &'static str,
    /// The bits that all its addresses share, and which bits those are.
    base: u128,
    mask: u128,
    /// Where the bits of the IPv4 address stand, most significant first: first
    /// bit, counted from the left, and how many.
    field: [(u8, u8); 2],
    /// What the IPv4 address is combined with before it is written.
    flipped: u32,
    /// Prefixes of at most this length hold such addresses without meaning them.
    beyond: u8,
}

/// All forms that are in use or were, and are still routed somewhere.
///
/// * RFC 4291 §2.5.5: IPv4-compatible and IPv4-mapped. RFC 2765 §2.1:
///   IPv4-translated.
/// * RFC 3056: 6to4. RFC 4380: Teredo, where the client's address is inverted.
/// * RFC 6052 §2.2: NAT64 with the well-known prefix; RFC 8215: with a prefix
///   of one's own in `64:ff9b:1::/48`, in each of the lengths that it leaves.
///   The bits behind the IPv4 address are zero, which tells the lengths apart.
/// * RFC 5214 §6.1: ISATAP, an interface identifier in any network. It leads to
///   the IPv4 address only over a link in that network, on which this host has
///   an address then: so networks, which hold identifiers of all kinds, are not
///   judged by it; what is narrower than /64 is.
pub const FORMS: [Form; 12] = [
    form("IPv4-compatible", 0, 96, [(96, 32), (0, 0)]),
    form("IPv4-mapped", 0xffff << 32, 96, [(96, 32), (0, 0)]),
    form("IPv4-translated", 0xffff << 48, 96, [(96, 32), (0, 0)]),
    form("6to4", 0x2002 << 112, 16, [(16, 32), (0, 0)]),
    Form { flipped: u32::MAX, ..form("Teredo", 0x2001 << 112, 32, [(96, 32), (0, 0)]) },
    form("NAT64", 0x0064_ff9b << 96, 96, [(96, 32), (0, 0)]),
    local("local NAT64 (/48)", [(48, 16), (72, 16)], (1 << 40) - 1),
    local("local NAT64 (/56)", [(56, 8), (72, 24)], (1 << 32) - 1),
    local("local NAT64 (/64)", [(72, 32), (0, 0)], (1 << 24) - 1),
    local("local NAT64 (/96)", [(96, 32), (0, 0)], 0),
    isatap("ISATAP", 0x0000_5efe),
    isatap("ISATAP (global)", 0x0200_5efe),
];

const fn form(name: &'static str, base: u128, length: u32, field: [(u8, u8); 2]) -> Form {
    Form { name, base, mask: u128::MAX << (128 - length), field, flipped: 0, beyond: 0 }
}

/// A form below `64:ff9b:1::/48`. Bits 64 to 71 are zero where the address
/// stands around them, and so are those behind it.
const fn local(name: &'static str, field: [(u8, u8); 2], behind: u128) -> Form {
    let middle = if behind == 0 { 0 } else { 0xff << 56 };
    let mask = (u128::MAX << 80) | middle | behind;
    Form { name, base: 0x0064_ff9b_0001 << 80, mask, field, flipped: 0, beyond: 0 }
}

const fn isatap(name: &'static str, middle: u128) -> Form {
    let mask = 0xffff_ffff << 32;
    Form { name, base: middle << 32, mask, field: [(96, 32), (0, 0)], flipped: 0, beyond: 64 }
}

impl Form {
    /// The IPv4 addresses that addresses in `prefix` stand for in this form;
    /// `None`: none does, or it is a prefix of IPv4 itself.
    #[must_use]
    pub fn read(&self, prefix: Prefix) -> Option<Prefix> {
        let IpAddr::V6(v6) = prefix.network().ip() else { return None };
        let (bits, length) = (u128::from(v6), u32::from(prefix.length()));
        let given = u128::MAX.checked_shl(128_u32.checked_sub(length)?).unwrap_or(0);
        if (bits ^ self.base) & self.mask & given != 0 || prefix.length() <= self.beyond {
            return None;
        }
        let (mut v4, mut known) = (0_u32, 0_u8);
        for at in self.places() {
            let bit = bits.checked_shr(127_u32.checked_sub(u32::from(at))?)? & 1;
            v4 = (v4 << 1) | u32::from(bit == 1);
            known += u8::from(u32::from(at) < length);
        }
        Prefix::new(Address::from(IpAddr::V4(Ipv4Addr::from(v4 ^ self.flipped))), known)
    }

    /// `v4` in this form, with zeros wherever the form leaves a choice.
    #[must_use]
    pub fn write(&self, v4: Ipv4Addr) -> Ipv6Addr {
        let mut rest = u32::from(v4) ^ self.flipped;
        let mut bits = self.base;
        for at in self.places() {
            if rest & (1 << 31) != 0 {
                bits |= (1 << 127_u32) >> u32::from(at);
            }
            rest <<= 1;
        }
        Ipv6Addr::from(bits)
    }

    /// Where the 32 bits of the IPv4 address stand.
    fn places(&self) -> impl Iterator<Item = u8> + use<> {
        self.field.into_iter().flat_map(|(start, count)| (0..count).map(move |n| start.saturating_add(n)))
    }
}

/// What addresses in `prefix` stand for, in each form that fits.
pub fn embedded(prefix: Prefix) -> impl Iterator<Item = (&'static str, Prefix)> {
    FORMS.iter().filter_map(move |form| Some((form.name, form.read(prefix)?)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<String> {
        embedded(text.parse().unwrap()).map(|(name, v4)| format!("{name} {v4}")).collect()
    }

    #[test]
    fn addresses_as_their_documents_write_them() {
        for (text, expected) in [
            // RFC 3056, RFC 6052 §2.4, RFC 4380 §4, RFC 5214.
            ("2002:c000:207::1", "6to4 192.0.2.7"),
            ("::ffff:0:192.0.2.7", "IPv4-translated 192.0.2.7"),
            ("64:ff9b::192.0.2.33", "NAT64 192.0.2.33"),
            ("64:ff9b:1:c000:2:2100::", "local NAT64 (/48) 192.0.2.33"),
            ("64:ff9b:1:aac0:0:221::", "local NAT64 (/56) 192.0.2.33"),
            ("64:ff9b:1:aabb:c0:2:2100:0", "local NAT64 (/64) 192.0.2.33"),
            ("64:ff9b:1:aabb:ccdd:eeff:192.0.2.33", "local NAT64 (/96) 192.0.2.33"),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo 192.0.2.45"),
            ("fe80::5efe:192.0.2.7", "ISATAP 192.0.2.7"),
            ("2001:db8:1:2:200:5efe:c000:207", "ISATAP (global) 192.0.2.7"),
        ] {
            assert!(read(text).contains(&expected.to_owned()), "{text}: {:?}", read(text));
        }
        for text in ["2001:db8::7", "2003:c000:207::1", "fe80::1", "2001:1::1", "192.0.2.7", "64:ff9c::1"] {
            assert_eq!(read(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn prefixes_stand_for_prefixes() {
        assert_eq!(read("2002:c000:200::/40"), ["6to4 192.0.2.0/24"]);
        assert_eq!(read("2002::/16"), ["6to4 0.0.0.0/0"]);
        assert_eq!(read("2002:c000:207::/48"), ["6to4 192.0.2.7"]);
        assert_eq!(read("64:ff9b::192.0.2.0/120"), ["NAT64 192.0.2.0/24"]);
        assert!(read("::/80").contains(&"IPv4-mapped 0.0.0.0/0".to_owned()));
        // A network holds identifiers of every kind.
        assert_eq!(read("2001:db8:1:2::/64"), [""; 0]);
        assert_eq!(read("2001:db8:1:2:0:5efe::/96"), ["ISATAP 0.0.0.0/0"]);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(v4: u32, which in 0..FORMS.len(), length in 65_u8..=128) {
            let form = FORMS[which];
            let written = Prefix::from(Address::from(IpAddr::V6(form.write(v4.into()))));
            // The standard's own forms are IPv4 addresses as soon as they are read.
            prop_assume!(written.network().ip().is_ipv6());
            let v4 = Prefix::from(Address::from(IpAddr::V4(v4.into())));
            prop_assert_eq!(form.read(written), Some(v4));
            let wider = Prefix::new(written.network(), length).unwrap();
            prop_assert!(form.read(wider).unwrap().contains(v4));
        }
    }
}
