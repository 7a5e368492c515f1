//! Locking accounts, and ending what their users run.
//!
//! A lock replaces the state of an account and gives back exactly that state:
//! a lock that an administrator had set stays, an account without a password
//! is left without one, and so on. So it is [`crate::held`]. Ending sessions
//! is an act of its own, of which nothing can be given back.
//!
//! * [`Accounts`]: the calls, from phase and grant to guard and backend.
//! * [`Sessions`]: how a host ends what a user runs.
//! * `shadow`: what `/etc/passwd` and `/etc/shadow` say.
//! * `linux`: locking with `usermod`, sessions with logind and pidfds.
//! * [`vectors`]: what other systems would have to call.
//! * [`fake`]: accounts that are only remembered, for tests.

mod call;
pub mod fake;
#[cfg(target_os = "linux")]
pub mod linux;
#[cfg(target_os = "linux")]
mod shadow;
pub mod vectors;

use async_trait::async_trait;
use riposte_policy::user::UserName;

use crate::refusal::Refusal;

pub use call::Accounts;

/// The WIT interface, as effects name it.
pub const INTERFACE: &str = "accounts";

/// An account, as far as ending its sessions goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number, by which the kernel knows what it runs.
    pub uid: u32,
    /// All names of this number, its own included: what one of them runs,
    /// all of them run.
    pub names: Vec<UserName>,
}

/// How a host ends what a user runs.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// The account of this name.
    ///
    /// # Errors
    ///
    /// `no-key` when there is none, or when accounts cannot be read.
    async fn account(&self, user: &UserName) -> Result<Account, Refusal>;

    /// Ends its sessions and processes: the number of processes told to end.
    ///
    /// # Errors
    ///
    /// When some may be left.
    async fn end(&self, uid: u32) -> Result<u32, Refusal>;
}

/// A host that cannot do it: every call is refused the same way.
#[derive(Clone, Debug)]
pub struct Unavailable(pub Refusal);

#[async_trait]
impl Sessions for Unavailable {
    async fn account(&self, _: &UserName) -> Result<Account, Refusal> {
        Err(self.0.clone())
    }

    async fn end(&self, _: u32) -> Result<u32, Refusal> {
        Err(self.0.clone())
    }
}

/// There is no such account here: the alert names somebody else's, or nobody's.
pub(crate) fn no_such_user(user: &str) -> Refusal {
    let message = format!(
        "no such user: {user:?} is not in /etc/passwd, and only accounts of this machine itself can be acted on"
    );
    Refusal { kind: "no-key", message, retry: false }
}

#[cfg(test)]
mod tests;
