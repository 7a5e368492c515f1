//! What is installed: `riposte plugin install`, `list`, `update`, `rollback`
//! and `remove`, by the real binary, with an engine that runs.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the operator"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use riposte_tests::{Host, sshd, until};
use serde_json::Value;

/// The same component with other bytes: a section that nobody reads.
fn another(component: &[u8]) -> Vec<u8> {
    [component, &[0, 5, 4, b'n', b'o', b't', b'e']].concat()
}

/// What compiled code is there.
fn compiled(host: &Host) -> usize {
    let names = fs::read_dir(host.path("state/compiled")).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name != "key").count()
}

/// A response that runs this command.
fn configure(host: &Host, command: &str) {
    host.configure(&format!(
        "{command}\n<active-response><command>block</command><location>local</location>
         <rules_id>5712</rules_id><timeout>600</timeout></active-response>"
    ));
}

fn installed(host: &Host, file: &str, more: &[&str]) -> Value {
    let path = host.path(file).display().to_string();
    let ended = host.riposte(&[&["plugin", "install", &path, "--json"], more].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.json()
}

fn listed(host: &Host) -> Value {
    let ended = host.riposte(&["plugin", "list", "--json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.json()
}

#[test]
fn two_versions_run_side_by_side_and_each_undoes_what_it_did() {
    let host = Host::new();
    host.configure("");
    host.write("block.wasm", riposte_hostile::component("ungranted"));
    let first = installed(&host, "block.wasm", &[]);
    let (old, command) = (first["sha256"].as_str().unwrap(), first["command"].as_str().unwrap());
    assert_eq!(compiled(&host), 1);
    configure(&host, command);
    let engine = host.start(&[]);
    assert_eq!(compiled(&host), 1, "the engine takes the code that the installation made");
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("the first is in force", || host.count("in-force") == 1);

    // Another version, whose delete always fails: so it shows which one ran.
    host.write("deaf.wasm", riposte_hostile::component("deaf-delete"));
    let deaf = host.path("deaf.wasm").display().to_string();
    let update =
        |more: &[&str]| host.riposte(&[&["plugin", "update", &deaf, "--name", "block"], more].concat());
    let refused = update(&[]);
    assert_eq!(refused.code, 1, "{refused:?}");
    let new = digest_of(&host, &deaf);
    let both = format!("<capabilities sha256=\"{old} {new}\">");
    assert!(refused.out.contains(&both) && refused.err.contains("--yes"), "{refused:?}");
    assert_eq!(listed(&host)[0]["sha256"], old);

    configure(&host, &command.replace(old, &format!("{old} {new}")));
    let updated = update(&["--reload"]);
    assert_eq!(updated.code, 0, "{updated:?}");
    assert!(updated.out.contains("1 in force stay with the version before"), "{updated:?}");
    assert!(updated.out.contains("has taken it up"), "{updated:?}");
    host.alerts(&[sshd(2, "198.18.0.2")]);
    until("the second is in force", || host.count("in-force") == 2);
    let list = listed(&host);
    assert_eq!((&list[0]["sha256"], &list[0]["in_force"]), (&new.as_str().into(), &1.into()), "{list}");
    let earlier = &list[0]["earlier"][0];
    assert_eq!((&earlier["sha256"], &earlier["in_force"]), (&old.into(), &1.into()), "{list}");
    assert_eq!(list[0]["commands"][0], "block");

    // Each by its own: the old one can, the new one refuses.
    assert_eq!(host.riposte(&["undo", "198.18.0.1"]).code, 0);
    let undone = host.riposte(&["undo", "198.18.0.2"]);
    assert!(undone.code == 1 && undone.err.contains("not today"), "{undone:?}");

    let back = host.riposte(&["plugin", "rollback", "block", "--reload", "--json"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert_eq!((&back.json()["now"], &back.json()["before"]), (&old.into(), &new.as_str().into()));
    host.alerts(&[sshd(3, "198.18.0.3")]);
    until("the third is in force", || host.count("in-force") >= 1);
    let undone = host.riposte(&["undo", "198.18.0.3"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    engine.stop();
}

/// The digest of a file, as `inspect` has it.
fn digest_of(host: &Host, file: &str) -> String {
    let mut command = host.command(riposte_tests::binary());
    let output = command.args(["plugin", "inspect", file, "--json"]).output().unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    json["sha256"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_needed_stays_and_what_is_in_force_is_undone_first() {
    let host = Host::new();
    host.configure("");
    host.write("block.wasm", riposte_hostile::component("ungranted"));
    let command = installed(&host, "block.wasm", &[])["command"].as_str().unwrap().to_owned();
    configure(&host, &command);
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1"), sshd(2, "198.18.0.2")]);
    until("both are in force", || host.count("in-force") == 2);
    let remove = |more: &[&str]| host.riposte(&[&["plugin", "remove", "block"], more].concat());
    let named = remove(&[]);
    assert!(named.code == 1 && named.err.contains("the command block ("), "{named:?}");
    host.configure("");
    let open = remove(&[]);
    assert!(open.code == 1 && open.err.contains("2 in force") && open.err.contains("--undo"), "{open:?}");
    assert!(host.path("state/plugins/block.wasm").exists());
    let removed = remove(&["--undo", "--reload"]);
    assert_eq!(removed.code, 0, "{removed:?}");
    assert!(removed.out.contains("2 undone"), "{removed:?}");
    assert_eq!((host.count("closed"), host.elements("drop4").len()), (2, 0));
    assert!(!host.path("state/plugins/block.wasm").exists());
    assert_eq!(listed(&host), serde_json::json!([]));
    let gone = remove(&[]);
    assert!(gone.code == 1 && gone.err.contains("no component block is installed"), "{gone:?}");

    // Without an engine nothing can be undone.
    host.plugin("block", riposte_hostile::component("ungranted"));
    configure(&host, &command);
    assert_eq!(host.riposte(&["reload"]).code, 0);
    host.alerts(&[sshd(3, "198.18.0.3")]);
    until("it is in force", || host.count("in-force") == 1);
    engine.kill();
    host.configure("");
    assert_eq!(remove(&["--undo"]).code, 3);
    assert!(host.path("state/plugins/block.wasm").exists());
}

#[test]
fn what_another_of_the_same_bytes_has_in_force_is_left_alone() {
    let host = Host::new();
    host.configure("");
    host.write("block.wasm", riposte_hostile::component("ungranted"));
    let command = installed(&host, "block.wasm", &[])["command"].as_str().unwrap().to_owned();
    installed(&host, "block.wasm", &["--name", "spare"]);
    configure(&host, &command);
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force", || host.count("in-force") == 1);
    let removed = host.riposte(&["plugin", "remove", "spare", "--undo"]);
    assert!(removed.code == 0 && !removed.out.contains("undone"), "{removed:?}");
    assert_eq!(host.count("in-force"), 1);
    engine.stop();
}

#[test]
fn what_cannot_be_known_is_said_and_stays() {
    let host = Host::new();
    host.configure("");
    host.write("block.wasm", riposte_hostile::component("ungranted"));
    installed(&host, "block.wasm", &[]);
    // Which commands run it cannot be told.
    let folder = host.path("etc.d");
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink("/nonexistent", folder.join("a.conf")).unwrap();
    let config = folder.display().to_string();
    let remove = |more: &[&str]| {
        let (binary, home) = (riposte_tests::binary(), host.path(""));
        let mut command = host.command(binary);
        command.args(["plugin", "remove", "block", "--config", &config, "--home"]).arg(home).args(more);
        command.output().unwrap()
    };
    let refused = remove(&[]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("is not known"), "{said}");
    // One that cannot be read hides no other.
    fs::create_dir(host.path("state/plugins/broken.wasm")).unwrap();
    let list = host.riposte(&["plugin", "list", "--json"]);
    assert!(list.code == 1 && list.err.contains("broken.wasm"), "{list:?}");
    assert_eq!(list.json()[0]["name"], "block");
    assert!(remove(&["--force"]).status.success());
}

#[test]
fn a_name_that_is_taken_is_refused_with_the_way_out() {
    let host = Host::new();
    host.configure("");
    host.program("tell.sh", "#!/bin/sh\n");
    host.write("block.wasm", riposte_hostile::component("ungranted"));
    let file = host.path("block.wasm").display().to_string();
    let install = |more: &[&str]| host.riposte(&[&["plugin", "install", &file], more].concat());
    for (name, says) in [
        ("firewall-drop", "built-in response firewall-drop"),
        ("firewall-drop.sh", "built-in response firewall-drop"),
        ("tell", "the native program"),
    ] {
        let refused = install(&["--name", name]);
        assert!(refused.code == 1 && refused.err.contains(says), "{name}: {refused:?}");
        assert!(refused.err.contains("--name NAME") && refused.err.contains("--replace"), "{refused:?}");
    }
    assert_eq!(install(&["--name", "tell", "--replace"]).code, 0);
    assert_eq!(install(&["--name", "../tell"]).code, 2);
    let other = "0".repeat(64);
    let wrong = install(&["--sha256", &other]);
    assert!(wrong.code == 1 && wrong.err.contains(&format!("not {other} as --sha256 says")), "{wrong:?}");
    assert!(!host.path("state/plugins/block.wasm").exists());

    let first = installed(&host, "block.wasm", &[]);
    assert_eq!(first["new"], true);
    assert_eq!(
        installed(&host, "block.wasm", &["--sha256", first["sha256"].as_str().unwrap()])["new"],
        false
    );
    host.write("block.wasm", another(riposte_hostile::component("ungranted")));
    let refused = install(&[]);
    assert!(refused.code == 1 && refused.err.contains("riposte plugin update"), "{refused:?}");
    // Nobody uses it, and it asks for no more.
    let updated = host.riposte(&["plugin", "update", &file]);
    assert!(updated.code == 0 && updated.out.contains("imports and needs are the same"), "{updated:?}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&host.path("state/plugins/block.wasm")), 0o600);
    assert_eq!(mode(&host.path("state/plugins/.versions/block")), 0o700);
}

#[test]
fn what_grows_is_shown_and_agreed_to() {
    let host = Host::new();
    host.configure("");
    host.write("it.wasm", riposte_hostile::component("echo"));
    installed(&host, "it.wasm", &[]);
    host.write("it.wasm", riposte_hostile::component("ungranted"));
    let file = host.path("it.wasm").display().to_string();
    let refused = host.riposte(&["plugin", "update", &file]);
    assert!(refused.code == 1 && refused.out.contains("needs    + <firewall/>"), "{refused:?}");
    assert!(refused.err.contains("add --yes"), "{refused:?}");
    let agreed = host.riposte(&["plugin", "update", &file, "--yes", "--json"]);
    assert_eq!(agreed.code, 0, "{agreed:?}");
    assert_eq!(agreed.json()["changes"]["needs"]["added"][0], "<firewall/>");
    // Back is less.
    assert_eq!(host.riposte(&["plugin", "rollback", "it"]).code, 0);
    let nowhere = host.riposte(&["plugin", "rollback", "it", "--to", "zz"]);
    assert!(nowhere.code == 1 && nowhere.err.contains("no version is kept that begins so"), "{nowhere:?}");
}

#[test]
fn a_project_is_built_and_installed_under_its_name() {
    let host = Host::new();
    host.configure("");
    host.write("it/in.wasm", riposte_hostile::component("ungranted"));
    host.write(
        "it/plugin.toml",
        "name = \"mine\"\nversion = \"1.2.3\"\nlanguage = \"c\"\nkind = \"reversible\"\ncapabilities = [\"firewall\"]\n\
         [build]\nsteps = [[\"cp\", \"in.wasm\", \"out.wasm\"]]\nartifact = \"out.wasm\"\n",
    );
    let told = installed(&host, "it", &[]);
    assert_eq!((&told["name"], &told["kind"]), (&"mine".into(), &"reversible".into()));
    assert_eq!(listed(&host)[0]["version"], "1.2.3");
    // A component of another kind than declared is none that the author means.
    host.write("it/in.wasm", riposte_hostile::component("oneshot"));
    let folder = host.path("it").display().to_string();
    let refused = host.riposte(&["plugin", "update", &folder]);
    assert!(refused.code == 1 && refused.err.contains("kind = \"reversible\""), "{refused:?}");
}
