//! Ends processes. Granted by `<process/>`.

use crate::Error;

/// The processes that run the program `name`.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn running(name: &str) -> Result<Vec<u32>, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::processes::running(name)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.answer("processes.running", name))
}

/// Ends `process` if it still runs `name`; `false` when it does not.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn kill(process: u32, name: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::processes::kill(process, name)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.answer("processes.kill", &format!("{process} {name}")))
}
