//! The engine's rich rules, as text.

use riposte_policy::address::Prefix;
use riposte_policy::grant::{FirewallBackend, SetName};

use crate::firewall::Target;
use crate::firewall::reconciled::Family;

/// The one set there is.
pub(super) const SET: &str = "drop";
/// The mark of the engine's rules.
const PRIORITY: &str = "-199";

/// The rule that blocks a target.
pub(super) fn text(target: &Target) -> String {
    let prefix = target.prefix();
    let family = family(Family::of(target));
    format!("rule priority=\"{PRIORITY}\" family=\"{family}\" source address=\"{prefix}\" drop")
}

/// The target of a rule that the engine has made, in this family.
pub(super) fn parse(text: &str, of: Family) -> Option<Target> {
    let words: Vec<String> =
        text.split_ascii_whitespace().map(|word| word.replace(['"', '\''], "")).collect();
    let [rule, priority, family, source, address, drop] = words.as_slice() else { return None };
    let ours = rule == "rule"
        && priority.strip_prefix("priority=") == Some(PRIORITY)
        && family.strip_prefix("family=") == Some(self::family(of))
        && source == "source"
        && drop == "drop";
    let prefix: Prefix = address.strip_prefix("address=")?.parse().ok()?;
    let set: SetName = SET.parse().ok()?;
    let target = Target::by(FirewallBackend::Firewalld, &set, prefix);
    (ours && Family::of(&target) == of).then_some(target)
}

fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back_and_others_are_none_of_ours() {
        let set: SetName = SET.parse().unwrap();
        for (prefix, of, expected) in [
            (
                "192.0.2.7",
                Family::V4,
                r#"rule priority="-199" family="ipv4" source address="192.0.2.7" drop"#,
            ),
            (
                "2001:db8::/48",
                Family::V6,
                r#"rule priority="-199" family="ipv6" source address="2001:db8::/48" drop"#,
            ),
        ] {
            let target = Target::by(FirewallBackend::Firewalld, &set, prefix.parse().unwrap());
            assert_eq!(text(&target), expected);
            assert_eq!(parse(expected, of), Some(target));
        }
        for other in [
            "",
            r#"rule family="ipv4" source address="192.0.2.7" drop"#,
            r#"rule priority="-199" family="ipv4" source address="192.0.2.7" reject"#,
            r#"rule priority="-199" family="ipv4" source address="192.0.2.7" service name="ssh" drop"#,
            r#"rule priority="-199" family="ipv4" source NOT address="192.0.2.7" drop"#,
            r#"rule priority="-199" family="ipv6" source address="2001:db8::7" drop"#,
            r#"rule priority="-199" family="ipv4" source address="nonsense" drop"#,
        ] {
            assert_eq!(parse(other, Family::V4), None, "{other}");
        }
    }
}
