//! Reading events back: one file after the other, line by line.
//!
//! What is read is not verified, beyond what a line says of itself:
//! [`verify`](super::verify) is for that.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use serde::Deserialize;

use super::event::Event;
use super::files::{self, Forward};

/// An event as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Recorded {
    /// When, RFC 3339 in UTC.
    pub time: String,
    /// The number of its line.
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Which events to read. Everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Not before this time, wall clock in milliseconds.
    pub since_ms: Option<i64>,
    /// Not after this time.
    pub until_ms: Option<i64>,
    /// Only lines with one of these texts somewhere; empty: all. A first
    /// sieve, much cheaper than reading the line: what passes may be about
    /// something else all the same.
    pub texts: Vec<String>,
}

/// Reads the events in a window, in the order they were written, until `each`
/// has enough. Needs memory for one line, whatever the size of the files; files
/// that lie outside of the window are not read.
///
/// # Errors
///
/// When a file cannot be read. That there is none is no error.
pub fn scan(
    path: &Path,
    window: &Window,
    mut each: impl FnMut(Recorded) -> ControlFlow<()>,
) -> io::Result<()> {
    let since = window.since_ms.map(|ms| super::time::Utc(ms).to_string());
    let until = window.until_ms.map(|ms| super::time::Utc(ms).to_string());
    let texts: Vec<String> = window.texts.iter().map(|text| as_json(text)).collect();
    for part in files::list(path)? {
        if let Some((first, last)) = files::span(&part)?
            && (window.since_ms.is_some_and(|since| last < since)
                || window.until_ms.is_some_and(|until| first > until))
        {
            continue;
        }
        let mut lines = Forward::new(&part.file)?;
        while let Some(line) = lines.next_line()? {
            if !texts.is_empty() && !texts.iter().any(|text| holds(&line.bytes, text.as_bytes())) {
                continue;
            }
            // Not of a chain: torn, or another program's.
            let Ok(recorded) = serde_json::from_slice::<Recorded>(&line.bytes) else { continue };
            let before = since.as_ref().is_some_and(|since| recorded.time < *since);
            if before || until.as_ref().is_some_and(|until| recorded.time > *until) {
                continue;
            }
            if each(recorded).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A text as it stands within a string of JSON.
fn as_json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned()
}

fn holds(line: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(line, text).is_some()
}
