//! Runs seeds, and shows what failed.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use clap::Parser;
use riposte_simulate::Run;

/// Simulates the engine through crashes, torn writes, clock steps and failing
/// effects; prints the seed of a failure.
#[derive(Parser)]
#[command(name = "riposte-simulate")]
struct Args {
    /// One seed only.
    #[arg(long)]
    seed: Option<u64>,
    /// With --seed: everything that happens, not only the end.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// How many threads; 0: as many as there are processors.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Goes on after a failure, and shows up to so many.
    #[arg(long, default_value_t = 1)]
    failures: usize,
}

/// After so many seeds it says how far it is, on standard error.
const PROGRESS: u64 = 10_000;

fn main() -> ExitCode {
    let args = Args::parse();
    let failures = match args.seed {
        Some(seed) => one(seed, args.trace),
        None => many(&args),
    };
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How many failed.
fn one(seed: u64, trace: bool) -> usize {
    let done = Run { traced: trace, ..Run::of(seed) }.go();
    match done {
        Ok(steps) => {
            steps.iter().for_each(|step| println!("{step}"));
            println!("seed {seed}: all that must hold holds");
            0
        }
        Err(failure) => {
            println!("{failure}");
            1
        }
    }
}

/// How many failed.
fn many(args: &Args) -> usize {
    let threads = match args.threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads => threads,
    };
    let (next, finished) = (AtomicU64::new(args.from), AtomicU64::new(0));
    let end = args.from.saturating_add(args.seeds);
    let stop = AtomicBool::new(false);
    let failures = AtomicUsize::new(0);
    let began = began();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    if let Err(failure) = Run::of(seed).go() {
                        println!("{failure}\n");
                        let failed = failures.fetch_add(1, Ordering::Relaxed) + 1;
                        stop.fetch_or(failed >= args.failures, Ordering::Relaxed);
                    }
                    let done = finished.fetch_add(1, Ordering::Relaxed) + 1;
                    if done.is_multiple_of(PROGRESS) {
                        eprintln!("{}", progress(done, args.seeds, began.elapsed().as_secs_f64()));
                    }
                }
            });
        }
    });
    println!("{} seeds in {:.1} s", finished.into_inner(), began.elapsed().as_secs_f64());
    failures.into_inner()
}

/// How far it is, at which rate, and how long that leaves.
#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn progress(done: u64, of: u64, seconds: f64) -> String {
    let rate = done as f64 / seconds.max(0.001);
    let left = of.saturating_sub(done) as f64 / rate.max(0.001);
    format!("{done} of {of} seeds after {seconds:.0} s: {rate:.0} a second, {left:.0} s left")
}

#[expect(clippy::disallowed_methods, reason = "how long the simulation takes is no time of the engine's")]
fn began() -> std::time::Instant {
    std::time::Instant::now()
}
