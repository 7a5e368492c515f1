//! What somebody else did to the tables.

use super::*;
use crate::firewall::{Look, Lost};
use crate::repair::Touched;

#[test]
fn a_surprise_in_a_batch_spoils_it_for_nobody() {
    namespace::within(async || {
        let host = Host::open();
        for text in ["drop 192.0.2.1", "drop 192.0.2.2", "drop 192.0.2.3"] {
            host.hold(ENTRY, text, minutes(10)).await;
        }
        // Somebody adds .4 and takes away .3 behind our back.
        meddle(|t| {
            t.create(&set("drop"), Kind::Addresses4, &[item("192.0.2.4")], 0..0);
            t.remove(&set("drop"), Kind::Addresses4, &[item("192.0.2.3")], 0..0);
        });
        let wishes = [
            ("drop 192.0.2.1", Standing::Free),
            ("drop 192.0.2.2", minutes(10)),
            ("drop 192.0.2.3", Standing::Free),
            ("drop 192.0.2.4", minutes(10)),
            ("drop 192.0.2.5", minutes(10)),
            ("drop 192.0.2.6", Standing::Free),
            ("drop 2001:db8::1", minutes(10)),
        ];
        for (text, standing) in wishes {
            host.claims.set(ENTRY, target(text).effect(), standing);
        }
        host.nftables.sync(wishes.iter().map(|(text, _)| target(text)).collect()).await.unwrap();
        assert_eq!(
            host.shown().await,
            ["drop 192.0.2.2", "drop 192.0.2.4", "drop 192.0.2.5", "drop 2001:db8::1"]
        );
        assert!(host.remaining("drop 192.0.2.4").await.is_some());
        assert_eq!(host.nftables.rebuilt(), 0);
    });
}

#[test]
fn a_table_deleted_underneath_is_made_anew() {
    namespace::within(async || {
        let host = Host::open();
        for text in ["drop 192.0.2.1", "drop 192.0.2.2", "drop 198.51.100.0/24", "drop 203.0.113.0/24"] {
            host.hold(ENTRY, text, minutes(10)).await;
        }
        delete_table();
        host.hold(ENTRY, "drop 192.0.2.3", minutes(10)).await;
        assert_eq!((host.shown().await, host.nftables.rebuilt()), (vec!["drop 192.0.2.3".to_owned()], 1));
        let repaired = host.capabilities().repair(&host.claims.held()).await;
        assert_eq!(repaired, Ok(Repaired { written: 4, removed: 0 }));
        assert_eq!(host.shown().await.len(), 5);
        assert_eq!(rules(), (8, 1));

        // Whatever comes first afterwards, a network or an undo.
        delete_table();
        host.hold(ENTRY, "drop 198.51.100.0/25", minutes(10)).await;
        assert_eq!(host.shown().await, ["drop 198.51.100.0/24", "drop 203.0.113.0/24"]);
        delete_table();
        host.hold(ENTRY, "drop 192.0.2.3", Standing::Free).await;
        host.hold(ENTRY, "drop 203.0.113.0/24", Standing::Free).await;
        assert_eq!(host.shown().await, ["drop 198.51.100.0/24"]);
        assert_eq!(rules(), (8, 1));
    });
}

#[test]
fn repair_removes_what_nobody_claims() {
    namespace::within(async || {
        let host = Host::open();
        host.hold(ENTRY, "drop 192.0.2.1", minutes(10)).await;
        host.hold(ENTRY, "drop 198.51.100.0/24", minutes(10)).await;
        meddle(|t| {
            t.create(&set("drop"), Kind::Addresses6, &[item("2001:db8::9")], 0..0);
            // A range that is no network: .5 to .8, then a whole network.
            t.add(schema::NEW_ELEMENT, CREATE, Label::Layout, |m| {
                m.name(schema::ELEMENTS_TABLE, schema::TABLE);
                m.name(schema::ELEMENTS_SET, "drop4net");
                m.nest(schema::ELEMENTS, |m| {
                    let key = |m: &mut Outbox, last| {
                        m.nest(schema::ELEMENT_KEY, |m| m.put(schema::VALUE, &[203, 0, 113, last]));
                    };
                    m.nest(schema::LIST_ITEM, |m| key(m, 5));
                    m.nest(schema::LIST_ITEM, |m| {
                        key(m, 9);
                        m.number(schema::ELEMENT_FLAGS, schema::INTERVAL_END);
                    });
                });
            });
            t.create(&set("drop"), Kind::Networks6, &[item("2001:db8::/48")], 0..0);
        });
        assert_eq!(host.shown().await.len(), 7);
        host.capabilities().repair(&host.claims.held()).await.unwrap();
        assert_eq!(host.shown().await, ["drop 192.0.2.1", "drop 198.51.100.0/24"]);
    });
}

#[test]
fn the_tables_of_others_are_left_alone() {
    namespace::within(async || {
        meddle(|t| {
            t.add(NEW_TABLE, CREATE, Label::Layout, |m| m.name(1, "foreign"));
            t.add(0xa03, CREATE, Label::Layout, |m| {
                m.name(1, "foreign");
                m.name(3, "input");
            });
            t.add(0xa06, CREATE, Label::Layout, |m| {
                m.name(1, "foreign");
                m.name(2, "input");
            });
            // Of the same name and shape as one of ours.
            t.add(schema::NEW_SET, CREATE, Label::Layout, |m| {
                m.name(1, "foreign");
                m.name(2, "drop4");
                m.number(3, 0);
                m.number(4, 7);
                m.number(5, 4);
                m.number(10, 1);
            });
        });
        let host = Host::open();
        host.hold(ENTRY, "drop 192.0.2.7", minutes(10)).await;
        host.capabilities().repair(&host.claims.held()).await.unwrap();
        assert_eq!(rules(), (9, 2));
        delete_table();
        assert_eq!(rules(), (1, 1));
    });
}

#[test]
fn a_set_of_another_shape_is_made_anew() {
    namespace::within(async || {
        meddle(|t| {
            t.add(NEW_TABLE, CREATE, Label::Layout, |m| m.name(1, schema::TABLE));
            t.add(schema::NEW_SET, CREATE, Label::Layout, |m| {
                m.name(1, schema::TABLE);
                m.name(2, "drop4");
                m.number(3, 0);
                m.number(4, 8);
                m.number(5, 16);
                m.number(10, 1);
            });
        });
        let host = Host::open();
        host.hold(ENTRY, "drop 192.0.2.7", minutes(10)).await;
        assert_eq!(host.shown().await, ["drop 192.0.2.7"]);
        assert_eq!(rules(), (8, 1));
    });
}

/// A chain that no packet gets to, under the name of one of ours.
fn chain_in_the_way(t: &mut Transaction) {
    t.add(NEW_TABLE, CREATE, Label::Layout, |m| m.name(1, schema::TABLE));
    t.add(schema::NEW_CHAIN, CREATE, Label::Layout, |m| {
        m.name(1, schema::TABLE);
        m.name(3, "input");
    });
}

#[test]
fn a_chain_of_another_shape_is_named_as_the_obstacle() {
    namespace::within(async || {
        meddle(chain_in_the_way);
        let host = Host::open();
        let way_out = |refusal: &Refusal| {
            assert_eq!((refusal.kind, refusal.retry), ("unavailable", true));
            assert!(refusal.message.contains("nft delete table inet riposte"), "{refusal}");
        };
        way_out(&host.nftables.probe().await.unwrap_err());
        host.claims.set(ENTRY, target("drop 192.0.2.7").effect(), minutes(10));
        way_out(&host.nftables.sync(vec![target("drop 192.0.2.7")]).await.unwrap_err());
        assert_eq!(host.nftables.rebuilt(), 0);
        // Nothing is told as put back.
        let (mended, outcome) = host.capabilities().repair_all(&host.claims.held()).await;
        way_out(&outcome.unwrap_err());
        assert!(mended.is_nothing(), "{mended:?}");
        delete_table();
        host.nftables.probe().await.unwrap();
        let repaired = host.capabilities().repair(&host.claims.held()).await;
        assert_eq!(repaired, Ok(Repaired { written: 1, removed: 0 }));
        host.nftables.probe().await.unwrap();
    });
}

#[test]
fn what_a_chain_in_the_way_took_comes_back_without_it() {
    namespace::within(async || {
        let host = Host::open();
        host.hold(ENTRY, "drop 192.0.2.7", minutes(10)).await;
        host.hold(ENTRY, "drop 198.51.100.0/24", minutes(10)).await;
        delete_table();
        meddle(chain_in_the_way);
        for look in [Look::Whole, Look::Quick] {
            host.nftables.lost(look).await.unwrap_err();
        }
        host.claims.set(ENTRY, target("drop 192.0.2.8").effect(), minutes(10));
        host.nftables.sync(vec![target("drop 192.0.2.8")]).await.unwrap_err();
        delete_table();
        let (mended, outcome) = host.capabilities().compare(&Touched::anything(), &[]).await;
        assert_eq!((outcome, mended.repaired.written), (Ok(()), 2), "{mended:?}");
        assert_eq!(host.shown().await, ["drop 192.0.2.7", "drop 198.51.100.0/24"]);
    });
}

#[test]
fn a_dormant_table_is_woken() {
    fn asleep(t: &mut Transaction) {
        t.add(NEW_TABLE, CREATE, Label::Layout, |m| {
            m.name(1, schema::TABLE);
            m.number(2, schema::DORMANT);
        });
    }
    fn flags() -> Option<u32> {
        dump::table(&mut socket(), schema::TABLE).unwrap().map(|(flags, _)| flags)
    }
    namespace::within(async || {
        // Before there was anything in it.
        meddle(asleep);
        let host = Host::open();
        host.hold(ENTRY, "drop 192.0.2.7", minutes(10)).await;
        assert_eq!(flags(), Some(0));
        assert_eq!(host.nftables.lost(Look::Quick).await.unwrap().rebuilt, 1);
        // Under a running engine, also when the state was asked for first.
        for asked in [false, true] {
            meddle(asleep);
            assert_eq!(flags(), Some(schema::DORMANT));
            if asked {
                host.nftables.probe().await.unwrap();
            }
            assert_eq!(
                host.nftables.lost(Look::Quick).await.unwrap(),
                Lost { rebuilt: 1, ..Lost::default() }
            );
            assert_eq!(flags(), Some(0));
            assert_eq!(host.nftables.lost(Look::Whole).await.unwrap(), Lost::default());
        }
        // Under one that has ended.
        let claims = Arc::clone(&host.claims);
        drop(host);
        meddle(asleep);
        let nftables = Nftables::open(claims as Arc<dyn Claims>).unwrap();
        assert_eq!(flags(), Some(0));
        assert_eq!(nftables.lost(Look::Quick).await.unwrap().rebuilt, 1);
        assert_eq!(rules(), (8, 1));
    });
}

#[test]
fn the_owner_of_the_table_is_named_as_the_obstacle() {
    namespace::within(async || {
        let host = Host::open();
        host.hold(ENTRY, "drop 192.0.2.7", minutes(10)).await;
        delete_table();
        let mut owner = socket();
        let mut transaction = Transaction::default();
        transaction.begin(&mut owner);
        transaction.add(NEW_TABLE, CREATE, Label::Layout, |m| {
            m.name(1, schema::TABLE);
            m.number(2, schema::OWNER);
        });
        transaction.send(&mut owner).unwrap();
        let port = format!("netlink port {}", owner.port().unwrap());
        host.claims.set(ENTRY, target("drop 192.0.2.8").effect(), minutes(10));
        for refusal in [
            host.nftables.sync(vec![target("drop 192.0.2.8")]).await.unwrap_err(),
            host.nftables.lost(Look::Whole).await.unwrap_err(),
            host.nftables.probe().await.unwrap_err(),
        ] {
            assert!(refusal.retry && refusal.message.contains(&port), "{refusal}");
        }
        // Its table goes with it.
        drop(owner);
        host.nftables.probe().await.unwrap();
        let (mended, outcome) = host.capabilities().compare(&Touched::anything(), &[]).await;
        assert_eq!((outcome, mended.repaired.written), (Ok(()), 1), "{mended:?}");
        host.hold(ENTRY, "drop 192.0.2.8", minutes(10)).await;
        assert_eq!(host.shown().await, ["drop 192.0.2.7", "drop 192.0.2.8"]);
    });
}

#[test]
fn a_set_with_a_size_is_made_anew() {
    fn sized(t: &mut Transaction) {
        t.add(NEW_TABLE, CREATE, Label::Layout, |m| m.name(1, schema::TABLE));
        t.add(schema::NEW_SET, CREATE, Label::Layout, |m| {
            m.name(1, schema::TABLE);
            m.name(2, "drop4");
            m.number(3, 0x10);
            m.number(4, 7);
            m.number(5, 4);
            m.nest(9, |m| m.number(1, 2));
            m.number(10, 1);
        });
    }
    namespace::within(async || {
        meddle(sized);
        let host = Host::open();
        for n in 1..=4 {
            host.hold(ENTRY, &format!("drop 192.0.2.{n}"), minutes(10)).await;
        }
        assert_eq!(host.shown().await.len(), 4);
        // Also when a write is the first to see it.
        delete_table();
        meddle(sized);
        let more: Vec<Target> = (5..=8).map(|n| target(&format!("drop 192.0.2.{n}"))).collect();
        for target in &more {
            host.claims.set(ENTRY, target.effect(), minutes(10));
        }
        host.nftables.sync(more).await.unwrap();
        let (mended, outcome) = host.capabilities().compare(&Touched::anything(), &[]).await;
        assert_eq!((outcome, mended.repaired.written), (Ok(()), 4), "{mended:?}");
        assert_eq!(host.shown().await.len(), 8);
    });
}

#[test]
fn only_what_the_kernel_does_not_take_is_refused() {
    namespace::within(async || {
        let host = Host::open();
        host.hold(ENTRY, "drop 192.0.2.1", minutes(10)).await;
        // More milliseconds than it can count.
        let ages = Standing::For(Duration::from_secs(20_000_000_000));
        let mut calls = Vec::new();
        for (n, standing) in [(1, minutes(10)), (2, ages), (3, minutes(10)), (4, ages)] {
            let target = target(&format!("drop 192.0.2.{n}"));
            host.claims.set(ENTRY, target.effect(), standing);
            calls.push(target);
        }
        host.nftables.sync(calls).await.unwrap_err();
        assert_eq!(host.shown().await, ["drop 192.0.2.1", "drop 192.0.2.3"]);
        let (mended, outcome) = host.capabilities().repair_all(&host.claims.held()).await;
        outcome.unwrap_err();
        assert!(mended.is_nothing(), "{mended:?}");
    });
}
