//! The calls of the WIT interface `firewall`.

use riposte_policy::address::Prefix;
use riposte_policy::config::Mode;
use riposte_policy::grant::{Established, FirewallBackend, FirewallGrant};
use riposte_policy::order::EntryId;

use super::widen::Widened;
use super::{Backend, Target};
use crate::claim::{Claims, NotRecorded, Standing};
use crate::confirm::Confirmation;
use crate::guard::{Guard, Verdict};
use crate::refusal::Refusal;
use crate::session::{Session, WouldBe};

/// The calls of the WIT interface `firewall`. Made by
/// [`crate::Capabilities::firewall`] for one call each.
#[derive(Clone, Copy)]
pub struct Firewall<'a> {
    pub(super) claims: &'a dyn Claims,
    pub(super) backend: &'a dyn Backend,
    guard: &'a Guard,
    pub(super) confirmation: Confirmation<'a>,
}

impl<'a> Firewall<'a> {
    pub(crate) fn new(
        claims: &'a dyn Claims,
        backend: &'a dyn Backend,
        guard: &'a Guard,
        confirmation: Confirmation<'a>,
    ) -> Self {
        Self { claims, backend, guard, confirmation }
    }

    /// Drops all packets from `address`, an address or a network, for as long
    /// as the session's entry holds it. `false`: it was blocked already.
    ///
    /// # Errors
    ///
    /// `invalid-input` for another spelling, `denied` by phase, grant or guard,
    /// `unavailable` when the claim or the block could not be made. After a
    /// failure of the backend the claim stands: the entry's undo releases it.
    /// `failed` when a network was blocked, what the grant wants confirmed did
    /// not answer, and the block was undone.
    pub async fn block(&self, session: &Session, address: &str) -> Result<bool, Refusal> {
        session.effects_allowed("firewall.block")?;
        let grant = granted(session)?;
        let prefix = parsed(address)?;
        within(grant, prefix)?;
        self.guarded(prefix)?;
        if let Some(wide) = grant.widened(prefix, session.offence)
            && let Widened::Blocked { new } = self.widen(session, grant, wide, prefix).await?
        {
            return Ok(new);
        }
        self.hold(session, grant, prefix).await
    }

    /// The block itself, of what grant and guard let pass.
    pub(super) async fn hold(
        &self,
        session: &Session,
        grant: &FirewallGrant,
        prefix: Prefix,
    ) -> Result<bool, Refusal> {
        let target = Target::by(self.backend_of(grant), &grant.set, prefix);
        if session.mode == Mode::Shadow {
            let was = self.believed(session, &target);
            session.record.note(WouldBe::Made(target.effect().clone()));
            return Ok(!was);
        }
        // What cannot be made is not claimed: there would be nothing to undo.
        self.backend.ready(&target)?;
        let entry = session.holder()?;
        let before = self.claims.claim(entry, target.effect(), None).await.map_err(|e| unrecorded(&e))?;
        self.backend.sync(vec![target.clone()]).await?;
        self.confirm(session, grant, entry, target).await?;
        if grant.established == Established::Cut {
            self.cut(session, prefix).await;
        }
        Ok(before == Standing::Free)
    }

    /// Ends what [`Firewall::block`] began. `false`: nobody held it. The guard
    /// is not asked, nor how broad the network is: only a claim of this entry
    /// can go, and a change of rules must not keep what they would now forbid.
    ///
    /// # Errors
    ///
    /// As for [`Firewall::block`].
    pub async fn unblock(&self, session: &Session, address: &str) -> Result<bool, Refusal> {
        session.effects_allowed("firewall.unblock")?;
        let grant = granted(session)?;
        let prefix = parsed(address)?;
        // Whatever offence it was: what was widened is what this address was blocked by.
        let wide = grant.widened(prefix, u32::MAX);
        let was = self.let_go(session, grant, prefix).await?;
        match wide {
            Some(wide) => Ok(self.let_go(session, grant, wide).await? || was),
            None => Ok(was),
        }
    }

    async fn let_go(
        &self,
        session: &Session,
        grant: &FirewallGrant,
        prefix: Prefix,
    ) -> Result<bool, Refusal> {
        let target = Target::by(self.backend_of(grant), &grant.set, prefix);
        if session.mode == Mode::Shadow {
            let was = self.believed(session, &target);
            session.record.note(WouldBe::Undone(target.effect().clone()));
            return Ok(was);
        }
        let entry = session.holder()?;
        // What was blocked under another setting goes by what blocked it.
        let mut was = false;
        for other in
            self.others(&target).filter(|other| self.claims.standing(other.effect()) != Standing::Free)
        {
            was |= release(self.claims, self.backend, entry, other).await?;
        }
        Ok(release(self.claims, self.backend, entry, target).await? || was)
    }

    /// Whether packets from `address` are dropped: it, or a network around it
    /// that this grant could block, is claimed in the grant's set.
    ///
    /// # Errors
    ///
    /// `invalid-input` for another spelling, `denied` by phase or grant.
    pub async fn blocked(&self, session: &Session, address: &str) -> Result<bool, Refusal> {
        session.effects_allowed("firewall.blocked")?;
        let grant = granted(session)?;
        let prefix = parsed(address)?;
        let backend = self.backend_of(grant);
        let around = (widest(grant, prefix)..prefix.length())
            .filter_map(|length| Prefix::new(prefix.network(), length))
            .map(|wider| Target::by(backend, &grant.set, wider));
        let mut candidates = std::iter::once(Target::by(backend, &grant.set, prefix)).chain(around);
        Ok(candidates.any(|target| {
            self.believed(session, &target)
                || self.others(&target).any(|other| self.believed(session, &other))
        }))
    }

    /// What blocks for this grant.
    pub(super) fn backend_of(&self, grant: &FirewallGrant) -> FirewallBackend {
        grant.backend.unwrap_or_else(|| self.backend.chosen())
    }

    /// The same target by every other backend of this host.
    fn others(&self, target: &Target) -> impl Iterator<Item = Target> {
        let (set, prefix, kind) = (target.set().clone(), target.prefix(), target.backend());
        let others = self.backend.kinds().iter().filter(move |other| **other != kind);
        others.map(move |other| Target::by(*other, &set, prefix))
    }

    /// Ends what is open, now that nothing new gets in. It failing is told and
    /// no failure of the block: what stays open starves.
    async fn cut(&self, session: &Session, prefix: Prefix) {
        if let Err(refusal) = self.backend.cut(prefix).await {
            tracing::warn!(command = %session.command, %prefix, %refusal, "blocked, but not cut");
        }
    }

    /// Whether the target is blocked, from where this session stands: shadow
    /// believes what it would have done.
    fn believed(&self, session: &Session, target: &Target) -> bool {
        let shadow = session.record.believes(target.effect()).filter(|_| session.mode == Mode::Shadow);
        shadow.unwrap_or_else(|| self.claims.standing(target.effect()) != Standing::Free)
    }

    /// One address locks out one sender; a network may hold what nobody thought of.
    async fn confirm(
        &self,
        session: &Session,
        grant: &FirewallGrant,
        entry: EntryId,
        target: Target,
    ) -> Result<(), Refusal> {
        if target.prefix().single().is_some() {
            return Ok(());
        }
        let name = target.prefix().to_string();
        let undo = release(self.claims, self.backend, entry, target);
        self.confirmation.after(session, "firewall.block", &name, &grant.confirm, undo).await
    }

    pub(super) fn guarded(&self, prefix: Prefix) -> Result<(), Refusal> {
        match self.guard.judge(prefix) {
            Verdict::Pass => Ok(()),
            Verdict::Never { rule, detail } => {
                Err(Refusal::denied(format!("{prefix} is never blocked: {detail} (guard: {rule})")))
            }
        }
    }
}

/// Releases the entry's claim and makes the host agree. `false`: nobody held
/// the target; the host is made to agree all the same, if it has the backend.
pub(crate) async fn release(
    claims: &dyn Claims,
    backend: &dyn Backend,
    entry: EntryId,
    target: Target,
) -> Result<bool, Refusal> {
    let before = claims.standing(target.effect());
    if before == Standing::Free && backend.ready(&target).is_err() {
        // Nobody holds it, and what is not there blocks nothing.
        return Ok(false);
    }
    let _remains = claims.release(entry, target.effect()).await.map_err(|e| unrecorded(&e))?;
    backend.sync(vec![target]).await?;
    Ok(before != Standing::Free)
}

fn granted(session: &Session) -> Result<&FirewallGrant, Refusal> {
    session.grants.firewall.as_ref().ok_or_else(|| {
        Refusal::denied(
            "the command has no <firewall/> grant: add it to its <capabilities> to allow blocking",
        )
    })
}

fn parsed(address: &str) -> Result<Prefix, Refusal> {
    address.parse().map_err(|e| Refusal::invalid_input(format!("{e}")))
}

/// Fewest leading bits that the grant allows for this family.
fn widest(grant: &FirewallGrant, prefix: Prefix) -> u8 {
    if prefix.network().ip().is_ipv4() { grant.widest4 } else { grant.widest6 }
}

fn within(grant: &FirewallGrant, prefix: Prefix) -> Result<(), Refusal> {
    let widest = widest(grant, prefix);
    if prefix.length() >= widest {
        return Ok(());
    }
    let attribute = if prefix.network().ip().is_ipv4() { "widest4" } else { "widest6" };
    Err(Refusal::denied(format!(
        "{prefix} is broader than the command's <firewall {attribute}=\"{widest}\"/> grant allows"
    )))
}

fn unrecorded(e: &NotRecorded) -> Refusal {
    Refusal::unavailable(e.to_string())
}
