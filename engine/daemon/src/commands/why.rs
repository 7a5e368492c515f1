//! `riposte why TARGET`: who blocked it and why, until when, and what else
//! holds it; or who undid it; or why it was not blocked. Read from the ledger
//! and the audit; needs no engine, and may run beside one.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use clap::Args;
use riposte_ledger::audit::scan::{Recorded, Window, scan};
use riposte_ledger::entry::{EffectRow, Filter};
use riposte_ledger::{Entry, Ledger};
use riposte_policy::diagnostic::inline;
use riposte_policy::order::EntryId;
use serde_json::{Value, json};

use super::history::{line, of_event};
use super::spared::Spared;
use super::target::{Target, moment};
use crate::cli::Where;
use crate::commands::ask;
use crate::exit::Exit;
use crate::places::{Places, way_out};
use crate::report::{digest, grants, time};
use crate::show;

/// What it ends with.
pub const EXIT_CODES: &str =
    "Exit codes: 0 told, also when nothing is known of it; 1 something could not be read, 2 usage.";

/// How many entries that are over, and events, are told: the newest.
const MOST: usize = 10;

/// Kinds of events that say why something was not done.
const NOT_DONE: [&str; 9] = [
    "refused",
    "denied",
    "unconfirmed",
    "unsupported",
    "failed",
    "undeliverable",
    "no-key",
    "undecided",
    "overridden",
];

/// `riposte why`.
#[derive(Args, Clone, Debug)]
pub struct Why {
    /// An address, a network, a user or a file
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// How far back the audit is read: 24h or 7d ago, 2026-05-07, 2026-05-07T03:17:27Z
    #[arg(long, value_name = "WHEN", default_value = "7d", value_parser = moment)]
    pub since: i64,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: Where,
}

/// Tells it.
pub fn why(args: &Why) -> Exit {
    match told(args) {
        Ok(told) => {
            if args.json {
                ask::say(&told.facts());
            } else {
                ask::say_text(told.sentences().trim_end());
            }
            Exit::Done
        }
        Err(error) => {
            ask::complain(args.json, &error);
            Exit::Failed
        }
    }
}

/// All that is known of a target.
struct Told {
    target: Target,
    /// What keeps responses off it.
    spared: Spared,
    /// What is open, oldest first.
    open: Vec<One>,
    /// What is over, newest first.
    over: Vec<One>,
    /// What was not done, and why, newest first.
    not_done: VecDeque<Recorded>,
}

/// An entry, what it changed, and who else holds that.
struct One {
    entry: Entry,
    effects: Vec<EffectRow>,
    others: Vec<EntryId>,
}

fn told(args: &Why) -> Result<Told, String> {
    let places = Places::new(args.at.home.as_deref(), None, &[]);
    let target = Target::new(&args.target);
    // Without it nobody knows what is in force.
    let ledger = places.ledger_to_read()?;
    let spared = Spared::read(&ledger, &args.at, &target)?;
    let mut told = Told { target, spared, open: Vec::new(), over: Vec::new(), not_done: VecDeque::new() };
    told.read_ledger(&ledger)?;
    told.read_audit(&places, args.since)?;
    Ok(told)
}

impl Told {
    fn read_ledger(&mut self, path: &Path) -> Result<(), String> {
        let sieve = Some(self.target.sieve()).filter(|text| !text.is_empty());
        let filter = Filter { target: sieve, ..Filter::default() };
        let entries = Ledger::read(path, &filter).map_err(|error| error.to_string())?;
        let (open, mut over): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.state.is_open());
        over.retain(|entry| self.target.is_of(entry));
        over.sort_by_key(|entry| std::cmp::Reverse(entry.id));
        over.truncate(MOST);
        for entry in open.into_iter().chain(over) {
            let id = entry.id;
            let read = Ledger::read_entry(path, id).map_err(|error| error.to_string())?;
            let effects = read.map(|(_, effects)| effects).unwrap_or_default();
            // What widened a block has another key than what it blocked.
            if !self.target.is_of(&entry) && !effects.iter().any(|effect| self.target.is(&effect.target)) {
                continue;
            }
            let mut others = Vec::new();
            for effect in effects.iter().filter(|effect| !effect.released && entry.state.is_open()) {
                let filter =
                    Filter { open_only: true, target: Some(effect.target.clone()), ..Filter::default() };
                let holders = Ledger::read(path, &filter).map_err(|error| error.to_string())?;
                others.extend(holders.into_iter().map(|other| other.id).filter(|other| *other != id));
            }
            others.sort_unstable();
            others.dedup();
            let list = if entry.state.is_open() { &mut self.open } else { &mut self.over };
            list.push(One { entry, effects, others });
        }
        Ok(())
    }

    fn read_audit(&mut self, places: &Places, since: i64) -> Result<(), String> {
        let path = places.audit();
        let texts = Some(self.target.sieve()).filter(|text| !text.is_empty()).into_iter().collect();
        let window = Window { since_ms: Some(since), until_ms: None, texts };
        let read = scan(&path, &window, |recorded| {
            let event = &recorded.event;
            if NOT_DONE.contains(&event.kind.as_str()) && event.keys.iter().any(|key| self.target.is(key)) {
                self.not_done.push_front(recorded);
                self.not_done.truncate(MOST);
            }
            ControlFlow::Continue(())
        });
        read.map_err(|error| {
            format!("the audit {} cannot be read: {error}{}", path.display(), way_out(&error))
        })
    }

    fn facts(&self) -> Value {
        let mut facts = json!({
            "target": self.target.as_str(),
            "in_force": self.open.iter().map(One::facts).collect::<Vec<_>>(),
            "over": self.over.iter().map(One::facts).collect::<Vec<_>>(),
            "not_done": self.not_done.iter().map(of_event).collect::<Vec<_>>(),
        });
        for (name, fact) in self.spared.facts() {
            facts[name] = fact;
        }
        facts
    }

    fn sentences(&self) -> String {
        let target = self.target.as_str();
        let mut out = String::new();
        for sentence in self.spared.sentences() {
            // Writing to a string does not fail, here and below.
            let _ = writeln!(out, "{}", inline(&sentence));
        }
        let _ = match self.open.len() {
            0 => writeln!(out, "nothing is in force on {target}"),
            1 => writeln!(out, "1 entry is in force on {target}:"),
            many => writeln!(out, "{many} entries are in force on {target}:"),
        };
        self.open.iter().for_each(|one| one.sentences(&mut out));
        if !self.over.is_empty() {
            let _ = writeln!(out, "over, newest first:");
            self.over.iter().for_each(|one| one.sentences(&mut out));
        }
        if !self.not_done.is_empty() {
            let _ = writeln!(out, "not done, newest first:");
            for recorded in &self.not_done {
                let _ = writeln!(out, "  {}", line(recorded));
            }
        }
        let nothing = self.open.is_empty() && self.over.is_empty() && self.not_done.is_empty();
        if nothing && self.spared.is_empty() {
            let _ = writeln!(
                out,
                "nothing was done or refused about it either, as far as the ledger and the audit go; \
                 `riposte explain` says what an alert would do"
            );
        }
        out
    }
}

impl One {
    fn facts(&self) -> Value {
        let mut value = show::entry(&self.entry);
        let effects: Vec<Value> = self
            .effects
            .iter()
            .map(|effect| json!({"interface": effect.interface, "target": effect.target, "released": effect.released}))
            .collect();
        if let Some(fields) = value.as_object_mut() {
            fields.insert("definition_sha256".into(), json!(digest(&self.entry.definition)));
            fields.insert("component_sha256".into(), json!(self.entry.digest));
            fields.insert("grants".into(), json!(grants(&self.entry.definition)));
            fields.insert("cause".into(), json!(self.entry.cause));
            fields.insert("end_reason".into(), json!(self.entry.end_reason));
            fields.insert("effects".into(), json!(effects));
            fields.insert("others".into(), json!(self.others.iter().map(|id| id.0).collect::<Vec<_>>()));
        }
        value
    }

    fn sentences(&self, out: &mut String) {
        let entry = &self.entry;
        let mut row = |name: &str, text: &str| {
            // Texts may come from a program or an alert: they cannot forge a row.
            let _ = writeln!(out, "    {name:<13}{}", inline(text));
        };
        let state = if entry.stuck { "stuck" } else { entry.state.as_str() };
        row("entry", &format!("{} of {}, {state}, on {}", entry.id, entry.command, entry.keys.join(", ")));
        let by = match (entry.actor.to_string().as_str(), entry.response.as_deref()) {
            ("alert", response) => {
                let alert = if entry.alert_id.is_empty() { "without id" } else { &*entry.alert_id };
                let rule = Some(&*entry.rule_id).filter(|rule| !rule.is_empty());
                let rule = rule.map(|rule| format!(", rule {rule}")).unwrap_or_default();
                let response = response.map(|response| format!(", response {response}")).unwrap_or_default();
                format!("alert {alert}{rule}{response}")
            }
            (actor, _) => actor.to_owned(),
        };
        row("asked by", &by);
        if let Some(reason) = &entry.reason {
            row("reason", reason);
        }
        row("since", &format!("{}, offence {}", time(entry.since_ms), entry.offence));
        match (entry.due_ms, entry.closed_ms) {
            (_, Some(closed)) => row("ended", &format!("{}{}", time(closed), self.ended())),
            (Some(due), None) => row("until", &time(due)),
            (None, None) => row("until", "it is undone by hand"),
        }
        if let Some(error) = &entry.error {
            row("error", error);
        }
        for effect in &self.effects {
            let released = if effect.released { ", let go" } else { "" };
            row("changed", &format!("{} {}{released}", effect.interface, effect.target));
        }
        if !self.others.is_empty() {
            let others: Vec<_> = self.others.iter().map(ToString::to_string).collect();
            row("held also by", &format!("entry {}", others.join(", ")));
        }
        row("definition", &digest(&entry.definition));
        if let Some(digest) = &entry.digest {
            row("component", digest);
        }
        for grant in grants(&entry.definition) {
            row("grant", &grant);
        }
        out.push('\n');
    }

    /// Who ended it, and why.
    fn ended(&self) -> String {
        let entry = &self.entry;
        let cause = match entry.cause.as_deref() {
            Some("due") => "its time was up",
            Some("failed") => "its add had failed",
            Some("asked") => "somebody asked",
            Some("recovery") => "the engine had ended while it was being undone",
            _ => return String::new(),
        };
        let by = entry.ended_by.as_deref().map(|by| format!(" (by {by})")).unwrap_or_default();
        let reason = entry.end_reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!(", {cause}{by}{reason}")
    }
}
