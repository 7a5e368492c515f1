//! Wakes the intake when its file changes.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

/// How often to look where no notification can be had (a network file system,
/// no inotify instances left): also the longest a stop request waits.
const AT_LEAST: Duration = Duration::from_millis(200);

/// A watch on the folder that holds the file.
pub struct Watch {
    inotify: Option<OwnedFd>,
}

impl Watch {
    /// Watches the folder of `file`: changes of the file, and its rotation.
    #[must_use]
    pub fn new(file: &Path) -> Self {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let watch = || {
            let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            let events =
                WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MOVED_FROM;
            inotify::add_watch(&inotify, folder, events)?;
            rustix::io::Result::Ok(inotify)
        };
        let inotify = watch()
            .inspect_err(|errno| tracing::warn!(%errno, folder = %folder.display(), "cannot watch, looking 5 times a second"))
            .ok();
        Self { inotify }
    }

    /// Returns when something changed, and after a fifth of a second anyway.
    pub fn wait(&self) {
        let Some(inotify) = &self.inotify else {
            std::thread::sleep(AT_LEAST);
            return;
        };
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(AT_LEAST.subsec_nanos()) };
        let mut fds = [PollFd::new(inotify, PollFlags::IN)];
        // An interrupted wait is a short wait: the caller looks again anyway.
        let _ = poll(&mut fds, Some(&timeout));
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(inotify, &mut buffer);
        while events.next().is_ok() {}
    }
}
