//! Sending what goes to an address nowhere.
//!
//! A blackhole route is one-sided: this host no longer answers, and still
//! receives. Wazuh's `route-null` is that (`src/active-response/route-null.c`:
//! `route add IP reject`), for IPv4 and addresses only.
//!
//! A target is a prefix in its one spelling: `192.0.2.7`, `2001:db8::/48`.
//!
//! * [`Routes`]: the calls.
//! * [`kernel`]: the routes of Linux.
//! * [`vectors`]: the commands of other systems.
//! * [`fake`]: routes nothing, for tests.

mod call;
pub mod fake;
#[cfg(target_os = "linux")]
pub mod kernel;
#[cfg(test)]
mod tests;
pub mod vectors;

use std::sync::Arc;

use crate::held;
use crate::refusal::Refusal;

pub use call::Routes;

/// The WIT interface, as effects name it.
pub const INTERFACE: &str = "routes";

/// The routes of this host.
///
/// # Errors
///
/// What is missing, and what to do about it.
pub fn of_this_host() -> Result<Arc<dyn held::Backend>, Refusal> {
    #[cfg(target_os = "linux")]
    return Ok(Arc::new(kernel::Kernel::open()?));
    #[cfg(not(target_os = "linux"))]
    vectors::backend()
}
