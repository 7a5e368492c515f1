//! The calls of the WIT interface `isolation`.

use riposte_policy::grant::{Confirm, IsolationGrant};

use super::target;
use crate::confirm::Confirmation;
use crate::guard::Guard;
use crate::held::Holding;
use crate::refusal::Refusal;
use crate::session::Session;

/// The calls of the WIT interface `isolation`. Made by
/// [`crate::Capabilities::isolation`] for one call each.
#[derive(Clone, Copy)]
pub struct Isolation<'a> {
    holding: Holding<'a>,
    guard: &'a Guard,
    confirmation: Confirmation<'a>,
}

impl<'a> Isolation<'a> {
    pub(crate) fn new(holding: Holding<'a>, guard: &'a Guard, confirmation: Confirmation<'a>) -> Self {
        Self { holding, guard, confirmation }
    }

    /// Cuts the host off for as long as the session's entry holds it, and asks
    /// what the grant wants confirmed. `false`: it was so already.
    ///
    /// # Errors
    ///
    /// `denied` by phase or grant, `unavailable` when the claim or the isolation
    /// could not be made, `failed` when what must answer afterwards did not and
    /// the isolation was undone.
    pub async fn isolate(&self, session: &Session) -> Result<bool, Refusal> {
        session.effects_allowed("isolation.isolate")?;
        let grant = granted(session)?;
        if grant.confirm == Confirm::Manager && self.guard.managers().is_empty() {
            return Err(Refusal::unavailable(
                "the command's <isolation confirm=\"manager\"/> asks the manager, and none is known: name it in \
                 <riposte><guard><manager>",
            )
            .for_good());
        }
        let target = target(grant);
        let changed = self.holding.hold(session, target.clone()).await?;
        self.confirmation.held(self.holding, session, "isolation.isolate", target, &grant.confirm).await?;
        Ok(changed)
    }

    /// Ends what [`Isolation::isolate`] began. `false`: this entry did not hold it.
    ///
    /// # Errors
    ///
    /// `denied` by phase or grant, `unavailable` when it could not be released.
    pub async fn release(&self, session: &Session) -> Result<bool, Refusal> {
        session.effects_allowed("isolation.release")?;
        self.holding.let_go(session, target(granted(session)?)).await
    }

    /// Whether a response holds this host isolated under this grant.
    ///
    /// # Errors
    ///
    /// `denied` by phase or grant.
    #[expect(clippy::unused_async, reason = "all calls of the WIT are awaited")]
    pub async fn isolated(&self, session: &Session) -> Result<bool, Refusal> {
        session.effects_allowed("isolation.isolated")?;
        Ok(self.holding.holds(session, target(granted(session)?)))
    }
}

fn granted(session: &Session) -> Result<&IsolationGrant, Refusal> {
    session.grants.isolation.as_ref().ok_or_else(|| {
        Refusal::denied(
            "the command has no <isolation/> grant: add it to its <capabilities> to allow cutting this host off",
        )
    })
}
