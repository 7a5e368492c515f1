//! Pages of the database that are kept for undos.
//!
//! To close an entry takes bytes: when and why it ended, its place among the
//! closed ones, its offence. What it frees, the alert, is more than that, but not
//! always at once, and not always whole pages. So the tables hold pages for it
//! that are full of nothing, more with every so many open entries, and give them
//! up when the disk is full.

use rusqlite::Connection;

/// Pages in a step, and their bytes: what a row with its chain of pages fills.
const STEP_PAGES: u64 = 64;
const STEP_BYTES: u64 = STEP_PAGES * 4_092;

/// Open entries for which a step is enough: 512 bytes each.
const STEP_ENTRIES: u64 = 512;

/// Steps that are kept beyond those needed, so that an entry more or less does
/// not write one each time.
const SLACK: u64 = 2;

/// Bytes that are kept for so many open entries.
pub(super) fn bytes(open: u64) -> u64 {
    steps(open).saturating_mul(STEP_PAGES * 4_096)
}

/// Keeps what so many open entries need.
pub(super) fn fit(conn: &Connection, open: u64) -> rusqlite::Result<()> {
    let wanted = steps(open);
    let has: u64 = conn
        .prepare_cached("SELECT coalesce(max(step), 0) FROM reserve")?
        .query_row((), |row| row.get::<_, i64>(0))
        .map(|step| u64::try_from(step).unwrap_or(0))?;
    for step in has.saturating_add(1)..=wanted {
        conn.prepare_cached("INSERT INTO reserve (step, room) VALUES (?1, zeroblob(?2))")?
            .execute((narrow(step), narrow(STEP_BYTES)))?;
    }
    let most = if open == 0 { 0 } else { wanted.saturating_add(SLACK) };
    if has > most {
        conn.prepare_cached("DELETE FROM reserve WHERE step > ?1")?.execute([narrow(most)])?;
    }
    Ok(())
}

fn steps(open: u64) -> u64 {
    open.div_ceil(STEP_ENTRIES)
}

fn narrow(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
