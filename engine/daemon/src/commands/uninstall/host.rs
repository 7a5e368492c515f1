//! What this host shows as ours: tables, chains, sets, routes, lines, locks.

use std::path::Path;
use std::sync::Arc;

use riposte_capability::firewall::{self, removal};
use riposte_capability::{Capabilities, Claims, Guard, Mark, Refusal};
use riposte_capability::{accounts, lines, routes};
use riposte_policy::grant::FirewallBackend;

use super::Log;
use crate::claims::Nowhere;
use crate::host;
use crate::places::Places;
use crate::service;

/// Where firewalld would be reached.
const BUS: &str = "/run/dbus/system_bus_socket";

/// Removes every mark, whether the ledger knew it or not, but those of another
/// home. Nobody claims anything any more.
pub(super) fn remove(places: &Places, log: &mut Log) {
    let threads = match service::threads() {
        Ok(threads) => threads,
        Err(error) => return log.failed("remove", "what carries our mark", &error),
    };
    let claims: Arc<dyn Claims> = Arc::new(Nowhere);
    let guard = Arc::new(Guard::new());
    // In the runtime: a backend may want it when it opens.
    threads.block_on(async {
        let backends = host::backends(&claims, &guard, places, false, None);
        let capabilities = Capabilities::new(Arc::clone(&claims), backends, guard);
        for interface in [routes::INTERFACE, lines::INTERFACE, accounts::INTERFACE] {
            marks(&capabilities, interface, log).await;
        }
        // Firewalld keeps rules of the runtime only: where it does not run, it has none.
        if Path::new(BUS).exists() {
            marks(&capabilities, firewall::INTERFACE, log).await;
        }
        filters(log).await;
    });
    threads.shutdown_timeout(std::time::Duration::from_secs(2));
}

/// The marks of one interface, one by one. Of the firewall only firewalld's: all
/// that the other packet filters hold goes with its table.
async fn marks(capabilities: &Capabilities, interface: &str, log: &mut Log) {
    let found = match capabilities.marks_of(interface, &[FirewallBackend::Firewalld]).await {
        Ok(found) => found,
        // A host that has no such thing has no mark of it.
        Err(refusal) if refusal.kind == "unsupported" || interface == firewall::INTERFACE => return,
        Err(refusal) => return log.failed("look", interface, &refusal.to_string()),
    };
    let is_whole =
        |mark: &Mark| interface != firewall::INTERFACE || mark.effect.target.starts_with("firewalld:");
    for mark in found.into_iter().filter(is_whole) {
        let what = mark.effect.to_string();
        if log.dry {
            log.note("remove", &what);
            continue;
        }
        done(log, &what, capabilities.remove(&mark).await);
    }
}

async fn filters(log: &mut Log) {
    let found = removal::find().await;
    for refusal in found.unseen {
        log.failed("look", "a packet filter", &refusal.to_string());
    }
    for part in found.parts {
        let what = part.to_string();
        if log.dry {
            log.note("remove", &what);
            continue;
        }
        done(log, &what, removal::remove(&part).await);
    }
    found.left.iter().for_each(|what| log.note("left", what));
}

fn done(log: &mut Log, what: &str, went: Result<(), Refusal>) {
    match went {
        Ok(()) => log.note("remove", what),
        Err(refusal) => log.failed("remove", what, &refusal.to_string()),
    }
}
