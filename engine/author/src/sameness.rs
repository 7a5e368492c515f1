//! Whether a project is the one that it was, by what it is built from.
//!
//! A build in Python or JavaScript keeps the memory of an interpreter that began
//! with its own random numbers and addresses: each makes other bytes, and the
//! bytes cannot tell whether anything changed.

use std::path::{Component, Path, PathBuf};

use crate::{Error, Manifest, folder, world};

/// Folders that tools make.
const MADE: [&str; 6] = ["node_modules", "target", "build", "dist", "out", "__pycache__"];
/// Largest source that is read.
const LARGEST: u64 = 128 << 20;

/// A digest of the names and bytes of all that a project is built from: neither
/// what a build makes, nor what is hidden.
///
/// # Errors
///
/// [`Error::File`], when one of them cannot be read.
pub fn sources(project: &Path, manifest: &Manifest) -> Result<String, Error> {
    let artifact: PathBuf =
        manifest.artifact.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let mut lines = Vec::new();
    let mut left = vec![PathBuf::new()];
    while let Some(below) = left.pop() {
        for name in folder::names(&project.join(&below)) {
            let (path, whole) = (below.join(&name), project.join(&below).join(&name));
            let is_link = whole.is_symlink();
            if name.starts_with('.') || path == artifact || path == Path::new(world::FOLDER) {
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
            lines.push(format!("{}\0{}\n", path.display(), riposte_runtime::digest(&bytes)));
        }
    }
    lines.sort_unstable();
    Ok(riposte_runtime::digest(lines.concat().as_bytes()).to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_makes_is_no_source() {
        let at = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| folder::write(&at.path().join(path), text.as_bytes()).unwrap();
        let text = "name = \"x\"\nversion = \"1\"\nlanguage = \"python\"\nkind = \"oneshot\"\n\
                    [build]\nsteps = []\nartifact = \"./x.wasm\"\n";
        write("plugin.toml", text);
        write("response.py", "a");
        write("riposte/sdk/python/riposte_sdk/__init__.py", "b");
        let manifest = Manifest::read(at.path()).unwrap();
        let now = || sources(at.path(), &manifest).unwrap();
        let before = now();
        for made in
            ["x.wasm", "__pycache__/x.pyc", "build/x.js", "riposte/world/world.wit", ".venv/bin/python"]
        {
            write(made, "made");
            assert_eq!(now(), before, "{made}");
        }
        let mut seen = vec![before];
        for source in ["response.py", "plugin.toml", "riposte/sdk/python/riposte_sdk/__init__.py", "more.py"]
        {
            write(source, "changed");
            assert!(!seen.contains(&now()), "{source}");
            seen.push(now());
        }
    }
}
