//! Against the real programs, each test in a network namespace of its own, and
//! with both of the kernel's interfaces.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "tests are handed over whole, and the bus hands over values"
)]

use super::*;
use crate::claim::Memory;
use crate::firewall::testing::{Host, minutes, target};
use crate::{Repaired, namespace};
use riposte_policy::order::EntryId;

use crate::claim::Standing;

const ENTRY: EntryId = EntryId(1);

/// Runs a test once with each of the programs.
fn with_both(test: impl AsyncFn(Host) + Clone + Send + 'static) {
    for variant in ["-nft", "-legacy"] {
        let test = test.clone();
        namespace::within(async move || {
            let claims = Arc::new(Memory::default());
            let backend = open_as(variant, Arc::clone(&claims) as Arc<dyn Claims>).unwrap();
            test(Host::new(claims, backend, variant)).await;
        });
    }
}

#[test]
fn addresses_and_networks_come_and_go() {
    with_both(async |host| {
        host.backend.probe().await.unwrap();
        assert!(!host.saved(Family::V4).await.contains("riposte"), "a look changes nothing");
        let all = ["iptables:drop 192.0.2.7", "iptables:drop 2001:db8::7", "iptables:drop 198.51.100.0/24"];
        for text in all {
            host.hold(ENTRY, text, minutes(10)).await.unwrap();
            host.hold(ENTRY, text, minutes(10)).await.unwrap();
        }
        host.hold(ENTRY, "iptables:web-2 192.0.2.7", Standing::Permanent).await.unwrap();
        let mut expected: Vec<_> = all.into_iter().chain(["iptables:web-2 192.0.2.7"]).collect();
        expected.sort_unstable();
        assert_eq!(host.shown().await, expected);
        let saved = host.saved(Family::V4).await;
        let rules: Vec<&str> = saved.lines().filter(|line| line.starts_with("-A")).collect();
        let has = |rule: &str| rules.iter().filter(|line| **line == rule).count() == 1;
        for hook in ["INPUT", "FORWARD"] {
            assert!(has(&format!("-A {hook} -m comment --comment riposte -j riposte-drop")), "{saved}");
            assert!(has(&format!("-A {hook} -m comment --comment riposte -j riposte-web-2")), "{saved}");
        }
        assert!(has("-A riposte-drop -s 192.0.2.7/32 -m comment --comment riposte-1 -j DROP"), "{saved}");
        assert_eq!(rules.len(), 7, "nothing is there twice: {saved}");
        for text in expected {
            host.hold(ENTRY, text, Standing::Free).await.unwrap();
            host.hold(ENTRY, text, Standing::Free).await.unwrap();
        }
        assert!(host.shown().await.is_empty());
        assert_eq!(host.backend.rebuilt(), 0);
    });
}

#[test]
fn others_rules_are_left_alone() {
    with_both(async |host| {
        host.restore(Family::V4, "-A INPUT -s 192.0.2.7/32 -j DROP\n:mine - [0:0]\n-A mine -j ACCEPT\n")
            .await;
        host.hold(ENTRY, "iptables:drop 192.0.2.7", minutes(1)).await.unwrap();
        host.restore(Family::V4, "-A riposte-drop -s 192.0.2.7/32 -p tcp -j DROP\n").await;
        host.hold(ENTRY, "iptables:drop 192.0.2.7", Standing::Free).await.unwrap();
        let saved = host.saved(Family::V4).await;
        for line in [
            "-A INPUT -s 192.0.2.7/32 -j DROP",
            "-A mine -j ACCEPT",
            "-A riposte-drop -s 192.0.2.7/32 -p tcp -j DROP",
        ] {
            assert!(saved.lines().any(|found| found == line), "{saved}");
        }
    });
}

#[test]
fn what_was_flushed_is_found_and_repaired() {
    with_both(async |host| {
        host.hold(ENTRY, "iptables:drop 192.0.2.7", minutes(10)).await.unwrap();
        host.hold(ENTRY, "iptables:drop 2001:db8::7", minutes(10)).await.unwrap();
        // `iptables -F`, and the chains too.
        host.wipe(Family::V4).await;
        assert_eq!(host.shown().await, ["iptables:drop 2001:db8::7"]);
        host.backend.probe().await.unwrap();
        assert_eq!(host.backend.rebuilt(), 1);
        let repaired = host.repair().await.unwrap();
        assert_eq!(repaired, Repaired { written: 1, removed: 0 });
        assert_eq!(host.shown().await.len(), 2);
        assert_eq!(host.repair().await.unwrap(), Repaired::default());
        host.backend.probe().await.unwrap();
        assert_eq!(host.backend.rebuilt(), 1, "one loss is counted once");
    });
}

#[test]
fn a_way_that_somebody_closed_is_opened_again() {
    with_both(async |host| {
        host.hold(ENTRY, "iptables:drop 192.0.2.7", minutes(10)).await.unwrap();
        host.restore(Family::V4, "-D INPUT -m comment --comment riposte -j riposte-drop\n").await;
        host.backend.probe().await.unwrap();
        let saved = host.saved(Family::V4).await;
        assert!(saved.contains("-A INPUT -m comment --comment riposte -j riposte-drop"), "{saved}");
        assert_eq!(host.backend.rebuilt(), 0);
        // Also by a block of what is blocked already.
        host.restore(Family::V4, "-D FORWARD -m comment --comment riposte -j riposte-drop\n").await;
        host.hold(ENTRY, "iptables:drop 192.0.2.7", minutes(20)).await.unwrap();
        assert!(host.saved(Family::V4).await.contains("-A FORWARD -m comment"));
    });
}

#[test]
fn what_nobody_claims_goes_and_what_is_there_twice_goes_twice() {
    with_both(async |host| {
        host.hold(ENTRY, "iptables:drop 192.0.2.7", minutes(10)).await.unwrap();
        let rule = "-A riposte-drop -s 192.0.2.7/32 -m comment --comment riposte -j DROP\n";
        let stray = "-A riposte-drop -s 192.0.2.8/32 -m comment --comment riposte -j DROP\n";
        host.restore(Family::V4, &format!("{rule}{stray}{stray}")).await;
        assert_eq!(host.repair().await.unwrap(), Repaired { written: 0, removed: 1 });
        assert_eq!(host.shown().await, ["iptables:drop 192.0.2.7"]);
        host.hold(ENTRY, "iptables:drop 192.0.2.7", Standing::Free).await.unwrap();
        assert!(!host.saved(Family::V4).await.contains("192.0.2."));
    });
}

#[test]
fn many_at_once_go_together() {
    with_both(async |host| {
        let targets: Vec<Target> =
            (0..200u8).map(|n| target(&format!("iptables:drop 198.18.0.{n}"))).collect();
        for target in &targets {
            host.claims.set(ENTRY, target.effect(), minutes(10));
        }
        let calls = targets.iter().map(|target| host.backend.sync(vec![target.clone()]));
        for outcome in crate::firewall::testing::together(calls).await {
            outcome.unwrap();
        }
        assert_eq!(host.shown().await.len(), 200);
    });
}

#[test]
fn blocked_packets_do_not_arrive() {
    with_both(async |host| {
        for (own, blocked) in [("127.0.0.1", "127.0.0.9"), ("::1", "2001:db8::9")] {
            namespace::add_address(blocked);
            let arrives = || crate::firewall::testing::arrives(own, blocked);
            assert!(arrives(), "{blocked}");
            host.hold(ENTRY, &format!("iptables:drop {blocked}"), minutes(1)).await.unwrap();
            assert!(!arrives(), "{blocked}");
            host.hold(ENTRY, &format!("iptables:drop {blocked}"), Standing::Free).await.unwrap();
            assert!(arrives(), "{blocked}");
        }
    });
}

#[test]
fn a_program_that_fails_is_no_success() {
    with_both(async |host| {
        // A chain by that name with another meaning: nft's own, or a rule that
        // the program cannot show.
        let claims = Arc::clone(&host.claims) as Arc<dyn Claims>;
        let mut programs = Programs::find(&host.variant).unwrap();
        programs.v4.restore = program::find("false", "coreutils").unwrap();
        let broken: Arc<dyn Backend> = Arc::new(Reconciled::new(Iptables(programs), Arc::clone(&claims)));
        let target = target("iptables:drop 192.0.2.7");
        host.claims.set(ENTRY, target.effect(), minutes(1));
        let refusal = broken.sync(vec![target.clone()]).await.unwrap_err();
        assert_eq!((refusal.kind, refusal.retry), ("unavailable", true), "{refusal}");
        assert!(refusal.message.contains("exit code 1"), "{refusal}");
        // One that says it did and did not.
        let mut programs = Programs::find(&host.variant).unwrap();
        programs.v4.restore = program::find("true", "coreutils").unwrap();
        let lying: Arc<dyn Backend> = Arc::new(Reconciled::new(Iptables(programs), claims));
        let refusal = lying.sync(vec![target]).await.unwrap_err();
        assert!(refusal.message.contains("does not show it"), "{refusal}");
    });
}
