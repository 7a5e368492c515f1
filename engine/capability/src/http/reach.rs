//! Which addresses are not of the public network.
//!
//! After the registries of special-purpose addresses (RFC 6890 and IANA's lists
//! of it). An address of IPv6 that stands for one of IPv4 is that one: else a
//! private address would only need another spelling.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use riposte_policy::grant::PrivateNetworks;

/// What an address is, as a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Reach {
    /// Of the public network.
    Public,
    /// Of a network that only `private="yes"` opens: what it is.
    Private(&'static str),
    /// Where a cloud tells its machines their secrets: opened by `private="yes"`
    /// and by naming exactly this address.
    Metadata,
    /// No destination at all: what it is.
    Never(&'static str),
}

/// Amazon, Google, Azure and others; Amazon's containers and pods; Alibaba;
/// Azure's WireServer, whose address looks like any public one; Oracle;
/// Amazon's over IPv6, and Google's.
const METADATA: [IpAddr; 9] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

const V4: [(Ipv4Addr, u8, Reach); 18] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, Reach::Never("unspecified")),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Reach::Private("private")),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Reach::Private("shared by a provider (CGNAT)")),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Reach::Private("loopback")),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Reach::Private("link-local")),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Reach::Private("private")),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Reach::Private("reserved for protocols")),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Reach::Private("for documentation")),
    (Ipv4Addr::new(192, 31, 196, 0), 24, Reach::Private("reserved for protocols")),
    (Ipv4Addr::new(192, 52, 193, 0), 24, Reach::Private("reserved for protocols")),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Reach::Private("a 6to4 relay")),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Reach::Private("private")),
    (Ipv4Addr::new(192, 175, 48, 0), 24, Reach::Private("reserved for protocols")),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Reach::Private("for benchmarks")),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Reach::Private("for documentation")),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Reach::Private("for documentation")),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Reach::Never("multicast")),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Reach::Never("reserved")),
];

const V6: [(Ipv6Addr, u8, Reach); 11] = [
    (Ipv6Addr::UNSPECIFIED, 128, Reach::Never("unspecified")),
    (Ipv6Addr::LOCALHOST, 128, Reach::Private("loopback")),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Reach::Never("multicast")),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Reach::Private("private (unique local)")),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Reach::Private("link-local")),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, Reach::Private("private (site-local)")),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Reach::Private("a local NAT64 prefix")),
    // Teredo, benchmarks, ORCHID and the rest of the protocols' block: the
    // addresses within that route by themselves serve no web server.
    (
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),
        23,
        Reach::Private("reserved for protocols (Teredo and others)"),
    ),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Reach::Private("for documentation")),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Reach::Private("for documentation")),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48, Reach::Private("reserved for protocols")),
];

/// What `address` is.
pub fn reach(address: IpAddr) -> Reach {
    if METADATA.contains(&address) {
        return Reach::Metadata;
    }
    match address {
        IpAddr::V4(v4) => within_v4(v4),
        IpAddr::V6(v6) => match embedded(v6) {
            Some(v4) => reach(IpAddr::V4(v4)),
            None => within_v6(v6),
        },
    }
}

/// Whether a grant with these words opens `address`; `literal` says that the
/// grant names this address and no name. The error says what it is.
///
/// # Errors
///
/// What the address is, and what would open it.
pub fn opened(address: IpAddr, private: PrivateNetworks, literal: bool) -> Result<(), String> {
    match reach(address) {
        Reach::Public => Ok(()),
        Reach::Never(what) => Err(format!("{address} is {what}: no request goes there")),
        Reach::Metadata if literal && private == PrivateNetworks::Allowed => Ok(()),
        Reach::Metadata => Err(format!(
            "{address} is where a cloud tells its machines their secrets: only <http host=\"{address}\" private=\"yes\"/> opens it"
        )),
        Reach::Private(_) if private == PrivateNetworks::Allowed => Ok(()),
        Reach::Private(what) => Err(format!(
            "{address} is {what}: if the command is to reach it, add private=\"yes\" to its <http> grant"
        )),
    }
}

fn within_v4(v4: Ipv4Addr) -> Reach {
    let inside = |network: Ipv4Addr, length: u8| {
        let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
        u32::from(v4) & mask == u32::from(network)
    };
    V4.iter()
        .find(|(network, length, _)| inside(*network, *length))
        .map_or(Reach::Public, |(.., reach)| *reach)
}

fn within_v6(v6: Ipv6Addr) -> Reach {
    let inside = |network: Ipv6Addr, length: u8| {
        let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
        u128::from(v6) & mask == u128::from(network)
    };
    match V6.iter().find(|(network, length, _)| inside(*network, *length)) {
        Some((.., reach)) => *reach,
        // Nothing outside of 2000::/3 is given to the public network.
        None if v6.octets().first().is_some_and(|first| first >> 5 == 1) => Reach::Public,
        None => Reach::Private("not of the public network"),
    }
}

/// The address of IPv4 that one of IPv6 stands for: mapped `::ffff:0:0/96`,
/// translated `::ffff:0:0:0/96`, compatible `::/96`, NAT64 `64:ff9b::/96` (RFC
/// 6052), 6to4 `2002::/16`.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_known_in_every_spelling() {
        let public = [
            "1.1.1.1",
            "93.184.216.34",
            "172.32.0.1",
            "192.169.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
        ];
        for text in public {
            assert_eq!(reach(text.parse().unwrap()), Reach::Public, "{text}");
        }
        let special = [
            "127.0.0.1",
            "127.255.255.255",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.255.1",
            "169.254.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "239.255.255.250",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "198.18.0.1",
            "198.19.255.255",
            "192.88.99.1",
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
            "64:ff9b:1::1",
            "5f00::1",
            "4000::1",
            "::2",
        ];
        for text in special {
            assert_ne!(reach(text.parse().unwrap()), Reach::Public, "{text}");
        }
        for private in ["127.0.0.1", "10.1.2.3", "192.168.0.9", "169.254.169.254", "0.0.0.0"] {
            let v4: Ipv4Addr = private.parse().unwrap();
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for spelling in [
                format!("::ffff:{private}"),
                format!("::ffff:0:{private}"),
                format!("64:ff9b::{private}"),
                format!("2002:{high:x}:{low:x}::1"),
            ] {
                assert_eq!(reach(spelling.parse().unwrap()), reach(v4.into()), "{spelling}");
            }
        }
        assert_eq!(reach("64:ff9b::1.1.1.1".parse().unwrap()), Reach::Public);
        assert_eq!(reach("::127.0.0.1".parse().unwrap()), Reach::Private("loopback"));
    }

    #[test]
    fn a_grant_opens_what_it_says_and_no_more() {
        use PrivateNetworks::{Allowed, Refused};
        for (address, private, literal, open) in [
            ("1.1.1.1", Refused, false, true),
            ("127.0.0.1", Refused, true, false),
            ("127.0.0.1", Allowed, false, true),
            ("169.254.169.254", Allowed, false, false),
            ("169.254.169.254", Refused, true, false),
            ("169.254.169.254", Allowed, true, true),
            ("::ffff:169.254.169.254", Allowed, false, false),
            ("224.0.0.1", Allowed, true, false),
            ("0.0.0.0", Allowed, true, false),
        ] {
            assert_eq!(
                opened(address.parse().unwrap(), private, literal).is_ok(),
                open,
                "{address} {private:?} {literal}"
            );
        }
    }
}
