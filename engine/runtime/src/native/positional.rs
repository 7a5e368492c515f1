//! The arguments that OSSEC starts its programs with.

use std::borrow::Cow;

use riposte_policy::alert;
use riposte_policy::config::{Command, Expect, Protocol};
use riposte_policy::keys::{self, Derived};
use riposte_policy::{Address, UserName};

/// What OSSEC's programs find in `$2` and the following; `$1` is the verb.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positional {
    /// `$2`: the user.
    pub user: Option<UserName>,
    /// `$3`: the address.
    pub address: Option<Address>,
    /// `$4`: the alert's id.
    pub alert_id: String,
    /// `$5`: the rule's id.
    pub rule_id: String,
    /// `$6`: the agent; where the alert names none, the log that it is from.
    pub agent: String,
    /// `$7`: the file that the alert is about.
    pub file: String,
    /// `$8` and the following.
    pub extra_args: Vec<String>,
}

impl Positional {
    /// What an alert has of the fields that the command expects. One that asks
    /// for arguments and expects nothing gets those that are its keys. They are
    /// found as its keys are, and the address and the user are typed, so that
    /// the program gets nothing that the guard has not seen.
    #[must_use]
    pub fn of(command: &Command, extra_args: &[String], alert: &str) -> Self {
        let mut positional = Self { extra_args: extra_args.to_vec(), ..Self::default() };
        let by_keys = command.protocol == Some(Protocol::Argv) && command.expect.is_empty();
        let its_keys = match keys::derive(command, alert) {
            Derived::Keys(keys) if by_keys => keys.as_slice().to_vec(),
            _ => Vec::new(),
        };
        for expect in [Expect::User, Expect::SourceIp, Expect::FileName] {
            let Some(found) = expected(command, expect, alert) else { continue };
            if !command.expect.contains(&expect) && !its_keys.contains(&found) {
                continue;
            }
            match expect {
                Expect::User => positional.user = found.parse().ok(),
                Expect::SourceIp => positional.address = found.parse().ok(),
                Expect::FileName => positional.file = found,
            }
        }
        let text = |pointer: &str| {
            let pointer = pointer.parse().ok()?;
            alert::text(alert, &pointer).map(Cow::into_owned).filter(|text| !text.is_empty())
        };
        positional.alert_id = text("/id").unwrap_or_default();
        positional.rule_id = text("/rule/id").unwrap_or_default();
        positional.agent = text("/agent/name").or_else(|| text("/location")).unwrap_or_default();
        positional
    }

    pub(super) fn targets(&self) -> Vec<String> {
        let user = self.user.as_ref().map(|user| user.as_str().to_owned());
        let address = self.address.map(|address| address.to_string());
        user.into_iter().chain(address).collect()
    }

    pub(super) fn arguments(&self) -> Vec<String> {
        let user = self.user.as_ref().map_or("", UserName::as_str);
        let address = self.address.map(|address| address.to_string()).unwrap_or_default();
        let fixed = [user, &address, &self.alert_id, &self.rule_id, &self.agent, &self.file];
        fixed.into_iter().chain(self.extra_args.iter().map(String::as_str)).map(argument).collect()
    }
}

/// What the alert has of one field that OSSEC's programs expect.
pub(super) fn expected(command: &Command, expect: Expect, alert: &str) -> Option<String> {
    let alone = Command { expect: vec![expect], keys: Vec::new(), ..command.clone() };
    match keys::derive(&alone, alert) {
        Derived::Keys(keys) => keys.as_slice().first().cloned(),
        Derived::NoKey { .. } => None,
    }
}

/// One argument of OSSEC's: `-` stands for what the alert has not, and a NUL
/// or a line feed out of an alert does not reach a script.
fn argument(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.replace(char::is_control, "?") }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{ALERT, command};
    use super::*;

    fn arguments(command: &Command, alert: &str) -> Vec<String> {
        Positional::of(command, &command.extra_args, alert).arguments()
    }

    #[test]
    fn a_command_that_expects_something_gets_it() {
        let all = command(&[Expect::SourceIp, Expect::User, Expect::FileName]);
        assert_eq!(
            arguments(&all, ALERT),
            ["eve", "192.0.2.7", "1510376401.0", "5710", "web?1", "/a b", "-a"]
        );
        let one = command(&[Expect::SourceIp]);
        assert_eq!(arguments(&one, ALERT), ["-", "192.0.2.7", "1510376401.0", "5710", "web?1", "-", "-a"]);
    }

    #[test]
    fn without_expect_only_its_keys_are_arguments() {
        let mut other = command(&[]);
        other.protocol = Some(Protocol::Argv);
        assert_eq!(arguments(&other, ALERT), ["-", "-", "1510376401.0", "5710", "web?1", "-", "-a"]);
        other.keys.clear();
        assert_eq!(arguments(&other, ALERT), ["-", "192.0.2.7", "1510376401.0", "5710", "web?1", "-", "-a"]);
        let user = r#"{"id":7,"location":"/var/log/auth.log","data":{"dstuser":"eve"}}"#;
        assert_eq!(arguments(&other, user), ["eve", "-", "7", "-", "/var/log/auth.log", "-", "-a"]);
        // An <expect> that is there and empty expects nothing.
        other.protocol = Some(Protocol::Both);
        assert_eq!(arguments(&other, user), ["-", "-", "7", "-", "/var/log/auth.log", "-", "-a"]);
    }

    #[test]
    fn what_is_no_address_and_no_user_is_no_argument() {
        let alert = r#"{"rule":{},"data":{"srcip":"$(reboot)","dstuser":"-x y"}}"#;
        let both = command(&[Expect::SourceIp, Expect::User]);
        assert_eq!(arguments(&both, alert), ["-", "-", "-", "-", "-", "-", "-a"]);
    }
}
