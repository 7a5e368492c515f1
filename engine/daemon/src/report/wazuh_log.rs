//! `active-responses.log` in the shape that Wazuh's own programs write, so that
//! its stock decoder (`ar_log_json`) and rules 651 to 657 read it unchanged.
//!
//! A line is `YYYY/MM/DD HH:MM:SS active-response/bin/NAME: TEXT` in local
//! time; a response with rollback writes Starting, its input, its keys, the
//! answer, Ended (`active_responses.c`, `write_debug_file`). Wazuh's programs
//! log their input with its line feed, so that an empty line follows; no
//! decoder reads that, and it is not written here.
//!
//! The file may be rotated under us. One that was renamed or removed is made
//! again before the next line, with the owner and mode it had; one that was
//! copied and truncated is appended to from its new beginning.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rustix::io::Errno;

/// Lines waiting to be written. When the disk cannot keep up the writer is
/// waited for: a log that drops lines is no evidence.
const QUEUE: usize = 4096;

/// The log, written by a thread of its own.
pub struct WazuhLog {
    queue: Option<SyncSender<Lines>>,
    writer: Option<JoinHandle<()>>,
}

/// Lines that belong together: one queueing for all of a response's.
struct Lines {
    wall_ms: i64,
    program: String,
    texts: Vec<String>,
}

impl WazuhLog {
    /// Appends to `path`. An existing file keeps its owner and mode; a new one
    /// is for its owner to write and its group to read.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened for appending.
    pub fn open(path: &Path) -> Result<Self, Unwritable> {
        let unwritable = |source| Unwritable { path: path.to_owned(), source };
        let file = append(path).map_err(unwritable)?;
        let (queue, lines) = sync_channel(QUEUE);
        let at = path.to_owned();
        let writer = std::thread::Builder::new()
            .name("response-log".to_owned())
            .spawn(move || write(file, &at, &lines))
            .map_err(unwritable)?;
        Ok(Self { queue: Some(queue), writer: Some(writer) })
    }

    /// Lines of the program called `name`, in this order and next to each other.
    pub fn lines(&self, wall_ms: i64, name: &str, texts: Vec<String>) {
        let Some(queue) = &self.queue else { return };
        // Waits while the queue is full. Fails only when the writer is gone,
        // which it reported.
        let _ = queue.send(Lines { wall_ms, program: format!("active-response/bin/{name}"), texts });
    }
}

impl Drop for WazuhLog {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // A panicked writer has nothing more to write.
            let _ = writer.join();
        }
    }
}

/// Opens a file for appending, made with mode 0640 when it is not there.
///
/// A log folder may belong to Wazuh's group: a link planted there is not
/// followed by root, and a pipe that nobody reads is not waited for.
///
/// # Errors
///
/// When it cannot be opened, or is no file.
pub fn append(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    #[expect(clippy::disallowed_methods, reason = "this module owns the response log")]
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true).mode(0o640).custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    let no_file = || io::Error::other("it is a pipe or a device, not a file; remove it");
    let file = options.open(path).map_err(|error| match Errno::from_io_error(&error) {
        // Nobody reads the pipe.
        Some(Errno::NXIO) => no_file(),
        _ => error,
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_file()) }
}

fn write(file: File, path: &Path, lines: &Receiver<Lines>) {
    let mut out = io::BufWriter::with_capacity(1 << 16, file);
    let mut second = (i64::MIN, String::new());
    let mut failing = false;
    while let Ok(first) = lines.recv() {
        // Nothing is buffered between batches, so nothing is lost with the
        // old file. When there can be no new one, the old one has to do.
        let followed = follow(out.get_ref(), path).map(|new| {
            if let Some(new) = new {
                out = io::BufWriter::with_capacity(1 << 16, new);
            }
        });
        // All that waits goes out in one write.
        let mut result = put(&mut out, &mut second, &first);
        while let Ok(line) = lines.try_recv() {
            result = result.and(put(&mut out, &mut second, &line));
        }
        match result.and(out.flush()).and(followed) {
            Err(error) if !failing => {
                tracing::error!(path = %path.display(), %error, "cannot write the response log");
                failing = true;
            }
            Err(_) => {}
            Ok(()) => failing = false,
        }
    }
}

/// The file at `path`, when that is no longer `file`: it was rotated.
fn follow(file: &File, path: &Path) -> io::Result<Option<File>> {
    let before = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(now) if (now.dev(), now.ino()) == (before.dev(), before.ino()) => return Ok(None),
        // Who rotated it made the new one, as it is meant to be.
        Ok(_) => return append(path).map(Some),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    let new = append(path)?;
    if new.metadata()?.uid() != rustix::process::geteuid().as_raw() {
        // Another was quicker, and made it as it is meant to be.
        return Ok(Some(new));
    }
    let (uid, gid) = (rustix::fs::Uid::from_raw(before.uid()), rustix::fs::Gid::from_raw(before.gid()));
    // Without the right to give it away it stays ours; the lines matter more.
    let _ = rustix::fs::fchown(&new, Some(uid), Some(gid));
    let _ = rustix::fs::fchmod(&new, rustix::fs::Mode::from_raw_mode(before.mode()));
    Ok(Some(new))
}

fn put(out: &mut impl Write, second: &mut (i64, String), lines: &Lines) -> io::Result<()> {
    let now = lines.wall_ms.div_euclid(1000);
    if second.0 != now {
        *second = (now, local_time(now));
    }
    let texts = lines.texts.iter().map(|text| one_line(text.trim_end()));
    texts.into_iter().try_for_each(|text| writeln!(out, "{} {}: {text}", second.1, lines.program))
}

fn local_time(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y/%m/%d %H:%M:%S").to_string()
}

/// What a component says cannot begin a line of its own.
fn one_line(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() || text.bytes().any(|byte| byte.is_ascii_control()) {
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    } else {
        text.into()
    }
}

/// The log cannot be written.
#[derive(Debug)]
pub struct Unwritable {
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(
            f,
            "cannot write the log {path}: {}; make its folder writable, or use --home or --root",
            self.source
        )
    }
}

impl std::error::Error for Unwritable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_wazuhs_shape_and_cannot_be_forged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("active-responses.log");
        let log = WazuhLog::open(&path).unwrap();
        let forged = "a\n2026/11/20 00:00:00 active-response/bin/x: forged".to_owned();
        log.lines(1_732_000_000_123, "firewall-drop", vec!["Starting".to_owned(), forged]);
        drop(log);
        let text = crate::files::read_at_most(&path, 1 << 20).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        let (time, rest) = lines[0].split_at(19);
        assert_eq!(rest, " active-response/bin/firewall-drop: Starting");
        assert_eq!(time, local_time(1_732_000_000));
        assert!(time.bytes().zip(*b"dddd/dd/dd dd:dd:dd").all(|(b, shape)| b == shape || b.is_ascii_digit()));
    }

    #[test]
    fn an_existing_file_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        drop(append(&path).unwrap());
        rustix::fs::chmod(path.as_path(), 0o660.into()).unwrap();
        drop(WazuhLog::open(&path).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    }

    #[test]
    fn a_rotated_file_is_made_again_as_it_was() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        drop(append(&path).unwrap());
        rustix::fs::chmod(path.as_path(), 0o660.into()).unwrap();
        let file = append(&path).unwrap();
        assert!(follow(&file, &path).unwrap().is_none());
        rustix::fs::rename(&path, dir.path().join("log.1")).unwrap();
        let new = follow(&file, &path).unwrap().unwrap();
        let found = std::fs::metadata(&path).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o660);
        assert_eq!(found.ino(), new.metadata().unwrap().ino());
        assert!(follow(&new, &path).unwrap().is_none());
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let file = append(&path).unwrap();
        rustix::fs::rename(&path, dir.path().join("log.1")).unwrap();
        rustix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(follow(&file, &path).is_err());
    }

    #[test]
    fn a_pipe_in_its_place_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let file = append(&path).unwrap();
        rustix::fs::rename(&path, dir.path().join("log.1")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(follow(&file, &path).is_err());
        // Nor when somebody reads it.
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK;
        let _reader = rustix::fs::open(&path, flags, rustix::fs::Mode::empty()).unwrap();
        assert!(append(&path).is_err());
    }
}
