//! What operators see of components and grants: `riposte plugin inspect`,
//! `riposte commands` and `riposte schema`, by the real binary.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use riposte_policy::config::{Config, Source};
use riposte_policy::grant::language::ELEMENTS;
use riposte_policy::grant::{Detail, Grants};
use riposte_tests::{Ended, binary, is_root};
use tempfile::TempDir;

/// A home with this configuration and these components.
fn home(xml: &str, components: &[&str]) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    for folder in ["etc", "active-response/bin", "state/plugins", "logs"] {
        fs::create_dir_all(home.path().join(folder)).unwrap();
    }
    fs::write(home.path().join("logs/active-responses.log"), "").unwrap();
    fs::write(home.path().join("etc/ossec.conf"), format!("<ossec_config>\n{xml}\n</ossec_config>\n"))
        .unwrap();
    for name in components {
        let path = home.path().join("state/plugins").join(format!("{name}.wasm"));
        fs::write(path, riposte_hostile::component(name)).unwrap();
    }
    home
}

fn riposte(home: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(binary());
    command.env("XDG_CACHE_HOME", home.join("cache"));
    Ended::from(command.args(arguments).current_dir(home).stdin(Stdio::null()).output().unwrap())
}

/// A component that is so large that compiling it is announced: a section that
/// nobody reads makes it so.
fn large(component: &[u8]) -> Vec<u8> {
    // Its length, 2 MiB, in LEB128; then the length of its name, which is empty.
    let section: Vec<u8> = [0, 0x80, 0x80, 0x80, 0x01].into_iter().chain(vec![0; 2 << 20]).collect();
    [component, &section].concat()
}

#[test]
fn what_was_compiled_once_is_not_compiled_by_whoever_looks_at_it() {
    let home = home("", &[]);
    let at = home.path();
    fs::write(at.join("block.wasm"), large(riposte_hostile::component("ungranted"))).unwrap();
    let compiles = |arguments: &[&str]| {
        let ended = riposte(at, arguments);
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.err.contains("riposte: compiling \"block.wasm\" (2 MiB), once")
    };
    let inspect: [&str; 3] = ["plugin", "inspect", "block.wasm"];
    assert!(compiles(&inspect));
    assert!(!compiles(&inspect));

    install(at, "block");
    fs::remove_dir_all(at.join("cache")).unwrap();
    assert!(compiles(LOOKS[0]));
    assert!(LOOKS.iter().all(|look| !compiles(look)));
}

/// What looks at a home with `block.wasm` and `alerts.json` in it.
const LOOKS: [&[&str]; 4] = [
    &["check", "--home", "."],
    &["commands", "--home", "."],
    &["explain", "--home", ".", "--alert", "alerts.json"],
    &["plugin", "inspect", "state/plugins/block.wasm"],
];

/// Installs it here, with the command that it asks for.
fn install(at: &Path, name: &str) {
    let file = format!("{name}.wasm");
    let installed = riposte(at, &["plugin", "install", &file, "--home", ".", "--json"]).json();
    let command = installed["command"].as_str().unwrap();
    fs::write(at.join("etc/ossec.conf"), format!("<ossec_config>\n{command}\n</ossec_config>\n")).unwrap();
    fs::write(at.join("alerts.json"), "").unwrap();
}

/// Whoever unpacked an archive owns what is in it, also the key: its code is as
/// good as the engine's own, and still somebody else's.
#[test]
fn compiled_code_of_a_home_is_not_touched_by_who_only_looks() {
    let home = home("", &[]);
    let at = home.path();
    fs::write(at.join("block.wasm"), large(riposte_hostile::component("ungranted"))).unwrap();
    install(at, "block");
    let files = || -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
        let entries = fs::read_dir(at.join("state/compiled")).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| {
                let file = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap());
                (path, file)
            })
            .collect()
    };
    let unread = |looks: &str| {
        let before = files();
        for look in LOOKS {
            // Each has to compile: it has no code of its own yet.
            let _ = fs::remove_dir_all(at.join("cache"));
            let ended = riposte(at, look);
            assert_eq!(ended.code, 0, "{looks}: {ended:?}");
            assert!(ended.err.contains("compiling \"block.wasm\""), "{looks}: {look:?}: {ended:?}");
            assert!(files() == before, "{looks}: {look:?}");
        }
    };
    unread("good code with its key");
    assert!(files().len() > 1);
    let key = at.join("state/compiled/key");
    for path in files().into_keys().filter(|path| *path != key) {
        fs::write(path, "no code").unwrap();
    }
    unread("no code");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    unread("a key that everybody can read");
    files().into_keys().for_each(|path| fs::remove_file(path).unwrap());
    unread("an empty folder");
}

#[test]
fn nothing_is_kept_below_a_home_that_is_not_the_users_own() {
    let home = home("", &[]);
    let at = home.path();
    fs::write(at.join("block.wasm"), large(riposte_hostile::component("ungranted"))).unwrap();
    let inspect = |user: &str| {
        let mut command = Command::new(binary());
        command.args(["plugin", "inspect", "block.wasm"]).current_dir(at).stdin(Stdio::null());
        let ended =
            Ended::from(command.env_remove("XDG_CACHE_HOME").env("HOME", at.join(user)).output().unwrap());
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.err
    };
    for user in ["other", "own"] {
        fs::create_dir(at.join(user)).unwrap();
    }
    if is_root() {
        std::os::unix::fs::chown(at.join("other"), Some(65_534), None).unwrap();
    } else {
        fs::set_permissions(at.join("other"), fs::Permissions::from_mode(0o777)).unwrap();
    }
    for _ in 0..2 {
        assert!(inspect("other").contains("compiling \"block.wasm\" (2 MiB)\n"));
    }
    assert!(fs::read_dir(at.join("other")).unwrap().next().is_none());
    assert!(inspect("own").contains("compiling \"block.wasm\" (2 MiB), once"));
    assert_eq!(inspect("own"), "");
    assert!(at.join("own/.cache/riposte/key").is_file());
}

#[test]
fn what_is_inspected_can_be_pasted_and_runs() {
    for (name, kind, undone) in
        [("ungranted", "reversible", "yes"), ("oneshot", "oneshot", "no"), ("sleeper", "reversible", "yes")]
    {
        let home = home("", &[name]);
        let file = format!("state/plugins/{name}.wasm");
        let text = riposte(home.path(), &["plugin", "inspect", &file]);
        assert_eq!(text.code, 0, "{text:?}");
        let json = riposte(home.path(), &["plugin", "inspect", &file, "--json"]).json();
        assert_eq!((json["kind"].as_str(), json["runs_here"].as_bool()), (Some(kind), Some(true)), "{json}");
        assert_eq!(json["size"], riposte_hostile::component(name).len());
        let exports = json["exports"].to_string();
        assert!(exports.contains(&format!("active-response:plugin/{kind}@")), "{exports}");
        let command = json["command"].as_str().unwrap();
        for part in [json["sha256"].as_str().unwrap(), &format!("<timeout_allowed>{undone}<")] {
            assert!(command.contains(part) && text.out.contains(part), "{part}: {text:?}");
        }
        // Pasted as it is, it is a command without anything to say about it.
        let xml = format!("<ossec_config>\n{command}\n</ossec_config>");
        fs::write(home.path().join("etc/ossec.conf"), xml).unwrap();
        let checked = riposte(home.path(), &["check", "--strict", "--home", "."]);
        assert!(checked.code == 0 && checked.out.contains("nothing found"), "{command}\n{checked:?}");
        if name == "ungranted" {
            assert_eq!(json["needs"][0]["element"], "<firewall/>");
            let without = command.replace("<firewall/>", "");
            fs::write(home.path().join("etc/ossec.conf"), without).unwrap();
            let checked = riposte(home.path(), &["check", "--home", "."]);
            assert!(checked.code == 1 && checked.out.contains("add <firewall/> to"), "{checked:?}");
        }
    }
}

#[test]
fn what_is_no_plugin_is_named() {
    let home = home("", &["ungranted"]);
    let whole = riposte_hostile::component("ungranted");
    let write = |name: &str, bytes: &[u8]| fs::write(home.path().join(name), bytes).unwrap();
    write("cut.wasm", &whole[..whole.len() / 2]);
    write("head.wasm", &whole[..6]);
    write("empty.wasm", b"");
    write("core.wasm", b"\0asm\x01\0\0\0");
    write("bare.wasm", b"\0asm\x0d\0\x01\0");
    write("script.wasm", b"#!/bin/sh\n");
    write("text.wasm", b"(component)\n");
    fs::File::create(home.path().join("huge.wasm")).unwrap().set_len((128 << 20) + 1).unwrap();
    for (file, says) in [
        ("cut.wasm", "ends in the middle"),
        ("head.wasm", "ends in the middle"),
        ("empty.wasm", "it is empty"),
        ("core.wasm", "this is a core module, not a component"),
        ("bare.wasm", "it exports nothing"),
        ("script.wasm", "this is a script"),
        ("text.wasm", "WebAssembly as text"),
        ("huge.wasm", "more than the 128 MiB"),
        ("nowhere.wasm", "No such file"),
        ("etc", "this is a folder"),
    ] {
        let ended = riposte(home.path(), &["plugin", "inspect", file]);
        assert!(ended.code == 1 && ended.out.is_empty() && ended.err.contains(says), "{file}: {ended:?}");
        assert!(!ended.err.contains("panicked"), "{ended:?}");
        let json = riposte(home.path(), &["plugin", "inspect", file, "--json"]);
        assert!(json.code == 1 && json.json()["error"].as_str().unwrap().contains(says), "{file}: {json:?}");
    }
    assert_eq!(riposte(home.path(), &["plugin", "inspect"]).code, 2);
    assert_eq!(riposte(home.path(), &["plugin", "frobnicate"]).code, 2);
}

#[test]
fn every_command_is_listed_with_what_it_may_do() {
    let xml = "<command><name>drop</name><executable>firewall-drop</executable></command>
<command><name>own</name><executable>ungranted</executable>
  <capabilities><firewall set=\"web\" confirm=\"none\"/></capabilities><limits memory=\"32MiB\"/></command>
<command><name>tell</name><executable>tell.sh</executable><limits run=\"1m\"/></command>
<command><name>lost</name><executable>nothing-there</executable></command>";
    let home = home(xml, &["ungranted"]);
    let script = home.path().join("active-response/bin/tell.sh");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o750)).unwrap();

    let listed = riposte(home.path(), &["commands", "--home", ".", "--json"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let all = listed.json();
    let names: Vec<_> = all.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["drop", "own", "tell", "lost"]);
    let runs: Vec<_> = all.as_array().unwrap().iter().map(|one| one["runs"].as_str().unwrap()).collect();
    assert_eq!(runs, ["built-in", "component", "native", "nothing"]);
    // A built-in has the grants of its own definition.
    assert_eq!(all[0]["builtin"], "firewall-drop");
    assert!(all[0]["grants"][0].as_str().unwrap().starts_with("<firewall"), "{}", all[0]);
    assert_eq!(all[0]["from"]["line"], 2);
    assert_eq!(all[1]["grants"][0], "<firewall set=\"web\" confirm=\"none\"/>");
    assert_eq!((&all[1]["limits"]["memory"], &all[1]["kind"]), (&(32 << 20).into(), &"reversible".into()));
    assert_eq!((&all[2]["limits"]["run_ms"], &all[2]["limits"]["concurrency"]), (&60_000.into(), &4.into()));
    assert_eq!((&all[3]["usable"], &all[3]["sha256"]), (&false.into(), &serde_json::Value::Null));
    assert_eq!(all[0]["sha256"].as_str().unwrap().len(), 64);

    let text = riposte(home.path(), &["commands", "--home", "."]).out;
    for line in [
        "own",
        "  runs    component",
        "  grants  <firewall set=\"web\" confirm=\"none\"/>",
        "riposte check says why",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }

    // Built-ins that no file names, and none of those that one does.
    let more = riposte(home.path(), &["commands", "--builtin", "--home", ".", "--json"]).json();
    let more = more.as_array().unwrap();
    let builtins: Vec<_> = more.iter().filter_map(|one| one["builtin"].as_str()).collect();
    let mut unique = builtins.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!((unique.len(), builtins[0]), (builtins.len(), "firewall-drop"));
    // What needs to be told where, or is for another system, does nothing as it is.
    let idle = ["mail", "netsh", "npf", "ipfw", "pf", "restart", "webhook"];
    for one in &more[4..] {
        let usable = !idle.contains(&one["name"].as_str().unwrap());
        assert_eq!((&one["from"], &one["usable"]), (&serde_json::Value::Null, &usable.into()), "{one}");
    }
    let text = riposte(home.path(), &["commands", "--builtin", "--home", "."]).out;
    for line in
        ["it is off until a <command> grants what it needs", "unsupported here: the packet filter pf "]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    let nothing = tempfile::tempdir().unwrap();
    let builtin = riposte(nothing.path(), &["commands", "--builtin", "--home", ".", "--json"]);
    assert_eq!((builtin.code, builtin.json()[0]["runs"].as_str()), (0, Some("built-in")), "{builtin:?}");
    let missing = riposte(nothing.path(), &["commands", "--home", "."]);
    assert_eq!((missing.code, missing.out.as_str()), (1, ""), "{missing:?}");
}

/// `xmllint` says whether a file fits the schema; `None`: it is no XML document.
fn fits(schema: &Path, file: &Path) -> Option<bool> {
    let mut command = Command::new("xmllint");
    command.arg("--noout").arg("--relaxng").arg(schema).arg(file);
    let output =
        command.output().unwrap_or_else(|error| panic!("xmllint: {error}; tests/make/tools installs it"));
    match output.status.code() {
        Some(0) => Some(true),
        Some(3) => Some(false),
        Some(1) => None,
        other => panic!("{}: {other:?} {}", file.display(), String::from_utf8_lossy(&output.stderr)),
    }
}

fn schema(folder: &Path) -> PathBuf {
    let printed = riposte(folder, &["schema"]);
    assert_eq!(printed.code, 0, "{printed:?}");
    let path = folder.join("riposte.rng");
    fs::write(&path, printed.out).unwrap();
    path
}

#[test]
fn what_the_schema_refuses_the_reader_refuses_and_what_the_reader_takes_the_schema_takes() {
    let folder = tempfile::tempdir().unwrap();
    let schema = schema(folder.path());
    let findings = Path::new(env!("CARGO_MANIFEST_DIR")).join("findings");
    let (mut seen, mut refused) = (0, 0);
    for entry in fs::read_dir(findings).unwrap() {
        let file = entry.unwrap().path().join("ossec.conf");
        if !file.is_file() || fits(&schema, &file) != Some(false) {
            seen += 1;
            continue;
        }
        refused += 1;
        let bytes = fs::read(&file).unwrap();
        let config = Config::read(&[Source { file: "ossec.conf", bytes: &bytes }]);
        assert!(!config.diagnostics.is_empty(), "only the schema refuses {}", file.display());
    }
    assert!(seen > 50 && refused > 5, "{seen} {refused}");
}

#[test]
fn every_grant_fits_the_schema_and_a_wrong_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let schema = schema(folder.path());
    let file = folder.path().join("file.xml");
    let write = |grants: &str| {
        let xml = format!(
            "<ossec_config><global><email_to>x</email_to><white_list>192.0.2.1</white_list></global><localfile><command>df</command></localfile>
             <command><name>a</name><executable runtime=\"wasm\">a</executable>{grants}<limits cpu=\"1s\"/></command></ossec_config>"
        );
        fs::write(&file, xml).unwrap();
    };
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/capabilities");
    for element in ELEMENTS {
        let page = fs::read_to_string(docs.join(format!("{}.md", element.name))).unwrap();
        let example = page.split("```xml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let grants = Grants::from_xml(&format!("<capabilities>{example}</capabilities>")).unwrap();
        for detail in [Detail::Least, Detail::Full] {
            write(&grants.to_xml(detail));
            assert_eq!(fits(&schema, &file), Some(true), "{}", grants.to_xml(detail));
        }
        let least = grants.to_xml(Detail::Least);
        for wrong in [
            least.replacen("/>", " frobnicate=\"1\"/>", 1),
            least.replacen("/>", &format!("><x/></{}>", element.name), 1),
            least.replacen(&format!("<{}", element.name), "<frobnicate", 1),
        ] {
            write(&wrong);
            assert_eq!(fits(&schema, &file), Some(false), "{wrong}");
        }
        for attribute in element.attributes.iter().filter(|a| least.contains(&format!(" {}=\"", a.name))) {
            if attribute.need == riposte_policy::grant::language::Need::Required {
                write(&least.replacen(&format!(" {}=\"", attribute.name), " frobnicate=\"", 1));
                assert_eq!(fits(&schema, &file), Some(false), "{} without {}", element.name, attribute.name);
            }
        }
    }
}
