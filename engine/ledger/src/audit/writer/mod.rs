//! The thread that writes.
//!
//! * `start`: what it finds.
//! * `old`: what it removes.

mod old;
mod start;

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use self::old::Age;
use super::chain::{self, Head};
use super::event::{About, Event, GAP, MOVED};
use super::files;
use super::{Settings, Shared, ocsf, signed};
use crate::clock::Clock;
use crate::ledger::Heads;

/// Most lines of one write.
const BATCH: usize = 512;

/// How long a line may wait for the disk.
const SYNC_MS: i64 = 1_000;

/// How long the thread waits for a line when nothing else is to be done.
const IDLE: Duration = Duration::from_secs(60);

/// How often old files are looked for.
const PRUNE_MS: i64 = 3_600_000;

/// What the thread is told.
pub(super) enum Message {
    /// A line to write.
    Event {
        /// When it happened, wall clock in milliseconds.
        time: i64,
        /// What happened.
        event: Box<Event>,
    },
    /// Other settings.
    Configure(Box<Settings>),
    /// Tell when all before is on the disk.
    Flush(SyncSender<()>),
}

/// The written file and its chain.
pub(super) struct Writing {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    heads: Heads,
    settings: Settings,
    shared: Arc<Shared>,
    file: File,
    /// How long the file is, by what was written to it.
    length: u64,
    /// The number and time of the file's first line.
    first: Option<(u64, i64)>,
    /// How long the file must be before it is tried again to begin a new one.
    patient_to: u64,
    head: Head,
    /// Whether there are lines that are not known to be on the disk.
    unsynced: bool,
    /// When the first of those was written, by the boot-time clock.
    unsynced_since: i64,
    /// Events that could not be written.
    missing: u64,
    signed: Head,
    signed_at: Option<i64>,
    pruned_at: Option<i64>,
    age: Age,
    ocsf: ocsf::Writer,
    buffer: Vec<u8>,
}

impl Writing {
    /// Writes what is queued until nobody can queue any more.
    pub(super) fn run(mut self, queued: &Receiver<Message>) {
        self.look_after();
        loop {
            match queued.recv_timeout(self.patience()) {
                Ok(first) => self.batch(first, queued),
                Err(RecvTimeoutError::Timeout) => self.sync(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.look_after();
        }
        self.sync();
        self.sign(true);
        self.sync();
    }

    /// How long the next line is waited for.
    fn patience(&self) -> Duration {
        if self.unsynced || self.missing > 0 {
            return Duration::from_millis(u64::try_from(SYNC_MS).unwrap_or(1_000));
        }
        let every = self.settings.signing.as_ref().map(|signing| signing.every);
        every.filter(|_| self.signed != self.head).map_or(IDLE, |every| every.min(IDLE))
    }

    /// One write for all that is queued.
    fn batch(&mut self, first: Message, queued: &Receiver<Message>) {
        let mut flushed = Vec::new();
        let mut events = Vec::new();
        for message in std::iter::once(first).chain(queued.try_iter().take(BATCH)) {
            match message {
                Message::Event { time, event } => events.push((time, *event)),
                Message::Configure(settings) => {
                    self.write(&std::mem::take(&mut events));
                    self.settings = *settings;
                }
                Message::Flush(done) => flushed.push(done),
            }
        }
        self.write(&events);
        if !flushed.is_empty() {
            self.sync();
        }
        for done in flushed {
            // Whoever asked may have stopped waiting.
            let _ = done.send(());
        }
    }

    /// What is to be done from time to time.
    fn look_after(&mut self) {
        let now = self.clock.now();
        if self.unsynced && now.boot_ms.saturating_sub(self.unsynced_since) >= SYNC_MS {
            self.sync();
        }
        self.sign(false);
        self.rotate_if_full(now.wall_ms);
        if self.pruned_at.is_none_or(|at| now.boot_ms.saturating_sub(at) >= PRUNE_MS) {
            self.pruned_at = Some(now.boot_ms);
            self.prune(&now);
        }
    }

    /// One event of the audit's own.
    fn say(&mut self, event: Event) {
        let time = self.clock.now().wall_ms;
        self.write(&[(time, event)]);
    }

    /// Appends events, all or none of them. What cannot be written is counted.
    fn write(&mut self, events: &[(i64, Event)]) {
        if events.is_empty() {
            return;
        }
        match self.try_write(events) {
            Ok(()) => {
                if self.missing > 0 {
                    tracing::warn!(missing = self.missing, "the audit can be written again");
                }
                self.missing = 0;
                self.shared.health.lock().unwrap_or_else(PoisonError::into_inner).trouble = None;
            }
            Err(error) => {
                let lost = events.len() as u64;
                if self.missing == 0 {
                    let path = self.path.display();
                    tracing::error!(%path, %error, "cannot write the audit; free some space");
                }
                self.missing = self.missing.saturating_add(lost);
                self.shared.failed.fetch_add(lost, Ordering::Relaxed);
                let mut health = self.shared.health.lock().unwrap_or_else(PoisonError::into_inner);
                health.trouble = Some(format!("cannot write {}: {error}", self.path.display()));
            }
        }
    }

    fn try_write(&mut self, events: &[(i64, Event)]) -> io::Result<()> {
        let mut own = self.follow()?;
        if self.missing > 0 {
            own.push(Event {
                kind: GAP.into(),
                detail: Some(format!("{} events before this one could not be written", self.missing)),
                chain: Some(About { count: Some(self.missing), ..About::default() }),
                ..Event::default()
            });
        }
        let now = self.clock.now();
        let own: Vec<_> = own.into_iter().map(|event| (now.wall_ms, event)).collect();
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let mut head = self.head;
        let mut ends = Vec::with_capacity(events.len());
        for (time, event) in own.iter().chain(events) {
            head = chain::append(&mut buffer, head, *time, event);
            ends.push((buffer.len(), head));
        }
        let written = self.file.write_all(&buffer);
        if written.is_ok() {
            self.length = self.length.saturating_add(buffer.len() as u64);
            let first = own.first().or_else(|| events.first()).map_or(now.wall_ms, |(time, _)| *time);
            self.first.get_or_insert((self.head.count.saturating_add(1), first));
            self.head = head;
            if !self.unsynced {
                (self.unsynced, self.unsynced_since) = (true, now.boot_ms);
            }
            self.copy(&buffer, own.iter().chain(events), &ends);
        }
        self.buffer = buffer;
        written
    }

    /// Copies of lines that were written.
    fn copy<'a>(
        &mut self,
        buffer: &[u8],
        events: impl Iterator<Item = &'a (i64, Event)>,
        ends: &[(usize, Head)],
    ) {
        let copies = self.shared.copies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if copies.is_none() && self.settings.ocsf.is_none() {
            return;
        }
        let mut begin = 0;
        for ((time, event), (end, head)) in events.zip(ends) {
            let line =
                buffer.get(begin..*end).and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
            begin = *end;
            if let Some(copies) = &copies {
                copies.line(event, line);
            }
            if self.settings.ocsf.is_some() {
                self.ocsf.write(*time, *head, event);
            }
        }
        if let Some(path) = &self.settings.ocsf {
            self.ocsf.flush(path, &self.settings);
        }
    }

    /// Holds the file that is written against the one of its name: others may
    /// have moved it, cut it, or written to it.
    fn follow(&mut self) -> io::Result<Vec<Event>> {
        let open = self.file.metadata()?;
        // Renaming and removing is told by the name.
        let named = std::fs::symlink_metadata(&self.path).ok();
        let gone = named.as_ref().is_none_or(|named| (named.dev(), named.ino()) != (open.dev(), open.ino()));
        let about = |bytes| Some(About { bytes: Some(bytes), ..About::default() });
        let mut said = Vec::new();
        let mut report = |text: &str, bytes: u64| {
            tracing::warn!(path = %self.path.display(), "{text}");
            let detail = Some(text.to_owned());
            said.push(Event { kind: MOVED.into(), detail, chain: about(bytes), ..Event::default() });
        };
        if gone {
            if self.missing > 0 {
                // Part of a write of ours that failed, and that is no line of the chain.
                self.file.set_len(self.length)?;
            }
            // Nothing of ours is to be left behind in it.
            self.file.sync_data()?;
            files::clear(&self.path)?;
            let new = files::open_to_append(&self.path)?;
            report(
                "the file of the audit was moved or removed by another program; a new one begins",
                self.length,
            );
            (self.length, self.file, self.first) = (new.metadata()?.len(), new, None);
        } else if open.len() < self.length {
            report("the file of the audit was cut by another program", self.length);
            (self.length, self.first) = (open.len(), None);
        } else if open.len() > self.length {
            if self.missing > 0 {
                // Part of a write of ours that failed.
                self.file.set_len(self.length)?;
            } else {
                report(
                    "another program wrote to the file of the audit",
                    open.len().saturating_sub(self.length),
                );
                self.length = open.len();
            }
        }
        if !said.is_empty() && !self.ends_with_line_feed()? {
            self.file.write_all(b"\n")?;
            self.length = self.length.saturating_add(1);
        }
        Ok(said)
    }

    fn ends_with_line_feed(&self) -> io::Result<bool> {
        let Some(last) = self.length.checked_sub(1) else { return Ok(true) };
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, last)?;
        Ok(byte == *b"\n")
    }

    /// Forces lines to the disk, and only then notes the head: power that fails
    /// must not look like somebody who cuts.
    fn sync(&mut self) {
        if self.missing > 0 {
            // Whether the disk has room again is found out with the gap's line.
            self.retry();
        }
        if !self.unsynced {
            return;
        }
        match self.file.sync_data() {
            Ok(()) => {
                self.unsynced = false;
                self.heads.note(self.head);
            }
            Err(error) => {
                let path = self.path.display();
                tracing::error!(%path, %error, "the audit cannot be forced to the disk; tried again");
                self.unsynced_since = self.clock.now().boot_ms;
            }
        }
    }

    /// Tries to write again, without a new event: the gap alone.
    fn retry(&mut self) {
        let missing = self.missing;
        if self.try_write(&[]).is_ok() {
            tracing::warn!(missing, "the audit can be written again");
            self.missing = 0;
            self.shared.health.lock().unwrap_or_else(PoisonError::into_inner).trouble = None;
        }
    }

    /// Has the key vouch for the head, when it is time and there is a new one.
    fn sign(&mut self, now: bool) {
        let Some(signing) = self.settings.signing.clone() else { return };
        let time = self.clock.now();
        let every = i64::try_from(signing.every.as_millis()).unwrap_or(i64::MAX);
        let due = self.signed_at.is_none_or(|at| time.boot_ms.saturating_sub(at) >= every);
        if self.signed == self.head || !(now || due) {
            return;
        }
        // What is vouched for must be there after a loss of power.
        self.sync();
        if self.unsynced {
            return;
        }
        let line = signed::sign(&signing.key, &signing.host, time.wall_ms, self.head);
        if let Err(error) = signed::append(&signing.file, &line) {
            let path = signing.file.display();
            tracing::error!(%path, %error, "a signed head of the audit cannot be written");
        }
        let copies = self.shared.copies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(copies) = copies {
            copies.head(line.trim_end());
        }
        (self.signed, self.signed_at) = (self.head, Some(time.boot_ms));
    }

    /// Begins a new file when this one is full.
    fn rotate_if_full(&mut self, wall_ms: i64) {
        let Some((first, since)) = self.first else { return };
        let age = i64::try_from(self.settings.full_age.as_millis()).unwrap_or(i64::MAX);
        if self.length < self.settings.full_bytes.max(self.patient_to) && wall_ms.saturating_sub(since) < age
        {
            return;
        }
        self.sync();
        if self.unsynced || self.missing > 0 {
            // Only the file that is written is forced to the disk: this one first.
            return;
        }
        if let Err(error) = self.rotate(first) {
            let path = self.path.display();
            tracing::error!(%path, %error, "the full file of the audit cannot be renamed; it grows on");
            // Tried again when it is twice as full.
            self.first = Some((first, wall_ms));
            self.patient_to = self.length.saturating_mul(2);
        }
    }

    fn rotate(&mut self, first: u64) -> io::Result<()> {
        #[expect(clippy::disallowed_methods, reason = "this module owns the audit's files")]
        std::fs::rename(&self.path, unused(&self.path, first))?;
        self.file = files::open_to_append(&self.path)?;
        files::sync_folder(&self.path)?;
        (self.length, self.first, self.patient_to) = (0, None, 0);
        self.pruned_at = None;
        Ok(())
    }

    /// The number and time of the first line of a file that is there already.
    fn read_first(&mut self) -> io::Result<()> {
        let part = files::open(&self.path)?;
        let time = files::span(&part)?.map(|(first, _)| first);
        self.first = part.first.zip(time);
        Ok(())
    }
}

/// A name for a full file that no file has.
fn unused(path: &Path, first: u64) -> PathBuf {
    let name = files::full_name(path, first);
    if !name.exists() {
        return name;
    }
    // Only after others have moved files about.
    let text = name.to_string_lossy().into_owned();
    let stem = text.strip_suffix(".jsonl").unwrap_or(&text);
    (2_u32..)
        .map(|number| PathBuf::from(format!("{stem}-{number}.jsonl")))
        .find(|name| !name.exists())
        .unwrap_or(name)
}

fn shown(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
