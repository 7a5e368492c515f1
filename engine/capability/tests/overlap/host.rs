//! A machine that is only remembered: it keeps what was done to it while the
//! engine ends and comes back, and its kernel forgets a block on time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use riposte_capability::claim::NotRecorded;
use riposte_capability::firewall::{self, Element, GRACE, Target};
use riposte_capability::lines::fake::Fake as Lines;
use riposte_capability::{Backends, Capabilities, Claims, Effect, Guard, Refusal, Standing};
use riposte_ledger::{Clock, Ledger, ManualClock};
use riposte_policy::grant::{FirewallGrant, Grants, LinesGrant, Pattern};
use riposte_policy::order::EntryId;
use tempfile::TempDir;

pub(crate) const FILE: &str = "/deny";
pub(crate) const LINES: [&str; 2] = ["ALL: 192.0.2.7", "ALL: 192.0.2.8"];
/// Which of them somebody wrote before.
pub(crate) const WAS_THERE: [bool; 2] = [true, false];
/// From this offence on the network is blocked.
pub(crate) const WIDEN: u32 = 2;
pub(crate) const GRACE_MS: i64 = 2_000;

pub(crate) fn grants() -> Arc<Grants> {
    let firewall =
        FirewallGrant { widest4: 24, widen: Some(WIDEN), confirm: none(), ..FirewallGrant::default() };
    let lines = LinesGrant { file: FILE.into(), lines: vec![Pattern::new("*")] };
    Arc::new(Grants { firewall: Some(firewall), lines: vec![lines], ..Grants::default() })
}

fn none() -> riposte_policy::grant::Confirm {
    riposte_policy::grant::Confirm::None
}

/// The machine.
pub(crate) struct Host {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) caps: Capabilities,
    folder: TempDir,
    claims: Arc<Engine>,
    kernel: Arc<Kernel>,
    lines: Arc<Lines>,
    boots: u32,
}

impl Host {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new());
        let claims = Arc::new(Engine(Mutex::new(None)));
        let as_claims = Arc::clone(&claims) as Arc<dyn Claims>;
        let kernel = Arc::new(Kernel {
            claims: Arc::clone(&as_claims),
            clock: Arc::clone(&clock),
            elements: Mutex::default(),
            refuses: Mutex::new(false),
        });
        let lines = Arc::new(Lines::default());
        lines.write(FILE, &format!("{}\n", LINES[0]));
        let backends = Backends {
            firewall: Arc::clone(&kernel) as _,
            lines: Arc::clone(&lines) as _,
            ..Backends::unavailable(&Refusal::unsupported("not here"))
        };
        let caps = Capabilities::new(as_claims, backends, Arc::new(Guard::new()));
        let host = Self { clock, caps, folder, claims, kernel, lines, boots: 1 };
        host.open();
        host
    }

    fn open(&self) {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let opened = Ledger::open(&self.folder.path().join("ledger.db"), clock).unwrap();
        *self.claims.0.lock().unwrap() = Some(opened.ledger);
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.claims.ledger()
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now().boot_ms
    }

    /// From now on the host refuses whatever changes it.
    pub(crate) fn refuse(&self, refuses: bool) {
        *self.kernel.refuses.lock().unwrap() = refuses;
        self.lines.refuse(refuses.then(|| Refusal::unavailable("the host is stubborn")));
    }

    /// Another engine over the same file, after another start of the machine.
    pub(crate) fn restart(&mut self, reboot: bool) {
        drop(self.claims.0.lock().unwrap().take());
        if reboot {
            self.boots += 1;
            self.clock.reboot(&format!("boot-{}", self.boots), Duration::ZERO);
            // No kernel remembers what it blocked.
            self.kernel.elements.lock().unwrap().clear();
        }
        self.open();
    }

    /// What every start does.
    pub(crate) async fn repair(&self) {
        let mut effects = Vec::new();
        for interface in Capabilities::interfaces() {
            let held = self.ledger().held(interface).await.unwrap();
            effects.extend(held.into_iter().map(|held| Effect { interface, target: held.target }));
        }
        self.caps.repair(&effects).await.unwrap();
    }

    /// When the kernel drops it by itself; `None`: it is not blocked.
    pub(crate) fn shows(&self, prefix: &str) -> Option<Option<i64>> {
        let now = self.now();
        let elements = self.kernel.elements.lock().unwrap();
        let (_, until) = elements.get(&format!("drop {prefix}"))?;
        Some(*until).filter(|until| until.is_none_or(|until| until > now))
    }

    pub(crate) fn shows_line(&self, nth: usize) -> bool {
        self.lines.text(FILE).is_some_and(|text| text.lines().any(|line| line == LINES[nth]))
    }
}

/// The ledger of whatever engine runs.
struct Engine(Mutex<Option<Ledger>>);

impl Engine {
    fn ledger(&self) -> Ledger {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap()
    }
}

#[async_trait]
impl Claims for Engine {
    async fn claim(
        &self,
        id: EntryId,
        effect: &Effect,
        prior: Option<&str>,
    ) -> Result<Standing, NotRecorded> {
        let before = self.ledger().claim(id, effect.interface, &effect.target, prior).await;
        before.map(standing).map_err(|error| NotRecorded(error.to_string()))
    }

    async fn release(&self, id: EntryId, effect: &Effect) -> Result<Standing, NotRecorded> {
        let after = self.ledger().release(id, effect.interface, &effect.target).await;
        after.map(standing).map_err(|error| NotRecorded(error.to_string()))
    }

    async fn prior(&self, id: EntryId, effect: &Effect) -> Result<Option<String>, NotRecorded> {
        let prior = self.ledger().prior(id, effect.interface, &effect.target).await;
        prior.map_err(|error| NotRecorded(error.to_string()))
    }

    fn standing(&self, effect: &Effect) -> Standing {
        standing(self.ledger().standing(effect.interface, &effect.target))
    }

    fn others(&self, id: EntryId, effect: &Effect) -> Standing {
        standing(self.ledger().others(id, effect.interface, &effect.target))
    }
}

fn standing(standing: riposte_ledger::Standing) -> Standing {
    match standing {
        riposte_ledger::Standing::Free => Standing::Free,
        riposte_ledger::Standing::For(left) => Standing::For(left),
        riposte_ledger::Standing::Permanent => Standing::Permanent,
    }
}

/// A firewall that forgets by its own clock.
struct Kernel {
    claims: Arc<dyn Claims>,
    clock: Arc<ManualClock>,
    elements: Mutex<BTreeMap<String, (Target, Option<i64>)>>,
    refuses: Mutex<bool>,
}

#[async_trait]
impl firewall::Backend for Kernel {
    async fn sync(&self, targets: Vec<Target>) -> Result<(), Refusal> {
        if *self.refuses.lock().unwrap() {
            return Err(Refusal::unavailable("the kernel is stubborn"));
        }
        let now = self.clock.now().boot_ms;
        let mut elements = self.elements.lock().unwrap();
        for target in targets {
            let until = match self.claims.standing(target.effect()) {
                Standing::Free => {
                    elements.remove(&target.to_string());
                    continue;
                }
                Standing::For(span) => Some(now + i64::try_from((span + GRACE).as_millis()).unwrap()),
                Standing::Permanent => None,
            };
            elements.insert(target.to_string(), (target, until));
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Element>, Refusal> {
        let now = self.clock.now().boot_ms;
        let elements = self.elements.lock().unwrap();
        let left = |until: i64| Duration::from_millis(u64::try_from(until - now).unwrap_or(0));
        let shown = elements.values().filter(|(_, until)| until.is_none_or(|until| until > now));
        Ok(shown
            .map(|(target, until)| Element {
                target: target.clone(),
                entry: None,
                remaining: until.map(left),
            })
            .collect())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Ok(())
    }
}
