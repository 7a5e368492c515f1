//! Acting on services of the init system.
//!
//! Nothing of this is undone, so nothing is claimed: a call either did it or
//! says why not. The engine's own unit is never stopped, and a restart of it
//! is handed over to the init system, which outlives the engine.
//!
//! * [`Services`]: the calls.
//! * [`Backend`]: how a host does it.
//! * `host`: this host: systemd where it runs, else control programs.
//! * `systemd`: `org.freedesktop.systemd1` on the message bus.
//! * `control`: `wazuh-control`, `ossec-control`, and scripts of `/etc/init.d`.
//! * [`fake`]: units that are only remembered, for tests.

mod call;
#[cfg(target_os = "linux")]
mod control;
pub mod fake;
#[cfg(target_os = "linux")]
pub mod host;
#[cfg(target_os = "linux")]
mod systemd;

use async_trait::async_trait;
use riposte_policy::grant::ServiceAction;
use riposte_policy::unit::UnitName;

use crate::refusal::Refusal;

pub use call::Services;

/// The WIT interface.
pub const INTERFACE: &str = "services";

/// How a host does it.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Acts on a unit, and returns when that is done. `false`: it was so
    /// already, which only a start and a stop can be.
    ///
    /// # Errors
    ///
    /// When it was not done, with the reason.
    async fn act(&self, unit: &UnitName, action: ServiceAction) -> Result<bool, Refusal>;

    /// Whether the unit runs. A unit that does not exist does not run.
    ///
    /// # Errors
    ///
    /// When the init system does not answer.
    async fn active(&self, unit: &UnitName) -> Result<bool, Refusal>;

    /// Whether the engine ends when this unit does: it runs in it, or in a
    /// unit that is bound to it.
    ///
    /// # Errors
    ///
    /// When the init system does not answer.
    async fn carries_us(&self, unit: &UnitName) -> Result<bool, Refusal>;

    /// Whether it would work now.
    ///
    /// # Errors
    ///
    /// What is missing, and what to do about it.
    async fn probe(&self) -> Result<(), Refusal>;
}

/// A host that cannot do it: every call is refused the same way.
#[derive(Clone, Debug)]
pub struct Unavailable(pub Refusal);

#[async_trait]
impl Backend for Unavailable {
    async fn act(&self, _: &UnitName, _: ServiceAction) -> Result<bool, Refusal> {
        Err(self.0.clone())
    }

    async fn active(&self, _: &UnitName) -> Result<bool, Refusal> {
        Err(self.0.clone())
    }

    async fn carries_us(&self, _: &UnitName) -> Result<bool, Refusal> {
        Err(self.0.clone())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Err(self.0.clone())
    }
}

#[cfg(test)]
mod tests;
