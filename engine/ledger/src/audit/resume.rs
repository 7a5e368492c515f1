//! Where a start goes on from.
//!
//! The file may be ahead of the head in the ledger: what the last engine wrote
//! and did not live to note. It is never behind, since a head is noted only
//! when its lines are on the disk. So what is behind was cut off.

use std::io;

use super::chain::{self, Flaw, Hash, Head, Link};
use super::event::{About, TORN};
use super::files::{Backward, Part};

/// What the files of an audit come to.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Resume {
    /// There is nothing yet.
    New,
    /// The chain is whole from the known head on; where no head is known, its
    /// last line is.
    GoOn {
        /// The last whole line.
        head: Head,
        /// The end of the file that is no whole line.
        torn: Option<Torn>,
    },
    /// There are lines, and none of a chain: an older version wrote them.
    Unchained,
    /// The files do not fit what the ledger knows. A new segment begins.
    Broken {
        /// The number to go on from: one that was never given.
        from: Head,
        /// What does not fit.
        why: String,
    },
}

/// A last line that was never finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Torn {
    pub(super) bytes: u64,
    pub(super) hash: Hash,
}

impl Torn {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, hash: Hash::of(bytes) }
    }

    /// Whether an event speaks of these bytes.
    pub(super) fn told_by(&self, link: &Link) -> bool {
        let About { bytes, hash, .. } = link.event.chain.clone().unwrap_or_default();
        link.event.kind == TORN && bytes == Some(self.bytes) && hash == Some(self.hash.to_string())
    }

    pub(super) fn is(bytes: &[u8], told: &Link) -> bool {
        Self::of(bytes).told_by(told)
    }
}

/// Reads back from the end of the files to what the ledger knows.
///
/// # Errors
///
/// When a file cannot be read.
pub(super) fn resume(parts: &[Part], known: Option<Head>) -> io::Result<Resume> {
    let known = known.filter(|head| head.count > 0);
    let mut reading = Reading { known, last: None, later: None, torn: None, lines: 0 };
    for part in parts.iter().rev() {
        let mut back = Backward::new(&part.file)?;
        while let Some(line) = back.previous()? {
            if let Some(done) = reading.line(&line.bytes, line.ended) {
                return Ok(done);
            }
        }
    }
    Ok(reading.end())
}

struct Reading {
    known: Option<Head>,
    /// The newest whole line.
    last: Option<Head>,
    /// The line behind the one that is looked at.
    later: Option<Link>,
    torn: Option<Torn>,
    lines: u64,
}

impl Reading {
    /// One line, from the end: what all comes to, when that is known with it.
    fn line(&mut self, bytes: &[u8], ended: bool) -> Option<Resume> {
        self.lines = self.lines.saturating_add(1);
        let link = match chain::read(bytes) {
            Ok(link) => link,
            Err(_) if !ended && self.lines == 1 => {
                self.torn = Some(Torn::of(bytes));
                return None;
            }
            // A later start has said so already.
            Err(_) if self.later.as_ref().is_some_and(|later| Torn::is(bytes, later)) => return None,
            Err(Flaw::Unchained) if self.known.is_none() && self.last.is_none() => {
                return Some(Resume::Unchained);
            }
            Err(_) => {
                return Some(
                    self.broken("a line at the end of the audit is not what was written".to_owned()),
                );
            }
        };
        if let Some(later) = &self.later
            && !later.follows(link.head())
        {
            return Some(self.broken(format!("line {} does not follow line {}", later.seq, link.seq)));
        }
        self.last.get_or_insert(link.head());
        let Some(known) = self.known else { return Some(self.go_on()) };
        if link.seq < known.count {
            let text = format!("the audit ends at line {}, and {} were written", link.seq, known.count);
            return Some(self.broken(text));
        }
        if link.seq == known.count {
            let fits = link.hash == known.hash;
            return Some(if fits {
                self.go_on()
            } else {
                self.broken(format!("line {} is another one", link.seq))
            });
        }
        self.later = Some(link);
        None
    }

    fn end(&self) -> Resume {
        match (self.known, self.last) {
            (None, None) if self.lines == 0 => Resume::New,
            (None, None) => Resume::Unchained,
            (Some(known), None) => {
                self.broken(format!("the audit is gone, and {} lines were written", known.count))
            }
            (Some(known), Some(_)) => self.broken(format!("line {} is gone", known.count)),
            (None, Some(_)) => self.go_on(),
        }
    }

    fn go_on(&self) -> Resume {
        Resume::GoOn { head: self.last.unwrap_or(Head::START), torn: self.torn.clone() }
    }

    fn broken(&self, why: String) -> Resume {
        let count = self.last.map_or(0, |last| last.count).max(self.known.map_or(0, |known| known.count));
        let hash = self.known.map_or(Hash::NONE, |known| known.hash);
        Resume::Broken { from: Head { count, hash }, why }
    }
}
