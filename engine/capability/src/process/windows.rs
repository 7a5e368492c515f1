//! Which file is started, on Windows.
//!
//! Who may write a file is not examined here, so only programs of the system's
//! own folder are started: `netsh.exe` and `route.exe` lie there.

use std::path::{Component, Path, PathBuf};

use super::Unfit;

/// The folder of the programs that are started, which only the system and its
/// administrators may write.
const SYSTEM: &str = r"C:\Windows\System32";

/// A file that has been found fit to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    path: PathBuf,
    name: String,
}

impl Program {
    /// Native programs are not started here.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn resolve(bin: &Path, name: &str) -> Result<Self, Unfit> {
        Err(Unfit::Unsupported { path: bin.join(name) })
    }

    /// The program at an absolute path below the system's folder.
    ///
    /// # Errors
    ///
    /// When it lies elsewhere, or is not there.
    pub fn at(path: &Path) -> Result<Self, Unfit> {
        let below = path.strip_prefix(SYSTEM).map_err(|_| Unfit::Unsupported { path: path.to_owned() })?;
        if !below.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(Unfit::Name { name: path.display().to_string() });
        }
        if !path.is_file() {
            return Err(Unfit::Missing { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), name: path.display().to_string() })
    }

    /// The absolute path, as it was asked for.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name it is called by: its path.
    #[must_use]
    pub fn called(&self) -> String {
        self.name.clone()
    }

    /// No script is started here.
    #[must_use]
    pub fn runs_by_shell(&self) -> bool {
        false
    }

    /// Examines it again, as it is now.
    pub(super) fn again(&self) -> Result<Self, Unfit> {
        Self::at(&self.path)
    }

    /// The path to start it by.
    pub(super) fn executable(&self, _root: &Path) -> PathBuf {
        self.path.clone()
    }
}
