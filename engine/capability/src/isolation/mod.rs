//! Cutting this host off.

use crate::guard::Guard;
use crate::held::Holding;
use crate::refusal::Refusal;
use crate::session::Session;

/// The WIT interface, as effects name it.
pub const INTERFACE: &str = "isolation";

/// The calls of the WIT interface `isolation`.
#[derive(Clone, Copy)]
pub struct Isolation<'a> {
    holding: Holding<'a>,
    guard: &'a Guard,
}

impl<'a> Isolation<'a> {
    pub(crate) fn new(holding: Holding<'a>, guard: &'a Guard) -> Self {
        Self { holding, guard }
    }

    /// Cuts the host off.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn isolate(&self, session: &Session) -> Result<bool, Refusal> {
        session.effects_allowed("isolation.isolate")?;
        let _ = (self.holding.interface, self.guard);
        Err(Refusal::unsupported("isolation is not implemented"))
    }

    /// Ends what [`Isolation::isolate`] began.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn release(&self, session: &Session) -> Result<bool, Refusal> {
        session.effects_allowed("isolation.release")?;
        let _ = (self.holding.interface, self.guard);
        Err(Refusal::unsupported("isolation is not implemented"))
    }

    /// Whether a response holds it so.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn isolated(&self, session: &Session) -> Result<bool, Refusal> {
        session.effects_allowed("isolation.isolated")?;
        let _ = (self.holding.interface, self.guard);
        Err(Refusal::unsupported("isolation is not implemented"))
    }
}
