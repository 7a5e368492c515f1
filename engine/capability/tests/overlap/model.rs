//! The model: every entry in a list, every answer by looking at all of them.

use std::collections::{BTreeMap, BTreeSet};

use riposte_capability::Effect;
use riposte_policy::config::{Mode, Way};
use riposte_policy::order::EntryId;

use crate::host;

/// What makes two orders the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) tenant: u8,
    /// Command and agent; `None`: Wazuh's way, which knows neither.
    pub(crate) command: Option<(u8, u8)>,
    pub(crate) on: u8,
    pub(crate) mode: Mode,
}

/// How far an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    UnderWay,
    InForce,
    Undoing,
}

/// What is changed on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Blocked(&'static str),
    Line(usize),
}

impl Place {
    pub(crate) const ALL: [Self; 5] = [
        Self::Blocked("192.0.2.7"),
        Self::Blocked("192.0.2.8"),
        Self::Blocked("192.0.2.0/24"),
        Self::Line(0),
        Self::Line(1),
    ];

    pub(crate) fn effect(&self) -> Effect {
        match self {
            Self::Blocked(prefix) => Effect { interface: "firewall", target: format!("drop {prefix}") },
            Self::Line(nth) => {
                let target = serde_json::to_string(&[host::FILE, host::LINES[*nth]]).unwrap();
                Effect { interface: "lines", target }
            }
        }
    }

    pub(crate) fn of(effect: &Effect) -> Self {
        Self::ALL.into_iter().find(|place| place.effect() == *effect).unwrap()
    }
}

/// An entry as the model has it.
#[derive(Clone, Debug)]
pub(crate) struct Modelled {
    pub(crate) key: Key,
    pub(crate) length: Option<i64>,
    /// `None` for good, and before its time has begun.
    pub(crate) due: Option<i64>,
    pub(crate) offence: u32,
    pub(crate) held: Held,
    /// What it has yet to do.
    pub(crate) planned: Vec<u8>,
    pub(crate) holds: Vec<Place>,
    failures: u32,
}

impl Modelled {
    pub(crate) fn new(
        key: Key,
        length: Option<i64>,
        due: Option<i64>,
        offence: u32,
        planned: Vec<u8>,
    ) -> Self {
        Self { key, length, due, offence, held: Held::UnderWay, planned, holds: Vec::new(), failures: 0 }
    }
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) entries: BTreeMap<EntryId, Modelled>,
    /// Where the host refused, and was not asked since.
    pub(crate) unsettled: BTreeSet<Place>,
}

impl Model {
    /// The open entry that is the same, where there may be only one.
    pub(crate) fn same(&self, key: &Key, length: Option<i64>) -> Option<EntryId> {
        length?;
        let same = |(_, entry): &(&EntryId, &Modelled)| entry.key == *key && entry.length.is_some();
        self.entries.iter().find(same).map(|(id, _)| *id)
    }

    /// The same alert once more: whether the end is another then.
    pub(crate) fn extend(&mut self, id: EntryId, way: Way, now: i64, length: i64) -> bool {
        let entry = self.entries.get_mut(&id).unwrap();
        let before = (entry.due, entry.length);
        match (way, entry.due) {
            (Way::Wazuh, _) => (entry.due, entry.length) = (Some(now + length + 1_000), Some(length)),
            (Way::Riposte, Some(due)) if now + length > due => {
                (entry.due, entry.length) = (Some(now + length), entry.length.max(Some(length)));
            }
            (Way::Riposte, Some(_)) => {}
            (Way::Riposte, None) => entry.length = entry.length.max(Some(length)),
        }
        match way {
            Way::Wazuh => before.0 != entry.due,
            Way::Riposte => before != (entry.due, entry.length),
        }
    }

    pub(crate) fn claim(&mut self, id: EntryId, place: &Place, now: i64) {
        let key = self.entries[&id].key.clone();
        let for_good = self.entries[&id].length.is_none();
        // What another like it holds for good it does not hold as well.
        let banned = for_good
            && self.entries.iter().any(|(other, entry)| {
                *other != id
                    && entry.key == key
                    && entry.length.is_none()
                    && entry.held == Held::InForce
                    && entry.holds.contains(place)
            });
        let entry = self.entries.get_mut(&id).unwrap();
        if !banned && !entry.holds.contains(place) {
            entry.holds.push(*place);
        }
        if entry.due.is_none() {
            entry.due = entry.length.map(|length| now + length);
        }
    }

    pub(crate) fn release(&mut self, id: EntryId, place: &Place) {
        self.entries.get_mut(&id).unwrap().holds.retain(|held| held != place);
    }

    pub(crate) fn failed(&mut self, id: EntryId) -> u32 {
        let entry = self.entries.get_mut(&id).unwrap();
        entry.failures += 1;
        entry.failures
    }

    pub(crate) fn holders<'a>(&'a self, place: &'a Place) -> impl Iterator<Item = &'a Modelled> {
        self.entries.values().filter(move |entry| entry.holds.contains(place))
    }

    /// Until when it is held: `None` by nobody, `Some(None)` for good.
    pub(crate) fn until(&self, place: &Place) -> Option<Option<i64>> {
        if self.holders(place).any(|entry| entry.length.is_none()) {
            return Some(None);
        }
        self.holders(place).map(|entry| entry.due).max()
    }

    pub(crate) fn nth(&self, nth: usize, of: Held) -> Option<EntryId> {
        let all = self.all(of);
        all.get(nth.checked_rem(all.len())?).copied()
    }

    pub(crate) fn all(&self, of: Held) -> Vec<EntryId> {
        self.entries.iter().filter(|(_, entry)| entry.held == of).map(|(id, _)| *id).collect()
    }

    pub(crate) fn unsettled(&mut self, place: Place) {
        self.unsettled.insert(place);
    }

    pub(crate) fn settled(&mut self, place: &Place) {
        self.unsettled.remove(place);
    }

    /// The machine was off for no time: what was left is left, never more than
    /// the whole length.
    pub(crate) fn rebooted(&mut self, before: i64, after: i64) {
        for entry in self.entries.values_mut() {
            let left = entry.due.map(|due| (due - before).max(0).min(entry.length.unwrap_or(i64::MAX)));
            entry.due = left.map(|left| after + left);
        }
    }
}
