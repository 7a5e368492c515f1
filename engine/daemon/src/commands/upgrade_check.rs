//! `riposte upgrade-check`: what a start of this program would meet, found out
//! while the one before it runs.
//!
//! The ledger is copied and the copy brought over; the configuration is checked;
//! every component that it names, and every version that an open entry was made
//! with, is compiled into the folder for compiled code, where each engine keeps
//! its own beside those of others. So the start itself has nothing left to do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use riposte_ledger::clock::SystemClock;
use riposte_ledger::entry::Kind;
use riposte_ledger::{Entry, Ledger};
use riposte_policy::Severity;
use riposte_policy::config::Command;
use riposte_policy::diagnostic::Diagnostic;
use riposte_policy::grant::Digest;
use riposte_runtime::{Components, Settings};
use serde_json::{Value, json};

use crate::arm::Armed;
use crate::commands::{ask, check, locate};
use crate::engine::COMPONENTS;
use crate::exit::Exit;
use crate::places::Places;
use crate::show::counted;
use crate::{cli, files};

/// What it ends with.
pub const EXIT_CODES: &str = "Run the new program's, while the old one's engine runs: nothing is changed but the folder of compiled code, where \
    each version keeps its own.\n\
    Exit codes: 0 this program would start and take everything over; 1 it would not, and why; 2 usage.";

/// `riposte upgrade-check`.
#[derive(Args, Clone, Debug)]
pub struct UpgradeCheck {
    #[command(flatten)]
    pub sources: cli::Sources,
    /// Check it for this role
    #[arg(
        long,
        value_enum,
        value_name = "run|execd|manager",
        default_value = "run",
        hide_possible_values = true
    )]
    pub role: cli::As,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Checks, and says what would change.
pub fn upgrade_check(args: &UpgradeCheck) -> Exit {
    match look(args) {
        Ok(report) => report.print(args.json),
        Err(error) => {
            ask::complain(args.json, &error);
            Exit::Failed
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
struct Report {
    /// The ledger: what it is, what it would be; none: there is none yet.
    ledger: Option<Ledgers>,
    /// Findings in the configuration.
    found: Vec<Diagnostic>,
    /// Those with which the engine starts all the same, a command off.
    refused: Vec<String>,
    /// Components that this program had to compile, and those that it had not.
    compiled: usize,
    kept: usize,
    /// Versions that open entries need and that are not there.
    gone: Vec<String>,
    /// Why this program would not start.
    wrong: Vec<String>,
}

#[derive(Debug)]
struct Ledgers {
    path: PathBuf,
    found: i64,
    now: i64,
    open: usize,
    unsettled: usize,
}

fn look(args: &UpgradeCheck) -> Result<Report, String> {
    let (places, configs) = locate(&args.sources);
    let mut report = Report::default();
    let open = ledger(&places, &mut report)?;
    let read = files::read(&configs).map_err(|error| error.to_string());
    let components = sandbox(&places)?;
    match read {
        Ok(files) => {
            progress("checking the configuration, and compiling what it names");
            let before = kept(&places);
            let armed = Armed::new_as(&files, &places, &components, args.role.role());
            report.found.clone_from(&armed.config.diagnostics);
            let fatal: Vec<String> = armed.fatal(args.sources.strict).map(ToString::to_string).collect();
            let errors = armed.config.diagnostics.iter().filter(|found| found.severity == Severity::Error);
            report.refused = errors.map(ToString::to_string).filter(|error| !fatal.contains(error)).collect();
            report.wrong.extend(fatal);
            report.wrong.extend(check::signing_key(&armed).map(|found| found.message));
            report.compiled += kept(&places).difference(&before).count();
            let all: BTreeSet<_> = armed.all().filter_map(|ready| ready.runner.digest()).collect();
            report.kept = all.len().saturating_sub(report.compiled);
        }
        Err(error) => report.wrong.push(error),
    }
    versions(&places, &components, &open, &mut report);
    Ok(report)
}

/// Tries the change of version on a copy: the open entries.
fn ledger(places: &Places, report: &mut Report) -> Result<Vec<Entry>, String> {
    let path = places.ledger();
    let Ok(found) = std::fs::metadata(&path) else {
        // A first start makes one.
        return Ok(Vec::new());
    };
    progress(&format!(
        "copying the ledger {} ({} MiB) and bringing the copy over",
        path.display(),
        found.len() >> 20
    ));
    let scratch = Scratch::new(&places.state)?;
    match Ledger::rehearse(&path, &scratch.0, Arc::new(SystemClock::new())) {
        Ok(rehearsed) => {
            let (found, now, unsettled) = (rehearsed.found, rehearsed.now, rehearsed.unsettled);
            report.ledger = Some(Ledgers { path, found, now, open: rehearsed.open.len(), unsettled });
            Ok(rehearsed.open)
        }
        Err(error) => {
            report.wrong.push(error.to_string());
            Ok(Vec::new())
        }
    }
}

/// Compiles the version that each open entry was made with.
fn versions(places: &Places, components: &Components, open: &[Entry], report: &mut Report) {
    let mut seen = BTreeSet::new();
    for entry in open.iter().filter(|entry| entry.kind != Kind::Native) {
        let Some(text) = entry.digest.as_deref() else { continue };
        let Ok(digest) = text.parse::<Digest>() else { continue };
        if !seen.insert(text.to_owned()) {
            continue;
        }
        if components.is_compiled(digest) {
            continue;
        }
        progress(&format!("compiling the version {} of {}", text.get(..12).unwrap_or(text), entry.command));
        let loaded =
            Command::from_stored(&entry.definition).map_err(|error| error.to_string()).and_then(|command| {
                let path = places.versions().join(format!("{digest}.wasm"));
                let wasm = files::read_at_most(&path, crate::installed::LARGEST)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                let grants = Arc::new(command.capabilities.clone().unwrap_or_default());
                let loaded = components.load(&command.executable, &wasm, &grants, &command.limits, false);
                loaded.map(drop).map_err(|error| error.to_string())
            });
        match loaded {
            Ok(()) => report.compiled += 1,
            // No reason not to start: the engine reverses what is recorded.
            Err(error) => report.gone.push(format!("{}: {error}", entry.command)),
        }
    }
}

/// The sandbox of an engine, with its folder of compiled code; nothing that is
/// loaded in it can act on anything.
fn sandbox(places: &Places) -> Result<Components, String> {
    places.create().map_err(|error| error.to_string())?;
    let settings = Settings { cache: Some(places.compiled()), concurrency: COMPONENTS };
    check::sandbox_with(&settings).map(|(components, _)| components)
}

/// The files of compiled code, whichever engine's.
fn kept(places: &Places) -> BTreeSet<std::ffi::OsString> {
    let entries = std::fs::read_dir(places.compiled()).into_iter().flatten();
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    names.filter(|name| name != "key").collect()
}

/// On standard error, and only there: each may take a while.
fn progress(what: &str) {
    ask::tell(what);
}

impl Report {
    fn print(&self, json: bool) -> Exit {
        let good = self.wrong.is_empty();
        if json {
            ask::say(&self.json());
        } else {
            ask::say_text(&self.text());
        }
        if good { Exit::Done } else { Exit::Failed }
    }

    fn json(&self) -> Value {
        let ledger = self.ledger.as_ref().map(|ledger| {
            json!({"path": ledger.path, "version": ledger.found, "becomes": ledger.now, "open": ledger.open, "unsettled": ledger.unsettled})
        });
        json!({
            "starts": self.wrong.is_empty(), "program": env!("CARGO_PKG_VERSION"), "ledger": ledger, "compiled": self.compiled,
            "compiled_before": self.kept, "gone": self.gone, "findings": self.found, "refused": self.refused, "errors": self.wrong,
        })
    }

    fn text(&self) -> String {
        let mut lines = vec![match &self.ledger {
            None => "ledger: there is none; a start makes one".to_owned(),
            Some(Ledgers { found, now, open, .. }) if found == now => {
                format!(
                    "ledger: of version {now}, as this program writes it; {} open",
                    counted(*open, "entry")
                )
            }
            Some(Ledgers { found, now, open, .. }) => format!(
                "ledger: version {found} becomes {now} at the start; {open} entries open, all of them kept. The program before cannot read it then"
            ),
        }];
        if let Some(Ledgers { unsettled: unsettled @ 1.., .. }) = self.ledger {
            lines.push(format!("at the start {unsettled} of them are undone or taken up first"));
        }
        let warnings = self.found.iter().filter(|found| found.severity == Severity::Warning).count();
        let refused = match self.refused.len() {
            0 => String::new(),
            refused => format!("{} that an engine starts with, ", counted(refused, "error")),
        };
        lines.push(format!(
            "configuration: {refused}{}; riposte check shows them",
            counted(warnings, "warning")
        ));
        lines.extend(self.refused.iter().map(|found| found.trim_end().to_owned()));
        lines.push(format!("components: {} compiled now, {} were already", self.compiled, self.kept));
        let gone = |gone: &String| {
            format!("no version to undo with, so the engine reverses what is recorded: {gone}")
        };
        lines.extend(self.gone.iter().map(gone));
        // A finding says itself how bad it is.
        let wrong = |wrong: &String| {
            let says = wrong.starts_with("error[") || wrong.starts_with("warning[");
            if says { wrong.clone() } else { format!("error: {wrong}") }
        };
        lines.extend(self.wrong.iter().map(wrong));
        lines.push(match self.wrong.len() {
            0 => "this program would start and take everything over".to_owned(),
            wrong => {
                let wrong = counted(wrong, "error");
                format!("this program would not start: {wrong}. The one that runs was not touched")
            }
        });
        lines.join("\n")
    }
}

/// A folder for the copy, beside the ledger, where there is room for one; gone
/// when this ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(state: &Path) -> Result<Self, String> {
        use std::os::unix::fs::DirBuilderExt;
        let folder = state.join(format!("upgrade-check.{}", std::process::id()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|error| {
            format!("cannot make the folder {} for a copy of the ledger: {error}", folder.display())
        })?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left over, it says in its name what it was.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
