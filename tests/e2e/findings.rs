//! Each kind of finding that needs the files of a host has a fixture
//! `tests/findings/CODE/`: a configuration, programs in `bin/`, and `setup`,
//! which says of them what a repository does not keep. The real binary looks
//! at it; what it prints is `expected.txt` to the letter.
//! `tests/findings/bless` writes those files anew.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use riposte_policy::diagnostic::{CODES, Stage};
use riposte_tests::{Ended, binary};
use serde_json::Value;
use tempfile::TempDir;

fn folder(code: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("findings").join(code)
}

fn codes() -> impl Iterator<Item = &'static str> {
    CODES.iter().filter(|code| code.stage == Stage::Arming).map(|code| code.code)
}

/// A home with what the fixture says. `None`: it cannot be made here.
///
/// `setup` has one thing on each line: `program NAME [mode OCTAL] [owner UID]
/// [crlf] [elf]` of `bin/NAME`; `component NAME FROM` installs one of
/// `tests/components`, whose digest stands where the configuration says `DIGEST`; `huge NAME` one that is too large; `link NAME TO`;
/// `config mode OCTAL`; `log missing`, `log folder`; `rules NAME` is a file of a manager's rules.
fn home(code: &str) -> Option<TempDir> {
    let (from, home) = (folder(code), tempfile::tempdir().unwrap());
    let at = |name: &str| home.path().join(name);
    for folder in ["etc", "active-response/bin", "state/plugins", "logs"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    fs::write(at("logs/active-responses.log"), "").unwrap();
    fs::copy(from.join("ossec.conf"), at("etc/ossec.conf")).unwrap();
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    for line in fs::read_to_string(from.join("setup")).unwrap_or_default().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["program", name, rest @ ..] => {
                let given = |word: &str| rest.iter().position(|found| *found == word);
                let value = |word: &str| given(word).map(|at| rest[at + 1]);
                let mut bytes = fs::read(from.join("bin").join(name)).unwrap_or_default();
                if given("crlf").is_some() {
                    bytes = String::from_utf8(bytes).unwrap().replace('\n', "\r\n").into_bytes();
                }
                if given("elf").is_some() {
                    bytes = b"\x7fELF\x02".to_vec();
                }
                let path = at("active-response/bin").join(name);
                fs::write(&path, bytes).unwrap();
                let mode = u32::from_str_radix(value("mode").unwrap_or("750"), 8).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                if let Some(owner) = value("owner") {
                    if !root {
                        return None;
                    }
                    chown(&path, Some(owner.parse().unwrap()), None).unwrap();
                }
            }
            ["config", "mode", mode] => {
                let mode = u32::from_str_radix(mode, 8).unwrap();
                fs::set_permissions(at("etc/ossec.conf"), fs::Permissions::from_mode(mode)).unwrap();
            }
            ["component", name, from] => {
                let path = at("state/plugins").join(format!("{name}.wasm"));
                fs::write(&path, riposte_hostile::component(from)).unwrap();
                pin(&at("etc/ossec.conf"), &path);
            }
            ["huge", name] => {
                let path = at("state/plugins").join(format!("{name}.wasm"));
                // A hole: no disk is used.
                fs::File::create(path).unwrap().set_len((128 << 20) + 1).unwrap();
            }
            ["link", name, to] => symlink(to, at("active-response/bin").join(name)).unwrap(),
            ["rules", name] => {
                fs::create_dir_all(at("ruleset/rules")).unwrap();
                fs::copy(from.join(name), at("ruleset/rules").join(name)).unwrap();
            }
            ["log", "missing"] => fs::remove_file(at("logs/active-responses.log")).unwrap(),
            ["log", "folder"] => {
                fs::remove_file(at("logs/active-responses.log")).unwrap();
                fs::create_dir(at("logs/active-responses.log")).unwrap();
            }
            _ => panic!("{code}: {line}"),
        }
    }
    Some(home)
}

/// Writes the digest of a component where a fixture says `DIGEST`: another
/// compiler makes other bytes.
fn pin(config: &Path, component: &Path) {
    let text = fs::read_to_string(config).unwrap();
    if text.contains("DIGEST") {
        let mut command = Command::new(binary());
        command.args(["plugin", "inspect", "--json"]).arg(component).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", config.parent().unwrap().join("cache"));
        let json = Ended::from(command.output().unwrap()).json();
        fs::write(config, text.replace("DIGEST", json["sha256"].as_str().unwrap())).unwrap();
    }
}

fn riposte(home: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(binary());
    command.arg("check").args(arguments).current_dir(home).stdin(Stdio::null());
    Ended::from(command.output().unwrap())
}

/// What `check` prints about a fixture, without what differs from run to run.
fn printed(code: &str) -> Option<(Ended, String)> {
    let home = home(code)?;
    let ended = riposte(home.path(), &["--config", "etc/ossec.conf", "--home", "."]);
    let real = home.path().canonicalize().unwrap().display().to_string();
    let text = ended.out.replace(&format!("{real}/."), "HOME").replace(&real, "HOME");
    let digest = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = text.split_inclusive(|c: char| !c.is_ascii_hexdigit());
    let text = words.map(|word| {
        let end = word.len() - usize::from(word.ends_with(|c: char| c.is_ascii() && !c.is_ascii_hexdigit()));
        let (word, rest) = word.split_at(end);
        format!("{}{rest}", if digest(word) { "DIGEST" } else { word })
    });
    let text = text.collect();
    Some((ended, text))
}

#[test]
fn every_fixture_gives_its_finding() {
    for code in codes() {
        let Some((ended, text)) = printed(code) else {
            println!("skipped: {code} needs root");
            continue;
        };
        let found: BTreeSet<&str> = text
            .lines()
            .filter(|line| ["error[", "warning[", "note["].iter().any(|level| line.starts_with(level)))
            .filter_map(|line| line.split(['[', ']']).nth(1))
            .collect();
        assert!(found.contains(code), "{code}: {found:?}\n{text}{}", ended.err);
        assert_eq!(found.len(), 1, "{code}: {found:?}");
        assert_eq!(ended.code, i32::from(text.contains("error[")), "{code}");
        let expected = fs::read_to_string(folder(code).join("expected.txt")).unwrap_or_default();
        assert_eq!(text, expected, "{code}: tests/findings/bless writes it anew");
    }
}

#[test]
#[ignore = "writes files: tests/findings/bless runs it"]
fn bless() {
    for code in codes() {
        let (_, text) = printed(code).expect("run it as root");
        fs::write(folder(code).join("expected.txt"), text).unwrap();
    }
}

#[test]
fn the_ways_to_ask() {
    let home = home("trigger-wide").unwrap();
    let check = |arguments: &[&str]| riposte(home.path(), &[&["--home", "."], arguments].concat());
    fs::write(home.path().join("etc/ossec.conf"), "<ossec_config><x y='1'/></ossec_config>").unwrap();
    let (plain, strict) = (check(&[]), check(&["--strict"]));
    assert_eq!((plain.code, strict.code), (0, 1), "{plain:?} {strict:?}");
    assert!(
        strict.out.ends_with("0 commands, 0 responses: 1 warning; warnings count as errors\n"),
        "{strict:?}"
    );
    assert!(!plain.out.contains('\u{1b}'), "colours go to terminals only");

    let json = check(&["--json"]).json();
    let found = &json[0];
    assert_eq!(found["code"], "config-empty");
    assert_eq!((&found["line"], &found["column"], &found["end_column"]), (&1.into(), &1.into(), &15.into()));
    assert_eq!(found["docs"], Value::from("docs/findings/config-empty.md"));

    let page = riposte(home.path(), &["--explain", "config-empty"]);
    assert_eq!(page.code, 0, "{page:?}");
    assert!(page.out.starts_with("# config-empty\n"), "{page:?}");
    let list = riposte(home.path(), &["--explain"]);
    assert_eq!(list.out.lines().count(), CODES.len());
    let unknown = riposte(home.path(), &["--explain", "config-emtpy"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.err.contains("did you mean config-empty?"), "{unknown:?}");
    // A folder under a program's name is there, only no program.
    let commands = "<command><name>x</name><executable>x.sh</executable></command>
        <active-response><command>x</command><location>local</location><rules_id>1</rules_id></active-response>";
    fs::write(home.path().join("etc/ossec.conf"), commands).unwrap();
    fs::create_dir_all(home.path().join("active-response/bin/x.sh")).unwrap();
    assert_eq!(check(&["--json"]).json()[0]["code"], "executable-unfit");
    // What a folder names is read, or the reason is said.
    fs::create_dir(home.path().join("conf.d")).unwrap();
    fs::copy(home.path().join("etc/ossec.conf"), home.path().join("conf.d/a.conf")).unwrap();
    symlink("nowhere", home.path().join("conf.d/b.conf")).unwrap();
    let dangling = check(&["--config", "conf.d"]);
    assert!(dangling.code == 1 && dangling.err.contains("conf.d/b.conf"), "{dangling:?}");
    let missing = check(&["--config", "/nonexistent"]);
    assert_eq!(missing.code, 1, "{missing:?}");
    assert_eq!(check(&["--frobnicate"]).code, 2);
    // An answer that was lost is no good answer.
    fs::write(home.path().join("etc/ossec.conf"), "<ossec_config/>").unwrap();
    for arguments in [&["check", "--json"][..], &["check"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(binary());
        let status = command.args(arguments).args(["--home", "."]).current_dir(home.path()).stdout(full);
        assert_eq!(status.stderr(Stdio::null()).status().unwrap().code(), Some(1), "{arguments:?}");
    }
}
