//! Damaged files, and what is made of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rusqlite::Connection;

use super::crash::killed;
use super::{Machine, ban, block, enter, in_force, open_entries};
use crate::entry::Filter;
use crate::verify::verify;
use crate::{Cause, Entry, Ledger, NewEntry, Settings, Standing, State};

/// A ledger with a copy: of 300 entries half are over and half in force; 20 more
/// began after the copy, and 10 of the older ended after it.
async fn worn() -> (Machine, BTreeMap<i64, State>, BTreeMap<i64, State>) {
    let machine = Machine::new();
    let ledger = machine.ledger();
    let mut ids = Vec::new();
    for number in 0..300 {
        ids.push(in_force(&ledger, block(&format!("192.0.{}.{}", number / 250, number % 250))).await);
    }
    for id in &ids[..150] {
        end(&ledger, *id).await;
    }
    ledger.flush().await.unwrap();
    ledger.back_up().unwrap().unwrap();
    let copied = states(&ledger.entries(Filter::default()).await.unwrap());
    machine.clock.advance(super::MINUTE);
    for id in &ids[150..160] {
        end(&ledger, *id).await;
    }
    for number in 0..20 {
        in_force(&ledger, block(&format!("203.0.113.{number}"))).await;
    }
    ledger.flush().await.unwrap();
    let last = states(&ledger.entries(Filter::default()).await.unwrap());
    drop(ledger);
    (machine, copied, last)
}

async fn end(ledger: &Ledger, id: riposte_policy::order::EntryId) {
    let undo = ledger.begin_undo(id, Cause::Recovery).await.unwrap();
    for effect in undo.effects {
        let _ = ledger.release(id, &effect.interface, &effect.target).await.unwrap();
    }
    ledger.undone(id).await.unwrap();
}

fn states(entries: &[Entry]) -> BTreeMap<i64, State> {
    entries.iter().map(|entry| (entry.id.0, entry.state)).collect()
}

fn files(machine: &Machine, word: &str) -> Vec<PathBuf> {
    let found = std::fs::read_dir(machine.folder.path()).unwrap().map(|file| file.unwrap().path());
    let mut found: Vec<_> = found.filter(|path| path.to_string_lossy().contains(word)).collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_damaged_ledger_is_set_aside_and_what_can_be_had_goes_on() {
    let (machine, copied, last) = worn().await;
    let whole = std::fs::read(machine.path()).unwrap();
    let mut found = 0;
    // Every third page is enough of each kind.
    for page in (0..whole.len() / 4_096).step_by(3) {
        for file in
            files(&machine, "ledger.db").iter().filter(|file| !file.to_string_lossy().contains("backup"))
        {
            std::fs::remove_file(file).unwrap();
        }
        let mut damaged = whole.clone();
        damaged[page * 4_096..(page + 1) * 4_096].fill(0xff);
        std::fs::write(machine.path(), &damaged).unwrap();
        let opened = machine.try_open(Settings::default()).unwrap();
        let now = states(&opened.ledger.entries(Filter::default()).await.unwrap());
        let Some(salvaged) = opened.salvaged else {
            assert_eq!(now, last, "page {page} is in use, or nobody misses it");
            continue;
        };
        found += 1;
        assert_eq!(std::fs::read(&salvaged.aside).unwrap(), damaged, "kept as it was");
        assert_eq!(opened.ledger.salvaged().unwrap().aside, salvaged.aside);
        for (id, state) in &copied {
            let is = now.get(id).unwrap_or_else(|| panic!("page {page}: entry {id} of the copy is lost"));
            assert!(is == state || Some(is) == last.get(id), "page {page}: entry {id} is {is}");
        }
        let gone = last.keys().filter(|id| !now.contains_key(id)).count() as u64;
        let counts = salvaged.counts;
        assert!(
            gone == 0 || counts.lost + counts.refused + counts.dangling >= gone || counts.from_damaged == 0,
            "page {page}: {gone} entries are gone, and only {counts:?} is said"
        );
        let next = enter(&opened.ledger, ban("198.51.100.9")).await;
        assert!(next.0 > 320, "page {page}: the number {next} was given before");
        drop(opened.ledger);
        let verified = verify(&machine.path(), machine.wall_ms(), machine.boot_ms()).unwrap();
        let bad: Vec<_> = verified.findings.iter().filter(|finding| finding.code != "no-alert").collect();
        assert!(bad.is_empty(), "page {page}: {bad:?}");
        let again = machine.try_open(Settings::default()).unwrap();
        assert!(again.salvaged.is_none(), "page {page}: once is enough");
    }
    assert!(found > 10, "{found}");
}

#[tokio::test]
async fn what_came_after_the_copy_comes_from_the_damaged_file() {
    let (machine, _, last) = worn().await;
    // A page of an index: every row can still be read.
    let conn = Connection::open(machine.path()).unwrap();
    let root: i64 = conn
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'entry_closed'", [], |row| row.get(0))
        .unwrap();
    drop(conn);
    let mut bytes = std::fs::read(machine.path()).unwrap();
    let at = usize::try_from(root - 1).unwrap() * 4_096;
    bytes[at..at + 4_096].fill(0);
    std::fs::write(machine.path(), bytes).unwrap();
    let opened = machine.try_open(Settings::default()).unwrap();
    let counts = opened.salvaged.unwrap().counts;
    assert_eq!((counts.in_both, counts.from_damaged, counts.from_backup), (300, 20, 0));
    assert_eq!((counts.ended_since, counts.open, counts.lost), (10, 160, 0));
    assert_eq!(states(&opened.ledger.entries(Filter::default()).await.unwrap()), last);
    let held = opened.ledger.standing("firewall", "203.0.113.7");
    assert!(matches!(held, Standing::For(_)), "{held:?}");
    assert_eq!(opened.ledger.standing("firewall", "192.0.0.155"), Standing::Free, "it ended after the copy");
    assert!(opened.ledger.verify_memory().await.unwrap().is_empty());
}

#[tokio::test]
async fn without_a_copy_what_can_be_read_is_kept() {
    let (machine, ..) = worn().await;
    for copy in files(&machine, "backup") {
        std::fs::remove_file(copy).unwrap();
    }
    let mut bytes = std::fs::read(machine.path()).unwrap();
    let at = bytes.len() / 2 / 4_096 * 4_096;
    bytes[at..at + 4_096].fill(0xff);
    std::fs::write(machine.path(), bytes).unwrap();
    if let Some(salvaged) = machine.try_open(Settings::default()).unwrap().salvaged {
        assert_eq!(salvaged.backup_ms, None);
        assert!(salvaged.counts.from_damaged + salvaged.counts.lost + salvaged.counts.refused >= 320);
    }
}

#[tokio::test]
async fn a_lost_ledger_is_its_copy() {
    let (machine, copied, _) = worn().await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(machine.folder.path().join(format!("ledger.db{suffix}")));
    }
    let opened = machine.try_open(Settings::default()).unwrap();
    assert_eq!(opened.salvaged.unwrap().counts.from_backup, 300);
    assert_eq!(states(&opened.ledger.entries(Filter::default()).await.unwrap()), copied);
}

/// A salvage that is killed is begun again, wherever that was.
#[tokio::test]
async fn a_salvage_can_be_cut_short_anywhere() {
    let (machine, _, last) = worn().await;
    let mut bytes = std::fs::read(machine.path()).unwrap();
    bytes[24..100].fill(0xff);
    std::fs::write(machine.path(), &bytes).unwrap();
    let whole = machine.folder.path().join("ledger.db.salvaged");
    // Half a new file, and what is read on the way.
    for name in ["ledger.db.new", "ledger.db.new-journal", "ledger.db.reading"] {
        std::fs::write(machine.folder.path().join(name), "half").unwrap();
    }
    let opened = machine.try_open(Settings::default()).unwrap();
    assert!(opened.salvaged.is_some());
    assert_eq!(states(&opened.ledger.entries(Filter::default()).await.unwrap()), last);
    assert!(files(&machine, ".new").is_empty() && files(&machine, ".reading").is_empty());
    drop(opened.ledger);
    // The new file is whole, and the old one still in its place, with a log that
    // would be read into the new one.
    std::fs::rename(machine.path(), &whole).unwrap();
    std::fs::write(machine.path(), &bytes).unwrap();
    std::fs::write(machine.folder.path().join("ledger.db-wal"), "a log of before").unwrap();
    let opened = machine.try_open(Settings::default()).unwrap();
    assert!(opened.salvaged.is_none() && !whole.exists());
    assert_eq!(states(&opened.ledger.entries(Filter::default()).await.unwrap()), last);
}

#[tokio::test]
async fn numbers_that_the_host_shows_are_not_given_again() {
    let machine = Machine::new();
    let ledger = machine.ledger();
    ledger.never_again(riposte_policy::order::EntryId(5_000)).await.unwrap();
    assert_eq!(enter(&ledger, block("192.0.2.1")).await.0, 5_001);
    drop(ledger);
    assert_eq!(enter(&machine.ledger(), block("192.0.2.2")).await.0, 5_002);
}

#[tokio::test]
async fn copies_are_kept_twice_and_only_when_something_changed() {
    use std::os::unix::fs::PermissionsExt;
    let machine = Machine::new();
    machine.clock.step_wall(200_000_000_000);
    let ledger = machine.ledger();
    let _ = enter(&ledger, block("192.0.2.1")).await;
    let first = ledger.back_up().unwrap().unwrap();
    assert_eq!(ledger.backed_up(), Some(first.clone()));
    assert_eq!(ledger.back_up().unwrap(), None, "nothing changed");
    assert_eq!(first.path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let entries = Ledger::read(&first.path, &Filter::default()).unwrap();
    assert_eq!(entries.len(), 1);
    let names: Vec<_> = files(&machine, "backup");
    assert_eq!(names, [first.path], "no log beside it");
}

#[test]
fn a_sound_ledger_verifies_and_each_fault_is_found() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (machine, ..) = runtime.block_on(worn());
    let look = || verify(&machine.path(), machine.wall_ms(), machine.boot_ms()).unwrap();
    let sound = look();
    assert!(sound.findings.is_empty(), "{sound:?}");
    assert_eq!((sound.entries, sound.open, sound.permanent, sound.stuck), (320, 160, 0, 0));
    let conn = Connection::open(machine.path()).unwrap();
    // What the database itself refuses, damage does not ask about.
    conn.execute_batch(
        "PRAGMA ignore_check_constraints = ON; DROP TRIGGER entry_ends; DROP TRIGGER entry_over;
         DROP TRIGGER effect_claimed_again; DROP TRIGGER entry_transition;",
    )
    .unwrap();
    for (sql, code) in [
        ("DELETE FROM body WHERE entry = 300", "no-alert"),
        ("INSERT INTO body (entry, alert) VALUES (9999, '{}')", "dangling-body"),
        ("INSERT INTO receipt (entry, receipt) VALUES (1, x'00')", "dangling-receipt"),
        ("UPDATE effect SET released = 0 WHERE entry = 1", "held-after-end"),
        ("UPDATE entry SET due = NULL WHERE id = 301", "no-end"),
        ("UPDATE entry SET closed = 5 WHERE id = 302", "half-closed"),
        ("UPDATE entry SET definition = 77 WHERE id = 303", "no-definition"),
        ("UPDATE entry SET due_boot = due_boot + 86400000 WHERE id = 304", "too-long"),
        ("UPDATE entry SET boot = 42 WHERE id = 305", "no-boot"),
        ("UPDATE entry SET state = 'undoing', undo_attempts = 7 WHERE id = 306", "stuck"),
        ("UPDATE entry SET due = due - 86400000 WHERE id = 307", "overdue"),
    ] {
        conn.execute_batch(&format!("BEGIN; {sql}")).unwrap();
        conn.execute_batch("COMMIT").unwrap();
        let found = look().findings;
        assert!(found.iter().any(|finding| finding.code == code), "{code}: {found:?}");
    }
}

/// What a fault does to a file.
#[derive(Clone, Debug)]
enum Fault {
    Flip(usize, u8),
    Zero(usize),
    Cut(usize),
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => (any::<usize>(), 1..=255_u8).prop_map(|(at, bits)| Fault::Flip(at, bits)),
        2 => any::<usize>().prop_map(Fault::Zero),
        1 => any::<usize>().prop_map(Fault::Cut),
    ]
}

fn damage(path: &Path, faults: &[Fault]) {
    let Ok(mut bytes) = std::fs::read(path) else { return };
    for fault in faults {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match fault {
            Fault::Flip(at, bits) => bytes[at % length] ^= bits,
            Fault::Zero(at) => {
                let page = at % length.div_ceil(4_096) * 4_096;
                let end = length.min(page + 4_096);
                bytes[page..end].fill(0);
            }
            Fault::Cut(at) => bytes.truncate(at % length),
        }
    }
    std::fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Whatever happens to the file and its log: it opens, it goes on, and every
    /// entry of the copy is there.
    #[test]
    fn no_damage_stops_the_engine_or_loses_what_the_copy_has(
        file in prop::collection::vec(fault(), 0..4),
        log in prop::collection::vec(fault(), 0..4),
    ) {
        static WORN: std::sync::OnceLock<(Machine, BTreeMap<i64, State>)> = std::sync::OnceLock::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (worn, copied) = WORN.get_or_init(|| {
            let machine = Machine::new();
            runtime.block_on(async {
                let ledger = machine.ledger();
                for number in 0..60 {
                    let alert = format!(r#"{{"full_log":"{}"}}"#, "x".repeat(number * 40));
                    in_force(&ledger, NewEntry { alert: alert.into(), ..block(&format!("192.0.2.{number}")) }).await;
                }
                ledger.flush().await.unwrap();
                ledger.back_up().unwrap().unwrap();
                let copied = states(&ledger.entries(Filter::default()).await.unwrap());
                for number in 0..10 {
                    in_force(&ledger, block(&format!("203.0.113.{number}"))).await;
                }
                ledger.flush().await.unwrap();
                let after = killed(&machine);
                std::fs::copy(
                    machine.folder.path().join("ledger.db.backup"),
                    after.folder.path().join("ledger.db.backup"),
                ).unwrap();
                (after, copied)
            })
        });
        let machine = killed(worn);
        std::fs::copy(worn.folder.path().join("ledger.db.backup"), machine.folder.path().join("ledger.db.backup")).unwrap();
        damage(&machine.path(), &file);
        damage(&machine.folder.path().join("ledger.db-wal"), &log);
        runtime.block_on(async {
            let opened = machine.try_open(Settings::default()).unwrap();
            let now = states(&opened.ledger.entries(Filter::default()).await.unwrap());
            if opened.salvaged.is_some() {
                for id in copied.keys() {
                    assert!(now.contains_key(id), "entry {id} of the copy is lost");
                }
            }
            let _ = enter(&opened.ledger, ban("198.51.100.9")).await;
            assert!(!open_entries(&opened.ledger).await.is_empty());
        });
    }
}
