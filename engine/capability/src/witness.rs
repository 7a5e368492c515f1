//! Who is told what was refused.
//!
//! A refusal is an answer to the component, which may keep it to itself. The
//! operator learns of it here, whatever the component does.

use riposte_policy::order::EntryId;

use crate::refusal::Refusal;
use crate::session::Session;

/// Hears of what capabilities refuse, and of what an operator's word let pass.
/// Implemented by the daemon over its audit.
pub trait Witness: Send + Sync {
    /// A call was refused by phase, grant or guard.
    fn denied(&self, denied: &Denied<'_>);

    /// The guard would have protected `target` by `rule`, but for an
    /// `<override>` with this reason.
    fn overridden(&self, rule: &str, target: &str, reason: &str);

    /// An effect was made, what must still answer did not, and the effect was
    /// undone; or was not, which `why` says.
    fn unconfirmed(&self, denied: &Denied<'_>);
}

/// One call that was refused.
#[derive(Clone, Copy, Debug)]
pub struct Denied<'a> {
    /// The command's name.
    pub command: &'a str,
    /// The tenant's name.
    pub tenant: &'a str,
    /// The entry, when there is one.
    pub entry: Option<EntryId>,
    /// Interface and function: `firewall.block`.
    pub call: &'a str,
    /// What it was asked to act on, as the component wrote it.
    pub target: &'a str,
    /// The answer, which names the rule.
    pub why: &'a Refusal,
}

impl<'a> Denied<'a> {
    /// A call of this session.
    #[must_use]
    pub fn of(session: &'a Session, call: &'a str, target: &'a str, why: &'a Refusal) -> Self {
        let Session { command, tenant, entry, .. } = session;
        Self { command, tenant, entry: *entry, call, target, why }
    }
}

/// A call of this session was refused. Of a rehearsal nobody hears: it was asked
/// to find that out.
pub(crate) fn tell(witness: &dyn Witness, session: &Session, call: &str, target: &str, why: &Refusal) {
    if !session.record.is_rehearsal() {
        witness.denied(&Denied::of(session, call, target, why));
    }
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Witness for Nobody {
    fn denied(&self, _: &Denied<'_>) {}

    fn overridden(&self, _: &str, _: &str, _: &str) {}

    fn unconfirmed(&self, _: &Denied<'_>) {}
}
