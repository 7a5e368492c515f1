//! Sending mail.
//!
//! The grant fixes server, sender and recipients; a component only writes a
//! subject and a text, and neither can become anything else: line ends of the
//! subject are blanks, control characters are shown as escapes, and the message
//! is built by a library that encodes headers and body. No `mail` or `sendmail`
//! program is started, whose escapes have been attacked before.
//!
//! * `call`: phase, grant, sizes, shadow.
//! * [`smtp`]: the backend that speaks SMTP.
//! * [`fake`]: one that sends nothing and remembers everything, for tests.

mod call;
pub mod fake;
pub mod smtp;

use async_trait::async_trait;
use riposte_policy::grant::MailGrant;

use crate::refusal::Refusal;
use crate::secret::Secret;

pub use call::{Mail, SUBJECT, TEXT};
pub use smtp::Smtp;

/// The WIT interface.
pub const INTERFACE: &str = "mail";

/// One message, as it may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Server, sender and recipients.
    pub grant: MailGrant,
    /// What the login of the grant needs.
    pub password: Option<Secret>,
    /// One line, without control characters.
    pub subject: String,
    /// Lines that end in `\n`, without other control characters but tabs.
    pub text: String,
}

/// How a host does it.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Hands the message to the server, which has taken it for all recipients
    /// when this returns.
    ///
    /// # Errors
    ///
    /// When the server did not take it; for no recipient then.
    async fn send(&self, letter: Letter) -> Result<(), Refusal>;

    /// Whether it would work now.
    ///
    /// # Errors
    ///
    /// What is missing, and what to do about it.
    async fn probe(&self) -> Result<(), Refusal>;
}

/// A host that cannot do it: every call is refused the same way.
#[derive(Clone, Debug)]
pub struct Unavailable(pub Refusal);

#[async_trait]
impl Backend for Unavailable {
    async fn send(&self, _: Letter) -> Result<(), Refusal> {
        Err(self.0.clone())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Err(self.0.clone())
    }
}

#[cfg(test)]
mod tests;
