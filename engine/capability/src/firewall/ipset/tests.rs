//! Against the real programs, each test in a network namespace of its own.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "tests are handed over whole, and the bus hands over values"
)]

use super::*;
use crate::claim::{Memory, Standing};
use crate::firewall::testing::{Host, arrives, minutes, target};
use crate::{Repaired, namespace};
use riposte_policy::order::EntryId;

const ENTRY: EntryId = EntryId(1);

/// Runs a test once with each variant of iptables.
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

async fn ipset(arguments: &[&str]) -> String {
    let ipset = program::find("ipset", "ipset").unwrap();
    program::run(&ipset, arguments, String::new()).await.unwrap().said().unwrap()
}

async fn remaining(host: &Host, text: &str) -> Option<Duration> {
    let elements = host.backend.list().await.unwrap();
    elements.into_iter().find(|element| element.target == target(text)).unwrap().remaining
}

#[test]
fn addresses_and_networks_come_and_go_with_the_kernels_timeout() {
    with_both(async |host| {
        host.backend.probe().await.unwrap();
        assert!(!ipset(&["list", "-name"]).await.contains("riposte"), "a look changes nothing");
        for text in ["ipset:drop 192.0.2.7", "ipset:drop 2001:db8::/48", "ipset:drop 198.51.100.0/24"] {
            host.hold(ENTRY, text, minutes(10)).await.unwrap();
            let first = remaining(&host, text).await.unwrap();
            assert!(first > Duration::from_secs(300) && first <= Duration::from_secs(602), "{first:?}");
            // A due time moves both ways, and away.
            host.hold(ENTRY, text, minutes(60)).await.unwrap();
            assert!(remaining(&host, text).await.unwrap() > Duration::from_secs(3_000));
            host.hold(ENTRY, text, minutes(1)).await.unwrap();
            assert!(remaining(&host, text).await.unwrap() <= Duration::from_secs(62));
            host.hold(ENTRY, text, Standing::Permanent).await.unwrap();
            assert_eq!(remaining(&host, text).await, None);
            host.hold(ENTRY, text, minutes(60 * 24 * 31)).await.unwrap();
            assert_eq!(remaining(&host, text).await, None, "longer than the kernel can count");
        }
        host.hold(ENTRY, "ipset:web-2 192.0.2.7", minutes(1)).await.unwrap();
        let shown = [
            "ipset:drop 192.0.2.7",
            "ipset:drop 198.51.100.0/24",
            "ipset:drop 2001:db8::/48",
            "ipset:web-2 192.0.2.7",
        ];
        assert_eq!(host.shown().await, shown);
        for text in shown {
            host.hold(ENTRY, text, Standing::Free).await.unwrap();
            host.hold(ENTRY, text, Standing::Free).await.unwrap();
        }
        assert!(host.shown().await.is_empty());
        let saved = host.saved(Family::V4).await;
        let rule = "-m set --match-set riposte-drop4 src -m comment --comment riposte -j DROP";
        for hook in ["INPUT", "FORWARD"] {
            assert_eq!(saved.matches(&format!("-A {hook} {rule}")).count(), 1, "{saved}");
        }
    });
}

#[test]
fn a_network_within_another_has_its_own_time() {
    with_both(async |host| {
        host.hold(ENTRY, "ipset:drop 198.51.100.0/24", minutes(10)).await.unwrap();
        host.hold(ENTRY, "ipset:drop 198.51.100.7", minutes(60)).await.unwrap();
        host.hold(ENTRY, "ipset:drop 198.51.100.0/24", Standing::Free).await.unwrap();
        assert_eq!(host.shown().await, ["ipset:drop 198.51.100.7"]);
    });
}

#[test]
fn what_was_flushed_or_destroyed_is_found_and_repaired() {
    with_both(async |host| {
        host.hold(ENTRY, "ipset:drop 192.0.2.7", minutes(10)).await.unwrap();
        ipset(&["flush", "riposte-drop4"]).await;
        host.backend.probe().await.unwrap();
        assert_eq!(host.backend.rebuilt(), 1);
        assert_eq!(host.repair().await.unwrap(), Repaired { written: 1, removed: 0 });

        host.wipe(Family::V4).await;
        ipset(&["destroy", "riposte-drop4"]).await;
        host.backend.probe().await.unwrap();
        assert_eq!(host.backend.rebuilt(), 2);
        assert_eq!(host.repair().await.unwrap(), Repaired { written: 1, removed: 0 });
        assert_eq!(host.shown().await, ["ipset:drop 192.0.2.7"]);
        assert!(host.saved(Family::V4).await.contains("--match-set riposte-drop4"));

        // The rule alone.
        host.wipe(Family::V4).await;
        host.backend.probe().await.unwrap();
        assert_eq!(host.saved(Family::V4).await.matches("--match-set riposte-drop4").count(), 2);
        assert_eq!(host.backend.rebuilt(), 2);
    });
}

#[test]
fn what_nobody_claims_goes_and_other_sets_stay() {
    with_both(async |host| {
        host.hold(ENTRY, "ipset:drop 192.0.2.7", minutes(10)).await.unwrap();
        ipset(&["add", "riposte-drop4", "192.0.2.8"]).await;
        ipset(&["create", "mine", "hash:net"]).await;
        ipset(&["add", "mine", "192.0.2.7"]).await;
        assert_eq!(host.repair().await.unwrap(), Repaired { written: 0, removed: 1 });
        assert_eq!(host.shown().await, ["ipset:drop 192.0.2.7"]);
        host.hold(ENTRY, "ipset:drop 192.0.2.7", Standing::Free).await.unwrap();
        assert!(ipset(&["save", "mine"]).await.contains("add mine 192.0.2.7"));
    });
}

#[test]
fn a_set_of_another_kind_in_the_way_is_said() {
    with_both(async |host| {
        ipset(&["create", "riposte-drop4", "bitmap:port", "range", "1-9"]).await;
        let refusal = host.hold(ENTRY, "ipset:drop 192.0.2.7", minutes(1)).await.unwrap_err();
        assert_eq!(refusal.kind, "unavailable", "{refusal}");
        assert!(refusal.message.contains("ipset"), "{refusal}");
    });
}

#[test]
fn blocked_packets_do_not_arrive() {
    with_both(async |host| {
        for (own, blocked) in [("127.0.0.1", "127.0.0.9"), ("::1", "2001:db8::9")] {
            namespace::add_address(blocked);
            assert!(arrives(own, blocked));
            host.hold(ENTRY, &format!("ipset:drop {blocked}"), minutes(1)).await.unwrap();
            assert!(!arrives(own, blocked), "{blocked}");
            host.hold(ENTRY, &format!("ipset:drop {blocked}"), Standing::Free).await.unwrap();
            assert!(arrives(own, blocked), "{blocked}");
        }
    });
}
