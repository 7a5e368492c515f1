//! Files that exist only in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::text::{Edit, contains, with, without};
use super::{File, Presence, Prior, parts};
use crate::held;
use crate::refusal::Refusal;

/// The backend for tests.
#[derive(Debug, Default)]
pub struct Fake {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    refusal: Mutex<Option<Refusal>>,
}

impl Fake {
    /// What a file holds; `None` when there is none.
    #[must_use]
    pub fn text(&self, file: &str) -> Option<String> {
        self.files().get(file).map(|text| String::from_utf8_lossy(text).into_owned())
    }

    /// Puts a file there, as an operator with an editor would.
    pub fn write(&self, file: &str, text: &str) {
        self.files().insert(file.to_owned(), text.as_bytes().to_vec());
    }

    /// From now on every call is refused like this; `None`: all is well again.
    pub fn refuse(&self, refusal: Option<Refusal>) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self) -> Result<(), Refusal> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl held::Backend for Fake {
    async fn prior(&self, target: &str) -> Result<String, Refusal> {
        self.refused()?;
        let (file, line) = parts(target)?;
        let files = self.files();
        let text = files.get(&file);
        let there = text.is_some_and(|text| contains(text, line.as_str()));
        let prior = Prior {
            file: if text.is_some() { File::There } else { File::Missing },
            line: if there { Presence::Present } else { Presence::Absent },
        };
        Ok(prior.stored())
    }

    async fn make(&self, target: &str) -> Result<bool, Refusal> {
        self.refused()?;
        let (file, line) = parts(target)?;
        let mut files = self.files();
        let text = files.entry(file).or_default();
        match with(text, line.as_str()) {
            Edit::None => Ok(false),
            Edit::Changed(changed) => {
                *text = changed;
                Ok(true)
            }
        }
    }

    async fn restore(&self, target: &str, prior: &str) -> Result<(), Refusal> {
        self.refused()?;
        let (file, line) = parts(target)?;
        let prior = Prior::read(prior)?;
        let mut files = self.files();
        if let (Presence::Absent, Some(text)) = (prior.line, files.get_mut(&file)) {
            if let Edit::Changed(changed) = without(text, line.as_str()) {
                *text = changed;
            }
            if text.is_empty() && prior.file == File::Missing {
                files.remove(&file);
            }
        }
        Ok(())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        self.refused()
    }
}
