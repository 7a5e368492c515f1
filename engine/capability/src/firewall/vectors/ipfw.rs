//! `ipfw`: FreeBSD.
//!
//! Wazuh's `ipfw` fills table 1, which FreeBSD's own examples use for other
//! things. Here the table has the name of the set (FreeBSD 11).

use riposte_policy::grant::{FirewallBackend, SetName};

use super::{Change, Invocation, Look, Prepare, Target, Tool, prefixes};
use crate::refusal::Refusal;

pub(super) static TOOL: Tool = Tool {
    kind: FirewallBackend::Ipfw,
    systems: &["freebsd"],
    programs: &["ipfw"],
    look: Look::AfterFailure,
    ready: |_| Vec::new(),
    change,
    prepare: Some(Prepare { show: || Invocation::new("ipfw", ["show"]), make: prepare }),
    listing: |set| Invocation::new("ipfw", ["table", set.as_str(), "list"]),
    // `192.0.2.7/32 0`, behind a headline.
    listed: |_, text| prefixes(text.lines().filter_map(|line| line.split_ascii_whitespace().next())),
};

/// The table and its two rules, in front of all others, unless they are there.
/// Rules stand below their numbers, so many may have the number 1.
fn prepare(set: &SetName, shown: &str) -> Vec<Invocation> {
    let table = format!("table({set})");
    let ours = |line: &&str| line.split_ascii_whitespace().any(|word| word == table);
    if shown.lines().filter(|line| line.starts_with("00001")).filter(ours).count() >= 2 {
        return Vec::new();
    }
    vec![
        Invocation::new("ipfw", ["-q", "table", set.as_str(), "create", "type", "addr"]).may_fail(),
        Invocation::new("ipfw", ["-q", "add", "00001", "deny", "ip", "from", &table, "to", "any"]),
        Invocation::new("ipfw", ["-q", "add", "00001", "deny", "ip", "from", "any", "to", &table]),
    ]
}

fn change(change: Change, target: &Target, _: &str) -> Result<Vec<Invocation>, Refusal> {
    let action = match change {
        Change::Block => "add",
        Change::Unblock => "delete",
    };
    let prefix = target.prefix().to_string();
    Ok(vec![Invocation::new("ipfw", ["-q", "table", target.set().as_str(), action, &prefix])])
}
