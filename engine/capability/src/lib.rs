//! What a response can do to this host, and nothing else.
//!
//! Every effect goes one way: the argument is parsed, the grant and the guard
//! are asked, the claim is recorded, and only then does a backend act. The
//! backend never asks "what was I told?" but "who still holds this?", so that
//! two responses, a retry and a crash all end in the same state.
//!
//! # Layout
//!
//! * [`session`]: one run as capabilities see it: phase, mode, grants.
//! * [`refusal`]: why something was not done, in the words of the WIT.
//! * [`claim`]: who holds what; implemented over the ledger.
//! * [`guard`]: what is never acted against, whoever asks.
//! * [`firewall`]: blocking addresses: the calls, the nftables backend, a fake.
//! * [`process`]: starting programs.
//! * `netlink`: the kernel's message format, for the firewall and the guard.

#![forbid(unsafe_code)]

pub mod claim;
pub mod firewall;
pub mod guard;
#[cfg(all(test, target_os = "linux"))]
mod namespace;
#[cfg(target_os = "linux")]
mod netlink;
pub mod process;
pub mod refusal;
pub mod session;

use std::collections::HashSet;
use std::sync::Arc;

use riposte_policy::order::EntryId;

pub use claim::{Claims, Effect, Standing};
pub use guard::{Guard, Verdict};
pub use refusal::Refusal;
pub use session::{Phase, Recorder, Session, WouldBe};

use firewall::{Element, Firewall, Target};

/// All that can be done to this host. One for all runs; a run brings its
/// [`Session`] to each call.
pub struct Capabilities {
    claims: Arc<dyn Claims>,
    firewall: Arc<dyn firewall::Backend>,
    guard: Arc<Guard>,
}

impl Capabilities {
    /// Puts the parts together. The backends must ask the same `claims`.
    #[must_use]
    pub fn new(claims: Arc<dyn Claims>, firewall: Arc<dyn firewall::Backend>, guard: Arc<Guard>) -> Self {
        Self { claims, firewall, guard }
    }

    /// The calls of the WIT interface `firewall`.
    #[must_use]
    pub fn firewall(&self) -> Firewall<'_> {
        Firewall::new(self.claims.as_ref(), self.firewall.as_ref(), &self.guard)
    }

    /// What is never acted against.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The engine itself takes back what `entry` did, without its component:
    /// the component is gone, revoked, or its `delete` keeps failing. Nothing
    /// is asked of grants or guard, since undoing restores the host.
    /// `false`: nobody held the effect.
    ///
    /// # Errors
    ///
    /// When the effect is of an interface that this engine does not know, when
    /// the release could not be recorded, or when the backend failed.
    pub async fn reverse(&self, entry: EntryId, effect: &Effect) -> Result<bool, Refusal> {
        let target = target_of(effect)?;
        firewall::release(self.claims.as_ref(), self.firewall.as_ref(), entry, target).await
    }

    /// Makes the host agree with the claims on these effects: after a due time
    /// has moved, so that the kernel's own timeout moves with it. Effects of
    /// unknown interfaces are logged and left alone.
    ///
    /// # Errors
    ///
    /// The first failure of a backend; the other effects were settled.
    pub async fn settle(&self, effects: &[Effect]) -> Result<(), Refusal> {
        self.firewall.sync(targets_of(effects)).await
    }

    /// Compares the host with `effects`, which must be everything that is
    /// claimed, and settles each difference: what is missing is made again,
    /// what differs is renewed, and what nobody claims is removed, since the
    /// tables are the engine's own. For the start, and for whenever
    /// [`firewall::Backend::rebuilt`] has grown.
    ///
    /// # Errors
    ///
    /// When the host could not be read, or the first failure of a backend; the
    /// other effects were settled.
    pub async fn repair(&self, effects: &[Effect]) -> Result<Repaired, Refusal> {
        let listed = self.firewall.list().await?;
        let mut repaired = Repaired::default();
        let mut correct = HashSet::new();
        let mut wrong = Vec::new();
        for Element { target, remaining } in listed {
            let standing = self.claims.standing(target.effect());
            if standing == Standing::Free {
                repaired.removed += 1;
                wrong.push(target);
            } else if firewall::agrees(standing, remaining) {
                correct.insert(target);
            }
        }
        for target in targets_of(effects) {
            if !correct.contains(&target) {
                repaired.written += 1;
                wrong.push(target);
            }
        }
        self.firewall.sync(wrong).await?;
        Ok(repaired)
    }
}

/// What [`Capabilities::repair`] changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// How many effects were missing or had another timeout than their claims.
    pub written: usize,
    /// How many effects nobody claimed.
    pub removed: usize,
}

/// The targets of those effects that this engine knows.
fn targets_of(effects: &[Effect]) -> Vec<Target> {
    let known = |effect: &Effect| {
        target_of(effect).inspect_err(|refusal| tracing::error!(%effect, %refusal, "effect left alone")).ok()
    };
    effects.iter().filter_map(known).collect()
}

fn target_of(effect: &Effect) -> Result<Target, Refusal> {
    Target::try_from(effect).map_err(|e| {
        Refusal::unsupported(format!("{e}; it was recorded by another version of Riposte: undo it by hand"))
    })
}

#[cfg(test)]
mod tests;
