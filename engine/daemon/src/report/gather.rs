//! Events that are like each other, written as one.
//!
//! The first of a kind is written at once. Those like it that follow within a
//! second are counted, and come as one event with their `count`, the time of
//! the first, and the alert of the last. So a flood costs a line a second for
//! each target and not one for each alert, and the counts still add up to what
//! happened. Where more targets are met in that second than are kept apart, the
//! rest is counted by kind and command alone.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use riposte_ledger::audit::{Audit, Event};
use riposte_ledger::clock::Clock;

use super::time;

/// Kinds of events that are kept apart at a time.
const APART: usize = 16_384;
/// What stands for the keys and the words of events that are not.
const MANY: &str = "of more targets than are told apart in a flood";

/// Writes events, those that are alike as one.
pub(super) struct Gather {
    audit: Arc<Audit>,
    clock: Arc<dyn Clock>,
    secrets: [RandomState; 2],
    alike: Mutex<HashMap<[u64; 2], Option<Box<More>>>>,
}

/// Events like one that is written.
struct More {
    last: Event,
    count: u64,
    first_ms: i64,
}

/// Whether an event stands by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Told {
    /// It is written.
    Now,
    /// It is counted with others like it.
    Counted,
}

impl Gather {
    pub(super) fn new(audit: Arc<Audit>, clock: Arc<dyn Clock>) -> Self {
        let secrets = [RandomState::new(), RandomState::new()];
        Self { audit, clock, secrets, alike: Mutex::default() }
    }

    /// Writes or counts `event`. `about` is what of its words tells it from
    /// others: the words themselves, where they hold no time and no number that
    /// differs each time.
    pub(super) fn record(&self, event: Event, about: &str) -> Told {
        let now = self.clock.now().wall_ms;
        let mut alike = self.alike();
        let print = self.print(&event, about);
        let more = |event| Some(Box::new(More { last: event, count: 1, first_ms: now }));
        let room = alike.len() < APART;
        match alike.get_mut(&print) {
            Some(Some(more)) => {
                more.count += 1;
                more.last = event;
                return Told::Counted;
            }
            Some(none) => {
                *none = more(event);
                return Told::Counted;
            }
            None if room => {
                alike.insert(print, None);
            }
            None => {
                let event = Event {
                    keys: Vec::new(),
                    entry: None,
                    alert_id: None,
                    rule_id: None,
                    detail: Some(MANY.to_owned()),
                    ..event
                };
                let many = alike.entry(self.print(&event, MANY)).or_insert(None);
                match many {
                    Some(more) => more.count += 1,
                    none => *none = more(event),
                }
                return Told::Counted;
            }
        }
        drop(alike);
        self.audit.record(event);
        Told::Now
    }

    /// Writes what was counted. What was not met again since the last time
    /// stands by itself the next time.
    pub(super) fn flush(&self) {
        let mut alike = self.alike();
        let mut counted = Vec::new();
        alike.retain(|_, more| match more.take() {
            Some(more) => {
                counted.push(more);
                true
            }
            None => false,
        });
        if alike.is_empty() {
            alike.shrink_to_fit();
        }
        // The audit may have to be waited for, and nobody should for this.
        drop(alike);
        for more in counted {
            let More { last, count, first_ms } = *more;
            tracing::debug!(kind = last.kind, command = last.command, count, "more of the same");
            let since = (count > 1).then(|| time(first_ms));
            self.audit.record(Event { count, since, ..last });
        }
    }

    /// Under secrets drawn at each start: whoever writes alerts cannot choose
    /// two targets that are taken for one.
    fn print(&self, event: &Event, about: &str) -> [u64; 2] {
        let Event { kind, entry, tenant, command, response, agent, keys, actor, .. } = event;
        let what = (kind, entry, tenant, command, response, agent, keys, actor, about);
        [0, 1].map(|n: usize| self.secrets.get(n).map_or(0, |secret| secret.hash_one(what)))
    }

    fn alike(&self) -> MutexGuard<'_, HashMap<[u64; 2], Option<Box<More>>>> {
        self.alike.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Gather {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_ledger::audit::Settings;
    use riposte_ledger::clock::ManualClock;
    use riposte_ledger::ledger::Heads;
    use serde_json::Value;

    #[expect(clippy::disallowed_methods, reason = "a test that reads what was written")]
    fn written(work: impl FnOnce(&Gather)) -> Vec<Value> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
        let gather = Gather::new(
            Arc::new(Audit::open(&path, Arc::clone(&clock), Heads::default(), Settings::default()).unwrap()),
            clock,
        );
        work(&gather);
        drop(gather);
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn refused(key: u32, alert: u32) -> Event {
        let keys = vec![key.to_string()];
        let alert_id = Some(alert.to_string());
        Event {
            kind: "refused".to_owned(),
            command: Some("block".to_owned()),
            keys,
            alert_id,
            ..Event::default()
        }
    }

    fn sum(events: &[Value]) -> u64 {
        events.iter().map(|event| event["count"].as_u64().unwrap_or(1)).sum()
    }

    #[test]
    fn what_is_alike_is_one_event_with_its_count() {
        let events = written(|gather| {
            assert_eq!(gather.record(refused(1, 1), ""), Told::Now);
            for alert in 2..=9 {
                assert_eq!(gather.record(refused(1, alert), ""), Told::Counted);
            }
            assert_eq!(gather.record(refused(2, 10), ""), Told::Now);
            assert_eq!(gather.record(refused(1, 11), "other words"), Told::Now);
            gather.flush();
            // Met in the last second: counted. Then it stands by itself again.
            assert_eq!(gather.record(refused(1, 12), ""), Told::Counted);
            gather.flush();
            gather.flush();
            assert_eq!(gather.record(refused(1, 13), ""), Told::Now);
        });
        assert_eq!(sum(&events), 13);
        let eight = events.iter().find(|event| event["count"] == 8).unwrap();
        assert_eq!((&eight["alert_id"], &eight["keys"]), (&"9".into(), &serde_json::json!(["1"])));
        assert_eq!(eight["since"], "2026-01-01T12:00:00.000Z");
        assert!(events[0].get("count").is_none() && events[0].get("since").is_none());
    }

    #[test]
    fn more_than_are_kept_apart_are_counted_all_the_same() {
        let all = u32::try_from(APART).unwrap() * 3;
        let events = written(|gather| {
            for key in 0..all {
                let _ = gather.record(refused(key, key), "");
            }
            assert!(gather.alike().len() <= APART + 1);
            gather.flush();
        });
        assert_eq!(sum(&events), u64::from(all));
        assert_eq!(events.len(), APART + 1);
        assert_eq!(events[APART]["detail"], MANY);
    }
}
