//! The call that is being served.

#[cfg(target_arch = "wasm32")]
use crate::bindings::invocation as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::host::invocation as host;

/// Name of the `<command>` that runs.
#[must_use]
pub fn command() -> String {
    host::command()
}

/// Identifies this response to this alert: the same for `keys`, `add` and
/// `delete`, also after a restart.
#[must_use]
pub fn id() -> String {
    host::id()
}

/// Which attempt this is, from 1. From the second on, `add` may find its own
/// earlier work.
#[must_use]
pub fn attempt() -> u32 {
    host::attempt()
}

/// Seconds until `delete` is due; `None` when the response is not undone.
#[must_use]
pub fn timeout() -> Option<u64> {
    host::timeout()
}

/// Which offence of this target it is, from 1; always 1 during `keys`.
#[must_use]
pub fn offence() -> u32 {
    host::offence()
}

/// The tenant; `default` on a machine without tenants.
#[must_use]
pub fn tenant() -> String {
    host::tenant()
}

/// `local`, `server`, `defined-agent` or `all`.
#[must_use]
pub fn location() -> String {
    host::location()
}

/// What the operator's `<keys>` found in the alert; empty when the command has
/// none. A response that acts on an address or a user takes it from here first.
#[must_use]
pub fn keys() -> Vec<String> {
    host::keys()
}

/// The words of `<extra_args>`.
#[must_use]
pub fn arguments() -> Vec<String> {
    host::arguments()
}
