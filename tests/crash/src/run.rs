//! One point: the way to it, the fault, a sound start, and the promises.

use std::process::{Child, Stdio};

use riposte_ledger::State;
use rustix::process::Signal;

use crate::engine::{End, Engine, kill, soon};
use crate::point::{Fault, Path, Point, Selector};
use crate::promise::{self, acknowledged, entries, now_ms};
use crate::scene::{Load, Scene, everything, everything_and_held};
use crate::trace::{self, Tracer};

/// How long what ends later is in force, in seconds.
const LONG: u64 = 4;

/// The same where it has to be in force after a start that comes late.
const LONGER: u64 = 6;

/// What a run does to the engine.
#[derive(Clone, Debug)]
pub enum Doing<'a> {
    /// A tracer fails a call.
    Point(&'a Point),
    /// It is killed so many milliseconds after the path was entered.
    KillAfter(u64),
    /// A tracer writes down these calls, with so much of their data.
    Look(&'a [&'a str], usize),
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// Whether the fault happened.
    pub hit: bool,
    /// Whether the engine did not survive it.
    pub died: bool,
    /// Whether it did not even come to the point: what has to be in force was over
    /// before a slow machine got there.
    pub barred: bool,
    /// Every broken promise.
    pub broken: Vec<String>,
    /// What the tracer wrote.
    pub trace: String,
    /// What the engines said.
    pub said: String,
}

/// A run under way.
struct Run<'a> {
    scene: &'a Scene,
    environment: &'a [(&'a str, &'a str)],
    load: Load,
    report: Report,
}

/// Runs `doing` on `path`. `environment` is for the engine that it is done to.
#[must_use]
pub fn run(scene: &Scene, path: Path, doing: &Doing<'_>, environment: &[(&str, &str)]) -> Report {
    scene.reset();
    let load = match path {
        Path::Add | Path::Due | Path::Hand => everything(LONG),
        Path::Start | Path::Migrate => everything_and_held(LONGER),
    };
    scene.host.configure(&load.config);
    let mut run = Run { scene, environment, load, report: Report::default() };
    run.all(path, doing);
    run.report
}

impl Run<'_> {
    fn all(&mut self, path: Path, doing: &Doing<'_>) {
        let Some((mut engine, tracer)) = (match path.is_start() {
            true => self.start(path, doing),
            false => self.work(path, doing),
        }) else {
            return;
        };
        let kills = matches!(doing, Doing::Point(Point { fault: Fault::Kill, .. }));
        // The kill must not come later, when nobody expects it any more: an
        // engine that it has not hit by now is killed all the same.
        let missed = kills && engine.ended().is_none();
        if missed {
            engine.kill();
        }
        self.report.trace = match tracer {
            // It started the engine, so it stays as long as that.
            Some(tracer) if path.is_start() => riposte_tests::text(&tracer.log),
            Some(tracer) => tracer.end(),
            None => String::new(),
        };
        let end = engine.ended();
        self.report.died = end.is_some();
        self.report.hit = match doing {
            Doing::Point(Point { fault: Fault::Kill, .. }) => {
                !missed
                    && end == Some(End::Signal(9))
                    && self.report.trace.contains("+++ killed by SIGKILL +++")
            }
            Doing::Point(_) => self.report.trace.contains("(INJECTED)"),
            Doing::KillAfter(_) => true,
            Doing::Look(..) => false,
        };
        self.judge_end(doing, end, &engine);
        self.report.said.push_str(&engine.said());
        if end.is_some() {
            drop(engine);
            let acknowledged = acknowledged(self.scene);
            engine = Engine::start(&self.scene.host, None, &[]);
            if !self.ready(&mut engine) {
                self.broken(format!("the next start fails: {}", engine.said()));
                return;
            }
            let now = entries(self.scene).unwrap_or_default();
            self.report.broken.extend(promise::kept(&now, &acknowledged));
        }
        self.report.broken.extend(promise::shown(self.scene));
        let closed = soon(|| {
            let entries = entries(self.scene)?;
            let all = entries.len() >= self.load.entries.len();
            (engine.ended().is_some() || all && !promise::are_open(&entries)).then_some(())
        });
        if closed.is_none() {
            let mut open = entries(self.scene).unwrap_or_default();
            open.retain(|entry| entry.state.is_open());
            self.broken(format!("never over: {open:?}"));
        }
        if let Some(end) = engine.ended() {
            self.broken(format!("a sound engine ended: {end:?}"));
        }
        // A program that the engine had started was hit, too or instead.
        let program = kills && self.report.trace.lines().any(crate::trace::is_program_killed);
        let failures =
            program || matches!(doing, Doing::Point(Point { fault: Fault::NoSpace | Fault::Io, .. }));
        self.report.broken.extend(promise::over(self.scene, &self.load, failures));
        let said = engine.said();
        if end.is_some() || !path.is_start() {
            self.report.said.push_str(&said);
        }
        if self.report.said.contains("panicked") {
            self.broken("it panicked".into());
        }
    }

    /// Alerts are answered, undone when due, or undone by hand.
    fn work(&mut self, path: Path, doing: &Doing<'_>) -> Option<(Engine, Option<Tracer>)> {
        let mut engine = Engine::start(&self.scene.host, None, self.environment);
        if !self.ready(&mut engine) {
            self.broken(format!("it does not start: {}", engine.said()));
            return None;
        }
        if path != Path::Add {
            self.scene.host.alerts(&self.load.alerts);
            self.answered(&mut engine);
        }
        let tracer = match self.attached(doing, &engine) {
            Ok(tracer) => tracer,
            Err(error) => {
                self.broken(format!("cannot be traced: {error}"));
                return None;
            }
        };
        let mut undoing = None;
        match path {
            Path::Add => self.scene.host.alerts(&self.load.alerts),
            Path::Hand => undoing = Some(self.undo(&["--all"])),
            Path::Due | Path::Start | Path::Migrate => {}
        }
        if let Doing::KillAfter(ms) = doing {
            std::thread::sleep(std::time::Duration::from_millis(*ms));
            engine.kill();
        }
        match path {
            Path::Add => self.answered(&mut engine),
            _ => self.undone(&mut engine),
        }
        if let Some(mut undoing) = undoing {
            kill(undoing.id(), Signal::KILL);
            let _ = undoing.wait();
        }
        Some((engine, tracer))
    }

    /// An engine was killed, and leaves entries in every state; the next one
    /// starts.
    fn start(&mut self, path: Path, doing: &Doing<'_>) -> Option<(Engine, Option<Tracer>)> {
        self.leave();
        if path == Path::Migrate {
            crate::version::before(&self.scene.host.path("state/ledger.db"));
        }
        let host = &self.scene.host;
        let (command, tracer) = match doing {
            Doing::Point(point) => Some(trace::injecting(host, point)),
            Doing::Look(calls, data) => Some(trace::looking(host, calls, *data)),
            Doing::KillAfter(_) => None,
        }
        .unzip();
        let mut engine = Engine::start(host, command, self.environment);
        if tracer.is_some() {
            engine.find();
        }
        if let Doing::KillAfter(ms) = doing {
            std::thread::sleep(std::time::Duration::from_millis(*ms));
            engine.kill();
        }
        self.ready(&mut engine);
        self.undone(&mut engine);
        Some((engine, tracer))
    }

    /// Entries that are overdue, intended, being undone and in force, and no
    /// engine.
    fn leave(&mut self) {
        let host = &self.scene.host;
        host.write("hold", "");
        let mut engine = Engine::start(host, None, &[]);
        if !self.ready(&mut engine) {
            self.broken(format!("it does not start: {}", engine.said()));
        }
        host.alerts(&self.load.alerts);
        let held = |state: State, command: &str| {
            let found = entries(self.scene)?;
            let all = found.len() == self.load.entries.len();
            let settled = found.iter().all(|entry| entry.state != State::Intended || entry.command == "slow");
            let told = self.scene.host.read("did").contains("add 198.18.0.90");
            let so = found.iter().any(|entry| entry.command == command && entry.state == state);
            (all && settled && told && so).then_some(())
        };
        let in_force = soon(|| held(State::InForce, "hang"));
        let mut undoing = self.undo(&["198.18.0.91"]);
        let deleting = || {
            held(State::Undoing, "hang")?;
            self.scene.host.read("did").contains("delete 198.18.0.91").then_some(())
        };
        if in_force.and(soon(deleting)).is_none() {
            // A slow machine is told by this alone: it was in force, and is over.
            self.report.barred = entries(self.scene)
                .is_some_and(|all| all.iter().any(|one| one.command == "hang" && one.state == State::Closed));
            self.broken(format!("the way to the start is barred: {}", engine.said()));
        }
        engine.kill();
        kill(undoing.id(), Signal::KILL);
        let _ = undoing.wait();
        let host = &self.scene.host;
        std::fs::remove_file(host.path("hold")).unwrap();
        let due = now_ms() + i64::try_from(crate::scene::SHORT * 1000).unwrap_or_default();
        // Until what is short is overdue.
        let _ = soon(|| (now_ms() > due).then_some(()));
    }

    fn attached(&self, doing: &Doing<'_>, engine: &Engine) -> Result<Option<Tracer>, String> {
        let host = &self.scene.host;
        let (command, mut tracer, selector) = match doing {
            Doing::Point(point) => {
                let (command, tracer) = trace::injecting(host, point);
                (command, tracer, point.selector.clone())
            }
            Doing::Look(calls, data) => {
                let (command, tracer) = trace::looking(host, calls, *data);
                (command, tracer, Selector::Any)
            }
            Doing::KillAfter(_) => return Ok(None),
        };
        tracer.attach(command, engine, &selector)?;
        Ok(Some(tracer))
    }

    fn undo(&self, arguments: &[&str]) -> Child {
        let mut all = vec!["undo"];
        all.extend(arguments);
        let mut command = self.scene.host.riposte_command(&all);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Waits until it reads alerts; `false`: it has ended, or never will.
    fn ready(&self, engine: &mut Engine) -> bool {
        let ready = soon(|| {
            if engine.said().contains("ready") {
                return Some(true);
            }
            engine.ended().map(|_| false)
        });
        ready.unwrap_or(false)
    }

    /// Waits until every alert has led to something, or the engine has ended.
    fn answered(&self, engine: &mut Engine) {
        let _ = soon(|| {
            let entries = entries(self.scene).unwrap_or_default();
            let all = entries.len() >= self.load.entries.len()
                && entries.iter().all(|entry| entry.state != State::Intended);
            (all || engine.ended().is_some()).then_some(())
        });
    }

    /// Waits until nothing is open, or the engine has ended.
    fn undone(&self, engine: &mut Engine) {
        let _ = soon(|| {
            let entries = entries(self.scene)?;
            let all = entries.len() >= self.load.entries.len() && !promise::are_open(&entries);
            (all || engine.ended().is_some()).then_some(())
        });
    }

    /// An engine that a fault ends says so, and is not ended by a signal.
    fn judge_end(&mut self, doing: &Doing<'_>, end: Option<End>, engine: &Engine) {
        let killed = matches!(doing, Doing::Point(Point { fault: Fault::Kill, .. }) | Doing::KillAfter(_));
        match end {
            None => {}
            Some(End::Signal(9)) if killed => {}
            Some(End::Code(1))
                if !killed && engine.said().lines().any(|line| line.starts_with("riposte: ")) => {}
            Some(end) => self.broken(format!("it ended with {end:?}: {}", engine.said())),
        }
    }

    fn broken(&mut self, what: String) {
        self.report.broken.push(what);
    }
}
