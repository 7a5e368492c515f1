//! Where administrators are logged in from.
//!
//! Whoever guesses passwords has a connection to sshd too, so a connection
//! alone protects nobody: only one behind which somebody has logged in does,
//! as root or as a member of a group of administrators. Three places tell, and
//! what any of them tells counts:
//!
//! * sshd's own processes: the one that serves a session runs as the user that
//!   logged in, or, for root, says so in its title (`sshd: root@pts/0`). This
//!   needs no record and no terminal. Before the login it runs as a user of
//!   its own, or is called `[priv]`, `[net]` or `[preauth]`.
//! * systemd's sessions (`/run/systemd/sessions`), for every service.
//! * `utmp(5)`, for every login with a terminal, where it is still kept.

use std::collections::HashSet;
use std::path::Path;

use riposte_policy::address::{Address, Prefix};

use super::accounts::Accounts;

/// Names of the programs that serve sessions of OpenSSH; the second since 9.8.
const SSHD: [&str; 2] = ["sshd", "sshd-session"];

/// The sockets of processes that serve an administrator.
pub(super) fn sockets(accounts: &Accounts) -> HashSet<u32> {
    let mut found = HashSet::new();
    for process in children(Path::new("/proc")) {
        let Some(name) = text(&process.join("comm")) else { continue };
        if SSHD.contains(&name.trim_end()) && serves(&process, accounts) {
            found.extend(children(&process.join("fd")).iter().filter_map(|fd| socket(fd)));
        }
    }
    found
}

fn serves(process: &Path, accounts: &Accounts) -> bool {
    let uid = || {
        let status = text(&process.join("status"))?;
        // Real, effective, saved, file system.
        status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?.parse().ok()
    };
    match uid() {
        Some(0) => text(&process.join("cmdline")).is_some_and(|title| is_logged_in(&title)),
        Some(uid) => accounts.administers(uid),
        None => false,
    }
}

/// Whether the title of a process of root says that root is logged in.
fn is_logged_in(title: &str) -> bool {
    let title = title.split('\0').next().unwrap_or_default();
    let Some((_, rest)) = title.split_once(": ") else { return false };
    rest.starts_with("root@") && !rest.contains(['[', ' '])
}

/// `socket:[4026]`.
fn socket(fd: &Path) -> Option<u32> {
    let link = std::fs::read_link(fd).ok()?;
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// What the system's records say.
pub(super) fn recorded(accounts: &Accounts) -> Vec<Prefix> {
    let root = accounts.root();
    let sessions = children(&root.join("run/systemd/sessions"));
    let sessions = sessions.iter().filter_map(|file| session(&text(file)?, accounts));
    let logins = bytes(&root.join("run/utmp")).unwrap_or_default();
    let logins = logins.chunks_exact(RECORD).filter_map(|record| login(record, accounts));
    sessions.chain(logins).map(Prefix::from).collect()
}

/// A file of systemd-logind: lines of `NAME=value`.
fn session(file: &str, accounts: &Accounts) -> Option<Address> {
    let value = |name: &str| file.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let uid = value("UID")?.parse().ok()?;
    let open = value("STATE").is_none_or(|state| state != "closing");
    (open && accounts.administers(uid)).then_some(())?;
    // A name, where sshd looks those up; its process tells the address then.
    value("REMOTE_HOST")?.parse().ok()
}

/// Bytes of a record of `utmp(5)`: times have 32 bits where programs of 32 bits
/// may read it too.
#[cfg(any(target_arch = "x86_64", target_arch = "powerpc64", target_pointer_width = "32"))]
const RECORD: usize = 384;
#[cfg(not(any(target_arch = "x86_64", target_arch = "powerpc64", target_pointer_width = "32")))]
const RECORD: usize = 400;

/// One record: `short type; pid; line[32]; id[4]; user[32]; host[256]; ...;
/// int32_t addr_v6[4]; char unused[20]`, padded to eight bytes.
fn login(record: &[u8], accounts: &Accounts) -> Option<Address> {
    const USER_PROCESS: i16 = 7;
    const USER: std::ops::Range<usize> = 44..76;
    const ADDRESS: usize = if RECORD == 384 { 348 } else { 360 };

    let kind = i16::from_ne_bytes(record.get(..2)?.try_into().ok()?);
    let process = u32::from_ne_bytes(record.get(4..8)?.try_into().ok()?);
    let user = std::str::from_utf8(record.get(USER)?.split(|byte| *byte == 0).next()?).ok()?;
    // Who was not logged out properly stays in the file.
    let runs = || Path::new("/proc").join(process.to_string()).exists();
    if kind != USER_PROCESS || !accounts.administers_as(user) || !runs() {
        return None;
    }
    let octets: [u8; 16] = record.get(ADDRESS..ADDRESS + 16)?.try_into().ok()?;
    let ip = match octets {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] => return None,
        [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] => std::net::Ipv4Addr::new(a, b, c, d).into(),
        v6 => std::net::IpAddr::from(std::net::Ipv6Addr::from(v6)),
    };
    Some(Address::from(ip))
}

/// What lies in a folder; nothing when it is not there, or is gone already.
fn children(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(listed) = std::fs::read_dir(folder) else { return Vec::new() };
    listed.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn text(file: &Path) -> Option<String> {
    Some(String::from_utf8_lossy(&bytes(file)?).into_owned())
}

#[expect(clippy::disallowed_methods, reason = "the guard owns the knowledge of what to protect")]
fn bytes(file: &Path) -> Option<Vec<u8>> {
    std::fs::read(file).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_of_sshd() {
        for title in ["sshd: root@pts/0\0\0", "sshd: root@notty", "sshd-session: root@pts/1,pts/2\0"] {
            assert!(is_logged_in(title), "{title}");
        }
        for title in [
            "sshd: root [priv]",
            "sshd: root@pts/0 [priv]",
            "sshd: root [net]",
            "sshd: unknown [preauth]",
            "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups",
            "sshd: [accepted]",
            "sshd",
            "/usr/sbin/sshd\0-D",
            "sshd: ann@pts/0",
        ] {
            assert!(!is_logged_in(title), "{title}");
        }
    }

    fn accounts(root: &Path) -> Accounts {
        std::fs::create_dir(root.join("etc")).unwrap();
        write(
            &root.join("etc/passwd"),
            b"root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\nbob:x:1001:1::/:/bin/sh\n",
        );
        write(&root.join("etc/group"), b"sudo:x:27:ann\n");
        Accounts::below(root.to_owned())
    }

    #[expect(clippy::disallowed_methods, reason = "the test plays the system")]
    fn write(path: &Path, bytes: &[u8]) {
        std::fs::write(path, bytes).unwrap();
    }

    fn record(kind: i16, process: u32, user: &str, address: &str) -> Vec<u8> {
        let mut record = vec![0; RECORD];
        record.splice(..2, kind.to_ne_bytes());
        record.splice(4..8, process.to_ne_bytes());
        record.splice(44..44 + user.len(), user.bytes());
        let octets = match address.parse().unwrap() {
            std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
            std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let at = if RECORD == 384 { 348 } else { 360 };
        record.splice(at..at + octets.len(), octets);
        record
    }

    #[test]
    fn records_of_administrators_count_and_no_others() {
        let root = tempfile::tempdir().unwrap();
        let accounts = accounts(root.path());
        assert_eq!(recorded(&accounts), []);
        let sessions = root.path().join("run/systemd/sessions");
        std::fs::DirBuilder::new().recursive(true).create(&sessions).unwrap();
        for (name, uid, state, host) in [
            ("1", 0, "active", "192.0.2.1"),
            ("2", 1000, "online", "2001:db8::2"),
            ("3", 1001, "active", "192.0.2.3"),
            ("4", 0, "closing", "192.0.2.4"),
            ("5", 0, "active", "dns.example"),
        ] {
            let text = format!("# private\nUID={uid}\nSTATE={state}\nREMOTE=1\nREMOTE_HOST={host}\n");
            write(&sessions.join(name), text.as_bytes());
        }
        write(&sessions.join("6"), b"UID=0\nSTATE=active\n");
        let me = std::process::id();
        let logins = [
            record(7, me, "root", "192.0.2.11"),
            record(7, me, "ann", "2001:db8::12"),
            record(7, me, "bob", "192.0.2.13"),
            record(8, me, "root", "192.0.2.14"),
            record(7, u32::MAX, "root", "192.0.2.15"),
            record(7, me, "root", "0.0.0.0"),
            vec![7; 20],
        ];
        write(&root.path().join("run/utmp"), &logins.concat());
        let mut found: Vec<String> = recorded(&accounts).iter().map(ToString::to_string).collect();
        found.sort();
        assert_eq!(found, ["192.0.2.1", "192.0.2.11", "2001:db8::12", "2001:db8::2"]);
    }
}
