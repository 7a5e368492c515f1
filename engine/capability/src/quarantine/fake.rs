//! A quarantine for files that exist only in memory, for tests.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::held;
use crate::refusal::Refusal;

/// The backend for tests.
#[derive(Debug, Default)]
pub struct Fake {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeSet<String>,
    kept: BTreeSet<String>,
    refusal: Option<Refusal>,
}

impl Fake {
    /// Puts a file where a path leads.
    pub fn create(&self, path: &str) {
        self.state().files.insert(path.to_owned());
    }

    /// The files that are not in quarantine.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.state().files.iter().cloned().collect()
    }

    /// The paths of those that are.
    #[must_use]
    pub fn kept(&self) -> Vec<String> {
        self.state().kept.iter().cloned().collect()
    }

    /// From now on every call is refused like this; `None`: all is well again.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        self.state().refusal = refusal;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl held::Backend for Fake {
    async fn prior(&self, target: &str) -> Result<String, Refusal> {
        let state = self.state();
        match &state.refusal {
            Some(refusal) => Err(refusal.clone()),
            None if state.files.contains(target) => Ok(String::new()),
            None => Err(Refusal::failed(format!("there is no file {target}"))),
        }
    }

    async fn make(&self, target: &str) -> Result<bool, Refusal> {
        let mut state = self.state();
        if let Some(refusal) = &state.refusal {
            return Err(refusal.clone());
        }
        if state.kept.contains(target) {
            return Ok(false);
        }
        if !state.files.remove(target) {
            return Err(Refusal::failed(format!("there is no file {target}")));
        }
        state.kept.insert(target.to_owned());
        Ok(true)
    }

    async fn join(&self, target: &str) -> Result<bool, Refusal> {
        let made = self.make(target).await?;
        if self.state().files.contains(target) {
            return Err(Refusal::failed(format!("an earlier file of {target} is in quarantine")));
        }
        Ok(made)
    }

    async fn restore(&self, target: &str, _: &str) -> Result<(), Refusal> {
        let mut state = self.state();
        if let Some(refusal) = &state.refusal {
            return Err(refusal.clone());
        }
        if !state.kept.contains(target) {
            return Ok(());
        }
        if state.files.contains(target) {
            return Err(Refusal::failed(format!("something has taken the place of {target}")));
        }
        state.kept.remove(target);
        state.files.insert(target.to_owned());
        Ok(())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        self.state().refusal.clone().map_or(Ok(()), Err)
    }
}
