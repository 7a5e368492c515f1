//! Numbers for entries: none is given twice, whatever becomes of its entry.
//!
//! A number is told before its entry is on the disk: to a component, and by it to
//! whom it calls, which may take it for the name of this one response. So only
//! numbers are given that the tables hold to be taken. A process that is told to
//! stop gives the rest back; after one that was killed they are left out.

use super::Books;
use crate::error::LedgerError;

/// How many are taken at a time.
const SOME: i64 = 32;

/// The same from when one commit has used all of those: many come at once.
const MANY: i64 = 1_024;

/// Numbers that may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    /// The next. Never taken back, not even with a failed commit.
    next: i64,
    /// All below are taken, durably.
    taken: i64,
    /// All below are, once the commit under way is.
    taking: i64,
    /// How many are taken at a time.
    step: i64,
}

impl Numbers {
    pub(super) fn new() -> Self {
        Self { next: 1, taken: 1, taking: 1, step: SOME }
    }

    /// The next, if there is one.
    pub(super) fn give(&mut self) -> Option<i64> {
        let given = (self.next < self.taken).then_some(self.next)?;
        self.next = self.next.saturating_add(1);
        Some(given)
    }

    /// Whether `number` was given, or left out.
    pub(super) fn is_past(&self, number: i64) -> bool {
        number < self.next
    }

    /// Gives none up to `number`.
    pub(super) fn leave_out(&mut self, number: i64) {
        self.next = self.next.max(number.saturating_add(1));
    }

    fn left(&self) -> i64 {
        self.taken.saturating_sub(self.next)
    }

    /// The commit under way was made.
    pub(super) fn committed(&mut self) {
        self.taken = self.taken.max(self.taking);
    }

    /// It was not.
    pub(super) fn rolled_back(&mut self) {
        self.taking = self.taken;
    }
}

impl Books {
    /// Whether an entry can get a number in the commit under way.
    pub(crate) fn has_numbers(&self) -> bool {
        self.numbers.left() > 0
    }

    /// Takes the first numbers that these tables have to give, when they are
    /// opened, in the transaction under way.
    pub(super) fn take_first_numbers(&mut self) -> Result<(), LedgerError> {
        let free = "SELECT max((SELECT coalesce(max(id), 0) + 1 FROM entry),
                               (SELECT coalesce(max(next), 1) FROM salvage))";
        let free = self.statement(free)?.query_row((), |row| row.get(0));
        let next: i64 = self.numbers.next.max(free.map_err(|error| self.failed(&error))?);
        self.numbers = Numbers { next, taken: next, taking: next, step: SOME };
        self.take()
    }

    /// Takes more before they run out, at the beginning of a transaction. When
    /// none is left, it is one of its own: what is taken has to be durable before
    /// it is given.
    pub(super) fn take_numbers(&mut self) -> Result<(), LedgerError> {
        // With no space nothing new is entered, and every page is an undo's.
        if self.numbers.left().saturating_mul(2) > self.numbers.step || self.store.is_short() {
            return Ok(());
        }
        if self.has_numbers() {
            return self.take();
        }
        self.numbers.step = MANY;
        self.take()?;
        self.execute("COMMIT", ())?;
        self.numbers.committed();
        self.execute("BEGIN IMMEDIATE", ()).map(drop)
    }

    fn take(&mut self) -> Result<(), LedgerError> {
        let to = self.numbers.next.saturating_add(self.numbers.step);
        self.hold_numbers(to)?;
        self.numbers.taking = to;
        Ok(())
    }

    /// Gives back what was not given, with the last commit. None is given after.
    pub(crate) fn give_numbers_back(&mut self) -> Result<(), LedgerError> {
        let next = self.numbers.next;
        self.hold_numbers(next)?;
        self.keep_age()?;
        self.numbers = Numbers { next, taken: next, taking: next, step: 0 };
        Ok(())
    }

    fn hold_numbers(&self, next: i64) -> Result<(), LedgerError> {
        let now_ms = self.now().wall_ms;
        crate::salvage::hold_numbers(self.conn(), next, now_ms).map_err(|error| self.failed(&error))
    }
}
