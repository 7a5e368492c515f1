//! What is to be installed: a file, or what a project's folder builds.

use std::path::{Path, PathBuf};

use riposte_author::sameness::Sources;
use riposte_author::{Language, Manifest};
use riposte_policy::grant::Digest;
use riposte_runtime::Inspection;

use super::{At, build, say, say_progress, whose, word};
use crate::installed::{Installed, Name, NotAName, Version, apart, file};
use crate::places::Places;

/// A component that may be installed.
pub(super) struct Candidate {
    pub(super) name: Name,
    pub(super) file: PathBuf,
    pub(super) wasm: Vec<u8>,
    /// As its manifest has it.
    version: Option<String>,
    /// Of what it was built from.
    sources: Option<String>,
    /// In which language, when its builds differ from each other.
    pub(super) differing: Option<Language>,
}

impl Candidate {
    /// Reads a file, or builds the project in a folder.
    ///
    /// # Errors
    ///
    /// When there is none, it cannot be built, has no usable name, or is not of
    /// the digest that is asked for.
    pub(super) fn find(
        what: &Path,
        name: Option<&Name>,
        digest: Option<Digest>,
        at: &At,
    ) -> Result<Self, String> {
        let found = if what.is_dir() { Self::built(what, name, at)? } else { Self::read(what, name)? };
        found.of(digest)
    }

    /// The same, but what is installed is taken where a build from the same
    /// sources would make other bytes than that.
    ///
    /// # Errors
    ///
    /// As [`Self::find`].
    pub(super) fn find_for(
        installed: &Installed,
        what: &Path,
        name: Option<&Name>,
        digest: Option<Digest>,
        at: &At,
    ) -> Result<Self, String> {
        match Self::unchanged(installed, what, name, at) {
            Some(found) => found.of(digest),
            None => Self::find(what, name, digest, at),
        }
    }

    /// Only if it has this digest.
    fn of(self, digest: Option<Digest>) -> Result<Self, String> {
        let is = riposte_runtime::digest(&self.wasm);
        if let Some(digest) = digest.filter(|digest| *digest != is) {
            return Err(format!(
                "{} has sha256 {is}, not {digest} as --sha256 says; nothing was installed: get the file again, or ask \
                 who gave you the digest",
                self.file.display()
            ));
        }
        Ok(self)
    }

    /// That there is something to install, before anything is made for it.
    ///
    /// # Errors
    ///
    /// When there is no such file, or no project in the folder.
    pub(super) fn look(what: &Path) -> Result<(), String> {
        if what.is_dir() {
            return Manifest::read(what).map(drop).map_err(|error| error.to_string());
        }
        what.symlink_metadata().map(drop).map_err(|error| format!("{}: {error}", what.display()))
    }

    fn read(path: &Path, name: Option<&Name>) -> Result<Self, String> {
        let wasm = file::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = match name {
            Some(name) => name.clone(),
            None => {
                let stem = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                stem.parse().map_err(|error: NotAName| format!("{error}; give it a name with --name NAME"))?
            }
        };
        Ok(Self { name, file: path.to_owned(), wasm, version: None, sources: None, differing: None })
    }

    /// What is installed, when it was built from these very sources, in a language
    /// whose builds differ.
    fn unchanged(installed: &Installed, what: &Path, name: Option<&Name>, at: &At) -> Option<Self> {
        let folder = Some(what).filter(|what| what.is_dir())?;
        // What is wrong with the project, or whose it is, is told by its build.
        let folder = whose::own(folder, "").ok()?;
        let manifest = Manifest::read(&folder).ok().filter(|manifest| manifest.language.builds_differ())?;
        let update = update_of(what, name, at);
        let name = name.cloned().or_else(|| manifest.name.parse().ok())?;
        let now = installed.one(&name).ok()??.now;
        let sources = Sources::read(&folder, &manifest, &at.folders()).ok()?.digest();
        if now.sources.as_ref() != Some(&sources) {
            return None;
        }
        let file = installed.path(&name);
        let wasm = file::read(&file).ok()?;
        say(&format!(
            "nothing is built: {name} was built from these very sources, and each build in {} makes other bytes; \
             `{update}` builds it anew",
            manifest.language
        ));
        let differing = Some(manifest.language);
        Some(Self { name, file, wasm, version: Some(manifest.version), sources: Some(sources), differing })
    }

    fn built(folder: &Path, name: Option<&Name>, at: &At) -> Result<Self, String> {
        let manifest = Manifest::read(folder).map_err(|error| error.to_string())?;
        let (file, wasm, sources) = match whose::own(folder, "this again") {
            Ok(folder) => {
                // A project of which something cannot be read is one that changed.
                let sources = || Sources::read(&folder, &manifest, &at.folders()).ok();
                let before = sources();
                let built = build::built(&folder, "this again")?;
                let after = sources().zip(before).filter(|(after, before)| after.keeps(before));
                (built.artifact, built.bytes, after.map(|(after, _)| after.digest()))
            }
            Err(refused) => {
                let artifact = folder.join(&manifest.artifact);
                if matches!(artifact.try_exists(), Ok(false)) {
                    return Err(refused);
                }
                say_progress(&format!("taking {} as it was built", artifact.display()));
                let wasm =
                    file::read(&artifact).map_err(|error| format!("{}: {error}", artifact.display()))?;
                (artifact, wasm, None)
            }
        };
        let name = match name {
            Some(name) => name.clone(),
            None => manifest.name.parse().map_err(|error: NotAName| error.to_string())?,
        };
        let differing = Some(manifest.language).filter(|language| language.builds_differ());
        Ok(Self { name, file, wasm, version: Some(manifest.version), sources, differing })
    }

    /// Examines it apart, and keeps its code for the engine.
    ///
    /// # Errors
    ///
    /// When it is no plugin, or cannot run on this engine whatever it is granted.
    pub(super) fn examined(&self, places: &Places, quiet: bool) -> Result<Inspection, String> {
        if !quiet {
            say_progress(&format!("compiling {}, {}", self.name, super::inspect::human(self.wasm.len())));
        }
        examined(&self.file, &self.wasm, Some(&apart::cache(places.compiled())))
    }

    /// What is kept of it beside its file.
    pub(super) fn version(&self, inspection: &Inspection, now_ms: i64) -> Version {
        Version {
            sha256: inspection.digest.to_string(),
            version: self.version.clone(),
            kind: Some(inspection.kind.as_str().to_owned()),
            size: self.wasm.len(),
            since_ms: Some(now_ms),
            sources: self.sources.clone(),
        }
    }
}

/// The command that puts the same in the place of what is installed.
pub(super) fn update_of(what: &Path, name: Option<&Name>, at: &At) -> String {
    let named = name.map(|name| format!(" --name {name}")).unwrap_or_default();
    format!("riposte plugin update {}{named}{}", word(what), at.again())
}

/// Examines a component apart, and keeps its code in `cache`, when there is one.
/// `file` is for messages.
///
/// # Errors
///
/// When it is no plugin, or cannot run on this engine whatever it is granted.
pub(super) fn examined(file: &Path, wasm: &[u8], cache: Option<&Path>) -> Result<Inspection, String> {
    let refused = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let inspection = apart::examine(wasm.to_vec(), cache)
        .map_err(|error| refused(&file::explained(wasm.len(), &error.to_string())))?;
    let missing: Vec<_> = inspection.unsupported().map(|missing| format!("\n  {missing}")).collect();
    if missing.is_empty() {
        return Ok(inspection);
    }
    Err(refused(&format!("it imports what this engine does not have:{}", missing.concat())))
}
