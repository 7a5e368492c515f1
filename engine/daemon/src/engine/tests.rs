//! A whole engine with a firewall that only remembers, under a clock of the
//! test's own.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use riposte_capability::Backends;
use riposte_capability::firewall::fake::Fake;
use riposte_ledger::entry::{Begun, Filter};
use riposte_ledger::{Cause, Entry, ManualClock, State};
use riposte_policy::alert::Alert;
use riposte_transport::Sign;

use super::*;
use crate::report::wazuh_log::append;
use crate::service::{Plan, Service, Serving};
use crate::undo::{self, Undone};

const CONF: &str = r"<ossec_config>
  <command><name>firewall-drop</name><executable>firewall-drop</executable><timeout_allowed>yes</timeout_allowed></command>
  <active-response><command>firewall-drop</command><location>local</location><rules_id>5712</rules_id><timeout>600</timeout></active-response>
  <active-response><command>firewall-drop</command><location>local</location><rules_id>5710</rules_id><timeout>60</timeout></active-response>
</ossec_config>
";
/// Fires the ten minutes.
const LONG: u32 = 5712;
/// Fires the one minute.
const SHORT: u32 = 5710;

/// An engine at work.
struct Lab {
    _dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    firewall: Arc<Fake>,
    serving: Serving,
    signed: Arc<AtomicUsize>,
}

/// Counts the alerts that are handled.
struct Signs(Arc<AtomicUsize>);

impl Sign for Signs {
    fn decided(self: Box<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Lab {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let conf = dir.path().join("ossec.conf");
        append(&conf).unwrap().write_all(CONF.as_bytes()).unwrap();
        let configs = vec![conf];
        let clock = Arc::new(ManualClock::new());
        let plan = Plan {
            files: files::read(&configs).unwrap(),
            places: Places::new(Some(&dir.path().join("home")), Some(dir.path()), &configs),
            configs,
            identity: Identity::new(&[], true),
            alerts: "test".to_owned(),
            settings: Settings::default(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
        };
        let mut fake = None;
        let service = Service::open(
            plan,
            |report| report,
            |claims, _, _, _| {
                let firewall = Arc::new(Fake::new(Arc::clone(claims)));
                fake = Some(Arc::clone(&firewall));
                Backends::only_firewall(firewall)
            },
        );
        let serving = service.unwrap().begin().await.unwrap();
        Self { _dir: dir, clock, firewall: fake.unwrap(), serving, signed: Arc::default() }
    }

    fn engine(&self) -> &Arc<Engine> {
        &self.serving.engine
    }

    /// An alert about an address; returns when nothing is under way.
    async fn alert(&self, rule: u32, address: &str) {
        self.give(rule, address).await;
        self.engine().settled().await;
    }

    async fn give(&self, rule: u32, address: &str) {
        let alert = format!(
            r#"{{"rule":{{"id":"{rule}","level":10}},"id":"1.1","agent":{{"id":"000"}},"data":{{"srcip":"{address}"}}}}"#
        );
        let alert = Alert::parse(alert.as_bytes()).unwrap();
        let armed = self.engine().armed();
        let orders = armed.fires(&alert).into_iter().flat_map(|position| armed.orders(position, &alert));
        for order in orders.collect::<Vec<_>>() {
            self.engine().dispatch(order, Box::new(Signs(Arc::clone(&self.signed)))).await;
        }
    }

    async fn open(&self) -> Vec<Entry> {
        let filter = Filter { open_only: true, ..Filter::default() };
        self.engine().ledger.entries(filter).await.unwrap()
    }

    /// Waits until the engine, which nobody tells that its clock was moved, has
    /// ended all but so many entries.
    async fn until_open(&self, entries: usize) -> Vec<Entry> {
        for _ in 0..4_000 {
            let open = self.open().await;
            if open.len() == entries {
                return open;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never {entries} entries open: {:?}", self.open().await);
    }

    /// The only one that is open.
    async fn only(&self) -> Entry {
        only(self.open().await)
    }

    fn boot_ms(&self) -> i64 {
        self.clock.now().boot_ms
    }
}

fn only(mut entries: Vec<Entry>) -> Entry {
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_just_before_the_end_holds_though_nothing_is_written() {
    let lab = Lab::new().await;
    lab.alert(LONG, "198.51.100.7").await;
    let entry = lab.only().await;
    lab.clock.advance(Duration::from_millis(599_999));
    // Found in memory, and signed only when it is on the disk.
    lab.give(LONG, "198.51.100.7").await;
    let later = lab.boot_ms() + 600_000;
    lab.clock.advance(Duration::from_millis(1));
    assert_eq!(undo::undo(lab.engine(), entry.id, Cause::Due).await, Undone::Nothing);
    same::write(lab.engine()).await;
    assert_eq!(lab.signed.load(Ordering::Relaxed), 2);
    let still = lab.only().await;
    assert_eq!((still.id, still.state, still.due_boot_ms), (entry.id, State::InForce, Some(later)));
    assert_eq!(lab.firewall.blocked(), ["drop 198.51.100.7"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_when_its_undo_has_begun_is_blocked_anew() {
    let lab = Lab::new().await;
    lab.alert(LONG, "198.51.100.7").await;
    let entry = lab.only().await;
    lab.clock.advance(Duration::from_secs(600));
    // Whether it is this or the engine's own timekeeper that comes first.
    let begun = Begun::of(lab.engine().ledger.begin_undo(entry.id, Cause::Due).await);
    assert!(!matches!(begun, Begun::NotDue { .. }));
    let undoing = tokio::spawn({
        let engine = Arc::clone(lab.engine());
        async move { undo::undo(&engine, entry.id, Cause::Due).await }
    });
    lab.alert(LONG, "198.51.100.7").await;
    drop(undoing.await.unwrap());
    let new = lab.only().await;
    assert!(new.id != entry.id && new.state == State::InForce, "{new:?}");
    assert_eq!(new.due_boot_ms, Some(lab.boot_ms() + 600_000));
    assert_eq!(lab.firewall.blocked(), ["drop 198.51.100.7"]);
    assert_eq!(lab.signed.load(Ordering::Relaxed), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jump_of_the_boot_clock_ends_what_is_due_and_one_of_the_wall_clock_nothing() {
    const YEARS_MS: i64 = 10 * 365 * 86_400_000;
    let lab = Lab::new().await;
    lab.alert(SHORT, "198.51.100.6").await;
    lab.alert(LONG, "198.51.100.7").await;
    assert_eq!(lab.open().await.len(), 2);
    // The machine sleeps: the timer of the runtime stands still, and by it
    // nothing is due for a minute.
    lab.clock.advance(Duration::from_secs(61));
    let left = only(lab.until_open(1).await);
    assert_eq!((left.state, left.keys), (State::InForce, vec!["198.51.100.7".to_owned()]));
    // What the wall clock says ends nothing, neither early nor late: the one that
    // comes after it shows that the engine has looked.
    for step in [YEARS_MS, -2 * YEARS_MS] {
        lab.clock.step_wall(step);
        lab.alert(SHORT, "198.51.100.8").await;
        assert_eq!(lab.open().await.len(), 2, "{step}");
        lab.clock.advance(Duration::from_secs(61));
        let left = only(lab.until_open(1).await);
        assert_eq!(left.keys, ["198.51.100.7"], "{step}");
        assert_eq!(lab.firewall.blocked(), ["drop 198.51.100.7"], "{step}");
    }
    lab.clock.advance(Duration::from_secs(600));
    assert!(lab.until_open(0).await.is_empty());
    assert!(lab.firewall.blocked().is_empty());
}
