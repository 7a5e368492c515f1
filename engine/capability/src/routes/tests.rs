//! The calls on a fake, and the routes of a kernel in a network namespace.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use riposte_policy::config::Mode;
use riposte_policy::grant::{Grants, RouteGrant};
use riposte_policy::order::EntryId;

use super::fake::Fake;
use super::*;
use crate::claim::{Effect, Memory};
use crate::{
    Backends, Capabilities, Claims, Guard, Phase, Recorder, Refusal, Repaired, Session, WouldBe, held,
};

fn capabilities(claims: &Arc<Memory>, routes: Arc<dyn held::Backend>) -> Capabilities {
    let why = Refusal::unsupported("not in this test");
    let fake = crate::firewall::fake::Fake::new(Arc::clone(claims) as Arc<dyn Claims>);
    let backends = Backends { routes, firewall: Arc::new(fake), ..Backends::unavailable(&why) };
    Capabilities::new(Arc::clone(claims) as Arc<dyn Claims>, backends, Arc::new(Guard::new()))
}

fn session(entry: i64) -> Session {
    let routes = RouteGrant { widest4: 24, widest6: 48, ..RouteGrant::default() };
    Session {
        offence: 1,
        command: "test".into(),
        tenant: "default".into(),
        entry: Some(EntryId(entry)),
        phase: Phase::Effects,
        mode: Mode::Enforce,
        grants: Arc::new(Grants { routes: Some(routes), ..Grants::default() }),
        record: Recorder::default(),
    }
}

fn effect(target: &str) -> Effect {
    Effect { interface: INTERFACE, target: target.to_owned() }
}

#[tokio::test]
async fn a_route_is_claimed_made_and_taken_back_by_the_last() {
    let (claims, fake) = (Arc::new(Memory::default()), Arc::new(Fake::default()));
    let caps = capabilities(&claims, Arc::clone(&fake) as Arc<dyn held::Backend>);
    let (one, two) = (session(1), session(2));
    assert_eq!(caps.routes().blackhole(&one, "::ffff:192.0.2.7").await, Ok(true));
    assert_eq!(caps.routes().blackhole(&one, "192.0.2.7").await, Ok(false));
    assert_eq!(caps.routes().blackhole(&two, "192.0.2.7").await, Ok(false));
    assert_eq!(caps.routes().blackhole(&two, "198.51.100.9/24").await, Ok(true));
    assert_eq!(fake.routes(), ["192.0.2.7", "198.51.100.0/24"]);
    assert_eq!(caps.routes().blackholed(&one, "198.51.100.77").await, Ok(true));
    assert_eq!(caps.routes().blackholed(&one, "198.51.101.77").await, Ok(false));
    assert_eq!(caps.routes().restore(&one, "192.0.2.7").await, Ok(true));
    assert_eq!(fake.routes().len(), 2);
    assert_eq!(caps.routes().restore(&two, "192.0.2.7").await, Ok(true));
    assert_eq!(caps.routes().restore(&two, "192.0.2.7").await, Ok(false));
    assert_eq!(fake.routes(), ["198.51.100.0/24"]);
}

#[tokio::test]
async fn refusals_name_what_stands_in_the_way_and_leave_no_trace() {
    let (claims, fake) = (Arc::new(Memory::default()), Arc::new(Fake::default()));
    let caps = capabilities(&claims, Arc::clone(&fake) as Arc<dyn held::Backend>);
    let good = session(1);
    let ungranted = Session { grants: Arc::default(), ..good.clone() };
    let keys = Session { phase: Phase::Keys, entry: None, ..good.clone() };
    for (session, address, kind, words) in [
        (&good, "", "invalid-input", "is not an IP address"),
        (&good, "0300.0.2.7", "invalid-input", "is not an IP address"),
        (&good, "192.0.2.0/23", "denied", "widest4=\"24\""),
        (&good, "2001:db8::/47", "denied", "widest6=\"48\""),
        (&good, "127.0.0.1", "denied", "guard: loopback"),
        (&ungranted, "192.0.2.7", "denied", "<route/>"),
        (&keys, "192.0.2.7", "denied", "`keys`"),
    ] {
        let refusal = caps.routes().blackhole(session, address).await.unwrap_err();
        assert_eq!(refusal.kind, kind, "{address}");
        assert!(refusal.message.contains(words), "{address}: {refusal}");
    }
    for call in [&ungranted, &keys] {
        assert_eq!(caps.routes().restore(call, "192.0.2.7").await.unwrap_err().kind, "denied");
        assert_eq!(caps.routes().blackholed(call, "192.0.2.7").await.unwrap_err().kind, "denied");
    }
    assert!(fake.calls().is_empty() && claims.held().is_empty());
}

#[tokio::test]
async fn what_a_process_left_goes_by_its_mark_and_what_another_holds_stays() {
    let (claims, fake) = (Arc::new(Memory::default()), Arc::new(Fake::default()));
    let caps = capabilities(&claims, Arc::clone(&fake) as Arc<dyn held::Backend>);
    fake.meddle("192.0.2.7", true);
    assert_eq!(caps.routes().restore(&session(1), "192.0.2.7").await, Ok(true));
    assert_eq!(caps.routes().restore(&session(1), "192.0.2.7").await, Ok(false));
    assert!(fake.routes().is_empty());
    caps.routes().blackhole(&session(2), "192.0.2.8").await.unwrap();
    assert_eq!(caps.routes().restore(&session(1), "192.0.2.8").await, Ok(false));
    assert_eq!(fake.routes(), ["192.0.2.8"]);
}

#[tokio::test]
async fn shadow_routes_nothing_and_believes_it() {
    let (claims, fake) = (Arc::new(Memory::default()), Arc::new(Fake::default()));
    let caps = capabilities(&claims, Arc::clone(&fake) as Arc<dyn held::Backend>);
    let shadow = Session { mode: Mode::Shadow, entry: None, ..session(1) };
    assert_eq!(caps.routes().blackhole(&shadow, "192.0.2.7").await, Ok(true));
    assert_eq!(caps.routes().blackholed(&shadow, "192.0.2.7").await, Ok(true));
    assert_eq!(shadow.record.recorded(), [WouldBe::Made(effect("192.0.2.7"))]);
    assert!(fake.calls().is_empty() && claims.held().is_empty());
}

#[tokio::test]
async fn repair_makes_what_is_missing_and_takes_what_nobody_claims() {
    let (claims, fake) = (Arc::new(Memory::default()), Arc::new(Fake::default()));
    let caps = capabilities(&claims, Arc::clone(&fake) as Arc<dyn held::Backend>);
    caps.routes().blackhole(&session(1), "192.0.2.7").await.unwrap();
    caps.routes().blackhole(&session(1), "192.0.2.8").await.unwrap();
    fake.meddle("192.0.2.7", false);
    fake.meddle("192.0.2.9", true);
    assert_eq!(caps.repair(&claims.held()).await, Ok(Repaired { written: 1, removed: 1 }));
    assert_eq!(fake.routes(), ["192.0.2.7", "192.0.2.8"]);
    assert_eq!(caps.repair(&claims.held()).await, Ok(Repaired::default()));
    // A host that cannot be read is said, when something is claimed of it.
    fake.refuse(Some(Refusal::unavailable("gone")));
    assert_eq!(caps.repair(&claims.held()).await.unwrap_err().message, "gone");
    assert_eq!(caps.repair(&[]).await, Ok(Repaired::default()));
}

#[cfg(target_os = "linux")]
mod in_the_kernel {
    use std::net::UdpSocket;

    use super::super::kernel::Kernel;
    use super::*;
    use crate::held::Backend;
    use crate::namespace;
    use crate::netlink::{ACK, CREATE, Outbox, Socket};

    /// Whether this host would send something there.
    fn goes(to: &str) -> bool {
        let any = if to.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
        UdpSocket::bind(any).unwrap().connect((to, 9)).is_ok()
    }

    /// A route of an administrator's, to the loopback or to nowhere.
    fn route(prefix: &str, blackhole: bool, present: bool) {
        let prefix: riposte_policy::address::Prefix = prefix.parse().unwrap();
        let (family, octets) = match prefix.network().ip() {
            std::net::IpAddr::V4(v4) => (2, v4.octets().to_vec()),
            std::net::IpAddr::V6(v6) => (10, v6.octets().to_vec()),
        };
        let kind = if blackhole { 6 } else { 1 };
        let scope = if blackhole || family == 10 { 0 } else { 253 };
        let header = [family, prefix.length(), 0, 0, 254, 4, scope, kind, 0, 0, 0, 0];
        let mut socket = Socket::open(None).unwrap();
        let number = socket.numbers(1);
        let mut outbox = Outbox::default();
        let (message, flags) = if present { (24, CREATE) } else { (25, 0) };
        outbox.message(message, flags | ACK, number, &header, |m| {
            m.put(1, &octets);
            if !blackhole {
                m.put(4, &1u32.to_ne_bytes());
            }
        });
        socket.transact(&outbox, number, number).unwrap();
    }

    #[test]
    fn both_families_come_and_go() {
        namespace::within(async || {
            let kernel = Kernel::open().unwrap();
            for (target, inside) in [
                ("192.0.2.7", "192.0.2.7"),
                ("198.51.100.0/24", "198.51.100.200"),
                ("2001:db8::7", "2001:db8::7"),
                ("2001:db8:1::/48", "2001:db8:1::9"),
            ] {
                // A way there, without which nothing would go anyway.
                route(if inside.contains(':') { "2001:db8::/32" } else { "0.0.0.0/1" }, false, true);
                if !inside.contains(':') {
                    route("128.0.0.0/1", false, true);
                }
                assert!(goes(inside), "{target}");
                assert_eq!(kernel.prior(target).await.unwrap(), "none");
                assert_eq!(kernel.make(target).await, Ok(true));
                assert_eq!(kernel.make(target).await, Ok(false));
                assert!(!goes(inside), "{target}");
                assert_eq!(kernel.list().await.unwrap(), [target]);
                kernel.restore(target, "none").await.unwrap();
                kernel.restore(target, "none").await.unwrap();
                assert!(goes(inside), "{target}");
                assert!(kernel.list().await.unwrap().is_empty());
                route(if inside.contains(':') { "2001:db8::/32" } else { "0.0.0.0/1" }, false, false);
                if !inside.contains(':') {
                    route("128.0.0.0/1", false, false);
                }
            }
        });
    }

    #[test]
    fn an_administrators_route_for_the_same_prefix_stays_and_gives_way() {
        namespace::within(async || {
            let kernel = Kernel::open().unwrap();
            for target in ["192.0.2.7", "2001:db8::7"] {
                route(target, false, true);
                assert!(goes(target));
                assert_eq!(kernel.make(target).await, Ok(true));
                assert!(!goes(target), "ours goes first: {target}");
                kernel.restore(target, "none").await.unwrap();
                assert!(goes(target), "theirs is still there: {target}");
                route(target, false, false);

                route(target, true, true);
                assert_eq!(kernel.prior(target).await.unwrap(), "blackhole");
                assert!(kernel.list().await.unwrap().is_empty(), "theirs is not ours");
                kernel.make(target).await.unwrap();
                assert_eq!(kernel.list().await.unwrap(), [target]);
                kernel.restore(target, "blackhole").await.unwrap();
                assert_eq!(kernel.prior(target).await.unwrap(), "blackhole", "theirs stays: {target}");
                route(target, true, false);
            }
        });
    }

    #[test]
    fn a_crash_between_claim_and_route_and_a_flush_are_repaired() {
        namespace::within(async || {
            let claims = Arc::new(Memory::default());
            let caps = capabilities(&claims, Arc::new(Kernel::open().unwrap()));
            let _free = claims.claim(EntryId(1), &effect("192.0.2.7"), Some("none")).await.unwrap();
            let kernel = Kernel::open().unwrap();
            kernel.make("2001:db8::9").await.unwrap();
            assert_eq!(caps.repair(&claims.held()).await, Ok(Repaired { written: 1, removed: 1 }));
            assert_eq!(kernel.list().await.unwrap(), ["192.0.2.7"]);
            assert_eq!(caps.reverse(EntryId(1), &effect("192.0.2.7")).await, Ok(true));
            assert!(kernel.list().await.unwrap().is_empty());
        });
    }
}
