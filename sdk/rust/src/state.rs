//! Values that outlive a call, for this command alone. Granted by `<state/>`.

use crate::Error;

/// The value of `key`, if there is one.
///
/// # Errors
///
/// When the host could not read it.
pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::state::get(key)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.answer("state.get", key))
}

/// Sets the value of `key`.
///
/// # Errors
///
/// `denied` when it is more than is granted, or when it was not written.
pub fn set(key: &str, value: &[u8]) -> Result<(), Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::state::set(key, value)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.answer("state.set", &format!("{key} {}", String::from_utf8_lossy(value))))
}

/// Removes the value of `key`; `false` when there was none.
///
/// # Errors
///
/// When it was not written.
pub fn remove(key: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::state::remove(key)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.undo("state.remove", key))
}

/// All keys that begin with `prefix`, in order.
///
/// # Errors
///
/// When the host could not read them.
pub fn keys(prefix: &str) -> Result<Vec<String>, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::state::keys(prefix)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.answer("state.keys", prefix))
}
