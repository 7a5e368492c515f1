//! Routes that lead nowhere in memory only, for tests.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::held::Backend;
use crate::refusal::Refusal;

/// The backend for tests: it remembers, and shows what it made.
#[derive(Debug, Default)]
pub struct Fake {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    routes: BTreeSet<String>,
    calls: Vec<String>,
    refusal: Option<Refusal>,
}

impl Fake {
    /// The targets that lead nowhere now.
    #[must_use]
    pub fn routes(&self) -> Vec<String> {
        self.state().routes.iter().cloned().collect()
    }

    /// Every change that was asked for, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// From now on every call is refused like this; `None`: all is well again.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        self.state().refusal = refusal;
    }

    /// Adds or removes a route behind the engine's back.
    pub fn meddle(&self, target: &str, present: bool) {
        if present {
            self.state().routes.insert(target.to_owned());
        } else {
            self.state().routes.remove(target);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self, call: &str, target: &str) -> Result<MutexGuard<'_, State>, Refusal> {
        let mut state = self.state();
        if let Some(refusal) = &state.refusal {
            return Err(refusal.clone());
        }
        state.calls.push(format!("{call} {target}"));
        Ok(state)
    }
}

#[async_trait]
impl Backend for Fake {
    async fn prior(&self, target: &str) -> Result<String, Refusal> {
        let state = self.asked("prior", target)?;
        Ok(if state.routes.contains(target) { "blackhole" } else { "none" }.to_owned())
    }

    async fn make(&self, target: &str) -> Result<bool, Refusal> {
        Ok(self.asked("make", target)?.routes.insert(target.to_owned()))
    }

    async fn restore(&self, target: &str, _prior: &str) -> Result<(), Refusal> {
        self.asked("restore", target)?.routes.remove(target);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<String>, Refusal> {
        let state = self.state();
        state.refusal.clone().map_or_else(|| Ok(state.routes.iter().cloned().collect()), Err)
    }

    fn lists(&self) -> bool {
        true
    }

    async fn remove(&self, target: &str) -> Result<(), Refusal> {
        self.asked("remove", target)?.routes.remove(target);
        Ok(())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        self.state().refusal.clone().map_or(Ok(()), Err)
    }
}
