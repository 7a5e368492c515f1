//! `pfctl`: OpenBSD, FreeBSD, macOS.
//!
//! Wazuh's `pf` appends a table and its rules to `/etc/pf.conf`, once, for
//! good. That file is the administrator's: here a missing rule is an error that
//! says what to add. The set's name is the table's, so that a system that
//! Wazuh's program has prepared works as it is with `set="wazuh_fwtable"`.

use riposte_policy::grant::{FirewallBackend, SetName};

use super::{Change, Check, Invocation, Look, Target, Tool, prefixes};
use crate::refusal::Refusal;

pub(super) static TOOL: Tool = Tool {
    kind: FirewallBackend::Pf,
    systems: &["freebsd", "openbsd", "macos", "dragonfly"],
    programs: &["pfctl"],
    look: Look::AfterFailure,
    ready,
    change,
    prepare: None,
    listing: |set| Invocation::new("pfctl", ["-t", set.as_str(), "-T", "show"]),
    listed: |_, text| prefixes(text.split_ascii_whitespace()),
};

fn ready(set: &SetName) -> Vec<Check> {
    let add = format!(
        "`table <{set}> persist`, `block in quick from <{set}> to any`, `block out quick from any to <{set}>`"
    );
    vec![
        Check::new(
            Invocation::new("pfctl", ["-s", "info"]),
            "Status: Enabled",
            "pf is switched off, so nothing would be blocked: switch it on (pfctl -e)",
        ),
        Check::new(
            Invocation::new("pfctl", ["-s", "rules"]),
            format!("<{set}>"),
            format!(
                "no rule of pf names the table <{set}>, so nothing would be blocked: add {add} to /etc/pf.conf, \
                 then pfctl -f /etc/pf.conf"
            ),
        ),
    ]
}

/// A state lets packets pass without a look at the rules, so those from and to
/// the address are ended.
fn change(change: Change, target: &Target, _: &str) -> Result<Vec<Invocation>, Refusal> {
    let (set, prefix) = (target.set().as_str(), target.prefix().to_string());
    let table = |action| Invocation::new("pfctl", ["-t", set, "-T", action, &prefix]);
    let anywhere = if target.prefix().network().ip().is_ipv4() { "0.0.0.0/0" } else { "::/0" };
    Ok(match change {
        Change::Block => vec![
            table("add"),
            Invocation::new("pfctl", ["-k", &prefix]),
            Invocation::new("pfctl", ["-k", anywhere, "-k", &prefix]),
        ],
        Change::Unblock => vec![table("delete")],
    })
}
