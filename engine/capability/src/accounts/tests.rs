//! The calls from the session down, on accounts that are only remembered.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use riposte_policy::config::Mode;
use riposte_policy::grant::{AccountGrant, Grants, Pattern, Sessions as MayEnd};
use riposte_policy::order::EntryId;

use super::fake::{Fake, Lock};
use crate::claim::{Claims, Memory};
use crate::{Backends, Capabilities, Effect, Guard, Phase, Recorder, Refusal, Session, WouldBe};

struct Bench {
    claims: Arc<Memory>,
    fake: Arc<Fake>,
    caps: Capabilities,
}

/// Numbers that no account of the machine that runs the test has.
fn bench() -> Bench {
    let claims = Arc::new(Memory::default());
    let fake = Arc::new(Fake::new(&[
        ("riposte-alice", 3_000_001),
        ("riposte-bob", 3_000_002),
        ("riposte-bobby", 3_000_002),
        ("root", 0),
        ("riposte-toor", 0),
    ]));
    let nothing = Refusal::unsupported("not here");
    let backends = Backends {
        accounts: Arc::clone(&fake) as Arc<dyn crate::held::Backend>,
        sessions: Arc::clone(&fake) as Arc<dyn super::Sessions>,
        ..Backends::unavailable(&nothing)
    };
    let caps = Capabilities::new(Arc::clone(&claims) as Arc<dyn Claims>, backends, Arc::new(Guard::new()));
    Bench { claims, fake, caps }
}

fn session(entry: i64, grant: Option<AccountGrant>) -> Session {
    Session {
        offence: 1,
        command: "test".into(),
        tenant: "default".into(),
        entry: Some(EntryId(entry)),
        phase: Phase::Effects,
        mode: Mode::Enforce,
        grants: Arc::new(Grants { accounts: grant, ..Grants::default() }),
        record: Recorder::default(),
    }
}

fn all() -> AccountGrant {
    AccountGrant {
        users: vec![Pattern::new("*")],
        except: vec![Pattern::new("deploy-*")],
        sessions: MayEnd::End,
    }
}

#[tokio::test]
async fn a_lock_is_claimed_made_and_undone() {
    let Bench { claims, fake, caps } = bench();
    let session = session(1, Some(all()));
    assert_eq!(caps.accounts().unlock(&session, "riposte-alice").await, Ok(false));
    assert_eq!(caps.accounts().lock(&session, "riposte-alice").await, Ok(true));
    assert_eq!(caps.accounts().lock(&session, "riposte-alice").await, Ok(false));
    assert_eq!(caps.accounts().locked(&session, "riposte-alice").await, Ok(true));
    assert_eq!(fake.locked(), ["riposte-alice"]);
    assert_eq!(caps.accounts().unlock(&session, "riposte-alice").await, Ok(true));
    assert_eq!(caps.accounts().unlock(&session, "riposte-alice").await, Ok(false));
    assert!(fake.locked().is_empty() && claims.held().is_empty());
}

#[tokio::test]
async fn the_last_holder_restores_and_an_administrators_lock_stays() {
    let Bench { fake, caps, .. } = bench();
    fake.set("riposte-bob", Some(Lock::Locked));
    for user in ["riposte-alice", "riposte-bob"] {
        for entry in [1, 2] {
            caps.accounts().lock(&session(entry, Some(all())), user).await.unwrap();
        }
        assert_eq!(caps.accounts().unlock(&session(1, Some(all())), user).await, Ok(true));
        assert!(fake.locked().contains(&user.to_owned()));
        assert_eq!(caps.accounts().unlock(&session(2, Some(all())), user).await, Ok(true));
    }
    assert_eq!(fake.locked(), ["riposte-bob"]);
    let effect = Effect { interface: super::INTERFACE, target: "riposte-alice".to_owned() };
    caps.accounts().lock(&session(3, Some(all())), "riposte-alice").await.unwrap();
    assert_eq!(caps.reverse(EntryId(3), &effect).await, Ok(true));
    assert_eq!(fake.locked(), ["riposte-bob"]);
}

#[tokio::test]
async fn refusals_name_what_stands_in_the_way_and_leave_no_trace() {
    let Bench { claims, fake, caps } = bench();
    let good = session(1, Some(all()));
    let ungranted = session(1, None);
    let some =
        session(1, Some(AccountGrant { users: vec![Pattern::new("web-*")], ..AccountGrant::default() }));
    let keys = Session { phase: Phase::Keys, entry: None, ..good.clone() };
    let narrow = AccountGrant { sessions: MayEnd::Keep, ..all() };
    let narrow = session(1, Some(narrow));
    for (session, user, kind, words) in [
        (&good, "", "invalid-input", "is not a user name"),
        (&good, "-d", "invalid-input", "is not a user name"),
        (&good, "a b", "invalid-input", "is not a user name"),
        (&good, "../x", "invalid-input", "is not a user name"),
        (&good, "root", "denied", "guard: root"),
        (&good, "deploy-1", "denied", "excepts deploy-1"),
        (&good, "riposte-nobody", "no-key", "no such user"),
        (&some, "riposte-alice", "denied", "users=\"\""),
        (&ungranted, "riposte-alice", "denied", "<account users=\"*\"/>"),
        (&keys, "riposte-alice", "denied", "`keys`"),
    ] {
        for refusal in [
            caps.accounts().lock(session, user).await.unwrap_err(),
            caps.accounts().end_sessions(session, user).await.unwrap_err(),
        ] {
            if refusal.message.contains("sessions=\"end\"") {
                continue;
            }
            assert_eq!((refusal.kind, refusal.retry), (kind, false), "{user}");
            assert!(refusal.message.contains(words), "{user}: {refusal}");
        }
    }
    let refusal = caps.accounts().end_sessions(&narrow, "riposte-alice").await.unwrap_err();
    assert!(refusal.kind == "denied" && refusal.message.contains("sessions=\"end\""), "{refusal}");
    // Another name of root's number runs what root runs.
    assert_eq!(caps.accounts().end_sessions(&good, "riposte-toor").await.unwrap_err().kind, "denied");
    assert!(fake.done().is_empty() && claims.held().is_empty());
    assert_eq!(caps.accounts().end_sessions(&good, "riposte-bob").await, Ok(1));
    assert_eq!(fake.done(), ["end 3000002"]);
}

#[tokio::test]
async fn shadow_looks_and_touches_nothing() {
    let Bench { claims, fake, caps } = bench();
    let shadow = Session { mode: Mode::Shadow, entry: None, ..session(1, Some(all())) };
    assert_eq!(caps.accounts().lock(&shadow, "riposte-alice").await, Ok(true));
    assert_eq!(caps.accounts().end_sessions(&shadow, "riposte-alice").await, Ok(0));
    assert_eq!(caps.accounts().unlock(&shadow, "riposte-alice").await, Ok(true));
    assert_eq!(caps.accounts().lock(&shadow, "riposte-nobody").await.unwrap_err().kind, "no-key");
    let effect = |target: &str| Effect { interface: super::INTERFACE, target: target.to_owned() };
    assert_eq!(
        shadow.record.recorded(),
        [
            WouldBe::Made(effect("riposte-alice")),
            WouldBe::Done(effect("end-sessions riposte-alice")),
            WouldBe::Undone(effect("riposte-alice")),
        ]
    );
    fake.refuse(Some(Refusal::unavailable("in shadow")));
    assert_eq!(caps.accounts().lock(&shadow, "riposte-bob").await, Ok(true));
    assert_eq!(caps.accounts().end_sessions(&shadow, "riposte-bob").await, Ok(0));
    assert!(fake.done().is_empty() && claims.held().is_empty());
}

#[tokio::test]
async fn a_lock_that_failed_keeps_its_claim_for_the_undo() {
    let Bench { claims, fake, caps } = bench();
    let session = session(1, Some(all()));
    fake.refuse(Some(Refusal::unavailable("held")));
    // The state before could not be read: nothing was claimed.
    assert_eq!(caps.accounts().lock(&session, "riposte-alice").await.unwrap_err().kind, "unavailable");
    assert!(claims.held().is_empty());
    fake.refuse(None);
    caps.accounts().lock(&session, "riposte-alice").await.unwrap();
    fake.refuse(Some(Refusal::unavailable("held")));
    assert_eq!(caps.accounts().unlock(&session, "riposte-alice").await.unwrap_err().kind, "unavailable");
    assert_eq!(fake.locked(), ["riposte-alice"]);
    fake.refuse(None);
    // What was released is restored all the same when asked again.
    let _ = caps.accounts().unlock(&session, "riposte-alice").await.unwrap();
    assert!(fake.locked().is_empty());
}

/// Accounts in files of their own, locked a moment after they are asked for.
struct InFiles(tempfile::TempDir);

impl InFiles {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let files = Self(root);
        files.write("passwd", "ann:x:3000:100::/:/bin/sh\neve:x:3001:100::/:/bin/sh\n");
        files.write("group", "sudo:x:27:ann,eve\n");
        files.write("shadow", "ann:$6$x:1::::::\neve:$6$x:1::::::\n");
        files
    }

    #[expect(clippy::disallowed_methods, reason = "the test plays usermod")]
    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.0.path().join("etc").join(file), text).unwrap();
    }
}

#[async_trait::async_trait]
impl crate::held::Backend for InFiles {
    async fn prior(&self, _: &str) -> Result<String, Refusal> {
        Ok(String::new())
    }

    #[expect(clippy::disallowed_methods, reason = "the test plays usermod")]
    async fn make(&self, target: &str) -> Result<bool, Refusal> {
        // Whoever else is about to lock somebody comes to it now.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let shadow = std::fs::read_to_string(self.0.path().join("etc/shadow")).unwrap();
        self.write("shadow", &shadow.replace(&format!("{target}:$"), &format!("{target}:!$")));
        Ok(true)
    }

    async fn restore(&self, _: &str, _: &str) -> Result<(), Refusal> {
        Ok(())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

#[tokio::test]
async fn two_locks_at_once_leave_an_administrator() {
    let files = Arc::new(InFiles::new());
    let guard = Arc::new(Guard::with_root(files.0.path()));
    let backends = Backends {
        accounts: Arc::clone(&files) as Arc<dyn crate::held::Backend>,
        ..Backends::unavailable(&Refusal::unsupported("not here"))
    };
    let caps = Capabilities::new(Arc::new(Memory::default()) as Arc<dyn Claims>, backends, guard);
    let (one, two) = (session(1, Some(all())), session(2, Some(all())));
    let (ann, eve) = tokio::join!(async { caps.accounts().lock(&one, "ann").await }, async {
        caps.accounts().lock(&two, "eve").await
    },);
    assert_eq!(ann, Ok(true));
    let refusal = eve.unwrap_err();
    assert!(refusal.kind == "denied" && refusal.message.contains("last-administrator"), "{refusal}");
}
