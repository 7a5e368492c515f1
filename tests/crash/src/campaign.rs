//! Many points, several machines at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::point::{Path, Point};
use crate::run::{Doing, Report, run};
use crate::scene::Scene;
use crate::{sweep, trace};

/// Machines at a time: a run mostly waits for time to pass.
const MACHINES: usize = 20;

/// How often a point is tried again to which there was no way: that says nothing
/// of the engine, unless there never is one.
const AGAIN: usize = 2;

/// Kills at any time come within so many milliseconds.
const ANY_TIME_MS: u64 = 1_500;

/// What a campaign found.
#[derive(Debug, Default)]
pub struct Tally {
    /// Faults that happened, by path, call and fault.
    pub hits: BTreeMap<String, usize>,
    /// Kills at any time.
    pub kills: usize,
    /// Points whose call was not made so often this time.
    pub missed: usize,
    /// Broken promises: what runs it again, what was broken, what was said.
    pub broken: Vec<(String, Vec<String>, String)>,
    /// How long it took.
    pub took: Duration,
}

/// One thing to do.
#[derive(Clone, Debug)]
enum Task {
    Point(Point),
    KillAfter(Path, u64),
}

impl Tally {
    /// Faults that happened.
    #[must_use]
    pub fn points(&self) -> usize {
        self.hits.values().sum::<usize>() + self.kills
    }

    /// As text for people.
    #[must_use]
    pub fn report(&self) -> String {
        let mut lines: Vec<String> =
            self.hits.iter().map(|(what, count)| format!("{count:6}  {what}")).collect();
        lines.push(format!("{:6}  kills at any time", self.kills));
        lines.push(format!(
            "{:6}  points in {} s; {} were not reached",
            self.points(),
            self.took.as_secs(),
            self.missed
        ));
        for (replay, broken, said) in &self.broken {
            lines.push(format!("\nBROKEN: {replay}\n  {}\n{said}", broken.join("\n  ")));
        }
        lines.join("\n")
    }
}

/// Every point of every path, found by one undisturbed run of each.
///
/// # Panics
///
/// When an undisturbed run breaks a promise: then nothing can be learnt.
#[must_use]
pub fn all_points() -> BTreeSet<Point> {
    let runs: Vec<_> = Path::ALL
        .map(|path| {
            std::thread::spawn(move || {
                let scene = Scene::new();
                let report = run(&scene, path, &Doing::Look(&trace::CALLS, 32), &[]);
                assert!(
                    report.broken.is_empty(),
                    "undisturbed, {path:?}: {:?}\n{}",
                    report.broken,
                    report.said
                );
                let home = scene.host.path("").display().to_string();
                sweep::points(path, &trace::calls(&report.trace), &home)
            })
        })
        .into();
    runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
}

/// So many of these points: one of each path, selector, call and fault, then
/// one more of each, and so on; which, `seed` decides.
#[must_use]
pub fn some(points: BTreeSet<Point>, most: usize, seed: u64) -> Vec<Point> {
    let mut random = Random(seed);
    let mut groups: BTreeMap<_, Vec<Point>> = BTreeMap::new();
    for point in points {
        let group = (point.path, point.selector.clone(), point.call.clone(), point.fault);
        groups.entry(group).or_default().push(point);
    }
    let mut groups: Vec<Vec<Point>> = groups.into_values().collect();
    for group in &mut groups {
        shuffle(group, &mut random);
    }
    shuffle(&mut groups, &mut random);
    let mut some = Vec::new();
    while some.len() < most && !groups.is_empty() {
        for group in &mut groups {
            some.extend(group.pop());
        }
        groups.retain(|group| !group.is_empty());
    }
    some.truncate(most);
    some
}

/// Kills at any time, then these points, then more kills until so many faults
/// happened.
#[must_use]
pub fn campaign(points: Vec<Point>, kills: usize, enough: usize, seed: u64) -> Tally {
    let mut random = Random(seed);
    let mut kill = || {
        let path = Path::ALL[usize::try_from(random.below(5)).unwrap_or_default()];
        Task::KillAfter(path, random.below(ANY_TIME_MS))
    };
    let mut tasks: Vec<Task> = (0..kills).map(|_| kill()).collect();
    tasks.extend(points.into_iter().map(Task::Point));
    tasks.extend((0..enough).map(|_| kill()));
    let (next, tally, begun) = (AtomicUsize::new(0), Mutex::new(Tally::default()), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..MACHINES.min(tasks.len()) {
            scope.spawn(|| work(&tasks, &next, &tally, enough));
        }
    });
    let mut tally = tally.into_inner().unwrap();
    tally.took = begun.elapsed();
    tally
}

fn work(tasks: &[Task], next: &AtomicUsize, tally: &Mutex<Tally>, enough: usize) {
    let mut scene = Scene::new();
    while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
        if tally.lock().unwrap().points() >= enough {
            return;
        }
        let mut report = done(task, &scene);
        for _ in 0..AGAIN {
            if report.barred {
                eprintln!(
                    "what had to be in force was over too soon for this machine, so it is tried again: {task:?}"
                );
                scene = Scene::new();
                report = done(task, &scene);
            }
        }
        let broken = !report.broken.is_empty();
        let points = {
            let mut tally = tally.lock().unwrap();
            tally.count(task, report);
            tally.points()
        };
        if points % 100 == 0 {
            eprintln!("{points} faults");
        }
        if broken {
            // What is left of it must not be taken for the next one's.
            scene = Scene::new();
        }
    }
}

fn done(task: &Task, scene: &Scene) -> Report {
    match task {
        Task::Point(point) => run(scene, point.path, &Doing::Point(point), &[]),
        Task::KillAfter(path, ms) => run(scene, *path, &Doing::KillAfter(*ms), &[]),
    }
}

impl Tally {
    fn count(&mut self, task: &Task, report: Report) {
        match task {
            Task::KillAfter(..) => self.kills += 1,
            Task::Point(_) if !report.hit => self.missed += 1,
            Task::Point(point) => {
                let Point { path, call, fault, .. } = point;
                *self.hits.entry(format!("{path:?} {call} {fault:?}")).or_default() += 1;
            }
        }
        if !report.broken.is_empty() {
            let replay = match task {
                Task::Point(point) => format!("cargo run -p riposte-crash -- --point '{point}'"),
                Task::KillAfter(path, ms) => format!("cargo run -p riposte-crash -- --kill {path},{ms}"),
            };
            eprintln!("BROKEN: {replay}\n  {}", report.broken.join("\n  "));
            self.broken.push((replay, report.broken, report.said));
        }
    }
}

/// Numbers that follow from a seed (xorshift, Marsaglia 2003).
pub struct Random(pub u64);

impl Random {
    /// A number below `most`.
    pub fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.checked_rem(most).unwrap_or_default()
    }
}

fn shuffle<T>(all: &mut [T], random: &mut Random) {
    for at in (1..all.len()).rev() {
        let other = random.below(u64::try_from(at + 1).unwrap_or(1));
        all.swap(at, usize::try_from(other).unwrap_or_default());
    }
}
