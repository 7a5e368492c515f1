#![expect(clippy::disallowed_methods, reason = "tests that play who tampers with files")]

use std::fs;
use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::chain::Head;
use super::scan::{Window, scan};
use super::signed::{PublicKey, SigningKey};
use super::verify::{Against, Kind, Verified, verify, verify_files};
use super::*;
use crate::aging::Aging;
use crate::clock::ManualClock;

mod obstacles;
mod old;

/// An audit in a folder of its own, and what the ledger knows of it.
struct Place {
    dir: TempDir,
    clock: Arc<ManualClock>,
    known: Option<Head>,
    aging: Arc<Mutex<Option<Aging>>>,
    settings: Settings,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::new()),
            known: None,
            aging: Arc::default(),
            settings: Settings::default(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("audit.jsonl")
    }

    fn open(&self) -> (Audit, Heads) {
        let heads = Heads::new(self.known, Arc::default(), Arc::clone(&self.aging));
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        (Audit::open(&self.path(), clock, heads.clone(), self.settings.clone()).unwrap(), heads)
    }

    /// One life of an engine that writes so many events.
    fn live(&mut self, events: i64) {
        let (audit, heads) = self.open();
        for entry in 0..events {
            audit.record(event(entry));
            // So that files fill one line at a time.
            audit.flush();
        }
        drop(audit);
        self.known = heads.noted().or(self.known);
    }

    /// The same, killed: its head is not noted.
    fn live_and_be_killed(&mut self, events: i64) {
        let known = self.known;
        self.live(events);
        self.known = known;
    }

    fn verify(&self) -> Verified {
        verify(&self.path(), &Against { ledger: self.known, signed: None }).unwrap()
    }

    fn kinds(&self) -> Vec<Kind> {
        self.verify().findings.iter().map(|finding| finding.kind).collect()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn events(&self, kind: &str) -> Vec<Event> {
        let mut events = Vec::new();
        scan(&self.path(), &Window::default(), |recorded| {
            events.push(recorded.event);
            ControlFlow::Continue(())
        })
        .unwrap();
        events.retain(|event| event.kind == kind);
        events
    }
}

fn event(entry: i64) -> Event {
    let command = Some("firewall-drop".to_owned());
    Event {
        kind: "undone".into(),
        entry: Some(entry),
        command,
        keys: vec![format!("192.0.2.{entry}")],
        ..Event::default()
    }
}

#[test]
fn events_are_lines_in_order() {
    let mut place = Place::new();
    let (audit, heads) = place.open();
    for entry in 0..1_000 {
        audit.record(event(entry));
    }
    audit.flush();
    assert_eq!(audit.failed(), 0);
    assert_eq!(heads.noted().unwrap().count, 1_000);
    drop(audit);
    place.known = heads.noted();
    let text = place.text();
    assert_eq!(text.lines().count(), 1_000);
    let begin = r#"{"time":"2026-01-01T12:00:00.000Z","seq":1,"prev":"0000000000000000000000000000000000000000000000000000000000000000","kind":"undone","entry":0,"command":"firewall-drop","keys":["192.0.2.0"],"hash":""#;
    assert!(text.starts_with(begin), "{text:.400}");
    let verified = place.verify();
    assert!(verified.is_sound(), "{:?}", verified.findings);
    assert_eq!((verified.lines, verified.heads), (1_000, 1));
}

#[test]
fn the_chain_goes_on_over_starts_and_kills() {
    let mut place = Place::new();
    for _ in 0..3 {
        place.live(3);
        place.live_and_be_killed(2);
    }
    let verified = place.verify();
    assert!(verified.is_sound(), "{:?}", verified.findings);
    assert_eq!(verified.last.unwrap().count, 15);
    assert_eq!(place.events("audit-broken"), []);
}

#[test]
fn a_torn_line_is_ended_and_told() {
    let mut place = Place::new();
    place.live(3);
    let whole = place.text();
    for cut in [1, 10, 100] {
        let text = place.text();
        fs::write(place.path(), format!("{text}{}", &whole[..cut])).unwrap();
        place.live(1);
        assert!(place.verify().is_sound(), "{:?}", place.verify().findings);
    }
    assert_eq!(place.events("audit-torn").len(), 3);
    // What is left of a line is vouched for too.
    fs::write(place.path(), place.text().replace("\n{\"\n", "\n{'\n").replace("\n{\n", "\n[\n")).unwrap();
    assert_eq!(place.kinds(), [Kind::Inserted]);
}

#[test]
fn a_whole_line_without_its_line_feed_is_no_torn_one() {
    let mut place = Place::new();
    place.live(3);
    fs::write(place.path(), place.text().trim_end()).unwrap();
    place.live(1);
    assert!(place.verify().is_sound());
    assert_eq!(place.events("audit-torn"), []);
}

#[test]
fn what_does_not_fit_at_a_start_is_told_and_a_new_segment_begins() {
    type Change = fn(&str) -> String;
    let changes: [(&str, Change); 4] = [
        ("ends at line 3, and 5 were written", |text| {
            text.lines().take(3).map(|line| format!("{line}\n")).collect()
        }),
        ("the audit is gone", |_| String::new()),
        ("not what was written", |text| text.replace("192.0.2.4", "192.0.2.9")),
        ("not what was written", |text| format!("{text}something\n")),
    ];
    for (why, change) in changes {
        let mut place = Place::new();
        place.live(5);
        fs::write(place.path(), change(&place.text())).unwrap();
        let (audit, heads) = place.open();
        assert!(audit.health().broken.unwrap().contains(why));
        audit.record(event(7));
        drop(audit);
        place.known = heads.noted();
        let told = place.events("audit-broken");
        assert!(told[0].detail.as_ref().unwrap().contains(why), "{told:?}");
        assert_eq!(told[0].chain.as_ref().unwrap().count, Some(5), "the head that the ledger knew");
        assert!(place.kinds().contains(&Kind::Broken), "{:?}", place.kinds());
        // No number is given twice, and the new segment is of one piece.
        place.live(2);
        assert_eq!(place.verify().last.unwrap().count, 9);
        assert_eq!(place.events("audit-broken").len(), 1, "told once");
    }
}

#[test]
fn what_an_older_version_wrote_is_set_aside() {
    let mut place = Place::new();
    fs::write(place.path(), "{\"time\":\"2026-01-01T12:00:00.000Z\",\"seq\":1,\"kind\":\"undone\"}\n")
        .unwrap();
    place.live(2);
    assert!(place.dir.path().join("audit.before-1.jsonl").exists());
    assert!(place.verify().is_sound());
    assert_eq!(place.events("audit-began").len(), 1);
}

#[test]
fn others_may_rotate_it() {
    let mut place = Place::new();
    let (audit, heads) = place.open();
    audit.record(event(1));
    audit.flush();
    fs::rename(place.path(), place.dir.path().join("audit.jsonl.1")).unwrap();
    audit.record(event(2));
    audit.flush();
    fs::copy(place.path(), place.dir.path().join("audit.jsonl-20260101")).unwrap();
    fs::OpenOptions::new().write(true).truncate(true).open(place.path()).unwrap();
    audit.record(event(3));
    audit.flush();
    drop(audit);
    place.known = heads.noted();
    let verified = place.verify();
    assert!(verified.is_sound(), "{:?}", verified.findings);
    assert_eq!((verified.files.len(), verified.lines), (3, 5));
    let told: Vec<_> = place.events("audit-moved").into_iter().filter_map(|event| event.detail).collect();
    assert!(told[0].contains("moved or removed") && told[1].contains("was cut"), "{told:?}");
}

#[test]
fn what_others_write_into_it_is_told_and_found() {
    let mut place = Place::new();
    let (audit, heads) = place.open();
    audit.record(event(1));
    audit.flush();
    let mut file = fs::OpenOptions::new().append(true).open(place.path()).unwrap();
    io::Write::write_all(&mut file, b"no line feed").unwrap();
    audit.record(event(2));
    drop(audit);
    place.known = heads.noted();
    assert_eq!(place.kinds(), [Kind::Inserted]);
    assert_eq!(place.verify().findings[0].line, Some(2));
    assert_eq!(place.events("audit-moved").len(), 1);
}

#[test]
fn a_rewritten_chain_is_found_by_its_head_and_one_with_its_head_by_a_signed_one() {
    let mut place = Place::new();
    let (key_file, heads_file) = (place.dir.path().join("key"), place.dir.path().join("audit.heads"));
    let public = SigningKey::generate(&key_file).unwrap();
    place.settings.signing = Some(Signing {
        key: Arc::new(SigningKey::read(&key_file).unwrap()),
        file: heads_file.clone(),
        every: Duration::from_secs(60),
        host: "web-1".into(),
    });
    place.live(5);
    let signed = |place: &Place, key: PublicKey| {
        let against = Against { ledger: place.known, signed: Some((heads_file.clone(), key)) };
        verify(&place.path(), &against).unwrap()
    };
    assert!(signed(&place, public).is_sound(), "{:?}", signed(&place, public).findings);
    assert!(signed(&place, public).heads >= 2);
    // Who changes all of it makes a chain that fits.
    fs::remove_file(place.path()).unwrap();
    let mut other = Place { settings: Settings::default(), ..Place::new() };
    other.live(5);
    fs::write(place.path(), other.text()).unwrap();
    let mut forged = Vec::new();
    let mut head = Head::START;
    for entry in 10..15 {
        head = chain::append(&mut forged, head, 0, &event(entry));
    }
    fs::write(place.path(), forged).unwrap();
    assert!(place.kinds().contains(&Kind::Replaced), "the ledger has another head");
    place.known = Some(head);
    assert!(place.verify().is_sound(), "the ledger was changed too");
    assert!(signed(&place, public).findings.iter().any(|finding| finding.kind == Kind::Replaced));
    let stranger = SigningKey::generate(&place.dir.path().join("stranger")).unwrap();
    assert!(signed(&place, stranger).findings.iter().all(|finding| finding.kind == Kind::Unsigned));
    assert!(!signed(&place, stranger).is_sound());
    // Both are cut.
    fs::write(place.path(), "").unwrap();
    place.known = None;
    assert!(signed(&place, public).findings.iter().any(|finding| finding.kind == Kind::CutOff));
}

#[test]
fn some_files_can_be_verified_alone() {
    let mut place = Place::new();
    place.settings.full_bytes = 500;
    place.live(10);
    let files = place.verify().files;
    let some = [files[2].clone(), files[1].clone()];
    assert!(verify_files(&some, &Against::default()).unwrap().is_sound(), "in whatever order they are named");
    let gap = [files[1].clone(), files[3].clone()];
    assert_eq!(verify_files(&gap, &Against::default()).unwrap().findings[0].kind, Kind::Removed);
}

/// A full disk: `/dev/full` cannot be it, as it is no file. A limit on the
/// length of files would hold for all tests of the process. So the file is
/// taken away, with its folder.
#[test]
fn what_could_not_be_written_is_counted_and_told() {
    let mut place = Place::new();
    let (audit, heads) = place.open();
    audit.record(event(1));
    audit.flush();
    let away = place.dir.path().with_extension("away");
    fs::rename(place.dir.path(), &away).unwrap();
    for entry in 0..3 {
        audit.record(event(entry));
    }
    audit.flush();
    assert_eq!(audit.failed(), 3);
    assert!(audit.health().trouble.is_some());
    fs::rename(&away, place.dir.path()).unwrap();
    audit.record(event(2));
    audit.flush();
    assert_eq!((audit.failed(), audit.health()), (3, Health::default()));
    drop(audit);
    place.known = heads.noted();
    let gap = place.events("audit-gap");
    assert_eq!(gap[0].chain.as_ref().unwrap().count, Some(3));
    let verified = place.verify();
    assert!(verified.is_sound(), "{:?}", verified.findings);
    assert_eq!(verified.notes.len(), 1, "the gap is no finding, but worth a note");
    assert_eq!(verified.lines, 3);
}

#[test]
fn a_window_bounds_what_is_read() {
    let mut place = Place::new();
    place.settings.full_bytes = 1;
    for _ in 0..4 {
        place.live(1);
        place.clock.advance(Duration::from_secs(3_600));
    }
    let read = |window: Window| {
        let mut seqs = Vec::new();
        scan(&place.path(), &window, |recorded| {
            seqs.push(recorded.seq);
            ControlFlow::Continue(())
        })
        .unwrap();
        seqs
    };
    let began = 1_767_268_800_000;
    assert_eq!(read(Window::default()), [1, 2, 3, 4]);
    assert_eq!(read(Window { since_ms: Some(began + 3_600_000), ..Window::default() }), [2, 3, 4]);
    assert_eq!(read(Window { until_ms: Some(began + 3_600_000), ..Window::default() }), [1, 2]);
    assert_eq!(read(Window { texts: vec!["192.0.2.0".into()], ..Window::default() }), [1, 2, 3, 4]);
    assert_eq!(read(Window { texts: vec!["192.0.2.1".into()], ..Window::default() }), [0_u64; 0]);
}

/// One thing that somebody does to the files.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(usize, u8),
    Delete(usize),
    Duplicate(usize, usize),
    Swap(usize, usize),
    Cut(usize),
    CutBytes(usize),
    Insert(usize, String),
    DropFile(usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let any = any::<usize>();
    prop_oneof![
        (any, 1..=255_u8).prop_map(|(at, with)| Mutation::Flip(at, with)),
        any.prop_map(Mutation::Delete),
        (any, any).prop_map(|(line, to)| Mutation::Duplicate(line, to)),
        (any, any).prop_map(|(one, other)| Mutation::Swap(one, other)),
        any.prop_map(Mutation::Cut),
        any.prop_map(Mutation::CutBytes),
        (any, "[ -~]{0,20}").prop_map(|(at, text)| Mutation::Insert(at, text)),
        any.prop_map(Mutation::DropFile),
    ]
}

/// Does it to the whole of the files, one behind the other; whether that
/// changed anything but a last line feed.
fn mutate(files: &[PathBuf], mutation: &Mutation) -> bool {
    if let Mutation::DropFile(file) = mutation {
        let file = &files[file % files.len()];
        // A new file may hold no line yet.
        let held = fs::metadata(file).unwrap().len() > 0;
        fs::remove_file(file).unwrap();
        return held;
    }
    let texts: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let mut lines: Vec<(usize, Vec<u8>)> = Vec::new();
    for (file, text) in texts.iter().enumerate() {
        lines.extend(text.split_inclusive(|byte| *byte == b'\n').map(|line| (file, line.to_vec())));
    }
    let count = lines.len();
    match mutation {
        Mutation::Flip(at, with) => {
            let line = &mut lines[at % count].1;
            let at = (at / count) % line.len();
            line[at] ^= with;
        }
        Mutation::Delete(line) => drop(lines.remove(line % count)),
        Mutation::Duplicate(line, to) => {
            let (file, line) = (lines[to % count].0, lines[line % count].1.clone());
            lines.insert(to % count, (file, line));
        }
        Mutation::Swap(one, other) => {
            let line = lines[one % count].1.clone();
            lines[one % count].1 = std::mem::replace(&mut lines[other % count].1, line);
        }
        Mutation::Cut(to) => lines.truncate(to % count),
        Mutation::CutBytes(by) => {
            let last = &mut lines.last_mut().unwrap().1;
            last.truncate(last.len() - 1 - by % (last.len() - 1));
        }
        Mutation::Insert(at, text) => {
            let file = lines[at % count].0;
            lines.insert(at % count, (file, format!("{text}\n").into_bytes()));
        }
        Mutation::DropFile(_) => {}
    }
    let mut after = vec![Vec::new(); files.len()];
    for (file, line) in &lines {
        after[*file].extend_from_slice(line);
    }
    for (file, text) in files.iter().zip(&after) {
        fs::write(file, text).unwrap();
    }
    // Files are ordered by what is in them: which has which name is no matter.
    let contents = |texts: &[Vec<u8>]| {
        let mut contents: Vec<_> =
            texts.iter().map(|text| text.strip_suffix(b"\n").unwrap_or(text).to_vec()).collect();
        contents.sort();
        contents
    };
    contents(&texts) != contents(&after)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_single_mutation_is_found(mutation in mutation(), per_file in 1..13_usize) {
        let mut place = Place::new();
        let (mut head, mut files) = (Head::START, Vec::new());
        for (at, entry) in (0..12).enumerate() {
            if at % per_file == 0 {
                files.push((head.count + 1, Vec::new()));
            }
            let (_, text) = files.last_mut().unwrap();
            head = chain::append(text, head, 1_767_268_800_000, &event(entry));
        }
        place.known = Some(head);
        let last = files.len() - 1;
        for (at, (first, text)) in files.iter().enumerate() {
            let path = if at == last { place.path() } else { files::full_name(&place.path(), *first) };
            fs::write(path, text).unwrap();
        }
        let sound = place.verify();
        prop_assert!(sound.is_sound(), "{:?}", sound.findings);
        let changed = mutate(&sound.files, &mutation);
        prop_assert_eq!(!place.verify().is_sound(), changed, "{:?}", place.verify().findings);
    }
}
