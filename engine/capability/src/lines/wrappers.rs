//! The files of the TCP wrappers, `hosts.deny` and `hosts.allow`.
//!
//! Their language can run programs (`spawn`, `twist`: hosts_options(5)) and
//! shut everybody out with one word (`ALL`, `LOCAL`, `.example.com`:
//! hosts_access(5)). A line that a response keeps there may do neither: it
//! names services and one address or network, which the guard judges.

use riposte_policy::address::Prefix;

use crate::guard::{Guard, Verdict};
use crate::refusal::Refusal;

/// Judges a line for the file of this name; lines of other files pass.
///
/// # Errors
///
/// `denied` for any line that could do more than refuse one address or
/// network, or when the guard protects that.
pub(super) fn judge(guard: &Guard, name: &str, line: &str) -> Result<(), Refusal> {
    let lets_in = match name {
        "hosts.deny" => false,
        "hosts.allow" => true,
        _ => return Ok(()),
    };
    // A line is joined to the next one by its last character, before anybody
    // looks whether it is a comment.
    if line.starts_with('#') && !line.ends_with('\\') {
        return Ok(());
    }
    let Some((client, option)) = parsed(line) else {
        return Err(Refusal::denied(format!(
            "{} is no line that a response may keep in {name}: it has to be `DAEMONS : ADDRESS`, with `: deny` or `: allow` behind it where that is wanted, and an IPv6 address in brackets",
            riposte_policy::diagnostic::shown(line)
        )));
    };
    let allows = match option {
        Some(Access::Deny) => false,
        Some(Access::Allow) => true,
        None => lets_in,
    };
    match guard.judge(client) {
        Verdict::Never { rule, detail } if !allows => {
            Err(Refusal::denied(format!("{client} is never blocked: {detail} (guard: {rule})")))
        }
        _ => Ok(()),
    }
}

/// What the option behind the address says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Deny,
    Allow,
}

/// The address of a line, and its option.
fn parsed(line: &str) -> Option<(Prefix, Option<Access>)> {
    let (daemons, rest) = line.split_once(':')?;
    let mut daemons = daemons.split([' ', ',']).filter(|daemon| !daemon.is_empty()).peekable();
    daemons.peek()?;
    let plain = |daemon: &str| {
        daemon != "EXCEPT"
            && daemon
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@'))
    };
    if !daemons.all(plain) {
        return None;
    }
    let rest = rest.trim_matches(' ');
    let (client, option) = match rest.strip_prefix('[') {
        Some(six) => {
            let (address, behind) = six.split_once(']')?;
            let (length, option) = match behind.split_once(':') {
                Some((length, option)) => (length, Some(option)),
                None => (behind, None),
            };
            let client: Prefix = format!("{address}{}", length.trim_matches(' ')).parse().ok()?;
            (client.network().ip().is_ipv6().then_some(client)?, option)
        }
        None => {
            let (client, option) = match rest.split_once(':') {
                Some((client, option)) => (client, Some(option)),
                None => (rest, None),
            };
            let client: Prefix = client.trim_matches(' ').parse().ok()?;
            (client.network().ip().is_ipv4().then_some(client)?, option)
        }
    };
    let option = match option.map(|option| option.trim_matches(' ').to_ascii_lowercase()).as_deref() {
        None => None,
        Some("deny") => Some(Access::Deny),
        Some("allow") => Some(Access::Allow),
        Some(_) => return None,
    };
    Some((client, option))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn guard() -> Guard {
        let guard = Guard::new();
        guard.set_white_list(vec!["198.51.100.7".parse().unwrap()]);
        guard
    }

    #[test]
    fn one_address_or_network_for_some_services() {
        for line in [
            "ALL:192.0.2.7",
            "ALL : 192.0.2.7 : deny",
            "sshd, vsftpd: 192.0.2.0/24",
            "ALL:[2001:db8::7]",
            "ALL : [2001:db8::]/64 : DENY",
            "# ALL: ALL",
            "sshd : 198.51.100.7 : allow",
        ] {
            assert_eq!(judge(&guard(), "hosts.deny", line), Ok(()), "{line}");
        }
        assert_eq!(judge(&guard(), "hosts.allow", "sshd: 198.51.100.7"), Ok(()));
        assert_eq!(judge(&guard(), "other.list", "ALL: ALL: spawn /bin/sh"), Ok(()));
    }

    #[test]
    fn nothing_else() {
        for line in [
            "ALL:ALL",
            "ALL: LOCAL",
            "ALL: .example.com",
            "ALL: 10.",
            "ALL: @group",
            "ALL: /etc/list",
            "ALL: 192.0.2.7 EXCEPT 192.0.2.8",
            "ALL EXCEPT sshd: 192.0.2.7",
            "ALL: 192.0.2.7, ALL",
            "ALL: 192.0.2.7: spawn rm -rf /",
            "ALL: 192.0.2.7: deny: spawn id",
            "ALL: 192.0.2.7 \\",
            "# swallows the next line \\",
            "ALL:2001:db8::7",
            "ALL:[192.0.2.7]",
            "ALL:[2001:db8::7]x",
            ": 192.0.2.7",
            "192.0.2.7",
            "",
            "ALL",
        ] {
            assert_eq!(judge(&guard(), "hosts.deny", line).unwrap_err().kind, "denied", "{line}");
        }
    }

    #[test]
    fn the_guard_is_asked() {
        for line in
            ["ALL:127.0.0.1", "ALL:[::1]", "sshd: 198.51.100.7", "ALL: 198.51.100.0/24", "ALL: 0.0.0.0/0"]
        {
            let refusal = judge(&guard(), "hosts.deny", line).unwrap_err();
            assert!(refusal.message.contains("guard: "), "{refusal}");
        }
        assert!(judge(&guard(), "hosts.allow", "ALL: 127.0.0.1: deny").is_err());
    }
}
