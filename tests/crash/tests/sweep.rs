//! Five hundred points of the sweep, of every path, call and fault.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use riposte_crash::campaign::{all_points, campaign, some};
use riposte_crash::point::Point;
use riposte_crash::tracer_works;

/// How many faults have to happen.
const POINTS: usize = 500;

/// The same points each time; `make crash` takes others.
const SEED: u64 = 2_026;

/// Where a promise was broken once. The number of a call differs a little from
/// run to run, so each stands for its neighbours too.
const FOUND: [(&str, u32, u32, &str); 6] = [
    // The quarantine kept half a record of what it had not taken.
    ("add,file=~/state/quarantine/fa7031010f783f787eb5f14963872941-0.json,fsync", 1, 1, "enospc"),
    // The copy in quarantine was removed when the folder of the file that had
    // gone could not be synced: the file was lost.
    ("add,file=/etc/riposte-crash,fsync", 1, 2, "eio"),
    // Alerts that could not be read ended the engine, and with it the undos.
    ("add,file=~/alerts.json,read", 2, 4, "eio"),
    ("add,file=~/alerts.json,pread64", 1, 4, "eio"),
    // So did the quarantine when the claim on it could not be recorded.
    ("add,file=~/state/ledger.db-wal,pread64", 2, 4, "eio"),
    // An intended entry was left as it was until the next start, since the
    // ledger could not be written when it was taken up.
    ("start,file=~/state/ledger.db-wal,fsync", 10, 17, "eio"),
];

#[test]
fn nothing_is_lost_doubled_early_or_left() {
    tracer_works().unwrap();
    let mut points: Vec<Point> = Vec::new();
    for (what, first, last, fault) in FOUND {
        points.extend(
            (first..=last).map(|number| format!("{what},{number},{fault}").parse::<Point>().unwrap()),
        );
    }
    points.extend(some(all_points(), POINTS, SEED));
    let tally = campaign(points, POINTS / 10, POINTS, SEED);
    println!("{}", tally.report());
    assert!(tally.broken.is_empty(), "{}", tally.report());
    assert!(tally.points() >= POINTS, "only {} faults happened", tally.points());
}
