//! Keeps single lines in text files. Granted by `<lines/>`.

use crate::Error;

/// Sees to it that `file` holds `line`; `false` when it was there.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn ensure(file: &str, line: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::lines::ensure(file, line)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.make("lines.ensure", &format!("{file} {line}")))
}

/// Ends what [`ensure`] began; `false` when this response did not hold it.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn remove(file: &str, line: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::lines::remove(file, line)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.undo("lines.remove", &format!("{file} {line}")))
}

/// Whether `file` holds `line`.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn contains(file: &str, line: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::lines::contains(file, line)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.holds("lines.contains", &format!("{file} {line}")))
}
