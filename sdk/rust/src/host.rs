//! The host of native tests: it records every call and answers like a host on
//! which nothing is blocked yet. Each thread has its own, so tests that run at
//! the same time do not meet.
//!
//! ```
//! use riposte_sdk::{firewall, host};
//!
//! host::reset();
//! assert_eq!(firewall::block("192.0.2.7"), Ok(true));
//! assert_eq!(firewall::block("192.0.2.7"), Ok(false));
//! assert_eq!(host::calls(), ["firewall.block 192.0.2.7", "firewall.block 192.0.2.7"]);
//! ```

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::Error;

/// What the invocation answers; [`set_invocation`] replaces it.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Default `test`.
    pub command: String,
    /// Default `1`.
    pub id: String,
    /// Default 1.
    pub attempt: u32,
    /// Default 600 seconds.
    pub timeout: Option<u64>,
    /// Default 1.
    pub offence: u32,
    /// Default `default`.
    pub tenant: String,
    /// Default `local`.
    pub location: String,
    /// Default none.
    pub arguments: Vec<String>,
    /// What `<keys>` found in the alert.
    pub keys: Vec<String>,
}

impl Default for Invocation {
    fn default() -> Self {
        Self {
            command: "test".to_owned(),
            id: "1".to_owned(),
            attempt: 1,
            timeout: Some(600),
            offence: 1,
            tenant: "default".to_owned(),
            location: "local".to_owned(),
            arguments: Vec::new(),
            keys: Vec::new(),
        }
    }
}

/// Forgets all calls, blocked addresses and refusals.
pub fn reset() {
    with(|host| *host = Host::default());
}

/// Every call since the last one of this function, in order:
/// `firewall.block 192.0.2.7`, `log Info blocked`.
#[must_use]
pub fn calls() -> Vec<String> {
    with(|host| std::mem::take(&mut host.calls))
}

/// From now on, `function` (`firewall.block`) answers with `error`.
pub fn refuse(function: &str, error: Error) {
    with(|host| host.refusals.push((function.to_owned(), error)));
}

/// From now on, the invocation answers this.
pub fn set_invocation(invocation: Invocation) {
    with(|host| host.invocation = invocation);
}

/// From now on, `function` (`exec.run`) answers with this value, which has to
/// be of the type that the function returns.
pub fn answer_with<T: Any + Clone>(function: &str, value: T) {
    let answer: Answer = Box::new(move || Box::new(value.clone()));
    with(|host| host.answers.retain(|(answered, _)| answered != function));
    with(|host| host.answers.push((function.to_owned(), answer)));
}

/// From now on, `config.get` answers with `value` for `name`.
pub fn set_config(name: &str, value: &str) {
    with(|host| host.config.push((name.to_owned(), value.to_owned())));
}

/// From now on, [`crate::folder`] finds this file.
pub fn set_file(path: &str, content: impl Into<Vec<u8>>) {
    with(|host| host.files.insert(path.to_owned(), content.into()));
}

/// From now on, `secret.get` answers with `value` for `name`.
pub fn set_secret(name: &str, value: &str) {
    with(|host| host.secrets.push((name.to_owned(), value.to_owned())));
}

type Answer = Box<dyn Fn() -> Box<dyn Any>>;

#[derive(Default)]
pub(crate) struct Host {
    pub(crate) calls: Vec<String>,
    /// What is held, by interface and target.
    held: BTreeSet<(String, String)>,
    refusals: Vec<(String, Error)>,
    answers: Vec<(String, Answer)>,
    config: Vec<(String, String)>,
    secrets: Vec<(String, String)>,
    files: BTreeMap<String, Vec<u8>>,
    invocation: Invocation,
}

impl Host {
    /// A call that makes an effect: `false` when it is there already.
    pub(crate) fn make(&mut self, function: &str, target: &str) -> Result<bool, Error> {
        self.called(function, target)?;
        Ok(self.held.insert(key(function, target)))
    }

    /// A call that takes it back: `false` when it is not there.
    pub(crate) fn undo(&mut self, function: &str, target: &str) -> Result<bool, Error> {
        self.called(function, target)?;
        Ok(self.held.remove(&key(function, target)))
    }

    /// A call that asks for it.
    pub(crate) fn holds(&mut self, function: &str, target: &str) -> Result<bool, Error> {
        self.called(function, target)?;
        Ok(self.held.contains(&key(function, target)))
    }

    /// A call with an answer of its own: what [`answer_with`] set, or nothing.
    pub(crate) fn answer<T: Any + Default>(&mut self, function: &str, target: &str) -> Result<T, Error> {
        self.called(function, target)?;
        let answer = self.answers.iter().find(|(answered, _)| answered == function);
        let value = answer.and_then(|(_, answer)| answer().downcast::<T>().ok());
        Ok(value.map(|value| *value).unwrap_or_default())
    }

    pub(crate) fn config(&self, name: &str) -> Option<String> {
        self.config.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    pub(crate) fn config_names(&self) -> Vec<String> {
        let names: BTreeSet<_> = self.config.iter().map(|(name, _)| name.clone()).collect();
        names.into_iter().collect()
    }

    pub(crate) fn secret(&mut self, name: &str) -> Result<String, Error> {
        let answered: String = self.answer("secret.get", name)?;
        let held = self.secrets.iter().rev().find(|(known, _)| known == name);
        Ok(held.map_or(answered, |(_, value)| value.clone()))
    }

    pub(crate) fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    fn called(&mut self, function: &str, target: &str) -> Result<(), Error> {
        self.calls.push(format!("{function} {target}"));
        let refusal = self.refusals.iter().find(|(refused, _)| refused == function);
        refusal.map_or(Ok(()), |(_, error)| Err(error.clone()))
    }
}

fn key(function: &str, target: &str) -> (String, String) {
    let interface = function.split('.').next().unwrap_or_default();
    (interface.to_owned(), target.to_owned())
}

pub(crate) fn with<T>(f: impl FnOnce(&mut Host) -> T) -> T {
    thread_local!(static HOST: RefCell<Host> = RefCell::default());
    HOST.with_borrow_mut(f)
}

/// The getters that the bindings have on wasm.
pub(crate) mod invocation {
    use super::with;

    pub(crate) fn command() -> String {
        with(|host| host.invocation.command.clone())
    }
    pub(crate) fn id() -> String {
        with(|host| host.invocation.id.clone())
    }
    pub(crate) fn attempt() -> u32 {
        with(|host| host.invocation.attempt)
    }
    pub(crate) fn timeout() -> Option<u64> {
        with(|host| host.invocation.timeout)
    }
    pub(crate) fn offence() -> u32 {
        with(|host| host.invocation.offence)
    }
    pub(crate) fn tenant() -> String {
        with(|host| host.invocation.tenant.clone())
    }
    pub(crate) fn location() -> String {
        with(|host| host.invocation.location.clone())
    }
    pub(crate) fn keys() -> Vec<String> {
        with(|host| host.invocation.keys.clone())
    }

    pub(crate) fn arguments() -> Vec<String> {
        with(|host| host.invocation.arguments.clone())
    }
}
