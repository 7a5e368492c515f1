//! `npfctl`: NetBSD.
//!
//! The set's name is the table's: `set="wazuh_blacklist"` uses what Wazuh's
//! documentation has people write into `/etc/npf.conf`.

use riposte_policy::grant::{FirewallBackend, SetName};

use super::{Change, Check, Invocation, Look, Target, Tool, prefixes};
use crate::refusal::Refusal;

pub(super) static TOOL: Tool = Tool {
    kind: FirewallBackend::Npf,
    systems: &["netbsd"],
    programs: &["npfctl"],
    look: Look::AfterFailure,
    ready,
    change,
    prepare: None,
    listing: |set| Invocation::new("npfctl", ["table", set.as_str(), "list"]),
    listed: |_, text| prefixes(text.split_ascii_whitespace()),
};

fn ready(set: &SetName) -> Vec<Check> {
    let show = || Invocation::new("npfctl", ["show"]);
    // NetBSD's program writes a tab or a blank after the colon.
    let active = ["filtering: active", "filtering:\tactive"].map(|text| (show(), text.to_owned()));
    vec![
        Check {
            any: active.to_vec(),
            otherwise: "npf is switched off, so nothing would be blocked: switch it on (npfctl start)"
                .to_owned(),
        },
        Check::new(
            show(),
            format!("table <{set}>"),
            format!(
                "npf has no table <{set}>: add `table <{set}> type ipset` and, to a group, `block in final from \
                 <{set}>` and `block out final to <{set}>` to /etc/npf.conf, then npfctl reload"
            ),
        ),
    ]
}

fn change(change: Change, target: &Target, _: &str) -> Result<Vec<Invocation>, Refusal> {
    let action = match change {
        Change::Block => "add",
        Change::Unblock => "rem",
    };
    let prefix = target.prefix().to_string();
    Ok(vec![Invocation::new("npfctl", ["table", target.set().as_str(), action, &prefix])])
}
