//! One run, as capabilities see it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use riposte_policy::config::Mode;
use riposte_policy::grant::Grants;
use riposte_policy::order::EntryId;

use crate::claim::Effect;
use crate::refusal::Refusal;

/// What decides every call of one run of a component.
#[derive(Clone, Debug)]
pub struct Session {
    /// The command's name.
    pub command: Arc<str>,
    /// The tenant's name.
    pub tenant: Arc<str>,
    /// The entry that will hold the effects; `None` while there is none, in
    /// [`Phase::Keys`] and in shadow.
    pub entry: Option<EntryId>,
    /// How far the run is.
    pub phase: Phase,
    /// Which offence of its target this run answers, from 1: some grants allow
    /// more from a later one on.
    pub offence: u32,
    /// Whether it acts or only says what it would do.
    pub mode: Mode,
    /// What the operator grants to the command.
    pub grants: Arc<Grants>,
    /// Where a run in shadow leaves what it would have done.
    pub record: Recorder,
}

/// Which part of a response runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// `keys`: it names its target and may do nothing.
    Keys,
    /// `add`, `delete` or `run`.
    Effects,
}

impl Session {
    /// The entry to hold effects, once effects are allowed at all.
    ///
    /// # Errors
    ///
    /// `failed` when a run that acts has no entry: that is a fault of the engine.
    pub(crate) fn holder(&self) -> Result<EntryId, Refusal> {
        self.entry.ok_or_else(|| {
            Refusal::failed(
                "this run has no entry in the ledger to hold its effects; please report this fault",
            )
        })
    }

    /// What shadow saw of the host: an engine that is in shadow as a whole opens
    /// nothing to look at, and then `unseen` stands for it.
    pub(crate) fn seen<T>(&self, looked: Result<T, Refusal>, unseen: T) -> Result<T, Refusal> {
        match looked {
            Err(refusal) if self.mode == Mode::Shadow && refusal.kind == "unavailable" => Ok(unseen),
            looked => looked,
        }
    }

    /// Lets nothing pass while keys are asked for. `call` is for the message.
    pub(crate) fn effects_allowed(&self, call: &str) -> Result<(), Refusal> {
        match self.phase {
            Phase::Effects => Ok(()),
            Phase::Keys => Err(Refusal::denied(format!(
                "`keys` may not call {call}: it only names the target; move the call to `add`"
            ))),
        }
    }
}

/// What one run in shadow would have done, in order, and how often any run was
/// denied something. Clones share one record.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    changes: Arc<Mutex<Vec<WouldBe>>>,
    /// What [`crate::state`] would hold differently; `None`: removed.
    values: Arc<Mutex<BTreeMap<String, Option<Vec<u8>>>>>,
    denials: Arc<AtomicU32>,
    rehearsal: bool,
}

/// One change that shadow held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WouldBe {
    /// The effect would have been claimed and made.
    Made(Effect),
    /// The effect would have been released.
    Undone(Effect),
    /// This would have been done. It leaves nothing that could be claimed or
    /// undone: a unit restarted, a process ended.
    Done(Effect),
}

impl Recorder {
    /// For a run that nobody asked for but to see what would be.
    #[must_use]
    pub fn rehearsal() -> Self {
        Self { rehearsal: true, ..Self::default() }
    }

    pub(crate) fn is_rehearsal(&self) -> bool {
        self.rehearsal
    }

    /// Everything recorded so far.
    #[must_use]
    pub fn recorded(&self) -> Vec<WouldBe> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn note(&self, change: WouldBe) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }

    /// A value as this run left it; the outer `None`: it has not touched it.
    pub(crate) fn value(&self, key: &str) -> Option<Option<Vec<u8>>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(crate) fn set_value(&self, key: &str, value: Option<Vec<u8>>) {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), value);
    }

    /// How much this run set under other keys, in bytes.
    pub(crate) fn bytes_besides(&self, key: &str) -> usize {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let others = values.iter().filter(|(other, _)| *other != key);
        others.map(|(key, value)| key.len().saturating_add(value.as_ref().map_or(0, Vec::len))).sum()
    }

    /// The keys that this run touched, and whether they have a value now.
    pub(crate) fn values(&self) -> Vec<(String, bool)> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.iter().map(|(key, value)| (key.clone(), value.is_some())).collect()
    }

    /// Counts one more denial of this run: how many there were before.
    pub(crate) fn denied(&self) -> u32 {
        self.denials
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_add(1))
            .unwrap_or(u32::MAX)
    }

    /// Whether this run believes the effect made; `None` when it has not
    /// touched it.
    pub(crate) fn believes(&self, effect: &Effect) -> Option<bool> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.iter().rev().find_map(|change| match change {
            WouldBe::Made(made) => (made == effect).then_some(true),
            WouldBe::Undone(undone) => (undone == effect).then_some(false),
            WouldBe::Done(_) => None,
        })
    }
}
