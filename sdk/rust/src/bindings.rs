//! What `wit-bindgen` makes of `wit/`, and the bridge from it to the traits.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::restriction)]

use std::marker::PhantomData;

use crate::{Alert, Oneshot, Reversible};

/// Imports of all capabilities (those that a plugin does not call are dropped
/// when the component is made) and the export of [`Reversible`].
pub mod reversible {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: r#"
            package riposte:sdk;
            world reversible-plugin {
                include active-response:plugin/capabilities@0.1.0;
                export active-response:plugin/reversible@0.1.0;
            }
        "#,
        generate_all,
        pub_export_macro: true,
        export_macro_name: "__export_reversible",
        default_bindings_module: "riposte_sdk::bindings::reversible",
    });
}

/// The export of [`Oneshot`]; the imports are those of [`reversible`].
pub mod oneshot {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: r#"
            package riposte:sdk;
            world oneshot-plugin {
                export active-response:plugin/oneshot@0.1.0;
            }
        "#,
        with: {
            "active-response:plugin/types@0.1.0": crate::bindings::reversible::active_response::plugin::types,
        },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "__export_oneshot",
        default_bindings_module: "riposte_sdk::bindings::oneshot",
    });
}

pub use reversible::active_response::plugin::{
    accounts, alert, config, exec, firewall, invocation, isolation, lines, log, mail, processes, quarantine,
    routes, secret, services, state, types,
};

/// A plugin, as the generated code calls it.
pub struct Exported<T>(PhantomData<T>);

impl<T: Reversible> reversible::exports::active_response::plugin::reversible::Guest for Exported<T> {
    fn keys(alert: String) -> Result<Vec<String>, types::Error> {
        Ok(T::keys(&Alert::from_host(alert))?)
    }

    fn add(alert: String) -> Result<Vec<u8>, types::Error> {
        Ok(T::add(&Alert::from_host(alert))?)
    }

    fn delete(alert: String, receipt: Option<Vec<u8>>) -> Result<(), types::Error> {
        Ok(T::delete(&Alert::from_host(alert), receipt.as_deref())?)
    }
}

impl<T: Oneshot> oneshot::exports::active_response::plugin::oneshot::Guest for Exported<T> {
    fn run(alert: String) -> Result<(), types::Error> {
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
