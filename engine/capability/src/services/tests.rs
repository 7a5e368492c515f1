//! The calls of `services` and `processes` from the session down, on hosts
//! that are only remembered.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use riposte_policy::config::Mode;
use riposte_policy::grant::{Grants, Pattern, ProcessGrant, ServiceAction, ServiceGrant};
use riposte_policy::order::EntryId;

use super::fake::{Fake, Runs};
use crate::claim::Memory;
use crate::processes::fake::Fake as Table;
use crate::{Backends, Capabilities, Effect, Guard, Phase, Recorder, Refusal, Session, WouldBe};

fn bench() -> (Arc<Fake>, Arc<Table>, Capabilities) {
    let units = Arc::new(Fake::new(&[("a.service", Runs::Yes), ("b.service", Runs::No)]));
    let me = std::process::id();
    let table = Arc::new(Table::new(&[
        (4_000_001, "xmrig"),
        (4_000_002, "xmrig"),
        (4_000_003, "sshd"),
        (me, "xmrig"),
    ]));
    let nothing = Refusal::unsupported("not here");
    let backends = Backends {
        services: Arc::clone(&units) as Arc<dyn super::Backend>,
        processes: Arc::clone(&table) as Arc<dyn crate::processes::Backend>,
        ..Backends::unavailable(&nothing)
    };
    (units, table, Capabilities::new(Arc::new(Memory::default()), backends, Arc::new(Guard::new())))
}

fn session() -> Session {
    let every = ServiceAction::ALL.map(|(_, action)| action).to_vec();
    let service = |unit: &str, actions| ServiceGrant { unit: unit.to_owned(), actions };
    let grants = Grants {
        services: vec![
            service("a.service", every.clone()),
            service("b.service", vec![ServiceAction::Restart]),
            service("dbus.service", every.clone()),
        ],
        processes: Some(ProcessGrant { names: vec![Pattern::new("*")], except: vec![Pattern::new("ssh*")] }),
        ..Grants::default()
    };
    Session {
        offence: 1,
        command: "test".into(),
        tenant: "default".into(),
        entry: Some(EntryId(1)),
        phase: Phase::Effects,
        mode: Mode::Enforce,
        grants: Arc::new(grants),
        record: Recorder::default(),
    }
}

#[tokio::test]
async fn units_are_acted_on_as_far_as_granted() {
    let (units, _, caps) = bench();
    let session = session();
    assert_eq!(caps.services().restart(&session, "a.service").await, Ok(()));
    assert_eq!(caps.services().start(&session, "a.service").await, Ok(false));
    assert_eq!(caps.services().stop(&session, "a.service").await, Ok(true));
    assert_eq!(caps.services().active(&session, "a.service").await, Ok(false));
    assert_eq!(caps.services().active(&session, "b.service").await, Ok(false));
    assert_eq!(caps.services().restart(&session, "b.service").await, Ok(()));
    let before = units.done();
    for (unit, kind, words) in [
        ("b.service", "denied", "<service unit=\"b.service\" actions=\"stop\"/>"),
        ("a.socket", "denied", "<service unit=\"a.socket\""),
        ("dbus.service", "denied", "guard: system-unit"),
        ("a", "invalid-input", "with its suffix"),
        ("--help.service", "invalid-input", "with its suffix"),
        ("../a.service", "invalid-input", "with its suffix"),
    ] {
        let refusal = caps.services().stop(&session, unit).await.unwrap_err();
        assert_eq!((refusal.kind, refusal.retry), (kind, false), "{unit}");
        assert!(refusal.message.contains(words), "{unit}: {refusal}");
    }
    assert_eq!(caps.services().active(&session, "c.service").await.unwrap_err().kind, "denied");
    let keys = Session { phase: Phase::Keys, ..session.clone() };
    assert_eq!(caps.services().restart(&keys, "a.service").await.unwrap_err().kind, "denied");
    assert_eq!(units.done(), before);
}

#[tokio::test]
async fn the_engines_own_unit_is_restarted_and_never_stopped() {
    let (units, _, caps) = bench();
    units.run_in("a.service");
    let refusal = caps.services().stop(&session(), "a.service").await.unwrap_err();
    assert!(refusal.kind == "denied" && refusal.message.contains("the engine ends with it"), "{refusal}");
    assert_eq!(caps.services().restart(&session(), "a.service").await, Ok(()));
    assert_eq!(units.done(), ["restart a.service"]);
}

#[tokio::test]
async fn processes_are_ended_as_far_as_granted() {
    let (_, table, caps) = bench();
    let session = session();
    assert_eq!(caps.processes().running(&session, "xmrig").await.unwrap().len(), 3);
    assert_eq!(caps.processes().kill(&session, 4_000_001, "xmrig").await, Ok(true));
    assert_eq!(caps.processes().kill(&session, 4_000_001, "xmrig").await, Ok(false));
    assert_eq!(caps.processes().kill(&session, 4_000_002, "other").await, Ok(false));
    let ungranted = Session { grants: Arc::default(), ..session.clone() };
    let keys = Session { phase: Phase::Keys, ..session.clone() };
    for (session, process, name, kind, words) in [
        (&session, 1, "xmrig", "denied", "guard: first-process"),
        (&session, 0, "xmrig", "denied", "guard: first-process"),
        (&session, std::process::id(), "xmrig", "denied", "guard: own-process"),
        (&session, 4_000_003, "sshd", "denied", "excepts sshd"),
        (&session, 4_000_002, "/tmp/xmrig", "invalid-input", "without its folders"),
        (&session, 4_000_002, "", "invalid-input", "without its folders"),
        (&ungranted, 4_000_002, "xmrig", "denied", "<process names"),
        (&keys, 4_000_002, "xmrig", "denied", "`keys`"),
    ] {
        let refusal = caps.processes().kill(session, process, name).await.unwrap_err();
        assert_eq!((refusal.kind, refusal.retry), (kind, false), "{process} {name}");
        assert!(refusal.message.contains(words), "{process} {name}: {refusal}");
    }
    assert_eq!(caps.processes().running(&session, "sshd").await.unwrap_err().kind, "denied");
    assert_eq!(table.killed(), [4_000_001]);
}

#[tokio::test]
async fn shadow_says_what_it_would_do() {
    let (units, table, caps) = bench();
    let shadow = Session { mode: Mode::Shadow, entry: None, ..session() };
    assert_eq!(caps.services().restart(&shadow, "a.service").await, Ok(()));
    assert_eq!(caps.services().start(&shadow, "a.service").await, Ok(false));
    assert_eq!(caps.processes().kill(&shadow, 4_000_001, "xmrig").await, Ok(true));
    assert_eq!(caps.processes().kill(&shadow, 4_000_009, "xmrig").await, Ok(false));
    let done = |interface, target: &str| WouldBe::Done(Effect { interface, target: target.to_owned() });
    assert_eq!(
        shadow.record.recorded(),
        [
            done("services", "restart a.service"),
            done("services", "start a.service"),
            done("processes", "kill 4000001 xmrig"),
            done("processes", "kill 4000009 xmrig"),
        ]
    );
    // An engine that is in shadow as a whole has nothing to look with.
    units.refuse(Some(Refusal::unavailable("in shadow")));
    table.refuse(Some(Refusal::unavailable("in shadow")));
    assert_eq!(caps.services().restart(&shadow, "a.service").await, Ok(()));
    assert_eq!(caps.services().stop(&shadow, "a.service").await, Ok(true));
    assert_eq!(caps.services().active(&shadow, "a.service").await, Ok(false));
    assert_eq!(caps.processes().kill(&shadow, 4_000_001, "xmrig").await, Ok(true));
    assert_eq!(caps.processes().running(&shadow, "xmrig").await, Ok(Vec::new()));
    assert_eq!(caps.services().active(&session(), "a.service").await.unwrap_err().kind, "unavailable");
    assert!(units.done().is_empty() && table.killed().is_empty());
}
