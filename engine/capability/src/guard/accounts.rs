//! Which accounts are never locked: root, the system's, the last administrator.
//!
//! Read from `passwd(5)`, `group(5)` and `shadow(5)`, again whenever one of the
//! files has changed. Accounts that only a name service knows are not judged.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use riposte_policy::user::UserName;

use super::Verdict;

/// Groups whose members administer: Debian's and Ubuntu's, Red Hat's and
/// SUSE's, and Ubuntu's before 12.04.
const ADMINISTRATORS: [&str; 3] = ["sudo", "wheel", "admin"];

/// Numbers that mean nobody: 16 and 32 bits of `-1` and `-2`, as file systems
/// and user namespaces show them.
const NOBODY: [u32; 4] = [65_534, 65_535, u32::MAX - 1, u32::MAX];

/// Shells that let nobody in.
const CLOSED: [&str; 2] = ["nologin", "false"];

/// The files, and what stood in them when they were read last.
pub(super) struct Accounts {
    root: PathBuf,
    read: Mutex<Option<(Stamps, Arc<Book>)>>,
}

/// What tells versions of the three files apart, and the day on which they were
/// read: an account may expire while its line stays what it was.
type Stamps = ([Option<Stamp>; 3], i64);

const FILES: [&str; 3] = ["etc/passwd", "etc/group", "etc/shadow"];

/// What the files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Book {
    accounts: Vec<Account>,
    /// Members and numbers of the groups of administrators.
    members: Vec<String>,
    groups: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Account {
    name: String,
    uid: u32,
    gid: u32,
    /// Whether somebody can log in as it.
    open: bool,
}

impl Accounts {
    pub(super) fn below(root: PathBuf) -> Self {
        Self { root, read: Mutex::default() }
    }

    /// The folder that the files lie below.
    #[cfg(target_os = "linux")]
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn judge(&self, user: &UserName, users_below: u32) -> Verdict {
        match self.book() {
            Ok(book) => book.judge(user.as_str(), users_below),
            // Without the list only names are left to go by.
            Err(error) if is_root(&folded(user.as_str())) => root(user.as_str(), &error),
            Err(error) => Verdict::Never {
                rule: "accounts-unknown",
                detail: format!("{user} may be anybody, since the accounts cannot be read: {error}"),
            },
        }
    }

    /// Whether the account of this number administers: root, another name of
    /// it, or a member of a group of administrators.
    #[cfg(target_os = "linux")]
    pub(super) fn administers(&self, uid: u32) -> bool {
        uid == 0
            || self.book().is_ok_and(|book| {
                book.accounts.iter().any(|account| account.uid == uid && book.administers(account))
            })
    }

    /// The same by name.
    #[cfg(target_os = "linux")]
    pub(super) fn administers_as(&self, name: &str) -> bool {
        is_root(name)
            || self.book().is_ok_and(|book| book.named(name).is_some_and(|account| book.administers(account)))
    }

    /// The number of an account.
    #[cfg(target_os = "linux")]
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.book().ok()?.named(name).map(|account| account.uid)
    }

    fn book(&self) -> Result<Arc<Book>, String> {
        let today = today();
        let files = FILES.map(|file| std::fs::metadata(self.root.join(file)).ok().map(|found| stamp(&found)));
        let stamps = (files, today);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, book)) = read.as_ref()
            && *known == stamps
        {
            return Ok(Arc::clone(book));
        }
        let [passwd, group, shadow] = FILES.map(|file| text(&self.root.join(file)));
        let (passwd, group) = (passwd?, group.unwrap_or_default());
        // Without it nobody is known to be able to log in.
        let shadow = shadow.unwrap_or_default();
        let book = Arc::new(Book::read(&passwd, &group, &shadow, today));
        *read = Some((stamps, Arc::clone(&book)));
        Ok(book)
    }
}

/// Number, size and time of change: the tools write a new file and rename it.
#[cfg(unix)]
type Stamp = (u64, u64, i64, i64);
#[cfg(not(unix))]
type Stamp = (u64, Option<std::time::SystemTime>);

#[cfg(unix)]
fn stamp(found: &Metadata) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    (found.ino(), found.size(), found.ctime(), found.ctime_nsec())
}

#[cfg(not(unix))]
fn stamp(found: &Metadata) -> Stamp {
    (found.len(), found.modified().ok())
}

#[expect(clippy::disallowed_methods, reason = "the guard owns the knowledge of what to protect")]
fn text(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Days since 1970, as `shadow(5)` counts them.
#[expect(clippy::disallowed_methods, reason = "an expiry date is the system's, not the engine's")]
fn today() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs() / 86_400).unwrap_or(i64::MAX)
}

impl Book {
    fn read(passwd: &str, group: &str, shadow: &str, today: i64) -> Self {
        let secrets: BTreeMap<&str, bool> = shadow.lines().filter_map(|line| secret(line, today)).collect();
        let mut book = Self::default();
        for line in passwd.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(password), Some(uid), Some(gid)) =
                (fields.next(), fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse()) else { continue };
            let shell = fields.nth(2).unwrap_or_default();
            let closed = CLOSED.contains(&shell.rsplit('/').next().unwrap_or_default());
            // `x`: the password stands in the other file.
            let open = if password == "x" {
                secrets.get(name).copied().unwrap_or(false)
            } else {
                !is_locked(password)
            };
            book.accounts.push(Account { name: name.to_owned(), uid, gid, open: open && !closed });
        }
        for line in group.lines() {
            let mut fields = line.split(':');
            let Some(name) = fields.next().filter(|name| ADMINISTRATORS.contains(name)) else { continue };
            tracing::trace!(name, "a group of administrators");
            book.groups.extend(fields.nth(1).and_then(|gid| gid.parse::<u32>().ok()));
            let members = fields.next().unwrap_or_default().split(',');
            book.members.extend(members.map(str::trim).filter(|m| !m.is_empty()).map(str::to_owned));
        }
        book
    }

    fn judge(&self, user: &str, users_below: u32) -> Verdict {
        let folded = folded(user);
        if is_root(&folded) {
            return root(user, "it is the name of root");
        }
        // What is no name here may be read as one, or as a number, elsewhere.
        let number =
            || folded.parse::<u32>().ok().and_then(|uid| self.accounts.iter().find(|a| a.uid == uid));
        let Some(account) = self.named(user).or_else(|| self.named(&folded)).or_else(number) else {
            return match folded.parse::<u32>() {
                Ok(0) => root(user, "0 is the number of root"),
                _ => Verdict::Pass,
            };
        };
        if account.uid == 0 {
            return root(user, "it is another name of root");
        }
        if account.uid < users_below || NOBODY.contains(&account.uid) {
            let detail = format!("{user} is an account of the system: its number is {}", account.uid);
            return Verdict::Never { rule: "system-account", detail };
        }
        let other = |other: &&Account| other.uid != 0 && other.uid != account.uid && other.open;
        if self.administers(account) && !self.accounts.iter().filter(other).any(|o| self.administers(o)) {
            let detail = format!(
                "{user} is the last administrator besides root who can log in: none would be left in {}",
                ADMINISTRATORS.join(", ")
            );
            return Verdict::Never { rule: "last-administrator", detail };
        }
        Verdict::Pass
    }

    fn named(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == name)
    }

    fn administers(&self, account: &Account) -> bool {
        account.uid == 0 || self.groups.contains(&account.gid) || self.members.contains(&account.name)
    }
}

/// A name, and whether its account lets somebody in: its password is not locked
/// and it has not expired. A password that was never set (`*`, `!`, `!!`) locks
/// nobody out who has a key.
fn secret(line: &str, today: i64) -> Option<(&str, bool)> {
    let mut fields = line.split(':');
    let (name, password) = (fields.next()?, fields.next()?);
    let expires = fields.nth(5).and_then(|day| day.parse::<i64>().ok());
    // shadow(5) calls zero unclear: some take it for no date, some for 1970.
    let expired = expires.is_some_and(|day| day >= 0 && day <= today);
    Some((name, !expired && !is_locked(password)))
}

/// `usermod -L` and `passwd -l` write a mark before the password.
fn is_locked(password: &str) -> bool {
    password.starts_with('!') && password.chars().any(|c| c != '!' && c != '*')
}

fn is_root(name: &str) -> bool {
    name == "root"
}

fn root(user: &str, why: &str) -> Verdict {
    let detail = format!("{user} is never locked: without root nobody can repair this machine ({why})");
    Verdict::Never { rule: "root", detail }
}

/// The name that a lenient reader could take this for: without the domain of
/// a name service, in lower case, wide and invisible characters as plain ones.
fn folded(name: &str) -> String {
    let plain = |c: char| match c {
        // The ASCII characters in their full width.
        '\u{ff01}'..='\u{ff5e}' => u32::from(c).checked_sub(0xfee0).and_then(char::from_u32),
        // Soft hyphen, joiners, marks of direction, byte order.
        '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}'
        | '\u{feff}' => None,
        c => Some(c),
    };
    let plain: String = name.chars().filter_map(plain).flat_map(char::to_lowercase).collect();
    plain.split('@').next().unwrap_or_default().trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/root:/bin/sh\n\
        daemon:x:1:1::/:/usr/sbin/nologin\nbackup:x:34:34::/:/usr/sbin/nologin\n\
        nobody:x:65534:65534::/:/usr/sbin/nologin\nann:x:1000:1000::/home/ann:/bin/bash\n\
        bob:x:1001:1001::/home/bob:/bin/bash\nmallory:x:1002:1002::/home/m:/bin/bash\n\
        eve:x:1003:27::/home/eve:/bin/bash\nshort\nbad:x:-1:0::/:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nsudo:x:27:ann\nusers:x:100:mallory\n";

    fn rule(book: &Book, user: &str) -> Option<&'static str> {
        match book.judge(user, 1000) {
            Verdict::Pass => None,
            Verdict::Never { rule, .. } => Some(rule),
        }
    }

    fn book(shadow: &str) -> Book {
        Book::read(PASSWD, GROUP, shadow, 20_000)
    }

    #[test]
    fn root_and_the_system_whatever_their_names_look_like() {
        let book = book("ann:$6$x:1::::::\neve:$6$x:1::::::\n");
        for name in [
            "root",
            "ROOT",
            "Root",
            "toor",
            "root@example.com",
            "ｒｏｏｔ",
            "ro\u{200b}ot",
            "0",
            "00",
            "TOOR",
        ] {
            assert_eq!(rule(&book, name), Some("root"), "{name}");
        }
        for name in ["daemon", "Backup", "nobody", "65534", "1", "01", "nobody@x"] {
            assert_eq!(rule(&book, name), Some("system-account"), "{name}");
        }
        for name in ["mallory", "MALLORY", "1002", "nobody-here", "4711", "rooted", "renée"] {
            assert_eq!(rule(&book, name), None, "{name}");
        }
        assert_eq!(book.judge("mallory", 1003), book.judge("mallory", 5000));
        assert_ne!(book.judge("mallory", 1003), Verdict::Pass);
        assert_eq!(book.judge("daemon", 1), Verdict::Pass);
    }

    #[test]
    fn one_administrator_is_left() {
        let both = "ann:$6$x:1::::::\neve:*:1::::::\n";
        assert_eq!((rule(&book(both), "ann"), rule(&book(both), "eve")), (None, None));
        // Locked, expired, or without a shell: no administrator.
        for eve in [
            "eve:!$6$x:1::::::",
            "eve:$6$x:1:::::19999:",
            "eve:$6$x:1:::::20000:",
            "eve:$6$x:1:::::0:",
            "eve",
            "",
        ] {
            let book = book(&format!("ann:$6$x:1::::::\n{eve}\n"));
            assert_eq!(rule(&book, "ann"), Some("last-administrator"), "{eve}");
            assert_eq!(rule(&book, "bob"), None);
        }
        for eve in ["eve:$6$x:1:::::20001:", "eve:!!:1::::::", "eve:!*:1::::::", "eve:*:1:::::-1:"] {
            assert_eq!(rule(&book(&format!("{eve}\n")), "ann"), None, "{eve}");
        }
        let closed = PASSWD.replace("/home/eve:/bin/bash", "/home/eve:/usr/sbin/nologin");
        assert_eq!(rule(&Book::read(&closed, GROUP, both, 20_000), "ann"), Some("last-administrator"));
        // A second name of root is not somebody else.
        let wheel = GROUP.replace("ann", "ann,toor");
        let only = "toor:$6$x:1::::::\nann:$6$x:1::::::\n";
        assert_eq!(rule(&Book::read(PASSWD, &wheel, only, 20_000), "ann"), Some("last-administrator"));
    }

    #[test]
    fn files_are_read_again_when_they_change() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            #[expect(clippy::disallowed_methods, reason = "the test plays the administrator")]
            std::fs::write(root.path().join(file), text).unwrap();
        };
        let accounts = Accounts::below(root.path().to_owned());
        let user: UserName = "mallory".parse().unwrap();
        assert!(matches!(accounts.judge(&user, 1000), Verdict::Never { rule: "accounts-unknown", .. }));
        let name: UserName = "root".parse().unwrap();
        assert!(matches!(accounts.judge(&name, 1000), Verdict::Never { rule: "root", .. }));
        std::fs::create_dir(root.path().join("etc")).unwrap();
        write("etc/passwd", PASSWD);
        assert_eq!(accounts.judge(&user, 1000), Verdict::Pass);
        write("etc/passwd", &PASSWD.replace("1002", "99"));
        assert!(matches!(accounts.judge(&user, 1000), Verdict::Never { rule: "system-account", .. }));
        assert!(!accounts.administers(1000) && accounts.administers(0));
        write("etc/group", GROUP);
        assert!(accounts.administers(1000) && accounts.administers(1003) && !accounts.administers(1001));
    }
}
