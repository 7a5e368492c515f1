//! What others do to the table, and what the writer makes of it.

use super::*;
use crate::firewall::{Look, Lost};
use crate::repair::{Blocks, Touched};
use crate::watch::Watch;

/// What there is to settle, as targets.
async fn lost(host: &Host, look: Look) -> (usize, Vec<String>, Vec<String>) {
    let Lost { rebuilt, missing, astray } = host.nftables.lost(look).await.unwrap();
    let mut missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    missing.sort();
    (rebuilt, missing, astray.iter().map(|element| element.target.to_string()).collect())
}

fn nothing() -> (usize, Vec<String>, Vec<String>) {
    (0, Vec::new(), Vec::new())
}

async fn three(host: &Host) {
    for text in ["drop 192.0.2.7", "drop 2001:db8::7", "drop 198.51.100.0/24"] {
        host.hold(ENTRY, text, minutes(10)).await;
    }
}

#[test]
fn what_was_made_and_is_gone_is_missing() {
    namespace::within(async || {
        let host = Host::open();
        assert_eq!(lost(&host, Look::Whole).await, nothing());
        three(&host).await;
        assert_eq!(lost(&host, Look::Whole).await, nothing());
        meddle(|t| t.remove(&set("drop"), Kind::Addresses4, &[item("192.0.2.7")], 0..0));
        // Claimed, and about to be made: no loss.
        host.claims.set(ENTRY, target("drop 192.0.2.8").effect(), minutes(10));
        assert_eq!(lost(&host, Look::Whole).await, (0, vec!["drop 192.0.2.7".to_owned()], Vec::new()));
        host.nftables.sync(vec![target("drop 192.0.2.7")]).await.unwrap();
        delete_table();
        let (rebuilt, missing, astray) = lost(&host, Look::Quick).await;
        assert!(rebuilt >= 4, "{rebuilt}");
        assert_eq!(missing, ["drop 192.0.2.7", "drop 198.51.100.0/24", "drop 2001:db8::7"]);
        assert!(astray.is_empty());
        host.nftables.sync(missing.iter().map(|text| target(text)).collect()).await.unwrap();
        assert_eq!(lost(&host, Look::Whole).await, nothing());
        assert_eq!(host.shown().await, missing);
    });
}

#[test]
fn what_a_write_found_gone_is_still_known_to_be_missing() {
    namespace::within(async || {
        let host = Host::open();
        three(&host).await;
        delete_table();
        host.hold(ENTRY, "drop 192.0.2.9", minutes(10)).await;
        assert_eq!(host.nftables.rebuilt(), 1);
        let (_, missing, _) = lost(&host, Look::Whole).await;
        assert_eq!(missing, ["drop 192.0.2.7", "drop 198.51.100.0/24", "drop 2001:db8::7"]);
    });
}

#[test]
fn rules_of_others_in_its_chains_are_no_rules_of_its_own() {
    namespace::within(async || {
        let host = Host::open();
        three(&host).await;
        let before = rules();
        host.nftables.probe().await.unwrap();
        meddle(|t| {
            t.add(0xa08, 0, Label::Layout, |m| {
                m.name(1, schema::TABLE);
                m.name(2, "input");
            });
        });
        assert_ne!(rules(), before);
        assert_eq!(lost(&host, Look::Quick).await.0, 1);
        assert_eq!(rules(), before);
        assert_eq!(lost(&host, Look::Quick).await, nothing());
    });
}

#[test]
fn elements_name_the_first_of_their_holders() {
    namespace::within(async || {
        let host = Host::open();
        host.hold(EntryId(7), "drop 192.0.2.7", minutes(10)).await;
        host.hold(EntryId(9), "drop 192.0.2.7", minutes(20)).await;
        host.hold(EntryId(9), "drop 198.51.100.0/24", minutes(20)).await;
        let mut entries: Vec<_> = host.nftables.list().await.unwrap().iter().map(|e| e.entry).collect();
        entries.sort();
        assert_eq!(entries, [Some(EntryId(7)), Some(EntryId(9))]);
        // Somebody's own, in a set of the engine's.
        meddle(|t| t.create(&set("drop"), Kind::Addresses4, &[item("192.0.2.50")], 0..0));
        assert_eq!(lost(&host, Look::Whole).await, (0, Vec::new(), vec!["drop 192.0.2.50".to_owned()]));
    });
}

#[test]
fn the_watch_tells_what_others_touched() {
    namespace::within(async || {
        let host = Host::open();
        three(&host).await;
        let watch = Watch::open();
        let ports = host.nftables.ports();
        assert_eq!(ports.len(), 1);
        // Its own changes come first, and are no news.
        host.hold(ENTRY, "drop 192.0.2.8", minutes(10)).await;
        meddle(|t| t.remove(&set("drop"), Kind::Addresses4, &[item("192.0.2.7")], 0..0));
        let touched = watch.touched(&ports).await;
        assert_eq!(touched.blocks, Blocks::These([target("drop 192.0.2.7")].into()));
        assert!(!touched.routes && !touched.isolation && !touched.files);
        let (mended, outcome) = host.capabilities().compare(&touched, &[]).await;
        assert_eq!((outcome, mended.repaired), (Ok(()), Repaired { written: 1, removed: 0 }));
        assert_eq!(mended.named, ["firewall drop 192.0.2.7 put back"]);
        delete_table();
        assert_eq!(watch.touched(&ports).await.blocks, Blocks::Any(Look::Whole));
        let (mended, _) = host.capabilities().compare(&Touched::anything(), &[]).await;
        assert_eq!(mended.repaired.written, 4);
        assert_eq!(host.shown().await.len(), 4);
    });
}

#[test]
fn orphans_are_left_and_undone_by_hand() {
    namespace::within(async || {
        let host = Host::open();
        three(&host).await;
        let strange = Item { entry: Some(EntryId(99)), ..item("192.0.2.60") };
        host.claims.disown(EntryId(99));
        meddle(|t| t.create(&set("drop"), Kind::Addresses4, &[strange], 0..0));
        let capabilities = host.capabilities();
        assert_eq!(capabilities.repair(&host.claims.held()).await, Ok(Repaired::default()));
        let orphans = capabilities.orphans();
        assert_eq!(orphans.iter().map(|mark| mark.entry).collect::<Vec<_>>(), [Some(EntryId(99))]);
        assert_eq!(capabilities.remove_orphan("firewall drop 192.0.2.61").await, Ok(false));
        assert_eq!(capabilities.remove_orphan("firewall drop 192.0.2.60").await, Ok(true));
        assert!(capabilities.orphans().is_empty());
        assert_eq!(host.shown().await.len(), 3);
    });
}
