//! What is known of the ledger while its storage does not answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::health::Health;
use crate::owed::Owed;
use crate::salvage::Salvaged;

/// Shared by the handle and the writer. Locked before the index, where both are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Arc<Mutex<Condition>>);

/// How the storage stands, and what it has not been told yet.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    pub(crate) health: Health,
    pub(crate) owed: Owed,
    pub(crate) salvaged: Option<Salvaged>,
    pub(crate) backup: Option<crate::backup::Backed>,
    /// What is remembered was never committed, and what is could not be read
    /// again yet: an entry that is not remembered may be open all the same.
    pub(crate) is_stale: bool,
    /// A reader found damage: the writer looks.
    pub(crate) is_suspect: bool,
    /// How often the file has been another since the start: connections to the
    /// one before are of no use.
    pub(crate) file: u64,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Condition> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
