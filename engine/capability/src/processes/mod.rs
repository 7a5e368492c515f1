//! Ending processes.

use async_trait::async_trait;

use crate::refusal::Refusal;
use crate::session::Session;

/// The WIT interface.
pub const INTERFACE: &str = "processes";

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

/// The calls of the WIT interface `processes`.
#[derive(Clone, Copy)]
pub struct Processes<'a> {
    backend: &'a dyn Backend,
}

impl<'a> Processes<'a> {
    pub(crate) fn new(backend: &'a dyn Backend) -> Self {
        Self { backend }
    }

    /// As the WIT says.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn running(&self, session: &Session, name: &str) -> Result<Vec<u32>, Refusal> {
        session.effects_allowed("processes.running")?;
        self.backend.probe().await?;
        let _ = name;
        Err(Refusal::unsupported("processes is not implemented"))
    }

    /// As the WIT says.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn kill(&self, session: &Session, process: u32, name: &str) -> Result<bool, Refusal> {
        session.effects_allowed("processes.kill")?;
        self.backend.probe().await?;
        let _ = (process, name);
        Err(Refusal::unsupported("processes is not implemented"))
    }
}
