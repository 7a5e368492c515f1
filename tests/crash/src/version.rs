//! A ledger of the version before, made of one of today.

use std::path::Path;

use rusqlite::Connection;

/// The tables of version 1, as the tests of the ledger have them.
const VERSION_1: &str = include_str!("../../../engine/ledger/src/tests/version1.sql");

/// Turns the ledger at `path` into one of version 1, with what that knows.
pub fn before(path: &Path) {
    let old = path.with_extension("old");
    let conn = Connection::open(&old).unwrap();
    conn.execute_batch(VERSION_1).unwrap();
    conn.execute("ATTACH ?1 AS now", [path.display().to_string()]).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut names = conn.prepare(sql).unwrap();
        names.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    for table in
        names("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    {
        let columns = names(&format!("SELECT name FROM pragma_table_info('{table}', 'main')")).join(", ");
        conn.execute_batch(&format!(
            "INSERT INTO main.{table} ({columns}) SELECT {columns} FROM now.{table}"
        ))
        .unwrap();
    }
    conn.close().unwrap();
    for suffix in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let _ = std::fs::remove_file(name);
    }
    std::fs::rename(old, path).unwrap();
}
