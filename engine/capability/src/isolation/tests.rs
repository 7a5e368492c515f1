//! The calls on the fake, and the kernel's own doing between two machines.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use riposte_policy::config::Mode;
use riposte_policy::grant::{Confirm, Grants};
use riposte_policy::order::EntryId;

use super::fake::Fake;
use super::*;
use crate::claim::{Claims, Effect, Memory, Standing};
use crate::confirm::tests::Scripted;
use crate::{Backends, Capabilities, Guard, Phase, Recorder, Refusal, Session};

struct Bench {
    claims: Arc<Memory>,
    fake: Arc<Fake>,
    probe: Arc<Scripted>,
    caps: Capabilities,
}

fn bench() -> Bench {
    let (claims, fake, probe) =
        (Arc::new(Memory::default()), Arc::new(Fake::default()), Arc::new(Scripted::default()));
    let rest = Backends::unavailable(&Refusal::unsupported("not here"));
    let backends = Backends { isolation: Arc::clone(&fake) as Arc<dyn crate::held::Backend>, ..rest };
    let caps = Capabilities::new(Arc::clone(&claims) as Arc<dyn Claims>, backends, Arc::new(Guard::new()))
        .with_probe(Arc::clone(&probe) as Arc<dyn crate::confirm::Probe>);
    Bench { claims, fake, probe, caps }
}

fn session(entry: i64, allow: &[&str], confirm: Confirm) -> Session {
    let allow = allow.iter().map(|network| network.parse().unwrap()).collect();
    Session {
        offence: 1,
        command: "test".into(),
        tenant: "default".into(),
        entry: Some(EntryId(entry)),
        phase: Phase::Effects,
        mode: Mode::Enforce,
        grants: Arc::new(Grants { isolation: Some(IsolationGrant { allow, confirm }), ..Grants::default() }),
        record: Recorder::default(),
    }
}

fn host() -> Effect {
    Effect { interface: INTERFACE, target: "host".to_owned() }
}

#[test]
fn one_spelling_for_what_is_allowed() {
    let grant = |allow: &[&str]| IsolationGrant {
        allow: allow.iter().map(|network| network.parse().unwrap()).collect(),
        confirm: Confirm::None,
    };
    assert_eq!(target(&grant(&[])), "host");
    let spelt = target(&grant(&["2001:db8::1", "192.0.2.10", "192.0.2.0/24", "192.0.2.10"]));
    assert_eq!(spelt, "host but 192.0.2.0/24 2001:db8::1");
    #[cfg(target_os = "linux")]
    {
        assert_eq!(allowed(&spelt).unwrap().len(), 2);
        assert_eq!((allowed("host"), allowed("hosts"), allowed("host but x")), (Some(vec![]), None, None));
    }
}

#[tokio::test]
async fn isolated_confirmed_and_released() {
    let Bench { claims, fake, probe, caps } = bench();
    let session = session(1, &[], Confirm::Gateway);
    assert_eq!(caps.isolation().isolated(&session).await, Ok(false));
    assert_eq!(caps.isolation().isolate(&session).await, Ok(true));
    assert_eq!(caps.isolation().isolate(&session).await, Ok(false));
    assert_eq!(caps.isolation().isolated(&session).await, Ok(true));
    assert_eq!((fake.isolations(), claims.held()), (vec!["host".to_owned()], vec![host()]));
    assert_eq!(*probe.asked.lock().unwrap(), [Confirm::Gateway, Confirm::Gateway]);
    assert_eq!(caps.isolation().release(&session).await, Ok(true));
    assert_eq!(caps.isolation().release(&session).await, Ok(false));
    assert!(fake.isolations().is_empty() && claims.held().is_empty());
}

#[tokio::test]
async fn silence_undoes_it_at_once() {
    let Bench { claims, fake, probe, caps } = bench();
    *probe.silent.lock().unwrap() = Some("the gateway (192.0.2.1) does not answer on its link".to_owned());
    let refusal = caps.isolation().isolate(&session(1, &[], Confirm::Gateway)).await.unwrap_err();
    assert_eq!(
        refusal,
        Refusal::failed(
            "host: the gateway (192.0.2.1) does not answer on its link; this response gave it up at once"
        )
    );
    assert_eq!(fake.calls(), ["make host", "restore host"]);
    assert!(claims.held().is_empty());
    // Another response's isolation is not ended by the silence after this one.
    *probe.silent.lock().unwrap() = None;
    caps.isolation().isolate(&session(1, &[], Confirm::None)).await.unwrap();
    *probe.silent.lock().unwrap() = Some("silence".to_owned());
    assert!(caps.isolation().isolate(&session(2, &[], Confirm::Gateway)).await.is_err());
    assert_eq!((fake.isolations(), claims.held()), (vec!["host".to_owned()], vec![host()]));
}

#[tokio::test]
async fn refusals_name_what_is_missing_and_leave_no_trace() {
    let Bench { claims, fake, probe, caps } = bench();
    let good = session(1, &[], Confirm::Manager);
    let ungranted = Session { grants: Arc::default(), ..good.clone() };
    let keys = Session { phase: Phase::Keys, entry: None, ..good.clone() };
    for (session, kind, words) in [
        (&good, "unavailable", "<manager>"),
        (&ungranted, "denied", "<isolation/>"),
        (&keys, "denied", "`keys`"),
    ] {
        let refusal = caps.isolation().isolate(session).await.unwrap_err();
        assert!(refusal.kind == kind && refusal.message.contains(words), "{refusal}");
    }
    assert_eq!(caps.isolation().release(&ungranted).await.unwrap_err().kind, "denied");
    assert_eq!(caps.isolation().isolated(&keys).await.unwrap_err().kind, "denied");
    assert!(fake.calls().is_empty() && claims.held().is_empty() && probe.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn shadow_and_due_times_and_starts() {
    let Bench { claims, fake, caps, .. } = bench();
    let shadow = Session { mode: Mode::Shadow, entry: None, ..session(1, &[], Confirm::Gateway) };
    assert_eq!(caps.isolation().isolate(&shadow).await, Ok(true));
    assert_eq!(caps.isolation().isolated(&shadow).await, Ok(true));
    assert!(fake.calls().is_empty());
    caps.isolation().isolate(&session(1, &[], Confirm::None)).await.unwrap();
    caps.settle(&[host()]).await.unwrap();
    // A start finds it gone, and makes it again.
    fake.forget("host");
    let _ = caps.repair(&claims.held()).await;
    assert_eq!(fake.calls(), ["make host", "settle host", "make host"]);
    // One that nobody holds is taken away.
    claims.set(EntryId(1), &host(), Standing::Free);
    let _ = caps.repair(&[]).await;
    assert_eq!(fake.calls().split_off(3), ["remove host"]);
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
    use std::time::Duration;

    use riposte_policy::config::Guarding;

    use super::*;
    use crate::isolation::nftables::Nftables;
    use crate::namespace::{Cable, within};

    struct Host {
        cable: Cable,
        claims: Arc<Memory>,
        caps: Capabilities,
    }

    /// Two machines; on the other one a manager and an attacker.
    fn host() -> Host {
        let cable = Cable::new("192.0.2.1/24", "192.0.2.10/24");
        cable.add("2001:db8::1/64", "2001:db8::10/64");
        for other in ["192.0.2.66/24", "2001:db8::66/64"] {
            cable.add("192.0.2.3/32", other);
            cable.here(&["addr", "del", "192.0.2.3/32", "dev", "here"]);
        }
        let claims = Arc::new(Memory::default());
        let guard = Arc::new(Guard::new());
        guard.set(Guarding {
            managers: vec!["192.0.2.10".to_owned(), "2001:db8::10".to_owned()],
            ..Guarding::default()
        });
        let nftables = Nftables::open(Arc::clone(&claims) as Arc<dyn Claims>, Arc::clone(&guard)).unwrap();
        let rest = Backends::unavailable(&Refusal::unsupported("not here"));
        let caps = Capabilities::new(
            Arc::clone(&claims) as Arc<dyn Claims>,
            Backends { isolation: Arc::new(nftables), ..rest },
            Arc::clone(&guard),
        )
        .with_probe(Arc::new(crate::confirm::Network::new(guard)));
        Host { cable, claims, caps }
    }

    impl Host {
        /// Whether a datagram from here arrives at the other machine.
        fn sends(&self, to: &str) -> bool {
            let to: SocketAddr = to.parse().unwrap();
            let there =
                self.cable.over_there(move || UdpSocket::bind(to).unwrap_or_else(|e| panic!("{to}: {e}")));
            let here = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).unwrap();
            // The kernel answers for a packet that it drops on its way out.
            let sent = here.send_to(b"x", to).is_ok();
            there.set_nonblocking(true).unwrap();
            sent && until_read(&there)
        }

        /// Whether a datagram from the other machine arrives here.
        fn hears(&self, from: &str, here: &str) -> bool {
            let listening = UdpSocket::bind(here).unwrap();
            let (from, here): (SocketAddr, SocketAddr) = (from.parse().unwrap(), here.parse().unwrap());
            let marker = listening.local_addr().unwrap();
            assert_eq!(marker, here);
            self.cable.over_there(move || {
                let there = UdpSocket::bind(from).unwrap();
                let _ = there.send_to(b"x", here);
            });
            listening.set_nonblocking(true).unwrap();
            listening.recv_from(&mut [0; 8]).is_ok()
        }
    }

    /// A pair of virtual interfaces delivers while the sender sends; only what
    /// waits for a neighbour's address comes later.
    fn until_read(socket: &UdpSocket) -> bool {
        socket.set_nonblocking(false).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket.recv_from(&mut [0; 8]).is_ok()
    }

    #[test]
    fn the_manager_is_reached_and_nobody_else() {
        within(async || {
            let host = host();
            let manager = host.cable.over_there(|| TcpListener::bind("192.0.2.10:1514").unwrap());
            let open =
                || TcpStream::connect_timeout(&"192.0.2.10:1514".parse().unwrap(), Duration::from_secs(5));
            // Neighbours are known before, so that silence below is the firewall's.
            for to in ["192.0.2.10:9", "192.0.2.66:9", "[2001:db8::10]:9", "[2001:db8::66]:9"] {
                assert!(host.sends(to), "{to}");
            }
            assert!(
                host.hears("192.0.2.66:9", "192.0.2.1:9")
                    && host.hears("[2001:db8::66]:9", "[2001:db8::1]:9")
            );
            let session = session(1, &[], Confirm::Manager);
            assert_eq!(host.caps.isolation().isolate(&session).await, Ok(true));
            assert!(open().is_ok());
            for (to, reached) in [
                ("192.0.2.10:9", true),
                ("[2001:db8::10]:9", true),
                ("192.0.2.66:9", false),
                ("[2001:db8::66]:9", false),
            ] {
                let sent = UdpSocket::bind(if to.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" })
                    .unwrap()
                    .send_to(b"x", to);
                assert_eq!(sent.is_ok(), reached, "{to}: {sent:?}");
            }
            assert!(host.hears("192.0.2.10:9", "192.0.2.1:9"));
            assert!(!host.hears("192.0.2.66:9", "192.0.2.1:9"));
            assert!(!host.hears("[2001:db8::66]:9", "[2001:db8::1]:9"));
            // Loopback, and a neighbour that has to be found again.
            assert!(UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", "127.0.0.1:9").is_ok());
            host.cable.here(&["neigh", "flush", "all"]);
            assert!(host.sends("[2001:db8::10]:9"));
            host.cable.there(&["neigh", "flush", "all"]);
            assert!(host.hears_later("[2001:db8::10]:9", "[2001:db8::1]:9"));
            assert_eq!(host.caps.isolation().release(&session).await, Ok(true));
            assert_eq!(host.caps.isolation().release(&session).await, Ok(false));
            for to in ["192.0.2.66:9", "[2001:db8::66]:9"] {
                assert!(host.sends(to), "{to}");
            }
            drop(manager);
        });
    }

    impl Host {
        fn hears_later(&self, from: &str, here: &str) -> bool {
            let listening = UdpSocket::bind(here).unwrap();
            let (from, here): (SocketAddr, SocketAddr) = (from.parse().unwrap(), here.parse().unwrap());
            self.cable.over_there(move || {
                let there = UdpSocket::bind(from).unwrap();
                let _ = there.send_to(b"x", here);
            });
            until_read(&listening)
        }
    }

    #[test]
    fn what_the_grant_allows_is_reached_too_and_two_isolations_meet() {
        within(async || {
            let host = host();
            let (one, two) =
                (session(1, &["192.0.2.64/26"], Confirm::None), session(2, &["192.0.2.66"], Confirm::None));
            let reaches = |to: &str| UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"x", to).is_ok();
            host.caps.isolation().isolate(&one).await.unwrap();
            assert!(reaches("192.0.2.66:9") && reaches("192.0.2.67:9") && !reaches("192.0.2.128:9"));
            host.caps.isolation().isolate(&two).await.unwrap();
            assert!(reaches("192.0.2.66:9") && !reaches("192.0.2.67:9") && reaches("192.0.2.10:9"));
            host.caps.isolation().release(&two).await.unwrap();
            assert!(reaches("192.0.2.67:9") && !reaches("192.0.2.128:9"));
            host.caps.isolation().release(&one).await.unwrap();
            assert!(reaches("192.0.2.128:9"));
        });
    }

    #[test]
    fn the_kernel_ends_it_when_no_engine_does() {
        within(async || {
            let host = host();
            let reaches = || UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"x", "192.0.2.66:9").is_ok();
            let session = session(1, &[], Confirm::None);
            host.caps.isolation().isolate(&session).await.unwrap();
            assert!(!reaches());
            // The kernel gets two seconds more than this.
            host.claims.set(EntryId(1), &super::host(), Standing::For(Duration::from_millis(1)));
            host.caps.settle(&[super::host()]).await.unwrap();
            assert!(!reaches());
            while !reaches() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "it plays the administrator")]
    fn a_table_that_lets_pass_is_made_again() {
        within(async || {
            let host = host();
            let reaches = |to: &str| UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"x", to).is_ok();
            let session = session(1, &[], Confirm::None);
            host.caps.isolation().isolate(&session).await.unwrap();
            let touched = crate::Touched { isolation: true, ..crate::Touched::default() };
            let compare = async || {
                let (mended, outcome) = host.caps.compare(&touched, &[super::host()]).await;
                outcome.unwrap();
                mended.repaired.written
            };
            assert_eq!(compare().await, 0);
            for line in [
                "flush chain inet riposte-isolation output",
                "insert rule inet riposte-isolation output accept",
                "flush set inet riposte-isolation isolated",
                "flush table inet riposte-isolation",
                "add table inet riposte-isolation { flags dormant; }",
            ] {
                let status = std::process::Command::new("nft").args(line.split(' ')).status().unwrap();
                assert!(status.success(), "{line}");
                assert!(reaches("192.0.2.66:9"), "{line}");
                assert_eq!(compare().await, 1, "{line}");
                assert!(!reaches("192.0.2.66:9") && reaches("192.0.2.10:9"), "{line}");
                assert_eq!(compare().await, 0, "{line}");
            }
        });
    }

    #[test]
    fn who_is_let_through_stays_so_and_new_managers_join() {
        within(async || {
            let host = host();
            let reaches = |to: &str| UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"x", to).is_ok();
            let session = session(1, &[], Confirm::None);
            host.caps.isolation().isolate(&session).await.unwrap();
            let manager = |managers: &[&str]| {
                let managers = managers.iter().map(|one| (*one).to_owned()).collect();
                host.caps.guard().set(Guarding { managers, ..Guarding::default() });
            };
            // The manager is not known now, as when its connection is down.
            manager(&[]);
            host.caps.settle(&[super::host()]).await.unwrap();
            assert!(reaches("192.0.2.10:9") && !reaches("192.0.2.66:9"));
            manager(&["192.0.2.10", "192.0.2.66"]);
            host.caps.settle(&[super::host()]).await.unwrap();
            assert!(reaches("192.0.2.10:9") && reaches("192.0.2.66:9") && !reaches("192.0.2.67:9"));
            // Nor is anybody shut out by the same response once more.
            manager(&[]);
            host.caps.isolation().isolate(&session).await.unwrap();
            assert!(reaches("192.0.2.10:9") && reaches("192.0.2.66:9") && !reaches("192.0.2.67:9"));
            host.caps.isolation().release(&session).await.unwrap();
            assert!(reaches("192.0.2.67:9"));
        });
    }

    #[test]
    fn a_silent_manager_ends_it_at_once() {
        within(async || {
            let host = host();
            let reaches = || UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"x", "192.0.2.66:9").is_ok();
            let refusal =
                host.caps.isolation().isolate(&session(1, &[], Confirm::Manager)).await.unwrap_err();
            assert!(
                refusal.message.starts_with("host: the manager (192.0.2.10, 2001:db8::10) did not answer: ")
            );
            assert!(refusal.message.ends_with("; this response gave it up at once"), "{refusal}");
            assert!(reaches() && host.claims.held().is_empty());
        });
    }
}
