//! Locking accounts.

use crate::guard::Guard;
use crate::held::Holding;
use crate::refusal::Refusal;
use crate::session::Session;

/// The WIT interface, as effects name it.
pub const INTERFACE: &str = "accounts";

/// The calls of the WIT interface `accounts`.
#[derive(Clone, Copy)]
pub struct Accounts<'a> {
    holding: Holding<'a>,
    guard: &'a Guard,
}

impl<'a> Accounts<'a> {
    pub(crate) fn new(holding: Holding<'a>, guard: &'a Guard) -> Self {
        Self { holding, guard }
    }

    /// Lets nobody log in as this user.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn lock(&self, session: &Session, user: &str) -> Result<bool, Refusal> {
        session.effects_allowed("accounts.lock")?;
        let _ = (self.holding.interface, self.guard, user);
        Err(Refusal::unsupported("accounts is not implemented"))
    }

    /// Restores the account as it was before the first lock.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn unlock(&self, session: &Session, user: &str) -> Result<bool, Refusal> {
        session.effects_allowed("accounts.unlock")?;
        let _ = (self.holding.interface, self.guard, user);
        Err(Refusal::unsupported("accounts is not implemented"))
    }

    /// Whether a response holds it.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn locked(&self, session: &Session, user: &str) -> Result<bool, Refusal> {
        session.effects_allowed("accounts.locked")?;
        let _ = (self.holding.interface, self.guard, user);
        Err(Refusal::unsupported("accounts is not implemented"))
    }

    /// Ends what the user runs; how many processes were told to end.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn end_sessions(&self, session: &Session, user: &str) -> Result<u32, Refusal> {
        session.effects_allowed("accounts.end-sessions")?;
        let _ = (self.holding.interface, self.guard, user);
        Err(Refusal::unsupported("accounts is not implemented"))
    }
}
