//! Components that are broken in every way an author breaks one: each is
//! refused in words that say what to do, wherever it is met.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the author"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use riposte_tests::{Ended, Host, binary, sshd, until};

const PLUGIN: &str = "active-response:plugin";

/// A component with these imports and exports, each an instance with these
/// functions of no arguments.
fn component(imports: &[(&str, &[&str])], exports: &[(&str, &[&str])]) -> Vec<u8> {
    let mut text = String::from(
        "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
         (func $f (canon lift (core func $i \"f\")))\n",
    );
    for (name, functions) in imports {
        let functions: String = functions.iter().map(|name| format!("(export \"{name}\" (func))")).collect();
        text.push_str(&format!("(import \"{name}\" (instance {functions}))\n"));
    }
    for (n, (name, functions)) in exports.iter().enumerate() {
        let functions: String =
            functions.iter().map(|name| format!("(export \"{name}\" (func $f))")).collect();
        text.push_str(&format!("(instance $e{n} {functions}) (export \"{name}\" (instance $e{n}))\n"));
    }
    wat::parse_str(text + ")").unwrap()
}

/// Lists of lists, so many deep, as the type of something that is exported.
fn deep(levels: usize) -> Vec<u8> {
    let mut text = String::from("(component (type $t0 (list u8))\n");
    for n in 1..=levels {
        text.push_str(&format!("(type $t{n} (list $t{}))\n", n - 1));
    }
    text.push_str(&format!("(import \"a:b/c\" (func (param \"x\" $t{levels}))))"));
    wat::parse_str(text).unwrap()
}

/// Components in components: more levels than a reader of text would take.
fn nested(levels: usize) -> Vec<u8> {
    const HEAD: &[u8] = b"\0asm\x0d\0\x01\0";
    let mut bytes = HEAD.to_vec();
    for _ in 0..levels {
        let mut size = bytes.len();
        let mut outer = [HEAD, &[4]].concat();
        while size > 0x7f {
            outer.push(u8::try_from(size & 0x7f).unwrap() | 0x80);
            size >>= 7;
        }
        outer.push(u8::try_from(size).unwrap());
        outer.extend(bytes);
        bytes = outer;
    }
    bytes
}

/// What an author has, and words that what is said must have.
fn broken() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let whole = riposte_hostile::component("ungranted");
    let oneshot = format!("{PLUGIN}/oneshot@0.1.0");
    let reversible = format!("{PLUGIN}/reversible@0.1.0");
    let firewall = format!("{PLUGIN}/firewall@0.1.9");
    let newer = format!("{PLUGIN}/reversible@0.2.0");
    vec![
        (
            "another-world",
            component(&[], &[("acme:tools/calculator@1.0.0", &["add"])]),
            "built for another world",
        ),
        ("program", component(&[], &[("wasi:cli/run@0.2.6", &["run"])]), "build it as a library"),
        (
            "service",
            component(&[], &[("wasi:http/incoming-handler@0.2.6", &["handle"])]),
            "a plugin answers alerts",
        ),
        ("no-export", b"\0asm\x0d\0\x01\0".to_vec(), "it exports nothing: a plugin exports"),
        ("no-delete", component(&[], &[(&reversible, &["keys", "add"])]), "build it against this engine's"),
        ("other-types", component(&[], &[(&oneshot, &["run"])]), "build it against this engine's"),
        (
            "both-kinds",
            component(&[], &[(&oneshot, &["run"]), (&reversible, &["add"])]),
            "make it two components",
        ),
        ("newer", component(&[], &[(&newer, &["add"])]), "built for version 0.2.0; build it against 0.1.0"),
        (
            "newer-import",
            component(&[("active-response:plugin/firewall@0.2.0", &[])], &[(&oneshot, &["run"])]),
            "is unknown to this engine",
        ),
        (
            "newer-function",
            component(&[(&firewall, &["explode"])], &[(&oneshot, &["run"])]),
            "install a newer engine",
        ),
        (
            "unknown-interface",
            component(&[("active-response:plugin/rockets@0.1.0", &[])], &[(&oneshot, &["run"])]),
            "is unknown to this engine",
        ),
        (
            "unknown-package",
            component(&[("acme:x/y@1.0.0", &[])], &[(&oneshot, &["run"])]),
            "is unknown to this engine",
        ),
        ("http-of-0.3", component(&[("wasi:http/types@0.3.0", &[])], &[(&oneshot, &["run"])]), "WASI 0.2"),
        ("core-module", wat::parse_str("(module)").unwrap(), "riposte plugin wrap"),
        ("truncated", whole[..whole.len() / 2].to_vec(), "not copied whole"),
        ("head", whole[..6].to_vec(), "not copied whole"),
        ("empty", Vec::new(), "it is empty"),
        ("text", b"hello\n".to_vec(), "no WebAssembly"),
        ("wat", b"(component)".to_vec(), "wasm-tools parse"),
        ("script", b"#!/bin/sh\nexit 0\n".to_vec(), "active-response/bin"),
        ("program-of-linux", b"\x7fELF\x02\x01\x01\x00rest".to_vec(), "active-response/bin"),
        ("ahead-of-time", b"\x7fELF\x02\x01\x01\xc8rest".to_vec(), "give the .wasm file"),
        ("compressed", b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "unpack it"),
        ("garbage", [b"\0asm\x0d\0\x01\0".to_vec(), vec![0xff; 64]].concat(), "no WebAssembly component"),
        ("deep-types", deep(2_000), ""),
        ("deep-components", nested(2_000), ""),
    ]
}

fn riposte(home: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(binary());
    command.env("XDG_CACHE_HOME", home.join("cache"));
    Ended::from(command.args(arguments).current_dir(home).stdin(Stdio::null()).output().unwrap())
}

#[test]
fn every_broken_component_is_refused_in_words_that_help() {
    let home = tempfile::tempdir().unwrap();
    for folder in ["etc", "active-response/bin", "state/plugins", "logs"] {
        fs::create_dir_all(home.path().join(folder)).unwrap();
    }
    fs::write(home.path().join("etc/ossec.conf"), "<ossec_config></ossec_config>").unwrap();
    fs::write(home.path().join("alert.json"), sshd(1, "198.18.0.1")).unwrap();
    let mut commands = String::new();
    let all = broken();
    for (name, bytes, says) in &all {
        let file = format!("{name}.wasm");
        fs::write(home.path().join(&file), bytes).unwrap();
        let words =
            [vec!["inspect", &file], vec!["install", &file, "--home", "."], vec!["run", &file, "alert.json"]];
        for words in words {
            let ended = riposte(home.path(), &[vec!["plugin"], words].concat());
            let said = format!("{}{}", ended.out, ended.err);
            assert!(ended.code == 1 && said.contains(says), "{name}: {says}: {ended:?}");
            assert!(!said.contains("panicked") && !said.contains("report this fault"), "{name}: {said}");
            assert!(said.len() < 4_000, "{name}: {} bytes: {said}", said.len());
        }
        assert!(!home.path().join("state/plugins").join(&file).exists(), "{name}");
        // What it lacks beside its grant is told when it has that.
        let granted = if *name == "newer-function" { "<capabilities><firewall/></capabilities>" } else { "" };
        commands.push_str(&format!(
            "<command><name>{name}</name><executable>{file}</executable>{granted}</command>\n\
             <active-response><command>{name}</command><location>local</location><level>15</level></active-response>\n"
        ));
    }
    // At the start of an engine they are met when somebody put them there.
    for (name, bytes, _) in &all {
        fs::write(home.path().join(format!("state/plugins/{name}.wasm")), bytes).unwrap();
    }
    fs::write(home.path().join("etc/ossec.conf"), format!("<ossec_config>{commands}</ossec_config>"))
        .unwrap();
    let checked = riposte(home.path(), &["check", "--home", "."]);
    assert_eq!(checked.code, 1, "{checked:?}");
    for (name, _, says) in &all {
        let found = checked.out.split("\n\n").find(|found| found.contains(&format!("\"{name}\" is off")));
        let found = found.unwrap_or_else(|| panic!("{name}: {}", checked.out));
        assert!(found.contains(says), "{name}: {says}: {found}");
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("huge.wasm");
    // A hole: no disk is used.
    fs::File::create(&file).unwrap().set_len(200 << 20).unwrap();
    fs::write(home.path().join("alert.json"), sshd(1, "198.18.0.1")).unwrap();
    fs::write(
        home.path().join("plugin.toml"),
        "name = \"huge\"\nlanguage = \"c\"\nkind = \"oneshot\"\n[build]\nsteps = []\nartifact = \"huge.wasm\"\n",
    )
    .unwrap();
    // What is wrong with scenarios would be told first.
    fs::create_dir(home.path().join("scenarios")).unwrap();
    let scenario = r#"{"scenarios": [{"name": "runs", "call": "run", "alert": {}, "expect": {}}]}"#;
    fs::write(home.path().join("scenarios/one.json"), scenario).unwrap();
    for words in [
        &["inspect", "huge.wasm"][..],
        &["install", "huge.wasm", "--home", "."],
        &["run", "huge.wasm", "alert.json"],
        &["test", "huge.wasm"],
        &["build"],
        &["test"],
    ] {
        let ended = riposte(home.path(), &[&["plugin"], words].concat());
        assert!(ended.code == 1 && ended.err.contains("it has 200 MiB, more than the 128 MiB"), "{ended:?}");
    }
}

#[test]
fn a_component_that_fails_at_work_does_so_alone_and_is_named() {
    let host = Host::new();
    host.configure("");
    let mut xml = String::new();
    for name in ["panics", "trap-keys"] {
        host.write(&format!("{name}.wasm"), riposte_hostile::component(name));
        let file = host.path(&format!("{name}.wasm")).display().to_string();
        let ended = host.riposte(&["plugin", "install", &file, "--json"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        xml.push_str(ended.json()["command"].as_str().unwrap());
        xml.push_str(&format!(
            "<active-response><command>{name}</command><location>local</location><rules_id>5712</rules_id></active-response>"
        ));
    }
    host.configure(&xml);
    let mut engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("both failed", || {
        let log = engine.log();
        ["panics", "trap-keys"]
            .iter()
            .all(|name| log.lines().any(|line| line.contains(name) && line.contains("unreachable")))
    });
    assert!(engine.runs());
}
