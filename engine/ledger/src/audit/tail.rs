//! What the end of the audit tells of entries, for a start that looks for what
//! the last engine did not live to write.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::event::{BEGAN, BROKEN};
use super::files::{self, Backward};

/// How much is read, from the end: more than is written in a minute of a flood,
/// and a small part of a second to read.
const MOST: u64 = 16 << 20;

/// What the first line of an entry says.
const BEGINNINGS: [&str; 4] = ["in-force", "done", "shadow", "handed-over"];

/// What the newest lines tell. They are held against the ledger by the numbers
/// of entries, which only ever grow: a clock may have been set meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// All that is told of the entries from this number on is here.
    pub from: i64,
    told: HashSet<(i64, String)>,
}

/// The part of a line that is of interest here.
#[derive(Deserialize)]
struct Line {
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
        let mut tail = Self { from: i64::MIN, told: HashSet::new() };
        let mut read = 0_u64;
        // With how much lies behind it.
        let mut begun: Vec<(u64, i64)> = Vec::new();
        let mut is_whole = true;
        'files: for part in files::list(path)?.iter().rev() {
            let mut back = Backward::new(&part.file)?;
            while let Some(line) = back.previous()? {
                let behind = read;
                // With its end: empty lines are read too.
                read = read.saturating_add(line.bytes.len() as u64).saturating_add(1);
                // Torn, or another program's, where it cannot be read.
                let line = serde_json::from_slice::<Line>(&line.bytes).ok();
                let is_first = line.as_ref().is_some_and(|line| line.seq == 1);
                // What was told before a new beginning stands in other files.
                let is_anew =
                    line.as_ref().is_some_and(|line| line.kind == BROKEN || is_first && line.kind == BEGAN);
                let told = line.and_then(|line| Some((line.entry?, line.kind)));
                begun.extend(told.iter().filter(is_beginning).map(|(entry, _)| (behind, *entry)));
                tail.told.extend(told);
                // What was before may be removed by now: its time was over.
                is_whole = is_first && !is_anew;
                if is_first || is_anew || read >= most {
                    break 'files;
                }
            }
        }
        if !is_whole {
            tail.from = first_told(&begun, read);
        }
        Ok(tail)
    }

    /// The entries before [`Tail::from`] whose undo is told to have begun, and
    /// not to have ended.
    #[must_use]
    pub fn ending(&self) -> Vec<i64> {
        let begun = self.told.iter().filter(|(entry, kind)| *entry < self.from && kind == "undoing");
        begun.map(|(entry, _)| *entry).filter(|entry| !self.tells(*entry, "undone")).collect()
    }

    /// Whether there is a line of this kind about an entry.
    #[must_use]
    pub fn tells(&self, entry: i64, kind: &str) -> bool {
        self.told.contains(&(entry, kind.to_owned()))
    }
}

fn is_beginning((_, kind): &&(i64, String)) -> bool {
    BEGINNINGS.contains(&kind.as_str())
}

/// From which entry on all beginnings are among these, of so many bytes. They
/// come nearly in the order of numbers; so what has a higher one than any in the
/// older half did not begin before that half.
fn first_told(begun: &[(u64, i64)], bytes: u64) -> i64 {
    let older =
        begun.iter().filter(|(behind, _)| *behind >= bytes / 2).map(|(_, entry)| entry.saturating_add(1));
    older.max().or_else(|| begun.iter().map(|(_, entry)| *entry).min()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test that writes what is read")]
mod tests {
    use super::*;

    fn line(seq: u64, kind: &str, entry: i64) -> String {
        format!("{{\"seq\":{seq},\"kind\":\"{kind}\",\"entry\":{entry},\"detail\":\"some more\"}}\n")
    }

    fn read(text: &str, most: u64) -> Tail {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        std::fs::write(&path, text).unwrap();
        Tail::at_most(&path, most).unwrap()
    }

    #[test]
    fn it_tells_of_the_entries_that_began_within_it() {
        let lines: String = (1..=4).map(|n| line(n, "in-force", i64::try_from(n).unwrap())).collect();
        let whole = read(&lines, u64::MAX);
        assert_eq!(whole.from, i64::MIN, "the audit is known from its beginning");
        assert!((1..=4).all(|entry| whole.tells(entry, "in-force")));
        assert!(!whole.tells(4, "undone") && !whole.tells(5, "in-force"));
        let end = read(&lines, 100);
        assert_eq!((end.from, end.told.len()), (4, 2));
        // One took long; those after it had begun before.
        let late = [7, 8, 3, 9].iter().zip(5..).map(|(entry, seq)| line(seq, "in-force", *entry));
        assert_eq!(read(&late.collect::<String>(), 200).from, 9);
        // What began before is known to end.
        let ending = read(&(lines + &line(5, "undoing", 1) + &line(6, "in-force", 7)), 100);
        assert_eq!((ending.from, ending.ending()), (7, vec![1]));
    }

    #[test]
    fn a_new_beginning_hides_what_was_before() {
        let broken = [line(1, "in-force", 1), line(7, BROKEN, 0), line(8, "undone", 1)].concat();
        let tail = read(&broken, u64::MAX);
        assert_eq!(tail.from, i64::MAX);
        assert!(tail.tells(1, "undone") && !tail.tells(1, "in-force"));
        let aside = [line(1, BEGAN, 0), line(2, "in-force", 2)].concat();
        assert_eq!(read(&aside, u64::MAX).from, 2);
        // What came before line 5 is removed, because its time was over.
        let pruned = [line(5, "undone", 1), line(6, "in-force", 3), line(7, "undone", 2)].concat();
        assert_eq!(read(&pruned, u64::MAX).from, 3);
        assert_eq!(read(&line(6, "undone", 1), u64::MAX).from, i64::MAX);
        // The chain goes on: only the ledger did not know its head.
        let unknown = [line(1, "in-force", 1), line(2, BEGAN, 0)].concat();
        assert_eq!(read(&unknown, u64::MAX).from, i64::MIN);
        assert_eq!(read("", u64::MAX).from, i64::MIN);
        assert!(read(&(line(1, "done", 1) + "{\"time\":\"20"), u64::MAX).tells(1, "done"));
    }

    #[test]
    fn no_more_is_read_of_what_is_not_ours() {
        let foreign = "not ours\n".repeat(100) + &line(9, "undone", 4);
        assert_eq!(read(&foreign, 80).told.len(), 1);
        let empty = line(8, "undone", 3) + &"\n".repeat(100) + &line(9, "undone", 4);
        assert_eq!(read(&empty, 80).told.len(), 1);
    }
}
