//! Whether a project is the one that it was, by what it is built from.
//!
//! A build in Python or JavaScript keeps the memory of an interpreter that began
//! with its own random numbers and addresses: each makes other bytes, and the
//! bytes cannot tell whether anything changed.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use riposte_policy::grant::Digest;

use crate::{Error, LARGEST, Manifest, folder, world};

/// Folders that tools make.
const MADE: [&str; 6] = ["node_modules", "target", "build", "dist", "out", "__pycache__"];

/// All that a project is built from: the digest of each file, by its path below
/// the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources(BTreeMap<PathBuf, Digest>);

impl Sources {
    /// Reads it: neither what a build makes, nor what is hidden, nor what lies in
    /// `apart`, such as an engine's own folders.
    ///
    /// # Errors
    ///
    /// [`Error::File`], when one of them cannot be read.
    pub fn read(project: &Path, manifest: &Manifest, apart: &[PathBuf]) -> Result<Self, Error> {
        let apart: Vec<_> = apart.iter().flat_map(|path| spellings(path)).collect();
        let roots = spellings(project);
        let artifact: PathBuf =
            manifest.artifact.components().filter(|part| matches!(part, Component::Normal(_))).collect();
        let mut files = BTreeMap::new();
        let mut left = vec![PathBuf::new()];
        while let Some(below) = left.pop() {
            for name in folder::names(&project.join(&below)) {
                let (path, whole) = (below.join(&name), project.join(&below).join(&name));
                let is_link = whole.is_symlink();
                if name.starts_with('.') || path == artifact || path == Path::new(world::FOLDER) {
                    continue;
                }
                if roots.iter().any(|root| apart.contains(&root.join(&path))) {
                    continue;
                }
                if whole.is_dir() && !is_link {
                    if !MADE.contains(&name.as_str()) {
                        left.push(path);
                    }
                    continue;
                }
                // A link to a folder is as good as what it is called.
                let bytes = if whole.is_dir() { Vec::new() } else { folder::read(&whole, LARGEST)? };
                files.insert(path, riposte_runtime::digest(&bytes));
            }
        }
        Ok(Self(files))
    }

    /// Whether all that there was before is here as it was. A build may have added
    /// to it, such as which versions it took; what was edited meanwhile is not
    /// what was built.
    #[must_use]
    pub fn keeps(&self, before: &Self) -> bool {
        before.0.iter().all(|(path, digest)| self.0.get(path) == Some(digest))
    }

    /// One digest of all of it, names and bytes.
    #[must_use]
    pub fn digest(&self) -> String {
        let lines: Vec<_> =
            self.0.iter().map(|(path, digest)| format!("{}\0{digest}\n", path.display())).collect();
        riposte_runtime::digest(lines.concat().as_bytes()).to_string()
    }
}

/// A path from the root: as it is written, and where it leads when it is there.
fn spellings(path: &Path) -> Vec<PathBuf> {
    std::path::absolute(path).into_iter().chain(path.canonicalize()).collect()
}
