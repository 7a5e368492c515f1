//! What the tables of a ledger show.

use std::collections::BTreeSet;

use rusqlite::Connection;

/// What the tables show.
pub struct Found {
    pub(super) rows: Vec<Row>,
    pub(super) holds: BTreeSet<(i64, String)>,
}

impl Found {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn read(conn: &Connection) -> rusqlite::Result<Self> {
        let mut entries =
            conn.prepare_cached("SELECT id, state, length, due_boot, closed IS NOT NULL, offset FROM entry")?;
        let rows = entries.query_map((), |row| {
            Ok(Row {
                id: row.get(0)?,
                state: row.get(1)?,
                length: row.get(2)?,
                due_boot: row.get(3)?,
                closed: row.get(4)?,
                order: row.get(5)?,
            })
        })?;
        let rows = rows.collect::<rusqlite::Result<_>>()?;
        let mut effects = conn.prepare_cached(
            "SELECT entry, interface || ' ' || target FROM effect JOIN entry ON id = entry
             WHERE NOT released AND closed IS NULL AND mode = 'enforce'",
        )?;
        let holds = effects.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self { rows, holds: holds.collect::<rusqlite::Result<_>>()? })
    }

    /// Entries that are open and end at some time, for people.
    #[must_use]
    pub fn open_for_a_time(&self) -> Vec<String> {
        let open =
            self.rows.iter().filter(|row| !row.closed && (row.length.is_some() || row.state != "in-force"));
        open.map(|row| format!("entry {} is {}", row.id, row.state)).collect()
    }

    /// What is held, by effect.
    #[must_use]
    pub fn held(&self) -> BTreeSet<String> {
        self.holds.iter().map(|(_, key)| key.clone()).collect()
    }
}

/// An entry as the tables show it.
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) state: String,
    pub(super) length: Option<i64>,
    pub(super) due_boot: Option<i64>,
    pub(super) closed: bool,
    pub(super) order: Option<i64>,
}
