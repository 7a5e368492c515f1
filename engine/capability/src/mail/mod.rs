//! Sending mail.

use async_trait::async_trait;

use crate::refusal::Refusal;
use crate::session::Session;

/// The WIT interface.
pub const INTERFACE: &str = "mail";

/// How a host does it.
#[async_trait]
pub trait Backend: Send + Sync {
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
    async fn probe(&self) -> Result<(), Refusal> {
        Err(self.0.clone())
    }
}

/// The calls of the WIT interface `mail`.
#[derive(Clone, Copy)]
pub struct Mail<'a> {
    backend: &'a dyn Backend,
}

impl<'a> Mail<'a> {
    pub(crate) fn new(backend: &'a dyn Backend) -> Self {
        Self { backend }
    }

    /// As the WIT says.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn send(&self, session: &Session, subject: &str, text: &str) -> Result<(), Refusal> {
        session.effects_allowed("mail.send")?;
        self.backend.probe().await?;
        let _ = (subject, text);
        Err(Refusal::unsupported("mail is not implemented"))
    }
}
