//! Where compiled code is kept for whoever looks at components and tries them,
//! and how much of it. It is code of this machine, and would run with this user's
//! rights: it is taken from this user's own cache, and never from a home or from
//! beside a component, which may have come in an archive, its key with it.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How much stays, in bytes. The code of a component in Python has some 60 MiB,
/// and each build there makes other bytes, so most is never asked for again.
const MOST: u64 = 512 << 20;
/// What the code is authenticated by.
const KEY: &str = "key";

/// `$XDG_CACHE_HOME/riposte`, when that is this user's own folder: root with
/// another user's `HOME` keeps nothing. It is authenticated there as the engine's
/// own is.
#[must_use]
pub fn cache() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")))?;
    // Where it is not there yet, whose it will be its parent says.
    if !caches.exists() && caches.parent().is_some_and(is_own) {
        // A folder that cannot be made is no own one.
        let _ = std::fs::create_dir(&caches);
    }
    is_own(&caches).then(|| caches.join("riposte"))
}

/// Whether it is a folder of this user's, and not everybody's to write.
fn is_own(folder: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    std::fs::metadata(folder)
        .is_ok_and(|found| found.is_dir() && found.uid() == user && found.mode() & 0o002 == 0)
}

/// Forgets what was compiled longest ago, and what a process that was killed had
/// begun to write. What was compiled last stays, however large.
pub fn prune(cache: &Path) {
    prune_to(cache, MOST);
}

fn prune_to(cache: &Path, most: u64) {
    let Ok(entries) = std::fs::read_dir(cache) else { return };
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
        .flatten()
        .filter(|entry| entry.file_name() != KEY)
        .filter_map(|entry| {
            let found = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some((found.modified().ok()?, found.len(), entry.path()))
        })
        .collect();
    files.sort_by_key(|(modified, ..)| std::cmp::Reverse(*modified));
    let mut sum = 0_u64;
    for (n, (_, size, path)) in files.into_iter().enumerate() {
        sum = sum.saturating_add(size);
        if n > 0 && sum > most {
            // One that cannot go now goes another time.
            let _ = rustix::fs::unlink(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes files of any age")]
    fn what_is_oldest_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        for (name, age, size) in [("key", 9, 32), ("a", 3, 40), ("new-1", 2, 40), ("b", 1, 40), ("c", 0, 70)]
        {
            let path = dir.path().join(name);
            std::fs::write(&path, vec![0; size]).unwrap();
            let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 - age);
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(then).unwrap();
        }
        let left = |most| {
            prune_to(dir.path(), most);
            let mut names: Vec<_> =
                std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names.iter().map(|name| name.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(left(190), ["a", "b", "c", "key", "new-1"]);
        assert_eq!(left(110), ["b", "c", "key"]);
        assert_eq!(left(1), ["c", "key"], "what was compiled last stays");
    }
}
