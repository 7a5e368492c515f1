//! The linker that holds what was granted, and nothing else.
//!
//! What is not linked cannot be called, whatever the code of the component:
//! the check of a grant at call time is the second one.

use riposte_policy::grant::Grants;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::{
    accounts, alert, config, exec, firewall, invocation, isolation, lines, log, mail, processes, quarantine,
    routes, secret, services, state, types,
};
use crate::state::State;

/// Links what every component gets, what `grants` hold, and WASI when `wasi`
/// says that the component imports it; of that, HTTP only by grant.
pub(crate) fn linker(
    engine: &wasmtime::Engine,
    grants: &Grants,
    wasi: bool,
) -> wasmtime::Result<Linker<State>> {
    link(engine, grants, wasi, false)
}

/// Links everything that this engine has: to see whether a component fits, and
/// not to run it.
pub(crate) fn everything(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    link(engine, &Grants::default(), true, true)
}

fn link(
    engine: &wasmtime::Engine,
    grants: &Grants,
    wasi: bool,
    everything: bool,
) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    types::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    invocation::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    alert::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    log::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    config::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    /// Links the interface of this name when it is granted.
    macro_rules! link {
        ($($interface:ident: $granted:expr;)*) => {
            $(if everything || $granted {
                $interface::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
            })*
        };
    }
    link! {
        firewall: grants.firewall.is_some();
        routes: grants.routes.is_some();
        accounts: grants.accounts.is_some();
        services: !grants.services.is_empty();
        lines: !grants.lines.is_empty();
        processes: grants.processes.is_some();
        exec: !grants.exec.is_empty();
        state: grants.state.is_some();
        secret: !grants.secrets.is_empty();
        quarantine: grants.quarantine.is_some();
        isolation: grants.isolation.is_some();
        mail: grants.mail.is_some();
    }
    if wasi {
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        #[cfg(target_os = "linux")]
        if !grants.folders.is_empty() {
            crate::waits::link(&mut linker)?;
        }
    }
    if everything || !grants.http.is_empty() {
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    }
    Ok(linker)
}
