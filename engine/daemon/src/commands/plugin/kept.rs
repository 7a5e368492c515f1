//! Where compiled code is kept for an author, and how much of it. Each build in
//! Python or JavaScript makes other bytes, so most is never asked for again.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How much stays, in bytes. The code of a component in Python has some 60 MiB.
const MOST: u64 = 512 << 20;
/// What the code is authenticated by.
const KEY: &str = "key";

/// `$XDG_CACHE_HOME/riposte`, where compiled code is kept for its author. It is
/// authenticated there as the engine's own is.
pub(super) fn cache() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")))?;
    // A folder that cannot be made is found out by who uses it.
    let _ = std::fs::create_dir(&caches);
    Some(caches.join("riposte"))
}

/// The folder of an engine for compiled code, of a component that is installed
/// there.
pub(super) fn beside(file: &Path) -> Option<PathBuf> {
    let file = std::path::absolute(file).ok()?;
    let compiled = file.parent()?.parent()?.join("compiled");
    // Nothing is made in a folder that is only called so.
    compiled.join(KEY).is_file().then_some(compiled)
}

/// Forgets what was compiled longest ago, and what a process that was killed had
/// begun to write. What was compiled last stays, however large.
pub(super) fn prune(cache: &Path) {
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
