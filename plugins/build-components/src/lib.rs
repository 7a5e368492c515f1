//! Builds WebAssembly components from the build script of the crate that
//! embeds them.
//!
//! The components are a Cargo workspace of their own, with a lock file of
//! their own: they are built for another target, with another profile, and
//! must come out the same whatever flags the engine is built with.
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    reason = "a build script starts Cargo and is configured by environment"
)]

use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What Cargo and rustup need to find themselves, and the network. Nothing
/// else of the environment reaches the build: no flags, no wrapper of a
/// `cargo clippy` or `cargo llvm-cov` around us.
const KEPT: [&str; 12] = [
    "PATH",
    "HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "CARGO_NET_OFFLINE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// What a component is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Without WASI: imports nothing but what it calls, and starts fastest.
    Plain,
    /// With WASI 0.2, which the engine links but leaves empty.
    Wasi,
}

impl Target {
    fn triple(self) -> &'static str {
        match self {
            Self::Plain => "wasm32-unknown-unknown",
            Self::Wasi => "wasm32-wasip2",
        }
    }
}

/// Where a component stands in its workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A package of this name, whose library is the component.
    Package(&'static str),
    /// An example of this name, whose crate type is `cdylib`.
    Example(&'static str),
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Package(name) | Self::Example(name) => name,
        }
    }

    /// Where Cargo leaves the component, from the folder of the profile.
    fn artifact(self) -> String {
        match self {
            Self::Package(name) => format!("{}.wasm", name.replace('-', "_")),
            Self::Example(name) => format!("examples/{}.wasm", name.replace('-', "_")),
        }
    }
}

/// Builds `components` of the workspace in `folder`, copies each to
/// `$OUT_DIR/NAME.wasm`, and writes `$OUT_DIR/components.rs`, an expression of
/// type `&[(&str, &[u8])]`: the name and the bytes of each.
///
/// Tells Cargo to run the build script again when `folder`'s manifests, one of
/// `sources` in it, the SDK or `wit/` change; `root` is the root of the
/// repository.
///
/// # Errors
///
/// [`BuildError`], which says what to do.
pub fn build(
    root: &Path,
    folder: &Path,
    sources: &[&str],
    components: &[(Source, Target)],
) -> Result<(), BuildError> {
    let canonical =
        |path: &Path| path.canonicalize().map_err(|e| BuildError::NoFolder(path.to_owned(), e.to_string()));
    let (root, folder) = (&canonical(root)?, &canonical(folder)?);
    for watched in ["Cargo.toml", "rust-toolchain.toml", "wit", "sdk/rust/Cargo.toml", "sdk/rust/src"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    for watched in ["Cargo.toml", "Cargo.lock"].iter().chain(sources) {
        println!("cargo::rerun-if-changed={}", folder.join(watched).display());
    }

    let out = PathBuf::from(variable("OUT_DIR")?);
    let target_folder = out.join("target");
    let mut table = String::from("&[\n");
    for target in [Target::Plain, Target::Wasi] {
        let of_target: Vec<Source> =
            components.iter().filter(|(_, t)| *t == target).map(|(s, _)| *s).collect();
        if of_target.is_empty() {
            continue;
        }
        require(target)?;
        cargo(root, folder, &target_folder, target, &of_target)?;
        for source in of_target {
            let built = target_folder.join(target.triple()).join("release").join(source.artifact());
            // A copy outside the inner target folder, which a later build may replace.
            let kept = out.join(format!("{}.wasm", source.name()));
            std::fs::copy(&built, &kept).map_err(|e| BuildError::NoArtifact(built, e.to_string()))?;
            // Writing to a String cannot fail.
            let _ = writeln!(table, "    ({:?}, include_bytes!({kept:?})),", source.name());
        }
    }
    table.push_str("]\n");
    let file = out.join("components.rs");
    std::fs::write(&file, table).map_err(|e| BuildError::NoArtifact(file, e.to_string()))
}

/// Runs Cargo in `folder`.
fn cargo(
    root: &Path,
    folder: &Path,
    out: &Path,
    target: Target,
    sources: &[Source],
) -> Result<(), BuildError> {
    let mut cargo = clean(&variable("CARGO")?);
    cargo.current_dir(folder).args(["build", "--release", "--locked", "--target", target.triple()]);
    cargo.arg("--target-dir").arg(out);
    for source in sources {
        match source {
            Source::Package(name) => cargo.args(["--package", name]),
            Source::Example(name) => cargo.args(["--example", name]),
        };
    }
    // rustc brings the linker that makes a component of a module.
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-component-ld");
    // The same bytes, and so the same digest, wherever the engine is built.
    let mut remaps = vec![format!("--remap-path-prefix={}=/riposte", root.display())];
    let cargo_home =
        std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
    if let Ok(cargo_home) = cargo_home {
        remaps.push(format!("--remap-path-prefix={cargo_home}=/cargo"));
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", remaps.join("\u{1f}"));

    let output = cargo.stdin(Stdio::null()).output().map_err(|e| BuildError::NotStarted(e.to_string()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(BuildError::Failed(folder.to_owned(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

/// Checks that the standard library for `target` is there: the compiler's own
/// message for that case is about a missing crate `core`.
fn require(target: Target) -> Result<(), BuildError> {
    let output = clean(&variable("RUSTC")?)
        .args(["--print", "target-libdir", "--target", target.triple()])
        .output()
        .map_err(|e| BuildError::NotStarted(e.to_string()))?;
    let folder = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && Path::new(folder.trim()).is_dir() {
        Ok(())
    } else {
        Err(BuildError::NoTarget(target))
    }
}

/// A program with nothing in its environment but [`KEPT`].
fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    command.envs(KEPT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
    command
}

/// A variable that Cargo sets for build scripts.
fn variable(name: &'static str) -> Result<String, BuildError> {
    std::env::var(name).map_err(|_| BuildError::NotABuildScript(name))
}

/// Why the components were not built.
#[derive(Clone, PartialEq, Eq)]
pub enum BuildError {
    /// Called outside a build script: this variable is not set.
    NotABuildScript(&'static str),
    /// The standard library for this target is not installed.
    NoTarget(Target),
    /// A folder of the repository is not there.
    NoFolder(PathBuf, String),
    /// Cargo or rustc did not start.
    NotStarted(String),
    /// Cargo failed in this folder, with this output.
    Failed(PathBuf, String),
    /// A file that should be there could not be copied or written.
    NoArtifact(PathBuf, String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotABuildScript(name) => write!(f, "{name} is not set: call this from a build script"),
            Self::NoTarget(target) => {
                let triple = target.triple();
                write!(f, "the Rust target {triple} is missing: run `rustup target add {triple}`")
            }
            Self::NotStarted(why) => write!(f, "Cargo did not start: {why}"),
            Self::Failed(folder, output) => {
                write!(f, "the components in {} were not built:\n{output}", folder.display())?;
                if output.contains("--locked") {
                    write!(
                        f,
                        "run `cargo generate-lockfile --manifest-path {}/Cargo.toml`",
                        folder.display()
                    )?;
                }
                Ok(())
            }
            Self::NoFolder(file, why) | Self::NoArtifact(file, why) => write!(f, "{}: {why}", file.display()),
        }
    }
}

/// As [`fmt::Display`], because a build script that returns an error prints
/// it this way.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for BuildError {}
