//! Seeds, and what must be noticed.

use std::sync::atomic::{AtomicU64, Ordering};

use riposte_simulate::{Failure, Mutant, Run};

/// How many seeds `cargo test` runs; `make simulate` runs more.
const SEEDS: u64 = 10_000;

/// Within so many seeds each fault that is made on purpose is noticed.
const SOON: u64 = 40;

#[test]
fn what_is_in_force_survives_anything() {
    let next = AtomicU64::new(0);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS {
                return None;
            }
            if let Err(failure) = Run::of(seed).go() {
                next.store(SEEDS, Ordering::Relaxed);
                return Some(failure);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let failures: Vec<Failure> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().filter_map(|thread| thread.join().expect("a run ended in a panic")).collect()
    });
    if let Some(failure) = failures.first() {
        panic!("{failure}");
    }
}

/// Beyond the others, and what each found is in docs/simulation.md: faults of the
/// ledger, such as an undo that was forgotten while what is committed could not
/// be read again, and demands of the oracle that no ledger owes.
const FOUND: [u64; 16] = [
    77_550, 83_300, 125_920, 153_642, 154_392, 228_804, 261_029, 367_014, 419_708, 479_828, 580_743, 586_444,
    621_716, 734_006, 786_714, 802_529,
];

#[test]
fn what_once_failed_holds() {
    for seed in FOUND {
        if let Err(failure) = Run::of(seed).go() {
            panic!("{failure}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..20 {
        let run = Run { traced: true, ..Run::of(seed) };
        let (first, second) = (run.go().expect("it holds"), run.go().expect("it holds"));
        assert!(first.len() > 20, "seed {seed} does nothing");
        assert_eq!(first, second, "seed {seed}");
    }
    let [first, second] = [0, 1].map(|seed| Run { traced: true, ..Run::of(seed) }.go().expect("it holds"));
    assert_ne!(first, second);
}

#[test]
fn a_disk_whose_sync_does_nothing_is_noticed() {
    let failure = noticed(Mutant::NoSync);
    let words = ["without a durable", "lost", "is open", "is forgotten", "is not", "no more", "was given to"];
    assert!(words.iter().any(|words| failure.what.contains(words)), "{failure}");
}

#[test]
fn an_effect_before_its_intent_is_noticed() {
    let failure = noticed(Mutant::EffectBeforeIntent);
    assert!(failure.what.contains("was made without a durable claim"), "{failure}");
}

#[test]
fn an_undo_that_takes_no_notice_of_failures_is_noticed() {
    let failure = noticed(Mutant::IgnoresFailedUndos);
    let words = ["was left on the host", "an hour after everything was well"];
    assert!(words.iter().any(|words| failure.what.contains(words)), "{failure}");
}

#[test]
fn a_repeat_that_is_answered_and_forgotten_is_noticed() {
    let failure = noticed(Mutant::ForgetsRepeats);
    let words = ["is due at", "the kernel dropped", "and not on the host"];
    assert!(words.iter().any(|words| failure.what.contains(words)), "{failure}");
}

/// The first failure of runs with something made wrong.
fn noticed(mutant: Mutant) -> Failure {
    let run = |seed| Run { mutant: Some(mutant), ..Run::of(seed) }.go().err();
    (0..SOON).find_map(run).unwrap_or_else(|| panic!("{mutant:?} is not noticed within {SOON} seeds"))
}
