//! The one place that starts programs.
//!
//! A program gets no shell, no descriptor of the engine, two environment
//! variables and a process group of its own. It has a deadline, and what it
//! writes is kept up to a cap and read on beyond it, so that it never blocks.
//! It is always reaped; when it has to end, its whole group does.
//!
//! * [`Program`]: a file that is fit to be started, or [`Unfit`] why not.
//! * [`Launch`]: what is started and how; [`Launch::start`] starts it.
//! * [`Confined`]: the same, [confined](confine); natives and granted programs.
//! * [`Running`]: a running program: talk to it, listen, wait, end it.
//! * [`Ended`]: how it went and what it wrote.

pub mod confine;
mod group;
mod keep;
#[cfg(unix)]
mod program;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
mod unfit;
#[cfg(windows)]
mod windows;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use riposte_policy::grant::Confinement;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};

pub use keep::{By, Ended, Exit, FirstLine, Kept};
#[cfg(unix)]
pub use program::Program;
pub use unfit::Unfit;
#[cfg(windows)]
pub use windows::Program;

use confine::Unconfinable;
use group::Group;
use keep::Progress;

/// The search path of every started program.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The locale of every started program.
pub const LANG: &str = "C.UTF-8";

/// What runs a script without a `#!` line, as `execvp` of the C library has it.
const SHELL: &str = "/bin/sh";
/// What the kernel answers to a file of a format that it does not run:
/// `ENOEXEC`, `ERROR_BAD_EXE_FORMAT`.
const NO_FORMAT: i32 = if cfg!(windows) { 193 } else { 8 };

/// A program that is to be started.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// What to start.
    pub program: &'a Program,
    /// Its arguments, after `argv[0]`.
    pub arguments: &'a [String],
    /// Its working directory.
    pub root: &'a Path,
    /// How much it may use.
    pub caps: Caps,
}

/// What a program finds as its own name.
#[derive(Clone, Copy)]
enum Name {
    /// Its path below the working directory, as Wazuh calls programs.
    Relative,
    /// Its whole path, as OSSEC does.
    Whole,
}

/// How much one run of a program may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// How long it may run in all. Default 30 min.
    pub run: Duration,
    /// How long it has between TERM and KILL. Default 1 s.
    pub grace: Duration,
    /// How much of each of stdout and stderr is kept, in bytes. What is beyond
    /// is read and dropped. Default 64 KiB.
    pub output: usize,
    /// Open files at a time. Default 1024.
    pub open_files: u64,
    /// Size of a file that it may write, in bytes. Default 1 GiB.
    pub file_size: u64,
    /// Memory that it may write to, in bytes. Default: as the engine.
    pub memory: u64,
    /// Processor time that it may use, in seconds. Default: as the engine.
    pub processor: u64,
    /// What becomes of what it leaves running. Default: it stays.
    pub leftovers: Leftovers,
}

/// What becomes of the processes of a program's group when it has ended by
/// itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftovers {
    /// They run on, as those of a script do under Wazuh.
    Stay,
    /// They are ended with it.
    End,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            run: Duration::from_secs(30 * 60),
            grace: Duration::from_secs(1),
            output: 64 << 10,
            open_files: 1024,
            file_size: 1 << 30,
            memory: u64::MAX,
            processor: u64::MAX,
            leftovers: Leftovers::Stay,
        }
    }
}

impl<'a> Launch<'a> {
    /// The same, confined. What is started otherwise is a program of the engine
    /// itself, such as `iptables`.
    #[must_use]
    pub fn under(self, confinement: &'a Confinement) -> Confined<'a> {
        Confined { launch: self, confinement }
    }

    /// Starts it. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the program has become unfit since it was resolved, or when the
    /// kernel does not start it.
    pub fn start(&self) -> Result<Running, NotStarted> {
        let program = self.program.again().map_err(NotStarted::Unfit)?;
        let mut command = self.command(&program, self.by());
        let child = command.spawn().map_err(|error| self.explain(&program, &error))?;
        Ok(self.running(child))
    }

    /// Runs it to its end with `input` on its stdin.
    ///
    /// When the returned future is dropped, the program is ended.
    ///
    /// # Errors
    ///
    /// As [`Launch::start`]. How the program itself ended is no error.
    pub async fn run(&self, input: Vec<u8>) -> Result<Ended, NotStarted> {
        self.start()?.fed(input).await
    }

    /// Starts it and lets it go: nobody speaks to it or waits for it, no limit
    /// holds, and it outlives the engine, which it may be about to restart.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// As [`Launch::start`].
    pub fn release(&self) -> Result<(), NotStarted> {
        let program = self.program.again().map_err(NotStarted::Unfit)?;
        let mut command = self.command(&program, Name::Relative);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(false);
        command.spawn().map(drop).map_err(|error| self.explain(&program, &error))
    }

    /// Who reads arguments was written for OSSEC, which starts programs by their
    /// whole path: they log it, and stock rules 601 to 607 look for it.
    fn by(&self) -> Name {
        if self.arguments.is_empty() { Name::Relative } else { Name::Whole }
    }

    /// Hands a started child to its keeper.
    fn running(&self, mut child: Child) -> Running {
        let (talk, hear) = mpsc::unbounded_channel();
        let (end, asked) = oneshot::channel();
        let (tell, progress) = watch::channel(Progress::default());
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // It has an id until it is reaped, and nobody has waited for it yet.
        let id = child.id().unwrap_or_default();
        let group = Group::new(child);
        group.cap(self.caps);
        tokio::spawn(keep::keep(group, pipes, hear, asked, tell, self.caps));
        Running { id, talk: Some(talk), end: Some(end), progress }
    }

    fn command(&self, program: &Program, by: Name) -> Command {
        let (executable, called) = match by {
            Name::Relative => (program.executable(self.root), program.called()),
            Name::Whole => (program.path().to_owned(), program.path().display().to_string()),
        };
        if program.runs_by_shell() {
            // `$0` is the first argument then, as for a script with a `#!` line.
            let mut command = self.prepared(SHELL.as_ref(), None);
            command.arg(executable).args(self.arguments);
            command
        } else {
            let mut command = self.prepared(executable.as_os_str(), Some(&called));
            command.args(self.arguments);
            command
        }
    }

    /// The same by way of another program, which takes it at the end of its own
    /// arguments. It cannot pass on an `argv[0]` but the path.
    fn wrapped(&self, program: &Program, wrapper: &Path, words: &[OsString]) -> Command {
        let executable = match self.by() {
            Name::Relative => program.executable(self.root),
            Name::Whole => program.path().to_owned(),
        };
        let shell = program.runs_by_shell().then_some(SHELL);
        let mut command = self.prepared(wrapper.as_os_str(), None);
        command.args(words).args(shell).arg(executable).args(self.arguments);
        command
    }

    /// What holds for everything that is started.
    #[expect(clippy::disallowed_methods, reason = "this is the module that starts programs")]
    fn prepared(&self, executable: &OsStr, called: Option<&str>) -> Command {
        let mut command = Command::new(executable);
        Group::lead(&mut command, called);
        command
            .current_dir(self.root)
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", LANG)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// What the kernel's refusal means here.
    fn explain(&self, program: &Program, error: &io::Error) -> NotStarted {
        let path = program.path().to_owned();
        if !self.root.is_dir() {
            return NotStarted::NoRoot { root: self.root.to_owned() };
        }
        match error.kind() {
            _ if error.raw_os_error() == Some(NO_FORMAT) => NotStarted::NoFormat { path },
            ErrorKind::PermissionDenied => NotStarted::Forbidden { path },
            ErrorKind::ArgumentListTooLong => NotStarted::TooLong { path },
            _ => NotStarted::Refused { path, error: error.to_string() },
        }
    }
}

/// A program that is to be started, and how it is confined.
#[derive(Clone, Copy, Debug)]
pub struct Confined<'a> {
    launch: Launch<'a>,
    confinement: &'a Confinement,
}

impl Confined<'_> {
    /// Starts it. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// As [`Launch::start`], and when it cannot be confined so.
    pub fn start(&self) -> Result<Running, NotStarted> {
        let Self { launch, confinement } = self;
        let program = launch.program.again().map_err(NotStarted::Unfit)?;
        let path = program.path().to_owned();
        let unconfined = |why| NotStarted::Unconfined { path, why };
        let started = confine::wrapped(confinement, &program, launch.root).and_then(|wrapper| {
            let command = match &wrapper {
                Some((wrapper, words)) => launch.wrapped(&program, wrapper, words),
                None => launch.command(&program, launch.by()),
            };
            confine::spawn(command, confinement, launch.root)
        });
        let child = started.map_err(unconfined)?.map_err(|error| launch.explain(&program, &error))?;
        Ok(launch.running(child))
    }

    /// As [`Launch::run`].
    ///
    /// # Errors
    ///
    /// As [`Confined::start`].
    pub async fn run(&self, input: Vec<u8>) -> Result<Ended, NotStarted> {
        self.start()?.fed(input).await
    }
}

/// A program that runs. When this is dropped, the program and its group are
/// ended, as by [`Running::end`], without anybody waiting.
#[derive(Debug)]
#[must_use = "dropping it ends the program"]
pub struct Running {
    id: u32,
    talk: Option<mpsc::UnboundedSender<Vec<u8>>>,
    end: Option<oneshot::Sender<()>>,
    progress: watch::Receiver<Progress>,
}

impl Running {
    /// Its process id, which is also that of its group.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Writes to its stdin, after all that was said before. Returns at once,
    /// whether the program reads or not; when it has closed its stdin, or
    /// ended, the rest is dropped.
    pub fn say(&self, bytes: Vec<u8>) {
        if let Some(talk) = &self.talk {
            // The keeper hangs up when the program has ended: nobody to tell.
            let _ = talk.send(bytes);
        }
    }

    /// Says `input`, hangs up, and waits for the end.
    async fn fed(mut self, input: Vec<u8>) -> Result<Ended, NotStarted> {
        self.say(input);
        self.hang_up();
        Ok(self.finished().await)
    }

    /// Closes its stdin once all that was said is written.
    pub fn hang_up(&mut self) {
        self.talk = None;
    }

    /// Waits for the first line of its stdout. May be dropped and asked again.
    pub async fn first_line(&mut self) -> FirstLine {
        match self.progress.wait_for(|progress| progress.first_line.is_some()).await {
            Ok(progress) => progress.first_line.clone().unwrap_or(FirstLine::Nothing),
            // The keeper was dropped: the runtime is shutting down.
            Err(_) => FirstLine::Nothing,
        }
    }

    /// Waits until it has ended by itself or at its deadline. May be dropped
    /// and asked again.
    pub async fn finished(&mut self) -> Ended {
        match self.progress.wait_for(|progress| progress.finished.is_some()).await {
            Ok(progress) => progress.finished.clone().unwrap_or_else(Ended::lost),
            Err(_) => Ended::lost(),
        }
    }

    /// Waits until it has ended, or until `stop` is ready: then ends it, as by
    /// [`Running::end`]. An error of `stop` counts as ready.
    pub async fn wait_or<T>(mut self, stop: impl Future<Output = T>) -> Ended {
        tokio::select! {
            biased;
            ended = self.finished() => ended,
            _ = stop => self.end().await,
        }
    }

    /// Ends it: TERM to its group, KILL to the group after the grace. What it
    /// left running after its own end by itself is left alone.
    pub async fn end(mut self) -> Ended {
        self.end = None;
        self.finished().await
    }
}

/// Why a program did not start. The text ends in what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the path in question and the kernel's words")]
pub enum NotStarted {
    /// It is not fit to be started, or no longer.
    Unfit(Unfit),
    /// Its working directory is not there.
    NoRoot { root: PathBuf },
    /// The kernel does not know what it is.
    NoFormat { path: PathBuf },
    /// The kernel may not execute it.
    Forbidden { path: PathBuf },
    /// Its arguments are longer than the kernel takes.
    TooLong { path: PathBuf },
    /// It cannot be confined as it should be.
    Unconfined { path: PathBuf, why: Unconfinable },
    /// Something else: too many processes, no memory.
    Refused { path: PathBuf, error: String },
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit(why) => why.fmt(f),
            Self::NoRoot { root } => write!(
                f,
                "the working directory {} is not there: create it, or name another with --root",
                root.display()
            ),
            Self::NoFormat { path } => write!(
                f,
                "{} is neither a program of this machine nor a script: put one built for it in its place",
                path.display()
            ),
            Self::Forbidden { path } => write!(
                f,
                "the kernel does not let the engine execute {} or its interpreter: look at the mode of both, and \
                 whether the file system is mounted `noexec`",
                path.display()
            ),
            Self::TooLong { path } => {
                write!(
                    f,
                    "the arguments of {} are longer than the kernel takes: shorten <extra_args>",
                    path.display()
                )
            }
            Self::Unconfined { path, why } => write!(f, "{} was not started: {why}", path.display()),
            Self::Refused { path, error } => write!(
                f,
                "{} was not started ({error}): look at the limits on processes, files and memory of the engine",
                path.display()
            ),
        }
    }
}

impl std::error::Error for NotStarted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unfit(why) => Some(why),
            Self::Unconfined { why, .. } => Some(why),
            _ => None,
        }
    }
}
