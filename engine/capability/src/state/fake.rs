//! Values that are kept in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Backend, Key, MOST, Owner, too_much};
use crate::refusal::Refusal;

/// The backend for tests.
#[derive(Debug, Default)]
pub struct Fake {
    values: Mutex<BTreeMap<(Owner, Key), Vec<u8>>>,
}

impl Fake {
    fn values(&self) -> MutexGuard<'_, BTreeMap<(Owner, Key), Vec<u8>>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for Fake {
    async fn get(&self, owner: &Owner, key: &Key) -> Result<Option<Vec<u8>>, Refusal> {
        Ok(self.values().get(&(owner.clone(), key.clone())).cloned())
    }

    async fn set(&self, owner: &Owner, key: &Key, value: Vec<u8>, size: u64) -> Result<(), Refusal> {
        let mut values = self.values();
        let others: Vec<_> = values.iter().filter(|((of, other), _)| of == owner && other != key).collect();
        let taken: usize = others.iter().map(|((_, key), value)| key.as_str().len() + value.len()).sum();
        let wanted = taken + key.as_str().len() + value.len();
        if others.len() >= MOST || wanted as u64 > size {
            return Err(too_much(owner, size));
        }
        values.insert((owner.clone(), key.clone()), value);
        Ok(())
    }

    async fn remove(&self, owner: &Owner, key: &Key) -> Result<bool, Refusal> {
        Ok(self.values().remove(&(owner.clone(), key.clone())).is_some())
    }

    async fn keys(&self, owner: &Owner) -> Result<Vec<String>, Refusal> {
        let values = self.values();
        Ok(values.keys().filter(|(of, _)| of == owner).map(|(_, key)| key.as_str().to_owned()).collect())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Ok(())
    }
}
