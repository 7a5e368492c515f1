//! Native programs: Wazuh's active-response dialogue, from the engine's side.
//!
//! A program gets one line of JSON and may answer with the keys it acts on:
//!
//! ```text
//! engine  > add          {"version":1,...,"command":"add",...}
//! program < check_keys   {"version":1,...,"command":"check_keys","parameters":{"keys":["192.0.2.7"]}}
//! engine  > continue     or abort, when the keys are in force already
//! ```
//!
//! Those of OSSEC get arguments instead, those of Wazuh 5 other names for the
//! same ([`riposte_policy::config::Protocol`]).
//!
//! Most programs out there never answer. They are served all the same: nobody
//! waits for a first line longer than [`Deadlines::answer`], and a program
//! that goes on without one does so alone, as [`Added::running`]. The undo is a
//! new process that gets one `delete` line.
//!
//! * [`NativeProgram`]: [`add`](NativeProgram::add) and
//!   [`delete`](NativeProgram::delete).
//! * [`Message`]: what the program is told, in Wazuh's field order.
//! * [`Said`]: what the program answered.
//! * [`keys_in`]: whether a line is a valid `check_keys` answer.

mod answer;
mod cjson;
#[cfg(test)]
mod corpus;
mod five;
#[cfg(test)]
mod fixture;
mod message;
mod positional;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::pending;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use riposte_capability::process::{By, Caps, Exit, FirstLine, Launch, Program};
use riposte_policy::config::{Command, Way};
use riposte_policy::grant::Confinement;
use riposte_policy::limit::Limits;
use tokio::time::{Instant, sleep_until};

pub use answer::keys_in;
pub use message::{Message, NotAMessage, Verb, extra_args};
pub use positional::Positional;
pub use riposte_capability::process::{Ended, NotStarted, Running};

/// A native program and how it is run.
#[derive(Clone, Debug)]
pub struct NativeProgram {
    /// What is started.
    pub program: Program,
    /// Wazuh's home: the working directory.
    pub root: PathBuf,
    /// How long each phase may take.
    pub deadlines: Deadlines,
    /// How it is confined.
    pub confinement: Confinement,
}

/// How long a native program may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Until its first line; after that nobody waits for one. Default 5 s.
    pub answer: Duration,
    /// In all, for an add. Default 30 min.
    pub run: Duration,
    /// In all, for a delete. Default 30 min.
    pub delete: Duration,
}

impl From<&Limits> for Deadlines {
    fn from(limits: &Limits) -> Self {
        Self { answer: limits.answer, run: limits.run, delete: limits.run }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self::from(&Limits::default())
    }
}

/// What the engine answers to a program's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Act.
    Continue,
    /// Do nothing: it is in force already, or may not be.
    Abort,
}

impl Decision {
    fn verb(self) -> Verb {
        match self {
            Self::Continue => Verb::Continue,
            Self::Abort => Verb::Abort,
        }
    }
}

/// What a program said before the answer deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Its keys, in a valid `check_keys` message. There may be none in it.
    Keys(Vec<String>),
    /// Another line. Wazuh takes it for a `check_keys` without keys.
    OtherLine,
    /// Nothing, or nothing in time.
    Nothing,
}

/// What became of an add. A program's own exit code is reported, not judged:
/// many that work return one other than 0, and the undo is due all the same.
#[derive(Debug)]
pub struct Added {
    /// What it said.
    pub said: Said,
    /// Whether it was told to abort.
    pub aborted: bool,
    /// The program, when it goes on alone, up to [`Deadlines::run`]. Await
    /// [`Running::finished`], or drop it to end the program and its group.
    pub running: Option<Running>,
    /// How it ended, when it has.
    pub ended: Option<Ended>,
}

impl Added {
    /// It was ended before it was done.
    fn stopped(said: Said, aborted: bool, ended: Ended) -> Self {
        Self { said, aborted, running: None, ended: Some(ended) }
    }

    /// Whether it ended as Wazuh's own programs do when they cannot use what
    /// they were told: without a word and with status 255 (`OS_INVALID` of
    /// `active_responses.c`). It has done nothing then.
    #[must_use]
    pub fn refused_its_input(&self) -> bool {
        let invalid = matches!(&self.ended, Some(Ended { exit: Exit::Code(255), by: By::Itself, .. }));
        invalid && self.said == Said::Nothing
    }
}

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.said {
            Said::Keys(_) => "gave its keys, ",
            Said::OtherLine => "wrote another line than its keys, ",
            Said::Nothing => "gave no keys, ",
        })?;
        if self.said != Said::Nothing {
            f.write_str(if self.aborted { "was told to abort, " } else { "was told to continue, " })?;
        }
        match &self.ended {
            Some(ended) => ended.fmt(f),
            None => f.write_str("is still running and not waited for"),
        }
    }
}

impl NativeProgram {
    /// A program with the deadlines and the confinement of a command.
    #[must_use]
    pub fn new(program: Program, root: PathBuf, command: &Command) -> Self {
        let confinement = command.confinement.clone();
        Self { program, root, deadlines: (&command.limits).into(), confinement }
    }

    /// Its name in the folder of native programs.
    #[must_use]
    pub fn name(&self) -> &str {
        self.program.name()
    }

    /// Starts the program with `add`, hands the keys it answers to `decide`,
    /// and tells it the decision.
    ///
    /// `way` says what another line than a `check_keys` message is worth:
    /// under [`Way::Wazuh`] it is an answer without keys, and `decide` is asked
    /// about that; else nobody is asked, and the program is told to continue.
    /// A program that is started with arguments alone is not listened to.
    ///
    /// Returns when the program has ended, or when it has said nothing within
    /// [`Deadlines::answer`], or goes on for longer than that after the
    /// decision. When the returned future is dropped, the program is ended.
    ///
    /// # Errors
    ///
    /// When the program did not start: then nothing was done.
    pub async fn add(
        &self,
        message: &Message,
        way: Way,
        decide: impl AsyncFnOnce(Vec<String>) -> Decision,
    ) -> Result<Added, NotStarted> {
        self.add_until(message, way, decide, pending()).await
    }

    /// The same, until `stop` is ready: then the program is ended, and this
    /// returns when it is gone. What it was about to say or do is lost.
    ///
    /// # Errors
    ///
    /// When the program did not start: then nothing was done.
    pub async fn add_until(
        &self,
        message: &Message,
        way: Way,
        decide: impl AsyncFnOnce(Vec<String>) -> Decision,
        stop: impl Future<Output = ()>,
    ) -> Result<Added, NotStarted> {
        let mut stop = pin!(stop);
        let answer_by = Instant::now() + self.deadlines.answer;
        let mut running = self.start(message, Verb::Add, self.deadlines.run)?;

        let said = if message.is_spoken() {
            tokio::select! {
                biased;
                said = first_said(&mut running, answer_by) => said,
                () = &mut stop => return Ok(Added::stopped(Said::Nothing, false, running.end().await)),
            }
        } else {
            Said::Nothing
        };
        let asked = match &said {
            Said::Keys(keys) => Some(keys.clone()),
            Said::OtherLine if way == Way::Wazuh => Some(Vec::new()),
            Said::OtherLine | Said::Nothing => None,
        };
        // Its keys are settled then, so nobody waits for the rest of it longer
        // than for a first line.
        let (decision, wait_until) = match asked {
            Some(keys) => (decide(keys).await, Instant::now() + self.deadlines.answer),
            None => (Decision::Continue, answer_by),
        };
        // Whatever its line was, the program may wait for an answer.
        if said != Said::Nothing {
            running.say(message.line(decision.verb()).into_bytes());
        }
        // A program that reads its stdin to the end goes on now.
        running.hang_up();
        let ended = tokio::select! {
            biased;
            ended = running.finished() => Some(ended),
            () = sleep_until(wait_until) => None,
            () = &mut stop => return Ok(Added::stopped(said, decision == Decision::Abort, running.end().await)),
        };
        let running = ended.is_none().then_some(running);
        Ok(Added { said, aborted: decision == Decision::Abort, running, ended })
    }

    /// Starts the program with `delete` and waits for its end, up to
    /// [`Deadlines::delete`]. What it writes is kept, and means nothing.
    ///
    /// # Errors
    ///
    /// When the program did not start: then nothing was undone.
    pub async fn delete(&self, message: &Message) -> Result<Ended, NotStarted> {
        let mut running = self.start(message, Verb::Delete, self.deadlines.delete)?;
        running.hang_up();
        Ok(running.finished().await)
    }

    fn start(&self, message: &Message, verb: Verb, run: Duration) -> Result<Running, NotStarted> {
        let arguments = message.arguments(verb);
        let caps = Caps { run, ..Caps::default() };
        let launch = Launch { program: &self.program, arguments: &arguments, root: &self.root, caps };
        let mut running = launch.under(&self.confinement).start()?;
        if message.is_spoken() {
            running.say(message.line(verb).into_bytes());
        } else {
            running.hang_up();
        }
        Ok(running)
    }
}

async fn first_said(running: &mut Running, answer_by: Instant) -> Said {
    let first = tokio::select! {
        biased;
        line = running.first_line() => line,
        () = sleep_until(answer_by) => FirstLine::Nothing,
    };
    match first {
        FirstLine::Line(line) => keys_in(&line).map_or(Said::OtherLine, Said::Keys),
        FirstLine::Nothing => Said::Nothing,
    }
}
