//! `riposte plugin remove`: a component is taken away, when nothing needs it.

use std::collections::BTreeSet;

use clap::Args;
use riposte_ledger::Entry;
use serde_json::json;

use super::update::{ended, there};
use super::{At, engine, to_change, uses};
use crate::commands::ask;
use crate::commands::in_use::InUse;
use crate::control::{Request, Result as Went, client};
use crate::exit::Exit;
use crate::installed::uses::InForce;
use crate::installed::{Installed, Name};
use crate::places::Places;

/// What it ends with.
pub const EXIT_CODES: &str = "Exit codes: 0 removed; 1 it stays: something uses it, or is in force; 2 usage; 3 --undo needs the running engine.";

/// `riposte plugin remove`.
#[derive(Args, Clone, Debug)]
pub struct Remove {
    /// What it is called
    pub name: Name,
    /// Undo what it has in force first, through the running engine
    #[arg(long)]
    pub undo: bool,
    /// Also when a command of the configuration names it
    #[arg(long)]
    pub force: bool,
    /// Tell the running engine to take it up
    #[arg(long)]
    pub reload: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: At,
}

/// Removes, or says what stands in the way.
pub fn remove(args: &Remove) -> Exit {
    let in_use = args.at.in_use();
    let places = &in_use.places;
    let undone = match prepared(args, &in_use) {
        Ok((installed, undone)) => {
            installed.remove(&args.name).map(|()| undone).map_err(|error| error.to_string())
        }
        Err(Stays::NoEngine(error)) => {
            ask::complain(args.json, &error);
            return Exit::NoEngine;
        }
        Err(Stays::Needed(error)) => Err(error),
    };
    ended(undone.and_then(|undone| removed(args, places, undone)), args.json)
}

fn removed(args: &Remove, places: &Places, undone: usize) -> Result<(), String> {
    let next = engine(places, &args.at, args.reload);
    if args.json {
        let engine = next.as_ref().ok();
        ask::say(&json!({"name": args.name.as_str(), "removed": true, "undone": undone, "engine": engine}));
        return next.map(drop);
    }
    let undone = if undone > 0 { format!(", and {undone} undone") } else { String::new() };
    ask::say_text(&format!("{} is removed{undone}", args.name));
    ask::say_text(&next?);
    Ok(())
}

/// Why it stays.
enum Stays {
    Needed(String),
    NoEngine(String),
}

impl From<String> for Stays {
    fn from(why: String) -> Self {
        Self::Needed(why)
    }
}

/// Everything but the removal: what stands in the way is undone, or told.
fn prepared(args: &Remove, in_use: &InUse) -> Result<(Installed, usize), Stays> {
    let places = &in_use.places;
    let installed = to_change(places, &args.at)?;
    let name = &args.name;
    let versions = versions(&installed, name, &args.at)?;
    let uses = uses(in_use);
    if let Some(unread) = uses.unread.as_ref().filter(|_| !args.force) {
        return Err(Stays::Needed(format!(
            "whether a command runs {name} is not known, and it stays: {unread}; or add --force"
        )));
    }
    let named: Vec<_> =
        uses.of(name).map(|command| format!("{} ({})", command.name, command.place)).collect();
    if !named.is_empty() && !args.force {
        return Err(Stays::Needed(format!(
            "the command {} runs {name}, which stays; take the command out and run `riposte reload{}`, or add --force: no \
             engine starts with a response whose executable is missing",
            named.join(", "),
            args.at.home()
        )));
    }
    if args.undo && args.reload && named.is_empty() {
        disarm(places, name)?;
    }
    let mut undone = 0;
    let open = in_force(places, name, &versions)?;
    if !open.is_empty() {
        if !args.undo {
            return Err(Stays::Needed(listed(name, &open, &args.at)));
        }
        undone = undo(places, &open)?;
        let left = in_force(places, name, &versions)?;
        if !left.is_empty() {
            return Err(Stays::Needed(format!(
                "{} of {} in force are still being undone; run it again when `riposte list{}` no longer shows them",
                left.len(),
                open.len(),
                args.at.home()
            )));
        }
    }
    Ok((installed, undone))
}

/// The digests of what is removed. Of what cannot be read only those of its
/// earlier versions are known: it goes all the same.
fn versions(installed: &Installed, name: &Name, at: &At) -> Result<Vec<String>, String> {
    if installed.is_unreadable(name) {
        return Ok(installed.earlier(name));
    }
    let one = match installed.lost(name) {
        Some(lost) => lost,
        None => there(installed, name, at)?,
    };
    Ok(one.earlier.into_iter().chain([one.now]).map(|version| version.sha256).collect())
}

/// Has a running engine take up that no command names it any more, so that it
/// puts nothing new in force while the rest is undone.
fn disarm(places: &Places, name: &Name) -> Result<(), Stays> {
    match client::ask(&places.socket(), &Request::Reload) {
        Ok(answer) if answer.result == Went::Done => Ok(()),
        Ok(answer) => {
            Err(Stays::Needed(format!("{name} stays: the engine does not reload: {}", answer.message)))
        }
        // None runs that could.
        Err(client::Unanswered::NoEngine(_)) => Ok(()),
        Err(error) => Err(Stays::Needed(format!("{name} stays: {error}"))),
    }
}

fn in_force(places: &Places, name: &Name, versions: &[String]) -> Result<Vec<Entry>, String> {
    let in_force = InForce::read(places)?;
    let versions: Vec<_> = versions.iter().map(String::as_str).collect();
    Ok(in_force.of(name, &versions).cloned().collect())
}

fn listed(name: &Name, open: &[Entry], at: &At) -> String {
    const SHOWN: usize = 5;
    let keys: BTreeSet<_> = open.iter().map(|entry| entry.keys.join(", ")).collect();
    let mut shown: Vec<_> =
        keys.iter().take(SHOWN).map(|keys| riposte_policy::diagnostic::shown(keys)).collect();
    if keys.len() > SHOWN {
        shown.push("...".to_owned());
    }
    format!(
        "{name} has {} in force ({}) and stays; `riposte plugin remove {name} --undo{}` undoes them first, or wait until \
         they are due",
        open.len(),
        shown.join(", "),
        at.again()
    )
}

/// Has the engine undo them: only it may.
fn undo(places: &Places, open: &[Entry]) -> Result<usize, Stays> {
    let mut undone = 0;
    for entry in open {
        let reason = Some("its component is removed".to_owned());
        let request = Request::Undo { target: Some(entry.id.to_string()), allow: None, reason };
        match client::ask(&places.socket(), &request) {
            Ok(answer) if answer.result == Went::Failed => {
                return Err(Stays::Needed(format!("entry {}: {}", entry.id, answer.message)));
            }
            Ok(_) => undone += 1,
            Err(error @ client::Unanswered::NoEngine(_)) => {
                return Err(Stays::NoEngine(format!(
                    "what is in force is undone by a running engine: {error}"
                )));
            }
            Err(error) => return Err(Stays::Needed(error.to_string())),
        }
    }
    Ok(undone)
}
