//! `riposte plugin install`, `update`, `rollback` and `remove`, killed before
//! each of their steps: what runs is one version or the other, and the next
//! command leaves what an undisturbed one would have left.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the operator"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use riposte_crash::tracer_works;
use serde_json::Value;
use tempfile::TempDir;

/// What changes a disk. The tracer counts the calls of the first thread, which
/// makes all of these.
const CALLS: [&str; 12] = [
    "mkdir",
    "mkdirat",
    "flock",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "rmdir",
    "fsync",
    "fdatasync",
    "ftruncate",
];

/// A home, and three versions of one component.
struct Place {
    dir: TempDir,
    files: [PathBuf; 3],
    digests: [String; 3],
}

impl Place {
    /// The first two are installed, the second runs; the code of all is compiled.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = |n: u8| {
            let file = dir.path().join(format!("{n}.wasm"));
            fs::write(&file, [riposte_hostile::component("ungranted"), &[0, 3, 1, b'n', n]].concat())
                .unwrap();
            file
        };
        let files = [0, 1, 2].map(file);
        let place = Self { dir, files, digests: Default::default() };
        let home = place.home();
        fs::create_dir_all(home.join("etc")).unwrap();
        fs::write(home.join("etc/a.conf"), "<ossec_config></ossec_config>").unwrap();
        let mut digests = Vec::new();
        for n in [2, 0, 1] {
            let words = if n == 1 { "update" } else { "install" };
            done(&home, &place.words(words, n));
            digests.push(list(&home)[0]["sha256"].as_str().unwrap().to_owned());
            if n == 2 {
                done(&home, &["remove", "block"]);
            }
        }
        let digests = [digests[1].clone(), digests[2].clone(), digests[0].clone()];
        Self { digests, ..place }
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    fn words(&self, what: &'static str, n: usize) -> [&str; 4] {
        [what, self.files[n].to_str().unwrap(), "--name", "block"]
    }

    /// The same home once more.
    fn copy(&self) -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let copied = Command::new("cp").arg("-a").arg(self.home()).arg(dir.path()).status().unwrap();
        assert!(copied.success());
        let home = dir.path().join("home");
        (dir, home)
    }
}

fn riposte(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(riposte_tests::binary());
    command.arg("plugin").args(words).arg("--home").arg(home).stdin(Stdio::null());
    command
}

fn done(home: &Path, words: &[&str]) -> String {
    let output = riposte(home, words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn list(home: &Path) -> Value {
    let output = riposte(home, &["list", "--json"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// How often each call is made.
fn calls(home: &Path, words: &[&str]) -> BTreeMap<&'static str, usize> {
    let log = home.join("../trace");
    let output =
        traced(home, words, &["-e", &format!("trace={}", CALLS.join(",")), "-o", log.to_str().unwrap()]);
    assert!(output.status.success(), "{words:?}: {output:?}");
    let log = fs::read_to_string(log).unwrap();
    let count = |call: &str| log.lines().filter(|line| line.starts_with(&format!("{call}("))).count();
    CALLS.iter().map(|call| (*call, count(call))).filter(|(_, count)| *count > 0).collect()
}

fn traced(home: &Path, words: &[&str], options: &[&str]) -> Output {
    let command = riposte(home, words);
    let mut tracer = Command::new("strace");
    tracer.arg("-qq").args(options).arg("--").arg(command.get_program()).args(command.get_args());
    tracer.stdin(Stdio::null()).output().unwrap()
}

/// What lies in the folder of components, but for the lock.
fn left(home: &Path) -> Vec<String> {
    fn below(folder: &Path, path: &str, all: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = format!("{path}/{}", entry.file_name().to_str().unwrap());
            match entry.path().is_dir() {
                true => below(&entry.path(), &path, all),
                false => all.push(path),
            }
        }
    }
    let mut all = Vec::new();
    below(&home.join("state/plugins"), "", &mut all);
    all.retain(|path| path != "/.versions/.lock");
    all.sort();
    all
}

/// Its versions, the one that runs first. Each is kept.
fn versions(home: &Path) -> Vec<String> {
    let list = list(home);
    let Some(one) = list.get(0) else { return Vec::new() };
    let all = [one].into_iter().chain(one["earlier"].as_array().unwrap());
    let all = all.inspect(|one| assert_eq!(one["kept"], true, "{list}"));
    all.map(|one| one["sha256"].as_str().unwrap().to_owned()).collect()
}

/// Kills `words` before each step on homes like this one, and has `again` follow.
/// `between`: what may be there in the meantime.
fn kill(place: &Place, words: &[&str], again: &[&str], between: &[&[String]]) {
    tracer_works().unwrap();
    let (_dir, home) = place.copy();
    let before = left(&home);
    let calls = calls(&home, words);
    let (after, end) = (left(&home), versions(&home));
    assert!(calls.values().sum::<usize>() > 4, "{calls:?}");
    let mut told = 0;
    for (call, count) in &calls {
        for number in 1..=*count {
            let what = format!("{words:?}, {call} {number} of {count}");
            let (_dir, home) = place.copy();
            let inject = format!("inject={call}:signal=KILL:when={number}");
            let output =
                traced(&home, words, &["-e", &format!("trace={call}"), "-e", &inject, "-o", "/dev/null"]);
            let killed = output.status.signal() == Some(9) || output.status.code() == Some(137);
            assert!(killed, "{what}: {output:?}");
            let now = versions(&home);
            assert!(between.iter().any(|between| *between == now), "{what}: {now:?}");
            // Any other command puts it right: one that changes nothing itself.
            let nothing = riposte(&home, &["remove", "nothing"]).output().unwrap();
            assert_eq!(nothing.status.code(), Some(1), "{what}: {nothing:?}");
            told += usize::from(String::from_utf8(nothing.stderr).unwrap().contains("ended in the middle"));
            assert_eq!(versions(&home).first(), now.first(), "{what}: what runs is not touched");
            let mended = left(&home);
            // A rollback changes no name of a file.
            assert!(mended == before || mended == after || end == now, "{what}: {mended:?}");
            let output = riposte(&home, again).output().unwrap();
            let gone = end.is_empty() && now.is_empty();
            assert_eq!(output.status.success(), !gone, "{what}: {output:?}");
            assert!(
                !String::from_utf8_lossy(&output.stderr).contains("ended in the middle"),
                "{what}: {output:?}"
            );
            assert_eq!((versions(&home), left(&home)), (end.clone(), after.clone()), "{what}");
        }
    }
    // It is said, where a step left something.
    assert!(told > 0, "{words:?}");
}

#[test]
fn a_first_installation_is_whole_or_not_at_all() {
    let place = Place::new();
    done(&place.home(), &["remove", "block"]);
    let words = place.words("install", 2);
    kill(&place, &words, &words, &[&[], &place.digests[2..]]);
}

#[test]
fn an_update_is_whole_or_not_at_all() {
    let place = Place::new();
    let words = place.words("update", 2);
    let [a, b, c] = place.digests.clone();
    kill(&place, &words, &words, &[&[b.clone(), a.clone()], &[c, b, a]]);
}

#[test]
fn an_update_of_what_was_put_there_by_hand_is_whole_or_not_at_all() {
    let place = Place::new();
    let (home, [a, b, c]) = (place.home(), place.digests.clone());
    fs::copy(&place.files[2], home.join("state/plugins/block.wasm")).unwrap();
    let mut words = place.words("update", 0).to_vec();
    words.push("--yes");
    kill(&place, &words, &words, &[&[c.clone(), b.clone(), a.clone()], &[a, c, b]]);
}

#[test]
fn a_rollback_is_whole_or_not_at_all() {
    let place = Place::new();
    let [a, b, _] = place.digests.clone();
    let again = ["rollback", "block", "--to", &a.clone()].map(str::to_owned);
    let again: Vec<_> = again.iter().map(String::as_str).collect();
    kill(&place, &["rollback", "block"], &again, &[&[b.clone(), a.clone()], &[a, b]]);
}

#[test]
fn a_removal_is_whole_or_not_at_all() {
    let place = Place::new();
    let [a, b, _] = place.digests.clone();
    // Between its two steps the one that runs is alone, until it is known to stay.
    kill(&place, &["remove", "block"], &["remove", "block"], &[&[b.clone(), a], &[b], &[]]);
}
