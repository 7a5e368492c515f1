//! A sandbox over a fake host, and invocations for it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part; a failed unwrap is a failed test"
)]

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use riposte_capability::claim::{Claims, Effect, NotRecorded, Standing};
use riposte_capability::firewall::fake::Fake;
use riposte_capability::{Backends, Capabilities, Guard};
use riposte_policy::config::Mode;
use riposte_policy::grant::{FirewallGrant, Grants};
use riposte_policy::limit::Limits;
use riposte_policy::order::EntryId;
use riposte_runtime::{Components, Invocation, LoadError, Outcome, Plugin, Settings};

/// An alert like those of sshd.
pub(crate) const ALERT: &str =
    r#"{"rule":{"id":"5712","level":10},"data":{"srcip":"203.0.113.7"},"a/b":["zero"]}"#;

/// A machine: the sandbox, and the fake firewall behind it.
pub(crate) struct Machine {
    pub(crate) components: Components,
    pub(crate) firewall: Arc<Fake>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::with(&Settings::default())
    }

    pub(crate) fn with(settings: &Settings) -> Self {
        let claims = Arc::new(Held::default());
        let firewall = Arc::new(Fake::new(Arc::clone(&claims) as Arc<dyn Claims>));
        let capabilities = Capabilities::new(
            claims,
            Backends::only_firewall(Arc::clone(&firewall) as _),
            Arc::new(Guard::new()),
        );
        Self { components: Components::new(settings, Arc::new(capabilities)).unwrap(), firewall }
    }

    /// The test component of this name with default limits.
    pub(crate) fn hostile(&self, name: &str, grants: Grants) -> Arc<Plugin> {
        self.limited(name, grants, &Limits::default())
    }

    pub(crate) fn limited(&self, name: &str, grants: Grants, limits: &Limits) -> Arc<Plugin> {
        let wasm = riposte_hostile::component(name);
        self.components.load(name, wasm, &Arc::new(grants), limits, false).unwrap()
    }

    /// Why the test component of this name is not loaded.
    pub(crate) fn refused(&self, name: &str, grants: Grants, stateful: bool) -> LoadError {
        let wasm = riposte_hostile::component(name);
        self.components.load(name, wasm, &Arc::new(grants), &Limits::default(), stateful).unwrap_err()
    }
}

/// What a plugin logged, with its levels.
pub(crate) fn said<T>(outcome: &Outcome<T>) -> Vec<String> {
    outcome.log.iter().map(ToString::to_string).collect()
}

pub(crate) fn firewall() -> Grants {
    Grants { firewall: Some(FirewallGrant::default()), ..Grants::default() }
}

pub(crate) fn invocation(alert: &str) -> Invocation {
    Invocation {
        command: "test".into(),
        id: "order-7".to_owned(),
        entry: Some(EntryId(1)),
        attempt: 2,
        timeout: Some(Duration::from_secs(600)),
        offence: 3,
        tenant: "default".into(),
        location: "local",
        arguments: Arc::new(["-x".to_owned(), "y".to_owned()]),
        keys: Arc::new([]),
        alert: alert.into(),
        mode: Mode::Enforce,
        rehearsal: false,
    }
}

/// Claims in memory, for an hour each.
#[derive(Default)]
struct Held(Mutex<HashMap<Effect, BTreeSet<EntryId>>>);

impl Held {
    fn standing_in(held: &HashMap<Effect, BTreeSet<EntryId>>, effect: &Effect) -> Standing {
        match held.get(effect) {
            Some(holders) if !holders.is_empty() => Standing::For(Duration::from_secs(3600)),
            _ => Standing::Free,
        }
    }
}

#[async_trait]
impl Claims for Held {
    async fn claim(&self, entry: EntryId, effect: &Effect, _: Option<&str>) -> Result<Standing, NotRecorded> {
        let mut held = self.0.lock().unwrap();
        let before = Self::standing_in(&held, effect);
        held.entry(effect.clone()).or_default().insert(entry);
        Ok(before)
    }

    async fn release(&self, entry: EntryId, effect: &Effect) -> Result<Standing, NotRecorded> {
        let mut held = self.0.lock().unwrap();
        held.entry(effect.clone()).or_default().remove(&entry);
        Ok(Self::standing_in(&held, effect))
    }

    async fn prior(&self, _: EntryId, _: &Effect) -> Result<Option<String>, NotRecorded> {
        Ok(None)
    }

    fn standing(&self, effect: &Effect) -> Standing {
        Self::standing_in(&self.0.lock().unwrap(), effect)
    }

    fn others(&self, entry: EntryId, effect: &Effect) -> Standing {
        let mut held = self.0.lock().unwrap().clone();
        held.entry(effect.clone()).or_default().remove(&entry);
        Self::standing_in(&held, effect)
    }
}
