//! `riposte plugin update`: another version in the place of an installed one.
//! What it asks for beyond that is shown, and somebody has to agree.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Args;
use riposte_ledger::clock::{Clock, SystemClock};
use riposte_policy::grant::Digest;
use serde_json::json;

use super::candidate::Candidate;
use super::changes::Changes;
use super::{At, engine, say, to_change, uses};
use crate::commands::ask;
use crate::exit::Exit;
use crate::installed::uses::{InForce, Uses};
use crate::installed::{Installed, LARGEST, Name, One, apart};
use crate::places::Places;

/// What it ends with.
pub const EXIT_CODES: &str = "What is in force is still undone by the version that made it.\n\
    Exit codes: 0 the version runs from now on, or did already; 1 it does not, or the engine did not reload; 2 usage.";

/// `riposte plugin update`.
#[derive(Args, Clone, Debug)]
pub struct Update {
    /// A component (.wasm), or a project's folder, which is built first
    #[arg(value_name = "FILE.wasm|DIR", default_value = ".")]
    pub what: PathBuf,
    /// What the installed one is called [default: of the manifest or the file]
    #[arg(long, value_name = "NAME")]
    pub name: Option<Name>,
    /// Only if its SHA-256 is this
    #[arg(long, value_name = "DIGEST")]
    pub sha256: Option<Digest>,
    #[command(flatten)]
    pub how: How,
}

/// How a version is exchanged.
#[derive(Args, Clone, Debug)]
pub struct How {
    /// Agree to what it asks for beyond the installed one
    #[arg(long)]
    pub yes: bool,
    /// Tell the running engine to take it up
    #[arg(long)]
    pub reload: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: At,
}

/// Updates, and says what changed.
pub fn update(args: &Update) -> Exit {
    ended(updated(args), args.how.json)
}

/// Prints how it went.
pub(super) fn ended(result: Result<(), String>, json: bool) -> Exit {
    match result {
        Ok(()) => Exit::Done,
        Err(error) => {
            ask::complain(json, &error);
            Exit::Failed
        }
    }
}

fn updated(args: &Update) -> Result<(), String> {
    let in_use = args.how.at.in_use();
    let places = &in_use.places;
    Candidate::look(&args.what)?;
    // First: who may not install need not build.
    let installed = to_change(places, &args.how.at)?;
    let candidate = Candidate::find(&args.what, args.name.as_ref(), args.sha256, &args.how.at)?;
    let name = &candidate.name;
    let one = there(&installed, name, &args.how.at)?;
    let inspection = candidate.examined(places, args.how.json)?;
    let exchange = Exchange { installed: &installed, one: &one, places };
    if one.now.sha256 == inspection.digest.to_string() {
        return exchange.same(&args.how);
    }
    let before = exchange.inspected();
    let uses = uses(&in_use);
    let changes = Changes::new(before.as_ref(), &inspection, uses.of(name));
    exchange.agreed(&inspection.digest.to_string(), &changes, &uses, &args.how)?;
    let version = candidate.version(&inspection, SystemClock::new().now().wall_ms);
    installed.put(name, &candidate.wasm, version).map_err(|error| error.to_string())?;
    exchange.done(&inspection.digest.to_string(), &changes, &args.how)
}

/// The component of this name, which must be installed.
pub(super) fn there(installed: &Installed, name: &Name, at: &At) -> Result<One, String> {
    if let Some(one) = installed.one(name).map_err(|error| error.to_string())? {
        return Ok(one);
    }
    let names = installed.names().map_err(|error| error.to_string())?;
    let names: Vec<_> = names.iter().map(Name::as_str).collect();
    let others =
        if names.is_empty() { "nothing is".to_owned() } else { format!("there are: {}", names.join(", ")) };
    let again = at.again();
    Err(format!("no component {name} is installed ({others}); `riposte plugin install{again}` installs one"))
}

/// One version gives way to another.
pub(super) struct Exchange<'a> {
    pub(super) installed: &'a Installed,
    pub(super) one: &'a One,
    pub(super) places: &'a Places,
}

impl Exchange<'_> {
    /// What runs now, as far as it can be looked at.
    pub(super) fn inspected(&self) -> Option<riposte_runtime::Inspection> {
        let Exchange { installed, one, .. } = self;
        let running = || crate::files::read_at_most(&installed.path(&one.name), LARGEST).ok();
        let wasm = if one.lost { installed.kept_bytes(one, &one.now).ok()? } else { running()? };
        apart::examine(wasm, Some(&apart::cache(self.places.compiled()))).ok()
    }

    /// Nothing is to be done.
    pub(super) fn same(&self, how: &How) -> Result<(), String> {
        let One { name, now, .. } = self.one;
        let next = engine(self.places, &how.at, how.reload)?;
        if how.json {
            ask::say(
                &json!({"name": name.as_str(), "before": now.sha256, "now": now.sha256, "changed": false}),
            );
        } else {
            ask::say_text(&format!("{name} is this version already (sha256 {}); {next}", now.sha256));
        }
        Ok(())
    }

    /// Shows what changes, and asks when that has to be agreed to.
    pub(super) fn agreed(&self, to: &str, changes: &Changes, uses: &Uses, how: &How) -> Result<(), String> {
        let One { name, now, .. } = self.one;
        if let Some(unread) = &uses.unread {
            say(&format!("which commands use {name} is not known: {unread}"));
        }
        if !how.json {
            ask::say_text(&format!("{name}: {} -> {to}\n{}", now.sha256, changes.text().trim_end()));
        }
        if !changes.grows() || how.yes {
            return Ok(());
        }
        let kept = format!("{name} stays as it was");
        if how.json || !io::stdin().is_terminal() {
            if how.json {
                say(&changes.json().to_string());
            }
            return Err(format!(
                "{kept}: the other version asks for more, or turns commands off, as shown; add --yes to agree to that"
            ));
        }
        let mut out = io::stdout();
        // Who cannot read the question does not answer it.
        let _ = out.write_all(b"Let it run from now on? [y/N] ").and_then(|()| out.flush());
        let mut answer = String::new();
        // No answer is none.
        let _ = io::stdin().lock().read_line(&mut answer);
        if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(kept) }
    }

    /// Says that it is done, and tells the engine.
    pub(super) fn done(&self, to: &str, changes: &Changes, how: &How) -> Result<(), String> {
        let One { name, now, .. } = self.one;
        // The exchange is made, whether the ledger can be read or not.
        let kept = InForce::read(self.places).map_or(0, |in_force| in_force.count(&now.sha256));
        let next = engine(self.places, &how.at, how.reload);
        if how.json {
            ask::say(&json!({
                "name": name.as_str(),
                "before": now.sha256,
                "now": to,
                "changed": true,
                "in_force_of_before": kept,
                "changes": changes.json(),
                "engine": next.as_ref().ok(),
            }));
            return next.map(drop);
        }
        let mut text = format!("{name} is now {to}");
        if kept > 0 && now.sha256 != to {
            text.push_str(&format!("\n{kept} in force stay with the version before, which undoes them"));
        }
        let again = how.at.again();
        if !self.one.lost {
            text.push_str(&format!(
                "\n`riposte plugin rollback {name}{again}` goes back to the version before"
            ));
        }
        ask::say_text(&text);
        ask::say_text(&next?);
        Ok(())
    }
}
