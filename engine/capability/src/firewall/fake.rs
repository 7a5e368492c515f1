//! A firewall that blocks nothing and remembers everything, for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use riposte_policy::address::Prefix;
use riposte_policy::order::EntryId;

use super::{Backend, Element, GRACE, Target};
use crate::claim::{Claims, Standing};
use crate::refusal::Refusal;

/// The backend for tests. It obeys the claims as a real one does, so that
/// overlaps and undos end as they would on a host.
pub struct Fake {
    claims: Arc<dyn Claims>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    elements: BTreeMap<String, Element>,
    synced: Vec<String>,
    cuts: Vec<String>,
    refusal: Option<Refusal>,
}

impl Fake {
    /// An empty host.
    #[must_use]
    pub fn new(claims: Arc<dyn Claims>) -> Self {
        Self { claims, state: Mutex::default() }
    }

    /// What is blocked now, as targets in alphabetical order.
    #[must_use]
    pub fn blocked(&self) -> Vec<String> {
        self.state().elements.keys().cloned().collect()
    }

    /// Every target that was ever synced, in order, once per time.
    #[must_use]
    pub fn synced(&self) -> Vec<String> {
        self.state().synced.clone()
    }

    /// Every address and network whose open connections were to be ended.
    #[must_use]
    pub fn cuts(&self) -> Vec<String> {
        self.state().cuts.clone()
    }

    /// From now on every call is refused like this; `None`: all is well again.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        self.state().refusal = refusal;
    }

    /// Puts an element there that nobody asked for, or takes one away that is
    /// claimed (`present` is false), as an operator with `nft` would.
    pub fn meddle(&self, target: &Target, present: bool) {
        let key = target.to_string();
        if present {
            self.state()
                .elements
                .insert(key, Element { target: target.clone(), remaining: None, entry: None });
        } else {
            self.state().elements.remove(&key);
        }
    }

    /// Another engine makes an element.
    pub fn meddle_as(&self, target: &Target, entry: Option<EntryId>, remaining: Option<Duration>) {
        self.state()
            .elements
            .insert(target.to_string(), Element { target: target.clone(), remaining, entry });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for Fake {
    async fn sync(&self, targets: Vec<Target>) -> Result<(), Refusal> {
        let mut state = self.state();
        if let Some(refusal) = &state.refusal {
            return Err(refusal.clone());
        }
        for target in targets {
            let key = target.to_string();
            state.synced.push(key.clone());
            let remaining = match self.claims.standing(target.effect()) {
                Standing::Free => {
                    state.elements.remove(&key);
                    continue;
                }
                Standing::For(span) => Some(span + GRACE),
                Standing::Permanent => None,
            };
            state.elements.insert(key, Element { target, remaining, entry: None });
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Element>, Refusal> {
        let state = self.state();
        match &state.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(state.elements.values().cloned().collect()),
        }
    }

    async fn probe(&self) -> Result<(), Refusal> {
        self.state().refusal.clone().map_or(Ok(()), Err)
    }

    /// Whatever a grant names.
    fn ready(&self, _: &Target) -> Result<(), Refusal> {
        Ok(())
    }

    async fn cut(&self, prefix: Prefix) -> Result<(), Refusal> {
        self.state().cuts.push(prefix.to_string());
        Ok(())
    }
}
