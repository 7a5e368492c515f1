//! `ipf`: IP Filter on FreeBSD, NetBSD, Solaris and illumos.
//!
//! Rules are added behind the others, as by Wazuh's program: a `quick` rule of
//! the administrator's that lets the address pass comes first.

use riposte_policy::address::Prefix;
use riposte_policy::grant::FirewallBackend;

use super::{Change, Invocation, Look, Target, Tool, prefixes, with_length};
use crate::refusal::Refusal;

pub(super) static TOOL: Tool = Tool {
    kind: FirewallBackend::Ipf,
    systems: &["freebsd", "netbsd", "solaris", "illumos"],
    programs: &["ipf", "ipfstat"],
    look: Look::First,
    ready: |_| Vec::new(),
    change,
    prepare: None,
    listing: |_| Invocation::new("ipfstat", ["-io"]),
    listed: |_, text| listed(text),
};

fn change(change: Change, target: &Target, _: &str) -> Result<Vec<Invocation>, Refusal> {
    if target.prefix().network().ip().is_ipv6() {
        return Err(Refusal::unsupported(
            "IPv6 addresses are not blocked with ipf, whose versions spell such rules differently: \
             name another backend in <firewall/>",
        ));
    }
    let flags = match change {
        Change::Block => "-f",
        Change::Unblock => "-rf",
    };
    let rule = |text: String| Invocation::new("ipf", [flags, "-"]).reading(text);
    let prefix = target.prefix();
    Ok(vec![
        rule(format!("block out quick from any to {prefix}\n")),
        rule(format!("block in quick from {prefix} to any\n")),
    ])
}

/// Those of `block in quick from 192.0.2.7/32 to any` whose other half is
/// there too.
fn listed(text: &str) -> Vec<Prefix> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let both = |prefix: &Prefix| {
        lines.contains(&format!("block out quick from any to {}", with_length(*prefix)).as_str())
    };
    let sources =
        lines.iter().filter_map(|line| line.strip_prefix("block in quick from ")?.strip_suffix(" to any"));
    prefixes(sources).into_iter().filter(both).collect()
}
