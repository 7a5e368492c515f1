//! What binds one line to the line before.
//!
//! A line is `{"time":T,"seq":N,"prev":P, ... ,"hash":H}`. `H` is the SHA-256 of
//! the line's bytes before `,"hash"`, and `P` the `H` of the line before, so
//! that a line can be checked alone, and its place by its neighbours.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::event::Event;
use super::time::rfc3339;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What the first line has for the line before.
    pub const NONE: Self = Self([0; 32]);

    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        f.write_str(std::str::from_utf8(&hex).unwrap_or_default())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = NotAHash;

    /// Only lower case, as it is written: one text for one hash.
    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(NotAHash),
        };
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return Err(NotAHash);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let [high, low] = pair else { return Err(NotAHash) };
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Ok(Self(bytes))
    }
}

/// The text is no SHA-256 in lower-case hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAHash;

/// How long a chain is, and what its last line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the last line; the first is 1.
    pub count: u64,
    /// Its hash.
    pub hash: Hash,
}

impl Head {
    /// Before the first line.
    pub const START: Self = Self { count: 0, hash: Hash::NONE };
}

/// An event as it is written.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(serialize_with = "rfc3339")]
    time: i64,
    seq: u64,
    prev: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

const HASH: &[u8] = b",\"hash\":\"";
/// `,"hash":"`, 64 digits, `"}`.
const TAIL: usize = HASH.len() + 64 + 2;

/// Appends the line behind `head` to `out`, with its line feed; returns the new head.
pub(super) fn append(out: &mut Vec<u8>, head: Head, time: i64, event: &Event) -> Head {
    let begin = out.len();
    let (seq, prev) = (head.count.saturating_add(1), head.hash.to_string());
    let written = Written { time, seq, prev: &prev, event };
    // Texts and numbers always have a JSON form, and a vector takes them.
    let _ = serde_json::to_writer(&mut *out, &written);
    // The closing brace comes behind the hash.
    out.pop();
    let hash = Hash::of(out.get(begin..).unwrap_or_default());
    out.extend_from_slice(HASH);
    out.extend_from_slice(hash.to_string().as_bytes());
    out.extend_from_slice(b"\"}\n");
    Head { count: seq, hash }
}

/// A line that is what its own hash says.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its number.
    pub seq: u64,
    /// The hash of the line before.
    pub prev: Hash,
    /// Its own.
    pub hash: Hash,
    /// When, as it is written.
    pub time: String,
    /// The event.
    pub event: Event,
}

impl Link {
    /// The chain's head when this is its last line.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { count: self.seq, hash: self.hash }
    }

    /// Whether it stands right behind the line that `head` is.
    #[must_use]
    pub fn follows(&self, head: Head) -> bool {
        head.count.checked_add(1) == Some(self.seq) && self.prev == head.hash
    }
}

/// Why a line is none of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It has no hash at its end.
    Unchained,
    /// Its bytes are not those that its hash is of.
    Edited,
}

#[derive(Deserialize)]
struct Read {
    time: String,
    seq: u64,
    prev: String,
    #[serde(flatten)]
    event: Event,
}

/// Reads one line, without its line feed.
///
/// # Errors
///
/// When it is no line of a chain, or not what its hash says.
pub fn read(line: &[u8]) -> Result<Link, Flaw> {
    let end = line.len().checked_sub(TAIL).ok_or(Flaw::Unchained)?;
    let (body, tail) = line.split_at(end);
    let hash = tail
        .strip_prefix(HASH)
        .and_then(|tail| tail.strip_suffix(b"\"}"))
        .and_then(|hex| std::str::from_utf8(hex).ok()?.parse::<Hash>().ok())
        .ok_or(Flaw::Unchained)?;
    if Hash::of(body) != hash {
        return Err(Flaw::Edited);
    }
    let whole = [body, b"}"].concat();
    let Read { time, seq, prev, event } = serde_json::from_slice(&whole).map_err(|_| Flaw::Unchained)?;
    let prev = prev.parse().map_err(|_| Flaw::Unchained)?;
    Ok(Link { seq, prev, hash, time, event })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let event =
            Event { kind: "undone".into(), entry: Some(7), keys: vec!["a\"b\n".into()], ..Event::default() };
        let mut out = Vec::new();
        let first = append(&mut out, Head::START, 0, &event);
        let second = append(&mut out, first, 1, &event);
        let lines: Vec<_> = out.split(|byte| *byte == b'\n').collect();
        let (one, two) = (read(lines[0]).unwrap(), read(lines[1]).unwrap());
        assert_eq!((one.head(), two.head()), (first, second));
        assert_eq!(one.event, event);
        assert!(one.follows(Head::START) && two.follows(first) && !two.follows(Head::START));
        assert_eq!(lines[2], b"");
        assert_eq!(read(b"").unwrap_err(), Flaw::Unchained);
        let edited = String::from_utf8(lines[0].to_vec()).unwrap().replace("undone", "unwont");
        assert_eq!(read(edited.as_bytes()).unwrap_err(), Flaw::Edited);
    }

    #[test]
    fn a_hash_has_one_text() {
        let hash = Hash::of(b"abc");
        assert_eq!(hash.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_string().to_uppercase().parse::<Hash>(), Err(NotAHash));
        assert_eq!("é".repeat(32).parse::<Hash>(), Err(NotAHash));
    }
}
