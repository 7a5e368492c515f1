//! The files of an audit: `audit.jsonl`, which is written, and those before it.
//!
//! The engine calls a full file `audit.NUMBER.jsonl`, by the number of its
//! first line. Names that logrotate gives (`audit.jsonl.1`,
//! `audit.jsonl-20260101`) count too. What orders them is not their names but
//! the lines in them.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::chain::{self, Link};
use super::time::Utc;

/// Longest line that is looked at. The engine writes none near it.
pub(super) const LONGEST: usize = 4 << 20;

/// How much is read at a time from a file's end.
const CHUNK: u64 = 64 << 10;

/// How often listing begins again when files are renamed meanwhile.
const TRIES: usize = 5;

/// A file of the audit, open: it stays the same one when it is renamed.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// The number of its first line, when that can be read.
    pub(super) first: Option<u64>,
}

/// All files of the audit at `path`, in the order of their lines.
///
/// # Errors
///
/// When the folder or a file cannot be read.
pub(super) fn list(path: &Path) -> io::Result<Vec<Part>> {
    let mut tries = 0;
    loop {
        tries += 1;
        let listed = try_list(path);
        match listed {
            // Renamed between listing and opening.
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
            listed => return listed,
        }
    }
}

fn try_list(path: &Path) -> io::Result<Vec<Part>> {
    let folder = folder(path);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut parts = Vec::new();
    for entry in folder.read_dir()? {
        let name = entry?.file_name();
        let found = folder.join(&name);
        if belongs(&name, path) && is_file(&found)? {
            parts.push(open(&found)?);
        }
    }
    sort(&mut parts, path);
    Ok(parts)
}

/// A pipe, a folder, or a link that leads nowhere holds no line of anybody's.
fn is_file(path: &Path) -> io::Result<bool> {
    match path.metadata() {
        Ok(found) => Ok(found.is_file()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.symlink_metadata().map(|_| false),
        Err(error) => Err(error),
    }
}

/// By their first lines; what has none stands at the end, the written file last.
pub(super) fn sort(parts: &mut [Part], current: &Path) {
    parts.sort_by_key(|part| (part.first.unwrap_or(u64::MAX), part.path == current, part.path.clone()));
}

/// Opens a file of an audit to read it.
pub(super) fn open(path: &Path) -> io::Result<Part> {
    #[expect(clippy::disallowed_methods, reason = "this module owns the audit's files")]
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).custom_flags(flags(OFlags::NONBLOCK)).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(format!("{} is not a file", path.display())));
    }
    let mut part = Part { path: path.to_owned(), file, first: None };
    part.first = first(&part)?.map(|link| link.seq);
    Ok(part)
}

/// Opens the written file for appending, made with mode 0640 when it is not
/// there. A link planted in its place is not followed.
pub(super) fn open_to_append(path: &Path) -> io::Result<File> {
    #[expect(clippy::disallowed_methods, reason = "this module owns the audit's files")]
    let mut options = std::fs::OpenOptions::new();
    options.append(true).read(true).create(true).mode(0o640);
    let file = options.custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK)).open(path)?;
    let no_file = || io::Error::other("it is a pipe or a device, not a file; remove it");
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_file()) }
}

/// Sets aside what has the name of the written file and is no file: a link, a
/// pipe, a folder. No engine is to stay away, nor any alert unanswered, because
/// of what somebody put there. Where it is now.
pub(super) fn clear(path: &Path) -> io::Result<Option<PathBuf>> {
    match path.symlink_metadata() {
        Ok(found) if !found.is_file() => {}
        _ => return Ok(None),
    }
    let aside = set_aside_name(path);
    #[expect(clippy::disallowed_methods, reason = "this module owns the audit's files")]
    std::fs::rename(path, &aside)?;
    tracing::warn!(path = %path.display(), aside = %aside.display(), "what stood in the place of the audit was no file");
    Ok(Some(aside))
}

fn flags(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).unwrap_or(0)
}

/// Whether a name in the folder is one of the audit at `path`.
fn belongs(name: &OsString, path: &Path) -> bool {
    let (Some(name), Some(own)) = (name.to_str(), path.file_name().and_then(|own| own.to_str())) else {
        return false;
    };
    let Some((stem, extension)) = own.rsplit_once('.') else { return name == own };
    let number = |middle: &str| !middle.is_empty() && middle.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let ours = || {
        let middle =
            name.strip_prefix(stem)?.strip_prefix('.')?.strip_suffix(extension)?.strip_suffix('.')?;
        number(middle).then_some(())
    };
    let others = || {
        let rest = name.strip_prefix(own)?;
        let rest = rest.strip_prefix('.').or_else(|| rest.strip_prefix('-'))?;
        number(rest).then_some(())
    };
    name == own || ours().is_some() || others().is_some()
}

/// What a full file is called, of which `first` is the number of the first line.
pub(super) fn full_name(path: &Path, first: u64) -> PathBuf {
    beside(path, &format!("{first:012}"))
}

/// The files that are called like full ones of `path`.
pub(super) fn full(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut full = Vec::new();
    for entry in folder(path).read_dir()? {
        let name = entry?.file_name();
        if belongs(&name, path) && path.file_name() != Some(&name) {
            full.push(folder(path).join(name));
        }
    }
    Ok(full)
}

/// Where a file is moved that holds no chain.
pub(super) fn set_aside_name(path: &Path) -> PathBuf {
    (1_u32..)
        .map(|number| beside(path, &format!("before-{number}")))
        .find(|name| name.symlink_metadata().is_err())
        .unwrap_or_else(|| beside(path, "before"))
}

fn beside(path: &Path, middle: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}.{middle}.{extension}"))
}

/// The folder of a file.
pub(super) fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Has a new or renamed file still be there after a loss of power.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "this module owns the audit's files")]
    File::open(folder(path))?.sync_all()
}

/// The first line of a file that is one of a chain.
fn first(part: &Part) -> io::Result<Option<Link>> {
    let mut lines = Forward::new(&part.file)?;
    while let Some(line) = lines.next_line()? {
        if let Ok(link) = chain::read(&line.bytes) {
            return Ok(Some(link));
        }
        if line.end > CHUNK {
            break;
        }
    }
    Ok(None)
}

/// When the first and the last line of a file were written.
pub(super) fn span(part: &Part) -> io::Result<Option<(i64, i64)>> {
    let Some(first) = first(part)? else { return Ok(None) };
    let mut back = Backward::new(&part.file)?;
    while let Some(line) = back.previous()? {
        if let Ok(last) = chain::read(&line.bytes) {
            let time = |link: &Link| Utc::parse(&link.time).map(|time| time.0);
            return Ok(time(&first).zip(time(&last)));
        }
    }
    Ok(None)
}

/// One line of a file.
pub(super) struct Line {
    /// Without its line feed. What is longer than [`LONGEST`] is cut, and so
    /// no line of a chain.
    pub(super) bytes: Vec<u8>,
    /// Whether it has a line feed.
    pub(super) ended: bool,
    /// Where it ends in the file, line feed included.
    pub(super) end: u64,
}

/// Reads a file from its beginning, wherever others have read it to.
pub(super) struct Forward<'a> {
    reader: BufReader<At<'a>>,
    end: u64,
}

struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.offset)?;
        self.offset = self.offset.saturating_add(read as u64);
        Ok(read)
    }
}

impl<'a> Forward<'a> {
    pub(super) fn new(file: &'a File) -> io::Result<Self> {
        Ok(Self { reader: BufReader::with_capacity(1 << 18, At { file, offset: 0 }), end: 0 })
    }

    /// The next line; `None` at the end.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::with_capacity(512);
        let mut read = self.reader.by_ref().take(LONGEST as u64).read_until(b'\n', &mut bytes)? as u64;
        if read == 0 {
            return Ok(None);
        }
        let mut ended = bytes.last() == Some(&b'\n');
        if ended {
            bytes.pop();
        } else if read >= LONGEST as u64 {
            let skipped = self.reader.skip_until(b'\n')? as u64;
            ended = true;
            read = read.saturating_add(skipped);
        }
        self.end = self.end.saturating_add(read);
        Ok(Some(Line { bytes, ended, end: self.end }))
    }
}

/// Reads a file from its end.
pub(super) struct Backward<'a> {
    file: &'a File,
    /// Where `buffer` begins in the file.
    at: u64,
    /// What was read and not yet given.
    buffer: Vec<u8>,
}

impl<'a> Backward<'a> {
    pub(super) fn new(file: &'a File) -> io::Result<Self> {
        Ok(Self { file, at: file.metadata()?.len(), buffer: Vec::new() })
    }

    /// The line before; `None` at the beginning.
    pub(super) fn previous(&mut self) -> io::Result<Option<Line>> {
        loop {
            let ended = self.buffer.last() == Some(&b'\n');
            let text = self.buffer.len().saturating_sub(usize::from(ended));
            let start = self.buffer.get(..text).and_then(|text| text.iter().rposition(|byte| *byte == b'\n'));
            let begin = match start {
                Some(at) => at.saturating_add(1),
                None if self.at == 0 || self.buffer.len() > LONGEST => 0,
                None => {
                    self.fill()?;
                    continue;
                }
            };
            if self.buffer.is_empty() {
                return Ok(None);
            }
            let end = self.at.saturating_add(self.buffer.len() as u64);
            let mut bytes = self.buffer.split_off(begin);
            if ended {
                bytes.pop();
            }
            return Ok(Some(Line { bytes, ended, end }));
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let from = self.at.saturating_sub(CHUNK);
        let mut chunk = vec![0; usize::try_from(self.at.saturating_sub(from)).unwrap_or(0)];
        self.file.read_exact_at(&mut chunk, from)?;
        chunk.append(&mut self.buffer);
        (self.buffer, self.at) = (chunk, from);
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test that writes what is read")]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_audit_are_known() {
        let path = Path::new("/log/audit.jsonl");
        for name in ["audit.jsonl", "audit.000000000001.jsonl", "audit.jsonl.1", "audit.jsonl-20260101"] {
            assert!(belongs(&name.into(), path), "{name}");
        }
        for name in
            ["audit.heads", "audit.before-1.jsonl", "ocsf.jsonl", "audit.jsonl.1.gz", "audit.jsonl~", "audit"]
        {
            assert!(!belongs(&name.into(), path), "{name}");
        }
        assert_eq!(full_name(path, 7), Path::new("/log/audit.000000000007.jsonl"));
    }

    #[test]
    fn lines_are_the_same_both_ways() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        let long = "x".repeat(200_000);
        for text in [
            String::new(),
            "\n".into(),
            "a".into(),
            "a\n".into(),
            format!("a\n\n{long}\nb"),
            format!("{long}\n"),
        ] {
            std::fs::write(&path, &text).unwrap();
            let part = open(&path).unwrap();
            let (mut forward, mut backward) =
                (Forward::new(&part.file).unwrap(), Backward::new(&part.file).unwrap());
            let (mut there, mut back) = (Vec::new(), Vec::new());
            while let Some(line) = forward.next_line().unwrap() {
                there.push((line.bytes, line.ended, line.end));
            }
            while let Some(line) = backward.previous().unwrap() {
                back.push((line.bytes, line.ended, line.end));
            }
            back.reverse();
            assert_eq!(there, back);
        }
    }
}
