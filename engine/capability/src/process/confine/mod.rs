//! How a started program is confined.
//!
//! A filter, a ruleset or a cut of privileges that is set on a thread is
//! inherited by what that thread starts, and cannot be taken off again. So a
//! program that is to be confined is started by a thread which has first
//! confined itself, and which does nothing else.
//!
//! | level | system calls | files | privileges | network, processes, user |
//! |---|---|---|---|---|
//! | default | refused as in `filter` | as the engine | none beyond the engine's | as the engine |
//! | confined | the same | reads all, writes what is listed | those listed | as the engine |
//! | isolated | the same, for `nobody` | reads what everybody may, writes what is listed | none | none, its own, `nobody` |
//!
//! Only what was asked for and cannot be done is refused: where a kernel has
//! no filters, a program without a level of its own starts without one, and
//! the log says so.

#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod isolate;
#[cfg(target_os = "linux")]
mod privileges;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests;
#[cfg(target_os = "linux")]
mod threads;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use riposte_policy::grant::Confinement;

use super::Program;

#[cfg(target_os = "linux")]
pub(super) use threads::spawn;

/// How much of a confinement this kernel enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Strength {
    /// All of it.
    Whole,
    /// All but one thing: before Linux 6.2 a confined program can empty files
    /// (`truncate`) that it may not write.
    MayEmptyFiles,
    /// None of it: this kernel, or processor, has no filter for the default
    /// level. The two others are never weakened so far; they are refused.
    None,
}

/// Tries `confinement` for `program` without starting it: on a thread that ends
/// with it.
///
/// # Errors
///
/// When a program could not be started so, and why.
#[cfg(target_os = "linux")]
pub fn examine(confinement: &Confinement, program: &Program, root: &Path) -> Result<Strength, Unconfinable> {
    threads::examine(confinement, program, root)
}

/// A program that starts another, and its arguments up to those of the other.
pub(super) type Wrapper = (PathBuf, Vec<OsString>);

/// What an isolated program is started by: bubblewrap. `None` for the
/// other levels.
#[cfg(target_os = "linux")]
pub(super) fn wrapped(
    confinement: &Confinement,
    program: &Program,
    root: &Path,
) -> Result<Option<Wrapper>, Unconfinable> {
    match confinement {
        Confinement::Isolated { write } => isolate::Isolation { program, root, write }.words().map(Some),
        _ => Ok(None),
    }
}

#[cfg(not(target_os = "linux"))]
pub use elsewhere::examine;
#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{spawn, wrapped};

/// Systems without any of it.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::*;

    fn only_default(confinement: &Confinement) -> Result<(), Unconfinable> {
        if *confinement == Confinement::Default { Ok(()) } else { Err(Unconfinable::OtherSystem) }
    }

    /// As on Linux.
    ///
    /// # Errors
    ///
    /// When a level is asked for.
    pub fn examine(confinement: &Confinement, _: &Program, _: &Path) -> Result<Strength, Unconfinable> {
        only_default(confinement).map(|()| Strength::None)
    }

    pub(in super::super) fn wrapped(
        confinement: &Confinement,
        _: &Program,
        _: &Path,
    ) -> Result<Option<Wrapper>, Unconfinable> {
        only_default(confinement).map(|()| None)
    }

    pub(in super::super) fn spawn(
        mut command: tokio::process::Command,
        confinement: &Confinement,
        _: &Path,
    ) -> Result<std::io::Result<tokio::process::Child>, Unconfinable> {
        only_default(confinement).map(|()| command.spawn())
    }
}

/// Why a program is not confined, and so not started. The text ends in what
/// mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the path or program in question and the kernel's words")]
pub enum Unconfinable {
    /// The kernel takes no filter of system calls.
    NoFilter { why: String },
    /// The kernel has no Landlock, or it is switched off.
    NoLandlock { why: String },
    /// A path that the configuration names is not there.
    NoPath { path: PathBuf, why: String },
    /// Privileges could not be taken away.
    Privileges { why: String },
    /// A program that isolation needs is not there.
    NoProgram { name: &'static str, package: &'static str },
    /// Only root reaches it, and an isolated program is not root.
    Unreachable { path: PathBuf },
    /// The thread that starts it could not be made.
    NoThread { why: String },
    /// Another system than Linux.
    OtherSystem,
}

impl fmt::Display for Unconfinable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFilter { why } => write!(
                f,
                "the kernel takes no filter of system calls ({why}): use one with CONFIG_SECCOMP_FILTER, on x86-64 or arm64"
            ),
            Self::NoLandlock { why } => write!(
                f,
                "the kernel does not confine it ({why}): use Linux 5.13 or newer with landlock among its security \
                 modules (lsm= of its command line), or remove <confined>"
            ),
            Self::NoPath { path, why } => {
                write!(f, "{} is not there ({why}): create it, or correct write=", path.display())
            }
            Self::Privileges { why } => write!(
                f,
                "its privileges could not be taken away ({why}): run the engine as root, or leave out no_new_privs=\"no\""
            ),
            Self::NoProgram { name, package } => {
                write!(f, "isolation needs {name}, which is not there: apt install {package}")
            }
            Self::Unreachable { path } => write!(
                f,
                "an isolated program runs as nobody, who may not reach {0}: chmod o+rx {0}, or give it to a group other \
                 than root's",
                path.display()
            ),
            Self::NoThread { why } => {
                write!(
                    f,
                    "no thread could be made to start it ({why}): look at the limit on processes of the engine"
                )
            }
            Self::OtherSystem => {
                f.write_str("this system cannot confine programs: remove <confined> and <isolated>")
            }
        }
    }
}

impl std::error::Error for Unconfinable {}
