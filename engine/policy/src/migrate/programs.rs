//! The programs that Wazuh ships, 4.x and 5.x.
//!
//! 5.x has one program that blocks addresses, `block-ip`, which tries what the
//! host has, and `disable-account` ("Default active response scripts" of the
//! 5.0 documentation). The others are gone.

/// What became of a program of 4.x or OSSEC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has this name in 5.x, and does the same.
    Named(&'static str),
    /// `block-ip` does something like it.
    BlockIp,
    /// 5.x has nothing like it.
    Gone,
    /// It was never Wazuh's: it is the user's own.
    Own,
}

/// What became of this program.
pub(super) fn fate(executable: &str) -> Fate {
    let stem = [".sh", ".cmd", ".exe", ".bat", ".py"].iter().find_map(|end| executable.strip_suffix(end));
    match stem.unwrap_or(executable) {
        "firewall-drop" => Fate::Named("block-ip"),
        "block-ip" => Fate::Named("block-ip"),
        "disable-account" => Fate::Named("disable-account"),
        "default-firewall-drop"
        | "firewalld-drop"
        | "host-deny"
        | "route-null"
        | "ip-customblock"
        | "ipfw"
        | "npf"
        | "pf"
        | "netsh"
        | "ipfw_mac"
        | "route-null-2012" => Fate::BlockIp,
        "restart-wazuh" | "restart-ossec" | "restart" | "kaspersky" | "wazuh-slack" | "ossec-slack"
        | "ossec-tweeter" | "cloudflare-ban" => Fate::Gone,
        _ => Fate::Own,
    }
}

/// The program of 4.x, and of Riposte, for one of 5.x.
pub(super) fn of_five(executable: &str) -> &str {
    if executable == "block-ip" { "firewall-drop" } else { executable }
}
