//! What somebody else did to the tables.

use super::*;

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

#[test]
fn a_chain_of_another_shape_is_named_as_the_obstacle() {
    namespace::within(async || {
        meddle(|t| {
            t.add(NEW_TABLE, CREATE, Label::Layout, |m| m.name(1, schema::TABLE));
            t.add(schema::NEW_CHAIN, CREATE, Label::Layout, |m| {
                m.name(1, schema::TABLE);
                m.name(3, "input");
            });
        });
        let host = Host::open();
        host.claims.set(ENTRY, target("drop 192.0.2.7").effect(), minutes(10));
        let refusal = host.nftables.sync(vec![target("drop 192.0.2.7")]).await.unwrap_err();
        assert_eq!(refusal.kind, "unavailable");
        assert!(refusal.message.contains("nft delete table inet riposte"), "{refusal}");
        assert_eq!(host.nftables.rebuilt(), 0);
    });
}

#[test]
fn a_full_set_refuses_only_what_does_not_fit() {
    namespace::within(async || {
        let host = Host::open();
        host.hold(ENTRY, "drop 192.0.2.1", minutes(10)).await;
        // The same table, but with room for two addresses.
        delete_table();
        meddle(|t| {
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
        });
        let mut calls = Vec::new();
        for n in 1..=4 {
            let target = target(&format!("drop 192.0.2.{n}"));
            host.claims.set(ENTRY, target.effect(), minutes(10));
            calls.push(target);
        }
        let refusal = host.nftables.sync(calls).await.unwrap_err();
        assert_eq!((refusal.kind, refusal.retry), ("unavailable", true));
        assert!(refusal.message.contains("no room"), "{refusal}");
        assert_eq!(host.shown().await.len(), 2);
    });
}
