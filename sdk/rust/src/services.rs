//! Acts on services of the init system. Granted by `<service/>`.

use crate::Error;

/// Stops `unit` and starts it again.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn restart(unit: &str) -> Result<(), Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::services::restart(unit)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.answer("services.restart", unit))
}

/// Lets `unit` read its configuration again.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn reload(unit: &str) -> Result<(), Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::services::reload(unit)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.answer("services.reload", unit))
}

/// Starts `unit`; `false` when it was running.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn start(unit: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::services::start(unit)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.make("services.start", unit))
}

/// Stops `unit`; `false` when it was not running.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn stop(unit: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::services::stop(unit)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.undo("services.stop", unit))
}

/// Whether `unit` runs.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn active(unit: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::services::active(unit)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.holds("services.active", unit))
}
