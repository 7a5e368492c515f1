//! What became of every order since the start, counted.
//!
//! An order that was given ends as exactly one outcome. What has none yet is
//! under way. An audit line with a `count` stands for so many: the counts of
//! one kind there add up to the number here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::outcome::Outcome;

/// Commands that are told apart. Their names are those of the configuration,
/// and those that a manager sends to an engine in place of `wazuh-execd`.
const COMMANDS: usize = 1024;
/// All others.
const OTHERS: &str = "(others)";
/// An order that nobody could be given.
const UNDELIVERABLE: &str = "undeliverable";
/// An order of the last engine of which nobody knows how far it came.
const UNKNOWN: &str = "unknown";

/// The counters.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: Count,
    commands: BTreeMap<Arc<str>, Count>,
}

#[derive(Clone, Debug, Default)]
struct Count {
    given: u64,
    /// By the kind of their event.
    ended: BTreeMap<&'static str, u64>,
    /// Those that were refused, by the reason.
    refused: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// So many orders for `command` were given.
    pub fn given(&self, command: &Arc<str>, orders: u64) {
        self.each(command, |count| count.given += orders);
    }

    /// One of them came to this.
    pub fn ended(&self, command: &Arc<str>, outcome: &Outcome) {
        self.each(command, |count| {
            *count.ended.entry(outcome.word()).or_default() += 1;
            if let Outcome::Refused(why) = outcome {
                *count.refused.entry(why.word()).or_default() += 1;
            }
        });
    }

    /// One of them reached nobody.
    pub fn undeliverable(&self, command: &Arc<str>) {
        self.each(command, |count| *count.ended.entry(UNDELIVERABLE).or_default() += 1);
    }

    /// What the last engine began, and nobody knows how far it came.
    pub fn unknown(&self, command: &Arc<str>) {
        self.each(command, |count| *count.ended.entry(UNKNOWN).or_default() += 1);
    }

    /// All of it for programs. `waiting` of those under way wait for their turn.
    #[must_use]
    pub fn shown(&self, waiting: usize) -> Value {
        let counts = self.counts();
        let mut shown = counts.all.shown();
        if let Some(facts) = shown.as_object_mut() {
            facts.insert("waiting".to_owned(), json!(waiting));
            let by_name = counts.commands.iter().map(|(name, count)| (name.to_string(), count.shown()));
            facts.insert("commands".to_owned(), by_name.collect());
        }
        shown
    }

    fn each(&self, command: &Arc<str>, add: impl Fn(&mut Count)) {
        let mut counts = self.counts();
        add(&mut counts.all);
        if let Some(count) = counts.commands.get_mut(command) {
            return add(count);
        }
        let name = if counts.commands.len() < COMMANDS { Arc::clone(command) } else { OTHERS.into() };
        add(counts.commands.entry(name).or_default());
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Sums are right after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    fn shown(&self) -> Value {
        let ended: u64 = self.ended.values().sum();
        json!({
            "given": self.given,
            "ended": self.ended,
            "refused": self.refused,
            "under_way": self.given.saturating_sub(ended),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Refused;
    use riposte_policy::order::EntryId;

    #[test]
    fn every_order_is_in_one_outcome_or_under_way() {
        let tally = Tally::default();
        let (one, two): (Arc<str>, Arc<str>) = ("one".into(), "two".into());
        tally.given(&one, 5);
        tally.given(&two, 1);
        tally.ended(&one, &Outcome::Already { id: EntryId(1), until_ms: None });
        tally.ended(&one, &Outcome::Refused(Refused::Off));
        tally.ended(&one, &Outcome::Refused(Refused::Full(3)));
        tally.undeliverable(&two);
        let shown = tally.shown(2);
        assert_eq!(shown["given"], 6);
        assert_eq!(shown["under_way"], 2);
        assert_eq!(shown["waiting"], 2);
        assert_eq!(shown["ended"], json!({"already": 1, "refused": 2, "undeliverable": 1}));
        assert_eq!(shown["refused"], json!({"off": 1, "full": 1}));
        assert_eq!(shown["commands"]["one"]["under_way"], 2);
    }

    #[test]
    fn names_are_bounded() {
        let tally = Tally::default();
        for n in 0..2 * COMMANDS {
            tally.given(&format!("command {n}").into(), 1);
        }
        let shown = tally.shown(0);
        assert_eq!(shown["commands"].as_object().unwrap().len(), COMMANDS + 1);
        assert_eq!(shown["commands"][OTHERS]["given"], COMMANDS);
    }
}
