//! Programs of the host that change its firewall.

use std::path::Path;
use std::time::Duration;

use crate::process::{Caps, Ended, Exit, Launch, PATH, Program, Unfit};
use crate::refusal::Refusal;

/// How long one run may take; a component's own limit is 10 s by default.
const RUN: Duration = Duration::from_secs(8);
/// How much of an answer is read: some 300,000 rules.
const OUTPUT: usize = 32 << 20;

/// The program of this name, in the search path of started programs.
///
/// # Errors
///
/// `unsupported` when there is none: `package` is what to install. `failed`
/// when it may not be started.
pub(super) fn find(name: &str, package: &str) -> Result<Program, Refusal> {
    for folder in PATH.split(':') {
        match Program::at(&Path::new(folder).join(name)) {
            Ok(program) => return Ok(program),
            Err(Unfit::Missing { .. }) => {}
            Err(unfit) => return Err(Refusal::failed(unfit.to_string())),
        }
    }
    Err(Refusal::unsupported(format!(
        "this host has no program `{name}` in {PATH}: install the package {package}, or name another backend in \
         <riposte><firewall> or in the grant"
    )))
}

/// How a program answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Answer {
    /// Exit code 0 and this on stdout.
    Said(String),
    /// Another end.
    Failed(Refusal),
}

impl Answer {
    /// What it said, or why it failed.
    pub(super) fn said(self) -> Result<String, Refusal> {
        match self {
            Self::Said(text) => Ok(text),
            Self::Failed(refusal) => Err(refusal),
        }
    }
}

/// Runs it to its end with `input` on stdin, in no shell.
///
/// # Errors
///
/// When it did not start, or its answer is too long to be whole.
pub(super) async fn run(program: &Program, arguments: &[&str], input: String) -> Result<Answer, Refusal> {
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let caps = Caps { run: RUN, output: OUTPUT, ..Caps::default() };
    let launch = Launch { program, arguments: &arguments, root: Path::new("/"), caps };
    let ended =
        launch.run(input.into_bytes()).await.map_err(|error| Refusal::unavailable(error.to_string()))?;
    if ended.exit != Exit::Code(0) {
        return Ok(Answer::Failed(failed(program, &arguments, &ended)));
    }
    if ended.output.dropped > 0 {
        let path = program.path().display();
        return Err(Refusal::failed(format!(
            "the answer of {path} is longer than {OUTPUT} bytes: block that many addresses by nftables"
        )));
    }
    Ok(Answer::Said(String::from_utf8_lossy(&ended.output.bytes).into_owned()))
}

fn failed(program: &Program, arguments: &[String], ended: &Ended) -> Refusal {
    let line = [program.path().display().to_string(), arguments.join(" ")].join(" ");
    Refusal::unavailable(format!("`{}` failed: {ended}", line.trim_end()))
}
