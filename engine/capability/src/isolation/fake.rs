//! A host that is only said to be cut off, for tests.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::held::Backend;
use crate::refusal::Refusal;

/// The backend for tests: it remembers what it was asked.
#[derive(Debug, Default)]
pub struct Fake {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    isolations: BTreeSet<String>,
    calls: Vec<String>,
    refusal: Option<Refusal>,
}

impl Fake {
    /// The isolations in force, in alphabetical order.
    #[must_use]
    pub fn isolations(&self) -> Vec<String> {
        self.state().isolations.iter().cloned().collect()
    }

    /// Every call that changed or would change something, in order: `make host`.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// Ends an isolation as a restart of the machine would.
    pub fn forget(&self, target: &str) {
        self.state().isolations.remove(target);
    }

    /// From now on every call is refused like this; `None`: all is well again.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        self.state().refusal = refusal;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn called(&self, call: &str, target: &str) -> Result<MutexGuard<'_, State>, Refusal> {
        let mut state = self.state();
        state.calls.push(format!("{call} {target}"));
        match &state.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(state),
        }
    }
}

#[async_trait]
impl Backend for Fake {
    async fn prior(&self, _: &str) -> Result<String, Refusal> {
        Ok(String::new())
    }

    async fn make(&self, target: &str) -> Result<bool, Refusal> {
        Ok(self.called("make", target)?.isolations.insert(target.to_owned()))
    }

    async fn settle(&self, target: &str) -> Result<(), Refusal> {
        self.called("settle", target).map(drop)
    }

    async fn restore(&self, target: &str, _: &str) -> Result<(), Refusal> {
        self.called("restore", target)?.isolations.remove(target);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<String>, Refusal> {
        Ok(self.isolations())
    }

    fn lists(&self) -> bool {
        true
    }

    async fn remove(&self, target: &str) -> Result<(), Refusal> {
        self.called("remove", target)?.isolations.remove(target);
        Ok(())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        self.state().refusal.clone().map_or(Ok(()), Err)
    }
}
