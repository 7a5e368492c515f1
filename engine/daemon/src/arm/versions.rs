//! The versions of components that something in force was made with.

use std::collections::HashSet;
use std::path::Path;

use riposte_runtime::Plugin;

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
    let partial = path.with_extension("partial");
    #[expect(clippy::disallowed_methods, reason = "this module owns the kept versions")]
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(rustix::fs::rename(&partial, path)?)
}

/// Removes the versions that nothing in force was made with and no command
/// uses.
pub fn prune(places: &Places, used: &HashSet<String>) {
    let Ok(entries) = std::fs::read_dir(places.versions()) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !used.contains(&stem) {
            // Left over until the next start if it cannot go now.
            let _ = rustix::fs::unlink(&path);
        }
    }
}
