//! Cuts this host off. Granted by `<isolation/>`.

use crate::Error;

/// Cuts the host off; `false` when it was so already.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn isolate() -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::isolation::isolate()?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.make("isolation.isolate", "host"))
}

/// Ends what [`isolate`] began; `false` when this response did not hold it.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn release() -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::isolation::release()?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.undo("isolation.release", "host"))
}

/// Whether a response holds this host isolated.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn isolated() -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::isolation::isolated()?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.holds("isolation.isolated", "host"))
}
