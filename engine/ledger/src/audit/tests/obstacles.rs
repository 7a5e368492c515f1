//! What others put in the way.

use super::*;

#[test]
fn what_stands_in_its_place_and_is_no_file_is_set_aside() {
    let mut place = Place::new();
    place.live(3);
    let (path, elsewhere) = (place.path(), place.dir.path().join("elsewhere"));
    for obstacle in ["link", "nowhere", "pipe", "folder"] {
        // While it is written, and when it is opened.
        for while_open in [true, false] {
            let (audit, heads) = place.open();
            if !while_open {
                drop(audit);
                put(obstacle, &path, &elsewhere);
                place.live(2);
                continue;
            }
            audit.record(event(1));
            audit.flush();
            put(obstacle, &path, &elsewhere);
            audit.record(event(2));
            audit.flush();
            assert_eq!((audit.failed(), audit.health().trouble), (0, None), "{obstacle}");
            drop(audit);
            place.known = heads.noted().or(place.known);
        }
        assert!(path.symlink_metadata().unwrap().is_file(), "{obstacle}");
    }
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "of others\n");
    // What was lost with each shows; the files of others are none of it.
    let kinds = place.kinds();
    assert!(kinds.contains(&Kind::Broken) && !kinds.contains(&Kind::Inserted), "{kinds:?}");
}

/// Takes the file away and puts something else in its place.
fn put(obstacle: &str, path: &Path, elsewhere: &Path) {
    fs::write(elsewhere, "of others\n").unwrap();
    fs::remove_file(path).unwrap();
    match obstacle {
        "link" => std::os::unix::fs::symlink(elsewhere, path).unwrap(),
        "nowhere" => std::os::unix::fs::symlink("/nowhere/at/all", path).unwrap(),
        "pipe" => rustix::fs::mknodat(
            rustix::fs::CWD,
            path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap(),
        _ => fs::create_dir(path).unwrap(),
    }
}

#[test]
fn what_is_called_like_a_file_of_it_and_is_none_is_passed_over() {
    let mut place = Place::new();
    place.live(3);
    for name in ["audit.jsonl.1", "audit.000000000001.jsonl"] {
        fs::create_dir(place.dir.path().join(name)).unwrap();
    }
    std::os::unix::fs::symlink("/nowhere/at/all", place.dir.path().join("audit.jsonl.2")).unwrap();
    place.live(3);
    let verified = place.verify();
    assert!(verified.is_sound(), "{:?}", verified.findings);
    assert_eq!(verified.lines, 6);
}

#[test]
fn any_number_of_strange_lines_is_told_and_counted() {
    let mut place = Place::new();
    place.live(3);
    fs::write(place.path(), place.text() + &"strange\n".repeat(5_000)).unwrap();
    let verified = place.verify();
    assert_eq!((verified.found, verified.findings.len(), verified.lines), (5_000, 1_000, 3));
    assert!(verified.findings.iter().all(|finding| finding.kind == Kind::Inserted));
}
