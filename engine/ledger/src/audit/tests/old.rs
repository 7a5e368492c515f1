//! Full files, and old ones.

use super::*;

#[test]
fn full_files_are_renamed_and_the_chain_goes_on() {
    let mut place = Place::new();
    place.settings.full_bytes = 1_000;
    place.live(10);
    place.live(10);
    let verified = place.verify();
    assert!(verified.is_sound(), "{:?}", verified.findings);
    assert_eq!(verified.lines, 20);
    assert!(verified.files.len() > 4, "{:?}", verified.files);
    assert!(place.dir.path().join("audit.000000000001.jsonl").exists());
}

#[test]
fn a_file_is_full_when_it_is_old() {
    let mut place = Place::new();
    place.live(1);
    place.clock.advance(Duration::from_secs(8 * 86_400));
    place.live(1);
    assert_eq!(place.verify().files.len(), 2);
    assert!(place.verify().is_sound());
}

#[test]
fn what_is_kept_without_end_is_never_old() {
    let mut place = Place::new();
    place.settings.full_bytes = 1;
    place.settings.keep = Duration::MAX;
    place.live(2);
    place.clock.advance(Duration::from_secs(91 * 86_400));
    place.live(1);
    place.live(1);
    assert!(place.events("audit-pruned").is_empty());
    assert_eq!(place.verify().first, Some(1));
}

#[test]
fn old_files_are_removed_and_that_is_told() {
    let mut place = Place::new();
    place.settings.full_bytes = 1;
    place.live(2);
    place.clock.advance(Duration::from_secs(91 * 86_400));
    place.live(1);
    assert!(place.events("audit-pruned").is_empty(), "nobody knows yet whether the clock is right");
    // By the lines that were written since it is.
    place.live(1);
    let verified = place.verify();
    assert!(verified.is_sound(), "{:?}", verified.findings);
    assert_eq!(verified.first, Some(3), "two files went");
    assert_eq!(place.events("audit-pruned").len(), 2);
    // Nothing tells of another one.
    place.live(1);
    fs::remove_file(&verified.files[0]).unwrap();
    assert!(place.kinds().contains(&Kind::BeginningGone), "{:?}", place.kinds());
}

#[test]
fn a_clock_that_is_set_forward_removes_nothing() {
    const YEARS_MS: i64 = 10 * 365 * 86_400_000;
    for before_the_start in [true, false] {
        let mut place = Place::new();
        place.settings.full_bytes = 1;
        place.live(2);
        if before_the_start {
            place.clock.step_wall(YEARS_MS);
        }
        let (audit, heads) = place.open();
        if !before_the_start {
            place.clock.step_wall(YEARS_MS);
        }
        for entry in 0..3 {
            place.clock.advance(Duration::from_secs(3_601));
            audit.record(event(entry));
            audit.flush();
        }
        drop(audit);
        place.known = heads.noted();
        assert!(place.events("audit-pruned").is_empty(), "{before_the_start}");
        assert_eq!(place.verify().first, Some(1), "{before_the_start}");
    }
}

#[test]
fn a_clock_that_stays_set_forward_removes_nothing_at_the_next_start_either() {
    const YEARS_MS: i64 = 10 * 365 * 86_400_000;
    let mut place = Place::new();
    place.settings.full_bytes = 1;
    let now = place.clock.now();
    *place.aging.lock().unwrap() = Some(Aging::from(now.wall_ms, 0, &now));
    place.live(2);
    place.clock.step_wall(YEARS_MS);
    // Each start finds lines that the one before wrote by the wrong clock.
    for _ in 0..3 {
        place.live(2);
        place.clock.advance(Duration::from_secs(86_400));
    }
    assert!(place.events("audit-pruned").is_empty());
    assert_eq!(place.verify().first, Some(1));
    // It is right, and time passes.
    place.clock.step_wall(-YEARS_MS);
    place.clock.advance(Duration::from_secs(91 * 86_400));
    place.live(1);
    place.live(1);
    assert!(!place.events("audit-pruned").is_empty());
}
