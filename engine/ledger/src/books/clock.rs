//! Two clocks: which of them counts when.
//!
//! Within one start of the machine the boot-time clock, which nobody can set;
//! over a restart of it the wall clock, and never for more than was given.

use std::sync::PoisonError;

use rusqlite::OptionalExtension;

use crate::aging::Aging;
use crate::clock::Now;
use crate::entry::Due;
use crate::error::LedgerError;

use super::Books;

impl Books {
    /// Finds the number of this start of the machine, and brings what is open
    /// from earlier starts over to it: what is left of each by the wall clock,
    /// but never more than it was given. A clock that was set back while the
    /// machine was off then extends nothing without end.
    pub(super) fn enter_boot(&mut self) -> Result<(), LedgerError> {
        let now = self.now();
        self.execute("INSERT OR IGNORE INTO boot (boot_id) VALUES (?1)", [&*now.boot_id])?;
        let mut find = self.statement("SELECT number FROM boot WHERE boot_id = ?1")?;
        let boot: i64 =
            find.query_row([&*now.boot_id], |row| row.get(0)).map_err(|error| self.failed(&error))?;
        drop(find);
        self.boot = boot;
        // What was cut short between its first effect and being in force has
        // its due time beside the effect.
        self.execute(
            "UPDATE entry SET (due, due_boot, boot) =
                 (SELECT due, due_boot, boot FROM effect WHERE effect.entry = entry.id ORDER BY number LIMIT 1)
             WHERE closed IS NULL AND length IS NOT NULL AND due IS NULL
               AND EXISTS (SELECT 1 FROM effect WHERE effect.entry = entry.id AND NOT released)",
            (),
        )?;
        for (table, until, open) in [
            ("entry", "due", "closed IS NULL AND"),
            ("allow", "until", ""),
            ("pause", "until", ""),
            ("mode", "until", ""),
        ] {
            self.execute(
                &format!(
                    "UPDATE {table} SET boot = ?1,
                            {until}_boot = ?3 + min(max({until} - ?2, 0), length),
                            {until} = ?2 + min(max({until} - ?2, 0), length)
                     WHERE {open} {until} IS NOT NULL AND boot <> ?1"
                ),
                (boot, now.wall_ms, now.boot_ms),
            )?;
            // In the same start, after a clock was set while no engine ran.
            self.execute(
                &format!(
                    "UPDATE {table} SET {until} = {until}_boot + ?2
                     WHERE {open} {until} IS NOT NULL AND boot = ?1 AND abs({until} - {until}_boot - ?2) > {TOLERATED_MS}"
                ),
                (boot, self.offset_ms),
            )?;
            if open.is_empty() {
                self.execute(&format!("DELETE FROM {table} WHERE until_boot <= ?1"), [now.boot_ms])?;
            }
        }
        // Offences of a ledger that knew them by the wall clock alone.
        self.execute(
            "UPDATE offence SET boot = ?1, ends_boot = ?2 - max(?3 - ends, 0) WHERE boot = 0",
            (boot, now.boot_ms, now.wall_ms),
        )?;
        // Those of this start keep their distance, however the clock was set.
        self.execute(
            &format!(
                "UPDATE offence SET ends = ends_boot + ?2
                 WHERE boot = ?1 AND abs(ends - ends_boot - ?2) > {TOLERATED_MS}"
            ),
            (boot, self.offset_ms),
        )?;
        Ok(())
    }

    /// Wall clocks are set, forward and back, also by hours. Within one start
    /// of the machine due times follow the other clock, but the wall times
    /// beside them are what the next start goes by: they move along. Returns how
    /// far the clocks are apart in the tables then.
    pub(super) fn follow_wall_clock(&self) -> Result<i64, LedgerError> {
        let offset = offset_ms(&self.now());
        if offset.abs_diff(self.offset_ms) <= TOLERATED_MS {
            return Ok(self.offset_ms);
        }
        tracing::warn!(
            by_ms = offset.saturating_sub(self.offset_ms),
            "the wall clock was set; due times keep their distance"
        );
        for sql in [
            "UPDATE entry SET due = due_boot + ?1 WHERE closed IS NULL AND due_boot IS NOT NULL AND boot = ?2",
            // What is under way has its due time there.
            "UPDATE effect SET due = due_boot + ?1 WHERE due_boot IS NOT NULL AND boot = ?2
                AND entry IN (SELECT id FROM entry WHERE closed IS NULL AND due IS NULL)",
            "UPDATE allow SET until = until_boot + ?1 WHERE until_boot IS NOT NULL AND boot = ?2",
            "UPDATE pause SET until = until_boot + ?1 WHERE until_boot IS NOT NULL AND boot = ?2",
            "UPDATE mode SET until = until_boot + ?1 WHERE until_boot IS NOT NULL AND boot = ?2",
            "UPDATE offence SET ends = ends_boot + ?1 WHERE boot = ?2",
        ] {
            self.execute(sql, (offset, self.boot))?;
        }
        Ok(offset)
    }

    /// The wall clock, for what counts no more when it is old: not further than
    /// the time that has passed since the ledger was opened. A clock that is set
    /// forward by years makes nothing old.
    pub(super) fn aged_wall_ms(&self) -> i64 {
        let now = self.now();
        let passed = now.boot_ms.saturating_sub(self.opened.boot_ms);
        now.wall_ms.min(self.opened.wall_ms.saturating_add(passed))
    }

    /// The same for what is deleted, over all starts: see [`crate::aging`].
    pub(super) fn surely_wall_ms(&self) -> i64 {
        let now = self.now();
        let mut aging = self.aging.lock().unwrap_or_else(PoisonError::into_inner);
        let surely = aging.as_mut().map_or(i64::MIN, |aging| aging.wall_ms(&now));
        surely.min(self.aged_wall_ms())
    }

    /// Finds out by what something is old, before anything is written: as it was
    /// left, else from the last that the tables tell of. What is known stays so
    /// when the file is replaced by another.
    pub(super) fn find_age(&self) -> Result<(), LedgerError> {
        let mut aging = self.aging.lock().unwrap_or_else(PoisonError::into_inner);
        if aging.is_some() {
            return Ok(());
        }
        let left: Option<(i64, Option<i64>)> = self
            .statement("SELECT time, backup FROM salvage WHERE number = 0")?
            .query_row((), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(|error| self.failed(&error))?;
        let (sure_ms, stood_ms) = match left {
            Some((sure_ms, stood_ms)) => (sure_ms, stood_ms.unwrap_or(0)),
            None => {
                let last: Option<i64> = self
                    .statement(
                        "SELECT max(at) FROM (SELECT max(closed) AS at FROM entry
                             UNION ALL SELECT since FROM entry WHERE id = (SELECT max(id) FROM entry)
                             UNION ALL SELECT max(updated) FROM input)",
                    )?
                    .query_row((), |row| row.get(0))
                    .map_err(|error| self.failed(&error))?;
                (last.map_or(self.opened.wall_ms, |last| last.min(self.opened.wall_ms)), 0)
            }
        };
        *aging = Some(Aging::from(sure_ms, stood_ms, &self.opened));
        Ok(())
    }

    /// Writes it down for the next start, in the row that every ledger has.
    pub(super) fn keep_age(&self) -> Result<(), LedgerError> {
        let _ = self.surely_wall_ms();
        let aging = *self.aging.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((sure_ms, stood_ms)) = aging.map(|aging| aging.left()) else { return Ok(()) };
        self.execute("UPDATE salvage SET time = ?1, backup = ?2 WHERE number = 0", (sure_ms, stood_ms))
            .map(drop)
    }

    /// The same, but not so often that a ledger in which nothing happens changes.
    pub(super) fn keep_age_at_times(&mut self) -> Result<(), LedgerError> {
        let boot_ms = self.now().boot_ms;
        if boot_ms.saturating_sub(self.aging_kept_ms) < KEPT_MS {
            return Ok(());
        }
        self.aging_kept_ms = boot_ms;
        self.keep_age()
    }
}

/// How much of it a process that is killed may lose.
const KEPT_MS: i64 = 3_600_000;

/// How far the clocks may drift apart before the wall times are written anew, to
/// either side: what is written ahead by that and read behind by that is two
/// seconds off, and no more.
const TOLERATED_MS: u64 = 1_000;

pub(super) fn offset_ms(now: &Now) -> i64 {
    now.wall_ms.saturating_sub(now.boot_ms)
}

/// `length` milliseconds from now, by both clocks.
pub(super) fn due(now: &Now, length: i64) -> Due {
    Due { wall_ms: now.wall_ms.saturating_add(length), boot_ms: now.boot_ms.saturating_add(length) }
}

/// The same moment on both clocks.
pub(super) fn due_at(now: &Now, boot_ms: i64) -> Due {
    Due { wall_ms: now.wall_ms.saturating_add(boot_ms.saturating_sub(now.boot_ms)), boot_ms }
}
