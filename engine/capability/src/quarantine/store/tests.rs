//! On files of scratch folders, with the real calls to the system.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed unwrap is a failed test; it plays the host"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

struct Bench {
    host: tempfile::TempDir,
    _state: tempfile::TempDir,
    store: Store,
}

impl Bench {
    /// Host and quarantine on one file system.
    fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap())
    }

    /// The quarantine on another one, which most hosts have.
    fn across() -> Option<Self> {
        let shm = Path::new("/dev/shm");
        let here = tempfile::tempdir().unwrap();
        let there = tempfile::tempdir_in(shm).ok()?;
        let differ = fs::metadata(here.path()).unwrap().dev() != fs::metadata(there.path()).unwrap().dev();
        differ.then(|| Self::on(there))
    }

    fn on(state: tempfile::TempDir) -> Self {
        let host = tempfile::tempdir().unwrap();
        let store = Store::new(state.path().join("quarantine"), vec![host.path().join("own")]);
        Self { host, _state: state, store }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.host.path().join(name)
    }

    fn path(&self, name: &str) -> HostPath {
        HostPath::parse(&self.at(name).display().to_string()).unwrap()
    }

    /// A file with everything about it unusual.
    fn file(&self, name: &str) -> HostPath {
        fs::write(self.at(name), "EICAR").unwrap();
        if root() {
            std::os::unix::fs::chown(self.at(name), Some(1234), Some(4321)).unwrap();
        }
        fs::set_permissions(self.at(name), Permissions::from_mode(0o4751)).unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_789);
        let times = fs::FileTimes::new().set_modified(old);
        fs::File::options().append(true).open(self.at(name)).unwrap().set_times(times).unwrap();
        self.path(name)
    }

    fn kept(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.store.folder) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.host.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

fn shape(path: &Path) -> (u32, u32, u32, i64, i64, u64) {
    let found = fs::metadata(path).unwrap();
    (found.mode(), found.uid(), found.gid(), found.mtime(), found.mtime_nsec(), found.size())
}

fn benches() -> impl Iterator<Item = Bench> {
    [Some(Bench::new()), Bench::across()].into_iter().flatten()
}

#[test]
fn seven_steps_on_one_file_system_and_across_two() {
    for bench in benches() {
        let path = bench.file("x");
        let before = shape(&bench.at("x"));
        let record = bench.store.record(&path, None).unwrap();
        // Undone before it was made.
        bench.store.give_back(&path, &record).unwrap();
        assert_eq!(bench.names(), ["x"]);
        let record = bench.store.record(&path, None).unwrap();
        assert!(bench.store.take(&path).unwrap());
        assert!(bench.names().is_empty());
        assert_eq!(bench.kept(), [record.name.clone(), format!("{}.json", record.name)]);
        let kept = fs::metadata(bench.store.folder.join(&record.name)).unwrap();
        assert_eq!(kept.mode() & 0o7777, 0);
        if root() {
            assert_eq!((kept.uid(), kept.gid()), (0, 0));
        }
        assert!(!bench.store.take(&path).unwrap());
        bench.store.give_back(&path, &record).unwrap();
        assert_eq!(shape(&bench.at("x")), before);
        assert_eq!(fs::read_to_string(bench.at("x")).unwrap(), "EICAR");
        bench.store.give_back(&path, &record).unwrap();
        assert_eq!(shape(&bench.at("x")), before);
        assert_eq!((bench.names(), bench.kept()), (vec!["x".to_owned()], vec![]));
    }
}

#[test]
fn the_record_says_what_it_was() {
    let bench = Bench::new();
    let record = bench.store.record(&bench.file("x"), None).unwrap();
    assert_eq!((record.mode, record.size, record.mtime), (0o4751, 5, (1_000_000_000, 123_456_789)));
    // printf EICAR | sha256sum
    assert_eq!(record.sha256.as_deref(), Some(hex(&Sha256::digest(b"EICAR"))).as_deref());
    assert_eq!(Record::read(&record.stored()).unwrap(), record);
    let tampered = record.stored().replace(&record.name, "../x");
    assert!(Record::read(&tampered).is_err());
}

#[test]
fn a_place_that_is_taken_is_never_overwritten() {
    for bench in benches() {
        let path = bench.file("x");
        let record = bench.store.record(&path, None).unwrap();
        bench.store.take(&path).unwrap();
        fs::write(bench.at("x"), "somebody else's").unwrap();
        for _ in 0..2 {
            let refusal = bench.store.give_back(&path, &record).unwrap_err();
            assert_eq!(refusal.kind, "failed");
            assert!(refusal.message.contains(&record.name) && refusal.message.contains("place"), "{refusal}");
        }
        assert_eq!(fs::read_to_string(bench.at("x")).unwrap(), "somebody else's");
        assert_eq!(fs::metadata(bench.store.folder.join(&record.name)).unwrap().mode() & 0o7777, 0);
        assert!(bench.store.join(&path).unwrap_err().message.contains("earlier file"));
        assert_eq!(fs::read_to_string(bench.at("x")).unwrap(), "somebody else's");
        // A record of its own keeps the new one as well.
        let second = bench.store.record(&path, None).unwrap();
        assert_ne!(second.name, record.name);
        assert!(bench.store.take(&path).unwrap());
        bench.store.give_back(&path, &second).unwrap();
        fs::remove_file(bench.at("x")).unwrap();
        bench.store.give_back(&path, &record).unwrap();
        assert_eq!(fs::read_to_string(bench.at("x")).unwrap(), "EICAR");
        assert_eq!(bench.names(), ["x"]);
    }
}

#[test]
fn a_folder_that_is_gone_or_a_link_keeps_the_file() {
    let bench = Bench::new();
    fs::create_dir(bench.at("deep")).unwrap();
    let path = bench.file("deep/x");
    let record = bench.store.record(&path, None).unwrap();
    bench.store.take(&path).unwrap();
    fs::rename(bench.at("deep"), bench.at("other")).unwrap();
    let refusal = bench.store.give_back(&path, &record).unwrap_err();
    assert!(
        refusal.message.contains("its folder is gone") && refusal.message.contains(&record.name),
        "{refusal}"
    );
    symlink("other", bench.at("deep")).unwrap();
    assert!(bench.store.give_back(&path, &record).unwrap_err().message.contains("a link"));
    assert_eq!(fs::read_dir(bench.at("other")).unwrap().count(), 0);
    fs::remove_file(bench.at("deep")).unwrap();
    fs::rename(bench.at("other"), bench.at("deep")).unwrap();
    bench.store.give_back(&path, &record).unwrap();
    assert_eq!(fs::read_to_string(bench.at("deep/x")).unwrap(), "EICAR");
}

#[test]
fn links_and_what_is_no_file_are_refused() {
    let bench = Bench::new();
    bench.file("x");
    bench.file("two");
    fs::hard_link(bench.at("two"), bench.at("names")).unwrap();
    fs::create_dir(bench.at("real")).unwrap();
    bench.file("real/y");
    symlink("x", bench.at("link")).unwrap();
    symlink("real", bench.at("folder")).unwrap();
    let mode = Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, bench.at("pipe"), FileType::Fifo, mode, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(bench.at("socket")).unwrap();
    fs::create_dir(bench.at("own")).unwrap();
    bench.file("own/z");
    for (name, words) in [
        ("link", "link"),
        ("folder/y", "link"),
        ("two", "several names"),
        ("real", "no regular file"),
        ("pipe", "no regular file"),
        ("socket", "no regular file"),
        ("own/z", "own-file"),
        ("gone", "there is no file"),
        ("gone/x", "not there"),
    ] {
        let refusal = bench.store.record(&bench.path(name), None).unwrap_err();
        assert!(refusal.message.contains(words), "{name}: {refusal}");
    }
    assert!(bench.kept().is_empty());
}

#[test]
fn the_host_and_the_engine_keep_what_they_run_from() {
    let bench = Bench::new();
    let engine = std::env::current_exe().unwrap().canonicalize().unwrap().display().to_string();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let library =
        maps.lines().filter_map(|line| line.split_once("  /").map(|(_, path)| format!("/{}", path.trim())));
    let library = library.into_iter().find(|path| path.contains("libc")).unwrap_or_else(|| engine.clone());
    for path in ["/etc/passwd", "/etc/shadow", "/boot/vmlinuz", "/etc/pam.d/sshd", &engine, &library] {
        let refusal = bench.store.record(&HostPath::parse(path).unwrap(), None).unwrap_err();
        assert!(refusal.message.contains("guard: "), "{path}: {refusal}");
    }
    for path in
        ["/proc/self/status", "/proc/self/root/etc/hostname", "/sys/kernel/mm/transparent_hugepage/enabled"]
    {
        assert_eq!(
            bench.store.record(&HostPath::parse(path).unwrap(), None).unwrap_err().kind,
            "denied",
            "{path}"
        );
    }
}

#[test]
fn what_is_replaced_before_the_move_is_not_taken() {
    for bench in benches() {
        let path = bench.file("x");
        let record = bench.store.record(&path, None).unwrap();
        fs::rename(bench.at("x"), bench.at("away")).unwrap();
        fs::write(bench.at("x"), "innocent").unwrap();
        let refusal = bench.store.take(&path).unwrap_err();
        assert!(refusal.retry && refusal.message.contains("replaced"), "{refusal}");
        assert_eq!(fs::read_to_string(bench.at("x")).unwrap(), "innocent");
        bench.store.give_back(&path, &record).unwrap();
        assert_eq!(bench.names(), ["away", "x"]);
    }
}

#[test]
fn a_folder_swapped_for_a_link_at_the_last_moment_does_not_matter() {
    let bench = Bench::new();
    fs::create_dir(bench.at("deep")).unwrap();
    fs::create_dir(bench.at("victim")).unwrap();
    fs::write(bench.at("victim/x"), "victim").unwrap();
    let path = bench.file("deep/x");
    let record = bench.store.record(&path, None).unwrap();
    let store = bench.store.open().unwrap();
    let folder = open_folder(path.folder(), Links::None).unwrap();
    // Here an attacker who owns the folder above acts.
    fs::rename(bench.at("deep"), bench.at("moved")).unwrap();
    symlink("victim", bench.at("deep")).unwrap();
    take::rename(&folder, path.name(), &store, &record.name).unwrap();
    assert_eq!(fs::read_to_string(bench.at("victim/x")).unwrap(), "victim");
    assert!(!bench.store.take(&path).unwrap());
    assert_eq!(fs::read_to_string(bench.at("victim/x")).unwrap(), "victim");
    assert!(bench.store.give_back(&path, &record).is_err());
    assert_eq!(bench.kept().len(), 2);
}

#[test]
fn every_crash_goes_on_where_it_stopped() {
    // After the rename, before the rights went.
    let bench = Bench::new();
    let path = bench.file("x");
    let record = bench.store.record(&path, None).unwrap();
    fs::rename(bench.at("x"), bench.store.folder.join(&record.name)).unwrap();
    assert!(!bench.store.take(&path).unwrap());
    assert_eq!(fs::metadata(bench.store.folder.join(&record.name)).unwrap().mode() & 0o7777, 0);
    // On the way back, after the rights came, before the rename.
    let file = bench.store.unseal(&bench.store.open().unwrap(), &record.name).unwrap();
    bench.store.dress(&file, &record).unwrap();
    bench.store.give_back(&path, &record).unwrap();
    assert_eq!(fs::read_to_string(bench.at("x")).unwrap(), "EICAR");
    // After the rename back, before the record went.
    bench.store.write_record(&bench.store.open().unwrap(), &record).unwrap();
    bench.store.give_back(&path, &record).unwrap();
    assert!(bench.kept().is_empty());

    let Some(bench) = Bench::across() else { return };
    let path = bench.file("x");
    let record = bench.store.record(&path, None).unwrap();
    let store = bench.store.open().unwrap();
    // While it was copied.
    fs::write(bench.store.folder.join(format!("{}.part", record.name)), "EI").unwrap();
    assert!(bench.store.take(&path).unwrap());
    bench.store.give_back(&path, &record).unwrap();
    // After the copy, before the file went: forwards, and backwards.
    let record = bench.store.record(&path, None).unwrap();
    fs::copy(bench.at("x"), bench.store.folder.join(&record.name)).unwrap();
    assert!(!bench.store.take(&path).unwrap());
    assert!(bench.names().is_empty(), "the file itself went");
    bench.store.give_back(&path, &record).unwrap();
    let record = bench.store.record(&path, None).unwrap();
    fs::copy(bench.at("x"), bench.store.folder.join(&record.name)).unwrap();
    bench.store.give_back(&path, &record).unwrap();
    assert_eq!((bench.names(), bench.kept()), (vec!["x".to_owned()], vec![]));
    // With the file set aside, before it went.
    let record = bench.store.record(&path, None).unwrap();
    fs::copy(bench.at("x"), bench.store.folder.join(&record.name)).unwrap();
    fs::rename(bench.at("x"), bench.at(&Store::beside(&path))).unwrap();
    assert!(!bench.store.take(&path).unwrap());
    assert!(bench.names().is_empty());
    // After the copy back, before the kept one went.
    bench.store.give_back(&path, &record).unwrap();
    let again = bench.store.record(&path, None).unwrap();
    bench.store.take(&path).unwrap();
    let kept = fs::read(bench.store.folder.join(&again.name));
    bench.store.give_back(&path, &again).unwrap();
    if let Ok(kept) = kept {
        fs::write(bench.store.folder.join(&again.name), kept).unwrap();
        bench.store.give_back(&path, &again).unwrap();
        assert!(bench.kept().is_empty());
    }
    drop(store);
}

#[test]
fn a_quarantine_that_others_reach_is_refused() {
    let bench = Bench::new();
    let path = bench.file("x");
    fs::create_dir(&bench.store.folder).unwrap();
    fs::set_permissions(&bench.store.folder, Permissions::from_mode(0o755)).unwrap();
    assert!(bench.store.record(&path, None).unwrap_err().message.contains("chmod 700"));
    fs::remove_dir(&bench.store.folder).unwrap();
    symlink(bench.host.path(), &bench.store.folder).unwrap();
    assert!(bench.store.record(&path, None).is_err());
}

#[tokio::test]
async fn as_a_backend() {
    use crate::held::Backend as _;
    let bench = Bench::new();
    let path = bench.file("x");
    let prior = bench.store.prior(path.as_str()).await.unwrap();
    assert!(bench.store.make(path.as_str()).await.unwrap());
    bench.store.restore(path.as_str(), &prior).await.unwrap();
    assert_eq!(bench.names(), ["x"]);
    assert!(bench.store.restore("/x", "{}").await.is_err());
}

#[tokio::test]
async fn what_was_not_recorded_leaves_no_record() {
    let bench = Bench::new();
    let path = bench.file("x");
    let prior = held::Backend::prior_for(&bench.store, EntryId(1), path.as_str()).await.unwrap();
    assert_eq!(bench.kept().len(), 1);
    held::Backend::forgo(&bench.store, path.as_str(), &prior).await;
    assert_eq!((bench.kept(), bench.names()), (Vec::<String>::new(), vec!["x".to_owned()]));
    // What was taken all the same keeps its record.
    let prior = held::Backend::prior_for(&bench.store, EntryId(1), path.as_str()).await.unwrap();
    bench.store.take(&path).unwrap();
    held::Backend::forgo(&bench.store, path.as_str(), &prior).await;
    assert_eq!(bench.kept().len(), 2);
}
