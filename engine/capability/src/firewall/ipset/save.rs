//! The names of the engine's sets, and what `ipset save` writes.

use std::time::Duration;

use riposte_policy::address::Prefix;
use riposte_policy::grant::{FirewallBackend, SetName};

use crate::firewall::reconciled::Family;
use crate::firewall::{Element, Target};
use crate::mark::Comment;

const PREFIX: &str = "riposte-";

/// The name of a set: at most 24 characters, where the kernel allows 31.
pub(super) fn name(set: &SetName, family: Family) -> String {
    format!("{PREFIX}{set}{}", suffix(family))
}

/// The set of this name and family, when it is one of the engine's.
pub(super) fn parse(name: &str, family: Family) -> Option<SetName> {
    name.strip_prefix(PREFIX)?.strip_suffix(suffix(family))?.parse().ok()
}

fn suffix(family: Family) -> char {
    match family {
        Family::V4 => '4',
        Family::V6 => '6',
    }
}

/// Whether the set that this text makes takes a comment with each element.
pub(super) fn takes_comments(text: &str) -> bool {
    let create = text.lines().find(|line| line.starts_with("create "));
    create.is_some_and(|line| line.split_ascii_whitespace().any(|word| word == "comment"))
}

/// The elements in `add NAME ELEMENT timeout SECONDS`, one in each line.
pub(super) fn elements(text: &str, set: &SetName, name: &str) -> Vec<Element> {
    let element = |line: &str| {
        let mut words = line.strip_prefix("add ")?.split_ascii_whitespace();
        if words.next() != Some(name) {
            return None;
        }
        let prefix: Prefix = words.next()?.parse().ok()?;
        let comment = line.split_once(" comment \"").and_then(|(_, text)| text.split('"').next());
        let entry = comment.map_or(Comment::None, Comment::parse).entry();
        let mut seconds = 0;
        while let Some(word) = words.next() {
            if word == "timeout" {
                seconds = words.next()?.parse().ok()?;
            }
        }
        // Zero is how a set with timeouts says: for good.
        let remaining = (seconds > 0).then(|| Duration::from_secs(seconds));
        Some(Element { target: Target::by(FirewallBackend::Ipset, set, prefix), remaining, entry })
    };
    text.lines().filter_map(element).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for text in ["drop", "a4", "web-2", "abcdefghijklmno"] {
            let set: SetName = text.parse().unwrap();
            for family in Family::BOTH {
                let name = name(&set, family);
                assert!(name.len() <= 31);
                assert_eq!(parse(&name, family), Some(set.clone()));
            }
        }
        for name in ["riposte-4", "riposte-drop6", "drop4", "riposte-Drop4", ""] {
            assert_eq!(parse(name, Family::V4), None, "{name}");
        }
    }

    #[test]
    fn elements_of_a_saved_set() {
        let set: SetName = "drop".parse().unwrap();
        let text = "create riposte-drop4 hash:net family inet hashsize 1024 maxelem 65536 timeout 0 bucketsize 12\n\
                    add riposte-drop4 192.0.2.7 timeout 61\nadd riposte-drop4 198.51.100.0/24 timeout 0\n\
                    add riposte-web4 192.0.2.8 timeout 5\nadd riposte-drop4 nonsense timeout 5\nadd riposte-drop4\n";
        let shown: Vec<(String, Option<u64>)> = elements(text, &set, "riposte-drop4")
            .iter()
            .map(|e| (e.target.to_string(), e.remaining.map(|r| r.as_secs())))
            .collect();
        assert_eq!(
            shown,
            [("ipset:drop 192.0.2.7".to_owned(), Some(61)), ("ipset:drop 198.51.100.0/24".to_owned(), None)]
        );
    }
}
