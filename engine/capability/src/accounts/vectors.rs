//! Which program locks an account, as argument vectors: on Linux, where the
//! engine runs them, and on the other systems of Wazuh's `disable-account`
//! (`disable-account.c` of 4.14.7), where they are proven as vectors only.
//!
//! What differs from Wazuh on purpose: the account expires too, since a locked
//! password keeps nobody out who logs in with a key; and no name can be taken
//! for an option.

use riposte_policy::user::UserName;

/// A system on which accounts can be locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the systems")]
pub enum System {
    Linux,
    Aix,
    FreeBsd,
    Solaris,
    MacOs,
}

/// Locks the account.
#[must_use]
pub fn lock(system: System, user: &UserName) -> Vec<String> {
    let user = user.as_str();
    match system {
        // Day 1 and not 0, which some readers of shadow(5) take for "never".
        System::Linux => words(&["usermod", "--lock", "--expiredate", "1", "--", user]),
        System::Aix => words(&["chuser", "account_locked=true", user]),
        System::FreeBsd => words(&["pw", "lock", user]),
        System::Solaris => words(&["passwd", "-l", "--", user]),
        System::MacOs => words(&["pwpolicy", "-u", user, "-disableuser"]),
    }
}

/// Opens an account that was open before. On Linux [`restore`] knows more.
#[must_use]
pub fn unlock(system: System, user: &UserName) -> Vec<String> {
    let name = user.as_str();
    match system {
        System::Linux => restore(user, Some(Opened::Unlocked), Some(None)),
        System::Aix => words(&["chuser", "account_locked=false", name]),
        System::FreeBsd => words(&["pw", "unlock", name]),
        System::Solaris => words(&["passwd", "-u", "--", name]),
        System::MacOs => words(&["pwpolicy", "-u", name, "-enableuser"]),
    }
}

/// How a locked password becomes what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The lock before it goes.
    Unlocked,
    /// There was none: it becomes empty again. `usermod --unlock` refuses that,
    /// with exit code 0.
    Emptied,
}

/// Restores on Linux what differs from the state before: the password, and the
/// day of the expiry (`Some(None)`: never expires).
#[must_use]
pub fn restore(user: &UserName, password: Option<Opened>, expires: Option<Option<i64>>) -> Vec<String> {
    let mut vector = words(&["usermod"]);
    match password {
        Some(Opened::Unlocked) => vector.extend(words(&["--unlock"])),
        Some(Opened::Emptied) => vector.extend(words(&["--password", ""])),
        None => {}
    }
    if let Some(day) = expires {
        vector.extend(words(&["--expiredate"]));
        vector.push(day.map_or_else(String::new, |day| day.to_string()));
    }
    vector.extend(words(&["--", user.as_str()]));
    vector
}

/// Restores on Linux the day on which the password was last changed.
#[must_use]
pub fn changed(user: &UserName, day: i64) -> Vec<String> {
    words(&["chage", "--lastday", &day.to_string(), "--", user.as_str()])
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn alice() -> UserName {
        "alice".parse().unwrap()
    }

    #[test]
    fn each_system_is_told_exactly_this() {
        for (system, locked, unlocked) in [
            (
                System::Linux,
                "usermod --lock --expiredate 1 -- alice",
                "usermod --unlock --expiredate  -- alice",
            ),
            (System::Aix, "chuser account_locked=true alice", "chuser account_locked=false alice"),
            (System::FreeBsd, "pw lock alice", "pw unlock alice"),
            (System::Solaris, "passwd -l -- alice", "passwd -u -- alice"),
            (System::MacOs, "pwpolicy -u alice -disableuser", "pwpolicy -u alice -enableuser"),
        ] {
            assert_eq!(lock(system, &alice()).join(" "), locked);
            assert_eq!(unlock(system, &alice()).join(" "), unlocked);
        }
    }

    #[test]
    fn only_what_differs_is_restored() {
        let said = |password, expires| restore(&alice(), password, expires).join(" ");
        assert_eq!(
            said(Some(Opened::Unlocked), Some(Some(20_000))),
            "usermod --unlock --expiredate 20000 -- alice"
        );
        assert_eq!(said(None, Some(Some(0))), "usermod --expiredate 0 -- alice");
        assert_eq!(said(Some(Opened::Emptied), None), "usermod --password  -- alice");
        assert_eq!(changed(&alice(), 19_000).join(" "), "chage --lastday 19000 -- alice");
    }
}
