//! Locks accounts. Granted by `<account/>`, which also names the users.

use crate::Error;

/// Lets nobody log in as `user`; `false` when a response had locked it.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn lock(user: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::accounts::lock(user)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.make("accounts.lock", user))
}

/// Restores the account as it was; `false` when this response did not hold it.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn unlock(user: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::accounts::unlock(user)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.undo("accounts.unlock", user))
}

/// Whether a response holds `user` locked.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn locked(user: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::accounts::locked(user)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.holds("accounts.locked", user))
}

/// Ends what `user` runs; how many processes were told to end.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn end_sessions(user: &str) -> Result<u32, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::accounts::end_sessions(user)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.answer("accounts.end-sessions", user))
}
