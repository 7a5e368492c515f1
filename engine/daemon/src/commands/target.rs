//! What an operator asks about: an address, a network, a user, a file; and
//! since when.

use std::net::IpAddr;

use riposte_ledger::Entry;
use riposte_ledger::clock::{Clock, SystemClock};
use riposte_policy::span::{self, Bare};
use riposte_policy::{Address, Prefix};

/// What is asked about.
#[derive(Clone, Debug)]
pub struct Target {
    text: String,
    prefix: Option<Prefix>,
}

impl Target {
    /// Any text may be one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), prefix: text.parse().ok() }
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a key or a recorded effect is about it: the same text, or a
    /// network that holds the address, or lies in it.
    #[must_use]
    pub fn is(&self, key: &str) -> bool {
        if key == self.text {
            return true;
        }
        // Effects of the firewall name a set before the network.
        let word = key.rsplit(' ').next().unwrap_or(key);
        match (self.prefix, word.parse::<Prefix>()) {
            (Some(target), Ok(other)) => other.contains(target) || target.contains(other),
            _ => word == self.text,
        }
    }

    /// Whether a sentence names it: operators' acts have their targets in words.
    #[must_use]
    pub fn is_named_in(&self, text: &str) -> bool {
        if self.text.contains(char::is_whitespace) {
            return text.contains(&self.text);
        }
        text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';' | '(' | ')'))
            .flat_map(|word| [word, word.trim_end_matches(['.', ':'])])
            .any(|word| self.is(word))
    }

    /// Whether an entry is, by its keys.
    #[must_use]
    pub fn is_of(&self, entry: &Entry) -> bool {
        entry.keys.iter().any(|key| self.is(key))
    }

    /// A text that stands in all that is about it: what networks may hold an
    /// address share its beginning, since none wider than /24 and /48 is
    /// blocked.
    #[must_use]
    pub fn sieve(&self) -> String {
        let text = self.text.split('/').next().unwrap_or_default();
        match self.prefix.map(|_| text.parse::<Address>().map(Address::ip)) {
            Some(Ok(IpAddr::V4(address))) if self.is_narrow() => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}.")
            }
            Some(Ok(IpAddr::V6(address))) if self.is_narrow() => {
                let [first, ..] = address.segments();
                if first == 0 { String::new() } else { format!("{first:x}:") }
            }
            // A wide network holds others of many spellings.
            Some(_) => String::new(),
            None => self.text.clone(),
        }
    }

    /// Whether all that may hold it or lie in it begins as it does.
    fn is_narrow(&self) -> bool {
        let length = self.text.split_once('/').and_then(|(_, length)| length.parse::<u8>().ok());
        let six = self.text.contains(':');
        length.is_none_or(|length| length >= if six { 48 } else { 24 })
    }
}

/// A time on the command line: `24h` ago, a day, or a moment of RFC 3339. Unix
/// milliseconds.
///
/// # Errors
///
/// What it may be.
pub fn moment(text: &str) -> Result<i64, String> {
    if let Ok(ago) = span::parse(text, Bare::Refused) {
        let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
        return Ok(SystemClock::new().now().wall_ms.saturating_sub(ago));
    }
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Ok(moment.as_millisecond());
    }
    let day = text.parse::<jiff::civil::Date>().ok();
    let begins = day.and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok());
    begins.map(|begins| begins.timestamp().as_millisecond()).ok_or_else(|| {
        format!("{text:?} is no time: write 24h or 7d for so long ago, 2026-05-07, or 2026-05-07T03:17:27Z")
    })
}

/// Who asked for something, as the audit has it.
///
/// # Errors
///
/// What it may be.
pub fn actor(text: &str) -> Result<String, String> {
    let user = text.strip_prefix("uid:").is_some_and(|uid| uid.parse::<u32>().is_ok());
    if user || matches!(text, "alert" | "engine") {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} is nobody who asks: write alert, engine, or uid:N for a user of this machine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_what_holds_it_and_what_it_holds() {
        let target = Target::new("192.0.2.7");
        for key in ["192.0.2.7", "192.0.2.0/24", "drop 192.0.2.7", "drop 192.0.2.0/25"] {
            assert!(target.is(key), "{key}");
            assert!(key.contains(&target.sieve()), "{key}");
        }
        for key in ["192.0.2.70", "192.0.3.0/24", "root", "drop 192.0.2.128/25"] {
            assert!(!target.is(key), "{key}");
        }
        assert!(Target::new("192.0.2.0/24").is("192.0.2.7"));
        assert!(
            Target::new("2001:db8::1").is("2001:db8::/48")
                && "2001:db8::/48".contains(&Target::new("2001:db8::1").sieve())
        );
        assert!(Target::new("alice").is("alice") && !Target::new("alice").is("alice2"));
        assert_eq!(Target::new("10.0.0.0/8").sieve(), "");
    }

    #[test]
    fn a_sentence_names_whole_targets() {
        let target = Target::new("192.0.2.7");
        for text in ["\"192.0.2.7\": 1 entry", "firewall drop 192.0.2.7 put back, ...", "192.0.2.0/24"] {
            assert!(target.is_named_in(text), "{text}");
        }
        for text in ["\"192.0.2.77\": 1 entry", "drop 1192.0.2.7", "everything", ""] {
            assert!(!target.is_named_in(text), "{text}");
        }
        assert!(Target::new("/srv/a b").is_named_in("quarantine /srv/a b."));
    }

    #[test]
    fn times_are_read() {
        assert_eq!(moment("1970-01-02"), Ok(86_400_000));
        assert_eq!(moment("1970-01-01T00:00:01Z"), Ok(1_000));
        assert!(moment("2h").unwrap() < moment("1h").unwrap());
        assert!(moment("yesterday").is_err() && moment("").is_err());
    }
}
