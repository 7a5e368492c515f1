//! The ledger as its users see it, on real files and a clock that obeys.

mod clocks;
#[expect(clippy::disallowed_methods, reason = "a test that damages files")]
mod crash;
mod crowd;
#[expect(clippy::disallowed_methods, reason = "a test that damages files")]
mod damage;
mod disk;
mod driven;
mod execd;
mod handed;
mod hold;
mod input;
mod life;
mod numbers;
mod offence;
mod repeat;
mod rule;
mod same;
mod time;
mod version;
mod wazuh;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use riposte_policy::config::{Mode, Way};
use riposte_policy::order::{Actor, EntryId};
use tempfile::TempDir;

use crate::clock::ManualClock;
use crate::entry::{Filter, Kind};
use crate::{Admitted, Entry, Ledger, LedgerError, NewEntry, Opened, Settings, State, Wait};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// A machine: a folder, and a clock.
pub(crate) struct Machine {
    pub(crate) folder: TempDir,
    pub(crate) clock: Arc<ManualClock>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: Arc::new(ManualClock::new()) }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    pub(crate) fn open(&self) -> Opened {
        self.try_open(Settings::default()).unwrap()
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.open().ledger
    }

    pub(crate) fn try_open(&self, settings: Settings) -> Result<Opened, LedgerError> {
        Ledger::open_with(&self.path(), Arc::clone(&self.clock) as _, settings)
    }

    pub(crate) fn boot_ms(&self) -> i64 {
        crate::Clock::now(&*self.clock).boot_ms
    }

    pub(crate) fn wall_ms(&self) -> i64 {
        crate::Clock::now(&*self.clock).wall_ms
    }
}

/// A block of `address` for ten minutes.
pub(crate) fn block(address: &str) -> NewEntry {
    NewEntry {
        tenant: "default".into(),
        command: "firewall-drop".into(),
        response: Some("firewall-drop#1".into()),
        location: "local",
        agent: "000".into(),
        keys: vec![address.to_owned()],
        kind: Kind::Reversible,
        timeout: Some(10 * MINUTE),
        offenders: [].into(),
        alert: format!(r#"{{"srcip":"{address}"}}"#).into(),
        alert_id: "1.1".into(),
        rule_id: "5712".into(),
        definition: "<command/>".into(),
        digest: None,
        mode: Mode::Enforce,
        actor: Actor::Alert,
        reason: None,
        source: None,
        message: None,
        program: "firewall-drop".into(),
        key: Way::Riposte,
        offences: Way::Riposte,
    }
}

/// The same for good.
pub(crate) fn ban(address: &str) -> NewEntry {
    NewEntry { timeout: None, ..block(address) }
}

/// Admits what is new.
pub(crate) async fn enter(ledger: &Ledger, new: NewEntry) -> EntryId {
    match ledger.admit(new, Wait::Durable).await.unwrap() {
        Admitted::New { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

/// Admits a block, claims its address and brings it into force.
pub(crate) async fn in_force(ledger: &Ledger, new: NewEntry) -> EntryId {
    let target = new.keys[0].clone();
    let id = enter(ledger, new).await;
    let _ = ledger.claim(id, "firewall", &target, None).await.unwrap();
    let _ = ledger.added(id, None).await.unwrap();
    id
}

pub(crate) async fn entry(ledger: &Ledger, id: EntryId) -> Entry {
    ledger.entry(id).await.unwrap().unwrap()
}

pub(crate) async fn state(ledger: &Ledger, id: EntryId) -> State {
    entry(ledger, id).await.state
}

pub(crate) async fn open_entries(ledger: &Ledger) -> Vec<Entry> {
    ledger.entries(Filter { open_only: true, ..Filter::default() }).await.unwrap()
}
