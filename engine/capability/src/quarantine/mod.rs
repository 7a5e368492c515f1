//! Taking files out of reach.

use crate::guard::Guard;
use crate::held::Holding;
use crate::refusal::Refusal;
use crate::session::Session;

/// The WIT interface, as effects name it.
pub const INTERFACE: &str = "quarantine";

/// The calls of the WIT interface `quarantine`.
#[derive(Clone, Copy)]
pub struct Quarantine<'a> {
    holding: Holding<'a>,
    guard: &'a Guard,
}

impl<'a> Quarantine<'a> {
    pub(crate) fn new(holding: Holding<'a>, guard: &'a Guard) -> Self {
        Self { holding, guard }
    }

    /// Moves the file into the quarantine.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn put(&self, session: &Session, path: &str) -> Result<bool, Refusal> {
        session.effects_allowed("quarantine.put")?;
        let _ = (self.holding.interface, self.guard, path);
        Err(Refusal::unsupported("quarantine is not implemented"))
    }

    /// Puts the file back.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn restore(&self, session: &Session, path: &str) -> Result<bool, Refusal> {
        session.effects_allowed("quarantine.restore")?;
        let _ = (self.holding.interface, self.guard, path);
        Err(Refusal::unsupported("quarantine is not implemented"))
    }

    /// Whether a response holds it.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn holds(&self, session: &Session, path: &str) -> Result<bool, Refusal> {
        session.effects_allowed("quarantine.holds")?;
        let _ = (self.holding.interface, self.guard, path);
        Err(Refusal::unsupported("quarantine is not implemented"))
    }
}
