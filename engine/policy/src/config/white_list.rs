//! `<global><white_list>`: what is never acted against.
//!
//! An entry is an address, a prefix or a netmask; one that begins with `!`
//! takes addresses out of the list again, wherever it stands. Anything else is
//! to Wazuh a pattern (`OSMatch`) that is looked for in the text of an address.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use super::block;
use super::command::words;
use super::findings::Findings;
use super::xml::Element;
use crate::address::{Address, Prefix};
use crate::diagnostic::shown;

/// The entries of all files so far.
#[derive(Debug, Default)]
pub(super) struct Listed {
    prefixes: Vec<Prefix>,
    seen: HashSet<Prefix>,
    taken_out: Vec<Prefix>,
    hosts: Vec<HostPattern>,
}

impl Listed {
    /// Reads the entries in one `<global>`.
    pub(super) fn read(&mut self, global: &Element, findings: &mut Findings<'_>) {
        for element in global.children.iter().filter(|child| child.name == "white_list") {
            if block::leaf(element, findings) {
                words(element.value()).for_each(|word| self.entry(element, word, findings));
            }
        }
    }

    fn entry(&mut self, element: &Element, word: &str, findings: &mut Findings<'_>) {
        let (negated, text) = word.strip_prefix('!').map_or((false, word), |text| (true, text));
        match text.parse::<Prefix>() {
            Ok(prefix) if negated => self.taken_out.push(prefix),
            Ok(prefix) => {
                if self.seen.insert(prefix) {
                    self.prefixes.push(prefix);
                }
            }
            Err(error) if negated || text.contains('/') => {
                let help = if negated {
                    "write an address or a prefix behind the !. This entry takes nothing out."
                } else {
                    "write an address or a prefix. This entry protects nothing."
                };
                block::invalid(element, &error.to_string(), help, findings);
            }
            Err(_) => {
                let pattern = HostPattern::new(text);
                if pattern.may_match() {
                    if !self.hosts.contains(&pattern) {
                        self.hosts.push(pattern);
                    }
                    return;
                }
                let message =
                    format!("{} is in no address: only addresses and prefixes are protected", shown(word));
                findings.warning(
                    element.spot,
                    "white-list-host",
                    message,
                    "write the addresses of this host.",
                );
            }
        }
    }

    /// The prefixes without what was taken out of them, and the patterns.
    /// Those that are networks are among the prefixes too: who guards a call
    /// knows prefixes only. A `!` leaves patterns alone, as in Wazuh.
    pub(super) fn finish(self) -> (Vec<Prefix>, Vec<HostPattern>) {
        let mut prefixes = self.prefixes;
        if !self.taken_out.is_empty() {
            let mut left: BTreeSet<Prefix> = prefixes.into_iter().collect();
            for hole in self.taken_out {
                take_out(&mut left, hole);
            }
            prefixes = left.into_iter().collect();
        }
        prefixes.extend(self.hosts.iter().flat_map(HostPattern::networks));
        (prefixes, self.hosts)
    }
}

/// Leaves of every prefix what is outside of `hole`.
fn take_out(prefixes: &mut BTreeSet<Prefix>, hole: Prefix) {
    // What lies in the hole stands together: its networks begin with the hole's.
    let inside: Vec<Prefix> =
        prefixes.range(hole..).take_while(|prefix| hole.contains(**prefix)).copied().collect();
    for prefix in inside {
        prefixes.remove(&prefix);
    }
    for length in 0..hole.length() {
        let Some(around) = Prefix::new(hole.network(), length).filter(|around| prefixes.remove(around))
        else {
            continue;
        };
        let mut rest = around;
        while let Some(halves) = rest.halves().filter(|_| rest != hole) {
            let [with, without] = if halves[0].contains(hole) { halves } else { [halves[1], halves[0]] };
            prefixes.insert(without);
            rest = with;
        }
    }
}

/// An entry of the white list that is looked for in the text of an address:
/// anywhere, or at its beginning with `^`, its end with `$`; `|` separates
/// several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    text: String,
}

impl HostPattern {
    fn new(text: &str) -> Self {
        Self { text: text.to_ascii_lowercase() }
    }

    /// Whether the text of this address holds it.
    #[must_use]
    pub fn holds(&self, address: Address) -> bool {
        let text = address.to_string();
        self.alternatives().any(|(begins, part, ends)| match (begins, ends) {
            (true, true) => text == part,
            (true, false) => text.starts_with(part),
            (false, true) => text.ends_with(part),
            (false, false) => text.contains(part),
        })
    }

    /// Whether there can be an address whose text holds it: hexadecimal digits,
    /// dots and colons are all it is made of.
    fn may_match(&self) -> bool {
        let of_addresses = |c: char| c.is_ascii_hexdigit() || c == '.' || c == ':';
        self.alternatives().any(|(_, part, _)| part.contains(of_addresses) && part.chars().all(of_addresses))
    }

    /// The networks among its alternatives: `^192.0.2.` is 192.0.2.0/24.
    fn networks(&self) -> impl Iterator<Item = Prefix> {
        self.alternatives().filter_map(|(begins, part, ends)| {
            let octets = part.strip_suffix('.').filter(|_| begins && !ends)?;
            let length = u8::try_from(octets.split('.').count().checked_mul(8)?).ok()?;
            let zeros = match length {
                8 => ".0.0.0",
                16 => ".0.0",
                24 => ".0",
                _ => return None,
            };
            Prefix::new(format!("{octets}{zeros}").parse().ok()?, length)
        })
    }

    /// What an address must begin with, hold or end with. An empty one is in
    /// everything to Wazuh, which nobody means who ends a list with `|`.
    fn alternatives(&self) -> impl Iterator<Item = (bool, &str, bool)> {
        let alternatives = self.text.split('|').map(|part| {
            let (begins, part) = part.strip_prefix('^').map_or((false, part), |part| (true, part));
            let (ends, part) = part.strip_suffix('$').map_or((false, part), |part| (true, part));
            (begins, part, ends)
        });
        alternatives.filter(|(_, part, _)| !part.is_empty())
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_taken_out_leaves_the_rest() {
        let left = |list: &[&str], hole: &str| {
            let mut prefixes = list.iter().map(|text| prefix(text)).collect();
            take_out(&mut prefixes, prefix(hole));
            prefixes.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(left(&["192.0.2.0/30"], "192.0.2.1"), ["192.0.2.0", "192.0.2.2/31"]);
        assert_eq!(left(&["192.0.2.0/24", "192.0.2.7", "198.51.100.7"], "192.0.2.0/24"), ["198.51.100.7"]);
        assert_eq!(left(&["192.0.2.7"], "198.51.100.0/24"), ["192.0.2.7"]);
        assert_eq!(left(&["0.0.0.0/0"], "128.0.0.0/1"), ["0.0.0.0/1"]);
        assert_eq!(left(&["::/0"], "2001:db8::1").len(), 128);
        assert_eq!(left(&["10.0.0.0/8"], "::/0"), ["10.0.0.0/8"]);
    }

    #[test]
    fn patterns_are_looked_for_in_the_text() {
        let holds = |pattern: &str, address: &str| HostPattern::new(pattern).holds(address.parse().unwrap());
        assert!(holds("^2001:db8:", "2001:db8::7") && !holds("^2001:db8:", "fe80:2001:db8::7"));
        assert!(holds("^192.0.2.|^198.51.", "198.51.100.7"));
        assert!(holds(":7$", "2001:db8::7") && !holds(":7$", "2001:db8::17"));
        assert!(holds("DB8", "2001:db8::7") && !holds("^2001:db8::$", "2001:db8::7"));
        assert!(HostPattern::new("^fe80:|x").may_match());
        for text in ["^localhost.localdomain$", "dns.example", "^$", "|"] {
            assert!(!HostPattern::new(text).may_match(), "{text}");
        }
        let networks = |text: &str| {
            HostPattern::new(text).networks().map(|prefix| prefix.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            networks("^10.|^192.168.|^192.0.2.|192.0.|^198.51|^300.|^1.2.3.4.|^.|^7.$"),
            ["10.0.0.0/8", "192.168.0.0/16", "192.0.2.0/24"]
        );
        // Nothing is held by the end of a list.
        assert!(!holds("10.|", "192.0.2.7"));
    }

    proptest! {
        #[test]
        fn an_address_is_listed_when_an_entry_holds_it_and_no_hole_does(
            list in prop::collection::vec((0_u8..8, 27_u8..=32), 0..6),
            holes in prop::collection::vec((0_u8..32, 27_u8..=32), 0..6),
            host in 0_u8..32,
        ) {
            let prefix = |(host, length): &(u8, u8)| {
                Prefix::new(format!("192.0.2.{host}").parse().unwrap(), *length).unwrap()
            };
            let (list, holes): (Vec<_>, Vec<_>) =
                (list.iter().map(prefix).collect(), holes.iter().map(prefix).collect());
            let mut left: BTreeSet<Prefix> = list.iter().copied().collect();
            holes.iter().for_each(|hole| take_out(&mut left, *hole));
            let address = prefix(&(host, 32));
            let within = |prefixes: &[Prefix]| prefixes.iter().any(|prefix| prefix.contains(address));
            prop_assert_eq!(left.iter().any(|prefix| prefix.contains(address)), within(&list) && !within(&holes));
        }
    }
}
