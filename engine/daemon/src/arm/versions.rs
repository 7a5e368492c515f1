//! The versions of components that something in force was made with, and the
//! compiled code of all that may still run.

use std::collections::HashSet;
use std::path::Path;

use riposte_policy::grant::Digest;
use riposte_runtime::Plugin;

use crate::installed::Installed;
use crate::places::Places;

/// Keeps a component's bytes, so that what this version does can be undone by
/// it when the file has long been replaced.
pub fn keep(places: &Places, plugin: &Plugin, wasm: &[u8]) {
    let path = places.versions().join(format!("{}.wasm", plugin.digest()));
    if !places.versions().is_dir() || path.exists() {
        return;
    }
    if let Err(error) = store(&path, wasm) {
        tracing::warn!(path = %path.display(), %error, "cannot keep this version of the component");
    }
}

/// Writes a component's bytes so that they are whole or not there.
fn store(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    // `riposte check` may keep the same version at the same time.
    let partial = path.with_extension(format!("{}.partial", std::process::id()));
    let whole = || {
        #[expect(clippy::disallowed_methods, reason = "this module owns the kept versions")]
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(rustix::fs::rename(&partial, path)?)
    };
    let stored = whole();
    if stored.is_err() {
        let _ = rustix::fs::unlink(&partial);
    }
    stored
}

/// Removes the versions that nothing in force was made with and no command
/// uses.
pub fn prune(places: &Places, used: &HashSet<String>) {
    let Ok(entries) = std::fs::read_dir(places.versions()) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // What a start that was killed had begun to write has another extension.
        let whole = path.extension().is_some_and(|extension| extension == "wasm");
        if !whole || !used.contains(&stem) {
            // Left over until the next start if it cannot go now.
            let _ = rustix::fs::unlink(&path);
        }
    }
}

/// Removes compiled code that nothing will ask for: of no built-in, nothing in
/// `used`, and no version that is installed or kept. Code for another engine, as
/// an upgrade makes it ahead, is told apart behind the digest and stays.
pub fn prune_code(places: &Places, used: &HashSet<String>) {
    let mut wanted: HashSet<String> = Installed::to_read(places).kept_digests().into_iter().collect();
    let builtins = riposte_plugins::builtins().iter();
    wanted.extend(builtins.map(|builtin| riposte_runtime::digest(builtin.wasm).to_string()));
    let Ok(entries) = std::fs::read_dir(places.compiled()) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let digest = name.get(..64).filter(|digest| digest.parse::<Digest>().is_ok());
        let unasked = digest.is_some_and(|digest| !wanted.contains(digest) && !used.contains(digest));
        // What was being written when a process was killed.
        if unasked || name.starts_with("new-") {
            let _ = rustix::fs::unlink(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test plays an engine of before")]
    fn what_nothing_needs_goes_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::new(Some(dir.path()), None, &[]);
        places.create().unwrap();
        let hex = |digit: &str| digit.repeat(64);
        let used: HashSet<String> = [hex("a")].into();
        for name in
            [format!("{}.wasm", hex("a")), format!("{}.wasm", hex("b")), format!("{}.7.partial", hex("a"))]
        {
            std::fs::write(places.versions().join(name), "").unwrap();
        }
        prune(&places, &used);
        assert_eq!(names(&places.versions()), [format!("{}.wasm", hex("a"))]);

        let kept = places.plugins().join(".versions/block");
        std::fs::create_dir_all(&kept).unwrap();
        std::fs::write(kept.join(format!("{}.wasm", hex("c"))), "").unwrap();
        let builtin = riposte_runtime::digest(riposte_plugins::builtins()[0].wasm).to_string();
        let stay = [hex("a"), hex("c"), builtin].map(|digest| format!("{digest}-00"));
        for name in stay.iter().map(String::as_str).chain([&*format!("{}-00", hex("b")), "new-0123", "key"]) {
            std::fs::write(places.compiled().join(name), "").unwrap();
        }
        prune_code(&places, &used);
        let mut stay: Vec<_> = stay.into_iter().chain(["key".to_owned()]).collect();
        stay.sort();
        assert_eq!(names(&places.compiled()), stay);
    }
}
