//! `riposte migrate`: responses to the documents of Wazuh 5.x, and back.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use riposte_policy::Severity;
use riposte_policy::config::Role;
use riposte_policy::migrate::{Finding, Five, Four, from_five, to_five};
use serde::Serialize;
use serde_json::json;

use crate::cli::Sources;
use crate::commands::{ask, locate};
use crate::exit::Exit;
use crate::files;

/// Largest file of documents read, in bytes.
const LARGEST: u64 = 16 << 20;

/// `riposte migrate`.
#[derive(Args, Clone, Debug)]
pub struct Migrate {
    #[command(flatten)]
    pub direction: Direction,
    /// With --from: files with what the indexer answers for channels and monitors
    #[arg(value_name = "FILE", required_unless_present = "to", conflicts_with = "to")]
    pub documents: Vec<PathBuf>,
    /// Folder to write files into, `-` for standard output
    #[arg(long, value_name = "DIR|-")]
    pub output: Option<PathBuf>,
    /// Print one JSON object, with the findings
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub sources: Sources,
}

/// To which version or from which: one of both.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Direction {
    /// Write documents for this version of Wazuh
    #[arg(long, value_name = "VERSION", value_parser = ["5"])]
    pub to: Option<String>,
    /// Read documents of this version of Wazuh
    #[arg(long, value_name = "VERSION", value_parser = ["5"])]
    pub from: Option<String>,
}

/// Migrates one way or the other. Fails when a response was not migrated.
pub fn migrate(migrate: &Migrate) -> Exit {
    let done = if migrate.direction.to.is_some() { to(migrate) } else { from(migrate) };
    match done {
        Ok(findings) if findings.iter().any(|found| found.severity == Severity::Error) => Exit::Failed,
        Ok(_) => Exit::Done,
        Err(error) => {
            ask::complain(migrate.json, &error);
            Exit::Failed
        }
    }
}

fn to(migrate: &Migrate) -> Result<Vec<Finding>, String> {
    let (_, configs) = locate(&migrate.sources);
    let files = files::read(&configs).map_err(|error| error.to_string())?;
    let Five { documents, findings } = to_five(&files::config(&files, Role::Standalone));
    match folder(migrate) {
        Some(folder) => {
            for document in &documents {
                write(folder, &format!("{}.json", document.file_stem()), &pretty(document)?)?;
            }
            say(migrate, &findings, || json!({"findings": findings}));
        }
        None if migrate.json => ask::say(&json!({"documents": documents, "findings": findings})),
        None => {
            ask::say_text(pretty(&documents)?.trim_end());
            say(migrate, &findings, || json!(null));
        }
    }
    Ok(findings)
}

fn from(migrate: &Migrate) -> Result<Vec<Finding>, String> {
    let mut sources = Vec::new();
    for path in &migrate.documents {
        let bytes = files::read_at_most(path, LARGEST)
            .map_err(|error| format!("cannot read the documents {}: {error}", path.display()))?;
        sources.push((path.display().to_string(), bytes));
    }
    let sources: Vec<(&str, &[u8])> =
        sources.iter().map(|(file, bytes)| (file.as_str(), bytes.as_slice())).collect();
    let Four { xml, findings } = from_five(&sources);
    match folder(migrate) {
        Some(folder) => {
            write(folder, "active-response.conf", &xml)?;
            say(migrate, &findings, || json!({"findings": findings}));
        }
        None if migrate.json => ask::say(&json!({"xml": xml, "findings": findings})),
        None => {
            ask::say_text(xml.trim_end());
            say(migrate, &findings, || json!(null));
        }
    }
    Ok(findings)
}

fn pretty(documents: &impl Serialize) -> Result<String, String> {
    serde_json::to_string_pretty(documents).map(|text| text + "\n").map_err(|error| error.to_string())
}

/// Where files are to be written; `None` for standard output.
fn folder(migrate: &Migrate) -> Option<&Path> {
    migrate.output.as_deref().filter(|output| *output != Path::new("-"))
}

/// The findings: for programs on standard output, for people beside it.
fn say(migrate: &Migrate, findings: &[Finding], json: impl FnOnce() -> serde_json::Value) {
    if migrate.json {
        return ask::say(&json());
    }
    let mut out = io::stderr().lock();
    for found in findings {
        // A reader that went away has read enough.
        let _ = writeln!(out, "{found}");
    }
}

/// Writes a new file; one that is there already is never overwritten.
fn write(folder: &Path, name: &str, text: &str) -> Result<(), String> {
    let unwritable = |source| Unwritable { path: folder.join(name), source }.to_string();
    #[expect(clippy::disallowed_methods, reason = "the folder is the user's, named on the command line")]
    let file = std::fs::create_dir_all(folder).and_then(|()| {
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o640).open(folder.join(name))
    });
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(unwritable)
}

/// A file of the result cannot be written.
#[derive(Debug)]
struct Unwritable {
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot write {}: {}; name an empty folder with --output DIR",
            self.path.display(),
            self.source
        )
    }
}

impl std::error::Error for Unwritable {}
