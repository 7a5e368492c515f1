//! Every step as a line of JSON, each bound to the line before.
//!
//! Lines are appended by a thread of their own, many to a write. A disk that
//! cannot keep up is waited for; one that fails is reported once and counted,
//! since a response must not fail for want of a log. When it works again, a
//! line says how many are missing.
//!
//! # Layout
//!
//! * [`event`](Event): what is said of one step.
//! * [`chain`]: a line, and what binds it to the line before.
//! * `resume`: where a start goes on from.
//! * `writer`: the thread; it also begins new files and removes old ones.
//! * [`verify`]: whether anything was edited, removed, inserted or cut off.
//! * [`signed`]: heads of the chain that a key vouches for.
//! * [`scan`]: reading events back.
//! * [`tail`]: what the newest of them tell of entries.
//! * [`ocsf`]: the same steps in the words of OCSF.
//!
//! # What is on the disk when
//!
//! Lines are handed to the kernel as soon as they are queued, so the end of the
//! process loses none that was written. They are forced to the disk within a
//! second, and before a file is closed; only what is on the disk is noted as
//! the head in the ledger. So a loss of power costs at most the last second,
//! and never looks like somebody's work.

pub mod chain;
pub mod ocsf;
pub mod scan;
pub mod signed;
pub mod tail;
pub mod time;
pub mod verify;

mod event;
mod files;
mod resume;
mod writer;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use self::event::{About, Event};
use self::signed::SigningKey;
use self::writer::{Message, Writing};
use crate::clock::Clock;
use crate::ledger::Heads;

/// Events waiting to be written.
const QUEUE: usize = 4_096;

/// When files are full, how long they are kept, and what else is written.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A file with this many bytes is full.
    pub full_bytes: u64,
    /// So is one whose first line is this old.
    pub full_age: Duration,
    /// A full file whose last line is this old is removed.
    pub keep: Duration,
    /// Where the same steps are written in the words of OCSF, if at all.
    pub ocsf: Option<PathBuf>,
    /// Who vouches for heads of the chain, where, and how often.
    pub signing: Option<Signing>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            full_bytes: 100 << 20,
            full_age: Duration::from_secs(7 * 86_400),
            keep: Duration::from_secs(90 * 86_400),
            ocsf: None,
            signing: None,
        }
    }
}

/// Who vouches for heads of the chain.
#[derive(Clone, Debug)]
pub struct Signing {
    /// The key.
    pub key: Arc<SigningKey>,
    /// The file that signed heads are appended to.
    pub file: PathBuf,
    /// How often, while there is anything new.
    pub every: Duration,
    /// What this machine is called.
    pub host: String,
}

/// Takes copies of what is written to where this machine cannot change them.
/// It must return at once, whatever becomes of the copy.
pub trait Copies: Send + Sync {
    /// A line was written; it ends with a line feed.
    fn line(&self, event: &Event, line: &str);

    /// A head was signed: one line of JSON.
    fn head(&self, line: &str);
}

/// How the audit is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why lines cannot be written now.
    pub trouble: Option<String>,
    /// What does not fit in the files that were found at the start.
    pub broken: Option<String>,
}

/// The audit, written by a thread of its own.
pub struct Audit {
    clock: Arc<dyn Clock>,
    /// The time is taken and the event queued together, so that lines stand in order.
    queue: Mutex<Option<SyncSender<Message>>>,
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

/// What both sides know.
#[derive(Default)]
pub(super) struct Shared {
    failed: AtomicU64,
    health: Mutex<Health>,
    copies: Mutex<Option<Arc<dyn Copies>>>,
}

impl Audit {
    /// Goes on with the audit at `path`, or begins it with mode 0640. `heads`
    /// knows how far it was written, and is told.
    ///
    /// # Errors
    ///
    /// When its files cannot be read, or the written one not be appended to.
    pub fn open(
        path: &Path,
        clock: Arc<dyn Clock>,
        heads: Heads,
        settings: Settings,
    ) -> Result<Self, Unwritable> {
        let unwritable = |source| Unwritable { path: path.to_owned(), source };
        let shared = Arc::new(Shared::default());
        let writing = Writing::open(path, Arc::clone(&clock), heads, settings, Arc::clone(&shared));
        let writing = writing.map_err(unwritable)?;
        let (lines, queued) = sync_channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writing.run(&queued))
            .map_err(unwritable)?;
        Ok(Self { clock, queue: Mutex::new(Some(lines)), shared, writer: Some(writer) })
    }

    /// Writes an event, soon.
    pub fn record(&self, event: Event) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let time = self.clock.now().wall_ms;
        // Refused only when the writer is gone, which is when the audit is.
        if let Some(lines) = &*queue
            && lines.send(Message::Event { time, event: Box::new(event) }).is_err()
        {
            self.shared.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Changes the settings from the next line on.
    pub fn configure(&self, settings: Settings) {
        self.send(Message::Configure(Box::new(settings)));
    }

    /// Sends copies of what is written from now on.
    pub fn send_copies(&self, copies: Option<Arc<dyn Copies>>) {
        *self.shared.copies.lock().unwrap_or_else(PoisonError::into_inner) = copies;
    }

    /// Returns when all that was recorded before is on the disk, and noted for
    /// the ledger's next commit.
    pub fn flush(&self) {
        let (done, flushed) = sync_channel(1);
        if self.send(Message::Flush(done)) {
            // The writer has ended: there is nothing more to wait for.
            let _ = flushed.recv();
        }
    }

    /// Events that could not be written since the start.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// How it is now.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn send(&self, message: Message) -> bool {
        // Not under the lock while waiting for room: that is for events alone.
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        queue.is_some_and(|queue| queue.send(message).is_ok())
    }
}

impl Drop for Audit {
    /// Writes what is queued.
    fn drop(&mut self) {
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(writer) = self.writer.take() {
            // A panicked writer has nothing more to write.
            let _ = writer.join();
        }
    }
}

/// The audit cannot be written.
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
            "cannot write the audit {path}: {}; make its folder writable, or choose another with --home",
            self.source
        )
    }
}

impl std::error::Error for Unwritable {}

#[cfg(test)]
mod tests;
