//! Files of a project.
#![expect(clippy::disallowed_methods, reason = "this module owns the files of an author's project")]

use std::io::{self, Read as _};
use std::path::Path;

use crate::Error;

/// The bytes of a file; one that is larger is an error.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > most => {
            Err(Error::File { path: path.to_owned(), why: format!("it is larger than {} MiB", most >> 20) })
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(failed(path, "cannot read it", &error)),
    }
}

/// Writes a file, with its folders. One that holds this already is left alone,
/// so that a build tool does not take it for changed.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if std::fs::read(path).is_ok_and(|held| held == bytes) {
        return Ok(());
    }
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder.and_then(|()| std::fs::write(path, bytes)).map_err(|error| failed(path, "cannot write it", &error))
}

/// Removes a folder with all that it holds; one that is not there is fine.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(path, "cannot remove it", &error)),
    }
}

/// The names of what a folder holds.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn failed(path: &Path, what: &str, error: &io::Error) -> Error {
    Error::File { path: path.to_owned(), why: format!("{what}: {error}") }
}
