//! Locks the account that an alert names, or that the command's `<keys>`
//! names, and restores it. Ends its sessions too when it is told to.

use riposte_sdk::{Alert, Error, Reversible, accounts, config, export, invocation, log};

struct DisableAccount;

impl Reversible for DisableAccount {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![user(alert)?])
    }

    fn add(alert: &Alert) -> Result<Vec<u8>, Error> {
        let user = user(alert)?;
        if accounts::lock(&user)? {
            log::info(format!("locked {user}"));
        } else {
            log::info(format!("{user} was locked already"));
        }
        if sessions_end()? {
            match accounts::end_sessions(&user) {
                Ok(told) => log::info(format!("ended {told} processes of {user}")),
                // To fail would be to unlock it again: the worse of the two.
                Err(error) => log::error(format!("{user} is locked, but its sessions did not end: {error}")),
            }
        }
        // The engine keeps what the account was: nothing to keep for `delete`.
        Ok(Vec::new())
    }

    fn delete(alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        let user = user(alert)?;
        if accounts::unlock(&user)? {
            log::info(format!("restored {user}"));
        }
        Ok(())
    }
}

fn user(alert: &Alert) -> Result<String, Error> {
    let user = match invocation::keys().into_iter().next() {
        Some(key) => key,
        None => alert.user()?,
    };
    // The engine checks it again, and everything else about it.
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ':' | ',' | '/' | '\\');
    if user.starts_with(['-', '+', '~']) || user.contains(odd) {
        return Err(Error::invalid(format!("the user of the alert, {user:?}, is not a user name")));
    }
    Ok(user)
}

/// Whether the operator wants sessions ended: `<config name="sessions"
/// value="end"/>`, or the word `sessions=end` in `<extra_args>`.
fn sessions_end() -> Result<bool, Error> {
    let argument =
        invocation::arguments().into_iter().find_map(|a| a.strip_prefix("sessions=").map(str::to_owned));
    match argument.or_else(|| config::get("sessions")).as_deref() {
        None | Some("keep") => Ok(false),
        Some("end") => Ok(true),
        Some(other) => Err(Error::invalid(format!("sessions is {other:?}: set it to keep or end"))),
    }
}

export!(DisableAccount);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    fn alert(user: &str) -> Alert {
        format!(r#"{{"data":{{"dstuser":"{user}"}}}}"#).parse().unwrap()
    }

    fn calls() -> Vec<String> {
        host::calls().into_iter().filter(|call| call.starts_with("accounts")).collect()
    }

    #[test]
    fn locks_and_restores() {
        host::reset();
        assert_eq!(DisableAccount::keys(&alert("alice")).unwrap(), ["alice"]);
        DisableAccount::add(&alert("alice")).unwrap();
        DisableAccount::delete(&alert("alice"), None).unwrap();
        DisableAccount::delete(&alert("alice"), None).unwrap();
        assert_eq!(calls(), ["accounts.lock alice", "accounts.unlock alice", "accounts.unlock alice"]);
    }

    #[test]
    fn sessions_end_only_when_told() {
        for (argument, value, ends) in [
            (None, None, false),
            (None, Some("keep"), false),
            (None, Some("end"), true),
            (Some("sessions=end"), Some("keep"), true),
            (Some("sessions=keep"), Some("end"), false),
            (Some("end"), None, false),
        ] {
            host::reset();
            let arguments = argument.into_iter().map(str::to_owned).collect();
            host::set_invocation(host::Invocation { arguments, ..host::Invocation::default() });
            value.into_iter().for_each(|value| host::set_config("sessions", value));
            host::refuse("accounts.end-sessions", Error::unavailable("busy"));
            DisableAccount::add(&alert("alice")).unwrap();
            assert_eq!(
                calls().contains(&"accounts.end-sessions alice".to_owned()),
                ends,
                "{argument:?} {value:?}"
            );
        }
        host::reset();
        host::set_config("sessions", "perhaps");
        assert_eq!(DisableAccount::add(&alert("alice")).unwrap_err().kind, "invalid-input");
    }

    #[test]
    fn what_is_no_user_is_said_to_be_none() {
        assert_eq!(DisableAccount::keys(&alert("-")).unwrap_err().kind, "no-key");
        for user in ["-d", "a b", "../x", "a:b"] {
            assert_eq!(DisableAccount::keys(&alert(user)).unwrap_err().kind, "invalid-input", "{user}");
        }
    }

    #[test]
    fn the_operators_keys_come_first() {
        host::reset();
        let keys = vec!["bob".to_owned()];
        host::set_invocation(host::Invocation { keys, ..host::Invocation::default() });
        assert_eq!(DisableAccount::keys(&alert("alice")).unwrap(), ["bob"]);
    }
}
