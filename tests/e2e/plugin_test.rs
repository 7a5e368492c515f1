//! `riposte plugin test` and `riposte plugin run`, by the real binary and as an
//! author uses them: no configuration, no ledger, nothing done to the machine.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use riposte_tests::{Ended, binary};
use tempfile::TempDir;

fn riposte(at: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(binary());
    // Compiled code is kept with the user; this one keeps it here.
    command.env("XDG_CACHE_HOME", at.join("cache"));
    Ended::from(command.args(arguments).current_dir(at).stdin(Stdio::null()).output().unwrap())
}

/// A folder with a component that blocks what the alert says, and scenarios.
fn project() -> TempDir {
    let at = tempfile::tempdir().unwrap();
    fs::create_dir(at.path().join("scenarios")).unwrap();
    fs::write(at.path().join("block.wasm"), riposte_hostile::component("ask-firewall")).unwrap();
    let scenarios = r#"{"scenarios": [
        {"name": "blocks", "call": "add", "alert": {"data": {"call": "block", "a": "192.0.2.7"}},
         "expect": {"calls": ["firewall.block 192.0.2.7"]}},
        {"name": "blocks another", "call": "add", "alert": {"data": {"call": "block", "a": "192.0.2.8"}},
         "expect": {"calls": ["firewall.block 192.0.2.7"]}}
    ]}"#;
    fs::write(at.path().join("scenarios/block.json"), scenarios).unwrap();
    fs::write(at.path().join("alert.json"), r#"{"data": {"call": "block", "a": "192.0.2.7"}}"#).unwrap();
    at
}

#[test]
fn scenarios_pass_and_fail() {
    let at = project();
    let both = riposte(at.path(), &["plugin", "test", "block.wasm"]);
    assert_eq!(both.code, 1, "{both:?}");
    for words in [
        "ok    blocks (",
        "FAIL  blocks another",
        "calls    expected  firewall.block 192.0.2.7",
        "came      firewall.block 192.0.2.8",
        "1 of 2 scenarios did not go as expected",
    ] {
        assert!(both.out.contains(words), "{words}: {both:?}");
    }
    // The second time it finds it compiled.
    let one = riposte(at.path(), &["plugin", "test", "block.wasm", "--scenario", "blocks", "--json"]);
    assert_eq!(one.code, 0, "{one:?}");
    let json = one.json();
    assert_eq!((&json["passed"], &json["failed"]), (&1.into(), &0.into()));
    assert_eq!(json["scenarios"][0]["rounds"][0]["calls"][0], "firewall.block 192.0.2.7");
    assert!(at.path().join("cache/riposte").is_dir());

    let unknown = riposte(at.path(), &["plugin", "test", "block.wasm", "--scenario", "nothing"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("there are blocks, blocks another"), "{unknown:?}");
    let none = riposte(at.path(), &["plugin", "test", "block.wasm", "--scenarios", "cache"]);
    assert!(none.code == 1 && none.err.contains("holds no scenario: write one"), "{none:?}");
    let nowhere = riposte(at.path(), &["plugin", "test"]);
    assert!(nowhere.code == 1 && nowhere.err.contains("plugin new"), "{nowhere:?}");
}

#[test]
fn a_scenario_that_is_none_is_told_before_anything_is_built() {
    let at = project();
    let manifest = "name = \"block\"\nversion = \"1\"\nlanguage = \"c\"\nkind = \"reversible\"\n\
                    [build]\nsteps = [[\"touch\", \"built\"]]\nartifact = \"block.wasm\"\n";
    fs::write(at.path().join("plugin.toml"), manifest).unwrap();
    let wrong = r#"{"scenarios": [{"name": "x", "call": "key", "alert": {}, "expect": {}}]}"#;
    fs::write(at.path().join("scenarios/wrong.json"), wrong).unwrap();
    let told = riposte(at.path(), &["plugin", "test"]);
    assert!(told.code == 1 && told.err.contains("wrong.json"), "{told:?}");
    assert!(!at.path().join("built").exists(), "{told:?}");
}

#[test]
fn a_project_does_not_take_the_name_of_a_built_in_response() {
    let at = tempfile::tempdir().unwrap();
    for name in ["restart", "firewall-drop", "firewall-drop.sh"] {
        let refused = riposte(at.path(), &["plugin", "new", "c", name]);
        assert!(refused.code == 1 && refused.err.contains("of the built-in response"), "{refused:?}");
        assert!(!at.path().join(name).exists());
    }
}

#[test]
fn one_call_is_shown() {
    let at = project();
    let ran = riposte(at.path(), &["plugin", "run", "block.wasm", "alert.json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for words in [
        "call     add of a reversible response",
        "result   ok",
        "calls    firewall.block 192.0.2.7",
        "memory   ",
    ] {
        assert!(ran.out.contains(words), "{words}: {ran:?}");
    }
    let json =
        riposte(at.path(), &["plugin", "run", "block.wasm", "alert.json", "--call", "delete", "--json"])
            .json();
    assert_eq!((&json["ok"], &json["calls"]), (&true.into(), &serde_json::json!([])));

    fs::write(at.path().join("alert.json"), "{").unwrap();
    let bad = riposte(at.path(), &["plugin", "run", "block.wasm", "alert.json"]);
    assert!(bad.code == 1 && bad.out.contains("invalid-input"), "{bad:?}");
    let wrong = riposte(at.path(), &["plugin", "run", "block.wasm", "alert.json", "--call", "run"]);
    assert!(wrong.code == 1 && wrong.err.contains("it exports keys, add and delete"), "{wrong:?}");
    let usage = riposte(at.path(), &["plugin", "run", "block.wasm", "alert.json", "--call", "ad"]);
    assert_eq!(usage.code, 2, "{usage:?}");
    let script = riposte(at.path(), &["plugin", "run", "alert.json", "alert.json"]);
    assert!(script.code == 1 && script.err.contains("alert.json: "), "{script:?}");
}

/// A small file whose compilation takes a hundred thousand times its size: every
/// local is carried through every loop.
fn bomb() -> Vec<u8> {
    const LOCALS: usize = 8_000;
    const LOOPS: usize = 2_000;
    let changes: String =
        (0..LOCALS).map(|n| format!("(local.set {n} (i64.add (local.get {n}) (i64.const 1)))\n")).collect();
    let text = format!(
        "(component (core module (func (local {})\n{}{changes}{})))",
        "i64 ".repeat(LOCALS),
        "loop\n".repeat(LOOPS),
        "i32.const 1 br_if 0 end\n".repeat(LOOPS),
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn what_a_compiler_would_choke_on_ends_with_an_error() {
    let at = project();
    fs::write(at.path().join("bomb.wasm"), bomb()).unwrap();
    assert!(fs::metadata(at.path().join("bomb.wasm")).unwrap().len() < 200_000);
    for words in [
        &["inspect", "bomb.wasm"][..],
        &["run", "bomb.wasm", "alert.json"],
        &["test", "bomb.wasm", "--scenarios", "scenarios"],
    ] {
        // Where less is allowed it ends sooner. Who asked for it lives on and tells.
        let mut command = Command::new("prlimit");
        command.arg("--data=500000000").arg(binary()).arg("plugin").args(words);
        command.env("XDG_CACHE_HOME", at.path().join("cache")).current_dir(at.path()).stdin(Stdio::null());
        let ended = Ended::from(command.output().unwrap());
        assert_eq!(ended.code, 1, "{words:?}: {ended:?}");
        assert!(
            ended.err.contains("bomb.wasm: compiling it takes more than the 4 GiB"),
            "{words:?}: {ended:?}"
        );
        assert!(ended.err.contains("leave out code"), "{words:?}: {ended:?}");
    }
    // Nothing of it is left, and what was there is still found.
    let names = fs::read_dir(at.path().join("cache/riposte")).unwrap();
    assert_eq!(names.count(), 1, "the key alone");
}
