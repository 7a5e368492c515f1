//! What each grant lets through: the second half of a capability call, after
//! its arguments became types and before the guard is asked.
//!
//! A grant only ever narrows: the more it says, the less passes. The property
//! test in `narrowing` holds every kind of grant to that.

use std::net::IpAddr;
use std::path::{Component, Path};

use super::{
    Access, AccountGrant, ConfigValue, ExecGrant, FirewallGrant, FolderGrant, HttpGrant, LinesGrant, Pattern,
    ProcessGrant, QuarantineGrant, RouteGrant, SecretGrant, ServiceAction, ServiceGrant, Sessions,
};
use crate::address::{Address, Prefix};
use crate::user::UserName;

impl FirewallGrant {
    /// Whether a network so broad may be blocked.
    #[must_use]
    pub fn allows(&self, target: Prefix) -> bool {
        target.length() >= widest(target, self.widest4, self.widest6)
    }

    /// The network around an address that is blocked in its place when it
    /// offends for the `offence`th time; `None`: the address alone.
    #[must_use]
    pub fn widened(&self, target: Prefix, offence: u32) -> Option<Prefix> {
        self.widen.filter(|from| offence >= *from)?;
        let address = target.single()?;
        Prefix::new(address, widest(target, self.widest4, self.widest6)).filter(|wide| *wide != target)
    }
}

impl RouteGrant {
    /// Whether a route for a network so broad may be made.
    #[must_use]
    pub fn allows(&self, target: Prefix) -> bool {
        target.length() >= widest(target, self.widest4, self.widest6)
    }
}

impl AccountGrant {
    /// Whether this account may be locked.
    #[must_use]
    pub fn allows(&self, user: &UserName) -> bool {
        any(&self.users, user.as_str()) && !any(&self.except, user.as_str())
    }

    /// Whether what this user runs may be ended.
    #[must_use]
    pub fn may_end_sessions(&self, user: &UserName) -> bool {
        self.sessions == Sessions::End && self.allows(user)
    }
}

impl ServiceGrant {
    /// Whether this may be done to this unit. Whether a unit runs is asked
    /// about, not done: any action at all allows to ask.
    #[must_use]
    pub fn allows(&self, unit: &str, action: ServiceAction) -> bool {
        self.unit == unit && self.actions.contains(&action)
    }
}

impl LinesGrant {
    /// Whether this line may be kept in this file. Paths are compared as they
    /// are written: a plugin names the file as the grant does.
    #[must_use]
    pub fn allows(&self, file: &Path, line: &str) -> bool {
        self.is_for(file) && any(&self.lines, line)
    }

    /// Whether this grant is for that file, or, as `/FOLDER/*`, for every file
    /// that lies in its folder and in none below.
    #[must_use]
    pub fn is_for(&self, file: &Path) -> bool {
        let every = self.file.file_name().is_some_and(|name| name == "*");
        let inside = || {
            let name = file.file_name()?;
            let path = self.file.parent()?.join(name);
            Some(same_path(&path, file))
        };
        if every { inside() == Some(true) } else { same_path(&self.file, file) }
    }
}

impl ProcessGrant {
    /// Whether processes of this program may be seen and ended.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        any(&self.names, name) && !any(&self.except, name)
    }
}

impl ExecGrant {
    /// Whether the program may be called with these arguments.
    #[must_use]
    pub fn allows(&self, arguments: &[String]) -> bool {
        self.arguments.allow(arguments)
    }

    /// Whether this grant is for that program. Paths are compared as they are
    /// written.
    #[must_use]
    pub fn is_for(&self, program: &Path) -> bool {
        same_path(&self.program, program)
    }
}

impl QuarantineGrant {
    /// Whether a file of this path may be taken, as far as its text says: it
    /// lies below a folder of the grant and takes no step back. Where the path
    /// leads through links is for who opens it.
    #[must_use]
    pub fn allows(&self, path: &Path) -> bool {
        is_plain(path) && self.folders.iter().any(|folder| path.starts_with(folder) && path != folder)
    }
}

impl FolderGrant {
    /// Whether this path may be used so, as far as its text says.
    #[must_use]
    pub fn allows(&self, path: &Path, access: Access) -> bool {
        let enough = access == Access::Read || self.access == Access::Write;
        enough && is_plain(path) && path.starts_with(&self.path)
    }
}

impl HttpGrant {
    /// Whether a request with this method may go to this host and port, with
    /// TLS or without. The host is the one of the URI's authority, an IPv6
    /// address in brackets or not; which address it resolves to is judged
    /// besides, by [`HttpGrant::private`].
    #[must_use]
    pub fn allows(&self, tls: bool, host: &str, port: u16, method: &str) -> bool {
        self.tls == tls
            && self.port == port
            && self.methods.iter().any(|granted| granted == method)
            && self.is_for(host)
    }

    /// Whether this grant is for that host. Case and one dot at the end of a
    /// name do not count; an address is compared as one.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        if let (Some(granted), Some(asked)) = (address(&self.host), address(host)) {
            return granted == asked;
        }
        let asked = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let granted = self.host.to_ascii_lowercase();
        match granted.strip_prefix("*.") {
            // An address has no names below it.
            Some(_) if address(&asked).is_some() => false,
            Some(domain) => asked
                .strip_suffix(domain)
                .and_then(|below| below.strip_suffix('.'))
                .is_some_and(|below| !below.is_empty() && below.split('.').all(|label| !label.is_empty())),
            None => asked == granted,
        }
    }
}

impl ConfigValue {
    /// The value of this name.
    #[must_use]
    pub fn of<'a>(all: &'a [Self], name: &str) -> Option<&'a str> {
        all.iter().find(|one| one.name == name).map(|one| one.value.as_str())
    }
}

impl SecretGrant {
    /// The secret of this name.
    #[must_use]
    pub fn of<'a>(all: &'a [Self], name: &str) -> Option<&'a Self> {
        all.iter().find(|one| one.name == name)
    }
}

/// The fewest leading bits that such a network must have.
fn widest(target: Prefix, widest4: u8, widest6: u8) -> u8 {
    match target.network().ip() {
        IpAddr::V4(_) => widest4,
        IpAddr::V6(_) => widest6,
    }
}

fn any(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

/// Byte for byte: `Path` would take `/a//b` and `/a/./b` for `/a/b`.
fn same_path(granted: &Path, asked: &Path) -> bool {
    granted.as_os_str() == asked.as_os_str()
}

/// Whether a path is absolute and takes no step back.
fn is_plain(path: &Path) -> bool {
    path.has_root() && !path.components().any(|part| part == Component::ParentDir)
}

fn address(host: &str) -> Option<Address> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use std::time::Duration;

    fn patterns(text: &str) -> Vec<Pattern> {
        text.split_ascii_whitespace().map(Pattern::new).collect()
    }

    #[test]
    fn an_exception_wins_over_every_pattern() {
        let grant = AccountGrant {
            users: patterns("web-* deploy"),
            except: patterns("web-1"),
            sessions: Sessions::Keep,
        };
        let allows = |user: &str| grant.allows(&user.parse().unwrap());
        assert!(allows("web-2") && allows("deploy"));
        assert!(!allows("web-1") && !allows("backup") && !allows("web"));
        assert!(!grant.may_end_sessions(&"deploy".parse().unwrap()));
        assert!(!AccountGrant::default().allows(&"deploy".parse().unwrap()));
        let grant = ProcessGrant { names: patterns("*"), except: patterns("sshd riposte*") };
        assert!(grant.allows("xmrig") && !grant.allows("sshd") && !grant.allows("riposte-x"));
    }

    #[test]
    fn a_folder_ends_at_its_slash() {
        let grant = QuarantineGrant { folders: vec!["/tmp".into(), "/home".into()] };
        let allows = |path: &str| grant.allows(Path::new(path));
        assert!(allows("/tmp/x") && allows("/home/a/b"));
        for path in ["/tmp", "/tmpx/y", "/tmp/../etc/x", "tmp/x", "", "/etc/x"] {
            assert!(!allows(path), "{path}");
        }
        let folder = FolderGrant { path: "/var/lib/in".into(), access: Access::Read };
        assert!(folder.allows(Path::new("/var/lib/in/x"), Access::Read));
        assert!(!folder.allows(Path::new("/var/lib/in/x"), Access::Write));
        assert!(!folder.allows(Path::new("/var/lib/in/../x"), Access::Read));
    }

    #[test]
    fn a_file_and_a_program_are_named_as_the_grant_names_them() {
        let every = LinesGrant { file: "/ipblock/*".into(), lines: patterns("*") };
        assert!(every.is_for(Path::new("/ipblock/192.0.2.7")));
        for file in
            ["/ipblock", "/ipblock/", "/ipblock/a/b", "/ipblock/../x", "/ipblock//x", "/ipblockx/y", "x"]
        {
            assert!(!every.is_for(Path::new(file)), "{file}");
        }
        let grant = LinesGrant { file: "/etc/hosts.deny".into(), lines: patterns("ALL:*") };
        assert!(grant.allows(Path::new("/etc/hosts.deny"), "ALL:192.0.2.7"));
        for (file, line) in [
            ("/etc/hosts.deny", "sshd:192.0.2.7"),
            ("/etc//hosts.deny", "ALL:1"),
            ("/etc/./hosts.deny", "ALL:1"),
            ("/etc/hosts.deny/", "ALL:1"),
            ("/etc/passwd", "ALL:1"),
        ] {
            assert!(!grant.allows(Path::new(file), line), "{file} {line}");
        }
    }

    #[test]
    fn a_host_has_many_spellings_and_one_meaning() {
        let grant = |host: &str| HttpGrant {
            host: host.to_owned(),
            port: 443,
            tls: true,
            methods: vec!["POST".to_owned()],
            private: super::super::PrivateNetworks::Refused,
            ca: None,
            request: 1,
            response: 1,
            time: Duration::from_secs(1),
        };
        let allows = |granted: &str, asked: &str| grant(granted).allows(true, asked, 443, "POST");
        for (granted, asked) in [
            ("hooks.example.com", "hooks.example.com"),
            ("hooks.example.com", "HOOKS.Example.com."),
            ("*.example.com", "a.example.com"),
            ("*.example.com", "a.b.example.com"),
            ("2001:db8::7", "[2001:db8:0::7]"),
            ("192.0.2.7", "::ffff:192.0.2.7"),
        ] {
            assert!(allows(granted, asked), "{granted} {asked}");
        }
        for (granted, asked) in [
            ("hooks.example.com", "example.com"),
            ("hooks.example.com", "hooks.example.com.."),
            ("*.example.com", "example.com"),
            ("*.example.com", ".example.com"),
            ("*.example.com", "a..example.com"),
            ("*.example.com", "aexample.com"),
            ("*.example.com", "a.example.com.evil.test"),
            ("*.2.7", "192.0.2.7"),
            ("192.0.2.7", "192.0.2.70"),
            ("192.0.2.7", "0300.0.2.7"),
        ] {
            assert!(!allows(granted, asked), "{granted} {asked}");
        }
        let one = grant("a.example");
        assert!(!one.allows(false, "a.example", 443, "POST") && !one.allows(true, "a.example", 80, "POST"));
        assert!(!one.allows(true, "a.example", 443, "GET") && !one.allows(true, "a.example", 443, "post"));
    }

    #[test]
    fn a_network_is_measured_in_its_own_family() {
        let grant = FirewallGrant { widest4: 24, widest6: 64, ..FirewallGrant::default() };
        let allows = |text: &str| grant.allows(text.parse().unwrap());
        assert!(allows("192.0.2.0/24") && allows("192.0.2.7") && allows("2001:db8::/64"));
        assert!(!allows("192.0.0.0/23") && !allows("2001:db8::/48") && !allows("2001:db8::/32"));
        let grant = FirewallGrant { widen: Some(3), ..grant };
        let widened =
            |text: &str, offence| grant.widened(text.parse().unwrap(), offence).map(|p| p.to_string());
        assert_eq!(widened("192.0.2.7", 2), None);
        assert_eq!(widened("192.0.2.7", 3).as_deref(), Some("192.0.2.0/24"));
        assert_eq!(widened("2001:db8::7", 9).as_deref(), Some("2001:db8::/64"));
        assert_eq!(widened("192.0.2.0/28", 9), None, "a network is as wide as it was asked for");
        assert_eq!(
            FirewallGrant { widest4: 32, ..grant.clone() }.widened("192.0.2.7".parse().unwrap(), 9),
            None
        );
        assert_eq!(FirewallGrant { widen: None, ..grant }.widened("192.0.2.7".parse().unwrap(), 9), None);
        let unit = ServiceGrant { unit: "nginx.service".to_owned(), actions: vec![ServiceAction::Restart] };
        assert!(unit.allows("nginx.service", ServiceAction::Restart));
        assert!(!unit.allows("nginx", ServiceAction::Restart));
        assert!(!unit.allows("nginx.service", ServiceAction::Stop));
    }
}
