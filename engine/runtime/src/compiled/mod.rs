//! Compiled code kept on disk, so that a start does not compile again.
//!
//! A file in this folder becomes machine code of the engine's own process:
//! whoever can write one owns the engine. So the folder must be the engine's
//! alone, every file carries a MAC under a key that is only here, and what is
//! loaded is the very memory that was authenticated, never read twice. What
//! does not verify is compiled again.

#[cfg(unix)]
mod cache;
#[cfg(not(unix))]
mod elsewhere;

use std::fmt;
use std::path::PathBuf;

use riposte_policy::grant::Digest;
#[cfg(unix)]
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

#[cfg(unix)]
pub(crate) use cache::Cache;
#[cfg(unix)]
use cache::Name;
#[cfg(not(unix))]
pub(crate) use elsewhere::Cache;
#[cfg(not(unix))]
use elsewhere::Name;

/// The SHA-256 of a component's bytes.
pub fn digest(wasm: &[u8]) -> Digest {
    Digest(Sha256::digest(wasm).into())
}

/// What an earlier run compiled for this very engine.
pub(crate) fn kept(engine: &wasmtime::Engine, cache: &Cache, digest: Digest) -> Option<Component> {
    cache.load(engine, &Name::new(engine, digest))
}

/// Compiles `wasm`, or takes what an earlier run compiled.
///
/// Compiling takes some 10 ms and all processors: not for an async thread.
pub(crate) fn component(
    engine: &wasmtime::Engine,
    cache: Option<&Cache>,
    wasm: &[u8],
    digest: Digest,
) -> wasmtime::Result<Component> {
    let name = Name::new(engine, digest);
    if let Some(component) = cache.and_then(|cache| cache.load(engine, &name)) {
        return Ok(component);
    }
    let component = Component::from_binary(engine, wasm)?;
    if let Some(cache) = cache
        && let Err(error) =
            component.serialize().map_err(|e| e.to_string()).and_then(|code| cache.keep(&name, &code))
    {
        let folder = cache.folder().display();
        tracing::warn!(%folder, error, "compiled code was not kept: it is compiled again at the next start");
    }
    Ok(component)
}

/// Why the folder for compiled code cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheError {
    path: PathBuf,
    why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    #[cfg(unix)]
    Io(&'static str, Errno),
    #[cfg(unix)]
    Owner(u32),
    #[cfg(unix)]
    Writable(u32),
    #[cfg(not(unix))]
    Unsupported,
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.why {
            #[cfg(not(unix))]
            Why::Unsupported => write!(
                f,
                "compiled code is not kept on this system ({path}), since who may write there is not known: name no \
                 folder for it"
            ),
            #[cfg(unix)]
            Why::Io(what, errno) => write!(f, "the folder for compiled code {path} {what}: {errno}"),
            #[cfg(unix)]
            Why::Owner(uid) => write!(
                f,
                "the folder for compiled code {path} belongs to uid {uid}, not to the user that runs the engine: its files become code of the engine, so give the folder to that user (chown), or remove it"
            ),
            #[cfg(unix)]
            Why::Writable(mode) => write!(
                f,
                "the folder for compiled code {path} may be written by others (mode {mode:o}): its files become code of the engine, so remove the folder and start again"
            ),
        }
    }
}

impl std::error::Error for CacheError {}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::cache::{HEADER, MAC, MAGIC};
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    const WASM: &[u8] = b"\0asm\x0d\0\x01\0";

    fn engine() -> wasmtime::Engine {
        wasmtime::Engine::default()
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.file_name().unwrap() != "key");
        files
    }

    #[test]
    fn what_was_compiled_is_loaded_and_only_that() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("code");
        let (engine, digest) = (engine(), digest(WASM));
        let name = Name::new(&engine, digest);
        let cache = Cache::open(&path).unwrap();
        assert!(cache.load(&engine, &name).is_none());
        component(&engine, Some(&cache), WASM, digest).unwrap();
        assert!(cache.load(&engine, &name).is_some());
        // Also by the next process, which finds the same key.
        assert!(Cache::open(&path).unwrap().load(&engine, &name).is_some());
        let [file] = &files(&path)[..] else { panic!("one file") };
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);

        // Every part is authenticated: MAC, header, code, length.
        #[expect(clippy::disallowed_methods, reason = "a test changes a file")]
        {
            let good = std::fs::read(file).unwrap();
            for at in [0, MAC, MAC + MAGIC.len(), MAC + HEADER - 1, MAC + HEADER, good.len() - 1] {
                let mut bad = good.clone();
                bad[at] ^= 1;
                std::fs::write(file, bad).unwrap();
                assert!(cache.load(&engine, &name).is_none(), "byte {at}");
            }
            for cut in [0, MAC - 1, MAC, MAC + HEADER, good.len() - 1] {
                std::fs::write(file, &good[..cut]).unwrap();
                assert!(cache.load(&engine, &name).is_none(), "{cut} bytes");
            }
            // Compiling again repairs it.
            component(&engine, Some(&cache), WASM, digest).unwrap();
            assert_eq!(std::fs::read(file).unwrap(), good);
        }
    }

    /// Two engines that compile otherwise, as two versions of wasmtime do, keep
    /// their code side by side: the new one's is made while the old one runs.
    #[test]
    fn engines_keep_their_code_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("code");
        let (old, digest) = (engine(), digest(WASM));
        let mut config = wasmtime::Config::new();
        config.epoch_interruption(true);
        let new = wasmtime::Engine::new(&config).unwrap();
        assert_ne!(Name::new(&old, digest).file, Name::new(&new, digest).file);
        let cache = Cache::open(&path).unwrap();
        component(&old, Some(&cache), WASM, digest).unwrap();
        assert!(kept(&new, &cache, digest).is_none());
        component(&new, Some(&Cache::open(&path).unwrap()), WASM, digest).unwrap();
        assert_eq!(files(&path).len(), 2);
        assert!(kept(&old, &cache, digest).is_some() && kept(&new, &cache, digest).is_some());
    }

    #[test]
    fn a_file_of_another_component_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("code");
        let engine = engine();
        let cache = Cache::open(&path).unwrap();
        component(&engine, Some(&cache), WASM, digest(WASM)).unwrap();
        let other = Name::new(&engine, Digest([7; 32]));
        let [file] = &files(&path)[..] else { panic!("one file") };
        std::fs::copy(file, path.join(other.file.to_str().unwrap())).unwrap();
        assert!(cache.load(&engine, &other).is_none());
    }

    #[test]
    fn another_key_invalidates_everything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("code");
        let engine = engine();
        let cache = Cache::open(&path).unwrap();
        component(&engine, Some(&cache), WASM, digest(WASM)).unwrap();
        // A key that others can read is none.
        std::fs::set_permissions(path.join("key"), std::fs::Permissions::from_mode(0o640)).unwrap();
        let again = Cache::open(&path).unwrap();
        assert_ne!(again.key, cache.key);
        assert!(again.load(&engine, &Name::new(&engine, digest(WASM))).is_none());
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        for mode in [0o777, 0o720, 0o702] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let error = Cache::open(folder.path()).err().unwrap();
            assert!(error.to_string().contains(&format!("mode {mode:o}")), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("link")).unwrap();
        assert!(Cache::open(&folder.path().join("link")).is_err());
        assert!(Cache::open(&folder.path().join("no/parent")).is_err());
    }
}
