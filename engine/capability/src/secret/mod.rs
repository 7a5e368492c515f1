//! What the operator keeps from everybody else.

use async_trait::async_trait;

use crate::refusal::Refusal;
use crate::session::Session;

/// The WIT interface.
pub const INTERFACE: &str = "secret";

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

/// The calls of the WIT interface `secret`.
#[derive(Clone, Copy)]
pub struct Secrets<'a> {
    backend: &'a dyn Backend,
}

impl<'a> Secrets<'a> {
    pub(crate) fn new(backend: &'a dyn Backend) -> Self {
        Self { backend }
    }

    /// As the WIT says.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn get(&self, session: &Session, name: &str) -> Result<String, Refusal> {
        session.effects_allowed("secret.get")?;
        self.backend.probe().await?;
        let _ = name;
        Err(Refusal::unsupported("secret is not implemented"))
    }
}
