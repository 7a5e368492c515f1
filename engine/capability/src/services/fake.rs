//! Units that are only remembered, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use riposte_policy::grant::ServiceAction;
use riposte_policy::unit::UnitName;

use super::Backend;
use crate::refusal::Refusal;

/// The backend for tests.
#[derive(Default)]
pub struct Fake {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    units: BTreeMap<String, Runs>,
    ours: Option<String>,
    done: Vec<String>,
    refusal: Option<Refusal>,
}

/// Whether a unit runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "both say it")]
pub enum Runs {
    Yes,
    No,
}

impl Fake {
    /// A host with these units.
    #[must_use]
    pub fn new(units: &[(&str, Runs)]) -> Self {
        let fake = Self::default();
        fake.state().units.extend(units.iter().map(|(unit, runs)| ((*unit).to_owned(), *runs)));
        fake
    }

    /// From now on the engine itself runs in this unit.
    pub fn run_in(&self, unit: &str) {
        self.state().ours = Some(unit.to_owned());
    }

    /// What was done, in order: `restart nginx.service`.
    #[must_use]
    pub fn done(&self) -> Vec<String> {
        self.state().done.clone()
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
    async fn act(&self, unit: &UnitName, action: ServiceAction) -> Result<bool, Refusal> {
        let mut state = self.willing()?;
        let runs = state
            .units
            .get_mut(unit.as_str())
            .ok_or_else(|| Refusal::failed(format!("there is no unit {unit}")))?;
        let after = if action == ServiceAction::Stop { Runs::No } else { Runs::Yes };
        let before = std::mem::replace(runs, after);
        state.done.push(format!("{} {unit}", action.as_str()));
        Ok(before != after || matches!(action, ServiceAction::Restart | ServiceAction::Reload))
    }

    async fn active(&self, unit: &UnitName) -> Result<bool, Refusal> {
        Ok(self.willing()?.units.get(unit.as_str()) == Some(&Runs::Yes))
    }

    async fn carries_us(&self, unit: &UnitName) -> Result<bool, Refusal> {
        Ok(self.willing()?.ours.as_deref() == Some(unit.as_str()))
    }

    async fn probe(&self) -> Result<(), Refusal> {
        self.willing().map(drop)
    }
}
