//! Five hundred points of the sweep, of every path, call and fault.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use riposte_crash::campaign::{all_points, campaign, some};
use riposte_crash::tracer_works;

/// How many faults have to happen.
const POINTS: usize = 500;

/// The same points each time; `make crash` takes others.
const SEED: u64 = 2_026;

#[test]
fn nothing_is_lost_doubled_early_or_left() {
    tracer_works().unwrap();
    let points = some(all_points(), POINTS * 3 / 2, SEED);
    let tally = campaign(points, POINTS / 5, POINTS, SEED);
    println!("{}", tally.report());
    assert!(tally.broken.is_empty(), "{}", tally.report());
    assert!(tally.points() >= POINTS, "only {} faults happened", tally.points());
}
