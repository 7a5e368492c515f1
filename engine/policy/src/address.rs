//! Addresses and prefixes, parsed once at the boundary.
//!
//! Alert text is hostile: `010.0.0.1`, `::ffff:127.0.0.1`, `[::1]` and
//! `127.1` all mean an address to some reader. Only the canonical spellings
//! of RFC 4632 and RFC 5952 become an [`Address`] here, and each address has
//! one value however it was spelt.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// One IPv4 or IPv6 address. An IPv4 address inside an IPv6 one (mapped,
/// `::ffff:a.b.c.d`, or compatible, `::a.b.c.d`) is the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(IpAddr);

impl Address {
    /// The address as the standard library has it.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        self.0
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        let IpAddr::V6(v6) = ip else { return Self(ip) };
        let compatible = || {
            let [a, b, c, d, e, f, g, h] = v6.segments();
            let embedded = (u32::from(g) << 16) | u32::from(h);
            // `::` and `::1` are addresses of IPv6 itself, not 0.0.0.0 and 0.0.0.1.
            ([a, b, c, d, e, f] == [0; 6] && embedded > 1).then(|| Ipv4Addr::from(embedded))
        };
        match v6.to_ipv4_mapped().or_else(compatible) {
            Some(v4) => Self(IpAddr::V4(v4)),
            None => Self(ip),
        }
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        // std refuses octal, hexadecimal, short forms, zones, brackets and blanks.
        IpAddr::from_str(text).map(Self::from).map_err(|_| NotAnAddress::new(text))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A network: an address and how many of its leading bits count. The other
/// bits are zero. A full-length prefix stands for one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    network: Address,
    length: u8,
}

impl Prefix {
    /// The prefix of `length` bits that holds `address`; `None` when the
    /// address has fewer bits than that.
    #[must_use]
    pub fn new(address: Address, length: u8) -> Option<Self> {
        let network = match address.0 {
            IpAddr::V4(v4) => {
                let host_bits = 32u32.checked_sub(u32::from(length))?;
                let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
            }
            IpAddr::V6(v6) => {
                let host_bits = 128u32.checked_sub(u32::from(length))?;
                let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
            }
        };
        Some(Self { network: Address(network), length })
    }

    /// The first address of the network.
    #[must_use]
    pub fn network(self) -> Address {
        self.network
    }

    /// How many leading bits count: 0 to 32 for IPv4, 0 to 128 for IPv6.
    #[must_use]
    pub fn length(self) -> u8 {
        self.length
    }

    /// The one address that a full-length prefix stands for.
    #[must_use]
    pub fn single(self) -> Option<Address> {
        let full = if self.network.0.is_ipv4() { 32 } else { 128 };
        (self.length == full).then_some(self.network)
    }

    /// Its two halves; `None` for one address.
    #[must_use]
    pub fn halves(self) -> Option<[Self; 2]> {
        let length = self.length.checked_add(1)?;
        let last = match self.network.0 {
            IpAddr::V4(v4) => {
                let bit = 1u32.checked_shl(32u32.checked_sub(u32::from(length))?)?;
                IpAddr::V4(Ipv4Addr::from(u32::from(v4) | bit))
            }
            IpAddr::V6(v6) => {
                let bit = 1u128.checked_shl(128u32.checked_sub(u32::from(length))?)?;
                IpAddr::V6(Ipv6Addr::from(u128::from(v6) | bit))
            }
        };
        Some([Self { network: self.network, length }, Self { network: Address(last), length }])
    }

    /// Whether every address of `other` is in this network.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        other.length >= self.length && Self::new(other.network, self.length) == Some(self)
    }
}

impl From<Address> for Prefix {
    fn from(address: Address) -> Self {
        let length = if address.0.is_ipv4() { 32 } else { 128 };
        Self { network: address, length }
    }
}

impl FromStr for Prefix {
    type Err = NotAnAddress;

    /// `192.0.2.0/24`, `2001:db8::/32`, or a plain address. Bits beyond the
    /// length are dropped. `10.0.0.0/255.0.0.0`, which Wazuh's `white_list`
    /// takes, is read too.
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let wrong = || NotAnAddress::new(text);
        let Some((address, length)) = text.split_once('/') else {
            return Ok(Self::from(Address::from_str(text)?));
        };
        let ip = IpAddr::from_str(address).map_err(|_| wrong())?;
        let length = match Ipv4Addr::from_str(length) {
            Ok(mask) if ip.is_ipv4() => mask_length(mask).ok_or_else(wrong)?,
            Ok(_) => return Err(wrong()),
            Err(_) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
                length.parse().map_err(|_| wrong())?
            }
            Err(_) => return Err(wrong()),
        };
        let address = Address::from(ip);
        // A prefix of mapped IPv6 addresses is one of IPv4 addresses.
        let length = match (ip, address.0) {
            (IpAddr::V6(_), IpAddr::V4(_)) => length.checked_sub(96).ok_or_else(wrong)?,
            _ => length,
        };
        Self::new(address, length).ok_or_else(wrong)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.single() {
            Some(address) => address.fmt(f),
            None => write!(f, "{}/{}", self.network, self.length),
        }
    }
}

/// The length of a netmask whose ones are all on the left.
fn mask_length(mask: Ipv4Addr) -> Option<u8> {
    let bits = u32::from(mask);
    let length = bits.leading_ones();
    (bits.checked_shl(length).unwrap_or(0) == 0).then_some(())?;
    u8::try_from(length).ok()
}

/// The text is not an address or prefix in canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnAddress(String);

impl NotAnAddress {
    fn new(text: &str) -> Self {
        Self(crate::diagnostic::shown(text))
    }
}

impl fmt::Display for NotAnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not an IP address such as 192.0.2.7 or 2001:db8::7", self.0)
    }
}

impl std::error::Error for NotAnAddress {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn one_value_for_every_spelling() {
        let plain: Address = "192.0.2.7".parse().unwrap();
        for spelling in ["::ffff:192.0.2.7", "::ffff:c000:207", "::192.0.2.7"] {
            assert_eq!(spelling.parse::<Address>().unwrap(), plain, "{spelling}");
        }
        assert_eq!("2001:DB8:0::7".parse::<Address>().unwrap().to_string(), "2001:db8::7");
        assert_eq!("::1".parse::<Address>().unwrap().to_string(), "::1");
    }

    #[test]
    fn ambiguous_spellings_are_refused() {
        for text in [
            "",
            " 192.0.2.7",
            "192.0.2.7 ",
            "010.0.0.1",
            "0x7f.0.0.1",
            "127.1",
            "1",
            "[::1]",
            "fe80::1%lo",
            "192.0.2.7.",
            "192.0.2.7/32",
            "host",
            "-j ACCEPT",
            "$SRC_IP",
            "192.0.2.7\n",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn prefixes_have_halves() {
        let halves = |text: &str| {
            text.parse::<Prefix>().unwrap().halves().map(|halves| halves.map(|half| half.to_string()))
        };
        assert_eq!(halves("192.0.2.0/24"), Some(["192.0.2.0/25".into(), "192.0.2.128/25".into()]));
        assert_eq!(halves("192.0.2.6/31"), Some(["192.0.2.6".into(), "192.0.2.7".into()]));
        assert_eq!(halves("::/0"), Some(["::/1".into(), "8000::/1".into()]));
        assert_eq!((halves("192.0.2.7"), halves("2001:db8::7")), (None, None));
    }

    #[test]
    fn prefixes_hold_their_addresses() {
        let net: Prefix = "192.0.2.129/25".parse().unwrap();
        assert_eq!(net.to_string(), "192.0.2.128/25");
        assert!(net.contains("192.0.2.200".parse().unwrap()));
        assert!(!net.contains("192.0.2.1".parse().unwrap()));
        assert!(!net.contains("192.0.2.0/24".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Prefix>().unwrap().contains(net));
        assert!(!"::/0".parse::<Prefix>().unwrap().contains(net));
        assert_eq!("10.9.9.9/255.0.0.0".parse::<Prefix>().unwrap().to_string(), "10.0.0.0/8");
        assert_eq!("::ffff:10.0.0.0/104".parse::<Prefix>().unwrap().to_string(), "10.0.0.0/8");
        for text in
            ["10.0.0.0/33", "10.0.0.0/255.0.255.0", "::/129", "10.0.0.0/", "10.0.0.0/+8", "::ffff:1.2.3.4/8"]
        {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
