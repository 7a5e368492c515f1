//! Blocks addresses. Granted by `<firewall/>`, which also fixes the set of
//! blocked addresses: a plugin only names addresses.

use crate::Error;

/// Drops all packets from `address`; `false` when it was blocked already.
///
/// # Errors
///
/// `denied` when the grant or the guard excludes the address, `invalid-input`
/// when it is none.
pub fn block(address: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::firewall::block(address)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.make("firewall.block", address))
}

/// Ends what [`block`] began; `false` when this response did not hold it.
///
/// # Errors
///
/// When the address may still be blocked for this response.
pub fn unblock(address: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::firewall::unblock(address)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.undo("firewall.unblock", address))
}

/// Whether packets from `address` are dropped now.
///
/// # Errors
///
/// `denied` outside the grant, `invalid-input` when it is no address.
pub fn blocked(address: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::firewall::blocked(address)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.holds("firewall.blocked", address))
}
