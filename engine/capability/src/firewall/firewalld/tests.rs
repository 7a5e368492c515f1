//! Against a firewalld of this test's own, on a bus of this test's own.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "tests are handed over whole, and the bus hands over values"
)]

use std::sync::PoisonError;

use riposte_policy::order::EntryId;
use tempfile::TempDir;

use super::*;
use crate::claim::{Memory, Standing};
use crate::firewall::program;
use crate::firewall::testing::{minutes, target, together};
use crate::process::{Caps, FirstLine, Launch, Running};
use crate::{Backends, Capabilities, Guard, Repaired};

const ENTRY: EntryId = EntryId(1);

/// What stands in for firewalld: its zones with their rules and timeouts.
#[derive(Clone, Default)]
struct Zones(Arc<std::sync::Mutex<State>>);

#[derive(Default)]
struct State {
    rules: BTreeMap<String, BTreeMap<String, i32>>,
    calls: Vec<String>,
    /// What every change is answered with, when it is to fail.
    refuse: Option<String>,
    /// Whether changes are acknowledged and forgotten.
    lie: bool,
}

impl Zones {
    fn new() -> Self {
        let zones = Self::default();
        zones.state().rules =
            [("public".to_owned(), BTreeMap::new()), ("dmz".to_owned(), BTreeMap::new())].into();
        zones
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rules(&self, zone: &str) -> Vec<(String, i32)> {
        self.state().rules.get(zone).unwrap().iter().map(|(rule, time)| (rule.clone(), *time)).collect()
    }

    fn change(
        &self,
        call: &str,
        zone: &str,
        rule: &str,
    ) -> Result<Option<std::sync::MutexGuard<'_, State>>, Exception> {
        let mut state = self.state();
        state.calls.push(format!("{call} {zone} {rule}"));
        match &state.refuse {
            Some(text) => Err(Exception::Exception(text.clone())),
            None => Ok((!state.lie).then_some(state)),
        }
    }
}

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.fedoraproject.FirewallD1")]
enum Exception {
    Exception(String),
    #[zbus(error)]
    Bus(zbus::Error),
}

struct Main;

#[zbus::interface(name = "org.fedoraproject.FirewallD1")]
impl Main {
    #[zbus(name = "getDefaultZone")]
    fn default_zone(&self) -> String {
        "public".to_owned()
    }
}

#[zbus::interface(name = "org.fedoraproject.FirewallD1.zone")]
impl Zones {
    #[zbus(name = "getActiveZones")]
    fn active(&self) -> HashMap<String, HashMap<String, Vec<String>>> {
        [("dmz".to_owned(), [("interfaces".to_owned(), vec!["eth1".to_owned()])].into())].into()
    }

    #[zbus(name = "getRichRules")]
    fn rich_rules(&self, zone: String) -> Vec<String> {
        self.state().rules.get(&zone).unwrap().keys().cloned().collect()
    }

    #[zbus(name = "addRichRule")]
    fn add(&self, zone: String, rule: String, timeout: i32) -> Result<String, Exception> {
        if let Some(mut state) = self.change("add", &zone, &rule)? {
            let rules = state.rules.get_mut(&zone).unwrap();
            if rules.contains_key(&rule) {
                return Err(Exception::Exception(format!("ALREADY_ENABLED: {rule}")));
            }
            rules.insert(rule, timeout);
        }
        Ok(zone)
    }

    #[zbus(name = "removeRichRule")]
    fn remove(&self, zone: String, rule: String) -> Result<String, Exception> {
        if let Some(mut state) = self.change("remove", &zone, &rule)?
            && state.rules.get_mut(&zone).unwrap().remove(&rule).is_none()
        {
            return Err(Exception::Exception(format!("NOT_ENABLED: {rule}")));
        }
        Ok(zone)
    }
}

/// A bus, and what is on it.
struct Bus {
    address: String,
    _daemon: Running,
    _folder: TempDir,
}

impl Bus {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("bus");
        let configuration = folder.path().join("bus.conf");
        let text = format!(
            "<busconfig><type>system</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/><allow send_destination=\"*\"/>\
             <allow receive_sender=\"*\"/></policy></busconfig>",
            socket.display()
        );
        #[expect(clippy::disallowed_methods, reason = "a test writes its own files")]
        std::fs::write(&configuration, text).unwrap();
        let program = program::find("dbus-daemon", "dbus-daemon").unwrap();
        let arguments = [
            format!("--config-file={}", configuration.display()),
            "--nofork".into(),
            "--print-address".into(),
        ];
        let launch =
            Launch { program: &program, arguments: &arguments, root: folder.path(), caps: Caps::default() };
        let mut daemon = launch.start().unwrap();
        let FirstLine::Line(address) = daemon.first_line().await else { panic!("the bus did not start") };
        let address = String::from_utf8(address).unwrap();
        Self { address, _daemon: daemon, _folder: folder }
    }

    async fn firewalld(&self, zones: &Zones) -> Connection {
        let builder = Builder::address(self.address.as_str()).name(NAME);
        builder.serve_at(PATH, Main).serve_at(PATH, zones.clone()).build().await.unwrap()
    }
}

struct Host {
    claims: Arc<Memory>,
    backend: Arc<dyn Backend>,
}

impl Host {
    fn new(bus: &Bus) -> Self {
        let claims = Arc::new(Memory::default());
        let backend = open(Some(bus.address.clone()), Arc::clone(&claims) as Arc<dyn Claims>);
        Self { claims, backend }
    }

    async fn hold(&self, text: &str, standing: Standing) -> Result<(), Refusal> {
        let target = target(text);
        self.claims.set(ENTRY, target.effect(), standing);
        self.backend.sync(vec![target]).await
    }
}

fn rule(family: &str, address: &str) -> String {
    format!("rule priority=\"-199\" family=\"{family}\" source address=\"{address}\" drop")
}

#[tokio::test]
async fn a_block_is_a_rule_with_a_timeout_in_every_zone() {
    let bus = Bus::start().await;
    let zones = Zones::new();
    let _firewalld = bus.firewalld(&zones).await;
    let host = Host::new(&bus);
    for (family, address) in [("ipv4", "192.0.2.7"), ("ipv6", "2001:db8::7"), ("ipv4", "198.51.100.0/24")] {
        let text = format!("firewalld:drop {address}");
        host.hold(&text, minutes(10)).await.unwrap();
        for zone in ["public", "dmz"] {
            let [(rule_there, timeout)] = &zones.rules(zone)[..] else { panic!("{:?}", zones.rules(zone)) };
            assert_eq!(*rule_there, rule(family, address));
            assert!((601..=602).contains(timeout), "{timeout}");
        }
        // A later due time is told; the rule is not there twice.
        host.hold(&text, minutes(60)).await.unwrap();
        assert!(matches!(zones.rules("dmz").as_slice(), [(_, 3_601..=3_602)]), "{:?}", zones.rules("dmz"));
        host.hold(&text, Standing::Permanent).await.unwrap();
        assert!(matches!(zones.rules("dmz").as_slice(), [(_, 0)]));
        assert_eq!(host.backend.list().await.unwrap().len(), 1);
        host.hold(&text, Standing::Free).await.unwrap();
        host.hold(&text, Standing::Free).await.unwrap();
        assert!(zones.rules("public").is_empty() && zones.rules("dmz").is_empty());
    }
}

#[tokio::test]
async fn a_reload_takes_the_rules_and_a_repair_brings_them_back() {
    let bus = Bus::start().await;
    let zones = Zones::new();
    let _firewalld = bus.firewalld(&zones).await;
    let host = Host::new(&bus);
    host.hold("firewalld:drop 192.0.2.7", minutes(10)).await.unwrap();
    let theirs = "rule family=\"ipv4\" source address=\"192.0.2.1\" drop";
    zones.state().rules.values_mut().for_each(|rules| *rules = [(theirs.to_owned(), 0)].into());
    host.backend.probe().await.unwrap();
    assert_eq!(host.backend.rebuilt(), 1);
    let capabilities = Capabilities::new(
        Arc::clone(&host.claims) as Arc<dyn Claims>,
        Backends::only_firewall(Arc::clone(&host.backend)),
        Arc::new(Guard::new()),
    );
    let claimed = host.claims.held();
    assert_eq!(capabilities.repair(&claimed).await, Ok(Repaired { written: 1, removed: 0 }));
    assert_eq!(zones.rules("public").len(), 2);
    // Of one zone alone.
    zones.state().rules.get_mut("public").unwrap().remove(&rule("ipv4", "192.0.2.7"));
    host.backend.probe().await.unwrap();
    assert_eq!(zones.rules("public").len(), 2);
    // What nobody claims goes; what others made stays.
    zones.state().rules.get_mut("public").unwrap().insert(rule("ipv4", "192.0.2.9"), 0);
    assert_eq!(capabilities.repair(&claimed).await, Ok(Repaired { written: 0, removed: 1 }));
    assert_eq!(zones.rules("public").len(), 2);
    assert!(zones.rules("public").iter().any(|(rule, _)| rule == theirs));
}

#[tokio::test]
async fn what_firewalld_refuses_or_forgets_is_no_success() {
    let bus = Bus::start().await;
    let zones = Zones::new();
    let _firewalld = bus.firewalld(&zones).await;
    let host = Host::new(&bus);
    zones.state().refuse = Some("INVALID_ZONE: x\nforged line".to_owned());
    let refusal = host.hold("firewalld:drop 192.0.2.7", minutes(1)).await.unwrap_err();
    assert_eq!(refusal.kind, "unavailable");
    assert!(refusal.message.contains("INVALID_ZONE") && !refusal.message.contains('\n'), "{refusal}");
    zones.state().refuse = None;
    zones.state().lie = true;
    let refusal = host.hold("firewalld:drop 192.0.2.7", minutes(1)).await.unwrap_err();
    assert!(refusal.message.contains("does not show it"), "{refusal}");
    zones.state().lie = false;
    host.hold("firewalld:drop 192.0.2.7", minutes(1)).await.unwrap();
}

#[tokio::test]
async fn without_firewalld_or_a_bus_it_is_said_what_is_missing() {
    let bus = Bus::start().await;
    let host = Host::new(&bus);
    let refusal = host.hold("firewalld:drop 192.0.2.7", minutes(1)).await.unwrap_err();
    assert!(refusal.message.contains("systemctl start firewalld"), "{refusal}");
    // It comes later, and goes again.
    let zones = Zones::new();
    let firewalld = bus.firewalld(&zones).await;
    host.hold("firewalld:drop 192.0.2.7", minutes(1)).await.unwrap();
    firewalld.close().await.unwrap();
    let refusal = host.hold("firewalld:drop 192.0.2.7", Standing::Free).await.unwrap_err();
    assert!(refusal.message.contains("systemctl start firewalld"), "{refusal}");

    let nowhere = Arc::new(Memory::default());
    let none = open(Some("unix:path=/nonexistent/bus".to_owned()), nowhere as Arc<dyn Claims>);
    let refusal = none.probe().await.unwrap_err();
    assert!(refusal.message.contains("D-Bus"), "{refusal}");
}

#[tokio::test]
async fn one_list_only() {
    let bus = Bus::start().await;
    let host = Host::new(&bus);
    assert!(host.backend.ready(&target("firewalld:drop 192.0.2.7")).is_ok());
    let refusal = host.backend.ready(&target("firewalld:web 192.0.2.7")).unwrap_err();
    assert!(refusal.message.contains("set=\"drop\""), "{refusal}");
}

#[tokio::test]
async fn many_at_once() {
    let bus = Bus::start().await;
    let zones = Zones::new();
    let _firewalld = bus.firewalld(&zones).await;
    let host = Host::new(&bus);
    let calls: Vec<_> = (0..50).map(|n| format!("firewalld:drop 198.18.0.{n}")).collect();
    for outcome in together(calls.iter().map(|text| host.hold(text, minutes(10)))).await {
        outcome.unwrap();
    }
    assert_eq!((zones.rules("public").len(), zones.rules("dmz").len()), (50, 50));
}
