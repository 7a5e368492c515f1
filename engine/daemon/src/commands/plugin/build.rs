//! `riposte plugin build`: from a project to a component.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use riposte_author::{Built, Manifest, Progress};
use riposte_policy::diagnostic::{inline, lines};
use riposte_runtime::digest;
use serde_json::json;

use super::{steps, whose};
use crate::commands::ask;
use crate::exit::Exit;

/// What it ends with.
pub const EXIT_CODES: &str = "Runs the steps of plugin.toml with your own tools, as you; as root in your own folders only.\n\
    Exit codes: 0 built, and as plugin.toml says; 1 a tool is missing, a step failed, or the component is not as \
    plugin.toml says; 2 usage.";

/// `riposte plugin build`.
#[derive(Args, Clone, Debug)]
pub struct Build {
    /// The folder of the project
    #[arg(default_value = ".")]
    pub project: PathBuf,
    /// Print one JSON object on standard output; progress goes to standard error as ever
    #[arg(long)]
    pub json: bool,
}

/// Builds, and says what came out.
pub fn build(args: &Build) -> Exit {
    match built(&args.project, "this again") {
        Ok(built) if args.json => {
            ask::say(&json!({
                "name": built.manifest.name,
                "version": built.manifest.version,
                "artifact": built.artifact,
                "size": built.bytes.len(),
                "sha256": digest(&built.bytes).to_string(),
            }));
            Exit::Done
        }
        Ok(built) => {
            let artifact = inline(&built.artifact.display().to_string());
            ask::say_text(&format!("{artifact}  {} KiB", built.bytes.len().div_ceil(1024)));
            Exit::Done
        }
        Err(error) => {
            ask::complain(args.json, &error);
            Exit::Failed
        }
    }
}

/// Builds a project with its progress on standard error. Its steps end with this
/// process.
///
/// # Errors
///
/// What to do: before `then`, where root may not build it.
pub fn built(project: &Path, then: &str) -> Result<Built, String> {
    // What is wrong with it is said first.
    Manifest::read(project).map_err(|error| error.to_string())?;
    let project = whose::own(project, then)?;
    steps::run(|| riposte_author::build(&project, &mut show)).map_err(|error| error.to_string())
}

/// Shows where a build is, in words of the project and of its tools.
pub fn show(progress: Progress<'_>) {
    let _ = match progress {
        Progress::Step { number, of, step } => {
            writeln!(io::stderr(), "[{number}/{of}] {}", inline(step))
        }
        Progress::Line(line) => writeln!(io::stderr(), "    {}", lines(line)),
        Progress::Warning(warning) => {
            ask::tell(&format!("warning: {warning}"));
            Ok(())
        }
    };
}
