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
    call("block", address)
}

/// Ends what [`block`] began; `false` when this response did not hold it.
///
/// # Errors
///
/// When the address may still be blocked for this response.
pub fn unblock(address: &str) -> Result<bool, Error> {
    call("unblock", address)
}

/// Whether packets from `address` are dropped now.
///
/// # Errors
///
/// `denied` outside the grant, `invalid-input` when it is no address.
pub fn blocked(address: &str) -> Result<bool, Error> {
    call("blocked", address)
}

#[cfg(target_arch = "wasm32")]
#[inline(always)] // so that only the functions that a plugin calls are imported
fn call(function: &str, address: &str) -> Result<bool, Error> {
    use crate::bindings::firewall;
    Ok(match function {
        "block" => firewall::block(address),
        "unblock" => firewall::unblock(address),
        _ => firewall::blocked(address),
    }?)
}

#[cfg(not(target_arch = "wasm32"))]
fn call(function: &str, address: &str) -> Result<bool, Error> {
    crate::host::with(|host| host.firewall(function, address))
}
