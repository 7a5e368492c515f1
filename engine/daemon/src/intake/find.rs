//! Finds the rest of a file that was rotated while nobody read it.
//!
//! Wazuh links `alerts.json` to `YYYY/Mon/ossec-alerts-DD.json` beside it and
//! starts a new file every day; logrotate renames it to `alerts.json.1`. The
//! old file is known by its device and inode, and by the hash of its first
//! bytes, since inodes are used again.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use riposte_ledger::input::FileIdentity;
use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};

/// How many of a file's first bytes tell it from another.
pub const HEAD: u32 = 4096;

/// Opens a file for reading and says which it is.
///
/// # Errors
///
/// When it cannot be read, or is not a regular file.
pub fn open(path: &Path) -> io::Result<(std::fs::File, FileIdentity)> {
    // Without NONBLOCK a pipe under that name would hold the reader for ever.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file; pipe it to standard input and name it -"));
    }
    let identity = identify(&file, HEAD)?;
    Ok((file, identity))
}

/// Whether `file` is the one that `known` was taken of, at least as long.
///
/// # Errors
///
/// When it cannot be read.
pub fn is_same(file: &std::fs::File, known: &FileIdentity) -> io::Result<bool> {
    Ok(identify(file, known.head_len)? == *known)
}

/// Which file this is, by at most `head_len` of its first bytes.
///
/// # Errors
///
/// When it cannot be read.
pub fn identify(file: &std::fs::File, head_len: u32) -> io::Result<FileIdentity> {
    use std::os::unix::fs::FileExt;
    let found = file.metadata()?;
    let mut head = vec![0; usize::try_from(head_len.min(HEAD)).unwrap_or(0)];
    let mut filled = 0;
    while let Some(rest) = head.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, filled as u64)? {
            0 => break,
            n => filled += n,
        }
    }
    head.truncate(filled);
    let head_hash = Sha256::digest(&head).into();
    Ok(FileIdentity {
        dev: found.dev(),
        ino: found.ino(),
        head_hash,
        head_len: u32::try_from(filled).unwrap_or(HEAD),
    })
}

/// The file that `known` was taken of and every later one before `current`, in
/// the order they were written. The first is `None` when it is gone.
#[must_use]
pub fn rotated(current: &Path, known: &FileIdentity) -> Rotated {
    let mut dated: Vec<(SystemTime, PathBuf)> = candidates(current)
        .into_iter()
        .filter_map(|path| Some((std::fs::metadata(&path).ok()?.modified().ok()?, path)))
        .collect();
    dated.sort();
    let matches = |path: &Path| open(path).is_ok_and(|(file, _)| is_same(&file, known).unwrap_or(false));
    let Some(at) = dated.iter().position(|(_, path)| matches(path)) else {
        return Rotated { rest: None, between: Vec::new() };
    };
    let current_file = std::fs::metadata(current).ok().map(|found| (found.dev(), found.ino()));
    let mut paths = dated.into_iter().skip(at).map(|(_, path)| path);
    let rest = paths.next();
    let mut seen = vec![(known.dev, known.ino)];
    seen.extend(current_file);
    let between = paths
        .filter(|path| {
            let Ok(found) = std::fs::metadata(path) else { return false };
            let file = (found.dev(), found.ino());
            let unseen = !seen.contains(&file) && begins_as_alerts(path);
            seen.push(file);
            unseen
        })
        .collect();
    Rotated { rest, between }
}

/// What [`rotated`] found.
#[derive(Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The file that was being read.
    pub rest: Option<PathBuf>,
    /// Files written after it and before the current one.
    pub between: Vec<PathBuf>,
}

/// Files of alerts beside `current` and in the dated folders there.
fn candidates(current: &Path) -> Vec<PathBuf> {
    let folder = current.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stem = current.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = |name: &str| name != stem && name.starts_with(&stem);
    let dated = |name: &str| name.starts_with("ossec-alerts-") && name.ends_with(".json");
    let mut found = list(folder, &beside);
    for year in list(folder, &|name: &str| name.len() == 4 && name.bytes().all(|b| b.is_ascii_digit())) {
        for month in list(&year, &|name: &str| name.len() == 3) {
            found.extend(list(&month, &dated));
        }
    }
    found
}

fn list(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| wanted(&name.to_string_lossy())))
        .collect()
}

/// Compressed and foreign files are left out.
fn begins_as_alerts(path: &Path) -> bool {
    let mut first = [0];
    open(path).is_ok_and(|(mut file, _)| file.read_exact(&mut first).is_ok() && first == *b"{")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str, age: u64) {
        use std::io::Write;
        let mut file = rustix::fs::open(
            path,
            rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY,
            rustix::fs::Mode::from_raw_mode(0o600),
        )
        .map(std::fs::File::from)
        .unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 - age)).unwrap();
    }

    #[test]
    fn the_rest_is_found_by_inode_and_what_came_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let month = dir.path().join("2026/Nov");
        std::fs::DirBuilder::new().recursive(true).create(&month).unwrap();
        let current = dir.path().join("alerts.json");
        write(&month.join("ossec-alerts-17.json"), "{\"a\":1}\n", 30);
        write(&month.join("ossec-alerts-18.json"), "{\"a\":2}\n", 20);
        write(&month.join("ossec-alerts-19.json"), "{\"a\":3}\n", 10);
        write(&month.join("ossec-alerts-20.json"), "{\"a\":4}\n", 0);
        std::fs::hard_link(month.join("ossec-alerts-20.json"), &current).unwrap();
        let (_, known) = open(&month.join("ossec-alerts-18.json")).unwrap();
        let found = rotated(&current, &known);
        assert_eq!(found.rest, Some(month.join("ossec-alerts-18.json")));
        assert_eq!(found.between, [month.join("ossec-alerts-19.json")]);
    }

    #[test]
    fn a_used_again_inode_is_not_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let (current, old) = (dir.path().join("alerts.json"), dir.path().join("alerts.json.1"));
        write(&current, "{}\n", 0);
        write(&old, "{\"old\":1}\n", 5);
        let (_, mut known) = open(&old).unwrap();
        assert_eq!(rotated(&current, &known).rest, Some(old));
        known.head_hash = [0; 32];
        assert_eq!(rotated(&current, &known), Rotated { rest: None, between: vec![] });
    }
}
