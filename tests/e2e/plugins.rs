//! What is installed: `riposte plugin install`, `list`, `update`, `rollback`
//! and `remove`, by the real binary, with an engine that runs.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the operator"
)]

use std::collections::BTreeSet;
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
    command.env("XDG_CACHE_HOME", host.path("cache"));
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
fn what_the_running_engine_uses_counts_and_not_what_lies_in_its_home() {
    let host = Host::new();
    host.configure("");
    host.write("block.wasm", riposte_hostile::component("ungranted"));
    let command = installed(&host, "block.wasm", &[])["command"].as_str().unwrap().to_owned();
    configure(&host, &command);
    fs::create_dir(host.path("elsewhere")).unwrap();
    fs::rename(host.path("etc/ossec.conf"), host.path("elsewhere/ossec.conf")).unwrap();
    host.configure("");
    assert_eq!(listed(&host)[0]["commands"], serde_json::json!([]));
    let engine = host.start(&["--config", &host.path("elsewhere/ossec.conf").display().to_string()]);
    assert_eq!(listed(&host)[0]["commands"][0], "block");
    let removed = host.riposte(&["plugin", "remove", "block"]);
    assert!(removed.code == 1 && removed.err.contains("elsewhere/ossec.conf"), "{removed:?}");

    host.write("other.wasm", another(riposte_hostile::component("ungranted")));
    let other = host.path("other.wasm").display().to_string();
    let update = |more: &[&str]| {
        host.riposte(&[&["plugin", "update", &other, "--name", "block", "--reload"], more].concat())
    };
    let refused = update(&[]);
    assert!(refused.code == 1 && refused.err.contains("--yes"), "{refused:?}");
    // As `reload` says it, and `status` afterwards.
    let updated = update(&["--yes"]);
    assert!(updated.code == 0 && updated.out.contains("command \"block\" is off"), "{updated:?}");
    let status = host.riposte(&["status", "--json"]).json();
    assert!(status["commands_off"]["block"].as_str().unwrap().contains("is off"), "{status}");
    assert!(host.riposte(&["status"]).out.contains("commands_off.block "));
    engine.stop();
}

#[test]
fn what_somebody_took_away_is_named_and_put_back() {
    let host = Host::new();
    host.configure("");
    let (files, digests) = versions(&host, 2);
    installed(&host, "block-0.wasm", &["--name", "block"]);
    assert_eq!(host.riposte(&["plugin", "update", &files[1], "--name", "block"]).code, 0);
    let file = host.path("state/plugins/block.wasm");
    fs::remove_file(&file).unwrap();
    let list = listed(&host);
    assert_eq!((&list[0]["name"], &list[0]["runs"]), (&"block".into(), &false.into()), "{list}");
    assert_eq!(sha256s(&list[0]), [digests[1].as_str(), &digests[0]]);
    assert!(host.riposte(&["plugin", "list"]).out.contains("its file is gone"));
    let back = host.riposte(&["plugin", "rollback", "block"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert_eq!(digest_of(&host, &file.display().to_string()), digests[1]);
    fs::remove_file(&file).unwrap();
    assert_eq!(host.riposte(&["plugin", "rollback", "block", "--to", &digests[0]]).code, 0);
    let list = listed(&host);
    assert_eq!((&list[0]["sha256"], &list[0]["runs"]), (&digests[0].as_str().into(), &true.into()));
    assert_eq!(sha256s(&list[0]).len(), 2, "{list}");
    fs::remove_file(&file).unwrap();
    assert_eq!(host.riposte(&["plugin", "remove", "block"]).code, 0);
    assert_eq!(listed(&host), serde_json::json!([]));
}

#[test]
fn nothing_is_made_for_what_is_not_there() {
    let host = Host::new();
    fs::create_dir(host.path("empty")).unwrap();
    for what in ["empty", "nothing.wasm"] {
        let what = host.path(what).display().to_string();
        for words in [&["plugin", "install", &what][..], &["plugin", "update", &what, "--name", "x"]] {
            let ended = host.riposte(words);
            assert!(ended.code == 1 && ended.err.contains(&what), "{ended:?}");
        }
    }
    for folder in ["state", "run", "log"] {
        assert!(!host.path(folder).exists(), "{folder}");
    }
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
    assert_eq!(list.json()[0]["in_force"], 0);
    fs::remove_dir(host.path("state/plugins/broken.wasm")).unwrap();
    host.write("state/ledger.db", "no ledger");
    let list = host.riposte(&["plugin", "list", "--json"]);
    assert!(list.code == 1 && list.err.contains("what is in force"), "{list:?}");
    assert_eq!(list.json()[0]["name"], "block");
    assert!(list.json()[0]["in_force"].is_null());
    fs::remove_file(host.path("state/ledger.db")).unwrap();
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

#[test]
fn of_several_at_once_each_is_done_or_told_to_wait() {
    let host = Host::new();
    host.configure("");
    let (files, digests) = versions(&host, 6);
    host.write("first.wasm", riposte_hostile::component("ungranted"));
    installed(&host, "first.wasm", &["--name", "block"]);
    let ended: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = files
            .iter()
            .map(|file| {
                let mut command =
                    host.riposte_command(&["plugin", "update", file, "--name", "block", "--yes"]);
                scope.spawn(move || riposte_tests::Ended::from(command.output().unwrap()))
            })
            .collect();
        running.into_iter().map(|running| running.join().unwrap()).collect()
    });
    let done: Vec<_> = (0..files.len()).filter(|n| ended[*n].code == 0).collect();
    assert!(!done.is_empty(), "{ended:?}");
    for refused in ended.iter().filter(|ended| ended.code != 0) {
        assert!(refused.code == 1 && refused.err.contains("another `riposte plugin`"), "{refused:?}");
    }
    // Each that was done ran in the place of the one before it.
    let list = listed(&host);
    let all: BTreeSet<_> = sha256s(&list[0]).into_iter().collect();
    assert_eq!(all.len(), (done.len() + 1).min(5), "{list}");
    assert!(done.len() > 4 || done.iter().all(|n| all.contains(&digests[*n])), "{list}");
    let again = host.riposte(&["plugin", "update", &files[0], "--name", "block", "--yes"]);
    assert!(again.code == 0 && !again.err.contains("ended in the middle"), "{again:?}");
}

/// Files with so many versions of one component, and their digests.
fn versions(host: &Host, count: u8) -> (Vec<String>, Vec<String>) {
    let base = riposte_hostile::component("ungranted");
    let file = |n| {
        let file = format!("block-{n}.wasm");
        host.write(&file, [base, &[0, 3, 1, b'n', n]].concat());
        host.path(&file).display().to_string()
    };
    let files: Vec<_> = (0..count).map(file).collect();
    let digests = files.iter().map(|file| digest_of(host, file)).collect();
    (files, digests)
}

/// The versions of one that is listed, the one that runs first.
fn sha256s(one: &Value) -> Vec<String> {
    let all = [one].into_iter().chain(one["earlier"].as_array().unwrap());
    all.map(|one| one["sha256"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_version_whose_file_is_gone_is_named_and_not_skipped() {
    let host = Host::new();
    host.configure("");
    let (files, digests) = versions(&host, 3);
    installed(&host, "block-0.wasm", &["--name", "block"]);
    for file in &files[1..] {
        assert_eq!(host.riposte(&["plugin", "update", file, "--name", "block"]).code, 0);
    }
    fs::remove_file(host.path(&format!("state/plugins/.versions/block/{}.wasm", digests[1]))).unwrap();
    let list = listed(&host);
    assert_eq!(
        (&list[0]["earlier"][0]["kept"], &list[0]["earlier"][1]["kept"]),
        (&false.into(), &true.into())
    );
    for to in [&[][..], &["--to", &digests[1]]] {
        let refused = host.riposte(&[&["plugin", "rollback", "block"], to].concat());
        assert!(refused.code == 1 && refused.err.contains(&format!("{} is gone", digests[1])), "{refused:?}");
        assert!(refused.err.contains(&format!("are kept: {}:", digests[0])), "{refused:?}");
    }
    assert_eq!(listed(&host)[0]["sha256"], digests[2]);
    assert_eq!(host.riposte(&["plugin", "rollback", "block", "--to", &digests[0]]).code, 0);
    assert_eq!(listed(&host)[0]["sha256"], digests[0]);
}

#[test]
fn a_folder_whose_builds_differ_is_installed_once() {
    let host = Host::new();
    host.configure("");
    host.write("it/in.wasm", riposte_hostile::component("ungranted"));
    host.write("it/response.py", "one");
    // A section with other content each time.
    host.write(
        "it/build.sh",
        "n=$(od -An -N4 -tx1 /dev/urandom | tr -d ' \\n')\n{ cat in.wasm; printf '\\000\\014\\003not%s' \"$n\"; } > out.wasm\n",
    );
    host.write(
        "it/plugin.toml",
        "name = \"mine\"\nversion = \"1\"\nlanguage = \"python\"\nkind = \"reversible\"\ncapabilities = [\"firewall\"]\n\
         [build]\nsteps = [[\"sh\", \"build.sh\"]]\nartifact = \"out.wasm\"\n",
    );
    let folder = host.path("it").display().to_string();
    let install = || host.riposte(&["plugin", "install", &folder]);
    let first = install();
    assert!(first.code == 0 && first.out.contains("mine is installed"), "{first:?}");
    let sha256 = listed(&host)[0]["sha256"].clone();
    let second = install();
    assert!(second.code == 0 && second.out.contains("was installed already"), "{second:?}");
    assert!(second.err.contains("nothing is built") && second.err.contains("plugin update"), "{second:?}");
    assert_eq!(listed(&host)[0]["sha256"], sha256);
    // Another source is another version.
    host.write("it/response.py", "two");
    let changed = install();
    assert!(changed.code == 1 && changed.err.contains("in another version"), "{changed:?}");
    assert_eq!(host.riposte(&["plugin", "update", &folder]).code, 0);
    assert_ne!(listed(&host)[0]["sha256"], sha256);
    let same = install();
    assert!(same.code == 0 && same.err.contains("nothing is built"), "{same:?}");
    // An engine's own folders are no sources, also where they lie in the project;
    // and what is told to be run next is told of that engine.
    let (at, home) = (host.path("it"), host.path("it/my home"));
    let here = |arguments: &[&str]| {
        let mut command = host.riposte_command(&[arguments, &["--home", "my home"]].concat());
        riposte_tests::Ended::from(command.current_dir(&at).output().unwrap())
    };
    let first = here(&["plugin", "install"]);
    assert!(first.code == 0 && home.join("state/plugins/mine.wasm").is_file(), "{first:?}");
    let second = here(&["plugin", "install"]);
    assert!(second.code == 0 && second.err.contains("nothing is built"), "{second:?}");
    assert!(second.err.contains("`riposte plugin update . --home 'my home'`"), "{second:?}");
    let updated = here(&["plugin", "update"]);
    assert!(updated.out.contains("`riposte plugin rollback mine --home 'my home'`"), "{updated:?}");
    fs::write(at.join("response.py"), "three").unwrap();
    let changed = here(&["plugin", "install"]);
    assert!(changed.code == 1, "{changed:?}");
    assert!(changed.err.contains("`riposte plugin update . --home 'my home'`"), "{changed:?}");
    // One that is misspelled is not made with all that is above it.
    let nowhere = host.path("no/such/home").display().to_string();
    let refused = host.riposte(&["plugin", "install", &folder, "--home", &nowhere]);
    assert!(refused.code == 1 && refused.err.contains("there is no folder"), "{refused:?}");
    assert!(refused.err.contains("no/such;") && !host.path("no").exists(), "{refused:?}");
    fs::write(at.join("response.py"), "two").unwrap();
    fs::remove_dir_all(home).unwrap();
    // Of one that came as a file the sources are not known.
    let file = host.path("it/out.wasm").display().to_string();
    assert_eq!(host.riposte(&["plugin", "install", &file, "--name", "other"]).code, 0);
    let unknown = host.riposte(&["plugin", "install", &folder, "--name", "other"]);
    assert!(unknown.code == 1 && unknown.err.contains("its sources may be the same"), "{unknown:?}");
}

/// Alerts go on while versions come and go: each entry ends with the version
/// that made it, also when an engine starts in between.
#[test]
fn versions_come_and_go_under_alerts() {
    let host = Host::new();
    host.configure("");
    let (files, digests) = versions(&host, 3);
    let command = installed(&host, "block-0.wasm", &["--name", "block"]);
    let command = command["command"].as_str().unwrap().replace(&digests[0], &digests.join(" "));
    configure(&host, &command);
    let mut engine = host.start(&[]);
    let mut sent = 0_u32;
    let mut alert = |count: u32| {
        let alerts: Vec<_> = (sent + 1..=sent + count).map(|n| sshd(n, &riposte_tests::address(n))).collect();
        sent += count;
        host.alerts(&alerts);
        sent as usize
    };
    let done = |words: &[&str]| {
        let ended = host.riposte(&[&["plugin"], words, &["--yes"]].concat());
        assert_eq!(ended.code, 0, "{words:?}: {ended:?}");
    };
    for round in 0..4 {
        let all = alert(5);
        done(&["update", &files[(round + 1) % 3], "--name", "block", "--reload"]);
        if round % 2 == 1 {
            done(&["rollback", "block", "--reload"]);
        }
        until("all are in force", || host.count("in-force") == all);
        if round == 2 {
            // The next engine begins with what was put in place while none ran.
            engine.kill();
            done(&["update", &files[1], "--name", "block"]);
            engine = host.start(&[]);
        }
    }
    let all = alert(5);
    until("all are in force", || host.count("in-force") == all);
    let list = listed(&host);
    let versions = [&list[0]].into_iter().chain(list[0]["earlier"].as_array().unwrap());
    let holding: Vec<_> = versions.filter(|one| one["in_force"] != 0).collect();
    let in_force: u64 = holding.iter().map(|one| one["in_force"].as_u64().unwrap()).sum();
    assert!(holding.len() > 1 && in_force == all as u64, "{list}");
    for one in holding {
        let sha256 = one["sha256"].as_str().unwrap();
        let kept = host.path(&format!("state/versions/{sha256}.wasm")).display().to_string();
        assert_eq!(digest_of(&host, &kept), sha256);
    }

    // Removed while alerts go on: the engine learns of it before the undoing.
    host.configure("");
    alert(20);
    until("it is removed", || {
        let removed = host.riposte(&["plugin", "remove", "block", "--undo", "--reload"]);
        // Some may have been on their way when it looked.
        let on_their_way = removed.code == 1 && removed.err.contains("still being undone");
        assert!(removed.code == 0 || on_their_way, "{removed:?}");
        removed.code == 0
    });
    until("nothing is in force", || {
        let _ = host.riposte(&["undo", "--all"]);
        host.count("in-force") == 0
    });
    assert!(host.elements("drop4").is_empty(), "{:?}", host.elements("drop4"));
    assert!(host.events("reversed-by-engine").is_empty(), "each was undone by what made it");
    engine.stop();
}
