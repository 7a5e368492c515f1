//! Running granted programs.
//!
//! A response may run what a grant names: one program by its whole path, with
//! arguments of one shape. There is no shell; each argument arrives as one. What
//! the program does is then its own affair, within the confinement of the
//! grant, and ends with the call: its whole group does.

mod call;
pub mod fake;
mod programs;

use std::path::PathBuf;

use async_trait::async_trait;
use riposte_policy::grant::Confinement;

use crate::refusal::Refusal;

pub use call::Exec;
pub use programs::Programs;

/// The WIT interface.
pub const INTERFACE: &str = "exec";

/// How a program ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Its exit status, or minus the number of the signal that ended it.
    pub status: i32,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
    /// Whether it wrote more than is kept.
    pub truncated: bool,
}

/// A run that a grant allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The program, absolute.
    pub program: PathBuf,
    /// Its arguments, after `argv[0]`. None holds a NUL.
    pub arguments: Vec<String>,
    /// What it reads on stdin.
    pub input: Vec<u8>,
    /// How it is confined.
    pub confinement: Confinement,
}

/// How a host does it.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Runs it to its end. When the returned future is dropped, as at the limit
    /// of the component's time, the program is ended with its group.
    ///
    /// # Errors
    ///
    /// When it was not started, or did not end by itself.
    async fn run(&self, run: Run) -> Result<Output, Refusal>;

    /// Whether it would work now.
    ///
    /// # Errors
    ///
    /// What is missing, and what to do about it.
    async fn probe(&self) -> Result<(), Refusal>;
}

/// A host that cannot do it: every call is refused the same way.
#[derive(Clone, Debug)]
pub struct Unavailable(pub Refusal);

#[async_trait]
impl Backend for Unavailable {
    async fn run(&self, _: Run) -> Result<Output, Refusal> {
        Err(self.0.clone())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Err(self.0.clone())
    }
}
