//! Runs many points, or one again.

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a program of the test suite; it plays the user")]

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use riposte_crash::campaign::{all_points, campaign, some};
use riposte_crash::point::{Path, Point};
use riposte_crash::run::{Doing, run};
use riposte_crash::scene::Scene;
use riposte_crash::{trace, tracer_works};

const USAGE: &str = "riposte-crash [--points N] [--seed S]   N faults: a sweep, then kills at any time
riposte-crash --list                     every point there is
riposte-crash --point POINT              one point again
riposte-crash --kill PATH,MILLISECONDS   one kill again
riposte-crash --look PATH                the calls of an undisturbed run";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let Err(why) = tracer_works() {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    let done = match words[..] {
        ["--list"] => {
            all_points().iter().for_each(|point| println!("{point}"));
            Ok(true)
        }
        ["--point", point] => point.parse::<Point>().map(|point| one(point.path, &Doing::Point(&point))),
        ["--kill", kill] => kill_of(kill).map(|(path, ms)| one(path, &Doing::KillAfter(ms))),
        ["--look", path] => path.parse().map(|path| one(path, &Doing::Look(&trace::CALLS, 64))),
        _ => numbers(&words).map(|(points, seed)| many(points, seed)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn many(most: usize, seed: u64) -> bool {
    println!("{most} faults, seed {seed}");
    let all = all_points();
    println!("{} points", all.len());
    let tally = campaign(some(all, most, seed), most / 10, most, seed);
    println!("{}", tally.report());
    tally.broken.is_empty() && tally.points() >= most
}

fn one(path: Path, doing: &Doing<'_>) -> bool {
    let report = run(&Scene::new(), path, doing, &[]);
    println!("{}\n{}", report.trace, report.said);
    println!("hit: {}; died: {}; broken: {:#?}", report.hit, report.died, report.broken);
    report.broken.is_empty()
}

fn kill_of(text: &str) -> Result<(Path, u64), String> {
    let (path, ms) = text.split_once(',').ok_or("PATH,MILLISECONDS")?;
    Ok((path.parse()?, ms.parse().map_err(|_| format!("{ms}: no number"))?))
}

fn numbers(words: &[&str]) -> Result<(usize, u64), String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (mut points, mut seed) = (10_000, now.as_secs() | 1);
    for pair in words.chunks(2) {
        let wrong = || format!("{pair:?}: not understood");
        match pair {
            ["--points", n] => points = n.parse().map_err(|_| wrong())?,
            ["--seed", n] => seed = n.parse::<u64>().map_err(|_| wrong())? | 1,
            _ => return Err(wrong()),
        }
    }
    Ok((points, seed))
}
