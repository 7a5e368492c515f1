//! Programs that are not started: every run is recorded and answered by table,
//! for tests.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Backend, Output, Run};
use crate::refusal::Refusal;

/// The backend for tests. What it has no answer for ends well and says nothing.
#[derive(Default)]
pub struct Fake(Mutex<State>);

#[derive(Default)]
struct State {
    runs: Vec<Run>,
    answers: Vec<(String, Result<Output, Refusal>)>,
}

impl Fake {
    /// Every run so far, in order.
    #[must_use]
    pub fn runs(&self) -> Vec<Run> {
        self.state().runs.clone()
    }

    /// From now on `program` answers this.
    pub fn answer(&self, program: &str, answer: Result<Output, Refusal>) {
        self.state().answers.push((program.to_owned(), answer));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for Fake {
    async fn run(&self, run: Run) -> Result<Output, Refusal> {
        let mut state = self.state();
        let program = run.program.display().to_string();
        state.runs.push(run);
        let answer = state.answers.iter().rev().find(|(answering, _)| *answering == program);
        answer.map_or(Ok(Output::default()), |(_, answer)| answer.clone())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Ok(())
    }
}
