//! Which backend a target goes to.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use riposte_policy::config::Mode;
use riposte_policy::grant::{Established, FirewallGrant, Grants};
use riposte_policy::order::EntryId;

use super::*;
use crate::claim::{Effect, Memory};
use crate::firewall::fake::Fake;
use crate::{Backends, Capabilities, Guard, Phase, Recorder, Repaired, Session};

/// Two backends that remember.
struct Bench {
    claims: Arc<Memory>,
    fakes: [Arc<Fake>; 2],
}

impl Bench {
    fn new() -> Self {
        let claims = Arc::new(Memory::default());
        let fakes = [0, 1].map(|_| Arc::new(Fake::new(Arc::clone(&claims) as Arc<dyn Claims>)));
        Self { claims, fakes }
    }

    /// The host with nftables or iptables as its choice.
    fn capabilities(&self, chosen: FirewallBackend) -> Capabilities {
        let [nftables, iptables] = &self.fakes;
        let given: Vec<(FirewallBackend, Arc<dyn Backend>)> = vec![
            (FirewallBackend::Nftables, Arc::clone(nftables) as Arc<dyn Backend>),
            (FirewallBackend::Iptables, Arc::clone(iptables) as Arc<dyn Backend>),
        ];
        let claims = Arc::clone(&self.claims) as Arc<dyn Claims>;
        let firewalls = Firewalls::with(Arc::clone(&claims), chosen, given);
        Capabilities::new(claims, Backends::only_firewall(Arc::new(firewalls)), Arc::new(Guard::new()))
    }

    fn blocked(&self) -> [Vec<String>; 2] {
        [0, 1].map(|n: usize| self.fakes[n].blocked())
    }
}

fn session(entry: i64, firewall: FirewallGrant) -> Session {
    Session {
        offence: 1,
        command: "test".into(),
        tenant: "default".into(),
        entry: Some(EntryId(entry)),
        phase: Phase::Effects,
        mode: Mode::Enforce,
        grants: Arc::new(Grants { firewall: Some(firewall), ..Grants::default() }),
        record: Recorder::default(),
    }
}

fn none() -> Vec<String> {
    Vec::new()
}

#[tokio::test]
async fn the_grant_names_it_or_the_settings_do() {
    let bench = Bench::new();
    let caps = bench.capabilities(FirewallBackend::Nftables);
    let iptables = FirewallGrant { backend: Some(FirewallBackend::Iptables), ..FirewallGrant::default() };
    caps.firewall().block(&session(1, FirewallGrant::default()), "192.0.2.7").await.unwrap();
    caps.firewall().block(&session(2, iptables), "192.0.2.7").await.unwrap();
    assert_eq!(bench.blocked(), [vec!["drop 192.0.2.7"], vec!["iptables:drop 192.0.2.7"]]);
}

#[tokio::test]
async fn what_is_in_force_is_undone_by_what_made_it_after_the_setting_changed() {
    let bench = Bench::new();
    let session = session(1, FirewallGrant::default());
    let before = bench.capabilities(FirewallBackend::Iptables);
    before.firewall().block(&session, "192.0.2.7").await.unwrap();
    before.firewall().block(&session, "192.0.2.8").await.unwrap();
    let after = bench.capabilities(FirewallBackend::Nftables);
    // The start repairs by the backend that is recorded, chosen or not.
    bench.fakes[1].meddle(&target("iptables:drop 192.0.2.8"), false);
    assert_eq!(after.repair(&bench.claims.held()).await, Ok(Repaired { written: 1, removed: 0 }));
    assert_eq!(after.firewall().blocked(&session, "192.0.2.7").await, Ok(true));
    assert_eq!(after.firewall().unblock(&session, "192.0.2.7").await, Ok(true));
    assert_eq!(bench.blocked(), [none(), vec!["iptables:drop 192.0.2.8".to_owned()]]);
    // And so does the engine itself, from the record alone.
    let effect = Capabilities::recorded("firewall", "iptables:drop 192.0.2.8").unwrap();
    assert_eq!(after.reverse(EntryId(1), &effect).await, Ok(true));
    assert_eq!(bench.blocked(), [none(), none()]);
    assert!(bench.claims.held().is_empty());
}

#[tokio::test]
async fn what_this_host_lacks_is_refused_before_anything_is_claimed() {
    let bench = Bench::new();
    let caps = bench.capabilities(FirewallBackend::Nftables);
    for (kind, words) in
        [(FirewallBackend::Pf, "pf does not block on this system"), (FirewallBackend::Netsh, "netsh")]
    {
        let session = session(1, FirewallGrant { backend: Some(kind), ..FirewallGrant::default() });
        let refusal = caps.firewall().block(&session, "192.0.2.7").await.unwrap_err();
        assert_eq!(refusal.kind, "unsupported");
        assert!(refusal.message.contains(words), "{refusal}");
        // The undo of the failed add has nothing to do, and says so.
        assert_eq!(caps.firewall().unblock(&session, "192.0.2.7").await, Ok(false));
    }
    assert!(bench.claims.held().is_empty());
}

#[tokio::test]
async fn a_backend_that_cannot_be_read_does_not_hide_the_others() {
    let bench = Bench::new();
    let caps = bench.capabilities(FirewallBackend::Nftables);
    let iptables = FirewallGrant { backend: Some(FirewallBackend::Iptables), ..FirewallGrant::default() };
    caps.firewall().block(&session(1, iptables), "192.0.2.7").await.unwrap();
    caps.firewall().block(&session(2, FirewallGrant::default()), "192.0.2.8").await.unwrap();
    bench.fakes[0].meddle(&target("drop 192.0.2.8"), false);
    bench.fakes[1].refuse(Some(Refusal::unavailable("gone")));
    assert_eq!(caps.repair(&bench.claims.held()).await.unwrap_err().message, "gone");
    assert_eq!(bench.blocked()[0], ["drop 192.0.2.8"], "repaired all the same");
}

#[tokio::test]
async fn a_host_without_any_says_so_once_and_the_first_that_works_blocks() {
    let bench = Bench::new();
    let (claims, ipset) =
        (Arc::clone(&bench.claims) as Arc<dyn Claims>, Fake::new(Arc::clone(&bench.claims) as _));
    let [nftables, iptables] = bench.fakes.clone();
    let all = [Arc::clone(&nftables), Arc::new(ipset), Arc::clone(&iptables)];
    let gone = Refusal::unavailable("it is not in this kernel");
    all.iter().for_each(|fake| fake.refuse(Some(gone.clone())));
    let kinds = [FirewallBackend::Nftables, FirewallBackend::Ipset, FirewallBackend::Iptables];
    let given = kinds.into_iter().zip(all).map(|(kind, fake)| (kind, fake as Arc<dyn Backend>)).collect();
    let firewalls = Arc::new(Firewalls::with(Arc::clone(&claims), FirewallBackend::Nftables, given));
    firewalls.choice().is_open = true;
    let backends = Backends::only_firewall(Arc::clone(&firewalls) as Arc<dyn Backend>);
    let caps = Capabilities::new(claims, backends, Arc::new(Guard::new()));
    let said = Arc::<Said>::default();
    let _quiet = tracing::subscriber::set_default(Arc::clone(&said));

    // Nothing is claimed: nothing is wrong, whatever cannot be read.
    for _ in 0..3 {
        assert_eq!(caps.repair(&[]).await, Ok(Repaired::default()));
        assert!(caps.owes_blocks(), "it is looked at again");
    }
    assert_eq!(said.warnings(), 1);
    assert_eq!(firewalls.probe().await.unwrap_err().message, gone.message, "what `status` shows");

    // Another one than was taken for granted appears, and is found within a minute.
    iptables.refuse(None);
    for _ in 0..SELDOM {
        let _ = caps.repair(&[]).await;
    }
    assert_eq!((firewalls.chosen(), caps.owes_blocks()), (FirewallBackend::Iptables, false));
    firewalls.probe().await.unwrap();
    assert_eq!(firewalls.passed_over()[0].why, gone.message);
    caps.firewall().block(&session(2, FirewallGrant::default()), "192.0.2.8").await.unwrap();
    assert_eq!(bench.blocked()[1], ["iptables:drop 192.0.2.8"]);
    assert_eq!(said.warnings(), 1);

    // It goes for a while, which is news, and so is when it goes once more.
    for again in 1..3 {
        iptables.refuse(Some(gone.clone()));
        for _ in 0..3 {
            assert!(caps.repair(&bench.claims.held()).await.is_err());
        }
        assert_eq!(said.warnings(), 1 + again);
        iptables.refuse(None);
        assert!(caps.repair(&bench.claims.held()).await.is_ok() && !caps.owes_blocks());
    }
}

/// Counts warnings.
#[derive(Default)]
struct Said(AtomicU32);

impl Said {
    fn warnings(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl tracing::Subscriber for Said {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        if *event.metadata().level() == tracing::Level::WARN {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_cut_follows_a_block_where_the_grant_says_so() {
    let bench = Bench::new();
    let caps = Capabilities::new(
        Arc::clone(&bench.claims) as Arc<dyn Claims>,
        Backends::only_firewall(Arc::clone(&bench.fakes[0]) as Arc<dyn Backend>),
        Arc::new(Guard::new()),
    );
    let cut = FirewallGrant { established: Established::Cut, ..FirewallGrant::default() };
    caps.firewall().block(&session(1, FirewallGrant::default()), "192.0.2.7").await.unwrap();
    assert_eq!(bench.fakes[0].cuts(), none());
    let shadow = Session { mode: Mode::Shadow, ..session(2, cut.clone()) };
    caps.firewall().block(&shadow, "192.0.2.8").await.unwrap();
    assert_eq!(bench.fakes[0].cuts(), none());
    caps.firewall().block(&session(2, cut), "192.0.2.8").await.unwrap();
    assert_eq!(bench.fakes[0].cuts(), ["192.0.2.8"]);
}

#[cfg(target_os = "linux")]
#[test]
fn nftables_comes_first_and_the_others_say_why_not() {
    crate::namespace::within(async || {
        let claims = Arc::new(Memory::default()) as Arc<dyn Claims>;
        let firewalls = Firewalls::of_this_host(Arc::clone(&claims), None);
        assert_eq!(firewalls.chosen(), FirewallBackend::Nftables);
        let others: Vec<_> = firewalls.passed_over().iter().map(|other| other.backend).collect();
        assert_eq!(others, [FirewallBackend::Ipset, FirewallBackend::Iptables, FirewallBackend::Firewalld]);
        firewalls.probe().await.unwrap();
        let wanted = Firewalls::of_this_host(claims, Some(FirewallBackend::Ipset));
        assert_eq!(wanted.chosen(), FirewallBackend::Ipset);
        wanted.probe().await.unwrap();
        assert!(wanted.works(FirewallBackend::Ipset).is_ok());
    });
}

fn target(text: &str) -> Target {
    Target::try_from(&Effect { interface: crate::firewall::INTERFACE, target: text.to_owned() }).unwrap()
}
