//! Why a file is not started.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a file is not started. The text ends in what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the path in question and what its variant names")]
pub enum Unfit {
    /// Not a name that a program can have there.
    Name { name: String },
    /// No such file or folder, or a link that leads nowhere.
    Missing { path: PathBuf },
    /// It could not be looked at.
    Unreadable { path: PathBuf, error: String },
    /// A link leads out of the folder.
    Escapes { path: PathBuf, bin: PathBuf },
    /// A folder, a device or a socket.
    NotAFile { path: PathBuf },
    /// Nobody may execute it.
    NotExecutable { path: PathBuf },
    /// It, or a folder that it lies in, belongs to somebody else.
    Owner { path: PathBuf, uid: u32 },
    /// Others may write it, or a folder that it lies in.
    Writable { path: PathBuf, mode: u32 },
    /// It is not known here who could exchange it: only programs of the
    /// system's own folder are started on Windows.
    Unsupported { path: PathBuf },
    /// Its `#!` line ends in a carriage return.
    CarriageReturn { path: PathBuf },
    /// Its `#!` line names a program that is not there.
    NoInterpreter { path: PathBuf, interpreter: String },
    /// Its `#!` line has `env` look for a program that is not on the `PATH`.
    NotOnPath { path: PathBuf, interpreter: String },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => write!(
                f,
                "`{}` is not the name of a program: write the name of a file in the folder of native programs, \
                 without `..`; only a grant names an absolute path",
                name.escape_debug()
            ),
            Self::Missing { path } => {
                write!(f, "{} is not there: put the program in place, or correct the name", path.display())
            }
            Self::Unreadable { path, error } => write!(
                f,
                "{} cannot be examined ({error}): let the user of the engine reach it",
                path.display()
            ),
            Self::Escapes { path, bin } => write!(
                f,
                "{} is a link that leads out of {} or is absolute: put the file itself there, or a relative link to a \
                 file below that folder",
                path.display(),
                bin.display()
            ),
            Self::NotAFile { path } => {
                write!(f, "{} is not a regular file: put the program in its place", path.display())
            }
            Self::NotExecutable { path } => {
                write!(f, "{} is not executable: chmod 750 {}", path.display(), word(path))
            }
            Self::Owner { path, uid } => write!(
                f,
                "{} belongs to uid {uid}, who could exchange what the engine runs: chown root {}",
                path.display(),
                word(path)
            ),
            Self::Writable { path, mode } => write!(
                f,
                "{} may be written by others (mode {mode:04o}), who could exchange what the engine runs: chmod go-w {}",
                path.display(),
                word(path)
            ),
            Self::Unsupported { path } => write!(
                f,
                "{} is not started: on this system only programs of the system's own folder are, since who may write \
                 another is not examined; write a component instead",
                path.display()
            ),
            Self::CarriageReturn { path } => write!(
                f,
                "the first line of {} ends in a carriage return, as Windows editors write it, so its interpreter is not \
                 found: sed -i 's/\\r$//' {}",
                path.display(),
                word(path)
            ),
            Self::NoInterpreter { path, interpreter } => write!(
                f,
                "the first line of {} names the interpreter `{}`, which is not there: install it, or correct the line",
                path.display(),
                interpreter.escape_debug()
            ),
            Self::NotOnPath { path, interpreter } => write!(
                f,
                "the first line of {} has env look for `{}`, which none of {} holds: install it, or correct the line",
                path.display(),
                interpreter.escape_debug(),
                super::PATH
            ),
        }
    }
}

impl std::error::Error for Unfit {}

/// A path as one word for a shell, so that the command can be pasted.
fn word(path: &Path) -> String {
    let text = path.display().to_string();
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@%:,".contains(c)) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
