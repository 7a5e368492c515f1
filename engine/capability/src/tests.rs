//! The calls from the session down to a backend, on the fake firewall.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::time::Duration;

use riposte_policy::config::Mode;
use riposte_policy::grant::{FirewallGrant, Grants};

use super::*;
use claim::Memory;
use firewall::fake::Fake;

struct Bench {
    claims: Arc<Memory>,
    fake: Arc<Fake>,
    caps: Capabilities,
}

fn bench() -> Bench {
    let claims = Arc::new(Memory::default());
    let fake = Arc::new(Fake::new(Arc::clone(&claims) as Arc<dyn Claims>));
    let guard = Arc::new(Guard::new());
    guard.set_white_list(vec!["198.51.100.7".parse().unwrap()]);
    let caps = Capabilities::new(
        Arc::clone(&claims) as Arc<dyn Claims>,
        Backends::only_firewall(Arc::clone(&fake) as Arc<dyn firewall::Backend>),
        guard,
    );
    Bench { claims, fake, caps }
}

fn session(entry: i64) -> Session {
    let firewall = FirewallGrant { widest4: 24, widest6: 48, ..FirewallGrant::default() };
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

fn effect(target: &str) -> Effect {
    Effect { interface: firewall::INTERFACE, target: target.to_owned() }
}

#[tokio::test]
async fn a_block_is_claimed_made_and_undone() {
    let Bench { claims, fake, caps } = bench();
    let session = session(1);
    assert_eq!(caps.firewall().blocked(&session, "192.0.2.7").await, Ok(false));
    assert_eq!(caps.firewall().block(&session, "192.0.2.7").await, Ok(true));
    assert_eq!(caps.firewall().block(&session, "::ffff:192.0.2.7").await, Ok(false));
    assert_eq!(caps.firewall().blocked(&session, "192.0.2.7").await, Ok(true));
    assert_eq!(fake.blocked(), ["drop 192.0.2.7"]);
    assert_eq!(claims.held(), [effect("drop 192.0.2.7")]);
    assert_eq!(caps.firewall().unblock(&session, "192.0.2.7").await, Ok(true));
    assert_eq!(caps.firewall().unblock(&session, "192.0.2.7").await, Ok(false));
    assert!(fake.blocked().is_empty() && claims.held().is_empty());
}

#[tokio::test]
async fn the_last_holder_unblocks() {
    let Bench { fake, caps, .. } = bench();
    let (one, two) = (session(1), session(2));
    assert_eq!(caps.firewall().block(&one, "192.0.2.7").await, Ok(true));
    assert_eq!(caps.firewall().block(&two, "192.0.2.7").await, Ok(false));
    assert_eq!(caps.firewall().unblock(&one, "192.0.2.7").await, Ok(true));
    assert_eq!(fake.blocked(), ["drop 192.0.2.7"]);
    assert_eq!(caps.firewall().unblock(&two, "192.0.2.7").await, Ok(true));
    assert!(fake.blocked().is_empty());
}

#[tokio::test]
async fn a_network_around_an_address_blocks_it() {
    let Bench { caps, .. } = bench();
    let session = session(1);
    caps.firewall().block(&session, "192.0.2.0/25").await.unwrap();
    assert_eq!(caps.firewall().blocked(&session, "192.0.2.127").await, Ok(true));
    assert_eq!(caps.firewall().blocked(&session, "192.0.2.128").await, Ok(false));
}

#[tokio::test]
async fn refusals_name_what_stands_in_the_way_and_leave_no_trace() {
    let Bench { claims, fake, caps } = bench();
    let good = session(1);
    let ungranted = Session { grants: Arc::default(), ..good.clone() };
    let keys = Session { phase: Phase::Keys, entry: None, ..good.clone() };
    let homeless = Session { entry: None, ..good.clone() };
    for (session, address, kind, words) in [
        (&good, "", "invalid-input", "is not an IP address"),
        (&good, "010.0.0.1", "invalid-input", "is not an IP address"),
        (&good, "-j ACCEPT", "invalid-input", "is not an IP address"),
        (&good, "192.0.2.0/23", "denied", "widest4=\"24\""),
        (&good, "2001:db8::/47", "denied", "widest6=\"48\""),
        (&good, "127.0.0.1", "denied", "guard: loopback"),
        (&good, "198.51.100.7", "denied", "guard: white_list"),
        (&good, "198.51.100.0/24", "denied", "guard: white_list"),
        (&ungranted, "192.0.2.7", "denied", "<firewall/>"),
        (&keys, "192.0.2.7", "denied", "`keys`"),
        (&homeless, "192.0.2.7", "failed", "no entry"),
    ] {
        let refusal = caps.firewall().block(session, address).await.unwrap_err();
        assert_eq!((refusal.kind, refusal.retry), (kind, false), "{address}");
        assert!(refusal.message.contains(words), "{address}: {refusal}");
    }
    assert_eq!(caps.firewall().unblock(&keys, "192.0.2.7").await.unwrap_err().kind, "denied");
    assert_eq!(caps.firewall().blocked(&keys, "192.0.2.7").await.unwrap_err().kind, "denied");
    assert_eq!(caps.firewall().unblock(&ungranted, "192.0.2.7").await.unwrap_err().kind, "denied");
    assert!(fake.synced().is_empty() && claims.held().is_empty());
}

#[tokio::test]
async fn what_became_protected_can_still_be_unblocked() {
    let Bench { fake, caps, .. } = bench();
    let session = session(1);
    caps.firewall().block(&session, "192.0.2.0/24").await.unwrap();
    caps.guard().set_allows(vec!["192.0.2.9".parse().unwrap()]);
    assert_eq!(caps.firewall().block(&session, "192.0.2.0/24").await.unwrap_err().kind, "denied");
    let narrowed = Session {
        grants: Arc::new(Grants { firewall: Some(FirewallGrant::default()), ..Grants::default() }),
        ..session
    };
    assert_eq!(caps.firewall().unblock(&narrowed, "192.0.2.0/24").await, Ok(true));
    assert!(fake.blocked().is_empty());
}

#[tokio::test]
async fn shadow_believes_itself_and_touches_nothing() {
    let Bench { claims, fake, caps } = bench();
    let shadow = Session { mode: Mode::Shadow, entry: None, ..session(1) };
    assert_eq!(caps.firewall().block(&shadow, "192.0.2.7").await, Ok(true));
    assert_eq!(caps.firewall().block(&shadow, "192.0.2.7").await, Ok(false));
    assert_eq!(caps.firewall().blocked(&shadow, "192.0.2.7").await, Ok(true));
    assert_eq!(caps.firewall().unblock(&shadow, "192.0.2.7").await, Ok(true));
    assert_eq!(caps.firewall().unblock(&shadow, "192.0.2.7").await, Ok(false));
    assert_eq!(caps.firewall().block(&shadow, "127.0.0.1").await.unwrap_err().kind, "denied");
    let (made, undone) = (WouldBe::Made(effect("drop 192.0.2.7")), WouldBe::Undone(effect("drop 192.0.2.7")));
    assert_eq!(shadow.record.recorded(), [made.clone(), made, undone.clone(), undone]);
    assert!(fake.synced().is_empty() && claims.held().is_empty());
    // What is really in force is seen, but not touched.
    caps.firewall().block(&session(2), "192.0.2.8").await.unwrap();
    assert_eq!(caps.firewall().block(&shadow, "192.0.2.8").await, Ok(false));
}

#[tokio::test]
async fn a_failed_block_keeps_its_claim_for_the_undo() {
    let Bench { claims, fake, caps } = bench();
    fake.refuse(Some(Refusal::unavailable("broken")));
    assert_eq!(caps.firewall().block(&session(1), "192.0.2.7").await, Err(Refusal::unavailable("broken")));
    assert_eq!(claims.held(), [effect("drop 192.0.2.7")]);
    fake.refuse(None);
    assert_eq!(caps.firewall().unblock(&session(1), "192.0.2.7").await, Ok(true));
    assert!(claims.held().is_empty());
}

#[tokio::test]
async fn the_engine_reverses_without_a_component() {
    let Bench { fake, caps, .. } = bench();
    caps.firewall().block(&session(1), "192.0.2.7").await.unwrap();
    assert_eq!(caps.reverse(EntryId(1), &effect("drop 192.0.2.7")).await, Ok(true));
    assert_eq!(caps.reverse(EntryId(1), &effect("drop 192.0.2.7")).await, Ok(false));
    assert!(fake.blocked().is_empty());
    let unknown = Effect { interface: "lasers", target: "x".to_owned() };
    assert_eq!(caps.reverse(EntryId(1), &unknown).await.unwrap_err().kind, "unsupported");
}

#[tokio::test]
async fn repair_settles_each_difference_and_nothing_else() {
    let Bench { claims, fake, caps } = bench();
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        caps.firewall().block(&session(1), address).await.unwrap();
    }
    let target = |text: &str| Target::try_from(&effect(text)).unwrap();
    fake.meddle(&target("drop 192.0.2.2"), false);
    fake.meddle(&target("drop 203.0.113.9"), true);
    claims.set(EntryId(1), &effect("drop 192.0.2.3"), Standing::For(Duration::from_secs(60)));
    let before = fake.synced().len();
    let unknown = Effect { interface: "lasers", target: "x".to_owned() };
    let claimed: Vec<_> = claims.held().into_iter().chain([unknown]).collect();
    assert_eq!(caps.repair(&claimed).await, Ok(Repaired { written: 2, removed: 1 }));
    let mut settled = fake.synced().split_off(before);
    settled.sort();
    assert_eq!(settled, ["drop 192.0.2.2", "drop 192.0.2.3", "drop 203.0.113.9"]);
    assert_eq!(fake.blocked(), ["drop 192.0.2.1", "drop 192.0.2.2", "drop 192.0.2.3"]);
    assert_eq!(caps.repair(&claims.held()).await, Ok(Repaired::default()));
}

#[tokio::test]
async fn what_a_start_could_not_repair_is_repaired_later() {
    let Bench { claims, fake, caps } = bench();
    for address in ["192.0.2.1", "192.0.2.2"] {
        caps.firewall().block(&session(1), address).await.unwrap();
    }
    assert!(!caps.owes_blocks());
    let all = Touched { blocks: repair::Blocks::All, ..Touched::default() };
    fake.meddle(&Target::try_from(&effect("drop 192.0.2.2")).unwrap(), false);
    fake.refuse(Some(Refusal::unavailable("not yet")));
    assert!(caps.repair(&claims.held()).await.is_err());
    assert!(caps.compare(&all, &claims.held()).await.1.is_err());
    assert!(caps.owes_blocks());
    fake.refuse(None);
    let (mended, outcome) = caps.compare(&all, &claims.held()).await;
    assert_eq!((mended.repaired.written, outcome), (1, Ok(())));
    assert_eq!(fake.blocked(), ["drop 192.0.2.1", "drop 192.0.2.2"]);
    assert!(!caps.owes_blocks());
}

#[tokio::test]
async fn an_end_that_the_host_refused_to_follow_is_followed_later() {
    let Bench { claims, fake, caps } = bench();
    caps.firewall().block(&session(1), "192.0.2.1").await.unwrap();
    fake.refuse(Some(Refusal::unavailable("not yet")));
    assert!(caps.settle(&[effect("drop 192.0.2.1")]).await.is_err());
    assert!(caps.owes_blocks(), "nothing else would look at the time of what is there");
    fake.refuse(None);
    let all = Touched { blocks: repair::Blocks::All, ..Touched::default() };
    assert_eq!(caps.compare(&all, &claims.held()).await.1, Ok(()));
    assert!(!caps.owes_blocks());
}

#[tokio::test]
async fn settling_moves_the_hosts_own_timeout() {
    use firewall::Backend as _;
    let Bench { claims, fake, caps } = bench();
    let effect = effect("drop 192.0.2.1");
    for seconds in [60, 600] {
        claims.set(EntryId(1), &effect, Standing::For(Duration::from_secs(seconds)));
        caps.settle(std::slice::from_ref(&effect)).await.unwrap();
        let remaining: Vec<_> = fake.list().await.unwrap().into_iter().map(|e| e.remaining).collect();
        assert_eq!(remaining, [Some(Duration::from_secs(seconds + 2))]);
    }
}

#[tokio::test]
async fn two_ledgers_at_one_table_come_to_an_end() {
    let Bench { claims, fake, caps } = bench();
    let target = target_of(&effect("drop 192.0.2.7")).unwrap();
    let touched = Touched {
        blocks: repair::Blocks::These(std::collections::HashSet::from([target.clone()])),
        ..Touched::default()
    };
    // Both know the entry by number; the other one still holds it, and puts it
    // back as often as it is taken away.
    let mut taken = 0;
    for _ in 0..20 {
        fake.meddle_as(&target, Some(EntryId(5)), None);
        let (mended, outcome) = caps.compare(&touched, &[]).await;
        outcome.unwrap();
        taken += mended.repaired.removed;
    }
    assert_eq!(taken, 3);
    assert_eq!(fake.blocked(), ["drop 192.0.2.7"]);
    assert_eq!(caps.orphans().len(), 1);
    // Both hold it, the other one for longer.
    let minute = Duration::from_secs(60);
    claims.set(EntryId(1), &effect("drop 192.0.2.7"), claim::Standing::For(minute));
    claims.disown(EntryId(7));
    fake.meddle_as(&target, Some(EntryId(7)), Some(minute * 10));
    let (mended, _) = caps.compare(&touched, &[]).await;
    assert!(mended.is_nothing(), "{mended:?}");
    // For less, or with a mark of this ledger: it is set right.
    for (entry, left) in [(7, minute / 2), (5, minute * 10)] {
        fake.meddle_as(&target, Some(EntryId(entry)), Some(left));
        let (mended, _) = caps.compare(&touched, &[]).await;
        assert_eq!(mended.repaired.written, 1, "{entry}");
    }
}
