//! Reads configuration files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// One configuration file.
#[derive(Debug)]
pub struct File {
    /// Its path as the user gave it, or as found in the folder given.
    pub path: PathBuf,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// Largest configuration file read, in bytes.
const LARGEST: u64 = 16 << 20;

/// Reads files, and of folders every `*.conf` and `*.xml` in order of name.
///
/// # Errors
///
/// When one cannot be read, is larger than 16 MiB, or a folder holds none.
pub fn read(paths: &[PathBuf]) -> Result<Vec<File>, Unreadable> {
    let mut files = Vec::new();
    for path in paths {
        let unreadable = |source| Unreadable { path: path.clone(), source };
        if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
            let before = files.len();
            for path in members(path).map_err(unreadable)? {
                files.push(one(&path)?);
            }
            if files.len() == before {
                return Err(unreadable(io::Error::other("the folder holds no *.conf or *.xml file")));
            }
        } else {
            files.push(one(path)?);
        }
    }
    Ok(files)
}

fn members(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        // A link that leads nowhere is read, and so named: what it was to say
        // would be missing without a word.
        let named = path.extension().is_some_and(|ext| ext == "conf" || ext == "xml");
        if named && std::fs::metadata(&path).map_or(true, |found| found.is_file()) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn one(path: &Path) -> Result<File, Unreadable> {
    let unreadable = |source| Unreadable { path: path.to_owned(), source };
    let bytes = read_at_most(path, LARGEST).map_err(unreadable)?;
    Ok(File { path: path.to_owned(), bytes })
}

/// Reads a file of at most `largest` bytes.
///
/// # Errors
///
/// When it cannot be read or is larger.
pub fn read_at_most(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    use std::io::Read;
    #[expect(clippy::disallowed_methods, reason = "this module owns reading files the user names")]
    let file = std::fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        return Err(io::Error::other(format!("it is larger than {largest} bytes")));
    }
    Ok(bytes)
}

/// Reads the first bytes of a file, at most `most`.
///
/// # Errors
///
/// When it cannot be read.
pub fn read_head(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    use std::io::Read;
    #[expect(clippy::disallowed_methods, reason = "this module owns reading files the user names")]
    let file = std::fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A configuration file cannot be read.
#[derive(Debug)]
pub struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read the configuration {}: {}", self.path.display(), self.source)?;
        f.write_str("; name the file or folder with --config PATH")
    }
}

impl std::error::Error for Unreadable {}
