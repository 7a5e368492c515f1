//! Programs in `active-response/bin` that are links to the engine. An update of
//! Wazuh puts its own there again; that is noticed and put right.

use std::io;
use std::path::{Path, PathBuf};

use riposte_transport::wazuh::ossec_log::Line;

use crate::engine::Engine;

/// What a program that had to make room is called from then on.
const STOCK: &str = "stock";

/// Puts the links right that `<link>` names, and says so. What cannot be put
/// right is said when it is not `known`, and is `known` then.
pub fn look_after(engine: &Engine, known: &mut Vec<Line>) {
    let armed = engine.armed();
    let links = &armed.config.settings.links;
    if links.is_empty() || engine.is_shadow() {
        return;
    }
    let Ok(us) = us() else { return };
    let before = std::mem::take(known);
    for name in links {
        let mut fails = false;
        let done = make(&engine.places.programs(), name, &us);
        let what = match done {
            Ok(Made::Already) => continue,
            Ok(Made::Anew) => "was missing. It is a link to Riposte again.".to_owned(),
            Ok(Made::InPlaceOf(stock)) => {
                format!("was replaced. It is a link to Riposte again; what replaced it is '{stock}'.")
            }
            Err(error) => {
                fails = true;
                format!("is no link to Riposte, and cannot be made one: {error}")
            }
        };
        let line = Line::warning(format!("Program 'active-response/bin/{name}' {what}"));
        if fails {
            known.push(line.clone());
            if before.contains(&line) {
                continue;
            }
        }
        engine.report.wazuh(&line);
        engine.report.not_ordered("link", &line.text);
    }
}

/// How a link came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Made {
    /// It was there.
    Already,
    /// Nothing had its place.
    Anew,
    /// What had its place has this name now.
    InPlaceOf(String),
}

/// Makes `name` in `folder` a link to `us`. What has its place is moved aside.
///
/// # Errors
///
/// When the name is not one, or the folder cannot be changed.
pub fn make(folder: &Path, name: &str, us: &Path) -> io::Result<Made> {
    named(name)?;
    let path = folder.join(name);
    if std::fs::read_link(&path).is_ok_and(|target| target == us) {
        return Ok(Made::Already);
    }
    // Made beside and then moved, so that the name is never without a program.
    let beside = folder.join(format!(".{name}.riposte"));
    match rustix::fs::unlink(&beside) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(errno) => return Err(errno.into()),
    }
    std::os::unix::fs::symlink(us, &beside)?;
    let made = match std::fs::symlink_metadata(&path) {
        Ok(_) => {
            let stock = stock(name);
            keep(&path, &folder.join(&stock))?;
            Made::InPlaceOf(stock)
        }
        Err(_) => Made::Anew,
    };
    rustix::fs::rename(&beside, &path)?;
    Ok(made)
}

/// Puts back what had the place of a link to us; anything else is left alone.
///
/// # Errors
///
/// When the name is not one, or the folder cannot be changed.
pub fn unmake(folder: &Path, name: &str, us: &Path) -> io::Result<()> {
    named(name)?;
    let (path, stock) = (folder.join(name), folder.join(stock(name)));
    let ours = std::fs::read_link(&path).is_ok_and(|target| target == us);
    let free = std::fs::symlink_metadata(&path).is_err();
    if !ours && !free {
        return Ok(());
    }
    match rustix::fs::rename(&stock, &path) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::NOENT) if ours => Ok(rustix::fs::unlink(&path)?),
        Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// This program's own file.
///
/// # Errors
///
/// When the system does not tell.
pub fn us() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    // After an update the file has this behind its name; the link is to its successor.
    let text = path.to_string_lossy();
    Ok(text.strip_suffix(" (deleted)").map_or_else(|| path.clone(), PathBuf::from))
}

/// Gives a program a second name; the first is taken by the link that moves there.
fn keep(path: &Path, aside: &Path) -> io::Result<()> {
    // A name that holds an older one gives it up.
    match rustix::fs::unlink(aside) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(rustix::fs::link(path, aside)?)
}

fn stock(name: &str) -> String {
    format!("{name}.{STOCK}")
}

fn named(name: &str) -> io::Result<()> {
    let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    if plain { Ok(()) } else { Err(io::Error::other(format!("{name:?} is no file name"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::wazuh_log::append;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        use std::io::Write;
        let dir = tempfile::tempdir().unwrap();
        for name in files {
            append(&dir.path().join(name)).unwrap().write_all(name.as_bytes()).unwrap();
        }
        dir
    }

    fn names(dir: &tempfile::TempDir) -> Vec<String> {
        let entries = std::fs::read_dir(dir.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_program_makes_room_and_comes_back() {
        let dir = folder(&["block"]);
        let us = Path::new("/usr/bin/riposte");
        assert_eq!(make(dir.path(), "block", us).unwrap(), Made::InPlaceOf("block.stock".to_owned()));
        assert_eq!(make(dir.path(), "block", us).unwrap(), Made::Already);
        assert_eq!(std::fs::read_link(dir.path().join("block")).unwrap(), us);
        assert_eq!(names(&dir), ["block", "block.stock"]);
        unmake(dir.path(), "block", us).unwrap();
        unmake(dir.path(), "block", us).unwrap();
        assert_eq!(names(&dir), ["block"]);
        assert_eq!(crate::files::read_at_most(&dir.path().join("block"), 100).unwrap(), b"block");
    }

    #[test]
    fn a_newer_program_takes_the_place_of_the_older_one_that_was_kept() {
        let dir = folder(&["block"]);
        let us = Path::new("/usr/bin/riposte");
        assert_ne!(make(dir.path(), "block", us).unwrap(), Made::Already);
        let newer = folder(&["newer"]);
        rustix::fs::rename(newer.path().join("newer"), dir.path().join("block")).unwrap();
        assert_eq!(make(dir.path(), "block", us).unwrap(), Made::InPlaceOf("block.stock".to_owned()));
        assert_eq!(crate::files::read_at_most(&dir.path().join("block.stock"), 100).unwrap(), b"newer");
    }

    #[test]
    fn where_nothing_was_nothing_is_left() {
        let dir = folder(&[]);
        let us = Path::new("/usr/bin/riposte");
        assert_eq!(make(dir.path(), "block", us).unwrap(), Made::Anew);
        unmake(dir.path(), "block", us).unwrap();
        assert!(names(&dir).is_empty());
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let dir = folder(&["block", "block.stock"]);
        unmake(dir.path(), "block", Path::new("/usr/bin/riposte")).unwrap();
        assert_eq!(names(&dir), ["block", "block.stock"]);
        assert!(make(dir.path(), "../block", Path::new("/x")).is_err());
    }
}
