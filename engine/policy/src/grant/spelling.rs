//! Hosts as grants name them: a name or an address, never a URL.

use std::fmt;
use std::str::FromStr;

use super::Confirm;
use crate::address::Address;
use crate::diagnostic::shown;

/// Longest name of a host in bytes (RFC 1035, section 2.3.4, without the dot
/// at the end).
const LONGEST: usize = 253;

/// The one spelling of a host: an address as RFC 5952 writes it, without
/// brackets, or a name in lower case without a dot at its end.
///
/// # Errors
///
/// When the text is neither. What ends in a number is no name: to some reader
/// `127.1` and `0x7f.1` are addresses.
pub fn canonical(text: &str) -> Result<String, NotAHost> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(text).parse::<Address>() {
        return Ok(address.to_string());
    }
    let wrong = |why| Err(NotAHost { text: shown(text), why });
    if let Some((scheme, _)) = text.split_once("://") {
        return wrong(if scheme == "http" { HTTP } else { "write the host alone, without scheme and path" });
    }
    if text.contains(['/', '?', '#', '@']) {
        return wrong("write the host alone, without path, query or user");
    }
    if text.contains(':') {
        return wrong("an IPv6 address is meant, or a port, which has an attribute of its own");
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if name.is_empty() || name.len() > LONGEST {
        return wrong("a name has 1 to 253 characters");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !name.split('.').all(label) {
        return wrong(
            "a name consists of A-Z, a-z, 0-9, _ and -, with dots between; write others in their xn-- form",
        );
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") {
        return wrong("what ends in a number must be an address, in its usual spelling");
    }
    Ok(name)
}

const HTTP: &str = "write the host alone, and scheme=\"http\"";

/// The same for one host or, with `*.` before it, any name below it: `*` alone,
/// `*foo.example` and what is below a single label (`*.com`) are refused.
///
/// # Errors
///
/// As [`canonical`].
pub fn canonical_pattern(text: &str) -> Result<String, NotAHost> {
    let wrong = |why| Err(NotAHost { text: shown(text), why });
    match text.strip_prefix("*.") {
        _ if text == "*" => wrong("that is every host: name those that are meant"),
        Some(domain) if domain.contains('*') => wrong("one * stands at the beginning, with a dot behind it"),
        Some(domain) => {
            let domain = canonical(domain)?;
            if domain.parse::<Address>().is_ok() {
                return wrong("there are no names below an address");
            }
            if !domain.contains('.') {
                return wrong("that is too much of the world: name a domain, such as *.example.com");
            }
            Ok(format!("*.{domain}"))
        }
        None if text.contains('*') => wrong("one * stands at the beginning, with a dot behind it"),
        None => canonical(text),
    }
}

impl fmt::Display for Confirm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gateway => f.write_str("gateway"),
            Self::Manager => f.write_str("manager"),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
        }
    }
}

impl FromStr for Confirm {
    type Err = NotAConfirm;

    fn from_str(text: &str) -> Result<Self, NotAConfirm> {
        let wrong = || NotAConfirm(format!("{} is not none, gateway, manager or tcp:HOST:PORT", shown(text)));
        match text {
            "none" => Ok(Self::None),
            "gateway" => Ok(Self::Gateway),
            "manager" => Ok(Self::Manager),
            _ => {
                let (host, port) =
                    text.strip_prefix("tcp:").and_then(|rest| rest.rsplit_once(':')).ok_or_else(wrong)?;
                if host.contains(':') && !host.starts_with('[') {
                    return Err(NotAConfirm(format!("{}: write brackets around {host}", shown(text))));
                }
                let host = canonical(host).map_err(|error| NotAConfirm(error.to_string()))?;
                let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
                Ok(Self::Tcp { host, port })
            }
        }
    }
}

/// The text is neither the name of a host nor an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAHost {
    text: String,
    why: &'static str,
}

impl fmt::Display for NotAHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no host: {}", self.text, self.why)
    }
}

impl std::error::Error for NotAHost {}

/// The text does not say what must answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAConfirm(String);

impl fmt::Display for NotAConfirm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotAConfirm {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_spelling() {
        for (text, expected) in [
            ("Hooks.Example.COM.", "hooks.example.com"),
            ("localhost", "localhost"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("192.0.2.7", "192.0.2.7"),
            ("[2001:DB8:0:0::7]", "2001:db8::7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("_dmarc.example.com", "_dmarc.example.com"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
            assert_eq!(canonical_pattern(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(canonical_pattern("*.Example.com").as_deref(), Ok("*.example.com"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = "a".repeat(64);
        for text in [
            "",
            ".",
            "*",
            "a b",
            "a..b",
            "-a.example",
            "a-.example",
            "a/b",
            "https://a.example",
            "a.example:80",
            "a.example/x",
            "u@a.example",
            "127.1",
            "0x7f.1",
            "a.0x7f",
            "010.0.0.1",
            "1.2.3.256",
            "bücher.example",
            "a\n.example",
            "[::1",
            "::1]",
            "fe80::1%eth0",
            "a?b",
            &long,
        ] {
            assert!(canonical(text).is_err() && canonical_pattern(text).is_err(), "{text:?}");
        }
        for text in [
            "*foo.example",
            "*.com",
            "a.*.example",
            "*.*.example",
            "*.192.0.2.7",
            "**.example.com",
            "*.",
            "*.",
        ] {
            assert!(canonical_pattern(text).is_err(), "{text}");
        }
        assert!(canonical("https://a.example").is_err_and(|e| e.to_string().contains("host alone")));
    }

    #[test]
    fn what_confirms_reads_back() {
        for text in
            ["none", "gateway", "manager", "tcp:a.example:443", "tcp:[2001:db8::7]:22", "tcp:192.0.2.7:1514"]
        {
            assert_eq!(text.parse::<Confirm>().map(|confirm| confirm.to_string()).as_deref(), Ok(text));
        }
        for text in
            ["", "yes", "tcp", "tcp:", "tcp:a", "tcp:a:0", "tcp:a:65536", "tcp:::1:22", "tcp:*:22", "udp:a:1"]
        {
            assert!(text.parse::<Confirm>().is_err(), "{text}");
        }
    }
}
