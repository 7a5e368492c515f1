//! Asks the file system for whatever the alert says, by the functions of the
//! standard library.

#![expect(clippy::disallowed_methods, reason = "it plays a plugin, whose files are those of its grant")]

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;

use riposte_sdk::Error;

hostile_components::ask! {
    "read" => |a, b| fs::read_to_string(a).map_err(said);
    "write" => |a, b| fs::write(a, b).map_err(said);
    "append" => |a, b| OpenOptions::new().append(true).open(a).and_then(|mut file| file.write_all(b.as_bytes())).map_err(said);
    "truncate" => |a, b| OpenOptions::new().read(true).truncate(true).write(true).open(a).map(drop).map_err(said);
    "shrink" => |a, b| File::open(a).and_then(|file| file.set_len(0)).map_err(said);
    "list" => |a, b| fs::read_dir(a).map(|entries| entries.count()).map_err(said);
    "remove" => |a, b| fs::remove_file(a).map_err(said);
    "make-folder" => |a, b| fs::create_dir(a).map_err(said);
    "remove-folder" => |a, b| fs::remove_dir(a).map_err(said);
    "rename" => |a, b| fs::rename(a, b).map_err(said);
    "link" => |a, b| fs::hard_link(a, b).map_err(said);
    "open-many" => |a, b| open_many(a).map_err(said);
    "fill" => |a, b| fill(a).map_err(said);
}

#[allow(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn said(error: std::io::Error) -> Error {
    Error::failed(format!("{error}"))
}

/// Opens the same file until it is refused: how often it was not.
fn open_many(path: &str) -> std::io::Result<usize> {
    let mut open = Vec::new();
    loop {
        match File::open(path) {
            Ok(file) => open.push(file),
            Err(error) if open.is_empty() => return Err(error),
            Err(_) => return Ok(open.len()),
        }
    }
}

/// Writes without end.
fn fill(path: &str) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    let block = vec![b'x'; 1 << 20];
    loop {
        file.write_all(&block)?;
    }
}
