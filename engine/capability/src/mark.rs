//! What the host shows as this engine's own.

use std::time::Duration;

use riposte_policy::order::EntryId;

use crate::{Capabilities, Effect, INTERFACES, Refusal};

/// An effect that the host shows with the engine's mark: an element of its
/// table, a route of its protocol, a line with its comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What is there.
    pub effect: Effect,
    /// The entry that made it first, where the mark says so. Others may hold it
    /// too, and that one may be over.
    pub entry: Option<EntryId>,
    /// When the host drops it by itself; `None`: never.
    pub remaining: Option<Duration>,
}

impl Capabilities {
    /// Every mark on this host, whoever claims it. For a ledger that lost what
    /// it knew, and for the day the engine is removed.
    ///
    /// # Errors
    ///
    /// When a part of the host could not be read: the others were, but a caller
    /// that needs all of them has none.
    pub async fn marks(&self) -> Result<Vec<Mark>, Refusal> {
        let listed = self.backends.firewall.list().await?;
        let blocked = listed.into_iter().map(|element| Mark {
            effect: element.target.effect().clone(),
            entry: None,
            remaining: element.remaining,
        });
        let mut marks: Vec<Mark> = blocked.collect();
        for holding in INTERFACES.iter().filter_map(|interface| self.held(interface)) {
            let interface = holding.interface;
            let listed = holding.backend.list().await?;
            let held = |target| Mark { effect: Effect { interface, target }, entry: None, remaining: None };
            marks.extend(listed.into_iter().map(held));
        }
        Ok(marks)
    }
}
