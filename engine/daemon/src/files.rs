//! Reads configuration files.

use std::fmt;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use riposte_policy::config::{Config, Role, Source};
use rustix::fs::OFlags;
use rustix::io::Errno;

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

/// The configuration that they are together, as an engine of this role reads it.
#[must_use]
pub fn config(files: &[File], role: Role) -> Config {
    let names: Vec<_> = files.iter().map(|file| file.path.display().to_string()).collect();
    let sources: Vec<_> =
        names.iter().zip(files).map(|(file, read)| Source { file, bytes: &read.bytes }).collect();
    Config::read_as(&sources, role)
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
/// When it cannot be read or is larger, or is a pipe or a device outside of
/// `/dev` and `/proc`.
pub fn read_at_most(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    all(open(path, OFlags::empty())?, largest)
}

/// The same, where the file is to be written anew: a link there could have been
/// made by somebody who may not read what it leads to, but what is written.
///
/// # Errors
///
/// As [`read_at_most`], and when it is a link.
pub fn read_itself(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    let link = |error: io::Error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => io::Error::other("it is a link; put the file itself in its place"),
        _ => error,
    };
    all(open(path, OFlags::NOFOLLOW).map_err(link)?, largest)
}

fn all(file: std::fs::File, largest: u64) -> io::Result<Vec<u8>> {
    use std::io::Read;
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
    let mut bytes = Vec::new();
    open(path, OFlags::empty())?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a file without waiting. A pipe that somebody put into a folder of
/// Wazuh's, which its own user may write, would hold the engine for ever; only
/// one that a shell made (`<(...)`, `/dev/stdin`) is waited for.
fn open(path: &Path, more: OFlags) -> io::Result<std::fs::File> {
    let mut options = options();
    options.read(true);
    if riposte_author::is_of_a_shell(path) {
        return options.open(path);
    }
    let flags = i32::try_from((OFlags::NONBLOCK | more).bits()).unwrap_or(0);
    let file = options.custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if found.is_file() || found.is_dir() {
        return Ok(file);
    }
    Err(io::Error::other("it is a pipe or a device, not a file; put a file in its place"))
}

fn options() -> std::fs::OpenOptions {
    #[expect(clippy::disallowed_methods, reason = "this module owns reading files the user names")]
    std::fs::OpenOptions::new()
}

/// Why a file is not to be relied on: somebody else can change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It belongs to this user, who is neither root nor ours.
    Owner(u32),
    /// Its mode lets others write it.
    Writable(u32),
}

/// The right of everybody to write.
pub const EVERYBODY: u32 = 0o002;
/// The rights of all but the owner to write.
pub const OTHERS: u32 = 0o022;

/// Who else can change the file at `path`; `who` must not be able to write it.
/// What is no file, a pipe that a shell made say, is whoever's opened it.
#[must_use]
pub fn doubt(path: &Path, who: u32) -> Option<Doubt> {
    let is_file = std::fs::metadata(path).is_ok_and(|found| found.is_file());
    is_file.then(|| doubt_of_any(path, who)).flatten()
}

/// The same for a folder too.
#[must_use]
pub fn doubt_of_any(path: &Path, who: u32) -> Option<Doubt> {
    let found = std::fs::metadata(path).ok()?;
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us && found.uid() != 0 {
        return Some(Doubt::Owner(found.uid()));
    }
    (found.mode() & who != 0).then_some(Doubt::Writable(found.mode() & 0o7777))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for refused in [read_at_most(&pipe, 10), read_head(&pipe, 10)] {
            assert!(refused.unwrap_err().to_string().contains("pipe"));
        }
        assert_eq!(read_at_most(Path::new("/dev/null"), 10).unwrap(), b"");
    }
}
