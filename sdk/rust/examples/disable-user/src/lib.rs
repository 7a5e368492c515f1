//! Locks the user of an alert out, and ends what the user runs.

use riposte_sdk::{Alert, Error, Reversible, accounts, export, invocation, log};

struct DisableUser;

impl Reversible for DisableUser {
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![user(alert)?])
    }

    fn add(alert: &Alert) -> Result<Vec<u8>, Error> {
        let user = user(alert)?;
        accounts::lock(&user)?;
        let ended = accounts::end_sessions(&user)?;
        log::info(format!("locked {user}, ended {ended} processes"));
        Ok(Vec::new())
    }

    fn delete(alert: &Alert, _receipt: Option<&[u8]>) -> Result<(), Error> {
        accounts::unlock(&user(alert)?)?;
        Ok(())
    }
}

/// The operator's `<keys>` go first.
fn user(alert: &Alert) -> Result<String, Error> {
    invocation::keys().into_iter().next().map_or_else(|| alert.user(), Ok)
}

export!(DisableUser);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    #[test]
    fn a_user_is_locked_and_unlocked() {
        let alert: Alert = r#"{"data":{"dstuser":"eve"}}"#.parse().unwrap();
        DisableUser::add(&alert).unwrap();
        DisableUser::delete(&alert, None).unwrap();
        assert_eq!(
            host::calls(),
            [
                "accounts.lock eve",
                "accounts.end-sessions eve",
                "log Info locked eve, ended 0 processes",
                "accounts.unlock eve"
            ]
        );
    }
}
