//! What the operator keeps from everybody else. Granted by `<secret/>`.

use crate::Error;

/// The value of `name`.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn get(name: &str) -> Result<String, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::secret::get(name)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.secret(name))
}
