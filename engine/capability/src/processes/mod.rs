//! Ending processes, by number and by the program they run.
//!
//! A number alone says little: by the time a response runs, it may be another
//! process's. So the name of the program file is always asked for too, and is
//! compared while a descriptor of the process is held, which cannot come to
//! mean another one.
//!
//! * [`Processes`]: the calls.
//! * [`Backend`]: how a host does it.
//! * `table`: one process of this host, held open.
//! * `linux`: the backend.
//! * [`fake`]: processes that are only remembered, for tests.

mod call;
pub mod fake;
#[cfg(target_os = "linux")]
pub mod linux;
#[cfg(target_os = "linux")]
pub(crate) mod table;

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;

use crate::refusal::Refusal;

pub use call::Processes;

/// The WIT interface.
pub const INTERFACE: &str = "processes";

/// How a host does it.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The processes that run this program, in ascending order.
    ///
    /// # Errors
    ///
    /// When the processes cannot be read.
    async fn running(&self, name: &ProgramName) -> Result<Vec<u32>, Refusal>;

    /// Ends a process at once, if it runs this program. `false`: there is no
    /// such process, or it runs something else.
    ///
    /// # Errors
    ///
    /// `denied` for what never is ended; else when the process may still run.
    async fn kill(&self, process: u32, name: &ProgramName) -> Result<bool, Refusal>;

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
    async fn running(&self, _: &ProgramName) -> Result<Vec<u32>, Refusal> {
        Err(self.0.clone())
    }

    async fn kill(&self, _: u32, _: &ProgramName) -> Result<bool, Refusal> {
        Err(self.0.clone())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Err(self.0.clone())
    }
}

/// The name of a program file, without its folders: 1 to 255 bytes, no `/` and
/// no control characters. Not the name that a process gives itself, which it
/// may choose as it likes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProgramName(String);

impl ProgramName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProgramName {
    type Err = NotAProgramName;

    fn from_str(text: &str) -> Result<Self, NotAProgramName> {
        let fits = (1..=255).contains(&text.len()) && !matches!(text, "." | "..");
        if fits && !text.contains(|c: char| c == '/' || c.is_control()) {
            Ok(Self(text.to_owned()))
        } else {
            let shown: String = text.chars().take(80).collect();
            Err(NotAProgramName(format!("{shown:?}")))
        }
    }
}

impl fmt::Display for ProgramName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text cannot name a program file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAProgramName(String);

impl fmt::Display for NotAProgramName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not the name of a program file: write it without its folders, such as xmrig", self.0)
    }
}

impl std::error::Error for NotAProgramName {}
