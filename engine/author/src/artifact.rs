//! Whether what was built is what the manifest says.

use std::path::Path;

use riposte_policy::diagnostic::inline;
use riposte_runtime::Kind;
use riposte_runtime::inspect::VERSION;
use wit_component::DecodedWasm;

use crate::{Capability, Error, Manifest};

/// The package of the interfaces between engine and plugins.
const PACKAGE: &str = "active-response:plugin/";
/// Of that, what needs no grant.
const ALWAYS: [&str; 5] = ["types", "invocation", "alert", "log", "config"];

/// Checks the bytes of the artifact at `path` against a manifest; what is worth
/// a warning is returned.
///
/// # Errors
///
/// [`Error::Artifact`] with what it is instead, and what to do.
pub fn check(path: &Path, bytes: &[u8], manifest: &Manifest) -> Result<Vec<String>, Error> {
    let wrong = |what: String| Error::Artifact { path: path.to_owned(), what };
    match bytes {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            return Err(wrong(
                "it is a core module, and the last step of the build is missing: link with wasm-component-ld, or make \
                 a component of it with `riposte plugin wrap`"
                    .to_owned(),
            ));
        }
        [0, b'a', b's', b'm', ..] => {}
        _ => {
            return Err(wrong("it is no WebAssembly: does [build] artifact name the right file?".to_owned()));
        }
    }
    let decoded = wit_component::decode(bytes).map_err(|error| {
        wrong(format!("it is no WebAssembly component: {}", inline(&format!("{error:#}"))))
    })?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(wrong("it is a WIT package and holds no code".to_owned()));
    };
    let Some(world) = resolve.worlds.get(world) else {
        return Err(wrong("it has no world".to_owned()));
    };
    let names = |items: &mut dyn Iterator<Item = &wit_parser::WorldKey>| -> Vec<String> {
        items.map(|key| inline(&resolve.name_world_key(key))).collect()
    };
    kind(&names(&mut world.exports.keys()), manifest.kind).map_err(wrong)?;
    imports(&names(&mut world.imports.keys()), manifest).map_err(wrong)
}

/// Whether the component exports the kind that is declared, and no other.
fn kind(exports: &[String], declared: Kind) -> Result<(), String> {
    let exported: Vec<_> = [Kind::Reversible, Kind::Oneshot]
        .into_iter()
        .filter(|kind| exports.iter().any(|export| ours(export) == Some(kind.as_str())))
        .collect();
    match exported.as_slice() {
        [kind] if *kind == declared => Ok(()),
        [kind] => Err(format!(
            "it exports {}, but plugin.toml says kind = \"{}\": change one of the two",
            kind.as_str(),
            declared.as_str()
        )),
        [] => Err(format!(
            "it exports {}, but a response exports {PACKAGE}{}@{VERSION}",
            if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") },
            declared.as_str()
        )),
        _ => Err("it exports both reversible and oneshot: make it two responses".to_owned()),
    }
}

/// Whether everything that the component imports is declared or needs no grant.
fn imports(imports: &[String], manifest: &Manifest) -> Result<Vec<String>, String> {
    let mut undeclared = Vec::new();
    let mut unknown = Vec::new();
    for import in imports {
        match (ours(import), import.strip_prefix("wasi:")) {
            (Some(interface), _) if ALWAYS.contains(&interface) => {}
            (Some(interface), _) => match Capability::named(interface) {
                Ok(capability) if manifest.declares(capability.name()) => {}
                Ok(capability) => undeclared.push(capability.name()),
                Err(_) => unknown.push(import.as_str()),
            },
            (None, Some(wasi)) if wasi.starts_with("http/") => {
                if !manifest.declares("http") {
                    undeclared.push("http");
                }
            }
            // The rest of WASI is there, empty, for the languages that bring it.
            (None, Some(wasi)) if wasi.contains("@0.2.") => {}
            (None, _) => unknown.push(import.as_str()),
        }
    }
    undeclared.sort_unstable();
    undeclared.dedup();
    if !undeclared.is_empty() {
        let list = |names: &mut dyn Iterator<Item = &str>| {
            names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
        };
        let declared = manifest.capabilities.iter().map(|capability| capability.name());
        return Err(format!(
            "it imports {}, which plugin.toml does not declare: write capabilities = [{}], or do without",
            list(&mut undeclared.iter().copied()),
            list(&mut declared.chain(undeclared.iter().copied()))
        ));
    }
    if !unknown.is_empty() {
        return Err(format!(
            "it imports {}, which no engine of this version provides: remove what needs it",
            unknown.join(", ")
        ));
    }
    let used = |capability: &Capability| {
        imports.iter().any(|import| {
            ours(import) == Some(capability.interface())
                || import.starts_with(&format!("{}/", capability.interface()))
        })
    };
    let unused = manifest.capabilities.iter().filter(|capability| !used(capability));
    Ok(unused
        .map(|capability| {
            format!("plugin.toml declares \"{}\", and the component does not use it", capability.name())
        })
        .collect())
}

/// The interface of ours that this full name means, in a version that is ours.
fn ours(name: &str) -> Option<&str> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
    let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    (minor(version) == minor(VERSION)).then_some(interface)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn manifest(capabilities: &str) -> Manifest {
        let text = format!(
            "name = \"x\"\nlanguage = \"c\"\nkind = \"oneshot\"\ncapabilities = [{capabilities}]\n\
             [build]\nsteps = []\nartifact = \"x.wasm\"\n"
        );
        Manifest::parse(Path::new("plugin.toml"), &text).unwrap()
    }

    fn check_text(wat: &str, capabilities: &str) -> Result<Vec<String>, String> {
        let bytes = wat::parse_str(wat).unwrap();
        check(Path::new("x.wasm"), &bytes, &manifest(capabilities)).map_err(|error| error.to_string())
    }

    fn component(imports: &[&str], export: &str) -> String {
        let mut wat = String::from("(component\n");
        for import in imports {
            wat.push_str(&format!("(import \"{import}\" (instance))\n"));
        }
        wat.push_str(&format!("(instance $i) (export \"{export}\" (instance $i)))"));
        wat
    }

    const ONESHOT: &str = "active-response:plugin/oneshot@0.1.0";

    #[test]
    fn what_is_as_declared_passes() {
        let wat = component(
            &[
                "active-response:plugin/firewall@0.1.0",
                "active-response:plugin/log@0.1.0",
                "wasi:io/error@0.2.6",
            ],
            ONESHOT,
        );
        assert_eq!(check_text(&wat, "\"firewall\""), Ok(vec![]));
        let warned = check_text(&wat, "\"firewall\", \"http\"").unwrap();
        assert!(warned.iter().any(|warning| warning.contains("\"http\"")), "{warned:?}");
    }

    #[test]
    fn what_is_not_says_what_to_do() {
        let firewall = "active-response:plugin/firewall@0.1.0";
        for (wat, says) in [
            ("(module)".to_owned(), "the last step of the build is missing"),
            (
                component(&[], "active-response:plugin/reversible@0.1.0"),
                "plugin.toml says kind = \"oneshot\"",
            ),
            (component(&[], "acme:x/y@1.0.0"), "a response exports active-response:plugin/oneshot@0.1.0"),
            (component(&[], "active-response:plugin/oneshot@0.2.0"), "a response exports"),
            (component(&[firewall], ONESHOT), "write capabilities = [\"http\", \"firewall\"]"),
            (component(&["acme:x/y@1.0.0"], ONESHOT), "which no engine of this version provides"),
            (component(&["wasi:io/error@0.3.0"], ONESHOT), "which no engine of this version provides"),
        ] {
            let error = check_text(&wat, "\"http\"").unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        let text = check(Path::new("x.wasm"), b"hello", &manifest(""));
        assert!(text.unwrap_err().to_string().contains("no WebAssembly"));
    }
}
