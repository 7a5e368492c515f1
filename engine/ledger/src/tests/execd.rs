//! Wazuh's way against a model of its agent.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::wazuh::{order, program};
use super::{Machine, open_entries};
use crate::entry::Kind;
use crate::{Admitted, Cause, LedgerError, NewEntry, Rekeyed, Wait};

#[derive(Clone, Debug)]
enum Step {
    /// An order of this program under these keys, so long at first.
    Hit { name: &'static str, keys: &'static [&'static str], seconds: u64, is_program: bool },
    /// Time passes, in milliseconds.
    Pass(u64),
    /// What is due is undone.
    Sweep,
    /// The engine is killed and starts again.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    // Some of them make the same key.
    let name = prop::sample::select(vec!["p", "p-k0"]);
    let keys = prop::sample::select(vec![&["k0"][..], &["k1"], &["k0", "k1"], &["k0-k1"], &[]]);
    let seconds = prop::sample::select(vec![0_u64, 1, 5, 30]);
    let hit = (name, keys, seconds, any::<bool>());
    prop_oneof![
        5 => hit.prop_map(|(name, keys, seconds, is_program)| Step::Hit { name, keys, seconds, is_program }),
        3 => (0..9_000_u64).prop_map(Step::Pass),
        3 => Just(Step::Sweep),
        1 => Just(Step::Restart),
    ]
}

/// What Wazuh's agent keeps, and does with it: a list with a timeout, and a
/// table of counters, by key. Times are in whole seconds.
#[derive(Default)]
struct Execd {
    list: HashMap<String, (i64, i64)>,
    counters: HashMap<String, usize>,
}

impl Execd {
    const OFFENDERS: [i64; 2] = [2, 10];

    /// Whether the program is let go on.
    fn order(&mut self, now: i64, key: &str, timeout: i64) -> bool {
        if timeout == 0 {
            return true;
        }
        let mut ttl = timeout;
        if let Some(counter) = self.counters.get_mut(key) {
            let last = Self::OFFENDERS.len() - 1;
            ttl = Self::OFFENDERS[(*counter).min(last)];
            *counter = (*counter + 1).min(last + 1);
        } else {
            self.counters.insert(key.to_owned(), 0);
        }
        self.list.insert(key.to_owned(), (now, ttl)).is_none()
    }

    fn sweep(&mut self, now: i64) {
        self.list.retain(|_, (added, ttl)| now - *added <= *ttl);
    }
}

/// What is open: each key, and when it ends in seconds.
fn open_keys(list: &HashMap<String, (i64, i64)>) -> Vec<(String, i64)> {
    let mut all: Vec<_> = list.iter().map(|(key, (added, ttl))| (key.clone(), added + ttl + 1)).collect();
    all.sort();
    all
}

async fn agrees_with_execd(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let machine = Machine::new();
    let mut ledger = machine.ledger();
    let mut execd = Execd::default();
    for step in steps {
        let now = machine.wall_ms() / 1_000;
        match step {
            Step::Hit { name, keys, seconds, is_program } => {
                let key = [&[name], keys].concat().join("-");
                let goes_on = execd.order(now, &key, i64::try_from(seconds).unwrap());
                let new = NewEntry {
                    command: name.into(),
                    offenders: Execd::OFFENDERS.map(|s| Duration::from_secs(s.unsigned_abs())).into(),
                    ..program(name, seconds)
                };
                let new_id = if is_program {
                    match order(&ledger, new, keys).await {
                        (id, Rekeyed::Continue { .. }) => Some(id),
                        (_, said) => {
                            prop_assert!(matches!(said, Rekeyed::InForce { due: Some(_), .. }), "{:?}", said);
                            None
                        }
                    }
                } else {
                    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
                    let new = NewEntry { keys, kind: Kind::Reversible, ..new };
                    match ledger.admit(new, Wait::Durable).await.unwrap() {
                        Admitted::New { id, .. } => Some(id),
                        said => {
                            prop_assert!(matches!(said, Admitted::InForce { .. }), "{:?}", said);
                            None
                        }
                    }
                };
                prop_assert_eq!(new_id.is_some(), goes_on);
                if let Some(id) = new_id {
                    let _ = ledger.added(id, None).await.unwrap();
                }
            }
            Step::Pass(ms) => machine.clock.advance(Duration::from_millis(ms)),
            Step::Sweep => {
                execd.sweep(now);
                for open in open_entries(&ledger).await {
                    match ledger.begin_undo(open.id, Cause::Due).await {
                        Ok(_) => ledger.undone(open.id).await.unwrap(),
                        Err(error) => {
                            let is_early = matches!(error, LedgerError::NotDue { .. });
                            prop_assert!(is_early, "{}", error);
                        }
                    }
                }
            }
            Step::Restart => {
                drop(ledger);
                ledger = machine.ledger();
            }
        }
        let mut open: Vec<_> = open_entries(&ledger)
            .await
            .iter()
            .map(|open| {
                let keys = open.keys.iter().map(String::as_str);
                let key = [open.command.as_str()].into_iter().chain(keys).collect::<Vec<_>>().join("-");
                (key, open.due_ms.unwrap() / 1_000)
            })
            .collect();
        open.sort();
        prop_assert_eq!(open, open_keys(&execd.list));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_the_agent_does(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(agrees_with_execd(steps))?;
    }
}
