//! A new project: a template with its names filled in, and beside it the WIT and
//! the sources of the SDK, so that nothing has to be fetched for them.

use std::path::{Path, PathBuf};

use riposte_runtime::Kind;

use crate::manifest::is_name;
use crate::{Capability, Error, Language, folder, sources};

/// What a new project is to be.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// In which language.
    pub language: Language,
    /// Its name, and that of its folder.
    pub name: &'a str,
    /// What it exports; none: what the template is of.
    pub kind: Option<Kind>,
    /// What it may import beside what the template uses.
    pub capabilities: Option<Vec<Capability>>,
    /// Whether it names a version of the SDK in place of carrying its sources.
    pub registry: bool,
}

/// A folder of templates: a language has one, and may have another for a
/// `oneshot`.
const TEMPLATES: &str = "sdk/templates";
/// Ends the name of a file that replaces another when the SDK comes from a
/// registry.
const REGISTRY: &str = ".registry";

/// Makes the project in a new folder of `parent` and returns the folder's path.
///
/// # Errors
///
/// [`Error`], when the name is none, the folder is there, there is no such
/// template, or a file cannot be written.
pub fn new(parent: &Path, new: &New<'_>) -> Result<PathBuf, Error> {
    if !is_name(new.name) {
        return Err(Error::Name(new.name.to_owned()));
    }
    if new.registry && !new.language.in_registry() {
        return Err(Error::NotOffered(format!(
            "the SDK for {} is in no registry: leave out --registry, and its sources are written into the project",
            new.language
        )));
    }
    let template = template(new)?;
    let at = parent.join(new.name);
    // A part of a project would be in the way of the whole one.
    folder::create(&at, |beside| fill(beside, &template, new))?;
    Ok(at)
}

/// Writes all files of a project into its folder.
fn fill(at: &Path, template: &str, new: &New<'_>) -> Result<(), Error> {
    let files: Vec<_> = sources::beneath(template).collect();
    for &(path, bytes) in &files {
        let replaced =
            new.registry && files.iter().any(|(other, _)| other.strip_suffix(REGISTRY) == Some(path));
        let path = match path.strip_suffix(REGISTRY) {
            Some(path) if new.registry => path,
            None if !replaced => path,
            _ => continue,
        };
        // It locks the sources that are not there.
        if new.registry && path == "package-lock.json" {
            continue;
        }
        let place = filled(path, new);
        // Under its own name it would be in force in this repository.
        let place = if place == "gitignore" { ".gitignore".to_owned() } else { place };
        let text = match std::str::from_utf8(bytes) {
            Ok(text) if place == crate::manifest::FILE => declared(&filled(text, new), new).into_bytes(),
            Ok(text) => filled(text, new).into_bytes(),
            Err(_) => bytes.to_vec(),
        };
        folder::write(&at.join(place), &text)?;
    }
    if !new.registry {
        let sdk = new.language.sdk();
        for (path, bytes) in sources::beneath(&format!("sdk/{sdk}")) {
            folder::write(&at.join("riposte/sdk").join(sdk).join(path), bytes)?;
        }
    }
    for (path, bytes) in sources::beneath("wit") {
        folder::write(&at.join("riposte/wit").join(path), bytes)?;
    }
    Ok(())
}

/// The folder of the template: `rust`, or `rust-oneshot` where there is one of
/// its own.
fn template(new: &New<'_>) -> Result<String, Error> {
    let plain = format!("{TEMPLATES}/{}", new.language);
    let own = new.kind.map(|kind| format!("{plain}-{}", kind.as_str()));
    let manifest = |folder: &str| {
        let file = sources::beneath(folder).find(|(path, _)| *path == crate::manifest::FILE)?;
        std::str::from_utf8(file.1).ok()
    };
    if let Some(own) = own.filter(|own| manifest(own).is_some()) {
        return Ok(own);
    }
    let Some(text) = manifest(&plain) else {
        return Err(Error::NotOffered(format!("this program carries no template for {}", new.language)));
    };
    match new.kind {
        Some(kind) if !text.contains(&format!("kind = \"{}\"", kind.as_str())) => {
            Err(Error::NotOffered(format!(
                "there is no template of a {} response in {}: leave out --kind, and change the source and plugin.toml",
                kind.as_str(),
                new.language
            )))
        }
        _ => Ok(plain),
    }
}

/// A text of the template with the names of the project in it.
fn filled(text: &str, new: &New<'_>) -> String {
    let brought =
        if new.registry { "the WIT; the SDK is of a registry" } else { "the sources of the SDK and the WIT" };
    text.replace("{{name}}", new.name)
        .replace("{{brought}}", brought)
        .replace("{{ident}}", &identifier(new.name))
        .replace("{{type}}", &type_name(new.name))
        .replace("{{version}}", env!("CARGO_PKG_VERSION"))
}

/// The manifest with the capabilities that were asked for, behind those that the
/// source of the template calls.
fn declared(manifest: &str, new: &New<'_>) -> String {
    let Some(asked) = &new.capabilities else { return manifest.to_owned() };
    let mut text = String::with_capacity(manifest.len());
    for line in manifest.split_inclusive('\n') {
        let Some(held) =
            line.strip_prefix("capabilities = [").and_then(|rest| rest.trim_end().strip_suffix(']'))
        else {
            text.push_str(line);
            continue;
        };
        let mut names: Vec<_> = held.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        for capability in asked {
            let name = format!("\"{}\"", capability.name());
            if !names.contains(&name) {
                names.push(name);
            }
        }
        text.push_str(&format!("capabilities = [{}]\n", names.join(", ")));
    }
    text
}

/// Words that a language keeps for itself, or that name a part of its library.
const RESERVED: [&str; 65] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "case",
    "class",
    "const",
    "continue",
    "core",
    "crate",
    "default",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "import",
    "in",
    "json",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "none",
    "override",
    "package",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "riposte_sdk",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "with",
    "yield",
];

/// Types that the source of a template uses under their own names.
const TYPES: [&str; 10] =
    ["Alert", "Err", "Error", "Ok", "Oneshot", "Option", "Result", "Reversible", "Some", "Vec"];

/// The name as an identifier of every language, in small letters: `block_ip`.
fn identifier(name: &str) -> String {
    let mut plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if plain.starts_with(|c: char| c.is_ascii_digit()) {
        plain.insert_str(0, "response_");
    }
    if RESERVED.contains(&plain.as_str()) {
        plain.push_str("_response");
    }
    plain
}

/// The name as a type is written: `BlockIp`.
fn type_name(name: &str) -> String {
    let mut words = String::new();
    for word in identifier(name).split('_') {
        let mut letters = word.chars();
        words.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        words.push_str(letters.as_str());
    }
    if TYPES.contains(&words.as_str()) {
        words.push_str("Response");
    }
    words
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::Manifest;

    fn rust<'a>(name: &'a str) -> New<'a> {
        New { language: Language::Rust, name, kind: None, capabilities: None, registry: false }
    }

    #[test]
    fn names_in_every_spelling() {
        for (name, ident, type_name_) in [
            ("block", "block", "Block"),
            ("block-ip.v2", "block_ip_v2", "BlockIpV2"),
            ("7zip", "response_7zip", "Response7zip"),
            ("test", "test_response", "TestResponse"),
            ("alert", "alert", "AlertResponse"),
            ("riposte-sdk", "riposte_sdk_response", "RiposteSdkResponse"),
        ] {
            assert_eq!((identifier(name).as_str(), type_name(name).as_str()), (ident, type_name_));
        }
    }

    #[test]
    fn a_project_is_complete() {
        let parent = tempfile::tempdir().unwrap();
        let at = new(parent.path(), &rust("block-ip")).unwrap();
        let manifest = Manifest::read(&at).unwrap();
        assert_eq!(manifest.name, "block-ip");
        for file in [
            "README.md",
            ".gitignore",
            "scenarios/block-ip.json",
            "riposte/sdk/rust/Cargo.toml",
            "riposte/wit/types.wit",
        ] {
            assert!(at.join(file).is_file(), "{file}");
        }
        assert_eq!(new(parent.path(), &rust("block-ip")), Err(Error::Exists(at)));
    }

    #[test]
    fn kind_and_capabilities_can_be_chosen() {
        let parent = tempfile::tempdir().unwrap();
        let asked = || Some(["http", "firewall"].map(|name| Capability::named(name).unwrap()).to_vec());
        let names = |manifest: &Manifest| -> Vec<_> {
            manifest.capabilities.iter().map(|capability| capability.name()).collect()
        };
        let tell = New { kind: Some(Kind::Oneshot), capabilities: asked(), ..rust("tell") };
        let manifest = Manifest::read(&new(parent.path(), &tell).unwrap()).unwrap();
        assert_eq!((manifest.kind, names(&manifest)), (Kind::Oneshot, vec!["http", "firewall"]));

        // What the source of the template calls stays.
        let block = New { kind: Some(Kind::Reversible), capabilities: asked(), ..rust("block") };
        let manifest = Manifest::read(&new(parent.path(), &block).unwrap()).unwrap();
        assert_eq!((manifest.kind, names(&manifest)), (Kind::Reversible, vec!["firewall", "http"]));
    }

    #[test]
    fn every_template_makes_a_project() {
        for language in Language::ALL {
            for kind in [None, Some(Kind::Reversible), Some(Kind::Oneshot)] {
                let parent = tempfile::tempdir().unwrap();
                let made = new(parent.path(), &New { language, kind, ..rust("my-response") });
                let at = match made {
                    Ok(at) => at,
                    Err(Error::NotOffered(_)) if language != Language::Rust => continue,
                    Err(error) => panic!("{language}: {error}"),
                };
                let manifest = Manifest::read(&at).unwrap();
                assert_eq!((manifest.name.as_str(), manifest.language), ("my-response", language));
                assert!(kind.is_none_or(|kind| kind == manifest.kind), "{language}");
                assert!(at.join("scenarios").is_dir() && at.join("README.md").is_file(), "{language}");
            }
        }
    }

    #[test]
    fn a_version_in_place_of_the_sources() {
        let parent = tempfile::tempdir().unwrap();
        let at = new(parent.path(), &New { registry: true, ..rust("block") }).unwrap();
        assert!(!at.join("riposte/sdk").exists() && !at.join("Cargo.toml.registry").exists());
        let toml = String::from_utf8(folder::read(&at.join("Cargo.toml"), 1 << 20).unwrap()).unwrap();
        assert!(toml.contains(&format!("riposte-sdk = \"{}\"", env!("CARGO_PKG_VERSION"))), "{toml}");

        let zig = New { language: Language::Zig, registry: true, ..rust("other") };
        assert!(matches!(new(parent.path(), &zig), Err(Error::NotOffered(_))));
    }

    #[test]
    fn a_name_leaves_no_folder() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["", "..", ".hidden", "a/b", "-x", "ä", &"x".repeat(65)] {
            assert_eq!(new(parent.path(), &rust(name)), Err(Error::Name(name.to_owned())));
        }
        assert!(folder::names(parent.path()).is_empty());
    }
}
