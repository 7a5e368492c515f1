//! Against the kernel, each test in a network namespace of its own.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod lost;
mod surprises;

use std::net::UdpSocket;
use std::time::Duration;

use riposte_policy::grant::SetName;
use riposte_policy::order::EntryId;

use super::schema::Kind;
use super::transaction::{Item, Label, Transaction};
use super::*;
use crate::claim::{Effect, Memory, Standing};
use crate::firewall::INTERFACE;
use crate::netlink::{CREATE, Outbox, find_name};
use crate::{Capabilities, Guard, Repaired, namespace};

const NEW_TABLE: u16 = 0xa00;
const DELETE_TABLE: u16 = 0xa02;
const GET_RULE: u16 = 0xa07;
const ENTRY: EntryId = EntryId(1);

/// Claims and the real backend over them.
struct Host {
    claims: Arc<Memory>,
    nftables: Arc<Nftables>,
}

impl Host {
    fn open() -> Self {
        let claims = Arc::new(Memory::default());
        let nftables = Arc::new(Nftables::open(Arc::clone(&claims) as Arc<dyn Claims>).unwrap());
        Self { claims, nftables }
    }

    /// Sets what `entry` claims and syncs it.
    async fn hold(&self, entry: EntryId, text: &str, standing: Standing) {
        let target = target(text);
        self.claims.set(entry, target.effect(), standing);
        self.nftables.sync(vec![target]).await.unwrap();
    }

    async fn shown(&self) -> Vec<String> {
        let mut shown: Vec<_> =
            self.nftables.list().await.unwrap().iter().map(|e| e.target.to_string()).collect();
        shown.sort();
        shown
    }

    async fn remaining(&self, text: &str) -> Option<Duration> {
        let elements = self.nftables.list().await.unwrap();
        elements.into_iter().find(|e| e.target == target(text)).unwrap().remaining
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(
            Arc::clone(&self.claims) as Arc<dyn Claims>,
            crate::Backends::only_firewall(Arc::clone(&self.nftables) as Arc<dyn Backend>),
            Arc::new(Guard::new()),
        )
    }
}

fn target(text: &str) -> Target {
    Target::try_from(&Effect { interface: INTERFACE, target: text.to_owned() }).unwrap()
}

fn minutes(n: u64) -> Standing {
    Standing::For(Duration::from_secs(60 * n))
}

fn item(prefix: &str) -> Item {
    Item::bare(prefix.parse().unwrap())
}

fn set(name: &str) -> SetName {
    name.parse().unwrap()
}

fn socket() -> Socket {
    Socket::open(Some(rustix::net::netlink::NETFILTER)).unwrap()
}

/// What somebody else does, in one transaction.
fn meddle(body: impl FnOnce(&mut Transaction)) {
    let mut socket = socket();
    let mut transaction = Transaction::default();
    transaction.begin(&mut socket);
    body(&mut transaction);
    transaction.send(&mut socket).unwrap();
}

fn delete_table() {
    meddle(|t| t.add(DELETE_TABLE, 0, Label::Layout, |m| m.name(1, schema::TABLE)));
}

/// How many rules there are in all tables, and in how many tables.
fn rules() -> (usize, usize) {
    let mut tables = std::collections::BTreeSet::new();
    let mut count = 0;
    socket()
        .dump(
            GET_RULE,
            &[0; 4],
            |_| (),
            |message| {
                count += 1;
                tables.extend(find_name(message.payload.get(4..).unwrap(), 1).map(str::to_owned));
            },
        )
        .unwrap();
    (count, tables.len())
}

#[test]
fn addresses_come_and_go() {
    namespace::within(async || {
        let host = Host::open();
        assert_eq!(rules(), (0, 0));
        host.hold(ENTRY, "drop 192.0.2.7", minutes(10)).await;
        host.hold(ENTRY, "drop 2001:db8::7", Standing::Permanent).await;
        host.hold(ENTRY, "web-2 192.0.2.7", minutes(20)).await;
        assert_eq!(host.shown().await, ["drop 192.0.2.7", "drop 2001:db8::7", "web-2 192.0.2.7"]);
        // Ten minutes, and the two seconds of grace, less what passed since.
        let remaining = host.remaining("drop 192.0.2.7").await.unwrap();
        assert!(
            remaining > Duration::from_secs(300) && remaining <= Duration::from_secs(602),
            "{remaining:?}"
        );
        assert_eq!(host.remaining("drop 2001:db8::7").await, None);
        host.hold(ENTRY, "drop 192.0.2.7", Standing::Free).await;
        host.hold(ENTRY, "drop 2001:db8::7", Standing::Free).await;
        assert_eq!(host.shown().await, ["web-2 192.0.2.7"]);
        assert_eq!(host.nftables.rebuilt(), 0);
    });
}

#[test]
fn undoing_what_never_was_changes_nothing() {
    namespace::within(async || {
        let host = Host::open();
        host.nftables.sync(vec![target("drop 192.0.2.7"), target("drop 192.0.2.0/24")]).await.unwrap();
        host.nftables.probe().await.unwrap();
        assert!(dump::sets(&mut socket()).unwrap().is_empty());
        host.hold(ENTRY, "drop 192.0.2.7", minutes(1)).await;
        host.nftables.sync(vec![target("drop 192.0.2.8"), target("drop 192.0.2.0/24")]).await.unwrap();
        assert_eq!(host.shown().await, ["drop 192.0.2.7"]);
    });
}

#[test]
fn a_changed_due_time_changes_the_kernels_timeout() {
    namespace::within(async || {
        let host = Host::open();
        for text in ["drop 192.0.2.7", "drop 198.51.100.0/24"] {
            for (standing, least, most) in [
                (minutes(10), 300, 602),
                (minutes(60), 3_000, 3_602),
                (minutes(1), 1, 62),
                (Standing::Permanent, u64::MAX, u64::MAX),
                (minutes(10), 300, 602),
            ] {
                host.hold(ENTRY, text, standing).await;
                let remaining = host.remaining(text).await.map_or(u64::MAX, |r| r.as_secs());
                assert!((least..=most).contains(&remaining), "{text}: {standing:?}, {remaining} s remain");
            }
        }
    });
}

#[test]
fn two_claims_on_one_address() {
    namespace::within(async || {
        let host = Host::open();
        host.hold(EntryId(1), "drop 192.0.2.7", minutes(60)).await;
        host.hold(EntryId(2), "drop 192.0.2.7", minutes(10)).await;
        assert!(host.remaining("drop 192.0.2.7").await.unwrap() > Duration::from_secs(3_000));
        host.hold(EntryId(1), "drop 192.0.2.7", Standing::Free).await;
        assert!(host.remaining("drop 192.0.2.7").await.unwrap() <= Duration::from_secs(602));
        host.hold(EntryId(2), "drop 192.0.2.7", Standing::Free).await;
        assert!(host.shown().await.is_empty());
    });
}

#[test]
fn the_table_outlives_the_engine_and_is_never_made_twice() {
    namespace::within(async || {
        let first = Host::open();
        first.hold(ENTRY, "drop 192.0.2.7", minutes(10)).await;
        first.hold(ENTRY, "drop 198.51.100.0/24", minutes(10)).await;
        first.hold(ENTRY, "web 192.0.2.8", minutes(10)).await;
        // Two sets of four, in two chains.
        assert_eq!(rules(), (16, 1));
        let claims = Arc::clone(&first.claims);
        drop(first);

        let nftables = Arc::new(Nftables::open(Arc::clone(&claims) as Arc<dyn Claims>).unwrap());
        let again = Host { claims, nftables };
        assert_eq!(rules(), (16, 1));
        // Before anything was listed, every state must do.
        again.hold(ENTRY, "drop 192.0.2.7", minutes(20)).await;
        again.hold(ENTRY, "drop 192.0.2.9", minutes(20)).await;
        again.hold(ENTRY, "drop 192.0.2.9", Standing::Free).await;
        again.hold(ENTRY, "drop 192.0.2.10", Standing::Free).await;
        assert_eq!(again.shown().await, ["drop 192.0.2.7", "drop 198.51.100.0/24", "web 192.0.2.8"]);
        assert_eq!(again.capabilities().repair(&again.claims.held()).await, Ok(Repaired::default()));
        // What the first run made, the second one can undo.
        again.hold(ENTRY, "drop 192.0.2.7", Standing::Free).await;
        again.hold(ENTRY, "drop 198.51.100.0/24", Standing::Free).await;
        assert_eq!(again.shown().await, ["web 192.0.2.8"]);
        again.nftables.probe().await.unwrap();
        assert_eq!(rules(), (16, 1));
    });
}

#[test]
fn ten_thousand_in_one_burst_and_then_none() {
    namespace::within(async || {
        let host = Host::open();
        let targets: Vec<_> = (0..10_000u32)
            .map(|n| {
                if n % 2 == 0 {
                    format!("drop 10.1.{}.{}", n >> 8, n & 255)
                } else {
                    format!("drop 2001:db8::{n:x}")
                }
            })
            .map(|text| target(&text))
            .collect();
        for target in &targets {
            host.claims.set(ENTRY, target.effect(), minutes(10));
        }
        host.nftables.sync(targets.clone()).await.unwrap();
        assert_eq!(host.shown().await.len(), 10_000);
        for target in &targets {
            host.claims.set(ENTRY, target.effect(), Standing::Free);
        }
        host.nftables.sync(targets).await.unwrap();
        assert!(host.shown().await.is_empty());
    });
}

#[test]
fn a_list_is_whole_while_the_kernel_rearranges_the_set() {
    namespace::within(async || {
        let host = Host::open();
        let targets: Vec<_> =
            (0..20_000u32).map(|n| target(&format!("drop 10.1.{}.{}", n >> 8, n & 255))).collect();
        for target in &targets {
            // For good: no countdown that the look afterwards could disagree with.
            host.claims.set(ENTRY, target.effect(), Standing::Permanent);
        }
        // Growing in small steps, so that it is still being enlarged when read.
        for few in targets.chunks(10) {
            host.nftables.sync(few.to_vec()).await.unwrap();
        }
        let mut shown = host.shown().await;
        shown.dedup();
        assert_eq!(shown.len(), 20_000);
        assert_eq!(host.capabilities().repair(&host.claims.held()).await, Ok(Repaired::default()));
    });
}

#[test]
fn many_callers_are_each_answered() {
    namespace::within(async || {
        let host = Host::open();
        let mut calls = tokio::task::JoinSet::new();
        for n in 0..500 {
            // Every address is asked for by two callers.
            let target = target(&format!("drop 10.0.{}.{}", n % 250, n % 250));
            host.claims.set(ENTRY, target.effect(), minutes(10));
            let nftables = Arc::clone(&host.nftables);
            calls.spawn(async move { nftables.sync(vec![target]).await });
        }
        while let Some(answer) = calls.join_next().await {
            answer.unwrap().unwrap();
        }
        assert_eq!(host.shown().await.len(), 250);
    });
}

#[test]
fn networks_overlap_and_end_at_the_edge() {
    namespace::within(async || {
        let host = Host::open();
        host.hold(ENTRY, "drop 198.51.100.16/28", minutes(10)).await;
        host.hold(ENTRY, "drop 198.51.100.32/28", minutes(10)).await;
        host.hold(ENTRY, "drop 198.51.100.0/24", minutes(10)).await;
        host.hold(ENTRY, "drop 198.51.101.0/24", minutes(10)).await;
        host.hold(ENTRY, "drop 255.255.255.0/24", minutes(10)).await;
        host.hold(ENTRY, "drop 2001:db8::/48", Standing::Permanent).await;
        host.hold(ENTRY, "drop ffff:ffff:ffff::/48", minutes(10)).await;
        assert_eq!(
            host.shown().await,
            [
                "drop 198.51.100.0/24",
                "drop 198.51.101.0/24",
                "drop 2001:db8::/48",
                "drop 255.255.255.0/24",
                "drop ffff:ffff:ffff::/48"
            ]
        );
        host.hold(ENTRY, "drop 198.51.100.16/28", Standing::Free).await;
        host.hold(ENTRY, "drop 198.51.100.0/24", Standing::Free).await;
        host.hold(ENTRY, "drop 255.255.255.0/24", Standing::Free).await;
        host.hold(ENTRY, "drop ffff:ffff:ffff::/48", Standing::Free).await;
        assert_eq!(
            host.shown().await,
            ["drop 198.51.100.32/28", "drop 198.51.101.0/24", "drop 2001:db8::/48"]
        );
        // Somebody empties the sets; the next change of a network heals them.
        meddle(|t| t.flush(&set("drop"), Kind::Networks4));
        host.hold(ENTRY, "drop 198.51.101.0/24", Standing::Free).await;
        assert_eq!(host.shown().await, ["drop 198.51.100.32/28", "drop 2001:db8::/48"]);
    });
}

#[test]
fn blocked_packets_do_not_arrive() {
    namespace::within(async || {
        for address in ["203.0.113.7", "203.0.113.8", "2001:db8::7", "2001:db8::8"] {
            namespace::add_address(address);
        }
        let host = Host::open();
        for (receiver, hostile, friend, targets) in [
            ("127.0.0.1:0", "203.0.113.7:0", "203.0.113.8:0", ["drop 203.0.113.7", "drop 203.0.113.6/31"]),
            ("[::1]:0", "[2001:db8::7]:0", "[2001:db8::8]:0", ["drop 2001:db8::7", "drop 2001:db8::6/127"]),
        ] {
            let receiver = UdpSocket::bind(receiver).unwrap();
            let to = receiver.local_addr().unwrap();
            let (hostile, friend) = (UdpSocket::bind(hostile).unwrap(), UdpSocket::bind(friend).unwrap());
            // The loopback delivers in order, so what the friend sends last
            // also tells that the packet before it was dropped.
            let arriving = || {
                hostile.send_to(b"hostile", to).unwrap();
                friend.send_to(b"friend", to).unwrap();
                let mut seen = Vec::new();
                while seen.last().is_none_or(|last| *last != b"friend".to_vec()) {
                    let mut buffer = [0; 16];
                    let (length, _) = receiver.recv_from(&mut buffer).unwrap();
                    seen.push(buffer.get(..length).unwrap().to_vec());
                }
                seen.len()
            };
            for text in targets {
                assert_eq!(arriving(), 2, "{text}");
                host.hold(ENTRY, text, minutes(10)).await;
                assert_eq!(arriving(), 1, "{text}");
                host.hold(ENTRY, text, Standing::Free).await;
            }
            assert_eq!(arriving(), 2);
        }
    });
}

#[test]
fn operators_can_read_it_with_nft() {
    namespace::within(async || {
        let host = Host::open();
        host.hold(ENTRY, "drop 192.0.2.7", Standing::Permanent).await;
        host.hold(ENTRY, "drop 198.51.100.0/24", Standing::Permanent).await;
        host.hold(ENTRY, "drop 2001:db8:7::/48", Standing::Permanent).await;
        #[expect(clippy::disallowed_methods, reason = "the reader of the operators, for comparison")]
        let Ok(nft) = std::process::Command::new("nft").args(["-s", "list", "ruleset"]).output() else {
            eprintln!("skipped: needs nft");
            return;
        };
        let listed = String::from_utf8(nft.stdout).unwrap();
        for line in [
            "table inet riposte {",
            "set drop4 {",
            "type ipv4_addr",
            "flags interval,timeout",
            "elements = { 192.0.2.7 comment \"entry 1\" }",
            "elements = { 198.51.100.0/24 comment \"entry 1\" }",
            "elements = { 2001:db8:7::/48 comment \"entry 1\" }",
            "type filter hook input priority filter - 10; policy accept;",
            "type filter hook forward priority filter - 10; policy accept;",
            "ip saddr @drop4 counter drop",
            "ip6 saddr @drop6net counter drop",
        ] {
            assert!(listed.contains(line), "{line} is not in\n{listed}");
        }
    });
}

#[test]
fn the_operator_learns_what_to_do() {
    for (errno, kind, retry, words) in [
        (Errno::PERM, "unavailable", false, "CAP_NET_ADMIN"),
        (Errno::OPNOTSUPP, "unavailable", false, "modprobe nf_tables"),
        (Errno::PROTONOSUPPORT, "unavailable", false, "modprobe nf_tables"),
        (Errno::NFILE, "unavailable", true, "no room"),
        (Errno::EXIST, "unavailable", true, "nft delete table inet riposte"),
        (Errno::INVAL, "failed", true, "did not change nftables"),
    ] {
        let refusal = refusal(errno, "change");
        assert_eq!((refusal.kind, refusal.retry), (kind, retry), "{errno}");
        assert!(refusal.message.contains(words), "{refusal}");
    }
}
