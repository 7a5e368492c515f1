//! The engine as a process, with or without a tracer.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use riposte_tests::{Host, text};

/// How long anything is waited for before it is called lost.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long between two looks.
const LOOK: Duration = Duration::from_millis(25);

/// Looks again until there is something; `None` after a long time.
pub fn soon<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if begun.elapsed() > PATIENCE {
            return None;
        }
        std::thread::sleep(LOOK);
    }
}

/// A running engine. Dropped: killed.
pub struct Engine {
    /// The engine, or the tracer that started it.
    child: Child,
    /// The engine's number.
    pub pid: u32,
    said: PathBuf,
}

/// How an engine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By this signal.
    Signal(i32),
    /// With this exit code.
    Code(i32),
}

impl Engine {
    /// Starts one. `tracer`: what to start it with.
    pub fn start(host: &Host, tracer: Option<Command>, environment: &[(&str, &str)]) -> Self {
        let said = fresh(host, "said");
        let alerts = host.path("alerts.json").display().to_string();
        let mut engine = host.riposte_command(&["run", "--alerts", &alerts]);
        // The variables are for the engine, not for what starts it.
        if !environment.is_empty() {
            engine = with_environment(&engine, environment);
        }
        let mut command = match tracer {
            Some(tracer) => before(tracer, &engine),
            None => engine,
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said).unwrap());
        let child = command.spawn().unwrap();
        let pid = child.id();
        Self { child, pid, said }
    }

    /// Learns the number of an engine that a tracer has started.
    pub fn find(&mut self) {
        let tracer = self.child.id();
        let children = format!("/proc/{tracer}/task/{tracer}/children");
        let found = soon(|| {
            if self.ended().is_some() {
                return Some(None);
            }
            let first = text(children.as_ref()).split_whitespace().next()?.parse().ok()?;
            (text(format!("/proc/{first}/comm").as_ref()).trim() == "riposte").then_some(Some(first))
        });
        if let Some(Some(pid)) = found {
            self.pid = pid;
        }
    }

    /// What it has said.
    #[must_use]
    pub fn said(&self) -> String {
        text(&self.said)
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<End> {
        self.child.try_wait().unwrap().map(End::from)
    }

    /// The numbers of its threads of this name.
    #[must_use]
    pub fn threads(&self, name: &str) -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter().flatten().flatten();
        let named = tasks.filter(|task| text(&task.path().join("comm")).trim() == name);
        named.filter_map(|task| task.file_name().to_str()?.parse().ok()).collect()
    }

    /// SIGKILL, and waits for its end.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            kill(self.pid, rustix::process::Signal::KILL);
        }
        // A tracer ends with what it traces.
        let _ = self.child.wait();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
    }
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;
        status.signal().map_or_else(|| Self::Code(status.code().unwrap_or(-1)), Self::Signal)
    }
}

/// Sends a signal to a process that this program started.
pub fn kill(pid: u32, signal: rustix::process::Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        // It may have ended.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// A path that no file has, for notes on this host. Not below its home, where
/// the engine looks at whatever changes beside the alerts.
pub fn fresh(host: &Host, name: &str) -> PathBuf {
    let notes = notes(host);
    fs::create_dir_all(&notes).unwrap();
    (0..).map(|n| notes.join(format!("{name}.{n}"))).find(|path| !path.exists()).unwrap()
}

/// The folder of these notes.
#[must_use]
pub fn notes(host: &Host) -> PathBuf {
    host.path("machine/notes")
}

/// `tracer` with `engine` as what it starts. Both are entered into the host by
/// the same program, whose arguments end with `--`.
fn before(mut tracer: Command, engine: &Command) -> Command {
    let entered = engine.get_args().skip_while(|argument| *argument != "--").skip(1);
    tracer.arg("--").args(entered);
    tracer
}

fn with_environment(engine: &Command, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(engine.get_program());
    let mut entering = true;
    for argument in engine.get_args() {
        command.arg(argument);
        if entering && argument == "--" {
            entering = false;
            command.arg("env").args(environment.iter().map(|(name, value)| format!("{name}={value}")));
        }
    }
    command
}
