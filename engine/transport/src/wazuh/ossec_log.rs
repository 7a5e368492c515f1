//! `logs/ossec.log`, in the shape in which `wazuh-execd` writes it
//! (`shared/debug_op.c`, `_log_function`):
//!
//! ```text
//! 2026/11/20 10:00:00 wazuh-execd: ERROR: (1316): Invalid AR command: '{}'
//! ```
//!
//! Dashboards, rules and Wazuh's own tests look for these texts, so each is
//! spelt as there, and lines stand in the order in which things happened.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The log.
pub struct OssecLog {
    path: PathBuf,
    /// Whether [`Level::Debug`] is written.
    debug: bool,
    /// Held while a line is written, so that lines stand in order; `true` when
    /// the last one could not be.
    failing: Mutex<bool>,
}

impl OssecLog {
    /// Appends to `path`. It is opened for every line, as Wazuh does, since
    /// others rotate it. A file that is there keeps its owner and mode; a new
    /// one is for its owner to write and for the folder's group to read.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened for appending.
    pub fn open(path: PathBuf, debug: bool) -> Result<Self, Unwritable> {
        append(&path).map_err(|source| Unwritable { path: path.clone(), source })?;
        Ok(Self { path, debug, failing: Mutex::new(false) })
    }

    /// Whether lines of level DEBUG are written.
    #[must_use]
    pub fn debugs(&self) -> bool {
        self.debug
    }

    /// Writes a line, with the time in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// When it cannot be written; said once, until a line can be written again.
    pub fn write(&self, wall_ms: i64, line: &Line) -> Result<(), Unwritable> {
        if line.level == Level::Debug && !self.debug {
            return Ok(());
        }
        let text = shown(wall_ms, line);
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let written = append(&self.path).and_then(|mut file| file.write_all(text.as_bytes()));
        let known = std::mem::replace(&mut *failing, written.is_err());
        match written {
            Err(source) if !known => Err(Unwritable { path: self.path.clone(), source }),
            _ => Ok(()),
        }
    }
}

/// One line: how much it matters, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub text: String,
}

impl Line {
    /// A line of level ERROR.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self { level: Level::Error, text: text.into() }
    }

    /// A line of level WARNING.
    #[must_use]
    pub fn warning(text: impl Into<String>) -> Self {
        Self { level: Level::Warning, text: text.into() }
    }

    /// A line of level INFO.
    #[must_use]
    pub fn info(text: impl Into<String>) -> Self {
        Self { level: Level::Info, text: text.into() }
    }

    /// A line of level DEBUG.
    #[must_use]
    pub fn debug(text: impl Into<String>) -> Self {
        Self { level: Level::Debug, text: text.into() }
    }
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something did not work.
    Error,
    /// Something is odd.
    Warning,
    /// Something happened.
    Info,
    /// For who looks closely; written only when asked for.
    Debug,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        })
    }
}

/// The texts of `headers/error_messages.h` and of `os_execd/execd.c`, by their
/// number where they have one.
pub mod text {
    use std::io;

    use super::Line;

    /// (1103): a file cannot be opened.
    #[must_use]
    pub fn no_file(path: &str, error: &io::Error) -> Line {
        let (number, words) = (error.raw_os_error().unwrap_or(0), words(error));
        Line::error(format!("(1103): Could not open file '{path}' due to [({number})-({words})]."))
    }

    /// (1202): the configuration is wrong; the end of the start.
    #[must_use]
    pub fn configuration(path: &str) -> Line {
        Line::error(format!("(1202): Configuration error at '{path}'."))
    }

    /// (1210): the queue cannot be read or made.
    #[must_use]
    pub fn queue(path: &str, error: &io::Error) -> Line {
        Line::error(format!("(1210): Queue '{path}' not accessible: '{}'", words(error)))
    }

    /// (1225): the end, by a signal.
    #[must_use]
    pub fn signal(number: i32, name: &str) -> Line {
        Line::info(format!("(1225): SIGNAL [({number})-({name})] Received. Exit Cleaning..."))
    }

    /// (1235): a value that its element does not take.
    #[must_use]
    pub fn value(element: &str, value: &str) -> Line {
        Line::error(format!("(1235): Invalid value for element '{element}': {value}."))
    }

    /// (1311): no such command.
    #[must_use]
    pub fn name(command: &str) -> Line {
        Line::error(format!("(1311): Invalid command name '{command}' provided."))
    }

    /// (1312): a program did not start.
    #[must_use]
    pub fn executing(path: &str, error: &str) -> Line {
        Line::error(format!("(1312): Error executing '{path}': {error}"))
    }

    /// (1313): a line of `ar.conf` is none.
    #[must_use]
    pub fn ar_conf(path: &str) -> Line {
        Line::error(format!("(1313): Invalid active response config: '{path}'."))
    }

    /// (1314): the stop begins.
    #[must_use]
    pub fn shutdown() -> Line {
        Line::info("(1314): Shutdown received. Deleting responses.")
    }

    /// (1315): not JSON.
    #[must_use]
    pub fn not_json(message: &str) -> Line {
        Line::error(format!("(1315): Invalid JSON message: '{message}'"))
    }

    /// (1316): no text under `command`.
    #[must_use]
    pub fn no_command(message: &str) -> Line {
        Line::error(format!("(1316): Invalid AR command: '{message}'"))
    }

    /// (1317): a response did not start.
    #[must_use]
    pub fn launch(error: &str) -> Line {
        Line::error(format!("(1317): Could not launch command {error}"))
    }

    /// (1318): a name of more than 256 bytes.
    #[must_use]
    pub fn truncated(name: &str) -> Line {
        Line::error(format!("(1318): Command name truncated {name}"))
    }

    /// (1350): `<disabled>yes</disabled>`.
    #[must_use]
    pub fn disabled() -> Line {
        Line::info("(1350): Active response disabled.")
    }

    /// It works now, as this process (`debug_messages.h`, `STARTUP_MSG`).
    #[must_use]
    pub fn started(pid: u32) -> Line {
        Line::info(format!("Started (pid: {pid})."))
    }

    /// A value of `<repeated_offenders>`, in minutes.
    #[must_use]
    pub fn offenders(minutes: u64, number: usize) -> Line {
        Line::info(format!("Adding offenders timeout: {minutes} (for #{number})"))
    }

    /// A program begins.
    #[must_use]
    pub fn executing_command(program: &str, message: &str) -> Line {
        Line::debug(format!("Executing command '{program} {message}'"))
    }

    /// A program undoes.
    #[must_use]
    pub fn executing_after(program: &str, message: &str, seconds: u64) -> Line {
        Line::debug(format!("Executing command '{program} {message}' after a timeout of '{seconds}s'"))
    }

    /// An entry begins.
    #[must_use]
    pub fn adding(program: &str, message: &str, seconds: u64) -> Line {
        Line::debug(format!(
            "Adding command '{program} {message}' to the timeout list, with a timeout of '{seconds}s'."
        ))
    }

    /// An entry is in force already.
    #[must_use]
    pub fn already() -> Line {
        Line::debug("Command already received, updating time of addition to now.")
    }

    /// One more offence.
    #[must_use]
    pub fn repeated(seconds: u64) -> Line {
        Line::debug(format!("Repeated offender. Setting timeout to '{seconds}s'"))
    }

    /// A program ended without a word.
    #[must_use]
    pub fn no_keys(program: &str) -> Line {
        Line::debug(format!(
            "Active response won't be added to timeout list. Message not received with alert keys from script '{program}'"
        ))
    }

    /// What the system calls an error, without Rust's number behind it.
    fn words(error: &io::Error) -> String {
        let text = error.to_string();
        match text.split_once(" (os error ") {
            Some((words, _)) => words.to_owned(),
            None => text,
        }
    }
}

#[cfg(unix)]
fn append(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

    use rustix::io::Errno;

    // Wazuh's own user may write the folder: a link that it put there is not
    // followed, and a pipe is not waited for.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let mut options = options();
    options.append(true).mode(0o640).custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            // A folder of Wazuh's belongs to its group, which reads its logs.
            let folder = path.parent().and_then(|folder| std::fs::metadata(folder).ok());
            if let Some(folder) = folder {
                let group = rustix::fs::Gid::from_raw(folder.gid());
                // Without the right to it the file stays with our own group.
                let _ = rustix::fs::fchown(&file, None, Some(group));
            }
            Ok(file)
        }
        // A link that leads nowhere exists too, and is not followed.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let no_file = || io::Error::other("it is a pipe or a device, not a file; remove it");
            let file = options.open(path).map_err(|error| match Errno::from_io_error(&error) {
                // Nobody reads the pipe.
                Some(Errno::NXIO) => no_file(),
                _ => error,
            })?;
            if file.metadata()?.is_file() { Ok(file) } else { Err(no_file()) }
        }
        Err(error) => Err(error),
    }
}

/// Windows has no engine in place of `wazuh-execd`.
#[cfg(not(unix))]
fn append(_: &Path) -> io::Result<File> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "it is written on Unix only"))
}

#[cfg(unix)]
fn options() -> std::fs::OpenOptions {
    #[expect(clippy::disallowed_methods, reason = "this module owns Wazuh's log")]
    std::fs::OpenOptions::new()
}

fn shown(wall_ms: i64, line: &Line) -> String {
    let time = jiff::Timestamp::from_millisecond(wall_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let time = time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y/%m/%d %H:%M:%S");
    // What a message holds cannot begin a line of its own.
    let text: String = line.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{time} wazuh-execd: {}: {text}\n", line.level)
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
            "cannot write Wazuh's log {path}: {}; look at its folder, or name Wazuh's home with --root",
            self.source
        )
    }
}

impl std::error::Error for Unwritable {}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(path: &Path) -> String {
        #[expect(clippy::disallowed_methods, reason = "a file of this test")]
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn lines_have_wazuhs_shape_and_stand_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ossec.log");
        let log = OssecLog::open(path.clone(), false).unwrap();
        log.write(1_763_632_800_123, &text::shutdown()).unwrap();
        log.write(1_763_632_800_123, &text::already()).unwrap();
        log.write(1_763_632_800_123, &text::not_json("a\nb")).unwrap();
        let written = read(&path);
        let lines: Vec<_> = written.lines().collect();
        assert_eq!(lines.len(), 2, "{written}");
        let (time, rest) = lines[0].split_at(19);
        assert_eq!(rest, " wazuh-execd: INFO: (1314): Shutdown received. Deleting responses.");
        assert!(time.bytes().zip(*b"dddd/dd/dd dd:dd:dd").all(|(b, shape)| b == shape || b.is_ascii_digit()));
        assert!(lines[1].ends_with(" wazuh-execd: ERROR: (1315): Invalid JSON message: 'a b'"));
    }

    #[test]
    fn debug_lines_are_written_when_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ossec.log");
        OssecLog::open(path.clone(), true).unwrap().write(0, &text::repeated(300)).unwrap();
        assert!(read(&path).ends_with("wazuh-execd: DEBUG: Repeated offender. Setting timeout to '300s'\n"));
    }

    #[test]
    fn an_existing_file_keeps_its_mode_and_a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ossec.log");
        let log = OssecLog::open(path.clone(), false).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o660)).unwrap();
        log.write(0, &text::disabled()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);

        let victim = dir.path().join("victim");
        for target in [&path, &victim] {
            let link = dir.path().join("link");
            std::os::unix::fs::symlink(target, &link).unwrap();
            assert!(OssecLog::open(link.clone(), false).is_err());
            rustix::fs::unlink(&link).unwrap();
        }
        assert!(!victim.exists());
    }

    #[test]
    fn a_pipe_in_its_place_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ossec.log");
        let log = OssecLog::open(path.clone(), false).unwrap();
        rustix::fs::unlink(&path).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(log.write(0, &text::disabled()).is_err());
        rustix::fs::unlink(&path).unwrap();
        log.write(0, &text::shutdown()).unwrap();
        assert!(read(&path).contains("(1314)"));
    }

    #[test]
    fn a_rotated_file_is_not_written_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ossec.log");
        let log = OssecLog::open(path.clone(), false).unwrap();
        rustix::fs::rename(&path, dir.path().join("old")).unwrap();
        log.write(0, &text::disabled()).unwrap();
        assert!(read(&path).contains("(1350)"));
        assert_eq!(read(&dir.path().join("old")), "");
    }

    #[test]
    fn what_cannot_be_written_is_said_once() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("logs");
        std::fs::create_dir(&folder).unwrap();
        let log = OssecLog::open(folder.join("ossec.log"), false).unwrap();
        rustix::fs::rename(&folder, dir.path().join("gone")).unwrap();
        assert!(log.write(0, &text::disabled()).is_err());
        assert!(log.write(0, &text::disabled()).is_ok());
        rustix::fs::rename(dir.path().join("gone"), &folder).unwrap();
        log.write(0, &text::shutdown()).unwrap();
        assert!(read(&folder.join("ossec.log")).contains("(1314)"));
    }

    #[test]
    fn system_errors_are_named_as_c_names_them() {
        let missing = io::Error::from_raw_os_error(2);
        assert_eq!(
            text::no_file("etc/shared/ar.conf", &missing).text,
            "(1103): Could not open file 'etc/shared/ar.conf' due to [(2)-(No such file or directory)]."
        );
    }
}
