//! What can be done to this host, put together from its parts.
//!
//! A part that this host lacks is there all the same and says what is missing,
//! so that everything else runs.

use std::sync::Arc;

use riposte_capability::firewall::{Backend, Firewalls};
use riposte_capability::{Backends, Claims, Guard, Refusal};
use riposte_capability::{exec, held, isolation, lines, mark, quarantine, routes, secret, state};
use riposte_policy::grant::FirewallBackend;

use crate::places::Places;

/// The backends of this host. `wanted` is what the settings name to block
/// addresses; else what works does. In shadow nothing is even opened that
/// could change something.
pub fn backends(
    claims: &Arc<dyn Claims>,
    guard: &Arc<Guard>,
    places: &Places,
    shadow: bool,
    wanted: Option<FirewallBackend>,
) -> Backends {
    // Through a link it is the same ledger, whose marks are its own.
    let state = places.state.canonicalize();
    mark::of_ledger_in(state.as_deref().unwrap_or(&places.state));
    let secrets = Arc::new(secret::Files::of_this_service());
    let state = Arc::new(state::Files::new(places.values()));
    if shadow {
        let why = Refusal::unavailable("the engine runs in shadow");
        return Backends { secrets, state, ..Backends::unavailable(&why) };
    }
    Backends {
        exec: Arc::new(exec::Programs::default()),
        isolation: isolation::backend(claims, guard),
        routes: routes(),
        lines: Arc::new(lines::MarkedFiles::new(Arc::clone(claims))),
        quarantine: Arc::new(quarantine::Store::new(places.quarantine(), places.own())),
        state,
        secrets,
        ..Backends::of_this_host(firewall(claims, wanted), &places.root).with_network()
    }
}

/// The routes of this host.
pub fn routes() -> Arc<dyn held::Backend> {
    routes::of_this_host().unwrap_or_else(|refusal| Arc::new(held::Unavailable(refusal)))
}

/// What blocks addresses on this host. One that cannot block still runs
/// everything else, and says so.
fn firewall(claims: &Arc<dyn Claims>, wanted: Option<FirewallBackend>) -> Arc<dyn Backend> {
    let firewalls = Firewalls::of_this_host(Arc::clone(claims), wanted);
    match firewalls.there() {
        Ok(()) => tracing::info!(backend = firewalls.chosen().as_str(), "addresses are blocked by it"),
        Err(refusal) => tracing::error!("nothing can be blocked on this host: {refusal}"),
    }
    Arc::new(firewalls)
}
