//! Why installed components cannot be read or changed.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Installed components cannot be read or changed.
#[derive(Debug)]
#[allow(missing_docs, reason = "the fields are the path in question and the system's words")]
pub enum InstallError {
    /// A folder cannot be used.
    Place(String),
    /// Somebody else changes them now.
    Busy,
    /// Something cannot be read.
    Read { path: PathBuf, source: io::Error },
    /// What is known of versions cannot be read.
    Record { path: PathBuf, source: io::Error },
    /// Something cannot be written.
    Write { path: PathBuf, source: io::Error },
    /// A version that was kept is another one now.
    Changed(PathBuf),
    /// What runs was exchanged while it was looked at.
    Exchanged(PathBuf),
    /// It is removed, but its earlier versions are still there.
    Left { path: PathBuf, source: io::Error },
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way_out = crate::places::way_out;
        match self {
            Self::Place(why) => f.write_str(why),
            Self::Busy => f.write_str(
                "another `riposte plugin` changes installed components now; wait until it has ended",
            ),
            Self::Read { path, source } => {
                write!(f, "cannot read {}: {source}{}", path.display(), way_out(source))
            }
            Self::Record { path, source } => write!(
                f,
                "cannot read {}: {source}{}; nothing was changed: mend that, or move it away, when what is known of the \
                 versions is lost and their files are kept",
                path.display(),
                way_out(source)
            ),
            Self::Write { path, source } => {
                write!(f, "cannot write {}: {source}; what ran still does{}", path.display(), way_out(source))
            }
            Self::Exchanged(path) => {
                write!(f, "somebody else exchanged {} just now, and it stays; run this again", path.display())
            }
            Self::Left { path, source } => write!(
                f,
                "it is removed, but its earlier versions stay in {}: {source}{}; the next `riposte plugin` that changes \
                 something removes them",
                path.display(),
                way_out(source)
            ),
            Self::Changed(path) => write!(
                f,
                "{} was changed since it was installed, and is not used; install the version again from its file",
                path.display()
            ),
        }
    }
}

impl std::error::Error for InstallError {}
