//! Which entry is to be undone when.
//!
//! A synchronous core: events and the time go in, actions come out. The engine
//! drives it with a timer, a test with a seed. It forgets an entry only when it
//! is told that the entry is gone or undone: whatever fails is tried again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Bound;

use riposte_policy::order::EntryId;

/// First wait after an undo that failed.
const BACKOFF_MS: i64 = 1_000;

/// Longest wait: a host that comes back is clean within five minutes.
const LONGEST_BACKOFF_MS: i64 = 300_000;

/// What happened to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It came into force, or was found so at start.
    InForce {
        /// The entry.
        id: EntryId,
        /// When it is due, in milliseconds since the machine was started.
        due_boot_ms: i64,
    },
    /// Its due time was moved. Also the answer to an undo that was handed out
    /// and turned out to be
    /// [not yet due](crate::LedgerError::NotDue).
    Extended {
        /// The entry.
        id: EntryId,
        /// When it is due now.
        due_boot_ms: i64,
    },
    /// It is no longer to be undone by the timer.
    Gone {
        /// The entry.
        id: EntryId,
    },
    /// Undoing it failed.
    UndoFailed {
        /// The entry.
        id: EntryId,
        /// How many times as far as it is recorded, from 1; also when it could
        /// not be recorded.
        attempts: u32,
    },
    /// It was undone.
    Undone {
        /// The entry.
        id: EntryId,
    },
    /// Nothing but the time.
    Tick,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Action {
    /// Undo this entry, and say what came of it.
    Undo {
        /// The entry.
        id: EntryId,
    },
    /// Come back at this time, if nothing happens before. It replaces the time
    /// said before; when none is said, nothing waits for the time.
    WakeAt {
        /// In milliseconds since the machine was started.
        boot_ms: i64,
    },
}

/// All entries that are to be undone at some time.
#[derive(Clone, Debug)]
pub struct Scheduler {
    /// Waiting, by due time.
    queue: BTreeSet<(i64, EntryId)>,
    /// The due time of each that is waiting.
    due: HashMap<EntryId, i64>,
    /// Handed out, and not heard of since.
    running: HashSet<EntryId>,
    /// How many undos of each failed that have not succeeded since.
    failures: HashMap<EntryId, u32>,
    /// The last of those that [`Scheduler::kept_waiting`] has named.
    named: Option<(i64, EntryId)>,
    at_once: usize,
}

impl Scheduler {
    /// Hands out at most `at_once` undos at a time, and at least one.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self {
            queue: BTreeSet::new(),
            due: HashMap::new(),
            running: HashSet::new(),
            failures: HashMap::new(),
            named: None,
            at_once: at_once.max(1),
        }
    }

    /// Takes in what happened, and says what is to be done at `now_boot_ms`.
    pub fn step(&mut self, now_boot_ms: i64, event: Event) -> Vec<Action> {
        match event {
            Event::InForce { id, due_boot_ms } | Event::Extended { id, due_boot_ms } => {
                self.wait(id, due_boot_ms);
            }
            Event::UndoFailed { id, attempts } => {
                let attempts = self.count(id, attempts);
                self.wait(id, now_boot_ms.saturating_add(backoff_ms(id, attempts)));
            }
            Event::Gone { id } | Event::Undone { id } => {
                self.failures.remove(&id);
                self.forget(id);
            }
            Event::Tick => {}
        }
        let mut actions = Vec::new();
        while self.running.len() < self.at_once
            && let Some(id) = self.take_due(now_boot_ms)
        {
            self.running.insert(id);
            actions.push(Action::Undo { id });
        }
        // With all hands full, the next thing to happen is one of them.
        if self.running.len() < self.at_once
            && let Some((boot_ms, _)) = self.queue.first()
        {
            actions.push(Action::WakeAt { boot_ms: *boot_ms });
        }
        actions
    }

    /// Of what is due and has to wait until others are undone, the next few in
    /// the order of their due times. Each is named once: what can be done for it
    /// meanwhile is done then. It is handed out all the same when its turn comes.
    pub fn kept_waiting(&mut self, now_boot_ms: i64, most: usize) -> Vec<EntryId> {
        let from = self.named.map_or(Bound::Unbounded, Bound::Excluded);
        let until = Bound::Included((now_boot_ms, EntryId(i64::MAX)));
        // What has become due before the last one that was named was told late:
        // it has its turn soon, and the range would be none.
        if self.named.is_some_and(|named| named >= (now_boot_ms, EntryId(i64::MAX))) {
            return Vec::new();
        }
        let found: Vec<_> = self.queue.range((from, until)).take(most).copied().collect();
        self.named = found.last().copied().or(self.named);
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// Number of entries that are to be undone at some time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len().saturating_add(self.running.len())
    }

    /// Whether there is nothing to undo.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.running.is_empty()
    }

    /// How many times an undo failed: what the ledger recorded, or more when it
    /// could not record.
    fn count(&mut self, id: EntryId, recorded: u32) -> u32 {
        let failed = self.failures.entry(id).or_insert(0);
        *failed = failed.saturating_add(1).max(recorded);
        *failed
    }

    fn wait(&mut self, id: EntryId, until: i64) {
        self.forget(id);
        self.due.insert(id, until);
        self.queue.insert((until, id));
    }

    fn forget(&mut self, id: EntryId) {
        self.running.remove(&id);
        if let Some(due) = self.due.remove(&id) {
            self.queue.remove(&(due, id));
        }
    }

    fn take_due(&mut self, now_boot_ms: i64) -> Option<EntryId> {
        let (due, _) = self.queue.first()?;
        if *due > now_boot_ms {
            return None;
        }
        let (_, id) = self.queue.pop_first()?;
        self.due.remove(&id);
        Some(id)
    }
}

/// One second, doubled each time, at most five minutes; up to a quarter of that
/// earlier, by the entry's number: what failed together is not tried together.
fn backoff_ms(id: EntryId, attempts: u32) -> i64 {
    let doubled = BACKOFF_MS.saturating_mul(1_i64 << attempts.saturating_sub(1).min(20));
    let longest = doubled.min(LONGEST_BACKOFF_MS);
    let mixed = id.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(i64::from(attempts)).rotate_left(17);
    longest - longest.saturating_mul(mixed.rem_euclid(256)) / 1_024
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn undos(actions: &[Action]) -> Vec<i64> {
        let id = |action: &Action| match action {
            Action::Undo { id } => Some(id.0),
            Action::WakeAt { .. } => None,
        };
        actions.iter().filter_map(id).collect()
    }

    fn wake(actions: &[Action]) -> Option<i64> {
        actions.iter().find_map(|action| match action {
            Action::WakeAt { boot_ms } => Some(*boot_ms),
            Action::Undo { .. } => None,
        })
    }

    #[test]
    fn due_entries_are_handed_out_in_order_and_a_few_at_a_time() {
        let mut scheduler = Scheduler::new(2);
        for (id, due_boot_ms) in [(1, 30), (2, 10), (3, 20), (4, 99)] {
            let actions = scheduler.step(0, Event::InForce { id: EntryId(id), due_boot_ms });
            assert!(undos(&actions).is_empty());
        }
        let actions = scheduler.step(50, Event::Tick);
        assert_eq!((undos(&actions), wake(&actions)), (vec![2, 3], None));
        let actions = scheduler.step(50, Event::Undone { id: EntryId(2) });
        assert_eq!((undos(&actions), wake(&actions)), (vec![1], None));
        let actions = scheduler.step(50, Event::Undone { id: EntryId(3) });
        assert_eq!((undos(&actions), wake(&actions)), (vec![], Some(99)));
    }

    /// A machine that slept, under an engine that goes on: to the scheduler the
    /// boot-time clock jumps.
    #[test]
    fn a_clock_that_jumps_ends_what_fell_due_and_nothing_else() {
        const YEAR: i64 = 365 * 86_400_000;
        let mut scheduler = Scheduler::new(2);
        for (id, due_boot_ms) in [(1, 10), (2, YEAR - 1), (3, YEAR), (4, YEAR + 1), (5, 20)] {
            let _ = scheduler.step(0, Event::InForce { id: EntryId(id), due_boot_ms });
        }
        let actions = scheduler.step(YEAR, Event::Tick);
        assert_eq!((undos(&actions), wake(&actions)), (vec![1, 5], None));
        assert_eq!(scheduler.kept_waiting(YEAR, 9), [EntryId(2), EntryId(3)]);
        assert_eq!(undos(&scheduler.step(YEAR, Event::Undone { id: EntryId(1) })), [2]);
        assert_eq!(undos(&scheduler.step(YEAR, Event::Undone { id: EntryId(5) })), [3]);
        let _ = scheduler.step(YEAR, Event::Undone { id: EntryId(2) });
        let actions = scheduler.step(YEAR, Event::Undone { id: EntryId(3) });
        assert_eq!((undos(&actions), wake(&actions)), (vec![], Some(YEAR + 1)));
    }

    #[test]
    fn what_has_to_wait_for_its_turn_is_named_once_and_by_due_time() {
        let mut scheduler = Scheduler::new(1);
        for (id, due_boot_ms) in [(1, 10), (2, 40), (3, 20), (4, 30), (5, 99)] {
            let _ = scheduler.step(0, Event::InForce { id: EntryId(id), due_boot_ms });
        }
        assert!(scheduler.kept_waiting(5, 9).is_empty());
        assert_eq!(undos(&scheduler.step(50, Event::Tick)), [1]);
        assert_eq!(scheduler.kept_waiting(50, 2), [EntryId(3), EntryId(4)]);
        assert_eq!(scheduler.kept_waiting(50, 2), [EntryId(2)]);
        assert!(scheduler.kept_waiting(50, 2).is_empty());
        // It comes all the same, and what is tried again is named again.
        assert_eq!(undos(&scheduler.step(51, Event::UndoFailed { id: EntryId(1), attempts: 1 })), [3]);
        assert!(scheduler.kept_waiting(51, 9).is_empty());
        assert_eq!(scheduler.kept_waiting(2_000, 9), [EntryId(5), EntryId(1)]);
        assert!(scheduler.kept_waiting(0, 9).is_empty(), "a clock that stands still");
    }

    #[test]
    fn what_was_extended_while_it_was_handed_out_waits_again() {
        let mut scheduler = Scheduler::new(1);
        let id = EntryId(7);
        let actions = scheduler.step(10, Event::InForce { id, due_boot_ms: 10 });
        assert_eq!(undos(&actions), [7]);
        let actions = scheduler.step(11, Event::Extended { id, due_boot_ms: 60 });
        assert_eq!((undos(&actions), wake(&actions)), (vec![], Some(60)));
        assert_eq!(undos(&scheduler.step(60, Event::Tick)), [7]);
        assert!(scheduler.step(60, Event::Undone { id }).is_empty());
        assert!(scheduler.is_empty());
    }

    #[test]
    fn a_failed_undo_is_tried_again_later_and_later_but_within_five_minutes() {
        let mut scheduler = Scheduler::new(1);
        let id = EntryId(1);
        let mut now = 0;
        assert_eq!(undos(&scheduler.step(now, Event::InForce { id, due_boot_ms: 0 })), [1]);
        let mut longest = 0;
        for attempts in 1..=40 {
            let at = wake(&scheduler.step(now, Event::UndoFailed { id, attempts })).unwrap();
            assert!((750..=300_000).contains(&(at - now)), "{attempts}: {}", at - now);
            longest = longest.max(at - now);
            assert!(undos(&scheduler.step(at - 1, Event::Tick)).is_empty());
            assert_eq!(undos(&scheduler.step(at, Event::Tick)), [1]);
            now = at;
        }
        assert!(longest > 200_000, "{longest}");
    }

    #[test]
    fn waits_grow_also_when_no_failure_can_be_recorded() {
        let mut scheduler = Scheduler::new(1);
        let id = EntryId(1);
        let mut fail = |now, attempts| {
            let actions = scheduler.step(now, Event::UndoFailed { id, attempts });
            let at = wake(&actions).unwrap();
            assert_eq!(undos(&scheduler.step(at, Event::Tick)), [1]);
            at - now
        };
        let waits: Vec<i64> = (0..9).map(|_| fail(0, 1)).collect();
        assert!(waits.iter().zip(1..).all(|(wait, attempts)| *wait == backoff_ms(id, attempts)), "{waits:?}");
        assert!(waits.is_sorted() && waits[8] > 150_000, "{waits:?}");
        // After a restart it goes on from what is recorded.
        let mut scheduler = Scheduler::new(1);
        let at = wake(&scheduler.step(0, Event::UndoFailed { id, attempts: 9 })).unwrap();
        assert_eq!(at, waits[8]);
        // What was undone has not failed.
        let _ = scheduler.step(at, Event::Tick);
        let _ = scheduler.step(at, Event::Undone { id });
        assert_eq!(wake(&scheduler.step(0, Event::UndoFailed { id, attempts: 1 })), Some(backoff_ms(id, 1)));
    }

    #[test]
    fn what_failed_together_is_not_tried_together() {
        let waits: HashSet<i64> = (1..=64).map(|id| backoff_ms(EntryId(id), 5)).collect();
        assert!(waits.len() > 32, "{}", waits.len());
    }

    #[derive(Clone, Debug)]
    enum Deed {
        InForce(i64, i64),
        Extend(i64, i64),
        Gone(i64),
        /// Of those handed out, this one fails or succeeds.
        Fail(usize),
        Succeed(usize),
        Pass(i64),
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            3 => (0..20_i64, 0..5_000_i64).prop_map(|(id, due)| Deed::InForce(id, due)),
            1 => (0..20_i64, 0..9_000_i64).prop_map(|(id, due)| Deed::Extend(id, due)),
            1 => (0..20_i64).prop_map(Deed::Gone),
            2 => any::<usize>().prop_map(Deed::Fail),
            3 => any::<usize>().prop_map(Deed::Succeed),
            3 => (0..2_000_i64).prop_map(Deed::Pass),
        ]
    }

    proptest! {
        /// The model keeps one due time per entry, `None` while it is handed
        /// out, and hands out the earliest by searching all of them.
        #[test]
        fn it_does_what_a_list_would(at_once in 1..4_usize, deeds in prop::collection::vec(deed(), 1..200)) {
            let mut scheduler = Scheduler::new(at_once);
            let mut model: BTreeMap<i64, Option<i64>> = BTreeMap::new();
            let mut failures: HashMap<i64, u32> = HashMap::new();
            let mut now = 0;
            for deed in deeds {
                let handed: Vec<i64> =
                    model.iter().filter(|(_, due)| due.is_none()).map(|(id, _)| *id).collect();
                let pick = |nth: usize| handed.get(nth.checked_rem(handed.len()).unwrap_or(0)).copied();
                let event = match deed {
                    Deed::InForce(id, due) | Deed::Extend(id, due) => {
                        let due_boot_ms = now + due;
                        model.insert(id, Some(due_boot_ms));
                        match deed {
                            Deed::InForce(..) => Event::InForce { id: EntryId(id), due_boot_ms },
                            _ => Event::Extended { id: EntryId(id), due_boot_ms },
                        }
                    }
                    Deed::Gone(id) => {
                        model.remove(&id);
                        failures.remove(&id);
                        Event::Gone { id: EntryId(id) }
                    }
                    Deed::Fail(nth) => match pick(nth) {
                        Some(id) => {
                            let attempts = failures.entry(id).and_modify(|n| *n += 1).or_insert(1);
                            model.insert(id, Some(now + backoff_ms(EntryId(id), *attempts)));
                            Event::UndoFailed { id: EntryId(id), attempts: *attempts }
                        }
                        None => Event::Tick,
                    },
                    Deed::Succeed(nth) => match pick(nth) {
                        Some(id) => {
                            model.remove(&id);
                            failures.remove(&id);
                            Event::Undone { id: EntryId(id) }
                        }
                        None => Event::Tick,
                    },
                    Deed::Pass(by) => {
                        now += by;
                        Event::Tick
                    }
                };
                let actions = scheduler.step(now, event);
                let mut expected = Vec::new();
                while model.values().filter(|due| due.is_none()).count() < at_once {
                    let next = model.iter().filter_map(|(id, due)| due.map(|due| (due, *id))).min();
                    let Some((due, id)) = next.filter(|(due, _)| *due <= now) else { break };
                    let _ = due;
                    model.insert(id, None);
                    expected.push(id);
                }
                prop_assert_eq!(undos(&actions), expected);
                let full = model.values().filter(|due| due.is_none()).count() >= at_once;
                let next = model.values().filter_map(|due| *due).min().filter(|_| !full);
                prop_assert_eq!(wake(&actions), next);
                prop_assert_eq!(scheduler.len(), model.len());
            }
            // However it went, nothing is forgotten: in the end all is undone.
            for _ in 0..model.len() + 1 {
                now += LONGEST_BACKOFF_MS;
                let mut actions = scheduler.step(now, Event::Tick);
                actions.extend(model.iter().filter(|(_, due)| due.is_none()).map(|(id, _)| Action::Undo { id: EntryId(*id) }));
                for id in undos(&actions) {
                    model.remove(&id);
                    for next in undos(&scheduler.step(now, Event::Undone { id: EntryId(id) })) {
                        model.insert(next, None);
                    }
                }
            }
            prop_assert!(scheduler.is_empty());
            prop_assert!(model.is_empty());
        }
    }
}
