//! Exit codes, the same for every command.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// It failed, or a check has findings.
    Failed,
    /// The command line was wrong.
    Usage,
    /// No engine is running.
    NoEngine,
    /// Accepted, but not confirmed yet.
    NotYet,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NoEngine => 3,
            Exit::NotYet => 4,
        })
    }
}
