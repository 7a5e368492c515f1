//! Secrets that are kept in memory, for tests.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use riposte_policy::grant::SecretSource;

use super::{Backend, Secret};
use crate::refusal::Refusal;

/// The backend for tests.
#[derive(Debug, Default)]
pub struct Fake {
    values: Mutex<HashMap<String, Secret>>,
}

impl Fake {
    /// Puts a value at a file's path or under a credential's name.
    pub fn put(&self, place: &str, value: &str) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.insert(place.to_owned(), Secret::new(value.to_owned()));
    }
}

#[async_trait]
impl Backend for Fake {
    async fn read(&self, source: &SecretSource) -> Result<Secret, Refusal> {
        let place = match source {
            SecretSource::File(path) => path.display().to_string(),
            SecretSource::Credential(name) => name.clone(),
        };
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.get(&place).cloned().ok_or_else(|| Refusal::failed(format!("there is no secret at {place}")))
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Ok(())
    }
}
