//! `netsh.exe`: Windows' own firewall, from Vista on.
//!
//! Wazuh gives all its rules one name with blanks and deletes by name and
//! address. Here each target has a rule name of its own, without blanks, so
//! that nothing has to be quoted and a delete takes exactly what the add made.

use riposte_policy::address::Prefix;
use riposte_policy::grant::{FirewallBackend, SetName};

use super::{Change, Check, Invocation, Look, Target, Tool, with_length};
use crate::refusal::Refusal;

/// Where the switch of each profile lies.
const PROFILES: &str =
    r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy";

pub(super) static TOOL: Tool = Tool {
    kind: FirewallBackend::Netsh,
    systems: &["windows"],
    programs: &["netsh.exe", "reg.exe"],
    look: Look::AfterFailure,
    ready: |_| vec![ready()],
    change,
    prepare: None,
    // One rule at a time could be asked for, but the words around it are in
    // the language of the system; a name is the same in all.
    listing: |_| {
        Invocation::new("netsh.exe", ["advfirewall", "firewall", "show", "rule", "name=all", "dir=in"])
    },
    listed,
};

/// At least one profile must be switched on; which one is in use changes with
/// the network that the machine is in.
fn ready() -> Check {
    let profile = |name: &str| {
        let key = format!(r"{PROFILES}\{name}Profile");
        (Invocation::new("reg.exe", ["query", &key, "/v", "EnableFirewall"]), "0x1".to_owned())
    };
    Check {
        any: ["Domain", "Standard", "Public"].map(profile).to_vec(),
        otherwise:
            "Windows' firewall is switched off in all profiles, so nothing would be blocked: switch it on \
                    (netsh advfirewall set allprofiles state on)"
                .to_owned(),
    }
}

fn change(change: Change, target: &Target, _: &str) -> Result<Vec<Invocation>, Refusal> {
    let name = format!("name={}{}", marked(target.set()), target.prefix());
    let remote = format!("remoteip={}", with_length(target.prefix()));
    let delete = || Invocation::new("netsh.exe", ["advfirewall", "firewall", "delete", "rule", &name]);
    let add = |direction: &str| {
        let words = ["advfirewall", "firewall", "add", "rule", &name, "interfacetype=any", direction];
        Invocation::new("netsh.exe", words.into_iter().chain(["action=block", &remote]))
    };
    Ok(match change {
        // A second rule of the same name would be made: what is there goes first.
        Change::Block => vec![delete().may_fail(), add("dir=in"), add("dir=out")],
        Change::Unblock => vec![delete()],
    })
}

/// What the names of the rules of a set begin with.
fn marked(set: &SetName) -> String {
    format!("riposte-{set}-")
}

fn listed(set: &SetName, text: &str) -> Vec<Prefix> {
    let mark = marked(set);
    let named = |line: &str| line.split_ascii_whitespace().last()?.strip_prefix(&mark)?.parse().ok();
    text.lines().filter_map(named).collect()
}
