//! A repeated offender's network in the place of its address.
//!
//! The component asks for one address; that more is blocked from some offence
//! on is the operator's wish (`<firewall widen="3">`), and the engine's doing.
//! The network is an effect of its own, claimed like any other: when its entry
//! ends it goes, and addresses inside that have entries of their own stay
//! blocked by those.

use riposte_policy::address::Prefix;
use riposte_policy::config::Mode;
use riposte_policy::grant::FirewallGrant;

use super::{Firewall, Target, release};
use crate::refusal::Refusal;
use crate::session::Session;
use crate::witness;

/// What became of blocking a network in the place of an address.
#[must_use]
pub(super) enum Widened {
    /// It is blocked; whether nobody had blocked it before.
    Blocked {
        /// Whether it is new.
        new: bool,
    },
    /// It must not be: the address is blocked alone.
    Refused,
}

impl Firewall<'_> {
    /// Blocks `wide` in the place of `address`. What the guard protects in it,
    /// or what does not answer afterwards, is no reason not to block the
    /// address: that is told, and the address is left to be blocked alone.
    pub(super) async fn widen(
        &self,
        session: &Session,
        grant: &FirewallGrant,
        wide: Prefix,
        address: Prefix,
    ) -> Result<Widened, Refusal> {
        let refused = match self.guarded(wide) {
            Err(refusal) => refusal,
            Ok(()) => match self.hold(session, grant, wide).await {
                Ok(new) => return Ok(Widened::Blocked { new }),
                // It locked somebody out, and was taken back.
                Err(refusal) if refusal.kind == "failed" => refusal,
                Err(refusal) => return Err(refusal),
            },
        };
        // Also what a crash left of an earlier attempt, when the guard knew less.
        if session.mode == Mode::Enforce {
            let target = Target::by(self.backend_of(grant), &grant.set, wide);
            release(self.claims, self.backend, session.holder()?, target).await?;
        }
        let message = format!("{}; {address} alone is blocked instead", refused.message);
        let why = Refusal { message, ..refused };
        witness::tell(self.confirmation.witness, session, "firewall.block", &wide.to_string(), &why);
        Ok(Widened::Refused)
    }
}
