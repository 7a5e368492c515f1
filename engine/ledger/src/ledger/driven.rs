//! A ledger without threads: whoever opened it writes and reads when it likes.
//!
//! The simulator drives it. Everything behind the handle is the same, down to
//! what one commit takes; only *when* is decided elsewhere.

use std::path::Path;
use std::sync::Arc;

use super::{Heads, Inner, Ledger, Opened, Settings};
use crate::books::Books;
use crate::clock::Clock;
use crate::condition::Shared;
use crate::error::LedgerError;
use crate::reader::{Answers, Reader};
use crate::store::{self, Disk};
use crate::writer::{Desk, Writer};

/// What the threads of a ledger would do. Dropping it is the end of a process
/// that was killed: what is queued is not done, and who waits for it is told
/// [`LedgerError::Stopped`].
pub struct Driven {
    // In the order they end: the reader lets go of the file before the writer.
    answers: Answers,
    desk: Desk,
}

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Turn {
    /// Requests were done, in one commit, and answered.
    Wrote,
    /// Requests were taken, and their commit failed: none of them is done,
    /// whatever they were answered.
    Failed,
    /// One query was answered.
    Answered,
    /// Nothing was queued.
    Idle,
}

impl Ledger {
    /// Opens the ledger at `path` of `disk` without threads.
    ///
    /// # Errors
    ///
    /// As [`Ledger::open`].
    pub fn open_driven(
        path: &Path,
        clock: Arc<dyn Clock>,
        settings: Settings,
        disk: &Arc<dyn Disk>,
    ) -> Result<(Opened, Driven), LedgerError> {
        let store = store::open(path, settings.most_pages, disk)?;
        let path: Arc<Path> = path.into();
        let condition = Shared::default();
        let (books, left) =
            Books::open(Arc::clone(&path), store, Arc::clone(&clock), settings, condition.clone())?;
        let index = books.share_index();
        let (reader, answers) = Reader::driven(&path, disk.as_ref(), condition.clone())?;
        let (known, aging) = (books.head()?, books.share_aging());
        let (writer, desk) = Writer::driven(books);
        let heads = Heads::new(known, writer.head(), aging);
        let ledger = Self(Arc::new(Inner { reader, writer, index, condition, path, clock, heads }));
        let opened = Opened { ledger, recovery: left.recovery, pending: left.pending, salvaged: None };
        Ok((opened, Driven { answers, desk }))
    }
}

impl Driven {
    /// Does what is queued, in one commit, as the writer's thread would; and
    /// when nothing is, answers one query, as the reader's would.
    pub fn turn(&mut self) -> Turn {
        match self.desk.turn() {
            Turn::Idle => self.answers.turn(),
            wrote => wrote,
        }
    }

    /// Writes the positions that were noted and found no commit to travel with,
    /// as the writer's thread does half a second later; and what is owed to the
    /// tables, as it does after a second.
    pub fn write_marks(&mut self) -> Turn {
        self.desk.write_marks()
    }

    /// Whether there is any of that.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.desk.is_waiting()
    }

    /// The end of a process that was told to stop: all that is queued is done,
    /// and the last positions are written.
    pub fn close(mut self) {
        while self.turn() != Turn::Idle {}
        self.desk.close();
    }
}
