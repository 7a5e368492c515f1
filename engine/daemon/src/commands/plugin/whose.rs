//! Whose a project is: root runs no build that somebody else says.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::files;

/// The project as it may be built: for root by the path that leads through no
/// link, since what was looked at is then what is built, whoever makes another
/// link in its place.
///
/// # Errors
///
/// When this is root, and the project somebody else's: its build would run with
/// more rights than who wrote it has. `then` is what comes after the way out.
pub(super) fn own(folder: &Path, then: &str) -> Result<PathBuf, String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(folder.to_owned());
    }
    let whole = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
    match of_others(&whole) {
        None => Ok(whole),
        Some(theirs) => Err(format!(
            "{} is another user's, or others may write to it, and a build of {} does not run as root: run `riposte \
             plugin build` as its user, then {then}",
            theirs.display(),
            folder.display()
        )),
    }
}

/// By what somebody else says what is built there: the folder, anything in it (a
/// build runs its sources, tools and scripts too), what a link in it leads to, or a
/// folder above one of these, where another could be put in its place.
fn of_others(folder: &Path) -> Option<PathBuf> {
    if let Some(above) = exchanged_at(folder) {
        return Some(above);
    }
    let (mut left, mut linked) = (vec![folder.to_owned()], HashSet::new());
    while let Some(path) = left.pop() {
        let Ok(found) = path.symlink_metadata() else { return Some(path) };
        if found.is_symlink() {
            // One that leads nowhere yet leads to what somebody makes there.
            let Ok(target) = path.canonicalize() else { return Some(path) };
            if linked.insert(target.clone()) {
                if let Some(above) = exchanged_at(&target) {
                    return Some(above);
                }
                left.push(target);
            }
            continue;
        }
        if is_doubtful(&path) {
            return Some(path);
        }
        if found.is_dir() {
            let Ok(held) = std::fs::read_dir(&path) else { return Some(path) };
            left.extend(held.flatten().map(|held| held.path()));
        }
    }
    None
}

/// The folder in which somebody else could put another in the place of this.
fn exchanged_at(path: &Path) -> Option<PathBuf> {
    // In a folder of everybody's with the sticky bit, such as `/tmp`, each is
    // renamed by its owner only.
    let sticky = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|found| found.uid() == 0 && found.mode() & 0o1000 != 0)
    };
    let above = path.ancestors().skip(1).find(|above| is_doubtful(above) && !sticky(above));
    above.map(Path::to_owned)
}

fn is_doubtful(path: &Path) -> bool {
    files::doubt_of_any(path, files::OTHERS).is_some()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test plays the other user")]
    fn what_others_may_write_is_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("plugin.toml");
        std::fs::write(&manifest, "").unwrap();
        let others_write = |folder_mode: u32, manifest_mode: u32| {
            for (path, mode) in [(folder.path(), folder_mode), (&manifest, manifest_mode)] {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
            }
            super::of_others(folder.path()).is_some()
        };
        assert!(!others_write(0o755, 0o644));
        assert!(others_write(0o1777, 0o644));
        assert!(others_write(0o755, 0o666));
        assert!(others_write(0o775, 0o644));
        // What a build runs besides.
        let script = folder.path().join("riposte/sdk/build.mjs");
        std::fs::create_dir_all(script.parent().unwrap()).unwrap();
        std::fs::write(&script, "").unwrap();
        assert!(!others_write(0o755, 0o644));
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(others_write(0o755, 0o644));
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o644)).unwrap();
        // What a link leads to, and what that holds.
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::set_permissions(elsewhere.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let (module, link) = (elsewhere.path().join("a.py"), folder.path().join("lib"));
        std::fs::write(&module, "").unwrap();
        std::fs::set_permissions(&module, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), &link).unwrap();
        assert!(!others_write(0o755, 0o644));
        std::fs::set_permissions(&module, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(others_write(0o755, 0o644));
        std::fs::remove_file(&module).unwrap();
        assert!(!others_write(0o755, 0o644));
        std::fs::remove_dir(elsewhere.path()).unwrap();
        assert!(others_write(0o755, 0o644), "it leads to what is made there");
        std::fs::remove_file(&link).unwrap();
        // Where another could be put in its place.
        let inner = folder.path().join("riposte");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(super::of_others(&inner).as_deref(), Some(folder.path()));
    }
}
