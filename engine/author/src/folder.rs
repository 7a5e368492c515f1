//! Files of a project.
#![expect(clippy::disallowed_methods, reason = "this module owns the files of an author's project")]

use std::io::{self, Read as _};
use std::path::Path;

use crate::Error;

/// The bytes of a file; one that is larger is an error.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    // A pipe would be waited for without end. One that a shell made is meant.
    let plain = path.metadata().map_or(true, |found| found.is_file() || found.is_dir());
    if !plain && !path.starts_with("/dev") && !path.starts_with("/proc") {
        let why = "it is a pipe or a device, not a file; put a file in its place".to_owned();
        return Err(Error::File { path: path.to_owned(), why });
    }
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

/// Makes a folder where nothing is.
pub(crate) fn create(path: &Path) -> Result<(), Error> {
    match std::fs::create_dir(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Error::Exists(path.to_owned())),
        Err(error) => Err(failed(path, "cannot make it", &error)),
    }
}

/// Refuses a path below a project of which a part is a link: what is written
/// or removed there would lie elsewhere.
pub(crate) fn no_link(project: &Path, below: &Path) -> Result<(), Error> {
    let mut path = project.to_owned();
    for part in below {
        path.push(part);
        if path.is_symlink() {
            let why =
                "it is a link, and this program writes and removes what is here: remove the link".to_owned();
            return Err(Error::File { path, why });
        }
    }
    Ok(())
}

/// Removes a file, or a folder with all that it holds; one that is not there is
/// fine.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    let is_folder = path.symlink_metadata().is_ok_and(|found| found.is_dir());
    match if is_folder { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) } {
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("a.json");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(read(&pipe, 10).unwrap_err().to_string().contains("a pipe"));
        assert!(read(dir.path(), 10).is_err());
        assert_eq!(read(Path::new("/dev/null"), 10).unwrap(), b"");
    }
}
