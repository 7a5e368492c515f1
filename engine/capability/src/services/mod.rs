//! Acting on services of the init system.

use async_trait::async_trait;

use crate::refusal::Refusal;
use crate::session::Session;

/// The WIT interface.
pub const INTERFACE: &str = "services";

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

/// The calls of the WIT interface `services`.
#[derive(Clone, Copy)]
pub struct Services<'a> {
    backend: &'a dyn Backend,
}

impl<'a> Services<'a> {
    pub(crate) fn new(backend: &'a dyn Backend) -> Self {
        Self { backend }
    }

    /// As the WIT says.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn restart(&self, session: &Session, unit: &str) -> Result<(), Refusal> {
        session.effects_allowed("services.restart")?;
        self.backend.probe().await?;
        let _ = unit;
        Err(Refusal::unsupported("services is not implemented"))
    }

    /// As the WIT says.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn reload(&self, session: &Session, unit: &str) -> Result<(), Refusal> {
        session.effects_allowed("services.reload")?;
        self.backend.probe().await?;
        let _ = unit;
        Err(Refusal::unsupported("services is not implemented"))
    }

    /// As the WIT says.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn start(&self, session: &Session, unit: &str) -> Result<bool, Refusal> {
        session.effects_allowed("services.start")?;
        self.backend.probe().await?;
        let _ = unit;
        Err(Refusal::unsupported("services is not implemented"))
    }

    /// As the WIT says.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn stop(&self, session: &Session, unit: &str) -> Result<bool, Refusal> {
        session.effects_allowed("services.stop")?;
        self.backend.probe().await?;
        let _ = unit;
        Err(Refusal::unsupported("services is not implemented"))
    }

    /// As the WIT says.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn active(&self, session: &Session, unit: &str) -> Result<bool, Refusal> {
        session.effects_allowed("services.active")?;
        self.backend.probe().await?;
        let _ = unit;
        Err(Refusal::unsupported("services is not implemented"))
    }
}
