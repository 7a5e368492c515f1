//! Sends mail. Granted by `<mail/>`, which fixes server, sender and recipients.

use crate::Error;

/// Sends one message of plain text.
///
/// # Errors
///
/// `denied` by grant or guard, or when the host could not do it.
pub fn send(subject: &str, text: &str) -> Result<(), Error> {
    #[cfg(target_arch = "wasm32")]
    return Ok(crate::bindings::mail::send(subject, text)?);
    #[cfg(not(target_arch = "wasm32"))]
    crate::host::with(|host| host.answer("mail.send", &format!("{subject} {text}")))
}
