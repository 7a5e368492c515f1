//! Bringing a damaged file and a copy together, row by row.

use std::ops::RangeInclusive;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::Counts;
use super::mend;
use crate::entry::State;

/// Queries that may fail while the edges of what cannot be read are looked for.
const FAILURES: u32 = 50_000;

/// Bytes that an entry takes at least, so that lost numbers can be bounded.
const LEAST_ENTRY: u64 = 64;

/// Tables that are not taken over: what they hold is this file's own.
const OWN: [&str; 2] = ["reserve", "salvage"];

/// Tables of which a row never changes.
const FIXED: [&str; 2] = ["boot", "definition"];

/// Takes over what `from` shows into `to`, which holds the copy. Returns the
/// highest number that an entry may have had.
pub(super) fn merge(
    to: &Connection,
    from: &Connection,
    bytes: u64,
    counts: &mut Counts,
) -> rusqlite::Result<i64> {
    let copied = mend::highest(to)?;
    let bound = copied.saturating_add(most_entries(bytes));
    let before: u64 = count(to, "SELECT count(*) FROM entry")?;
    let lost = entries(to, from, bound, counts)?;
    counts.from_backup = before.saturating_sub(counts.in_both);
    counts.lost = missing(to, &lost)?;
    for table in tables(to)? {
        if table == "entry" || OWN.contains(&table.as_str()) {
            continue;
        }
        let Some(columns) = common(to, from, &table) else {
            counts.tables_cut += 1;
            continue;
        };
        if table == "effect" {
            effects(to, from, &columns, counts)?;
            continue;
        }
        let verb = if FIXED.contains(&table.as_str()) { "IGNORE" } else { "REPLACE" };
        let taken = Taken::new(to, &table, &columns, verb);
        let is_whole = match is_rowid(to, &table)? {
            true => {
                let highest =
                    count(from, &format!("SELECT coalesce(max(rowid), 0) FROM {table} NOT INDEXED"))
                        .map_or(bound, |highest| i64::try_from(highest).unwrap_or(bound));
                by_rowid(from, &table, &columns, highest, |_, row| counts.refused += taken.take(row))
                    .is_empty()
            }
            false => from_both_ends(from, to, &table, &columns, |row| counts.refused += taken.take(row))?,
        };
        counts.tables_cut += u64::from(!is_whole);
    }
    // Numbers may have been told whose entries are nowhere.
    let taken = count(from, "SELECT coalesce(max(next), 0) FROM salvage").unwrap_or(0);
    let taken = i64::try_from(taken).unwrap_or(0).saturating_sub(1);
    let highest = mend::highest(to)?.max(taken);
    // What lies beyond the last that could be read was given, too.
    Ok(if lost.is_empty() && highest >= copied {
        highest
    } else {
        highest.saturating_add(most_entries(bytes))
    })
}

/// How many entries a file of this length can hold at most.
pub(super) fn most_entries(bytes: u64) -> i64 {
    i64::try_from(bytes / LEAST_ENTRY).unwrap_or(i64::MAX / 2)
}

/// Takes over entries, of two the one that is further in its life. Returns which
/// numbers could not be read.
fn entries(
    to: &Connection,
    from: &Connection,
    bound: i64,
    counts: &mut Counts,
) -> rusqlite::Result<Vec<RangeInclusive<i64>>> {
    let Some(columns) = common(to, from, "entry") else { return Ok(vec![1..=bound]) };
    let place = |name: &str| columns.iter().position(|column| column == name);
    let (Some(state), Some(tenant), Some(command), Some(since)) =
        (place("state"), place("tenant"), place("command"), place("since"))
    else {
        return Ok(vec![1..=bound]);
    };
    let highest = count(from, "SELECT coalesce(max(id), 0) FROM entry NOT INDEXED")
        .map_or(bound, |highest| i64::try_from(highest).unwrap_or(bound));
    let taken = Taken::new(to, "entry", &columns, "REPLACE");
    let mut known = to.prepare("SELECT state, tenant, command, since FROM entry WHERE id = ?1")?;
    let mut failed = None;
    let lost = by_rowid(from, "entry", &columns, highest.min(bound), |id, row| {
        let mut look = || -> rusqlite::Result<()> {
            let text = |at: usize| match row.get(at) {
                Some(Value::Text(text)) => text.clone(),
                _ => String::new(),
            };
            let new = State::of(&text(state));
            let old = known
                .query_row([id], |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, String>(1)?,
                        row.get::<_, String>(2)?,
                        row.get::<_, i64>(3)?,
                    ))
                })
                .optional()?;
            let Some((old_state, old_tenant, old_command, old_since)) = old else {
                match taken.take(row) {
                    0 => counts.from_damaged += 1,
                    refused => counts.refused += refused,
                }
                return Ok(());
            };
            let old_state = State::of(&old_state);
            let is_same = old_tenant == text(tenant)
                && old_command == text(command)
                && row.get(since) == Some(&Value::Integer(old_since));
            if is_same && stage(new) >= stage(old_state) && taken.take(row) == 0 {
                counts.in_both += 1;
                counts.ended_since += u64::from(stage(new) == ENDED && stage(old_state) != ENDED);
            } else {
                counts.refused += 1;
            }
            Ok(())
        };
        if let Err(error) = look() {
            failed = Some(error);
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(lost),
    }
}

const ENDED: u8 = 4;

/// How far an entry is in its life; a word that is none is before all.
fn stage(state: Option<State>) -> u8 {
    match state {
        None => 0,
        Some(State::Intended) => 1,
        Some(State::InForce) => 2,
        Some(State::Undoing) => 3,
        Some(_) => ENDED,
    }
}

/// Effects lie by entry: each entry's are asked for.
fn effects(
    to: &Connection,
    from: &Connection,
    columns: &[String],
    counts: &mut Counts,
) -> rusqlite::Result<()> {
    let taken = Taken::new(to, "effect", columns, "REPLACE");
    let ids: Vec<i64> =
        to.prepare("SELECT id FROM entry")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let sql = format!("SELECT {} FROM effect WHERE entry = ?1", columns.join(", "));
    let Ok(mut find) = from.prepare(&sql) else {
        counts.effects_lost = ids.len() as u64;
        return Ok(());
    };
    for id in ids {
        let Ok(mut rows) = find.query([id]) else {
            counts.effects_lost += 1;
            continue;
        };
        loop {
            match rows.next() {
                Ok(Some(row)) => match values(row, columns.len()) {
                    Some(row) => counts.refused += taken.take(&row),
                    None => counts.refused += 1,
                },
                Ok(None) => break,
                Err(_) => {
                    counts.effects_lost += 1;
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Reads a table by its numbers, up to `highest`, and goes around what fails.
/// Returns what could not be read.
fn by_rowid(
    from: &Connection,
    table: &str,
    columns: &[String],
    highest: i64,
    mut each: impl FnMut(i64, &[Value]),
) -> Vec<RangeInclusive<i64>> {
    let sql = format!(
        "SELECT rowid, {} FROM {table} NOT INDEXED WHERE rowid BETWEEN ?1 AND ?2 ORDER BY rowid",
        columns.join(", ")
    );
    let mut lost: Vec<RangeInclusive<i64>> = Vec::new();
    let Ok(mut find) = from.prepare(&sql) else { return vec![1..=highest] };
    let mut failures = 0;
    let mut left = vec![(0, highest)];
    while let Some((low, high)) = left.pop() {
        let mut next = low;
        let mut scan = || -> rusqlite::Result<()> {
            let mut rows = find.query([low, high])?;
            while let Some(row) = rows.next()? {
                let id: i64 = row.get(0)?;
                next = id.saturating_add(1);
                let read: Option<Vec<Value>> = (1..=columns.len()).map(|at| value(row, at)).collect();
                match read {
                    Some(read) => each(id, &read),
                    None => each(id, &[]),
                }
            }
            Ok(())
        };
        if scan().is_ok() {
            continue;
        }
        failures += 1;
        if next >= high || failures >= FAILURES {
            if next <= high {
                lost.push(next..=high);
            }
            continue;
        }
        let middle = next.midpoint(high);
        left.push((middle.saturating_add(1), high));
        left.push((next, middle));
    }
    lost
}

/// Reads a table in its order until that fails, then from its end. `false`:
/// something in between could not be read.
fn from_both_ends(
    from: &Connection,
    to: &Connection,
    table: &str,
    columns: &[String],
    mut each: impl FnMut(&[Value]),
) -> rusqlite::Result<bool> {
    let key: Vec<String> = to
        .prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?
        .query_map([table], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for direction in ["ASC", "DESC"] {
        let order: Vec<String> = key.iter().map(|column| format!("{column} {direction}")).collect();
        let sql = format!("SELECT {} FROM {table} ORDER BY {}", columns.join(", "), order.join(", "));
        let mut scan = || -> rusqlite::Result<()> {
            let mut find = from.prepare(&sql)?;
            let mut rows = find.query([])?;
            while let Some(row) = rows.next()? {
                each(&values(row, columns.len()).unwrap_or_default());
            }
            Ok(())
        };
        if scan().is_ok() {
            return Ok(direction == "ASC");
        }
    }
    Ok(false)
}

/// Writes rows into a table, as far as its checks allow.
struct Taken<'a> {
    to: &'a Connection,
    sql: String,
    columns: usize,
}

impl<'a> Taken<'a> {
    fn new(to: &'a Connection, table: &str, columns: &[String], verb: &str) -> Self {
        let marks = vec!["?"; columns.len()].join(", ");
        let sql = format!("INSERT OR {verb} INTO {table} ({}) VALUES ({marks})", columns.join(", "));
        Self { to, sql, columns: columns.len() }
    }

    /// Returns how many rows were refused: this one, or none.
    fn take(&self, row: &[Value]) -> u64 {
        if row.len() != self.columns {
            return 1;
        }
        let taken =
            self.to.prepare_cached(&self.sql).and_then(|mut insert| insert.execute(params_from_iter(row)));
        u64::from(taken.is_err())
    }
}

/// How many of these numbers are in no table and no longer than what is known.
fn missing(to: &Connection, lost: &[RangeInclusive<i64>]) -> rusqlite::Result<u64> {
    let highest = mend::highest(to)?;
    let mut missing = 0_u64;
    for range in lost {
        let (low, high) = (*range.start().max(&1), *range.end().min(&highest));
        if low > high {
            continue;
        }
        let there: u64 = to
            .query_row("SELECT count(*) FROM entry WHERE id BETWEEN ?1 AND ?2", [low, high], |row| {
                row.get::<_, i64>(0)
            })
            .map(|count| u64::try_from(count).unwrap_or(0))?;
        missing += u64::try_from(high - low + 1).unwrap_or(0).saturating_sub(there);
    }
    Ok(missing)
}

fn tables(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// The columns that a table has on both sides; `None`: the damaged file does not
/// show the table.
fn common(to: &Connection, from: &Connection, table: &str) -> Option<Vec<String>> {
    let of = |conn: &Connection| -> rusqlite::Result<Vec<String>> {
        conn.prepare("SELECT name FROM pragma_table_info(?1)")?
            .query_map([table], |row| row.get(0))?
            .collect()
    };
    let (ours, theirs) = (of(to).ok()?, of(from).ok()?);
    let both: Vec<String> = ours.into_iter().filter(|column| theirs.contains(column)).collect();
    (!both.is_empty()).then_some(both)
}

fn is_rowid(conn: &Connection, table: &str) -> rusqlite::Result<bool> {
    conn.query_row("SELECT wr = 0 FROM pragma_table_list(?1)", [table], |row| row.get(0))
}

pub(super) fn count(conn: &Connection, sql: &str) -> rusqlite::Result<u64> {
    conn.query_row(sql, [], |row| row.get::<_, i64>(0)).map(|count| u64::try_from(count).unwrap_or(0))
}

fn values(row: &Row<'_>, columns: usize) -> Option<Vec<Value>> {
    (0..columns).map(|at| value(row, at)).collect()
}

/// `None`: a text that is none.
fn value(row: &Row<'_>, at: usize) -> Option<Value> {
    Some(match row.get_ref(at).ok()? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(std::str::from_utf8(text).ok()?.to_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_owned()),
    })
}
