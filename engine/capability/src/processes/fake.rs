//! Processes that are only remembered, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Backend, ProgramName};
use crate::refusal::Refusal;

/// The backend for tests.
#[derive(Default)]
pub struct Fake {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    processes: BTreeMap<u32, String>,
    killed: Vec<u32>,
    refusal: Option<Refusal>,
}

impl Fake {
    /// A host on which these run, by number and program.
    #[must_use]
    pub fn new(processes: &[(u32, &str)]) -> Self {
        let fake = Self::default();
        fake.state().processes.extend(processes.iter().map(|(id, name)| (*id, (*name).to_owned())));
        fake
    }

    /// What was ended, in order.
    #[must_use]
    pub fn killed(&self) -> Vec<u32> {
        self.state().killed.clone()
    }

    /// From now on every call is refused like this; `None`: all is well again.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        self.state().refusal = refusal;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn willing(&self) -> Result<MutexGuard<'_, State>, Refusal> {
        let state = self.state();
        match &state.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(state),
        }
    }
}

#[async_trait]
impl Backend for Fake {
    async fn running(&self, name: &ProgramName) -> Result<Vec<u32>, Refusal> {
        let state = self.willing()?;
        let running = state.processes.iter().filter(|(_, program)| *program == name.as_str());
        Ok(running.map(|(id, _)| *id).collect())
    }

    async fn kill(&self, process: u32, name: &ProgramName) -> Result<bool, Refusal> {
        let mut state = self.willing()?;
        if state.processes.get(&process).is_none_or(|program| program != name.as_str()) {
            return Ok(false);
        }
        state.processes.remove(&process);
        state.killed.push(process);
        Ok(true)
    }

    async fn probe(&self) -> Result<(), Refusal> {
        self.willing().map(drop)
    }
}
