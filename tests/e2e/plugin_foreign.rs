//! `riposte plugin` with what somebody else made: names that act on a terminal,
//! folders with links and pipes in them, builds that are not ours.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the attacker and the user"
)]

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use riposte_tests::{Ended, Host, binary, until};
use tempfile::TempDir;

/// A name that colours the terminal, and a line that is to be taken for ours.
const EVIL: &str = "\u{1b}[31m\nok: all fine";
/// The same as text of WebAssembly has it.
const EVIL_WAT: &str = "\\1b[31m\\0aok: all fine";

const ONESHOT: &str = "(instance $i) (export \"active-response:plugin/oneshot@0.1.0\" (instance $i))";
const MANIFEST: &str = "name = \"x\"\nlanguage = \"c\"\nkind = \"oneshot\"\n[build]\n\
                        steps = [[\"touch\", \"built\"]]\nartifact = \"x.wasm\"\n";
const SCENARIO: &str =
    r#"{"scenarios": [{"name": "runs", "call": "run", "alert": {}, "expect": {"trap": true}}]}"#;

fn riposte(at: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(binary());
    command.env("XDG_CACHE_HOME", at.join("cache"));
    Ended::from(command.args(arguments).current_dir(at).stdin(Stdio::null()).output().unwrap())
}

fn pipe(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let at = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = at.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    at
}

/// The same, of another user.
fn anothers(files: &[(&str, &[u8])]) -> TempDir {
    let at = folder(files);
    let owned = Command::new("chown").args(["-R", "65534"]).arg(at.path()).status().unwrap();
    assert!(owned.success(), "this test needs root");
    at
}

/// What a toolchain leaves that knows nothing of components.
fn core_module() -> Vec<u8> {
    let text = r#"(module (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "active-response:plugin/oneshot@0.1.0#run") (param i32 i32) (result i32) unreachable))"#;
    wat::parse_str(text).unwrap()
}

#[track_caller]
fn harmless(ended: &Ended) {
    for text in [&ended.out, &ended.err] {
        assert!(!text.contains('\u{1b}'), "{ended:?}");
        assert!(!text.lines().any(|line| line.starts_with("ok: all")), "{ended:?}");
    }
}

#[test]
fn no_name_of_a_component_acts_on_the_terminal() {
    let host = Host::new();
    host.configure("");
    let component =
        |import: &str| wat::parse_str(format!("(component (import \"{import}\" (instance)) {ONESHOT})"));
    let evil = format!("url=<{EVIL_WAT}>");
    let names = [EVIL_WAT, &evil, &format!("active-response:plugin/{EVIL_WAT}@0.1.0")];
    let mut refused = Vec::new();
    for name in names {
        let at = folder(&[
            ("x.wasm", &component(name).unwrap()),
            ("plugin.toml", MANIFEST.as_bytes()),
            ("scenarios/a.json", SCENARIO.as_bytes()),
            ("alert.json", b"{}"),
        ]);
        for words in [
            &["inspect", "x.wasm"][..],
            &["run", "x.wasm", "alert.json"],
            &["test", "--no-build"],
            &["build"],
            &["wrap", "x.wasm"],
        ] {
            let ended = riposte(at.path(), &[&["plugin"], words].concat());
            harmless(&ended);
            refused.push(ended.err + &ended.out);
        }
        host.plugin("x", &component(name).unwrap());
        host.configure("<command><name>x</name><executable>x.wasm</executable></command>");
        let file = at.path().join("x.wasm").display().to_string();
        for words in [
            &["plugin", "install", &file, "--name", "y"][..],
            &["plugin", "update", &file, "--name", "x", "--yes"],
            &["plugin", "list"],
            &["check"],
            &["plugin", "remove", "x", "--force"],
        ] {
            let ended = host.riposte(words);
            harmless(&ended);
            refused.push(ended.err + &ended.out);
        }
    }
    assert!(refused.iter().any(|text| text.contains("\\u{1b}[31m\\nok: all fine")), "{refused:?}");
}

#[test]
fn no_name_in_a_project_acts_on_the_terminal() {
    let module = wat::parse_str(format!("(module (import \"{EVIL_WAT}\" \"x\" (func)))")).unwrap();
    let world = b"package a:b; world plugin {}".as_slice();
    let with = |from: &str, to: &str| MANIFEST.replace(from, to).into_bytes();
    let scenario = |host: &str| {
        let host = host.replace('\u{1b}', "\\u001b").replace('\n', "\\n");
        format!(
            r#"{{"scenarios": [{{"name": "a", "call": "run", "host": {{"{host}": {{}}}}, "expect": {{}}}}]}}"#
        )
    };
    for (manifest, file, bytes) in [
        (with("[build]", "\"\\u001b[31m\\nok: all fine\" = 1\n[build]"), "x.wasm", b"".to_vec()),
        (with("\"x.wasm\"", "\"\\u001b[31m\\nok: all fine.wasm\""), "x.wasm", b"".to_vec()),
        (with("[\"touch\", \"built\"]", "[\"\\u001b[31m\\nok: all fine\"]"), "x.wasm", b"".to_vec()),
        (
            with("[\"touch\", \"built\"]", "[\"printf\", \"\\u001b[31m\\nok: all fine\\n\"]"),
            "x.wasm",
            b"".to_vec(),
        ),
        (with("", ""), "x.wasm", module.clone()),
        (with("", ""), "scenarios/b.json", scenario(EVIL).into_bytes()),
        (with("", ""), "scenarios/b.json", scenario(&format!("log {EVIL}")).into_bytes()),
        (with("", ""), &format!("scenarios/{EVIL}.json"), b"{".to_vec()),
    ] {
        let at = folder(&[
            ("plugin.toml", &manifest),
            ("scenarios/a.json", SCENARIO.as_bytes()),
            ("riposte/world/world.wit", world),
            ("core.wasm", &module),
            (file, &bytes),
        ]);
        for words in [
            &["build"][..],
            &["test"],
            &["test", "--no-build"],
            &["wrap", "core.wasm"],
            &["test", "--no-build", "--scenario", "nothing"],
        ] {
            let ended = riposte(at.path(), &[&["plugin"], words].concat());
            assert_eq!(ended.code, 1, "{words:?}: {ended:?}");
            harmless(&ended);
        }
    }
}

#[test]
fn a_record_that_somebody_else_wrote_is_not_shown_as_it_is() {
    let host = Host::new();
    host.configure("");
    for name in ["ungranted", "echo"] {
        host.write("block.wasm", riposte_hostile::component(name));
        let file = host.path("block.wasm").display().to_string();
        let verb = if name == "echo" { "update" } else { "install" };
        assert_eq!(host.riposte(&["plugin", verb, &file]).code, 0);
    }
    let record = "state/plugins/.versions/block/record.json";
    let mut evil: serde_json::Value = serde_json::from_str(&host.read(record)).unwrap();
    for version in evil["versions"].as_array_mut().unwrap() {
        version["version"] = EVIL.into();
        version["kind"] = EVIL.into();
    }
    host.write(record, evil.to_string());
    let listed = host.riposte(&["plugin", "list"]);
    assert!(listed.code == 0 && listed.out.contains("kept"), "{listed:?}");
    harmless(&listed);
    let gone = evil["versions"][1]["sha256"].as_str().unwrap();
    fs::remove_file(host.path(&format!("state/plugins/.versions/block/{gone}.wasm"))).unwrap();
    let refused = host.riposte(&["plugin", "rollback", "block"]);
    assert!(refused.code == 1 && refused.err.contains("is gone"), "{refused:?}");
    harmless(&refused);
}

#[test]
fn root_runs_no_build_of_anothers() {
    let at = anothers(&[("plugin.toml", MANIFEST.as_bytes()), ("scenarios/a.json", SCENARIO.as_bytes())]);
    for (words, then) in [(&["build"][..], "then this again"), (&["test"], "then this with --no-build")] {
        let refused = riposte(at.path(), &[&["plugin"], words].concat());
        assert!(refused.code == 1 && refused.err.contains("does not run as root"), "{refused:?}");
        assert!(refused.err.contains(then), "{refused:?}");
        assert!(!at.path().join("built").exists() && !at.path().join("riposte").exists());
    }
    // As its user it does.
    let built = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(binary())
        .args(["plugin", "build"])
        .current_dir(at.path())
        .output()
        .unwrap();
    let built = Ended::from(built);
    assert!(built.code == 1 && built.err.contains("the build left no such file"), "{built:?}");
    assert!(at.path().join("built").exists());
}

#[test]
fn nothing_is_written_where_a_link_of_anothers_leads() {
    let kept = folder(&[("kept.wasm", &core_module()), ("kept", b"mine")]);
    let wit = "package active-response:plugin@0.1.0;
        interface types { record error { kind: string, message: string, retry: bool, } }
        interface oneshot { use types.{error}; run: func(alert: string) -> result<_, error>; }
        world plugin { export oneshot; }";
    let at = anothers(&[
        ("plugin.toml", MANIFEST.as_bytes()),
        ("scenarios/a.json", SCENARIO.as_bytes()),
        ("riposte/world/world.wit", wit.as_bytes()),
        ("core.wasm", &core_module()),
    ]);
    let link = |name: &str, to: &str| {
        symlink(kept.path().join(to), at.path().join(name)).unwrap();
    };
    link("x.wasm", "kept.wasm");
    let tested = riposte(at.path(), &["plugin", "test", "--no-build"]);
    assert!(tested.code == 0 && tested.out.contains("1 scenario went"), "{tested:?}");
    assert_eq!(fs::read(kept.path().join("kept.wasm")).unwrap(), core_module());
    assert!(at.path().join("x.wasm").is_symlink());

    for (name, more) in [("core.component.wasm", &[][..]), ("out.wasm", &["-o", "out.wasm"])] {
        link(name, "kept");
        let wrapped = riposte(at.path(), &[&["plugin", "wrap", "core.wasm"], more].concat());
        assert_eq!(wrapped.code, 0, "{wrapped:?}");
        assert_eq!(fs::read(kept.path().join("kept")).unwrap(), b"mine");
        assert!(!at.path().join(name).is_symlink());
        assert!(fs::read(at.path().join(name)).unwrap().starts_with(b"\0asm\x0d"));
    }
    pipe(&at.path().join("pipe"));
    let refused = riposte(at.path(), &["plugin", "wrap", "core.wasm", "-o", "pipe"]);
    assert!(refused.code == 1 && refused.err.contains("name a file"), "{refused:?}");
    let null = riposte(at.path(), &["plugin", "wrap", "core.wasm", "-o", "/dev/null"]);
    assert_eq!(null.code, 0, "{null:?}");
    chown(at.path(), Some(0), None).unwrap();
}

#[test]
fn what_is_no_file_is_neither_waited_for_nor_read() {
    let at = folder(&[
        ("plugin.toml", MANIFEST.as_bytes()),
        ("scenarios/a.json", SCENARIO.as_bytes()),
        ("x.wasm", &core_module()),
        ("wit/a.wit", b"package a:b; world plugin {}"),
        ("zero/a.wit", b"package a:b; world plugin {}"),
    ]);
    pipe(&at.path().join("wit/deps/c.wit"));
    symlink("/dev/zero", at.path().join("zero/b.wit")).unwrap();
    pipe(&at.path().join("riposte/world/world.wit"));
    let refused = |words: &[&str], says: &str| {
        let refused = riposte(at.path(), &[&["plugin"], words].concat());
        assert!(refused.code == 1 && refused.err.contains(says), "{words:?}: {refused:?}");
    };
    let says = "a pipe or a device";
    refused(&["wrap", "x.wasm", "--wit", "wit"], says);
    refused(&["wrap", "x.wasm", "--wit", "zero"], says);
    refused(&["test", "--no-build"], says);
    refused(&["test", "--no-build", "--scenarios", "wit/deps/c.wit"], says);
    for device in [false, true] {
        fs::remove_file(at.path().join("plugin.toml")).unwrap();
        match device {
            false => pipe(&at.path().join("plugin.toml")),
            true => symlink("/dev/zero", at.path().join("plugin.toml")).unwrap(),
        }
        refused(&["build"], says);
        refused(&["test", "--no-build"], says);
    }

    let host = Host::new();
    host.configure("");
    host.write("block.wasm", riposte_hostile::component("ungranted"));
    let file = host.path("block.wasm").display().to_string();
    assert_eq!(host.riposte(&["plugin", "install", &file]).code, 0);
    let lock = host.path("state/plugins/.versions/.lock");
    fs::remove_file(&lock).unwrap();
    pipe(&lock);
    for words in [&["plugin", "update", &file][..], &["plugin", "rollback", "block"]] {
        let refused = host.riposte(words);
        assert!(refused.code == 1 && refused.err.contains(".lock: it is no file"), "{refused:?}");
    }
    fs::remove_file(&lock).unwrap();
    fs::remove_file(host.path("state/plugins/block.wasm")).unwrap();
    pipe(&host.path("state/plugins/block.wasm"));
    let removed = host.riposte(&["plugin", "remove", "block"]);
    assert!(removed.code == 0 && removed.out.contains("block is removed"), "{removed:?}");
    assert!(!host.path("state/plugins/block.wasm").exists());
}

#[test]
fn a_build_that_is_ended_leaves_no_step_behind() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        // A step that starts another program, as build tools do.
        let step = r#"[["sh", "-c", "sh -c 'echo $$ > pid.new; mv pid.new pid; exec sleep 3600'; true"]]"#;
        let manifest = MANIFEST.replace("[[\"touch\", \"built\"]]", step);
        let at = folder(&[("plugin.toml", manifest.as_bytes())]);
        let mut command = Command::new(binary());
        command.args(["plugin", "build"]).current_dir(at.path()).stdin(Stdio::null()).stderr(Stdio::null());
        let mut build = command.spawn().unwrap();
        until("the step runs", || at.path().join("pid").exists());
        let pid = fs::read_to_string(at.path().join("pid")).unwrap();
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(build.id().to_string()).status();
        assert!(sent.unwrap().success());
        assert_eq!(build.wait().unwrap().code(), Some(code));
        let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        assert!(!state.contains("(sleep) S"), "{state}");
    }
}

#[test]
fn a_table_that_is_too_large_is_told_as_that() {
    let text = format!(
        "(component (core module $m (table 1000000 funcref)) (core instance (instantiate $m)) {ONESHOT})"
    );
    let at = folder(&[("x.wasm", &wat::parse_str(text).unwrap())]);
    let refused = riposte(at.path(), &["plugin", "inspect", "x.wasm"]);
    assert!(refused.code == 1 && refused.err.contains("needs more than a component may have"), "{refused:?}");
}
