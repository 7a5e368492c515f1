//! What the operator sets for this command: `<config name="" value=""/>`.

/// The value of `name`, if it is set.
#[must_use]
pub fn get(name: &str) -> Option<String> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::config::get(name);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.config(name))
}

/// All names that are set, in order.
#[must_use]
pub fn names() -> Vec<String> {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::config::names();
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.config_names())
}
