//! What `wit-bindgen` makes of `wit/`, and the bridge from it to the traits.
//!
//! `reversible.rs` and `oneshot.rs` are generated; a test of Riposte's repository
//! sees to it that they are what `wit/` gives.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::restriction)]

use std::marker::PhantomData;

use crate::{Alert, Oneshot, Reversible};

/// Imports of all capabilities (those that a plugin does not call are dropped
/// when the component is made) and the export of [`Reversible`].
#[rustfmt::skip]
pub mod reversible;

/// The export of [`Oneshot`]; the imports are those of [`reversible`].
#[rustfmt::skip]
pub mod oneshot;

pub use reversible::active_response::plugin::{
    accounts, alert, config, exec, firewall, invocation, isolation, lines, log, mail, processes, quarantine,
    routes, secret, services, state, types,
};

/// WASI's own HTTP and files.
pub use reversible::wasi;

/// A plugin, as the generated code calls it.
pub struct Exported<T>(PhantomData<T>);

/// A panic ends the component, and what it says would be lost with it.
fn panics_are_logged() {
    std::panic::set_hook(Box::new(|panic| crate::log::error(panic.to_string())));
}

impl<T: Reversible> reversible::exports::active_response::plugin::reversible::Guest for Exported<T> {
    fn keys(alert: String) -> Result<Vec<String>, types::Error> {
        panics_are_logged();
        Ok(T::keys(&Alert::from_host(alert))?)
    }

    fn add(alert: String) -> Result<Vec<u8>, types::Error> {
        panics_are_logged();
        Ok(T::add(&Alert::from_host(alert))?)
    }

    fn delete(alert: String, receipt: Option<Vec<u8>>) -> Result<(), types::Error> {
        panics_are_logged();
        Ok(T::delete(&Alert::from_host(alert), receipt.as_deref())?)
    }
}

impl<T: Oneshot> oneshot::exports::active_response::plugin::oneshot::Guest for Exported<T> {
    fn run(alert: String) -> Result<(), types::Error> {
        panics_are_logged();
        Ok(T::run(&Alert::from_host(alert))?)
    }
}

impl From<crate::Error> for types::Error {
    fn from(crate::Error { kind, mut message, retry }: crate::Error) -> Self {
        // It may quote an alert of any length, and what is too long to be handed
        // over would end the call as a crash. The engine keeps as much.
        message.truncate(message.floor_char_boundary(4096));
        Self { kind, message, retry }
    }
}

impl From<types::Error> for crate::Error {
    fn from(types::Error { kind, message, retry }: types::Error) -> Self {
        Self { kind, message, retry }
    }
}
