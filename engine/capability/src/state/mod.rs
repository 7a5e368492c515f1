//! Values that outlive a call.

use async_trait::async_trait;

use crate::refusal::Refusal;
use crate::session::Session;

/// The WIT interface.
pub const INTERFACE: &str = "state";

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

/// The calls of the WIT interface `state`.
#[derive(Clone, Copy)]
pub struct State<'a> {
    backend: &'a dyn Backend,
}

impl<'a> State<'a> {
    pub(crate) fn new(backend: &'a dyn Backend) -> Self {
        Self { backend }
    }

    /// As the WIT says.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn get(&self, session: &Session, key: &str) -> Result<Option<Vec<u8>>, Refusal> {
        session.effects_allowed("state.get")?;
        self.backend.probe().await?;
        let _ = key;
        Err(Refusal::unsupported("state is not implemented"))
    }

    /// As the WIT says.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn set(&self, session: &Session, key: &str, value: Vec<u8>) -> Result<(), Refusal> {
        session.effects_allowed("state.set")?;
        self.backend.probe().await?;
        let _ = (key, value);
        Err(Refusal::unsupported("state is not implemented"))
    }

    /// As the WIT says.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn remove(&self, session: &Session, key: &str) -> Result<bool, Refusal> {
        session.effects_allowed("state.remove")?;
        self.backend.probe().await?;
        let _ = key;
        Err(Refusal::unsupported("state is not implemented"))
    }

    /// As the WIT says.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn keys(&self, session: &Session, prefix: &str) -> Result<Vec<String>, Refusal> {
        session.effects_allowed("state.keys")?;
        self.backend.probe().await?;
        let _ = prefix;
        Err(Refusal::unsupported("state is not implemented"))
    }
}
