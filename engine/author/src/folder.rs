//! Files of a project.
#![expect(clippy::disallowed_methods, reason = "this module owns the files of an author's project")]

use std::fs::{File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use crate::Error;

/// The bytes of a file; one that is larger is an error.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)) {
        Ok(_) if bytes.len() as u64 > most => {
            Err(Error::File { path: path.to_owned(), why: format!("it is larger than {} MiB", most >> 20) })
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(failed(path, "cannot read it", &error)),
    }
}

/// Opens a file to read it. A pipe would be waited for without end; one that a
/// shell made is meant.
fn open(path: &Path) -> io::Result<File> {
    if is_of_a_shell(path) {
        return File::open(path);
    }
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if found.is_file() || found.is_dir() {
        return Ok(file);
    }
    Err(io::Error::other("it is a pipe or a device, not a file; put a file in its place"))
}

/// Whether a path is one by which a shell hands over what it has opened
/// (`<(...)`, `/dev/stdin`), or nothing: that is meant, and no name that somebody
/// could exchange.
#[must_use]
pub fn is_of_a_shell(path: &Path) -> bool {
    let named =
        ["/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr"].iter().any(|name| path == Path::new(name));
    let is_number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u32>().is_ok());
    let numbered = path.to_str().is_some_and(|path| {
        let of_process = path.strip_prefix("/proc/").and_then(|rest| rest.split_once("/fd/"));
        let of_process = of_process
            .filter(|(process, _)| *process == "self" || is_number(Some(process)))
            .map(|(_, fd)| fd);
        is_number(path.strip_prefix("/dev/fd/").or(of_process))
    });
    named || numbered
}

/// Writes a file, with its folders. One that holds this already is left alone,
/// so that a build tool does not take it for changed.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let is_file = path.symlink_metadata().is_ok_and(|found| found.is_file());
    if is_file && read(path, bytes.len() as u64).is_ok_and(|held| held == bytes) {
        return Ok(());
    }
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder.map_err(|error| failed(path, "cannot write it", &error))?;
    replace(path, bytes)
}

/// Puts a whole file into the place of what is there: of a link too, which is
/// not followed. Who may write the folder could have made it.
///
/// # Errors
///
/// [`Error::File`], when it cannot be written, or a folder, a pipe or a device is
/// there.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |error: &io::Error| failed(path, "cannot write it", error);
    if is_of_a_shell(path) {
        return std::fs::write(path, bytes).map_err(|error| failed(&error));
    }
    if path.symlink_metadata().is_ok_and(|found| !found.is_file() && !found.is_symlink()) {
        let why = "it is a folder, a pipe or a device; name a file".to_owned();
        return Err(Error::File { path: path.to_owned(), why });
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // As any file that is made, within the user's mask.
    let beside = tempfile::Builder::new()
        .prefix(".riposte-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder);
    let mut beside = beside.map_err(|error| failed(&error))?;
    beside.write_all(bytes).map_err(|error| failed(&error))?;
    beside.persist(path).map(drop).map_err(|error| failed(&error.error))
}

/// Makes a folder where nothing is, whole or not at all: `fill` fills it beside
/// its place.
pub(crate) fn create(path: &Path, fill: impl FnOnce(&Path) -> Result<(), Error>) -> Result<(), Error> {
    if path.symlink_metadata().is_ok() {
        return Err(Error::Exists(path.to_owned()));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.partial"));
    // What was killed in the middle of this.
    remove(&beside)?;
    std::fs::create_dir(&beside).map_err(|error| failed(path, "cannot make it", &error))?;
    let filled = fill(&beside).and_then(|()| {
        std::fs::rename(&beside, path).map_err(|error| match error.kind() {
            // Somebody was faster.
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory => Error::Exists(path.to_owned()),
            _ => failed(path, "cannot make it", &error),
        })
    });
    if filled.is_err() {
        remove(&beside)?;
    }
    filled
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
        // Nor is one written, or asked what it holds.
        assert!(write(&pipe, b"").unwrap_err().to_string().contains("a pipe"));
        replace(Path::new("/dev/null"), b"nothing").unwrap();
    }

    #[test]
    fn what_a_shell_hands_over_is_told_from_names_beside_it() {
        for meant in ["/dev/stdin", "/dev/fd/63", "/proc/self/fd/0", "/proc/17/fd/4"] {
            assert!(is_of_a_shell(Path::new(meant)), "{meant}");
        }
        for other in [
            "/dev/shm/p/plugin.toml",
            "/dev/fd/../shm/a",
            "/proc/self/cwd/pipe",
            "/proc/self/fd/3/a",
            "/dev/zero",
        ] {
            assert!(!is_of_a_shell(Path::new(other)), "{other}");
        }
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (kept, link) = (dir.path().join("kept"), dir.path().join("link"));
        std::fs::write(&kept, b"mine").unwrap();
        for (to, text) in [(kept.as_path(), "new"), (Path::new("nowhere"), "newer")] {
            let _ = std::fs::remove_file(&link);
            std::os::unix::fs::symlink(to, &link).unwrap();
            write(&link, text.as_bytes()).unwrap();
            assert_eq!(read(&link, 10).unwrap(), text.as_bytes());
            assert!(!link.is_symlink());
            assert_eq!(read(&kept, 10).unwrap(), b"mine");
        }
        assert_eq!(names(dir.path()).len(), 2, "nothing is left beside");
    }

    #[test]
    fn a_folder_is_made_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("block");
        // What one left that was killed.
        std::fs::create_dir_all(dir.path().join(".block.partial/half")).unwrap();
        let failed = create(&at, |beside| {
            assert!(!at.exists());
            write(&beside.join("a"), b"a")?;
            Err(Error::NotOffered(String::new()))
        });
        assert!(failed.is_err() && names(dir.path()).is_empty());
        create(&at, |beside| write(&beside.join("a"), b"a")).unwrap();
        assert_eq!((names(dir.path()), names(&at)), (vec!["block".to_owned()], vec!["a".to_owned()]));
        assert_eq!(create(&at, |_| Ok(())), Err(Error::Exists(at.clone())));
    }
}
