//! `riposte plugin install`: a component is checked, compiled apart, and put
//! where the engine finds it. Nothing of it is run, and no grant is given: that
//! is what the `<command>` is for which it prints.

use std::path::PathBuf;

use clap::Args;
use riposte_ledger::clock::{Clock, SystemClock};
use riposte_plugins::Builtin;
use riposte_policy::config::Runtime;
use riposte_policy::grant::Digest;
use riposte_runtime::Inspection;
use serde_json::json;

use super::candidate::{self, Candidate};
use super::changes::Changes;
use super::inspect::{Report, human};
use super::{At, engine, to_change, uses};
use crate::arm::executable::{self, Executable};
use crate::commands::ask;
use crate::exit::Exit;
use crate::installed::uses::Uses;
use crate::installed::{Installed, Name};
use crate::places::Places;

/// What it ends with.
pub const EXIT_CODES: &str = "Nothing of the component is run; it has no grant until a <command> gives it one.\n\
    Exit codes: 0 installed, or installed already; 1 not installed; 2 usage.";

/// `riposte plugin install`.
#[derive(Args, Clone, Debug)]
pub struct Install {
    /// A component (.wasm), or a project's folder, which is built first
    #[arg(value_name = "FILE.wasm|DIR", default_value = ".")]
    pub what: PathBuf,
    /// What it is called, and its executable [default: of the manifest or the file]
    #[arg(long, value_name = "NAME")]
    pub name: Option<Name>,
    /// Only if its SHA-256 is this
    #[arg(long, value_name = "DIGEST")]
    pub sha256: Option<Digest>,
    /// Also under the name of a built-in response or a native program, in whose place it then runs
    #[arg(long)]
    pub replace: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: At,
}

/// Installs, and prints what to write into the configuration.
pub fn install(args: &Install) -> Exit {
    match installed(args) {
        Ok(()) => Exit::Done,
        Err(error) => {
            ask::complain(args.json, &error);
            Exit::Failed
        }
    }
}

fn installed(args: &Install) -> Result<(), String> {
    let in_use = args.at.in_use();
    let places = &in_use.places;
    Candidate::look(&args.what)?;
    // First: who may not install need not build.
    let installed = to_change(places, &args.at)?;
    let candidate = Candidate::find_for(&installed, &args.what, args.name.as_ref(), args.sha256, &args.at)?;
    let Candidate { name, wasm, .. } = &candidate;
    let digest = riposte_runtime::digest(wasm).to_string();
    let before = installed.one(name).map_err(|error| error.to_string())?;
    match &before {
        Some(one) if one.now.sha256 != digest => {
            // What is known of its sources has been compared before.
            let differing = candidate.differing.filter(|_| one.now.sources.is_none());
            let differing = differing.map_or_else(String::new, |language| {
                format!(
                    " (each build in {language} makes other bytes, so its sources may be the same: a file of an earlier \
                     build is installed as it is when it is named)"
                )
            });
            return Err(format!(
                "{name} is installed already, in another version (sha256 {}){differing}; `{}` shows \
                 what changes and puts this one in its place, --name NAME installs it beside that one",
                one.now.sha256,
                candidate::update_of(&args.what, args.name.as_ref(), &args.at)
            ));
        }
        Some(_) => {}
        None if !args.replace => free(name, places)?,
        None => {}
    }
    let inspection = candidate.examined(places, args.json)?;
    if before.is_none() {
        let version = candidate.version(&inspection, SystemClock::new().now().wall_ms);
        installed.put(name, wasm, version).map_err(|error| error.to_string())?;
    }
    let uses = uses(&in_use);
    let told = Told { candidate: &candidate, inspection: &inspection, uses: &uses, fresh: before.is_none() };
    told.print(&installed, places, args)
}

/// Whether nothing else has that name: else it would run in the place of that,
/// in every command that names it.
fn free(name: &Name, places: &Places) -> Result<(), String> {
    let way_out = "choose another with --name NAME, or add --replace if that is meant";
    if let Some(taken) = built_in(name.as_str()) {
        return Err(format!("{taken}; {way_out}"));
    }
    match executable::find(name.as_str(), Some(Runtime::Native), places) {
        Ok(Executable::Native(program)) => Err(format!(
            "{name} is the name of the native program {}, and an installed component runs in its place in every \
             command that names it without runtime=\"native\"; {way_out}",
            places.programs().join(program).display()
        )),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// That a built-in response has this name, and what follows from it.
pub(super) fn built_in(name: &str) -> Option<String> {
    let is = |builtin: &&Builtin| builtin.name == name || builtin.aliases.contains(&name);
    let builtin = riposte_plugins::builtins().iter().find(is)?;
    Some(format!(
        "{name} is the name of the built-in response {}, and an installed component runs in its place in every \
         command that names it",
        builtin.name
    ))
}

/// What is told of an installation.
struct Told<'a> {
    candidate: &'a Candidate,
    inspection: &'a Inspection,
    uses: &'a Uses,
    /// Whether it was not there before.
    fresh: bool,
}

impl Told<'_> {
    fn print(&self, installed: &Installed, places: &Places, args: &Install) -> Result<(), String> {
        let Self { candidate, inspection, uses, fresh } = self;
        let (name, size) = (&candidate.name, candidate.wasm.len());
        let path = installed.path(name);
        let report = Report::new(&candidate.file, size, inspection);
        let (command, kind) = (report.command_of(name.as_str()), inspection.kind.as_str());
        let used: Vec<_> = uses.of(name).collect();
        // Against itself: only what commands lack is told.
        let changes = Changes::new(Some(inspection), inspection, used.iter().copied());
        let next = engine(places, &args.at, false)?;
        if args.json {
            ask::say(&json!({
                "name": name.as_str(),
                "file": path.display().to_string(),
                "sha256": inspection.digest.to_string(),
                "kind": kind,
                "size": size,
                "new": fresh,
                "warnings": report.warnings,
                "command": command,
                "used_by": used.iter().map(|command| &*command.name).collect::<Vec<_>>(),
                "changes": changes.json(),
            }));
            return Ok(());
        }
        let how = if *fresh { "is installed" } else { "was installed already" };
        let mut text = format!(
            "{name} {how}: {}, {}, {kind}\nsha256 {}\n",
            path.display(),
            human(size),
            inspection.digest
        );
        for warning in &report.warnings {
            text.push_str(&format!("warning: {warning}\n"));
        }
        if let Some(unread) = &uses.unread {
            text.push_str(&format!("warning: whether a command uses it is not known: {unread}\n"));
        }
        if used.is_empty() {
            text.push_str(&format!(
                "\nIt runs when a command names it. Write into the configuration, and name the command in an \
                 <active-response>; {next}:\n\n{command}"
            ));
        } else if changes.grows() {
            text.push_str(&format!("\n{}{next}.", changes.text()));
        } else {
            let names: Vec<_> = used.iter().map(|command| command.name.to_string()).collect();
            text.push_str(&format!("\nThe command {} runs it; {next}.", names.join(", ")));
        }
        ask::say_text(&text);
        Ok(())
    }
}
