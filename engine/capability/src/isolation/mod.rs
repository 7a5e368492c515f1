//! Cutting this host off, all but what it is managed through.
//!
//! An effect's target is spelt `host`, or `host but 192.0.2.10 198.51.100.0/24`
//! where the grant allows more: two responses with different grants hold two
//! isolations, and what passes is what both allow.

mod call;
#[cfg(target_os = "linux")]
mod expressions;
pub mod fake;
#[cfg(target_os = "linux")]
mod look;
#[cfg(target_os = "linux")]
pub mod nftables;

use std::sync::Arc;

use riposte_policy::address::Prefix;
use riposte_policy::grant::IsolationGrant;

use crate::claim::Claims;
use crate::guard::Guard;
use crate::held;
#[cfg(not(target_os = "linux"))]
use crate::refusal::Refusal;

pub use call::Isolation;

/// The WIT interface, as effects name it.
pub const INTERFACE: &str = "isolation";

/// What isolates this host. One that cannot refuses every call.
#[must_use]
pub fn backend(claims: &Arc<dyn Claims>, guard: &Arc<Guard>) -> Arc<dyn held::Backend> {
    #[cfg(target_os = "linux")]
    match nftables::Nftables::open(Arc::clone(claims), Arc::clone(guard)) {
        Ok(nftables) => Arc::new(nftables),
        Err(refusal) => Arc::new(held::Unavailable(refusal)),
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (claims, guard);
        Arc::new(held::Unavailable(Refusal::unsupported("isolation is not implemented on this system")))
    }
}

/// What stands before the networks that stay reachable.
const BUT: &str = "host but ";

/// The one spelling of an isolation under this grant.
fn target(grant: &IsolationGrant) -> String {
    let allowed: Vec<String> = outermost(grant.allow.clone()).iter().map(ToString::to_string).collect();
    if allowed.is_empty() { "host".to_owned() } else { format!("{BUT}{}", allowed.join(" ")) }
}

/// What stays reachable in the isolation `target`; `None`: it is no target.
#[cfg(target_os = "linux")]
fn allowed(target: &str) -> Option<Vec<Prefix>> {
    match target.strip_prefix(BUT) {
        Some(networks) => networks.split(' ').map(|network| network.parse().ok()).collect(),
        None => (target == "host").then(Vec::new),
    }
}

/// Networks of which none holds another, in order.
fn outermost(mut networks: Vec<Prefix>) -> Vec<Prefix> {
    // A wider network sorts before all that lie in it.
    networks.sort_unstable();
    networks.dedup_by(|inner, outer| outer.contains(*inner));
    networks
}

#[cfg(test)]
mod tests;
