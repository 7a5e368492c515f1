//! A server that takes every message and delivers none, for tests.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Backend, Letter};
use crate::refusal::Refusal;

/// The backend for tests.
#[derive(Debug, Default)]
pub struct Fake(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    sent: Vec<Letter>,
    refusal: Option<Refusal>,
}

impl Fake {
    /// Everything that was sent, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<Letter> {
        self.state().sent.clone()
    }

    /// From now on every message is refused like this; `None`: all is well.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        self.state().refusal = refusal;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for Fake {
    async fn send(&self, letter: Letter) -> Result<(), Refusal> {
        let mut state = self.state();
        if let Some(refusal) = &state.refusal {
            return Err(refusal.clone());
        }
        state.sent.push(letter);
        Ok(())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        self.state().refusal.clone().map_or(Ok(()), Err)
    }
}
