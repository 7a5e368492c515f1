//! `genfilt`, `mkfilt`, `rmfilt` and `lsfilt`: the packet filter of AIX.

use std::net::Ipv4Addr;

use riposte_policy::address::Prefix;
use riposte_policy::grant::FirewallBackend;

use super::{Change, Invocation, Look, Target, Tool};
use crate::refusal::Refusal;

pub(super) static TOOL: Tool = Tool {
    kind: FirewallBackend::Aix,
    systems: &["aix"],
    programs: &["genfilt", "mkfilt", "rmfilt", "lsfilt"],
    look: Look::First,
    ready: |_| Vec::new(),
    change,
    prepare: None,
    listing: |_| Invocation::new("lsfilt", ["-v", "4", "-O"]),
    listed: |_, text| rules(text).map(|(_, prefix)| prefix).collect(),
};

fn change(change: Change, target: &Target, listing: &str) -> Result<Vec<Invocation>, Refusal> {
    let prefix = target.prefix();
    if prefix.network().ip().is_ipv6() {
        return Err(Refusal::unsupported(
            "IPv6 addresses are not blocked on AIX: its filter rules take IPv4 addresses and masks here",
        ));
    }
    let mut made = match change {
        Change::Block => {
            let (address, mask) = (prefix.network().to_string(), mask(prefix.length()).to_string());
            let about = format!("Riposte {}", target.set());
            let from = ["-v", "4", "-a", "D", "-s", &address, "-m", &mask];
            let to = ["-d", "0.0.0.0", "-M", "0.0.0.0", "-w", "B", "-D", &about];
            vec![Invocation::new("genfilt", from.into_iter().chain(to))]
        }
        Change::Unblock => {
            let mut numbers: Vec<u32> =
                rules(listing).filter(|(_, found)| *found == prefix).map(|(number, _)| number).collect();
            // A rule that goes changes the numbers of those behind it.
            numbers.sort_unstable_by(|a, b| b.cmp(a));
            let remove = |number: u32| Invocation::new("rmfilt", ["-v", "4", "-n", &number.to_string()]);
            numbers.into_iter().map(remove).collect()
        }
    };
    if !made.is_empty() {
        made.push(Invocation::new("mkfilt", ["-v", "4", "-u"]));
    }
    Ok(made)
}

/// The rules that deny all packets of a source, with their numbers:
/// `5|deny|192.0.2.7|255.255.255.255|0.0.0.0|0.0.0.0|...`.
fn rules(listing: &str) -> impl Iterator<Item = (u32, Prefix)> {
    listing.lines().filter_map(|line| {
        let mut fields = line.split('|').map(str::trim);
        let number = fields.next()?.parse().ok()?;
        fields.next().filter(|action| *action == "deny")?;
        let address: Ipv4Addr = fields.next()?.parse().ok()?;
        let mask: Ipv4Addr = fields.next()?.parse().ok()?;
        let all = |field: Option<&str>| field.filter(|field| *field == "0.0.0.0").is_some();
        if !(all(fields.next()) && all(fields.next())) {
            return None;
        }
        let mask = u32::from(mask);
        let length = mask.leading_ones();
        (length == mask.count_ones()).then_some(())?;
        Some((number, format!("{address}/{length}").parse().ok()?))
    })
}

fn mask(length: u8) -> Ipv4Addr {
    let zeros = 32_u32.saturating_sub(u32::from(length));
    u32::MAX.checked_shl(zeros).unwrap_or(0).into()
}
