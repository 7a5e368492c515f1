//! The calls, on files in memory.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use riposte_policy::config::Mode;
use riposte_policy::grant::{Grants, QuarantineGrant};
use riposte_policy::order::EntryId;

use super::INTERFACE;
use super::fake::Fake;
use crate::claim::Memory;
use crate::{Backends, Capabilities, Claims, Effect, Guard, Phase, Recorder, Refusal, Session, WouldBe};

fn bench() -> (Arc<Fake>, Capabilities) {
    let fake = Arc::new(Fake::default());
    let quarantine = Arc::clone(&fake) as _;
    let backends = Backends { quarantine, ..Backends::unavailable(&Refusal::unsupported("no")) };
    let claims: Arc<dyn Claims> = Arc::new(Memory::default());
    (fake, Capabilities::new(claims, backends, Arc::new(Guard::new())))
}

fn session(entry: i64, folders: &[&str]) -> Session {
    let quarantine = Some(QuarantineGrant { folders: folders.iter().map(Into::into).collect() });
    Session {
        offence: 1,
        command: "test".into(),
        tenant: "default".into(),
        entry: Some(EntryId(entry)),
        phase: Phase::Effects,
        mode: Mode::Enforce,
        grants: Arc::new(Grants { quarantine, ..Grants::default() }),
        record: Recorder::default(),
    }
}

#[tokio::test]
async fn a_file_goes_and_comes_back_with_its_last_holder() {
    let (fake, caps) = bench();
    fake.create("/home/a/x");
    let (one, two) = (session(1, &["/home"]), session(2, &["/home/a"]));
    assert_eq!(caps.quarantine().put(&one, "/home/a/x").await, Ok(true));
    assert_eq!(caps.quarantine().put(&one, "/home/a/x").await, Ok(false));
    assert_eq!(caps.quarantine().put(&two, "/home/a/x").await, Ok(false));
    assert_eq!(caps.quarantine().holds(&two, "/home/a/x").await, Ok(true));
    assert_eq!(caps.quarantine().restore(&one, "/home/a/x").await, Ok(true));
    assert_eq!(fake.kept(), ["/home/a/x"]);
    assert_eq!(caps.quarantine().restore(&two, "/home/a/x").await, Ok(true));
    assert_eq!(caps.quarantine().restore(&two, "/home/a/x").await, Ok(false));
    assert_eq!((fake.files(), fake.kept()), (vec!["/home/a/x".to_owned()], vec![]));
}

#[tokio::test]
async fn refusals_leave_no_trace() {
    let (fake, caps) = bench();
    let good = session(1, &["/home", "/tmp/x"]);
    let everything = session(1, &["/home", "/"]);
    let keys = Session { phase: Phase::Keys, entry: None, ..good.clone() };
    let ungranted = Session { grants: Arc::default(), ..good.clone() };
    for (session, path, kind, words) in [
        (&good, "home/x", "invalid-input", "does not begin"),
        (&good, "/home/../etc/passwd", "invalid-input", "`..`"),
        (&good, "/home/x\0", "invalid-input", "control"),
        (&good, "/homes/x", "denied", "no folder"),
        (&good, "/home", "denied", "no folder"),
        (&good, "/tmp/y", "denied", "no folder"),
        (&everything, "/home/x", "denied", "every file"),
        (&ungranted, "/home/x", "denied", "<quarantine"),
        (&keys, "/home/x", "denied", "`keys`"),
        (&good, "/home/x", "failed", "no file"),
    ] {
        fake.create(path);
        if kind == "failed" {
            fake.refuse(Some(Refusal::failed("no file")));
        }
        let refusal = caps.quarantine().put(session, path).await.unwrap_err();
        assert_eq!(refusal.kind, kind, "{path}: {refusal}");
        assert!(refusal.message.contains(words), "{path}: {refusal}");
    }
    assert!(fake.kept().is_empty());
    assert_eq!(caps.quarantine().holds(&keys, "/home/x").await.unwrap_err().kind, "denied");
    assert_eq!(caps.quarantine().restore(&ungranted, "/home/x").await.unwrap_err().kind, "denied");
}

#[tokio::test]
async fn a_place_that_is_taken_fails_the_restore_and_it_is_tried_again() {
    let (fake, caps) = bench();
    let (session, two) = (session(1, &["/home"]), session(2, &["/home"]));
    fake.create("/home/x");
    caps.quarantine().put(&session, "/home/x").await.unwrap();
    fake.create("/home/x");
    assert_eq!(caps.quarantine().restore(&session, "/home/x").await.unwrap_err().kind, "failed");
    assert_eq!(fake.kept(), ["/home/x"]);
    let effect = Effect { interface: INTERFACE, target: "/home/x".to_owned() };
    assert!(caps.reverse(EntryId(1), &effect).await.is_err());
    // What took the place is not held with it, and nobody is told that it is.
    let refusal = caps.quarantine().put(&two, "/home/x").await.unwrap_err();
    assert!(refusal.message.contains("earlier file"), "{refusal}");
    assert_eq!(caps.quarantine().restore(&two, "/home/x").await, Ok(true));
    assert_eq!((fake.files().len(), fake.kept()), (1, vec!["/home/x".to_owned()]));
}

#[tokio::test]
async fn shadow_moves_nothing() {
    let (fake, caps) = bench();
    fake.create("/home/x");
    let shadow = Session { mode: Mode::Shadow, entry: None, ..session(1, &["/home"]) };
    assert_eq!(caps.quarantine().put(&shadow, "/home/x").await, Ok(true));
    assert_eq!(caps.quarantine().holds(&shadow, "/home/x").await, Ok(true));
    assert_eq!(caps.quarantine().restore(&shadow, "/home/x").await, Ok(true));
    assert_eq!(shadow.record.recorded().len(), 2);
    assert!(matches!(&shadow.record.recorded()[0], WouldBe::Made(effect) if effect.target == "/home/x"));
    assert_eq!(fake.files(), ["/home/x"]);
}
