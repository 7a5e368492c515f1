//! What `/etc/passwd` and `/etc/shadow` say: `passwd(5)` and `shadow(5)`. Read
//! only; nothing here ever writes them. A password is never kept, not even its
//! hash: only what kind of one it is.

use riposte_policy::user::UserName;
use serde::{Deserialize, Serialize};

use super::Account;

/// What a lock changes of an account. What is recorded of it before the first
/// lock is enough to restore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// Its password.
    pub(super) password: Password,
    /// The day on which it expires, in days since 1970; `None`: never.
    pub(super) expires: Option<i64>,
    /// The day of the last change of its password, in days since 1970, which
    /// setting a password moves.
    pub(super) changed: Option<i64>,
}

/// What kind of password an account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Password {
    /// None: who knows the name is in.
    Empty,
    /// Something, a `*` that fits no password included.
    Open,
    /// A lock (`!`) before something.
    Locked,
    /// A lock alone: there is nothing that it could be opened to.
    Sealed,
}

/// The state of an account in the text of `/etc/shadow`. `None`: it is not
/// there, or its line is broken.
pub(super) fn state(shadow: &str, user: &str) -> Option<State> {
    let fields: Vec<&str> = line(shadow, user)?.split(':').collect();
    let password = match *fields.get(1)? {
        "" => Password::Empty,
        "!" => Password::Sealed,
        other if other.starts_with('!') => Password::Locked,
        _ => Password::Open,
    };
    Some(State { password, changed: day(fields.get(2)?)?, expires: day(fields.get(7)?)? })
}

/// The account of a name in the text of `/etc/passwd`.
pub(super) fn account(passwd: &str, user: &str) -> Option<Account> {
    let uid = uid(line(passwd, user)?)?;
    let names = passwd.lines().filter(|line| self::uid(line) == Some(uid));
    let names = names.filter_map(|line| line.split(':').next()?.parse::<UserName>().ok());
    Some(Account { uid, names: names.collect() })
}

/// The line of a user. The first one counts, as for the C library.
fn line<'t>(text: &'t str, user: &str) -> Option<&'t str> {
    text.lines().find(|line| line.split(':').next() == Some(user))
}

fn uid(line: &str) -> Option<u32> {
    line.split(':').nth(2)?.parse().ok()
}

/// A field that holds a day: nothing and `-1` are none. The outer `None`: it is
/// no number.
fn day(field: &str) -> Option<Option<i64>> {
    match field {
        "" => Some(None),
        field => field.parse::<i64>().ok().map(|day| (day >= 0).then_some(day)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
         alice:x:1500:1500::/home/alice:/bin/sh\n\
         bob:x:1501:1501::/home/bob:/bin/sh\n\
         robert:x:1501:1501::/home/bob:/bin/sh\n\
         alice:x:0:0::/:/bin/sh\n\
         broken:x\n";

    #[test]
    fn an_account_has_all_names_of_its_number() {
        let names = |user: &str| {
            let account = account(PASSWD, user)?;
            Some((account.uid, account.names.iter().map(ToString::to_string).collect::<Vec<_>>()))
        };
        assert_eq!(names("alice"), Some((1500, vec!["alice".to_owned()])));
        assert_eq!(names("robert"), Some((1501, vec!["bob".to_owned(), "robert".to_owned()])));
        for absent in ["", "ali", "alice2", "broken", "x"] {
            assert_eq!(names(absent), None, "{absent}");
        }
    }

    #[test]
    fn the_state_of_each_kind_of_account() {
        let state = |fields: &str| super::state(&format!("x:y:1:::::9:\na{fields}\n"), "a");
        for (fields, password, expires) in [
            (":$6$s$h:19000:0:99999:7:::", Password::Open, None),
            (":*:19000:0:99999:7:::", Password::Open, None),
            (":!$6$s$h:19000:0:99999:7::1:", Password::Locked, Some(1)),
            (":!*:19000::::::", Password::Locked, None),
            (":!!:19000::::-1::", Password::Locked, None),
            (":!:19000:::::20000:", Password::Sealed, Some(20_000)),
            ("::19000:::::-1:", Password::Empty, None),
        ] {
            assert_eq!(state(fields), Some(State { password, expires, changed: Some(19_000) }), "{fields}");
        }
        for broken in ["", ":", ":x:19000", ":x:then:::::1:", ":x:1:::::soon:"] {
            assert_eq!(state(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_recorded_state_reads_back() {
        let state = State { password: Password::Empty, expires: None, changed: Some(19_000) };
        let text = serde_json::to_string(&state).unwrap_or_default();
        assert_eq!(text, r#"{"password":"empty","expires":null,"changed":19000}"#);
        assert_eq!(serde_json::from_str::<State>(&text).ok(), Some(state));
    }
}
