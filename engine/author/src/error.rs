//! What can go wrong with a project, and what to do about it.

use std::fmt;
use std::path::PathBuf;

use riposte_policy::diagnostic::shown;

/// Why something was not done with a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The folder holds no `plugin.toml`.
    NoManifest(PathBuf),
    /// A line of `plugin.toml` is wrong.
    Manifest {
        /// The file.
        file: PathBuf,
        /// Where in it, from 1.
        line: usize,
        /// What is wrong, and what to write instead.
        what: String,
    },
    /// A file or folder could not be read or written.
    File {
        /// Which.
        path: PathBuf,
        /// What was tried, and the system's words.
        why: String,
    },
    /// A new project has no such name.
    Name(String),
    /// A new project would lie where something is.
    Exists(PathBuf),
    /// There is no template or no registry for this.
    NotOffered(String),
    /// A program of a step is not there.
    NoTool {
        /// Its name.
        program: String,
        /// What it is, and the line that installs it.
        install: String,
    },
    /// A program of a step failed. What it printed was passed on.
    Step {
        /// The words of the step.
        step: String,
        /// How it ended.
        ended: String,
    },
    /// A program of a step did not find the SDK that the project names a version of.
    NotInRegistry {
        /// The words of the step.
        step: String,
    },
    /// The narrowed world is not valid: a fault of this program.
    World(String),
    /// What was built is not what the manifest says.
    Artifact {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        what: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoManifest(folder) => write!(
                f,
                "{} holds no plugin.toml: name the folder of a project, or make one with `riposte plugin new`",
                folder.display()
            ),
            Self::Manifest { file, line, what } => write!(f, "{}:{line}: {what}", file.display()),
            Self::File { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Name(name) => write!(
                f,
                "{} is no name for a response: it has 1 to 64 letters, digits, `-`, `_` and `.`, and begins with a letter or a digit",
                shown(name)
            ),
            Self::Exists(path) => {
                write!(f, "{} is there already: choose another name, or remove it first", path.display())
            }
            Self::NotOffered(what) => f.write_str(what),
            Self::NoTool { program, install } => {
                write!(f, "{program} is not there, and the build needs it: {install}")
            }
            Self::Step { step, ended } => write!(f, "`{step}` {ended}"),
            Self::NotInRegistry { step } => write!(
                f,
                "`{step}` did not find riposte-sdk, of which this project names a version: no release of it is published. \
                 Make the project anew without --registry, which writes the SDK beside it, or publish the SDK in a registry \
                 of your own that this tool asks"
            ),
            Self::World(why) => write!(f, "the world of the project is not valid, a fault of Riposte: {why}"),
            Self::Artifact { path, what } => write!(f, "{}: {what}", path.display()),
        }
    }
}

impl std::error::Error for Error {}
