//! How far each file of alerts was read.

use std::collections::HashMap;

use riposte_policy::order::Source;
use rusqlite::{Connection, Row};

use super::Books;
use crate::error::LedgerError;
use crate::input::{FileIdentity, Input};

const COLUMNS: &str = "id, path, dev, ino, head_hash, head_len, offset, done, updated";

impl Books {
    /// Whether the alert at `source` was admitted before.
    pub(super) fn is_handled(&self, source: Source) -> bool {
        let above = self.handled.get(&source.input);
        above.is_some_and(|above| above.contains(&(source.offset, source.ordinal)))
    }

    /// What was admitted from `offset` on.
    pub(crate) fn admitted_after(&self, input: i64, offset: u64) -> Vec<(u64, u32)> {
        let above = self.handled.get(&input);
        above.map(|above| above.range((offset, 0)..).copied().collect()).unwrap_or_default()
    }

    /// Enters a file that is read from `offset` on.
    pub(crate) fn new_input(
        &self,
        path: &str,
        identity: &FileIdentity,
        offset: u64,
    ) -> Result<i64, LedgerError> {
        self.execute(
            "INSERT INTO input (path, dev, ino, head_hash, head_len, offset, updated)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                path,
                bits(identity.dev),
                bits(identity.ino),
                identity.head_hash,
                identity.head_len,
                position(offset),
                self.now().wall_ms,
            ),
        )?;
        Ok(self.conn().last_insert_rowid())
    }

    /// Gives a file another identity: a longer head, once it has grown.
    pub(crate) fn identify_input(&self, id: i64, identity: &FileIdentity) -> Result<(), LedgerError> {
        self.execute(
            "UPDATE input SET dev = ?2, ino = ?3, head_hash = ?4, head_len = ?5 WHERE id = ?1",
            (id, bits(identity.dev), bits(identity.ino), identity.head_hash, identity.head_len),
        )?;
        Ok(())
    }

    /// Records that a file was read to its end and will not grow. Such files
    /// are forgotten after a while: only the ten newest of a path are kept.
    pub(crate) fn finish_input(&mut self, id: i64) -> Result<(), LedgerError> {
        self.execute("UPDATE input SET done = 1, updated = ?2 WHERE id = ?1", (id, self.now().wall_ms))?;
        self.execute(
            "DELETE FROM input WHERE done AND path = (SELECT path FROM input WHERE id = ?1) AND id NOT IN
                 (SELECT id FROM input WHERE path = (SELECT path FROM input WHERE id = ?1) ORDER BY id DESC LIMIT 10)",
            [id],
        )?;
        self.handled.remove(&id);
        Ok(())
    }

    /// Writes the positions that files were read to.
    pub(crate) fn write_marks(&mut self, marks: &HashMap<i64, u64>) -> Result<(), LedgerError> {
        let now = self.now().wall_ms;
        for (input, offset) in marks {
            self.execute(
                "UPDATE input SET offset = ?2, updated = ?3 WHERE id = ?1 AND offset <> ?2",
                (input, position(*offset), now),
            )?;
            if let Some(above) = self.handled.get_mut(input) {
                *above = above.split_off(&(*offset, 0));
            }
        }
        Ok(())
    }
}

/// The files found under `path`, newest first.
pub(crate) fn inputs(conn: &Connection, path: &str) -> rusqlite::Result<Vec<Input>> {
    conn.prepare_cached(&format!("SELECT {COLUMNS} FROM input WHERE path = ?1 ORDER BY id DESC"))?
        .query_map([path], input_of)?
        .collect()
}

fn input_of(row: &Row<'_>) -> rusqlite::Result<Input> {
    Ok(Input {
        id: row.get("id")?,
        path: row.get("path")?,
        identity: FileIdentity {
            dev: row.get::<_, i64>("dev")?.cast_unsigned(),
            ino: row.get::<_, i64>("ino")?.cast_unsigned(),
            head_hash: row.get("head_hash")?,
            head_len: row.get("head_len")?,
        },
        offset: u64::try_from(row.get::<_, i64>("offset")?).unwrap_or(0),
        done: row.get("done")?,
        updated_ms: row.get("updated")?,
    })
}

/// SQLite has signed integers only; devices and inodes use all 64 bits.
fn bits(number: u64) -> i64 {
    number.cast_signed()
}

fn position(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}
