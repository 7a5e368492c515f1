//! A project that takes its SDK from a registry (`riposte plugin new --registry`),
//! and what to say when the registry does not have it.

use std::path::Path;

use crate::{Language, folder};

/// Largest file that names what a project depends on.
const LARGEST: u64 = 1 << 20;

/// Whether the project names a version of the SDK in place of a folder.
pub(crate) fn names_a_version(project: &Path, language: Language) -> bool {
    let (file, line) = match language {
        Language::Rust => ("Cargo.toml", "riposte-sdk = \""),
        Language::Python => ("requirements.txt", "riposte-sdk=="),
        Language::JavaScript | Language::TypeScript => ("package.json", "\"riposte-sdk\": \""),
        Language::C | Language::Cpp | Language::Zig | Language::Go => return false,
    };
    let text = folder::read(&project.join(file), LARGEST).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut found = text.split(line).skip(1);
    found.any(|version| !version.starts_with("file:"))
}

/// Whether a tool says in this line that it does not find the SDK.
pub(crate) fn is_missing_in(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    let missing = ["no matching", "not found", "not in this registry", "failed to select", "failed to get"];
    line.contains("no module named 'riposte_sdk'")
        || line.contains("riposte-sdk") && missing.iter().any(|words| line.contains(words))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::project::{self, New};

    #[test]
    fn a_version_is_told_from_a_folder() {
        for language in Language::ALL {
            for registry in [false, true] {
                let parent = tempfile::tempdir().unwrap();
                let wanted = New { language, name: "block", kind: None, capabilities: None, registry };
                let Ok(at) = project::new(parent.path(), &wanted) else {
                    assert!(registry && !language.in_registry(), "{language}");
                    continue;
                };
                assert_eq!(names_a_version(&at, language), registry, "{language}");
            }
        }
    }

    #[test]
    fn what_the_tools_say() {
        for line in [
            "error: no matching package named `riposte-sdk` found",
            "error: failed to get `riposte-sdk` as a dependency of package `block v0.1.0`",
            "error: failed to select a version for the requirement `riposte-sdk = \"^0.1.0\"`",
            "npm error 404 Not Found - GET https://registry.npmjs.org/riposte-sdk - Not found",
            "npm error notarget No matching version found for riposte-sdk@0.1.0.",
            "ModuleNotFoundError: No module named 'riposte_sdk'",
        ] {
            assert!(is_missing_in(line), "{line}");
        }
        for line in [
            "   Compiling riposte-sdk v0.1.0",
            "error[E0425]: cannot find function `blok` in module `riposte_sdk::firewall`",
            "error[E0432]: unresolved import: `x` not found in `riposte_sdk`",
        ] {
            assert!(!is_missing_in(line), "{line}");
        }
    }
}
