//! Reads a package of WIT as toolchains do: the files of a folder, and what they
//! need from its `deps`. Only files are read, and only so much: the folder may be
//! somebody else's.

use std::path::Path;

use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{PackageId, Resolve, SourceMap, UnresolvedPackageGroup};

use crate::folder;

/// Most that a package and all that it needs may have, in bytes.
const LARGEST: u64 = 64 << 20;

/// Adds the package at `at`, a folder or a file, to `resolve`.
///
/// # Errors
///
/// What is wrong with it, and where.
pub(crate) fn read(resolve: &mut Resolve, at: &Path) -> Result<PackageId, String> {
    let mut reader = Reader { resolve, left: LARGEST };
    if !at.is_dir() {
        return match reader.file(at)? {
            Held::Package(package) => Ok(package),
            Held::Text(text) => reader.resolved(*text, Vec::new()),
        };
    }
    let main = reader.folder(at)?;
    let (deps, mut needed) = (at.join("deps"), Vec::new());
    for name in sorted(&deps) {
        let dep = deps.join(&name);
        if dep.is_dir() {
            needed.push(reader.folder(&dep)?);
        } else if (name.ends_with(".wit") || name.ends_with(".wasm"))
            && let Held::Text(text) = reader.file(&dep)?
        {
            needed.push(*text);
        }
    }
    reader.resolved(main, needed)
}

/// What a file holds.
enum Held {
    /// A package as text, whose names mean nothing yet.
    Text(Box<UnresolvedPackageGroup>),
    /// One that was compiled, with all that it needs.
    Package(PackageId),
}

struct Reader<'a> {
    resolve: &'a mut Resolve,
    /// How many bytes may still be read.
    left: u64,
}

impl Reader<'_> {
    fn bytes(&mut self, path: &Path) -> Result<Vec<u8>, String> {
        let bytes = folder::read(path, self.left).map_err(|error| error.to_string())?;
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Ok(bytes)
    }

    fn text(&mut self, path: &Path) -> Result<String, String> {
        let bytes = self.bytes(path)?;
        String::from_utf8(bytes).map_err(|_| format!("{}: it is not UTF-8 text", path.display()))
    }

    fn file(&mut self, path: &Path) -> Result<Held, String> {
        if path.extension().is_none_or(|extension| extension != "wasm") {
            let mut map = SourceMap::new();
            let text = self.text(path)?;
            map.push(path, text);
            return parsed(map).map(|text| Held::Text(Box::new(text)));
        }
        let wrong = |why: String| format!("{}: {why}", path.display());
        match decode(&self.bytes(path)?).map_err(|error| wrong(format!("{error:#}")))? {
            DecodedWasm::WitPackage(held, package) => {
                let merged = self.resolve.merge(held).map_err(|error| wrong(format!("{error:#}")))?;
                let package = merged.packages.get(package.index()).copied();
                package.map(Held::Package).ok_or_else(|| wrong("it holds no package".to_owned()))
            }
            DecodedWasm::Component(..) => Err(wrong("it is a component, not a package of WIT".to_owned())),
        }
    }

    /// All files of a folder are one package.
    fn folder(&mut self, at: &Path) -> Result<UnresolvedPackageGroup, String> {
        let mut map = SourceMap::new();
        for name in sorted(at).iter().filter(|name| name.ends_with(".wit")) {
            let path = at.join(name);
            if !path.is_dir() {
                let text = self.text(&path)?;
                map.push(&path, text);
            }
        }
        parsed(map)
    }

    fn resolved(
        &mut self,
        main: UnresolvedPackageGroup,
        needed: Vec<UnresolvedPackageGroup>,
    ) -> Result<PackageId, String> {
        let resolved = self.resolve.push_groups(main, needed);
        resolved.map_err(|error| error.render(&self.resolve.source_map))
    }
}

fn parsed(map: SourceMap) -> Result<UnresolvedPackageGroup, String> {
    map.parse().map_err(|(map, error)| error.render(&map))
}

fn sorted(at: &Path) -> Vec<String> {
    let mut names = folder::names(at);
    names.sort();
    names
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes pipes and links")]
    fn only_files_are_read() {
        for (name, device) in [("a.wit", false), ("deps/a.wit", false), ("deps/a/a.wit", true)] {
            let at = tempfile::tempdir().unwrap();
            folder::write(&at.path().join("world.wit"), b"package a:b; world w {}").unwrap();
            read(&mut Resolve::default(), at.path()).unwrap();
            let path = at.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            if device {
                std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
            } else {
                assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
            }
            let error = read(&mut Resolve::default(), at.path()).unwrap_err();
            assert!(error.contains("a pipe or a device"), "{error}");
        }
    }

    #[test]
    fn a_package_takes_what_it_needs_from_beside_it() {
        let at = tempfile::tempdir().unwrap();
        folder::write(&at.path().join("world.wit"), b"package a:b; world w { import c:d/e; }").unwrap();
        let missing = read(&mut Resolve::default(), at.path()).unwrap_err();
        assert!(missing.contains("world.wit:1:"), "{missing}");
        let needed = b"package c:d; interface e { f: func(); }";
        for place in ["deps/c.wit", "deps/c/e.wit"] {
            folder::write(&at.path().join(place), needed).unwrap();
            read(&mut Resolve::default(), at.path()).unwrap();
            folder::remove(&at.path().join(place)).unwrap();
        }
    }
}
