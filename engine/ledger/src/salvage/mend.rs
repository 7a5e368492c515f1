//! Making what was brought together consistent again.

use rusqlite::Connection;

use super::Counts;
use super::merge::count;

/// The highest number of an entry that anything tells of.
pub(super) fn highest(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row(
        "SELECT max(coalesce((SELECT max(id) FROM entry), 0), coalesce((SELECT max(entry) FROM body), 0),
                    coalesce((SELECT max(entry) FROM receipt), 0), coalesce((SELECT max(entry) FROM effect), 0),
                    coalesce((SELECT max(next) FROM salvage), 0))",
        [],
        |row| row.get(0),
    )
}

/// What closing an entry would have done, and rows that others need.
pub(super) fn mend(conn: &Connection, counts: &mut Counts) -> rusqlite::Result<()> {
    for table in ["body", "receipt", "effect"] {
        let alone = format!("FROM {table} WHERE entry NOT IN (SELECT id FROM entry)");
        counts.dangling += count(conn, &format!("SELECT count(*) {alone}"))?;
        conn.execute(&format!("DELETE {alone}"), [])?;
    }
    conn.execute_batch(
        "UPDATE effect SET released = 1
         WHERE NOT released AND entry IN (SELECT id FROM entry WHERE closed IS NOT NULL);
         DELETE FROM receipt WHERE entry IN (SELECT id FROM entry WHERE closed IS NOT NULL);
         DELETE FROM body WHERE entry IN
             (SELECT id FROM entry WHERE closed IS NOT NULL AND state <> 'failed' AND state <> 'unknown');
         -- An entry without its definition would not be shown. The engine reverses
         -- its effects by itself.
         INSERT OR IGNORE INTO definition (number, text, digest)
             SELECT DISTINCT definition, '<!-- definition ' || definition || ' was lost -->', '' FROM entry
             WHERE definition NOT IN (SELECT number FROM definition);
         -- A number of a start of the machine must not be given to another.
         INSERT OR IGNORE INTO boot (number, boot_id)
             SELECT boot, 'lost-' || boot FROM
                 (SELECT boot FROM entry UNION SELECT boot FROM effect UNION SELECT boot FROM allow
                  UNION SELECT boot FROM pause UNION SELECT boot FROM mode UNION SELECT boot FROM offence)
             WHERE boot > 0 AND boot NOT IN (SELECT number FROM boot);
         -- What is in force for a time ends, also when nobody knows when: after its
         -- length, by the wall clock.
         UPDATE entry SET due = since + length, due_boot = since + length, boot = 0
             WHERE closed IS NULL AND state = 'in-force' AND length IS NOT NULL
               AND (due IS NULL OR due_boot IS NULL);",
    )?;
    counts.open = count(conn, "SELECT count(*) FROM entry WHERE closed IS NULL")?;
    Ok(())
}
