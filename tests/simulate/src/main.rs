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
    let next = AtomicU64::new(args.from);
    let end = args.from.saturating_add(args.seeds);
    let stop = AtomicBool::new(false);
    let failures = AtomicUsize::new(0);
    let began = began();
    let every = (args.seeds / 20).max(1);
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
                    let done = seed + 1 - args.from;
                    if done.is_multiple_of(every) {
                        println!(
                            "{done} of {} seeds after {:.1} s",
                            args.seeds,
                            began.elapsed().as_secs_f64()
                        );
                    }
                }
            });
        }
    });
    println!("{} seeds in {:.1} s", args.seeds, began.elapsed().as_secs_f64());
    failures.into_inner()
}

#[expect(clippy::disallowed_methods, reason = "how long the simulation takes is no time of the engine's")]
fn began() -> std::time::Instant {
    std::time::Instant::now()
}
