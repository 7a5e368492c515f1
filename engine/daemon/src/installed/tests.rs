//! The folder of installed components: what is kept, and what a crash leaves.

use super::*;
use riposte_runtime::digest;

fn version(wasm: &[u8]) -> Version {
    Version { version: Some("0.1.0".to_owned()), ..Version::by_hand(digest(wasm), wasm.len()) }
}

fn hex(wasm: &[u8]) -> String {
    digest(wasm).to_string()
}

fn digests(one: &One) -> (String, Vec<String>) {
    (one.now.sha256.clone(), one.earlier.iter().map(|version| version.sha256.clone()).collect())
}

#[test]
fn names_are_plain() {
    for (text, name) in [("block", "block"), ("a-b_c.d", "a-b_c.d"), ("block.wasm", "block")] {
        assert_eq!(text.parse::<Name>().unwrap().as_str(), name);
    }
    for text in ["", ".wasm", ".versions", "../x", "a/b", "a b", "-x", &"x".repeat(65), "é"] {
        assert!(text.parse::<Name>().is_err(), "{text}");
    }
}

#[test]
fn a_version_goes_back_to_the_one_that_ran_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let installed = Installed::to_change(&Places::new(Some(dir.path()), None, &[])).unwrap();
    let name: Name = "block".parse().unwrap();
    assert!(installed.one(&name).unwrap().is_none() && installed.names().unwrap().is_empty());
    for wasm in [b"a", b"b", b"c"] {
        installed.put(&name, wasm, version(wasm)).unwrap();
    }
    let one = installed.one(&name).unwrap().unwrap();
    assert_eq!(digests(&one), (hex(b"c"), vec![hex(b"b"), hex(b"a")]));
    installed.switch(&one, &one.earlier[0]).unwrap();
    let one = installed.one(&name).unwrap().unwrap();
    assert_eq!(one.now.sha256, hex(b"b"));
    // What ran last is what a new one goes back to.
    installed.put(&name, b"d", version(b"d")).unwrap();
    let one = installed.one(&name).unwrap().unwrap();
    assert_eq!(digests(&one), (hex(b"d"), vec![hex(b"b"), hex(b"c"), hex(b"a")]));
    assert_eq!(installed.names().unwrap(), std::slice::from_ref(&name));
    installed.remove(&name).unwrap();
    assert!(installed.one(&name).unwrap().is_none());
    assert!(!installed.kept(&name).exists());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test plays the operator")]
fn what_was_put_there_by_hand_is_kept_and_what_was_changed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let installed = Installed::to_change(&Places::new(Some(dir.path()), None, &[])).unwrap();
    let name: Name = "block".parse().unwrap();
    std::fs::write(installed.path(&name), b"by hand").unwrap();
    installed.put(&name, b"new", version(b"new")).unwrap();
    let one = installed.one(&name).unwrap().unwrap();
    assert_eq!(one.earlier[0].sha256, digest(b"by hand").to_string());
    installed.switch(&one, &one.earlier[0]).unwrap();
    let one = installed.one(&name).unwrap().unwrap();
    std::fs::write(installed.version(&name, &one.earlier[0]), b"other").unwrap();
    let refused = installed.switch(&one, &one.earlier[0]).unwrap_err().to_string();
    assert!(refused.contains("was changed"), "{refused}");
    assert_eq!(std::fs::read(installed.path(&name)).unwrap(), b"by hand");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test plays the crash, and the disk")]
fn what_did_not_get_its_record_is_nothing_to_go_back_to() {
    let dir = tempfile::tempdir().unwrap();
    let installed = Installed::to_change(&Places::new(Some(dir.path()), None, &[])).unwrap();
    let name: Name = "block".parse().unwrap();
    for wasm in [b"a", b"b"] {
        installed.put(&name, wasm, version(wasm)).unwrap();
    }
    // Killed before the record was written.
    std::fs::write(installed.path(&name), b"c").unwrap();
    let one = installed.one(&name).unwrap().unwrap();
    assert_eq!(digests(&one), (hex(b"c"), vec![hex(b"b"), hex(b"a")]));
    installed.switch(&one, &one.earlier[0]).unwrap();
    // No record can be written: a folder stands in its place.
    let record = installed.kept(&name).join("record.json");
    std::fs::remove_file(&record).unwrap();
    std::fs::create_dir_all(record.join("x")).unwrap();
    assert!(installed.put(&name, b"d", version(b"d")).is_err());
    assert_eq!(std::fs::read(installed.path(&name)).unwrap(), b"b", "what ran still does");
}

#[test]
fn every_name_has_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let installed = Installed::to_change(&Places::new(Some(dir.path()), None, &[])).unwrap();
    for name in ["lock", "versions", "record.json", "a.b"] {
        let name: Name = name.parse().unwrap();
        installed.put(&name, b"a", version(b"a")).unwrap();
        assert_eq!(installed.one(&name).unwrap().unwrap().name, name);
    }
}

#[test]
fn only_so_many_are_kept_and_one_changes_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::new(Some(dir.path()), None, &[]);
    let installed = Installed::to_change(&places).unwrap();
    assert!(matches!(Installed::to_change(&places), Err(InstallError::Busy)));
    let name: Name = "block".parse().unwrap();
    for n in 0..9_u8 {
        installed.put(&name, &[n], version(&[n])).unwrap();
    }
    let one = installed.one(&name).unwrap().unwrap();
    assert_eq!(one.earlier.len(), KEPT - 1);
    let files = std::fs::read_dir(installed.kept(&name)).unwrap().count();
    assert_eq!(files, KEPT + 1, "and the record");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test makes pipes")]
fn what_is_no_file_is_not_waited_for_and_can_be_removed() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::new(Some(dir.path()), None, &[]);
    let pipe = |path: &Path| {
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    let name = two_versions(&places);
    let installed = Installed::to_change(&places).unwrap();
    // What is about to be written is written anew, whatever lies there.
    pipe(&places.plugins().join(".block.wasm.partial"));
    installed.put(&name, b"c", version(b"c")).unwrap();
    for link in [false, true] {
        assert!(!installed.is_unreadable(&name));
        std::fs::remove_file(installed.path(&name)).unwrap();
        match link {
            true => std::os::unix::fs::symlink("nowhere", installed.path(&name)).unwrap(),
            false => pipe(&installed.path(&name)),
        }
        assert!(installed.is_unreadable(&name));
        assert!(installed.earlier(&name).contains(&hex(b"b")) || link);
        installed.remove(&name).unwrap();
        assert_eq!(files_below(&places.plugins()), [".versions/.lock"]);
        installed.put(&name, b"a", version(b"a")).unwrap();
    }
    drop(installed);
    let lock = places.plugins().join(".versions/.lock");
    std::fs::remove_file(&lock).unwrap();
    pipe(&lock);
    let refused = Installed::to_change(&places).unwrap_err().to_string();
    assert!(refused.contains("it is no file"), "{refused}");
}

/// Versions `a` and `b` of `block`, of which `b` runs; the folder can be opened
/// again.
fn two_versions(places: &Places) -> Name {
    let installed = Installed::to_change(places).unwrap();
    let name: Name = "block".parse().unwrap();
    for wasm in [b"a", b"b"] {
        installed.put(&name, wasm, version(wasm)).unwrap();
    }
    name
}

/// Every file below a folder, by its path there.
fn files_below(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            all.extend(files_below(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        } else {
            all.push(name);
        }
    }
    all.sort();
    all
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test plays the command that is killed")]
fn an_exchange_that_was_killed_is_ended_or_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::new(Some(dir.path()), None, &[]);
    let name = two_versions(&places);
    let installed = Installed::to_read(&places);
    let kept = installed.kept(&name);
    let file = kept.join(format!("{}.wasm", hex(b"c")));
    let before = files_below(&places.plugins());

    // Its bytes were kept, and it was not put in place.
    let record = Record { next: Some(version(b"c")), ..Record::read(&kept) };
    record.write(&kept).unwrap();
    std::fs::write(&file, b"c").unwrap();
    std::fs::write(kept.join(".x.wasm.partial"), b"half").unwrap();
    std::fs::write(places.plugins().join(".block.wasm.partial"), b"half").unwrap();
    let now = digests(&installed.one(&name).unwrap().unwrap());
    assert_eq!(now, (hex(b"b"), vec![hex(b"a")]));
    let mended = Installed::to_change(&places).unwrap();
    let told = mended.mended().join("\n");
    assert!(told.contains("was not put in place") && told.contains(&hex(b"c")), "{told}");
    assert!(told.contains("2 half-written files"), "{told}");
    assert_eq!(files_below(&places.plugins()), before);
    assert_eq!(digests(&mended.one(&name).unwrap().unwrap()), now);
    drop(mended);
    assert!(Installed::to_change(&places).unwrap().mended().is_empty(), "once is enough");

    // It was put in place, and that was all.
    record.write(&kept).unwrap();
    std::fs::write(&file, b"c").unwrap();
    std::fs::write(installed.path(&name), b"c").unwrap();
    let one = installed.one(&name).unwrap().unwrap();
    let now = (hex(b"c"), vec![hex(b"b"), hex(b"a")]);
    assert_eq!((digests(&one), one.now.version.as_deref()), (now.clone(), Some("0.1.0")));
    let mended = Installed::to_change(&places).unwrap();
    let told = mended.mended().join("\n");
    assert!(told.contains(&format!("block: the version {} runs: ", hex(b"c"))), "{told}");
    assert_eq!(digests(&mended.one(&name).unwrap().unwrap()), now);
    assert!(Record::read(&kept).next.is_none());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test plays the command that is killed")]
fn a_first_installation_and_a_removal_that_were_killed_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::new(Some(dir.path()), None, &[]);
    let name = two_versions(&places);
    let installed = Installed::to_read(&places);
    let (kept, removed) = (installed.kept(&name), installed.removed(&name));
    let before = files_below(&places.plugins());
    let mended = || Installed::to_change(&places).unwrap().mended().join("\n");
    std::fs::rename(&kept, &removed).unwrap();
    let told = mended();
    assert!(told.contains("was not removed"), "{told}");
    assert_eq!(files_below(&places.plugins()), before);

    std::fs::rename(&kept, &removed).unwrap();
    std::fs::remove_file(installed.path(&name)).unwrap();
    let told = mended();
    assert!(told.contains("block is removed now"), "{told}");
    assert_eq!(files_below(&places.plugins()), [".versions/.lock"]);

    std::fs::create_dir(&kept).unwrap();
    assert!(mended().is_empty() && !kept.exists());
    std::fs::create_dir(&kept).unwrap();
    Record { versions: Vec::new(), next: Some(version(b"a")) }.write(&kept).unwrap();
    std::fs::write(kept.join(format!("{}.wasm", hex(b"a"))), b"a").unwrap();
    let told = mended();
    assert!(told.contains("block was not installed"), "{told}");
    assert_eq!(files_below(&places.plugins()), [".versions/.lock"]);

    // What somebody took away by hand may come back.
    two_versions(&places);
    std::fs::remove_file(installed.path(&name)).unwrap();
    assert!(mended().is_empty());
    let again = Installed::to_change(&places).unwrap();
    again.put(&name, b"c", version(b"c")).unwrap();
    let one = again.one(&name).unwrap().unwrap();
    assert_eq!(digests(&one), (hex(b"c"), vec![hex(b"b"), hex(b"a")]));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test plays the disk")]
fn what_was_lost_is_told_and_what_is_whole_stays() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::new(Some(dir.path()), None, &[]);
    let name = two_versions(&places);
    let kept = Installed::to_read(&places).kept(&name);
    std::fs::write(kept.join("record.json"), "{").unwrap();
    std::fs::write(kept.join(format!("{}.wasm", hex(b"z"))), b"damaged").unwrap();
    let mended = Installed::to_change(&places).unwrap();
    let told = mended.mended().join("\n");
    assert!(told.contains("1 whose files are whole"), "{told}");
    let one = mended.one(&name).unwrap().unwrap();
    assert_eq!(digests(&one), (hex(b"b"), vec![hex(b"a")]));

    // What runs is kept whole, though what was kept of it is damaged.
    std::fs::write(mended.version(&name, &one.now), b"damaged").unwrap();
    mended.switch(&one, &one.earlier[0]).unwrap();
    let one = mended.one(&name).unwrap().unwrap();
    assert_eq!(mended.kept_bytes(&one, &one.earlier[0]).unwrap(), b"b");
    mended.switch(&one, &one.earlier[0]).unwrap();

    // A file that is gone is not forgotten.
    let one = mended.one(&name).unwrap().unwrap();
    std::fs::remove_file(mended.version(&name, &one.earlier[0])).unwrap();
    let one = mended.one(&name).unwrap().unwrap();
    assert!(one.is_gone(&one.earlier[0]) && !one.is_gone(&one.now));
    assert!(mended.switch(&one, &one.earlier[0]).is_err());
    assert_eq!(std::fs::read(mended.path(&name)).unwrap(), b"b");
}
