//! Capabilities that sources in Python import and the manifest does not declare.
//!
//! The component imports what is declared, whatever the sources call, so what is
//! missing would first be met by a call. Only the files of the project's own
//! folder are looked at, by their words: a hint, and no proof.

use std::path::Path;

use crate::{Capability, Language, Manifest, folder};

/// The package of the SDK.
const SDK: &str = "riposte_sdk";
/// More than this, in bytes, nobody writes by hand.
const LARGEST: u64 = 1 << 20;

/// A warning for each file that imports what is not declared.
#[must_use]
pub(crate) fn undeclared(project: &Path, manifest: &Manifest) -> Vec<String> {
    if manifest.language != Language::Python {
        return Vec::new();
    }
    let mut names = folder::names(project);
    names.retain(|name| name.ends_with(".py") && !name.starts_with("test_"));
    names.sort();
    let warning = |name: String| {
        let bytes = folder::read(&project.join(&name), LARGEST).ok()?;
        let missing = missing(&String::from_utf8_lossy(&bytes), manifest);
        let listed = |names: &mut dyn Iterator<Item = &str>| {
            names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
        };
        let declared = manifest.capabilities.iter().map(|capability| capability.name());
        (!missing.is_empty()).then(|| {
            format!(
                "{name} imports {}, which plugin.toml does not declare, so each call of it fails: write capabilities = [{}]",
                missing.join(", "),
                listed(&mut declared.chain(missing.iter().copied()))
            )
        })
    };
    names.into_iter().filter_map(warning).collect()
}

/// The capabilities that a source imports and that are not declared.
fn missing(source: &str, manifest: &Manifest) -> Vec<&'static str> {
    let code: Vec<_> = source.lines().map(|line| line.split('#').next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let modules: Vec<&str> = code.split(SDK).skip(1).flat_map(modules).collect();
    let known = Capability::all().map(Capability::name);
    // `folder` has no module: Python's own `open` reads.
    known.filter(|name| *name != "config" && modules.contains(name) && !manifest.declares(name)).collect()
}

/// The modules that are named behind the SDK's own name: `.firewall`, or
/// ` import a, b as c`.
fn modules(behind: &str) -> Vec<&str> {
    if let Some(module) = behind.strip_prefix('.') {
        return module.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').take(1).collect();
    }
    let Some(list) = behind.trim_start_matches(' ').strip_prefix("import ") else { return Vec::new() };
    let list = match list.trim_start().strip_prefix('(') {
        Some(list) => list.split(')').next(),
        None => list.split('\n').next(),
    };
    list.unwrap_or_default().split(',').filter_map(|name| name.split_whitespace().next()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn manifest(language: &str) -> Manifest {
        let text = format!(
            "name = \"x\"\nlanguage = \"{language}\"\nkind = \"oneshot\"\ncapabilities = [\"firewall\"]\n\
             [build]\nsteps = []\nartifact = \"x.wasm\"\n"
        );
        Manifest::parse(Path::new("plugin.toml"), &text).unwrap()
    }

    #[test]
    fn what_is_imported_and_not_declared_is_found_however_it_is_written() {
        for (source, found) in [
            ("from riposte_sdk import Alert, firewall, log, config, oneshot\n", &[][..]),
            ("from riposte_sdk import (\n    Alert,\n    mail as post,  # and so on\n)\n", &["mail"]),
            ("import riposte_sdk.http\nfrom riposte_sdk.state import get\n", &["http", "state"]),
            ("import riposte_sdk\n\nriposte_sdk.routes.blackhole(x)\n", &["routes"]),
            ("# from riposte_sdk import mail\nfrom riposte_sdk import Alert\nmail = 1\n", &[]),
        ] {
            let mut missing = missing(source, &manifest("python"));
            missing.sort_unstable();
            assert_eq!(missing, found, "{source}");
        }
    }

    #[test]
    fn each_source_is_named_with_what_to_declare() {
        let project = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("response.py", "from riposte_sdk import firewall, mail\n"),
            ("test_response.py", "from riposte_sdk import http\n"),
            ("notes.txt", "from riposte_sdk import http\n"),
        ] {
            folder::write(&project.path().join(name), text.as_bytes()).unwrap();
        }
        let warnings = undeclared(project.path(), &manifest("python"));
        let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
        assert!(
            warning.starts_with("response.py imports mail, which plugin.toml does not declare"),
            "{warning}"
        );
        assert!(warning.ends_with("capabilities = [\"firewall\", \"mail\"]"), "{warning}");
        assert!(undeclared(project.path(), &manifest("c")).is_empty());
    }
}
