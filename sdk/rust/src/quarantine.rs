//! Takes files out of reach. Granted by `<quarantine/>`.

use crate::Error;

/// Moves the file into the quarantine; `false` when a response holds it there.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn put(path: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::quarantine::put(path)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.make("quarantine.put", path))
}

/// Puts the file back; `false` when this response did not hold it.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn restore(path: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::quarantine::restore(path)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.undo("quarantine.restore", path))
}

/// Whether a response holds the file in quarantine.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn holds(path: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::quarantine::holds(path)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.holds("quarantine.holds", path))
}
