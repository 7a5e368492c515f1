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

use std::cell::RefCell;
use std::collections::BTreeSet;

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

#[derive(Default)]
pub(crate) struct Host {
    pub(crate) calls: Vec<String>,
    blocked: BTreeSet<String>,
    refusals: Vec<(String, Error)>,
    invocation: Invocation,
}

impl Host {
    pub(crate) fn firewall(&mut self, function: &str, address: &str) -> Result<bool, Error> {
        let name = format!("firewall.{function}");
        self.calls.push(format!("{name} {address}"));
        if let Some((_, error)) = self.refusals.iter().find(|(refused, _)| *refused == name) {
            return Err(error.clone());
        }
        if address.parse::<std::net::IpAddr>().is_err() {
            return Err(Error::invalid(format!("{address:?} is not an IP address")));
        }
        Ok(match function {
            "block" => self.blocked.insert(address.to_owned()),
            "unblock" => self.blocked.remove(address),
            _ => self.blocked.contains(address),
        })
    }
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
