//! The task that owns a started process until it is reaped.

use std::fmt;
use std::future::pending;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use super::group::Group;
use super::{Caps, Leftovers};

#[cfg(unix)]
use std::os::fd::AsFd as Descriptor;
#[cfg(windows)]
use std::os::windows::io::AsHandle as Descriptor;

/// How long the end of a pipe is waited for.
#[cfg(not(unix))]
const REST: Duration = Duration::from_secs(1);
/// How much a pipe holds at most, unless root made it larger.
#[cfg(unix)]
const PIPE: usize = 64 << 10;

/// What is known of a running program.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) first_line: Option<FirstLine>,
    pub(super) finished: Option<Ended>,
}

/// The first line of a program's stdout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstLine {
    /// It wrote this, without the line feed. A line that the program left
    /// unfinished, or that is longer than what is kept, counts as far as it goes.
    Line(Vec<u8>),
    /// It closed its stdout or ended before it wrote anything.
    Nothing,
}

/// A program that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How it went.
    pub exit: Exit,
    /// What ended it.
    pub by: By,
    /// What it wrote to stdout.
    pub output: Kept,
    /// What it wrote to stderr.
    pub errors: Kept,
}

impl Ended {
    /// The runtime went away before it told: the group was killed.
    pub(super) fn lost() -> Self {
        Self { exit: Exit::Unknown, by: By::Engine, output: Kept::default(), errors: Kept::default() }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.by {
            By::Itself => write!(f, "{}", self.exit)?,
            By::Deadline => write!(f, "{}, after the time that it may run", self.exit)?,
            By::Engine => write!(f, "{}, by the engine", self.exit)?,
        }
        let said = String::from_utf8_lossy(&self.errors.bytes);
        match said.lines().find(|line| !line.trim().is_empty()) {
            // Whatever it is, it goes into a log: one line, and a short one.
            Some(line) => {
                write!(f, ", stderr: {}", line.chars().take(200).collect::<String>().escape_debug())
            }
            None => Ok(()),
        }
    }
}

/// How a program went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// The kernel did not say.
    Unknown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "ended by signal {signal}"),
            Self::Unknown => f.write_str("ended, nobody saw how"),
        }
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        #[cfg(unix)]
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        #[cfg(not(unix))]
        let signal = None;
        match (status.code(), signal) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::Unknown,
        }
    }
}

/// What ended a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// It ended by itself.
    Itself,
    /// It ran longer than it may.
    Deadline,
    /// The engine asked for it, or stopped.
    Engine,
}

/// What is kept of an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The first bytes of it.
    pub bytes: Vec<u8>,
    /// How many more were read and dropped.
    pub dropped: u64,
}

/// Writes, reads, waits and ends; tells what it learns.
pub(super) async fn keep(
    mut group: Group,
    (input, output, errors): (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>),
    hear: mpsc::UnboundedReceiver<Vec<u8>>,
    asked: oneshot::Receiver<()>,
    tell: watch::Sender<Progress>,
    caps: Caps,
) {
    let mut output = Pipe::new(output, caps.output);
    let mut errors = Pipe::new(errors, caps.output);
    let deadline = async {
        // `Running` is dropped, or asks for the end: both end the sender.
        tokio::select! {
            _ = asked => By::Engine,
            () = sleep(caps.run) => By::Deadline,
        }
    };
    let writing = write(input, hear);
    // Its group can be signalled until it is reaped (on Windows it has none).
    let clears = cfg!(unix) && caps.leftovers == Leftovers::End;
    let gone = group.gone();
    tokio::pin!(deadline, writing, gone);
    let mut written = false;

    let (exit, by) = loop {
        tokio::select! {
            biased;
            exit = group.wait(), if !clears => break (exit, By::Itself),
            () = &mut gone, if clears => {
                group.kill();
                break (group.wait().await, By::Itself);
            }
            by = &mut deadline => {
                let exit = end(&mut group, &mut output, &mut errors, caps.grace).await;
                break (exit, by);
            }
            () = output.read() => announce(&output, &tell),
            () = errors.read() => {}
            () = &mut writing, if !written => written = true,
        }
    };

    // What it wrote last may still be in the pipes. Their end is not waited
    // for: a process that it left behind may hold them open for ever.
    output.read_rest().await;
    errors.read_rest().await;
    tell.send_modify(|progress| {
        progress.first_line.get_or_insert_with(|| output.unfinished_line());
        progress.finished = Some(Ended { exit, by, output: output.kept, errors: errors.kept });
    });
}

/// TERM, a grace in which the program may clean up and still write, KILL.
///
/// The grace is over early when the leader is gone and nobody holds its
/// outputs: what it started has the same right to clean up, and whoever of
/// them still writes is seen there.
async fn end(
    group: &mut Group,
    output: &mut Pipe<ChildStdout>,
    errors: &mut Pipe<ChildStderr>,
    grace: Duration,
) -> Exit {
    group.term();
    let grace = sleep(grace);
    let gone = group.gone();
    tokio::pin!(grace, gone);
    let mut leader_is_gone = false;
    while !(leader_is_gone && output.stream.is_none() && errors.stream.is_none()) {
        tokio::select! {
            () = &mut grace => break,
            () = &mut gone, if !leader_is_gone => leader_is_gone = true,
            () = output.read() => {}
            () = errors.read() => {}
        }
    }
    group.kill();
    group.wait().await
}

/// Writes what is said until the speaker hangs up or the program stops reading.
async fn write(input: Option<ChildStdin>, mut hear: mpsc::UnboundedReceiver<Vec<u8>>) {
    let Some(mut input) = input else { return };
    while let Some(bytes) = hear.recv().await {
        if input.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

fn announce(output: &Pipe<ChildStdout>, tell: &watch::Sender<Progress>) {
    if tell.borrow().first_line.is_some() {
        return;
    }
    let line = match output.line() {
        Some(line) => Some(FirstLine::Line(line.to_vec())),
        None if output.stream.is_none() || output.kept.dropped > 0 => Some(output.unfinished_line()),
        None => None,
    };
    if line.is_some() {
        tell.send_modify(|progress| progress.first_line = line);
    }
}

/// One output, and what is kept of it.
struct Pipe<S> {
    stream: Option<S>,
    kept: Kept,
    cap: usize,
}

impl<S: AsyncRead + Descriptor + Unpin> Pipe<S> {
    fn new(stream: Option<S>, cap: usize) -> Self {
        Self { stream, kept: Kept::default(), cap }
    }

    /// Reads once; never returns when there is nothing more to read.
    async fn read(&mut self) {
        let Some(stream) = &mut self.stream else { return pending().await };
        let mut buffer = [0; 8 << 10];
        match stream.read(&mut buffer).await {
            Ok(length @ 1..) => self.take(buffer.get(..length).unwrap_or_default()),
            _ => self.stream = None,
        }
    }

    /// Reads what is there, without waiting for more.
    #[cfg(unix)]
    async fn read_rest(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        let mut buffer = [0; 8 << 10];
        let mut taken = 0;
        // The descriptor does not block: an empty pipe is an error. At most
        // one pipe full, since others may still be writing.
        while taken < PIPE
            && let Ok(length @ 1..) = rustix::io::read(&stream, &mut buffer)
        {
            self.take(buffer.get(..length).unwrap_or_default());
            taken += length;
        }
    }

    /// Reads to the end, but waits for it no longer than [`REST`]: whether a
    /// pipe is empty cannot be asked here.
    #[cfg(not(unix))]
    async fn read_rest(&mut self) {
        let all = async {
            while self.stream.is_some() {
                self.read().await;
            }
        };
        let _ = tokio::time::timeout(REST, all).await;
    }

    fn take(&mut self, bytes: &[u8]) {
        let room = self.cap.saturating_sub(self.kept.bytes.len()).min(bytes.len());
        let (kept, dropped) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.kept.bytes.extend_from_slice(kept);
        self.kept.dropped += dropped.len() as u64;
    }

    /// The first line, when it is complete.
    fn line(&self) -> Option<&[u8]> {
        let end = self.kept.bytes.iter().position(|&byte| byte == b'\n')?;
        self.kept.bytes.get(..end)
    }

    /// The first line as far as it goes, when there will be no more of it.
    fn unfinished_line(&self) -> FirstLine {
        match self.line() {
            Some(line) => FirstLine::Line(line.to_vec()),
            None if self.kept.bytes.is_empty() => FirstLine::Nothing,
            None => FirstLine::Line(self.kept.bytes.clone()),
        }
    }
}
