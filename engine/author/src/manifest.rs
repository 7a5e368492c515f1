//! `plugin.toml`: what a project is, read into types.

use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use riposte_policy::config::nearest;
use riposte_policy::diagnostic::{acts, inline, shown};
use riposte_policy::grant::language::{self, Element};
use riposte_runtime::Kind;
use serde::Deserialize;
use toml::Spanned;

use crate::{Error, Language, folder};

/// Its name in the folder of a project.
pub const FILE: &str = "plugin.toml";

/// What a project says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Of the component, and of its command: `[A-Za-z0-9_.-]`, 1 to 64.
    pub name: String,
    /// Of the response, for people.
    pub version: String,
    /// Which tools are looked for.
    pub language: Language,
    /// What it exports.
    pub kind: Kind,
    /// What it may import, in order, each once.
    pub capabilities: Vec<Capability>,
    /// Argument vectors that make the component, run in the project's folder.
    pub steps: Vec<Vec<String>>,
    /// Where they leave it, from the project's folder.
    pub artifact: PathBuf,
    /// Argument vectors that test it natively.
    pub test: Vec<Vec<String>>,
}

impl Manifest {
    /// Reads `plugin.toml` of the project in `folder`.
    ///
    /// # Errors
    ///
    /// [`Error`] with the line and what to write in it.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let file = folder.join(FILE);
        if matches!(file.try_exists(), Ok(false)) {
            return Err(Error::NoManifest(folder.to_owned()));
        }
        let text = String::from_utf8(folder::read(&file, 1 << 20)?)
            .map_err(|_| Error::File { path: file.clone(), why: "it is not UTF-8 text".to_owned() })?;
        Self::parse(&file, &text)
    }

    /// Reads the text of a manifest; `file` is for messages.
    ///
    /// # Errors
    ///
    /// [`Error::Manifest`].
    pub fn parse(file: &Path, text: &str) -> Result<Self, Error> {
        let error = |span: Range<usize>, what: String| Error::Manifest {
            file: file.to_owned(),
            line: text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1,
            what,
        };
        let raw: Raw = toml::from_str(text)
            .map_err(|wrong| error(wrong.span().unwrap_or(0..0), hinted(wrong.message())))?;

        let name = raw.name.get_ref();
        if !is_name(name) {
            return Err(error(raw.name.span(), Error::Name(name.clone()).to_string()));
        }
        if !is_version(raw.version.get_ref()) {
            let what = "version is 1 to 64 letters, digits and signs without blanks, such as \"0.1.0\"";
            return Err(error(raw.version.span(), what.to_owned()));
        }
        let language = Language::named(raw.language.get_ref()).ok_or_else(|| {
            let known: Vec<_> = Language::ALL.iter().map(|language| language.as_str()).collect();
            let what = format!(
                "language {} is not known: it is one of {}",
                shown(raw.language.get_ref()),
                known.join(", ")
            );
            error(raw.language.span(), what)
        })?;
        let kind = match raw.kind.get_ref().as_str() {
            "reversible" => Kind::Reversible,
            "oneshot" => Kind::Oneshot,
            other => {
                let what = format!(
                    "kind {} is not known: it is \"reversible\" (add and delete) or \"oneshot\" (run)",
                    shown(other)
                );
                return Err(error(raw.kind.span(), what));
            }
        };
        let mut capabilities = Vec::new();
        for named in &raw.capabilities {
            let capability = Capability::named(named.get_ref()).map_err(|what| error(named.span(), what))?;
            if !capabilities.contains(&capability) {
                capabilities.push(capability);
            }
        }
        for step in raw.build.steps.iter().chain(&raw.build.test) {
            if step.get_ref().first().is_none_or(String::is_empty) {
                let what = "a step is a list of words that begins with a program: [\"cargo\", \"build\"]";
                return Err(error(step.span(), what.to_owned()));
            }
        }
        let artifact = PathBuf::from(raw.build.artifact.get_ref());
        let inside =
            artifact.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let inside = inside && !raw.build.artifact.get_ref().contains(acts);
        if !inside || artifact.extension().is_none_or(|extension| extension != "wasm") {
            let what =
                "artifact is the path of a .wasm file inside the project, such as \"build/block.wasm\"";
            return Err(error(raw.build.artifact.span(), what.to_owned()));
        }
        let plain = |steps: Vec<Spanned<Vec<String>>>| steps.into_iter().map(Spanned::into_inner).collect();
        Ok(Self {
            name: name.clone(),
            version: raw.version.into_inner(),
            language,
            kind,
            capabilities,
            steps: plain(raw.build.steps),
            artifact,
            test: plain(raw.build.test),
        })
    }

    /// Whether it declares the capability of this name.
    #[must_use]
    pub fn declares(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|declared| declared.name() == capability)
    }
}

/// Whether a response may be called this.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&name.len())
        && name.bytes().all(plain)
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
}

/// Whether a version may be written so: it is kept with what is installed, and
/// shown on terminals.
#[must_use]
pub fn is_version(version: &str) -> bool {
    (1..=64).contains(&version.len()) && version.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Something that a response can be granted: an interface of the WIT, or `http`
/// and `folder`, which are WASI's.
#[derive(Clone, Copy, Debug)]
pub struct Capability(&'static Element);

impl Capability {
    /// The capability of this name.
    ///
    /// # Errors
    ///
    /// What to write instead.
    pub fn named(name: &str) -> Result<Self, String> {
        if let Some(found) = Self::all().find(|capability| capability.name() == name) {
            return Ok(found);
        }
        // The element of a grant, where its interface is meant.
        let meant =
            Self::all().find(|capability| capability.0.name == name || capability.0.interface == name);
        let meant = meant.map(Self::name).or_else(|| nearest(name, Self::all().map(Self::name)));
        let hint = match meant {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => {
                let known: Vec<_> = Self::all().map(Self::name).collect();
                format!("there are {}", known.join(", "))
            }
        };
        Err(format!("capability {} is not known: {hint}", shown(name)))
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        language::ELEMENTS.iter().map(Self)
    }

    /// Its name: `firewall`, `http`, `folder`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0.interface {
            "wasi:http" => "http",
            "wasi:filesystem" => "folder",
            ours => ours,
        }
    }

    /// What it imports: an interface of ours, or a package of WASI.
    #[must_use]
    pub fn interface(self) -> &'static str {
        self.0.interface
    }

    /// The least element that grants it.
    #[must_use]
    pub fn least(self) -> &'static str {
        self.0.least
    }
}

impl PartialEq for Capability {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Capability {}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: Spanned<String>,
    #[serde(default = "first_version")]
    version: Spanned<String>,
    language: Spanned<String>,
    kind: Spanned<String>,
    #[serde(default)]
    capabilities: Vec<Spanned<String>>,
    build: RawBuild,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBuild {
    steps: Vec<Spanned<Vec<String>>>,
    artifact: Spanned<String>,
    #[serde(default)]
    test: Vec<Spanned<Vec<String>>>,
}

fn first_version() -> Spanned<String> {
    Spanned::new(0..0, "0.1.0".to_owned())
}

/// The parser's words, with an example for what is most often missing.
fn hinted(message: &str) -> String {
    let example = match message {
        _ if message.contains("missing field `name`") => "add name = \"block\"",
        _ if message.contains("missing field `language`") => {
            "add language = \"rust\" (or python, js, ts, c, cpp, zig, go)"
        }
        _ if message.contains("missing field `kind`") => "add kind = \"reversible\" or kind = \"oneshot\"",
        _ if message.contains("missing field `build`") => {
            "add a table [build] with steps = [[\"program\", \"word\"]] and artifact = \"NAME.wasm\""
        }
        _ if message.contains("missing field `steps`") => {
            "add steps = [[\"program\", \"word\"]] under [build]"
        }
        _ if message.contains("missing field `artifact`") => "add artifact = \"NAME.wasm\" under [build]",
        _ if message.contains("expected a sequence") => "write a list: [\"...\"]",
        // It may name a key as it was found.
        _ => return inline(message.trim()),
    };
    format!("{}: {example}", message.trim())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    const GOOD: &str = r#"name = "block"
version = "1.2.3"
language = "rust"
kind = "reversible"
capabilities = ["firewall", "http", "folder", "http"]

[build]
steps = [["cargo", "build"]]
artifact = "target/block.wasm"
test = [["cargo", "test"]]
"#;

    fn parse(text: &str) -> Result<Manifest, Error> {
        Manifest::parse(Path::new("plugin.toml"), text)
    }

    #[test]
    fn a_manifest_is_read() {
        let manifest = parse(GOOD).unwrap();
        let names: Vec<_> = manifest.capabilities.iter().map(|one| one.name()).collect();
        assert_eq!(names, ["firewall", "http", "folder"]);
        assert!(manifest.declares("http") && !manifest.declares("exec"));
        assert_eq!((manifest.kind, manifest.language), (Kind::Reversible, Language::Rust));
        assert_eq!(manifest.steps, [["cargo", "build"]]);
    }

    #[test]
    fn every_fault_names_its_line_and_the_way_out() {
        for (from, to, line, says) in [
            ("\"block\"", "\"../block\"", 1, "is no name for a response"),
            ("name = \"block\"", "", 1, "add name = \"block\""),
            ("\"rust\"", "\"cobol\"", 3, "it is one of rust, python"),
            ("\"reversible\"", "\"both\"", 4, "\"reversible\" (add and delete) or \"oneshot\""),
            ("\"folder\"", "\"foldr\"", 5, "did you mean \"folder\"?"),
            ("\"folder\"", "\"rockets!\"", 5, "there are firewall"),
            ("\"firewall\"", "\"route\"", 5, "did you mean \"routes\"?"),
            ("\"http\", \"folder\"", "\"wasi:http\"", 5, "did you mean \"http\"?"),
            ("[\"cargo\", \"build\"]", "[]", 8, "begins with a program"),
            ("[[\"cargo\", \"build\"]]", "\"make\"", 8, "write a list"),
            ("target/block.wasm", "/tmp/block.wasm", 9, "inside the project"),
            ("target/block.wasm", "a/../../block.wasm", 9, "inside the project"),
            ("target/block.wasm", "block.o", 9, "a .wasm file"),
            ("test = ", "tests = ", 10, "unknown field `tests`"),
            ("test = ", "\"\\u001b[31m\\nok\" = ", 10, "unknown field `\\u{1b}[31m\\nok`"),
            ("target/block.wasm", "a\\nok.wasm", 9, "inside the project"),
            ("version = \"1.2.3\"", "version =", 2, "string"),
            ("1.2.3", "1\\u001b[2J", 2, "such as \"0.1.0\""),
            ("1.2.3", "1\\nmore", 2, "such as \"0.1.0\""),
            ("1.2.3", &"1".repeat(70_000), 2, "such as \"0.1.0\""),
        ] {
            let text = GOOD.replacen(from, to, 1);
            let Err(Error::Manifest { line: found, what, .. }) = parse(&text) else {
                panic!("{text} was taken");
            };
            assert!(what.contains(says), "{what}");
            assert_eq!(found, line, "{what}");
        }
    }
}
