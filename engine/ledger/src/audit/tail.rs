//! What the end of the audit tells of entries, for a start that looks for what
//! the last engine did not live to write.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::event::{BEGAN, BROKEN};
use super::files::{self, Backward};
use super::time::Utc;

/// How much is read, from the end: more than is written in a minute of a flood,
/// and a small part of a second to read.
const MOST: u64 = 16 << 20;

/// What happened so long before the newest line is not missing any more: no
/// response takes longer. It keeps a clock that once stood in another year from
/// making everything look new.
const AGO_MS: i64 = 3_600_000;

/// What the newest lines tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Nothing is missing here of what happened from then on, wall clock in
    /// milliseconds.
    pub from_ms: i64,
    told: HashSet<(i64, String)>,
}

/// The part of a line that is of interest here.
#[derive(Deserialize)]
struct Line {
    time: String,
    seq: u64,
    kind: String,
    entry: Option<i64>,
}

impl Tail {
    /// Reads the end of the audit at `path`, as far back as one chain goes.
    ///
    /// # Errors
    ///
    /// When a file cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        Self::at_most(path, MOST)
    }

    fn at_most(path: &Path, most: u64) -> io::Result<Self> {
        // Where nothing was ever written, everything is missing.
        let mut tail = Self { from_ms: i64::MIN, told: HashSet::new() };
        let (mut read, mut newest) = (0_u64, i64::MIN);
        'files: for part in files::list(path)?.iter().rev() {
            let mut back = Backward::new(&part.file)?;
            while let Some(line) = back.previous()? {
                read = read.saturating_add(line.bytes.len() as u64);
                // Torn, or another program's.
                let Ok(line) = serde_json::from_slice::<Line>(&line.bytes) else { continue };
                let Some(time) = Utc::parse(&line.time) else { continue };
                let is_first = line.seq == 1;
                // What was told before a new beginning stands in other files.
                let is_anew = line.kind == BROKEN || is_first && line.kind == BEGAN;
                newest = newest.max(time.0);
                tail.from_ms = if is_first && !is_anew { i64::MIN } else { time.0 };
                tail.told.extend(line.entry.map(|entry| (entry, line.kind)));
                if is_first || is_anew || read >= most {
                    break 'files;
                }
            }
        }
        tail.from_ms = tail.from_ms.max(newest.saturating_sub(AGO_MS));
        Ok(tail)
    }

    /// Whether there is a line of this kind about an entry.
    #[must_use]
    pub fn tells(&self, entry: i64, kind: &str) -> bool {
        self.told.contains(&(entry, kind.to_owned()))
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test that writes what is read")]
mod tests {
    use super::*;

    fn line(seq: u64, second: u64, kind: &str, entry: i64) -> String {
        format!(
            "{{\"time\":\"2026-01-01T12:00:{second:02}.000Z\",\"seq\":{seq},\"kind\":\"{kind}\",\"entry\":{entry}}}\n"
        )
    }

    fn read(text: &str, most: u64) -> Tail {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        std::fs::write(&path, text).unwrap();
        Tail::at_most(&path, most).unwrap()
    }

    #[test]
    fn it_tells_of_what_lies_behind_its_oldest_line() {
        let noon = Utc::parse("2026-01-01T12:00:00.000Z").unwrap().0;
        let lines: String = (1..=4).map(|n| line(n, n, "in-force", i64::try_from(n).unwrap())).collect();
        let whole = read(&lines, u64::MAX);
        assert_eq!(whole.from_ms, noon + 4_000 - AGO_MS, "the audit is known from its beginning");
        assert!((1..=4).all(|entry| whole.tells(entry, "in-force")));
        assert!(!whole.tells(4, "undone") && !whole.tells(5, "in-force"));
        let end = read(&lines, 100);
        assert_eq!((end.from_ms, end.told.len()), (noon + 3_000, 2));
        assert!(end.tells(3, "in-force") && !end.tells(2, "in-force"));
    }

    #[test]
    fn a_new_beginning_hides_what_was_before() {
        let noon = Utc::parse("2026-01-01T12:00:00.000Z").unwrap().0;
        let broken = [line(1, 1, "in-force", 1), line(7, 2, BROKEN, 0), line(8, 3, "undone", 1)].concat();
        let tail = read(&broken, u64::MAX);
        assert_eq!(tail.from_ms, noon + 2_000);
        assert!(tail.tells(1, "undone") && !tail.tells(1, "in-force"));
        let aside = [line(1, 1, BEGAN, 0), line(2, 3, "in-force", 2)].concat();
        assert_eq!(read(&aside, u64::MAX).from_ms, noon + 1_000);
        // The chain goes on: only the ledger did not know its head.
        let unknown = [line(1, 1, "in-force", 1), line(2, 2, BEGAN, 0)].concat();
        assert_eq!(read(&unknown, u64::MAX).from_ms, noon + 2_000 - AGO_MS);
        assert_eq!(read("", u64::MAX).from_ms, i64::MIN);
        assert!(read(&(line(1, 1, "done", 1) + "{\"time\":\"20"), u64::MAX).tells(1, "done"));
    }
}
