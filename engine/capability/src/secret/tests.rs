//! The call, and the files behind it.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed unwrap is a failed test; it plays the host"
)]

use std::sync::Arc;

use riposte_policy::config::Mode;
use riposte_policy::grant::{Grants, SecretGrant};
use riposte_policy::order::EntryId;

use super::*;
use crate::claim::Memory;
use crate::{Backends, Capabilities, Claims, Guard, Phase, Recorder};

fn session() -> Session {
    let grant = |name: &str, source| SecretGrant { name: name.to_owned(), source };
    let secrets = vec![
        grant("hook", SecretSource::File("/secrets/hook".into())),
        grant("token", SecretSource::Credential("token".to_owned())),
    ];
    Session {
        offence: 1,
        command: "test".into(),
        tenant: "default".into(),
        entry: Some(EntryId(1)),
        phase: Phase::Effects,
        mode: Mode::Enforce,
        grants: Arc::new(Grants { secrets, ..Grants::default() }),
        record: Recorder::default(),
    }
}

#[tokio::test]
async fn a_granted_name_and_no_other() {
    let fake = Arc::new(fake::Fake::default());
    fake.put("/secrets/hook", "hunter2");
    fake.put("other", "x");
    let backends =
        Backends { secrets: Arc::clone(&fake) as _, ..Backends::unavailable(&Refusal::unsupported("no")) };
    let claims: Arc<dyn Claims> = Arc::new(Memory::default());
    let caps = Capabilities::new(claims, backends, Arc::new(Guard::new()));
    let good = session();
    assert_eq!(caps.secrets().get(&good, "hook").await.unwrap().reveal(), "hunter2");
    for name in ["other", "/secrets/hook", "", "HOOK"] {
        let refusal = caps.secrets().get(&good, name).await.unwrap_err();
        assert!(refusal.kind == "denied" && refusal.message.contains("<secret"), "{refusal}");
    }
    let keys = Session { phase: Phase::Keys, entry: None, ..good };
    assert_eq!(caps.secrets().get(&keys, "hook").await.unwrap_err().kind, "denied");
}

#[test]
fn it_does_not_show_itself() {
    let secret = Secret::new("hunter2".to_owned());
    assert!(!format!("{secret:?} {:?}", Some(&secret)).contains("hunter2"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn files_and_credentials() {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let files = Files::new(Some(folder.path().to_owned()));
    let put = |name: &str, value: &[u8], mode: u32| {
        write(at(name), value).unwrap();
        set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
    };
    for (name, value, wanted) in [
        ("a", "hunter2\n", "hunter2"),
        ("b", "hunter2", "hunter2"),
        ("c", "x\r\n", "x"),
        ("d", " y\n\n", " y\n"),
    ] {
        put(name, value.as_bytes(), 0o600);
        let secret = files.read(&SecretSource::File(at(name))).await.unwrap();
        assert_eq!(secret.reveal(), wanted);
        assert_eq!(files.read(&SecretSource::Credential(name.to_owned())).await.unwrap(), secret);
    }
    put("readable", b"hunter2", 0o640);
    put("long", &[b'x'; 65_537], 0o600);
    put("bytes", b"hunter2\xff", 0o600);
    put("empty", b"\n", 0o600);
    symlink("a", at("link")).unwrap();
    for (name, words) in [
        ("readable", "chmod 600"),
        ("long", "64 KiB"),
        ("bytes", "UTF-8"),
        ("empty", "empty"),
        ("link", "link"),
        (".", "`.`"),
        ("gone", "no secret"),
    ] {
        let path = if name == "." { folder.path().join("./a/../a") } else { at(name) };
        let refusal = files.read(&SecretSource::File(path)).await.unwrap_err();
        assert!(refusal.message.contains(words), "{name}: {refusal}");
        assert!(!refusal.message.contains("hunter2"), "{refusal}");
    }
    // What systemd lets a user of its own read by an access list.
    put("shared", b"hunter2", 0o440);
    assert!(files.read(&SecretSource::Credential("shared".to_owned())).await.is_ok());
    for name in ["../a", "", ".", "a/b", "é"] {
        assert!(files.read(&SecretSource::Credential(name.to_owned())).await.is_err(), "{name}");
    }
    let none = Files::new(None).read(&SecretSource::Credential("a".to_owned())).await.unwrap_err();
    assert!(none.message.contains("LoadCredential=a:"), "{none}");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(at("a"), Some(1000), None).unwrap();
        assert!(files.read(&SecretSource::File(at("a"))).await.unwrap_err().message.contains("chown root"));
    }
}
