//! The linker that holds what was granted, and nothing else.
//!
//! What is not linked cannot be called, whatever the code of the component:
//! the check of a grant at call time is the second one.

use riposte_policy::grant::Grants;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::{alert, firewall, invocation, log, types};
use crate::state::State;

/// Links what every component gets, what `grants` hold, and WASI when `wasi`
/// says that the component imports it.
pub(crate) fn linker(
    engine: &wasmtime::Engine,
    grants: &Grants,
    wasi: bool,
) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    types::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    invocation::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    alert::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    log::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    if grants.firewall.is_some() {
        firewall::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    }
    if wasi {
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    }
    Ok(linker)
}
