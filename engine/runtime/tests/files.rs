//! The built-in responses that act on files, in the sandbox and on real files:
//! each through the same seven steps, among them a delete without an add and
//! one without a receipt.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed unwrap is a failed test; it plays the host"
)]
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use common::invocation;
use riposte_capability::claim::Memory;
use riposte_capability::{Backends, Capabilities, Guard, Refusal, lines, quarantine};
use riposte_policy::config::Mode;
use riposte_policy::grant::{Access, ConfigValue, FolderGrant, Grants, LinesGrant, Pattern, QuarantineGrant};
use riposte_policy::limit::Limits;
use riposte_runtime::{Components, Failure, Invocation, Plugin, Settings};

/// A scratch host with the built-in responses on it.
struct Host {
    folder: tempfile::TempDir,
    components: Components,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = quarantine::Store::new(folder.path().join("quarantine"), vec![]);
        let backends = Backends {
            lines: Arc::new(lines::Files),
            quarantine: Arc::new(store),
            ..Backends::unavailable(&Refusal::unsupported("not on this host"))
        };
        let capabilities = Capabilities::new(Arc::new(Memory::default()), backends, Arc::new(Guard::new()));
        let components = Components::new(&Settings::default(), Arc::new(capabilities)).unwrap();
        Self { folder, components }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn builtin(&self, name: &str, grants: Grants) -> Arc<Plugin> {
        let builtin = riposte_plugins::builtins().iter().find(|builtin| builtin.name == name).unwrap();
        self.components.load(name, builtin.wasm, &Arc::new(grants), &Limits::default(), true).unwrap()
    }

    fn lines(&self, name: &str, file: &str, setting: &str, value: &str) -> Arc<Plugin> {
        let lines = vec![LinesGrant { file: self.path(file).into(), lines: vec![Pattern::new("*")] }];
        let config = vec![ConfigValue { name: setting.to_owned(), value: self.path(value) }];
        self.builtin(name, Grants { lines, config, ..Grants::default() })
    }
}

/// Deletes without an add, adds, adds again, deletes, deletes again, adds and
/// deletes without the receipt; `before` and `after` look at the host.
async fn seven_steps(plugin: &Plugin, call: &Invocation, before: impl Fn(), after: impl Fn()) {
    let keys = plugin.keys(call).await.result.unwrap().unwrap();
    assert_eq!(keys.as_slice().len(), 1);
    plugin.delete(call, None).await.result.unwrap();
    before();
    let receipt = plugin.add(call).await.result.unwrap();
    after();
    plugin.add(call).await.result.unwrap();
    after();
    plugin.delete(call, Some(receipt.clone())).await.result.unwrap();
    before();
    plugin.delete(call, Some(receipt)).await.result.unwrap();
    before();
    plugin.add(call).await.result.unwrap();
    after();
    plugin.delete(call, None).await.result.unwrap();
    before();
    // In shadow it says the same and does nothing.
    let shadow = Invocation { mode: Mode::Shadow, entry: None, ..call.clone() };
    let would = plugin.add(&shadow).await;
    assert!(would.result.is_ok() && would.would_be.len() == 1, "{would:?}");
    before();
}

fn srcip(address: &str) -> Invocation {
    invocation(&format!(r#"{{"data":{{"srcip":"{address}"}}}}"#))
}

#[tokio::test]
async fn host_deny() {
    let host = Host::new();
    let file = host.path("hosts.deny");
    let text = "# 1.2.3.4\nALL:11.2.3.45\n";
    fs::write(&file, text).unwrap();
    let plugin = host.lines("host-deny", "hosts.deny", "file", "hosts.deny");
    for (address, line) in [("1.2.3.4", "ALL:1.2.3.4"), ("2001:DB8::0:7", "ALL:[2001:db8::7]")] {
        seven_steps(
            &plugin,
            &srcip(address),
            || assert_eq!(fs::read_to_string(&file).unwrap(), text),
            || assert_eq!(fs::read_to_string(&file).unwrap(), format!("{text}{line}\n")),
        )
        .await;
    }
    let refused = plugin.add(&srcip("127.0.0.1")).await.result.unwrap_err().to_string();
    assert!(refused.contains("guard: loopback"), "{refused}");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test]
async fn host_deny_of_freebsd() {
    let host = Host::new();
    let file = host.path("hosts.allow");
    fs::write(&file, "ALL : ALL : allow\n").unwrap();
    let plugin = host.lines("host-deny", "hosts.allow", "file", "hosts.allow");
    plugin.add(&srcip("1.2.3.4")).await.result.unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "ALL : ALL : allow\nALL : 1.2.3.4 : deny\n");
}

#[tokio::test]
async fn ip_customblock() {
    let host = Host::new();
    fs::create_dir(host.path("ipblock")).unwrap();
    let plugin = host.lines("ip-customblock", "ipblock/*", "folder", "ipblock");
    let file = host.path("ipblock/1.2.3.4");
    seven_steps(
        &plugin,
        &srcip("::ffff:1.2.3.4"),
        || assert_eq!(fs::read_dir(host.path("ipblock")).unwrap().count(), 0),
        || assert_eq!(fs::read_to_string(&file).unwrap(), "1.2.3.4\n"),
    )
    .await;
}

#[tokio::test]
async fn quarantine_file() {
    let host = Host::new();
    fs::create_dir(host.path("home")).unwrap();
    let path = host.path("home/x y");
    fs::write(&path, "EICAR").unwrap();
    let quarantine = Some(QuarantineGrant { folders: vec![host.path("home").into()] });
    let plugin = host.builtin("quarantine-file", Grants { quarantine, ..Grants::default() });
    let alert = |path: &str| invocation(&format!(r#"{{"syscheck":{{"path":"{path}"}}}}"#));
    seven_steps(
        &plugin,
        &alert(&path),
        || assert_eq!(fs::read_to_string(&path).unwrap(), "EICAR"),
        || assert!(!Path::new(&path).exists()),
    )
    .await;
    for path in ["/etc/passwd", "/proc/self/exe", &host.path("quarantine/x"), &host.path("home/gone")] {
        assert!(plugin.add(&alert(path)).await.result.is_err(), "{path}");
    }
}

/// Whoever may write below the folder could leave one there, and an opening
/// that waits keeps a thread of the engine.
#[tokio::test]
async fn a_pipe_in_a_granted_folder_holds_nobody_up() {
    let host = Host::new();
    let inbox = host.path("inbox");
    fs::create_dir(&inbox).unwrap();
    let pipe = format!("{inbox}/pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    std::os::unix::fs::symlink("pipe", format!("{inbox}/link")).unwrap();
    fs::write(format!("{inbox}/file"), "text").unwrap();
    std::os::unix::fs::symlink("file", format!("{inbox}/good")).unwrap();
    let folders = vec![FolderGrant { path: inbox.clone().into(), access: Access::Write }];
    let plugin = host
        .components
        .load(
            "ask-folder",
            riposte_hostile::component("ask-folder"),
            &Arc::new(Grants { folders, ..Grants::default() }),
            &Limits::default(),
            false,
        )
        .unwrap();
    let ask = |call: &str, name: &str| {
        invocation(&format!(r#"{{"id":"1","data":{{"call":"{call}","a":"{inbox}/{name}","b":"x"}}}}"#))
    };
    for (call, name) in [("read", "pipe"), ("read", "link"), ("write", "pipe"), ("append", "link")] {
        let added = plugin.add(&ask(call, name)).await;
        // Without this an opening that waits would keep the test from ending.
        let _free = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        assert!(matches!(added.result, Err(Failure::Said { .. })), "{call} {name}: {added:?}");
    }
    for (call, name) in [("read", "file"), ("read", "good"), ("append", "good"), ("write", "new")] {
        let added = plugin.add(&ask(call, name)).await;
        assert!(added.result.is_ok(), "{call} {name}: {added:?}");
    }
    assert_eq!(fs::read_to_string(format!("{inbox}/file")).unwrap(), "textx");
}
