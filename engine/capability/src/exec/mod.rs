//! Running granted programs.

use async_trait::async_trait;

use crate::refusal::Refusal;
use crate::session::Session;

/// The WIT interface.
pub const INTERFACE: &str = "exec";

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit status, or minus the number of the signal that ended it.
    pub status: i32,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
    /// Whether it wrote more than is kept.
    pub truncated: bool,
}

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

/// The calls of the WIT interface `exec`.
#[derive(Clone, Copy)]
pub struct Exec<'a> {
    backend: &'a dyn Backend,
}

impl<'a> Exec<'a> {
    pub(crate) fn new(backend: &'a dyn Backend) -> Self {
        Self { backend }
    }

    /// As the WIT says.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn run(
        &self,
        session: &Session,
        program: &str,
        arguments: Vec<String>,
        input: Vec<u8>,
    ) -> Result<Output, Refusal> {
        session.effects_allowed("exec.run")?;
        self.backend.probe().await?;
        let _ = (program, arguments, input);
        Err(Refusal::unsupported("exec is not implemented"))
    }
}
