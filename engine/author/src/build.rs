//! From a project to a component that is what its manifest says.

use std::path::{Path, PathBuf};

use crate::tool::Tools;
use crate::wrap::{self, Wrap};
use crate::{Error, Language, Manifest, artifact, folder, imports, registry, world};

/// Largest component that is built, installed and run, in bytes. The largest that
/// an SDK makes, Python's, have some 20 MiB.
pub const LARGEST: u64 = 128 << 20;

/// What to do about a component of more than [`LARGEST`] bytes.
#[must_use]
pub fn too_large(size: u64) -> String {
    format!(
        "it has {} MiB, more than the {} MiB that a component may have; leave out debug information, and data and \
         code that it does not need",
        size.div_ceil(1 << 20),
        LARGEST >> 20
    )
}

/// What a build tells while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A step begins.
    Step {
        /// Its number, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// Its words.
        step: &'a str,
    },
    /// A line that it printed.
    Line(&'a str),
    /// Something that the author may want to change.
    Warning(&'a str),
}

/// What was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Where it is.
    pub artifact: PathBuf,
    /// The component.
    pub bytes: Vec<u8>,
    /// What it was built from.
    pub manifest: Manifest,
}

/// Builds the project in a folder: checks that its tools are there, writes the
/// narrowed world, runs the steps, and checks what came out.
///
/// # Errors
///
/// [`Error`], which says what to do.
pub fn build(project: &Path, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Built, Error> {
    let manifest = Manifest::read(project)?;
    let tools = Tools::of(project)?;
    tools.check(manifest.language)?;
    for program in manifest.steps.iter().filter_map(|step| step.first()) {
        tools.require(program)?;
    }
    world::write(project, &manifest)?;
    // Before the steps, which take their time.
    for warning in imports::undeclared(project, &manifest) {
        progress(Progress::Warning(&warning));
    }
    let mut without_sdk = false;
    let mut hear = |told: Progress<'_>| {
        without_sdk |= matches!(told, Progress::Line(line) if registry::is_missing_in(line));
        progress(told);
    };
    match run(&tools, &manifest.steps, &mut hear) {
        Err(Error::Step { step, .. })
            if without_sdk && registry::names_a_version(project, manifest.language) =>
        {
            return Err(Error::NotInRegistry { step });
        }
        ran => ran?,
    }
    taken(project, manifest, Wrapped::Kept, progress)
}

/// Takes what an earlier build left, with the same check. Nothing is written: the
/// project may be another user's.
///
/// # Errors
///
/// [`Error`], which says what to do.
pub fn built(project: &Path, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Built, Error> {
    taken(project, Manifest::read(project)?, Wrapped::Forgotten, progress)
}

/// What becomes of the component that is made of a core module.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrapped {
    /// It takes the place of the module.
    Kept,
    /// It is made again when it is asked for again.
    Forgotten,
}

fn taken(
    project: &Path,
    manifest: Manifest,
    becomes: Wrapped,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Built, Error> {
    let artifact = project.join(&manifest.artifact);
    if matches!(artifact.try_exists(), Ok(false)) {
        return Err(Error::Artifact {
            path: artifact,
            what: "the build left no such file: correct [build] artifact in plugin.toml, or the steps"
                .to_owned(),
        });
    }
    if let Some(size) = artifact.metadata().ok().map(|found| found.len()).filter(|size| *size > LARGEST) {
        return Err(Error::Artifact { path: artifact, what: too_large(size) });
    }
    let mut bytes = folder::read(&artifact, LARGEST)?;
    if is_core_module(&bytes) {
        bytes = wrapped(project, &manifest, &artifact, &bytes)?;
        match becomes {
            Wrapped::Kept => folder::write(&artifact, &bytes)?,
            Wrapped::Forgotten => progress(Progress::Warning(&format!(
                "{} is a core module; what is taken is the component that `riposte plugin build` makes of it",
                artifact.display()
            ))),
        }
    }
    for warning in artifact::check(&artifact, &bytes, &manifest)? {
        progress(Progress::Warning(&warning));
    }
    Ok(Built { artifact, bytes, manifest })
}

fn is_core_module(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm\x01\0\0\0")
}

/// The component of a core module, with which the toolchains of C, Zig and Go
/// end: so an author needs no further tool for the last step.
fn wrapped(project: &Path, manifest: &Manifest, artifact: &Path, module: &[u8]) -> Result<Vec<u8>, Error> {
    let wrap = Wrap {
        wit: Some(project.join(world::FOLDER)),
        world: Some(world::WORLD.to_owned()),
        // Its `cabi_realloc` cannot be called before its runtime is up.
        realloc_via_memory_grow: manifest.language == Language::Go,
        ..Wrap::default()
    };
    // A module that brings its world with it, as the bindings of C do, has every
    // interface in it, and a narrower world would be a second one.
    let wrap = if wrap::describes_itself(module) { Wrap { wit: None, ..wrap } } else { wrap };
    wrap.wrap(module).map_err(|error| Error::Artifact { path: artifact.to_owned(), what: error.to_string() })
}

/// Runs the native tests of a project: all of them, or none when a program that
/// they need is not there; that is then a warning.
///
/// # Errors
///
/// [`Error::Step`], when one fails.
pub fn native_tests(
    project: &Path,
    manifest: &Manifest,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), Error> {
    if manifest.test.is_empty() {
        return Ok(());
    }
    let tools = Tools::of(project)?;
    // What links them is not named in a step.
    let linker = matches!(manifest.language, Language::Rust | Language::C | Language::Cpp).then_some("cc");
    let programs = manifest.test.iter().filter_map(|step| step.first().map(String::as_str));
    for program in programs.chain(linker) {
        if let Err(missing) = tools.require(program) {
            progress(Progress::Warning(&format!("the native tests are left out: {missing}")));
            return Ok(());
        }
    }
    run(&tools, &manifest.test, progress)
}

fn run(tools: &Tools, steps: &[Vec<String>], progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), Error> {
    for (number, step) in (1..).zip(steps) {
        progress(Progress::Step { number, of: steps.len(), step: &step.join(" ") });
        tools.run(step, &mut |line| progress(Progress::Line(line)))?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    /// A project whose step copies `component` to the artifact.
    fn project(component: &[u8], steps: &str) -> tempfile::TempDir {
        let at = tempfile::tempdir().unwrap();
        let manifest = format!(
            "name = \"x\"\nlanguage = \"python\"\nkind = \"oneshot\"\n\
             [build]\nsteps = {steps}\nartifact = \"out.wasm\"\ntest = [[\"no-such-program-here\"]]\n"
        );
        folder::write(&at.path().join("plugin.toml"), manifest.as_bytes()).unwrap();
        folder::write(&at.path().join("in.wasm"), component).unwrap();
        at
    }

    const ONESHOT: &str =
        "(component (instance $i) (export \"active-response:plugin/oneshot@0.1.0\" (instance $i)))";

    #[test]
    fn a_project_is_built_and_checked() {
        let component = wat::parse_str(ONESHOT).unwrap();
        let at = project(&component, "[[\"cp\", \"in.wasm\", \"out.wasm\"], [\"echo\", \"done\"]]");
        let mut told = Vec::new();
        let built = build(at.path(), &mut |progress| told.push(format!("{progress:?}"))).unwrap();
        assert_eq!(built.bytes, component);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told.last().unwrap().contains("done"));
        assert!(at.path().join("riposte/world/world.wit").is_file());
        told.clear();
        native_tests(at.path(), &built.manifest, &mut |progress| told.push(format!("{progress:?}"))).unwrap();
        assert!(told.last().unwrap().contains("left out"), "{told:?}");
    }

    /// What a toolchain leaves that knows nothing of components.
    const CORE: &str = r#"(module
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
        (func (export "active-response:plugin/oneshot@0.1.0#run") (param i32 i32) (result i32) i32.const 0))"#;

    #[test]
    fn a_core_module_becomes_a_component() {
        let at = project(&wat::parse_str(CORE).unwrap(), "[[\"cp\", \"in.wasm\", \"out.wasm\"]]");
        let built = build(at.path(), &mut |_| {}).unwrap();
        assert!(!is_core_module(&built.bytes));
        assert_eq!(folder::read(&built.artifact, LARGEST).unwrap(), built.bytes);
        // Made and kept: what is taken again is the component.
        assert_eq!(super::built(at.path(), &mut |_| {}).unwrap().bytes, built.bytes);

        // A link of the author's own to a component stays one.
        let at = project(&built.bytes, "[[\"ln\", \"-s\", \"in.wasm\", \"out.wasm\"]]");
        assert!(build(at.path(), &mut |_| {}).unwrap().artifact.is_symlink());

        let strange = wat::parse_str("(module (import \"env\" \"x\" (func)))").unwrap();
        let at = project(&strange, "[[\"cp\", \"in.wasm\", \"out.wasm\"]]");
        let error = build(at.path(), &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains("does not fit its world"), "{error}");
    }

    #[test]
    fn an_sdk_that_no_registry_has_is_named() {
        let steps = r#"[["sh", "-c", "echo No module named \"'riposte_sdk'\"; exit 1"]]"#;
        let at = project(b"", steps);
        let failed = build(at.path(), &mut |_| {}).unwrap_err().to_string();
        assert!(failed.contains("ended with exit status: 1"), "{failed}");
        folder::write(&at.path().join("requirements.txt"), b"riposte-sdk==0.1.0\n").unwrap();
        let failed = build(at.path(), &mut |_| {}).unwrap_err().to_string();
        assert!(failed.contains("without --registry"), "{failed}");
    }

    #[test]
    fn a_build_that_goes_wrong_says_where() {
        let ok = wat::parse_str(ONESHOT).unwrap();
        for (component, steps, says) in [
            (ok.as_slice(), "[[\"false\"]]", "`false` ended with exit status: 1"),
            (&ok, "[[\"true\"]]", "the build left no such file"),
            (&ok, "[[\"true\"], [\"no-such-program-here\"]]", "no-such-program-here is not there"),
            (b"text", "[[\"cp\", \"in.wasm\", \"out.wasm\"]]", "it is no WebAssembly"),
        ] {
            let at = project(component, steps);
            let error = build(at.path(), &mut |_| {}).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let empty = tempfile::tempdir().unwrap();
        let error = build(empty.path(), &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains("riposte plugin new"), "{error}");
    }
}
