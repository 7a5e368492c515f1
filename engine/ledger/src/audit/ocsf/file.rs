//! The file that OCSF events go to.
//!
//! It is a copy for others to read: what cannot be written to it is reported
//! and lost, and the audit goes on.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::chain::Head;
use super::super::event::Event;
use super::super::{Settings, files};
use super::remediation;

/// Appends events to a file, many to a write.
pub(in super::super) struct Writer {
    file: Option<(PathBuf, File)>,
    /// The audit's number of the first event that was written to the file.
    first: Option<u64>,
    buffer: Vec<u8>,
    failing: bool,
}

impl Writer {
    pub(in super::super) fn new() -> Self {
        Self { file: None, first: None, buffer: Vec::new(), failing: false }
    }

    /// Takes a step up for the next write, when it is one.
    pub(in super::super) fn write(&mut self, time: i64, head: Head, event: &Event) {
        let Some(event) = remediation(time, head, event) else { return };
        self.first.get_or_insert(head.count);
        // A value always has a text, and a vector takes it.
        let _ = serde_json::to_writer(&mut self.buffer, &event);
        self.buffer.push(b'\n');
    }

    /// Writes what was taken up.
    pub(in super::super) fn flush(&mut self, path: &Path, settings: &Settings) {
        if self.buffer.is_empty() {
            return;
        }
        let buffer = std::mem::take(&mut self.buffer);
        match self.append(path, &buffer, settings) {
            Ok(()) => self.failing = false,
            Err(error) => {
                if !self.failing {
                    tracing::error!(path = %path.display(), %error, "cannot write the OCSF events; they are lost");
                }
                self.failing = true;
            }
        }
    }

    fn append(&mut self, path: &Path, buffer: &[u8], settings: &Settings) -> std::io::Result<()> {
        let named = std::fs::metadata(path).ok().map(|named| (named.dev(), named.ino()));
        let open = match &self.file {
            Some((at, file)) if at == path => file.metadata().ok().map(|open| (open.dev(), open.ino())),
            _ => None,
        };
        if open.is_none() || named != open {
            self.file = Some((path.to_owned(), files::open_to_append(path)?));
        }
        let Some((_, file)) = &mut self.file else { return Ok(()) };
        file.write_all(buffer)?;
        if file.metadata()?.len() >= settings.full_bytes {
            let full = files::full_name(path, self.first.take().unwrap_or(0));
            if !full.exists() {
                #[expect(clippy::disallowed_methods, reason = "this module owns the OCSF events")]
                std::fs::rename(path, full)?;
                self.file = None;
            }
        }
        Ok(())
    }

    /// Removes full files that were last written to before a time.
    pub(in super::super) fn prune(&self, path: &Path, before_ms: i64) {
        // What cannot be listed or removed is tried again in an hour.
        for full in files::full(path).unwrap_or_default() {
            let old =
                std::fs::metadata(&full).is_ok_and(|found| found.mtime().saturating_mul(1_000) < before_ms);
            if old {
                #[expect(clippy::disallowed_methods, reason = "this module owns the OCSF events")]
                let _ = std::fs::remove_file(&full);
            }
        }
    }
}
