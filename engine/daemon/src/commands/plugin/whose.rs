//! Whose a project is: root runs no build that somebody else says.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::files;

/// Why its build does not run, and the way out; `then` is what comes after it.
pub(super) fn refused(folder: &Path, then: &str) -> String {
    format!(
        "{} or something in it is another user's, or others may write to it, and such a build does not run as root: run \
         `riposte plugin build` as its user, then {then}",
        folder.display()
    )
}

/// Whether this is root, and the project somebody else's: its build would run
/// with more rights than who wrote it has.
pub(super) fn of_another(folder: &Path) -> bool {
    rustix::process::geteuid().is_root() && others_write(folder)
}

/// Whether somebody else says what is built there: who owns or may write the
/// folder, anything in it (a build runs its sources, tools and scripts too), or a
/// folder above it, where another could be put in its place.
fn others_write(folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return true };
    let doubt = |path: &Path| files::doubt_of_any(path, files::OTHERS).is_some();
    // In a folder of everybody's with the sticky bit, such as `/tmp`, each is
    // renamed by its owner only.
    let sticky = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|found| found.uid() == 0 && found.mode() & 0o1000 != 0)
    };
    if folder.ancestors().skip(1).any(|above| doubt(above) && !sticky(above)) {
        return true;
    }
    let mut left = vec![folder];
    while let Some(path) = left.pop() {
        // A link is as good as what it leads to, and is not followed further.
        if doubt(&path) {
            return true;
        }
        let is_folder = path.symlink_metadata().is_ok_and(|found| found.is_dir());
        if is_folder {
            let Ok(held) = std::fs::read_dir(&path) else { return true };
            left.extend(held.flatten().map(|held| held.path()));
        }
    }
    false
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
            super::others_write(folder.path())
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
        // Where another could be put in its place.
        let inner = folder.path().join("riposte");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(super::others_write(&inner));
    }
}
