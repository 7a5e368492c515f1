//! What a lenient reader may take a text for.
//!
//! This engine reads one spelling of an address ([`crate::address`]). A program
//! that gets a text as it stands may read more: `127.1`, `0x7f000001` and
//! `[::1]` are addresses to the C library, to URL parsers, to shells that cut
//! words. Who protects an address from such a program has to know them.

use std::net::{IpAddr, Ipv4Addr};

use crate::address::{Address, Prefix};

/// Every address or network that some reader may take `text` for, the one that
/// this engine reads included.
#[must_use]
pub fn addresses(text: &str) -> Vec<Prefix> {
    let mut found: Vec<Prefix> = Vec::new();
    let plain = plain(text);
    let undone = undo_percent(&plain);
    for text in [plain.as_str(), undone.as_str()] {
        for part in parts(text) {
            let (host, length) =
                part.split_once('/').map_or((part, None), |(host, length)| (host, Some(length)));
            let length = length.and_then(|length| length.parse().ok());
            for address in lenient(host) {
                let prefix = length.and_then(|length| Prefix::new(address, length));
                let prefix = prefix.unwrap_or_else(|| address.into());
                if !found.contains(&prefix) {
                    found.push(prefix);
                }
            }
        }
    }
    found
}

/// The names that a lenient reader may take `text` for: without the domain
/// before it, the path around it, or what marks a number.
pub fn users(text: &str) -> impl Iterator<Item = String> {
    let plain = plain(text);
    let ends = |c: char| matches!(c, '\\' | '/' | ':' | ',' | ' ');
    let names = plain.split(ends).map(|name| name.trim_start_matches(['+', '-', '~', '#', '"', '\'']));
    let names: Vec<String> = names.map(|name| name.trim_end_matches(['"', '\'', '.']).to_owned()).collect();
    names.into_iter().filter(|name| !name.is_empty())
}

/// Without blanks, control characters and marks that nobody sees; wide
/// characters as plain ones.
fn plain(text: &str) -> String {
    let plain = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => u32::from(c).checked_sub(0xfee0).and_then(char::from_u32),
        // The full stops of Chinese and Japanese, which names of hosts may hold.
        '\u{3002}' | '\u{ff61}' => Some('.'),
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}' => None,
        c if c.is_control() || c.is_whitespace() => Some(' '),
        c => Some(c),
    };
    text.chars().filter_map(plain).collect::<String>().trim().to_owned()
}

/// `%31%32` as a URL has it.
fn undo_percent(text: &str) -> String {
    let mut rest = text;
    let mut undone = String::new();
    while let Some((before, after)) = rest.split_once('%') {
        undone.push_str(before);
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(u8::is_ascii) {
            Some(byte) => {
                undone.push(char::from(byte));
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                undone.push('%');
                rest = after;
            }
        }
    }
    undone.push_str(rest);
    undone
}

/// The texts that may be the address: the whole, without scheme, user and path,
/// without brackets, zone, port and last dot, and each word of it.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for word in text.split([' ', ',', ';', '"', '\'']) {
        let word = word.rsplit_once("//").map_or(word, |(_, rest)| rest);
        let word = word.rsplit_once('@').map_or(word, |(_, rest)| rest);
        let inner = word.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(inner, _)| inner);
        let inner = inner.unwrap_or(word);
        let zoned = inner.split_once('%').map_or(inner, |(address, _)| address);
        for part in [word, inner, zoned] {
            parts.push(part);
            parts.push(part.trim_end_matches('.'));
            parts.extend(part.split_once('/').map(|(host, _)| host.trim_end_matches('.')));
            if let Some((host, port)) = part.rsplit_once(':')
                && port.bytes().all(|byte| byte.is_ascii_digit() || byte == b'/')
            {
                parts.push(host.trim_end_matches('.'));
            }
        }
    }
    parts
}

/// All addresses that `host` is to some reader: `010.0.0.1` is one with octal
/// numbers and another one without.
fn lenient(host: &str) -> Vec<Address> {
    // An IPv6 address whose last part is an IPv4 one with leading zeros.
    let mixed = || {
        let (front, v4) = host.rsplit_once(':')?;
        format!("{front}:{}", zero_padded(v4)?).parse().ok()
    };
    let v4 = |v4: Ipv4Addr| Address::from(IpAddr::V4(v4));
    [host.parse().ok(), inet_aton(host).map(v4), zero_padded(host).map(v4), mixed()]
        .into_iter()
        .flatten()
        .collect()
}

/// Four decimal numbers with leading zeros, which some take for no octal ones.
fn zero_padded(text: &str) -> Option<Ipv4Addr> {
    let decimal = |part: &str| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let number = part.trim_start_matches('0');
        digits.then_some(())?;
        if number.is_empty() { Some(0) } else { number.parse::<u8>().ok() }
    };
    let parts: Option<Vec<u8>> = text.split('.').map(decimal).collect();
    let octets: [u8; 4] = parts?.try_into().ok()?;
    Some(Ipv4Addr::from(octets))
}

/// `inet_aton(3)`: one to four numbers, decimal, octal or hexadecimal, of which
/// the last fills all bytes that are left.
fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let numbers: Option<Vec<u32>> = text.split('.').map(number).collect();
    let numbers = numbers?;
    let (last, front) = numbers.split_last()?;
    if front.len() > 3 || front.iter().any(|number| *number > 255) {
        return None;
    }
    let left = 4_u32.checked_sub(u32::try_from(front.len()).ok()?)?;
    if left < 4 && *last >= 1_u32.checked_shl(left.checked_mul(8)?)? {
        return None;
    }
    let high = front.iter().zip([24_u32, 16, 8]).fold(0_u32, |all, (number, shift)| all | (number << shift));
    Some(Ipv4Addr::from(high | last))
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some("") => Some(0),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) => None,
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address() {
        for text in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.000.000.001",
            "127.0.0.1.",
            " 127.0.0.1\n",
            "127.0.0.1\0",
            "127.0.0.1:80",
            "127.0.0.1/32",
            "http://127.0.0.1/x",
            "root@127.0.0.1",
            "%31%32%37.0.0.1",
            "１２７.０.０.１",
            "127\u{3002}0\u{3002}0\u{3002}1",
            "[::ffff:127.0.0.1]:22",
            "::ffff:127.0.0.1%eth0",
            "127.0.0.1,192.0.2.7",
            "-j ACCEPT -s 127.0.0.1",
        ] {
            let found: Vec<String> = addresses(text).iter().map(ToString::to_string).collect();
            assert!(found.contains(&"127.0.0.1".to_owned()), "{text:?}: {found:?}");
        }
        for text in ["::1", "[::1]", "[::1]:22", "::1%lo", "0:0:0:0:0:0:0:1", "[::1%25lo]"] {
            let found: Vec<String> = addresses(text).iter().map(ToString::to_string).collect();
            assert!(found.contains(&"::1".to_owned()), "{text:?}: {found:?}");
        }
        assert_eq!(
            addresses("127.0.0.0/8").iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["127.0.0.0/8", "127.0.0.0"]
        );
    }

    #[test]
    fn what_nobody_reads_as_an_address() {
        for text in [
            "",
            "host",
            "1.2.3.4.5",
            "256.1.1.1",
            "1763632800.12",
            "/tmp/x",
            "mallory",
            "0x",
            "-",
            "1.2.3.",
            "%zz",
        ] {
            let found = addresses(text);
            assert!(found.is_empty() || text == "0x" || text == "1.2.3.", "{text:?}: {found:?}");
        }
    }

    #[test]
    fn names_within_texts() {
        for text in [
            "root",
            "root ",
            "DOMAIN\\root",
            "/home/root",
            "+root",
            "root:x",
            "ｒｏｏｔ",
            "\"root\"",
            "root\0",
        ] {
            assert!(users(text).any(|name| name == "root"), "{text:?}");
        }
        assert!(users("+0").any(|name| name == "0"));
    }
}
