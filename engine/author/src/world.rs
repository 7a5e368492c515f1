//! The world of one project: its kind and the capabilities that it declares.
//!
//! Some toolchains import every interface of the world they are given, used or
//! not, and each import has to be granted. So they are given a world that holds
//! no more than the manifest declares.

use std::fmt::Write as _;
use std::path::Path;

use riposte_runtime::Kind;
use riposte_runtime::inspect::VERSION;
use wit_parser::Resolve;

use crate::{Capability, Error, Manifest, folder, sources, wit};

/// Where it is written, from the project's folder.
pub const FOLDER: &str = "riposte/world";
/// Its name there.
pub const WORLD: &str = "plugin";
/// Of the packages in `wit/deps`.
const WASI_VERSION: &str = "0.2.0";

/// The text of the narrowed world.
#[must_use]
pub fn text(kind: Kind, capabilities: &[Capability]) -> String {
    let kind = kind.as_str();
    let mut wit = format!(
        "// Written by `riposte plugin build` from plugin.toml: change it there.\n\
         package riposte:built;\n\n\
         world {WORLD} {{\n    include active-response:plugin/{kind}-response@{VERSION};\n    \
         import active-response:plugin/config@{VERSION};\n"
    );
    for capability in capabilities {
        // Writing to a string does not fail.
        let _ = match capability.interface() {
            // It needs no grant, and is there already.
            "config" => Ok(()),
            "wasi:http" => writeln!(wit, "    import wasi:http/outgoing-handler@{WASI_VERSION};"),
            "wasi:filesystem" => writeln!(
                wit,
                "    import wasi:filesystem/types@{WASI_VERSION};\n    import wasi:filesystem/preopens@{WASI_VERSION};"
            ),
            ours => writeln!(wit, "    import active-response:plugin/{ours}@{VERSION};"),
        };
    }
    wit.push_str("}\n");
    wit
}

/// Writes the world of a project, with the packages that it names beside it, and
/// reads it back as a toolchain will.
///
/// # Errors
///
/// [`Error::File`], or [`Error::World`], which no manifest should lead to.
pub fn write(project: &Path, manifest: &Manifest) -> Result<(), Error> {
    let at = project.join(FOLDER);
    folder::no_link(project, &Path::new(FOLDER).join("deps"))?;
    let packages = packages(&manifest.capabilities);
    for (path, bytes) in sources::beneath("wit").filter(|(path, _)| has_extension(path)) {
        let place = match path.strip_prefix("deps/") {
            Some(path) if packages.iter().any(|package| path.split('/').next() == Some(package)) => {
                path.to_owned()
            }
            Some(_) => continue,
            None => format!("active-response/{path}"),
        };
        let place = Path::new("deps").join(place);
        folder::no_link(&at, &place)?;
        folder::write(&at.join(place), bytes)?;
    }
    // What an earlier manifest needed.
    for held in folder::names(&at.join("deps")) {
        if held != "active-response" && !packages.contains(&held.as_str()) {
            folder::remove(&at.join("deps").join(held))?;
        }
    }
    folder::no_link(&at, Path::new("world.wit"))?;
    folder::write(&at.join("world.wit"), text(manifest.kind, &manifest.capabilities).as_bytes())?;
    read(&at).map(|_| ())
}

/// Reads a world as a toolchain does.
fn read(at: &Path) -> Result<Resolve, Error> {
    let mut resolve = Resolve::default();
    let package = wit::read(&mut resolve, at).map_err(Error::World)?;
    resolve.select_world(&[package], Some(WORLD)).map_err(|error| Error::World(format!("{error:#}")))?;
    Ok(resolve)
}

/// The packages of WASI that these capabilities need, by their folder in `wit/deps`.
fn packages(capabilities: &[Capability]) -> Vec<&'static str> {
    let mut packages = Vec::new();
    for capability in capabilities {
        match capability.name() {
            "http" => packages.extend(["io", "clocks", "http"]),
            "folder" => packages.extend(["io", "clocks", "filesystem"]),
            _ => {}
        }
    }
    packages
}

fn has_extension(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "wit")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::Language;

    fn manifest(kind: Kind, capabilities: &[Capability]) -> Manifest {
        Manifest {
            name: "block".to_owned(),
            version: "0.1.0".to_owned(),
            language: Language::Rust,
            kind,
            capabilities: capabilities.to_vec(),
            steps: vec![],
            artifact: "block.wasm".into(),
            test: vec![],
        }
    }

    /// The full names of what the written world imports.
    fn imports(at: &Path) -> Vec<String> {
        let resolve = read(&at.join(FOLDER)).unwrap();
        let (_, world) = resolve.worlds.iter().find(|(_, world)| world.name == WORLD).unwrap();
        world.imports.keys().map(|key| resolve.name_world_key(key)).collect()
    }

    #[test]
    fn every_capability_makes_a_world() {
        for kind in [Kind::Reversible, Kind::Oneshot] {
            let folder = tempfile::tempdir().unwrap();
            for capability in Capability::all() {
                write(folder.path(), &manifest(kind, &[capability])).unwrap();
                let imports = imports(folder.path());
                let wanted = capability.interface();
                assert!(imports.iter().any(|import| import.contains(wanted)), "{wanted}: {imports:?}");
            }
            write(folder.path(), &manifest(kind, &Capability::all().collect::<Vec<_>>())).unwrap();
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes links")]
    fn nothing_is_removed_or_written_through_a_link() {
        for link in ["riposte", "riposte/world", "riposte/world/deps", "riposte/world/world.wit"] {
            let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let kept = elsewhere.path().join("deps/mine/kept.wit");
            let also = elsewhere.path().join("mine/kept.wit");
            for path in [&kept, &also] {
                folder::write(path, b"mine").unwrap();
            }
            let link = folder.path().join(link);
            std::fs::create_dir_all(link.parent().unwrap()).unwrap();
            let to = if link.ends_with("world.wit") { also.clone() } else { elsewhere.path().to_owned() };
            std::os::unix::fs::symlink(to, &link).unwrap();
            let error = write(folder.path(), &manifest(Kind::Oneshot, &[])).unwrap_err();
            assert!(error.to_string().contains("it is a link"), "{error}");
            for path in [&kept, &also] {
                assert_eq!(folder::read(path, 10).unwrap(), b"mine", "{}", path.display());
            }
        }
    }

    #[test]
    fn what_is_not_declared_is_not_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let http = Capability::named("http").unwrap();
        write(folder.path(), &manifest(Kind::Oneshot, &[http])).unwrap();
        assert!(imports(folder.path()).contains(&"wasi:http/outgoing-handler@0.2.0".to_owned()));

        let firewall = Capability::named("firewall").unwrap();
        write(folder.path(), &manifest(Kind::Reversible, &[firewall])).unwrap();
        let ours = |name| format!("active-response:plugin/{name}@0.1.0");
        let mut found = imports(folder.path());
        found.sort();
        assert_eq!(found, ["alert", "config", "firewall", "invocation", "log", "types"].map(ours));
        assert_eq!(folder::names(&folder.path().join(FOLDER).join("deps")), ["active-response"]);
    }
}
