//! One process of this host, held open: proc(5) and pidfd_open(2).
//!
//! What `/proc/N` says belongs to whoever has the number at that moment. With
//! the descriptor opened first, either it is the process that was read about,
//! or that one has ended and a signal reaches nobody. So a start time need not
//! be compared: a descriptor never comes to mean another process.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

/// The kernel's mark of its own threads (`PF_KTHREAD` in `linux/sched.h`).
const KERNEL_THREAD: u64 = 0x0020_0000;
/// How often is looked whether a killed process has ended.
const LOOK: Duration = Duration::from_millis(2);
/// What the kernel writes behind the name of a file that was removed.
const DELETED: &[u8] = b" (deleted)";

/// A process, held open.
#[derive(Debug)]
pub(crate) struct Process {
    number: Pid,
    fd: OwnedFd,
}

/// What the kernel says of a process (`/proc/N/stat`, `/proc/N/status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// Its parent.
    pub(crate) parent: u32,
    /// Whether it is a thread of the kernel.
    pub(crate) kernel: bool,
    /// Whether it has ended, and only was not reaped yet.
    pub(crate) over: bool,
    /// Whose process it is: its real user, also while it acts for another.
    pub(crate) uid: u32,
}

/// The numbers of all processes.
///
/// # Errors
///
/// When `/proc` cannot be read.
pub(crate) fn numbers() -> Result<Vec<u32>, std::io::Error> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The engine, and what started it: its parent, the parent of that, and so on.
pub(crate) fn ancestry() -> Vec<u32> {
    let mut line = Vec::new();
    let mut next = u32::try_from(getpid().as_raw_pid()).unwrap_or_default();
    // A parent that cannot be seen (another namespace) is 0.
    while next > 1 && !line.contains(&next) {
        line.push(next);
        next = status(next).map_or(0, |status| status.parent);
    }
    line
}

/// What the kernel says of a number now; `None` when nobody has it.
pub(crate) fn status(number: u32) -> Option<Status> {
    let stat = text(&format!("/proc/{number}/stat"))?;
    // The name in brackets may itself hold brackets and blanks.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let over = matches!(fields.next()?, "Z" | "X" | "x");
    let parent = fields.next()?.parse().ok()?;
    let flags: u64 = fields.nth(4)?.parse().ok()?;
    let status = text(&format!("/proc/{number}/status"))?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let uid = uids.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Status { parent, kernel: flags & KERNEL_THREAD != 0, over, uid })
}

/// Whether root has put the process into a container, whose users only have
/// the numbers of users of this machine. One that a user has made without root
/// is in a user namespace of its own, and is the user's all the same.
pub(crate) fn contained(number: u32) -> bool {
    let same = |kind: &str| {
        let of = |who: &str| std::fs::read_link(format!("/proc/{who}/ns/{kind}")).ok();
        of(&number.to_string()) == of("self")
    };
    !same("pid") && same("user")
}

/// The name of the program file of a number. `None` when nobody has it, for
/// threads of the kernel, and for what has ended and was not yet reaped.
pub(crate) fn program(number: u32) -> Option<OsString> {
    let exe = PathBuf::from(format!("/proc/{number}/exe"));
    let path = std::fs::read_link(&exe).ok()?;
    let name = path.file_name()?.to_owned().into_vec();
    match name.strip_suffix(DELETED) {
        Some(name) if !is(&exe, number, &path) => Some(OsString::from_vec(name.to_vec())),
        _ => Some(OsString::from_vec(name)),
    }
}

/// Whether the file at `path`, as the process sees it, is what it runs: then
/// `(deleted)` is a part of its name, which anybody can give to a file.
fn is(exe: &Path, number: u32, path: &Path) -> bool {
    let Ok(below) = path.strip_prefix("/") else { return false };
    let there = rustix::fs::stat(Path::new(&format!("/proc/{number}/root")).join(below));
    match (there, rustix::fs::stat(exe)) {
        (Ok(there), Ok(runs)) => (there.st_dev, there.st_ino) == (runs.st_dev, runs.st_ino),
        _ => false,
    }
}

impl Process {
    /// Takes hold of the process that has this number now. `None`: nobody has
    /// it, or a thread that is no process.
    ///
    /// # Errors
    ///
    /// When the kernel does not let it, such as before Linux 5.3.
    pub(crate) fn open(number: u32) -> Result<Option<Self>, Errno> {
        let Some(number) = i32::try_from(number).ok().and_then(Pid::from_raw) else { return Ok(None) };
        match pidfd_open(number, PidfdFlags::empty()) {
            Ok(fd) => Ok(Some(Self { number, fd })),
            // INVAL, since Linux 6.9 NOENT: the number of a thread that leads
            // no process.
            Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends it at once. `false`: it had ended.
    ///
    /// # Errors
    ///
    /// When the engine may not.
    pub(crate) fn kill(&self) -> Result<bool, Errno> {
        match pidfd_send_signal(&self.fd, Signal::KILL) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits for its end, for a time. `false`: it has not ended. To be asked of
    /// a process that was killed: it is killed again each time.
    ///
    /// # Errors
    ///
    /// When the engine may not.
    pub(crate) async fn ended(&self, within: Duration) -> Result<bool, Errno> {
        let over = async {
            // The kernel needs a moment, not a notice: a descriptor of a process
            // tells of its end, but tokio watches it by unsafe code only.
            while self.kill()? && status(self.number()).is_some_and(|status| !status.over) {
                tokio::time::sleep(LOOK).await;
            }
            Ok(true)
        };
        tokio::time::timeout(within, over).await.unwrap_or(Ok(false))
    }

    /// Its number.
    pub(crate) fn number(&self) -> u32 {
        u32::try_from(self.number.as_raw_pid()).unwrap_or_default()
    }
}

#[expect(clippy::disallowed_methods, reason = "this module owns the capability of acting on processes")]
fn text(path: &str) -> Option<String> {
    std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}
