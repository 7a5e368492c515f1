//! Hosts of HTTP requests, and patterns of them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A host as a request names it, in one spelling: a name in lower case and
/// without the dot of the root, or an address. A name that a resolver would
/// take for an address (`127.1`, `0x7f000001`, `2130706433`) is no host at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name of letters, digits, `-` and `_`; other scripts as `xn--`.
    Name(String),
    /// An address. In a URL, that of IPv6 stands in brackets.
    Address(IpAddr),
}

impl FromStr for Host {
    type Err = UnreadableHost;

    fn from_str(text: &str) -> Result<Self, UnreadableHost> {
        let wrong = || UnreadableHost(crate::diagnostic::shown(text));
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or_else(wrong)?;
            return inner.parse::<Ipv6Addr>().map(|v6| Self::Address(v6.into())).map_err(|_| wrong());
        }
        if let Ok(v4) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(v4.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if is_name(&name) { Ok(Self::Name(name)) } else { Err(wrong()) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(v4)) => v4.fmt(f),
            Self::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
        }
    }
}

/// Which hosts a grant names: one, or every name below one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This name or address and no other.
    Exactly(Host),
    /// `*.example.com`: any name that ends in `.example.com`, at any depth, but
    /// not `example.com` itself, and never an address.
    Below(String),
}

impl HostPattern {
    /// Whether the grant names `host`.
    #[must_use]
    pub fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exactly(granted), host) => granted == host,
            (Self::Below(suffix), Host::Name(name)) => {
                name.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            (Self::Below(_), Host::Address(_)) => false,
        }
    }
}

impl FromStr for HostPattern {
    type Err = UnreadableHost;

    fn from_str(text: &str) -> Result<Self, UnreadableHost> {
        if let Some(suffix) = text.strip_prefix("*.") {
            return match suffix.parse() {
                Ok(Host::Name(suffix)) => Ok(Self::Below(suffix)),
                _ => Err(UnreadableHost(crate::diagnostic::shown(text))),
            };
        }
        // Nothing but a grant may write an address of IPv6 without brackets.
        if let Ok(v6) = text.parse::<Ipv6Addr>() {
            return Ok(Self::Exactly(Host::Address(v6.into())));
        }
        text.parse().map(Self::Exactly)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(host) => host.fmt(f),
            Self::Below(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

/// RFC 1123 and the underscore of service names. The last label decides whether
/// `getaddrinfo` would read numbers (the URL standard's "ends in a number").
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (1..=63).contains(&label.len()) && plain && !label.starts_with('-') && !label.ends_with('-')
    };
    let number = |last: &str| {
        let hexadecimal =
            last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
        hexadecimal || last.bytes().all(|b| b.is_ascii_digit())
    };
    name.len() <= 253
        && name.split('.').all(label)
        && name.rsplit('.').next().is_some_and(|last| !number(last))
}

/// The text names no host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableHost(String);

impl fmt::Display for UnreadableHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} names no host: write a host name (hooks.example.com), an address (192.0.2.7, [2001:db8::7]) or, in a grant, *. and a host name",
            self.0
        )
    }
}

impl std::error::Error for UnreadableHost {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_has_one_spelling() {
        for (text, canonical) in [
            ("Hooks.Example.COM.", "hooks.example.com"),
            ("localhost", "localhost"),
            ("192.0.2.7", "192.0.2.7"),
            ("[2001:DB8:0::7]", "[2001:db8::7]"),
            ("a_b.example", "a_b.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("1.example", "1.example"),
        ] {
            assert_eq!(text.parse::<Host>().unwrap().to_string(), canonical, "{text}");
        }
        let long = "a".repeat(64);
        for text in [
            "",
            ".",
            "a..b",
            ".a",
            "a b",
            "a/b",
            "a:1",
            "user@a",
            "*.a",
            "-a",
            "a-",
            "2130706433",
            "0x7f000001",
            "127.1",
            "0177.0.0.1",
            "1.2.3.4.5",
            "192.0.2.07",
            "fe80::1",
            "[fe80::1%eth0]",
            "[::1",
            "::1]",
            "bücher.example",
            "a\n",
            "a\0b",
            &long,
            "0x",
            "a.0x7f",
        ] {
            assert!(text.parse::<Host>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_star_is_names_below_and_nothing_else() {
        for (pattern, host, matches) in [
            ("hooks.example.com", "HOOKS.example.com.", true),
            ("hooks.example.com", "example.com", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "badexample.com", false),
            ("*.example.com", "example.com.evil.net", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("2001:db8::7", "[2001:db8:0::7]", true),
            ("192.0.2.7", "[::ffff:192.0.2.7]", false),
        ] {
            let found = pattern.parse::<HostPattern>().unwrap().matches(&host.parse().unwrap());
            assert_eq!(found, matches, "{pattern} {host}");
        }
        for text in ["*", "*.", "*.*", "a.*", "*a.example", "*.192.0.2.7", "*.0x7f", "https://a", "a/b"] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }
}
