//! On files of a scratch folder, with the real calls to the system.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed unwrap is a failed test; it plays the host"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use super::super::target as spelt;
use super::*;
use crate::held::Backend as _;

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(name: &str, text: &str) -> Self {
        let scratch = Self::new();
        fs::write(scratch.at(name), text).unwrap();
        scratch
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn target(&self, name: &str, line: &str) -> Target {
        let file = self.at(name).display().to_string();
        Target::parse(&spelt(&file, &Line::parse(line).unwrap())).unwrap()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

const FILE: &str = "# keep me: ALL:1.2.3.4\nALL:11.2.3.45\n\nALL:1.2.3.40\n";

#[test]
fn seven_steps() {
    let scratch = Scratch::with("hosts.deny", FILE);
    let target = scratch.target("hosts.deny", "ALL:1.2.3.4");
    // Undone without ever having been made, with whatever prior.
    target.restore(Prior { file: File::There, line: Presence::Absent }).unwrap();
    let prior = target.prior().unwrap();
    assert_eq!(prior, Prior { file: File::There, line: Presence::Absent });
    assert!(target.make(None).unwrap());
    assert_eq!(scratch.text("hosts.deny"), format!("{FILE}ALL:1.2.3.4\n"));
    assert!(!target.make(None).unwrap());
    target.restore(prior).unwrap();
    assert_eq!(scratch.text("hosts.deny"), FILE);
    target.restore(prior).unwrap();
    assert_eq!(scratch.text("hosts.deny"), FILE);
    assert_eq!(scratch.names(), ["hosts.deny"]);
}

#[test]
fn a_line_that_was_there_stays() {
    let scratch = Scratch::with("hosts.deny", "ALL:1.2.3.4\n");
    let target = scratch.target("hosts.deny", "ALL:1.2.3.4");
    let prior = target.prior().unwrap();
    assert_eq!(prior.line, Presence::Present);
    assert!(!target.make(None).unwrap());
    target.restore(prior).unwrap();
    assert_eq!(scratch.text("hosts.deny"), "ALL:1.2.3.4\n");
}

#[test]
fn a_missing_file_comes_and_goes_with_its_line() {
    let scratch = Scratch::new();
    let target = scratch.target("hosts.deny", "ALL:1.2.3.4");
    let prior = target.prior().unwrap();
    assert_eq!(prior.file, File::Missing);
    assert!(target.make(None).unwrap());
    assert_eq!(scratch.text("hosts.deny"), "ALL:1.2.3.4\n");
    assert_eq!(fs::metadata(scratch.at("hosts.deny")).unwrap().mode() & 0o7777, 0o644);
    target.restore(prior).unwrap();
    assert!(scratch.names().is_empty());
    target.restore(prior).unwrap();
    // What somebody else wrote meanwhile stays.
    target.make(None).unwrap();
    let other = scratch.target("hosts.deny", "ALL:5.6.7.8");
    other.make(None).unwrap();
    target.restore(prior).unwrap();
    assert_eq!(scratch.text("hosts.deny"), "ALL:5.6.7.8\n");
}

#[test]
fn a_file_that_was_made_goes_with_the_last_line_whoever_made_it() {
    for order in [[0, 1], [1, 0]] {
        let scratch = Scratch::new();
        let held: Vec<_> = ["ALL:1.2.3.4", "ALL:5.6.7.8"]
            .map(|line| {
                let target = scratch.target("hosts.deny", line);
                let prior = target.prior().unwrap();
                target.make(None).unwrap();
                (target, prior)
            })
            .into_iter()
            .collect();
        assert_eq!([held[0].1.file, held[1].1.file], [File::Missing, File::There]);
        let mut value = [0; 1];
        let noted = rustix::fs::getxattr(scratch.at("hosts.deny"), MADE, &mut value[..]).is_ok();
        for at in order {
            held[at].0.restore(held[at].1).unwrap();
        }
        // Without such notes the one that found it there does not know better.
        assert!(scratch.names().is_empty() || !noted && order == [0, 1], "{:?}", scratch.names());
    }
    // One that was there stays, also empty.
    let scratch = Scratch::with("hosts.deny", "");
    let target = scratch.target("hosts.deny", "ALL:1.2.3.4");
    let prior = target.prior().unwrap();
    target.make(None).unwrap();
    target.restore(prior).unwrap();
    assert_eq!(scratch.text("hosts.deny"), "");
    assert_eq!(scratch.names().len(), 1);
}

#[test]
fn a_missing_folder_is_named_and_undoing_there_is_done() {
    let scratch = Scratch::new();
    let target = scratch.target("gone/hosts.deny", "a");
    let refusal = target.prior().unwrap_err();
    assert!(refusal.message.contains("a folder on the way to it is not there"), "{refusal}");
    target.restore(Prior { file: File::There, line: Presence::Absent }).unwrap();
}

#[test]
fn odd_files_keep_their_oddities() {
    for (text, made, back) in
        [("", "a\n", ""), ("x", "x\na\n", "x\n"), ("x\r\ny\r\n", "x\r\ny\r\na\r\n", "x\r\ny\r\n")]
    {
        let scratch = Scratch::with("f", text);
        let target = scratch.target("f", "a");
        let prior = target.prior().unwrap();
        target.make(None).unwrap();
        assert_eq!(scratch.text("f"), made);
        target.restore(prior).unwrap();
        assert_eq!(scratch.text("f"), back);
    }
}

#[test]
fn owner_mode_and_attributes_stay() {
    let scratch = Scratch::with("f", "x\n");
    let path = scratch.at("f");
    fs::set_permissions(&path, Permissions::from_mode(0o4640)).unwrap();
    let root = rustix::process::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&path, Some(1234), Some(4321)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o4640)).unwrap();
    }
    let named = rustix::fs::setxattr(&path, "user.origin", b"admin", XattrFlags::empty()).is_ok();
    let before = fs::metadata(&path).unwrap();
    scratch.target("f", "a").make(None).unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_ne!(before.ino(), after.ino(), "it was written in place");
    assert_eq!((before.mode(), before.uid(), before.gid()), (after.mode(), after.uid(), after.gid()));
    if named {
        let file = fs::File::open(&path).unwrap();
        assert_eq!(attributes(&file).unwrap(), [(b"user.origin".to_vec(), b"admin".to_vec())]);
    }
}

#[test]
fn ten_thousand_lines() {
    let text: String = (0..10_000).map(|n| format!("ALL:10.{}.{}.1\n", n / 250, n % 250)).collect();
    let scratch = Scratch::with("f", &text);
    let target = scratch.target("f", "ALL:10.1.1.11");
    assert!(target.make(None).unwrap());
    assert!(scratch.text("f").starts_with(&text));
    target.restore(Prior { file: File::There, line: Presence::Absent }).unwrap();
    assert_eq!(scratch.text("f"), text);
}

#[test]
fn a_crash_before_the_new_name_loses_nothing() {
    let scratch = Scratch::with("f", FILE);
    let target = scratch.target("f", "a");
    let folder = target.folder().unwrap();
    let file = target.locked(&folder).unwrap().unwrap();
    // As far as the write, and no further: the engine was killed here.
    target.write_beside(&folder, &file, b"half a fi").unwrap();
    drop(file);
    assert_eq!(scratch.text("f"), FILE);
    assert_eq!(scratch.names(), [".f.riposte-new", "f"]);
    assert!(target.make(None).unwrap());
    assert_eq!(scratch.text("f"), format!("{FILE}a\n"));
    assert_eq!(scratch.names(), ["f"]);
    // Left behind where nothing is left to do.
    fs::write(scratch.at(".f.riposte-new"), "half").unwrap();
    assert!(!target.make(None).unwrap());
    assert_eq!(scratch.names(), ["f"]);
}

#[test]
fn a_failed_write_leaves_the_file_alone() {
    let scratch = Scratch::with("f", FILE);
    // Somebody took the name: it cannot be removed as a file is.
    fs::create_dir(scratch.at(".f.riposte-new")).unwrap();
    let refusal = scratch.target("f", "a").make(None).unwrap_err();
    assert!(refusal.message.contains(".f.riposte-new"), "{refusal}");
    assert_eq!(scratch.text("f"), FILE);
}

#[test]
fn what_is_no_plain_file_is_refused() {
    let scratch = Scratch::with("real", FILE);
    symlink("real", scratch.at("link")).unwrap();
    fs::create_dir(scratch.at("folder")).unwrap();
    fs::hard_link(scratch.at("real"), scratch.at("second")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, scratch.at("pipe"), FileType::Fifo, mode, 0).unwrap();
    for (name, words) in [
        ("link", "it is a link"),
        ("folder", "cannot open"),
        ("second", "several names"),
        ("real", "several names"),
        ("pipe", "no regular file"),
    ] {
        let refusal = scratch.target(name, "a").make(None).unwrap_err();
        assert!(refusal.message.contains(words), "{name}: {refusal}");
        assert!(scratch.target(name, "a").prior().is_err(), "{name}");
    }
    assert_eq!(scratch.text("real"), FILE);
}

#[test]
fn one_too_large_is_refused() {
    let scratch = Scratch::new();
    fs::File::create(scratch.at("f")).unwrap().set_len(LARGEST + 1).unwrap();
    assert!(scratch.target("f", "a").make(None).unwrap_err().message.contains("16 MiB"));
}

#[test]
fn who_holds_the_lock_is_waited_for_and_the_new_file_is_taken() {
    let scratch = Scratch::with("f", "x\n");
    let target = scratch.target("f", "a");
    let folder = target.folder().unwrap();
    let held = target.locked(&folder).unwrap().unwrap();
    let other = scratch.target("f", "b");
    let waiting = std::thread::spawn(move || other.make(None));
    // The waiting one may have opened the old file by now, or not.
    target.replace(&folder, &held, b"x\ny\n").unwrap();
    drop(held);
    assert!(waiting.join().unwrap().unwrap());
    assert_eq!(scratch.text("f"), "x\ny\nb\n");
}

#[test]
fn many_at_once_lose_no_line() {
    let scratch = Scratch::with("f", "x\n");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let target = scratch.target("f", &format!("line {n}"));
            scope.spawn(move || target.make(None).unwrap());
        }
    });
    let text = scratch.text("f");
    assert!((0..8).all(|n| text.contains(&format!("line {n}\n"))), "{text}");
    assert_eq!(text.lines().count(), 9);
}

#[tokio::test]
async fn as_a_backend() {
    let scratch = Scratch::with("f", "x\n");
    let target = spelt(&scratch.at("f").display().to_string(), &Line::parse("a").unwrap());
    let prior = Files.prior(&target).await.unwrap();
    assert!(Files.make(&target).await.unwrap());
    Files.restore(&target, &prior).await.unwrap();
    assert_eq!(scratch.text("f"), "x\n");
    assert_eq!(Files.make("nonsense").await.unwrap_err().kind, "unsupported");
}
