//! What `bindgen!` makes of `wit/`.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::restriction)]

/// Every interface that a component may import.
mod imports {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "active-response:plugin/capabilities",
        imports: {
            "active-response:plugin/accounts": async,
            "active-response:plugin/exec": async,
            "active-response:plugin/firewall": async,
            "active-response:plugin/isolation": async,
            "active-response:plugin/lines": async,
            "active-response:plugin/mail": async,
            "active-response:plugin/processes": async,
            "active-response:plugin/quarantine": async,
            "active-response:plugin/routes": async,
            "active-response:plugin/secret": async,
            "active-response:plugin/services": async,
            "active-response:plugin/state": async,
        },
    });
}

/// The two interfaces of which a component exports one.
mod exports {
    pub mod reversible {
        wasmtime::component::bindgen!({
            path: "../../wit",
            inline: "
                package riposte:host;
                world reversible-host { export active-response:plugin/reversible@0.1.0; }
            ",
            with: { "active-response:plugin/types": super::super::imports::active_response::plugin::types },
            exports: { default: async },
        });
    }

    pub mod oneshot {
        wasmtime::component::bindgen!({
            path: "../../wit",
            inline: "
                package riposte:host;
                world oneshot-host { export active-response:plugin/oneshot@0.1.0; }
            ",
            with: { "active-response:plugin/types": super::super::imports::active_response::plugin::types },
            exports: { default: async },
        });
    }
}

pub(crate) use exports::oneshot::OneshotHostPre;
pub(crate) use exports::reversible::ReversibleHostPre;
pub(crate) use imports::active_response::plugin::{
    accounts, alert, config, exec, firewall, invocation, isolation, lines, log, mail, processes, quarantine,
    routes, secret, services, state, types,
};
