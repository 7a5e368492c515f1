//! Sends what would go to an address nowhere. Granted by `<route/>`.

use crate::Error;

/// Lets packets to `address` go nowhere; `false` when it was so already.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn blackhole(address: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::routes::blackhole(address)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.make("routes.blackhole", address))
}

/// Ends what [`blackhole`] began; `false` when this response did not hold it.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn restore(address: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::routes::restore(address)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.undo("routes.restore", address))
}

/// Whether packets to `address` go nowhere on behalf of a response.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn blackholed(address: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::routes::blackholed(address)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.holds("routes.blackholed", address))
}
