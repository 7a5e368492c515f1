//! `riposte plugin build`: from a project to a component.

use std::path::{Path, PathBuf};

use clap::Args;
use riposte_author::{Built, Error, Progress};
use riposte_runtime::digest;
use serde_json::json;

use crate::commands::ask;
use crate::exit::Exit;

/// What it ends with.
pub const EXIT_CODES: &str = "Runs the steps of plugin.toml with your own tools, as you.\n\
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
    match built(&args.project) {
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
            ask::say_text(&format!("{}  {} KiB", built.artifact.display(), built.bytes.len().div_ceil(1024)));
            Exit::Done
        }
        Err(error) => {
            ask::complain(args.json, &error.to_string());
            Exit::Failed
        }
    }
}

/// Builds a project with its progress on standard error.
///
/// # Errors
///
/// [`Error`], which says what to do.
pub fn built(project: &Path) -> Result<Built, Error> {
    riposte_author::build(project, &mut show)
}

/// Shows where a build is.
pub fn show(progress: Progress<'_>) {
    match progress {
        Progress::Step { number, of, step } => eprintln!("[{number}/{of}] {step}"),
        Progress::Line(line) => eprintln!("    {line}"),
        Progress::Warning(warning) => eprintln!("riposte: warning: {warning}"),
    }
}
