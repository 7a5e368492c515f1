//! The effects in force, remembered for the day the ledger cannot be read.
//!
//! Everything that is needed to undo an entry is in the ledger, and read from
//! there. When its disk is gone, what the engine remembers here still comes back
//! on time: which effects an entry made, and what was there before.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use riposte_capability::Effect;
use riposte_policy::order::EntryId;

/// Effects that are remembered at most, about 20 MB. The kernel drops blocks
/// that are not by its own timeouts.
const MOST: usize = 100_000;

/// What is remembered.
#[derive(Debug, Default)]
pub struct Remembered(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    by_entry: HashMap<EntryId, Vec<(Effect, Option<String>)>>,
    effects: usize,
    /// Undone from memory, and when, in Unix milliseconds: the audit is to have
    /// a line of each.
    undone: Vec<(EntryId, i64)>,
}

impl Remembered {
    /// An entry was undone that nothing could be read of. The audit has a line of
    /// it once it can.
    pub fn undone(&self, entry: EntryId, wall_ms: i64) {
        self.book().undone.push((entry, wall_ms));
    }

    /// Those that the audit has no line of yet, which are forgotten here.
    #[must_use]
    pub fn take_undone(&self) -> Vec<(EntryId, i64)> {
        std::mem::take(&mut self.book().undone)
    }

    /// An entry claims an effect. `prior`: what was there before, as the ledger
    /// has it, whoever was the first to know it.
    pub fn claimed(&self, entry: EntryId, effect: &Effect, prior: Option<String>) {
        let mut book = self.book();
        let full = book.effects >= MOST;
        if let Some(held) = book.by_entry.get_mut(&entry)
            && let Some((_, known)) = held.iter_mut().find(|(known, _)| known == effect)
        {
            *known = prior.or(known.take());
            return;
        }
        if full {
            return;
        }
        book.by_entry.entry(entry).or_default().push((effect.clone(), prior));
        book.effects = book.effects.saturating_add(1);
    }

    /// An entry no longer holds an effect.
    pub fn released(&self, entry: EntryId, effect: &Effect) {
        let mut book = self.book();
        let Some(held) = book.by_entry.get_mut(&entry) else { return };
        let before = held.len();
        held.retain(|(known, _)| known != effect);
        let gone = before.saturating_sub(held.len());
        if held.is_empty() {
            book.by_entry.remove(&entry);
        }
        book.effects = book.effects.saturating_sub(gone);
    }

    /// The effects of an entry; `None` when none is remembered.
    #[must_use]
    pub fn of(&self, entry: EntryId) -> Option<Vec<Effect>> {
        let book = self.book();
        let held = book.by_entry.get(&entry)?;
        Some(held.iter().map(|(effect, _)| effect.clone()).collect())
    }

    /// What was there before an effect; `None` when the entry is not remembered
    /// to hold it.
    #[must_use]
    pub fn prior(&self, entry: EntryId, effect: &Effect) -> Option<Option<String>> {
        let book = self.book();
        let held = book.by_entry.get(&entry)?;
        held.iter().find(|(known, _)| known == effect).map(|(_, prior)| prior.clone())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn what_is_claimed_is_remembered_until_it_is_released() {
        let remembered = Remembered::default();
        let effect = |target: &str| Effect { interface: "routes", target: target.to_owned() };
        let (first, second) = (EntryId(1), EntryId(2));
        remembered.claimed(first, &effect("a"), Some("before".to_owned()));
        remembered.claimed(first, &effect("a"), None);
        remembered.claimed(second, &effect("b"), None);
        assert_eq!(remembered.of(first).unwrap(), [effect("a")]);
        assert_eq!(remembered.prior(first, &effect("a")), Some(Some("before".to_owned())));
        assert_eq!(remembered.prior(second, &effect("a")), None);
        remembered.claimed(second, &effect("a"), Some("before".to_owned()));
        remembered.released(second, &effect("a"));
        remembered.released(first, &effect("a"));
        assert_eq!(remembered.of(first), None);
        assert_eq!(remembered.book().effects, 1);
    }

    #[test]
    fn memory_has_an_end() {
        let remembered = Remembered::default();
        for number in 0..MOST + 10 {
            let effect = Effect { interface: "routes", target: number.to_string() };
            remembered.claimed(EntryId(1 + i64::try_from(number / 50).unwrap()), &effect, None);
        }
        assert_eq!(remembered.book().effects, MOST);
    }
}
