//! Every step as a line of JSON.
//!
//! Lines are appended by a thread of their own, many to a write. A disk that
//! cannot keep up is waited for; one that fails is reported once and counted,
//! since a response must not fail for want of a log.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde::{Serialize, Serializer};

use crate::clock::Clock;

/// Events waiting to be written.
const QUEUE: usize = 4_096;

/// One step of one response, or one act of an operator. Absent fields are left
/// out of the line.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Event {
    /// What happened: `in-force`, `undone`, `refused`, ...
    pub kind: String,
    /// The entry it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<i64>,
    /// Whose response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Name of the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Name of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// The agent it runs for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What it acts on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// `id` of the alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_id: Option<String>,
    /// `rule.id` of the alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<String>,
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Why, in their words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The rest, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How many events like this one it stands for; 0 and 1 are one.
    #[serde(skip_serializing_if = "is_one")]
    pub count: u64,
    /// When the first of them was, where it stands for several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_one(count: &u64) -> bool {
    *count <= 1
}

/// The audit, written by a thread of its own.
pub struct Audit {
    clock: Arc<dyn Clock>,
    /// Numbers are given and queued together, so that lines stand in order.
    queue: Mutex<Queue>,
    failed: Arc<AtomicU64>,
    writer: Option<JoinHandle<()>>,
}

struct Queue {
    next: u64,
    lines: Option<SyncSender<Line>>,
}

/// An event as it is written.
#[derive(Serialize)]
struct Line {
    #[serde(serialize_with = "rfc3339")]
    time: i64,
    seq: u64,
    #[serde(flatten)]
    event: Event,
}

impl Audit {
    /// Appends to `path`, made with mode 0640 when it is not there. Numbers
    /// begin at 1 with every start.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened for appending.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, Unwritable> {
        let unwritable = |source| Unwritable { path: path.to_owned(), source };
        #[expect(clippy::disallowed_methods, reason = "this module owns the audit")]
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .open(path)
            .map_err(unwritable)?;
        let (lines, queued) = sync_channel(QUEUE);
        let failed = Arc::new(AtomicU64::new(0));
        let (at, count) = (path.to_owned(), Arc::clone(&failed));
        let writer = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write(file, &at, &queued, &count))
            .map_err(unwritable)?;
        let queue = Mutex::new(Queue { next: 1, lines: Some(lines) });
        Ok(Self { clock, queue, failed, writer: Some(writer) })
    }

    /// Writes an event, soon.
    pub fn record(&self, event: Event) {
        let time = self.clock.now().wall_ms;
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = queue.next;
        queue.next += 1;
        // Refused only when the writer is gone, which is when the audit is.
        if let Some(lines) = &queue.lines
            && lines.send(Line { time, seq, event }).is_err()
        {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Events that could not be written since the start.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

impl Drop for Audit {
    /// Writes what is queued.
    fn drop(&mut self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).lines = None;
        if let Some(writer) = self.writer.take() {
            // A panicked writer has nothing more to write.
            let _ = writer.join();
        }
    }
}

fn write(file: std::fs::File, path: &Path, queued: &Receiver<Line>, failed: &AtomicU64) {
    let mut out = io::BufWriter::with_capacity(1 << 16, file);
    let mut failing = false;
    while let Ok(first) = queued.recv() {
        let mut lines = 0;
        let mut result = Ok(());
        for line in std::iter::once(first).chain(queued.try_iter()) {
            lines += 1;
            result = result.and_then(|()| serde_json::to_writer(&mut out, &line).map_err(io::Error::from));
            result = result.and_then(|()| out.write_all(b"\n"));
        }
        match result.and_then(|()| out.flush()) {
            Ok(()) => failing = false,
            Err(error) => {
                failed.fetch_add(lines, Ordering::Relaxed);
                if !failing {
                    tracing::error!(path = %path.display(), %error, "cannot write the audit; free some space");
                    failing = true;
                }
            }
        }
    }
}

/// Milliseconds since 1970 as RFC 3339 in UTC, with milliseconds.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn rfc3339<S: Serializer>(ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Utc(*ms))
}

struct Utc(i64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        // Years begin in March here, so that the leap day is a year's last.
        let era_days = days + 719_468;
        let (era, day) = (era_days.div_euclid(146_097), era_days.rem_euclid(146_097));
        let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day_of_month = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (hour, minute, second, milli) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
        write!(f, "{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
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
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test that reads what was written")]
    fn events_are_lines_in_order() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("audit.jsonl");
        let audit = Audit::open(&path, Arc::new(ManualClock::new())).expect("an audit");
        for n in 0..1_000 {
            audit.record(Event { kind: "undone".to_owned(), entry: Some(n), ..Event::default() });
        }
        assert_eq!(audit.failed(), 0);
        drop(audit);
        let file = std::fs::read_to_string(&path).expect("the file");
        let lines: Vec<_> = file.lines().collect();
        assert_eq!(lines.len(), 1_000);
        assert_eq!(lines[6], r#"{"time":"2026-01-01T12:00:00.000Z","seq":7,"kind":"undone","entry":6}"#);
    }

    #[test]
    fn dates_are_right() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Utc(ms).to_string(), text);
        }
    }
}
