//! Sending what goes to an address nowhere.

pub mod vectors;

use crate::guard::Guard;
use crate::held::Holding;
use crate::refusal::Refusal;
use crate::session::Session;

/// The WIT interface, as effects name it.
pub const INTERFACE: &str = "routes";

/// The calls of the WIT interface `routes`.
#[derive(Clone, Copy)]
pub struct Routes<'a> {
    holding: Holding<'a>,
    guard: &'a Guard,
}

impl<'a> Routes<'a> {
    pub(crate) fn new(holding: Holding<'a>, guard: &'a Guard) -> Self {
        Self { holding, guard }
    }

    /// Lets packets to this address go nowhere.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn blackhole(&self, session: &Session, address: &str) -> Result<bool, Refusal> {
        session.effects_allowed("routes.blackhole")?;
        let _ = (self.holding.interface, self.guard, address);
        Err(Refusal::unsupported("routes is not implemented"))
    }

    /// Ends what [`Routes::blackhole`] began.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn restore(&self, session: &Session, address: &str) -> Result<bool, Refusal> {
        session.effects_allowed("routes.restore")?;
        let _ = (self.holding.interface, self.guard, address);
        Err(Refusal::unsupported("routes is not implemented"))
    }

    /// Whether a response holds it.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn blackholed(&self, session: &Session, address: &str) -> Result<bool, Refusal> {
        session.effects_allowed("routes.blackholed")?;
        let _ = (self.holding.interface, self.guard, address);
        Err(Refusal::unsupported("routes is not implemented"))
    }
}
