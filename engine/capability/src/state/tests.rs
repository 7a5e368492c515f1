//! The calls, on both backends.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed unwrap is a failed test; it plays the host"
)]

use std::sync::Arc;

use riposte_policy::config::Mode;
use riposte_policy::grant::{Grants, StateGrant};
use riposte_policy::order::EntryId;

use super::*;
use crate::claim::Memory;
use crate::{Backends, Capabilities, Claims, Guard, Phase, Recorder, Session};

fn bench(backend: Arc<dyn Backend>) -> Capabilities {
    let backends = Backends { state: backend, ..Backends::unavailable(&Refusal::unsupported("no")) };
    let claims: Arc<dyn Claims> = Arc::new(Memory::default());
    Capabilities::new(claims, backends, Arc::new(Guard::new()))
}

/// On files, and in memory; the folder lives as long as it is held.
fn benches() -> Vec<(Option<tempfile::TempDir>, Capabilities)> {
    let mut benches = vec![(None, bench(Arc::new(fake::Fake::default())))];
    #[cfg(target_os = "linux")]
    {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path().join("state"));
        benches.push((Some(folder), bench(Arc::new(files))));
    }
    benches
}

fn session(command: &str, size: u64) -> Session {
    Session {
        offence: 1,
        command: command.into(),
        tenant: "default".into(),
        entry: Some(EntryId(1)),
        phase: Phase::Effects,
        mode: Mode::Enforce,
        grants: Arc::new(Grants { state: Some(StateGrant { size }), ..Grants::default() }),
        record: Recorder::default(),
    }
}

#[tokio::test]
async fn values_are_set_replaced_listed_and_removed() {
    for (_folder, caps) in benches() {
        let (state, a, b) = (caps.state(), session("a", 1000), session("b", 1000));
        assert_eq!(state.get(&a, "seen").await, Ok(None));
        assert_eq!(state.remove(&a, "seen").await, Ok(false));
        assert_eq!(state.keys(&a, "").await, Ok(vec![]));
        state.set(&a, "seen", b"1".to_vec()).await.unwrap();
        state.set(&a, "seen", b"\0\xff\n".to_vec()).await.unwrap();
        state.set(&a, "../../x", vec![]).await.unwrap();
        state.set(&a, "see/ü", b"3".to_vec()).await.unwrap();
        assert_eq!(state.get(&a, "seen").await, Ok(Some(b"\0\xff\n".to_vec())));
        assert_eq!(state.get(&a, "../../x").await, Ok(Some(vec![])));
        assert_eq!(state.keys(&a, "see").await.unwrap(), ["see/ü", "seen"]);
        assert_eq!(state.keys(&a, "").await.unwrap(), ["../../x", "see/ü", "seen"]);
        // Another command, or tenant, sees nothing of it.
        assert_eq!(state.get(&b, "seen").await, Ok(None));
        let other = Session { tenant: "other".into(), ..a.clone() };
        assert_eq!(state.keys(&other, "").await, Ok(vec![]));
        assert_eq!(state.remove(&a, "seen").await, Ok(true));
        assert_eq!(state.remove(&a, "seen").await, Ok(false));
        assert_eq!(state.get(&a, "seen").await, Ok(None));
    }
}

#[tokio::test]
async fn a_command_keeps_no_more_than_is_granted() {
    for (_folder, caps) in benches() {
        let (state, session) = (caps.state(), session("a", 10));
        state.set(&session, "k", vec![0; 9]).await.unwrap();
        let refusal = state.set(&session, "k", vec![0; 10]).await.unwrap_err();
        assert!(refusal.kind == "denied" && refusal.message.contains("<state size=\"10\"/>"), "{refusal}");
        assert_eq!(state.get(&session, "k").await.unwrap().unwrap().len(), 9);
        assert!(state.set(&session, "l", vec![]).await.is_err());
        // The old value makes room for its successor.
        state.set(&session, "k", vec![1; 8]).await.unwrap();
        state.set(&session, "l", vec![]).await.unwrap();
        assert!(state.set(&session, "m", vec![]).await.is_err());
    }
}

#[tokio::test]
async fn few_keys_whatever_the_size() {
    let (_, caps) = benches().swap_remove(0);
    let (state, session) = (caps.state(), session("a", 1 << 20));
    for n in 0..MOST {
        state.set(&session, &n.to_string(), vec![]).await.unwrap();
    }
    assert_eq!(state.set(&session, "more", vec![]).await.unwrap_err().kind, "denied");
    state.set(&session, "0", vec![1]).await.unwrap();
}

#[tokio::test]
async fn phase_grant_and_key_are_asked() {
    for (_folder, caps) in benches() {
        let (state, good) = (caps.state(), session("a", 1000));
        state.set(&good, "k", vec![1]).await.unwrap();
        let keys = Session { phase: Phase::Keys, entry: None, ..good.clone() };
        let ungranted = Session { grants: Arc::default(), ..good.clone() };
        assert_eq!(state.get(&keys, "k").await, Ok(Some(vec![1])));
        assert_eq!(state.keys(&keys, "").await.unwrap(), ["k"]);
        assert_eq!(state.set(&keys, "k", vec![]).await.unwrap_err().kind, "denied");
        assert_eq!(state.remove(&keys, "k").await.unwrap_err().kind, "denied");
        assert_eq!(state.get(&ungranted, "k").await.unwrap_err().kind, "denied");
        for key in ["", "a\nb", &"x".repeat(129)] {
            assert_eq!(state.set(&good, key, vec![]).await.unwrap_err().kind, "invalid-input", "{key:?}");
            assert_eq!(state.get(&good, key).await.unwrap_err().kind, "invalid-input");
        }
    }
}

#[tokio::test]
async fn shadow_sees_what_it_set_and_nobody_else_does() {
    for (_folder, caps) in benches() {
        let (state, real) = (caps.state(), session("a", 100));
        state.set(&real, "k", vec![1]).await.unwrap();
        let shadow = Session { mode: Mode::Shadow, entry: None, record: Recorder::default(), ..real.clone() };
        state.set(&shadow, "k", vec![2]).await.unwrap();
        state.set(&shadow, "l", vec![3]).await.unwrap();
        assert_eq!(state.get(&shadow, "k").await, Ok(Some(vec![2])));
        assert_eq!(state.keys(&shadow, "").await.unwrap(), ["k", "l"]);
        assert_eq!(state.remove(&shadow, "k").await, Ok(true));
        assert_eq!(state.remove(&shadow, "k").await, Ok(false));
        assert_eq!(state.keys(&shadow, "").await.unwrap(), ["l"]);
        assert!(state.set(&shadow, "m", vec![0; 100]).await.is_err());
        assert_eq!(state.get(&real, "k").await, Ok(Some(vec![1])));
        assert_eq!(state.keys(&real, "").await.unwrap(), ["k"]);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn files_outlive_the_process_and_a_write_cut_short() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("state");
    let session = session("a", 100);
    bench(Arc::new(Files::new(place.clone()))).state().set(&session, "k", vec![1]).await.unwrap();
    let of_command = || {
        let one = |path: std::path::PathBuf| std::fs::read_dir(path).unwrap().next().unwrap().unwrap().path();
        one(one(place.clone()))
    };
    std::fs::write(of_command().join("new"), "half").unwrap();
    let caps = bench(Arc::new(Files::new(place.clone())));
    assert_eq!(caps.state().get(&session, "k").await, Ok(Some(vec![1])));
    assert_eq!(caps.state().keys(&session, "").await.unwrap(), ["k"]);
    caps.state().set(&session, "k", vec![2]).await.unwrap();
    assert_eq!(std::fs::read_dir(of_command()).unwrap().count(), 1);
    // A damaged file is said to be one.
    let file = std::fs::read_dir(of_command()).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, "x").unwrap();
    assert!(caps.state().get(&session, "k").await.unwrap_err().message.contains("damaged"));
    // So is a folder that others can reach.
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(caps.state().set(&session, "k", vec![2]).await.unwrap_err().message.contains("chmod 700"));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_keep_to_the_size_together() {
    let folder = tempfile::tempdir().unwrap();
    let caps = Arc::new(bench(Arc::new(Files::new(folder.path().join("state")))));
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let caps = Arc::clone(&caps);
            let session = session("a", 100);
            tokio::spawn(
                async move { caps.state().set(&session, &format!("k{n:02}"), vec![0; 7]).await.is_ok() },
            )
        })
        .collect();
    let mut set = 0;
    for task in tasks {
        set += usize::from(task.await.unwrap());
    }
    assert_eq!(set, 10);
}
