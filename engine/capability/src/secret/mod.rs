//! What the operator keeps from everybody else.

pub mod fake;
#[cfg(target_os = "linux")]
mod files;

use std::fmt;

use async_trait::async_trait;
use riposte_policy::diagnostic::shown;
use riposte_policy::grant::SecretSource;

use crate::refusal::Refusal;
use crate::session::Session;

#[cfg(target_os = "linux")]
pub use files::Files;

/// The WIT interface.
pub const INTERFACE: &str = "secret";

/// A value that is shown to nobody but the plugin that was granted it. It has
/// no way into a log: neither `Debug` nor `Display` tells it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret of this value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value, for whoever it was granted to.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How a host keeps secrets.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The value that stands at `source`, without the line end at its end.
    ///
    /// # Errors
    ///
    /// When it is not there, could be read by others, or is no text of at most
    /// 64 KiB. The text says which, never what stands there.
    async fn read(&self, source: &SecretSource) -> Result<Secret, Refusal>;

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
    async fn read(&self, _: &SecretSource) -> Result<Secret, Refusal> {
        Err(self.0.clone())
    }

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

    /// The value of a name that the command is granted, read now: a value that
    /// is replaced holds from the next call on. In shadow too, since a plugin
    /// would otherwise go another way.
    ///
    /// # Errors
    ///
    /// `denied` by phase or grant, else as [`Backend::read`].
    pub async fn get(&self, session: &Session, name: &str) -> Result<Secret, Refusal> {
        session.effects_allowed("secret.get")?;
        let grant = session.grants.secrets.iter().find(|grant| grant.name == name).ok_or_else(|| {
            Refusal::denied(format!(
                "the command has no <secret/> grant of the name {}: add <secret name=\"NAME\" file=\"/PATH\"/> to its <capabilities> to allow it",
                shown(name)
            ))
        })?;
        self.backend.read(&grant.source).await
    }
}

#[cfg(test)]
mod tests;
