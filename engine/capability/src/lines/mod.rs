//! Keeping single lines in text files.

use crate::guard::Guard;
use crate::held::Holding;
use crate::refusal::Refusal;
use crate::session::Session;

/// The WIT interface, as effects name it.
pub const INTERFACE: &str = "lines";

/// The calls of the WIT interface `lines`.
#[derive(Clone, Copy)]
pub struct Lines<'a> {
    holding: Holding<'a>,
    guard: &'a Guard,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(holding: Holding<'a>, guard: &'a Guard) -> Self {
        Self { holding, guard }
    }

    /// Sees to it that the file holds this line.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn ensure(&self, session: &Session, file: &str, line: &str) -> Result<bool, Refusal> {
        session.effects_allowed("lines.ensure")?;
        let _ = (self.holding.interface, self.guard, file, line);
        Err(Refusal::unsupported("lines is not implemented"))
    }

    /// Ends what [`Lines::ensure`] began.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn remove(&self, session: &Session, file: &str, line: &str) -> Result<bool, Refusal> {
        session.effects_allowed("lines.remove")?;
        let _ = (self.holding.interface, self.guard, file, line);
        Err(Refusal::unsupported("lines is not implemented"))
    }

    /// Whether the file holds this line now.
    ///
    /// # Errors
    ///
    /// By phase, grant, guard or backend.
    pub async fn contains(&self, session: &Session, file: &str, line: &str) -> Result<bool, Refusal> {
        session.effects_allowed("lines.contains")?;
        let _ = (self.holding.interface, self.guard, file, line);
        Err(Refusal::unsupported("lines is not implemented"))
    }
}
