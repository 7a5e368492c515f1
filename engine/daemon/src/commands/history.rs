//! `riposte history`: what was done, refused and undone, and who asked. Read
//! from the audit, and from the ledger what the audit has no line of. Needs no
//! engine, and may run beside one.

use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use clap::Args;
use riposte_ledger::audit::scan::{Recorded, Window, scan};
use riposte_ledger::entry::Filter;
use riposte_ledger::{Entry, Ledger};
use riposte_policy::diagnostic::inline;
use serde_json::{Value, json};

use super::target::{Target, actor, moment};
use crate::cli::Where;
use crate::commands::ask;
use crate::exit::Exit;
use crate::places::{Places, way_out};
use crate::report::{digest, time};
use crate::show;

/// What it ends with.
pub const EXIT_CODES: &str = "Oldest first: the lines of the audit, then what only the ledger still knows.\n\
    Exit codes: 0 told, also when there is nothing; 1 something could not be read, 2 usage.";

/// How far back it goes unless told otherwise.
const SINCE: &str = "24h";

/// `riposte history`.
#[derive(Args, Clone, Debug)]
pub struct History {
    /// Only about this address (and networks that hold it), network, user or file
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,
    /// Only of this command
    #[arg(long, value_name = "NAME")]
    pub command: Option<String>,
    /// From then on: 24h or 7d ago, 2026-05-07, 2026-05-07T03:17:27Z
    #[arg(long, value_name = "WHEN", default_value = SINCE, value_parser = moment)]
    pub since: i64,
    /// Until then
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub until: Option<i64>,
    /// Only what was asked by: alert, engine, or uid:N
    #[arg(long, value_name = "WHO", value_parser = actor)]
    pub actor: Option<String>,
    /// One JSON object per line
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: Where,
}

/// Tells it.
pub fn history(args: &History) -> Exit {
    let out = BufWriter::new(io::stdout().lock());
    let told = tell(args, out);
    match told {
        Ok(()) => Exit::Done,
        Err(error) => {
            ask::complain(args.json, &error);
            Exit::Failed
        }
    }
}

fn tell(args: &History, mut out: impl Write) -> Result<(), String> {
    let places = Places::new(args.at.home.as_deref(), None, &[]);
    let target = args.target.as_deref().map(Target::new);
    let mut seen = HashSet::new();
    let mut ended = Ok(true);
    let window = Window {
        since_ms: Some(args.since),
        until_ms: args.until,
        texts: target
            .iter()
            .map(Target::sieve)
            .chain(args.command.clone())
            .filter(|text| !text.is_empty())
            .take(1)
            .collect(),
    };
    let path = places.audit();
    let read = scan(&path, &window, |recorded| {
        if !is_asked(args, target.as_ref(), &recorded) {
            return ControlFlow::Continue(());
        }
        seen.extend(recorded.event.entry);
        let line = if args.json { of_event(&recorded).to_string() } else { line(&recorded) };
        ended = ask::written(writeln!(out, "{line}"));
        if matches!(ended, Ok(true)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    read.map_err(|error| format!("the audit {} cannot be read: {error}{}", path.display(), way_out(&error)))?;
    if !ended? {
        return Ok(());
    }
    for entry in only_in_ledger(args, &places, target.as_ref(), &seen)? {
        let line = if args.json { of_entry(&entry).to_string() } else { line_of_entry(&entry) };
        if !ask::written(writeln!(out, "{line}"))? {
            return Ok(());
        }
    }
    ask::written(out.flush()).map(drop)
}

fn is_asked(args: &History, target: Option<&Target>, recorded: &Recorded) -> bool {
    let event = &recorded.event;
    let acts = |target: &Target| {
        // An operator's act names its target in words.
        event.keys.is_empty() && event.detail.as_deref().is_some_and(|detail| target.is_named_in(detail))
    };
    target.is_none_or(|target| event.keys.iter().any(|key| target.is(key)) || acts(target))
        && args.command.as_ref().is_none_or(|command| event.command.as_ref() == Some(command))
        && args.actor.as_ref().is_none_or(|actor| event.actor.as_ref() == Some(actor))
}

/// Entries of which the audit has no line any more, or not yet.
fn only_in_ledger(
    args: &History,
    places: &Places,
    target: Option<&Target>,
    seen: &HashSet<i64>,
) -> Result<Vec<Entry>, String> {
    let ledger = places.ledger();
    if !places.has_ledger()? && !places.audit().exists() {
        // The wrong folder is no quiet host.
        return places.ledger_to_read().map(|_| Vec::new());
    }
    if !ledger.exists() {
        return Ok(Vec::new());
    }
    let filter = Filter {
        command: args.command.clone(),
        target: target.map(Target::sieve).filter(|text| !text.is_empty()),
        since_ms: Some(args.since),
        until_ms: args.until,
        ..Filter::default()
    };
    let mut entries = Ledger::read(&ledger, &filter).map_err(|error| error.to_string())?;
    entries.retain(|entry| {
        // What was in force before the time asked for is told by `list`.
        let recent = entry.since_ms >= args.since || entry.closed_ms.is_some();
        recent
            && !seen.contains(&entry.id.0)
            && target.is_none_or(|target| target.is_of(entry))
            && args.actor.as_ref().is_none_or(|actor| *actor == entry.actor.to_string())
    });
    Ok(entries)
}

/// One step for programs.
pub(super) fn of_event(recorded: &Recorded) -> Value {
    let mut value = serde_json::to_value(&recorded.event).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("time".into(), json!(recorded.time));
        fields.insert("seq".into(), json!(recorded.seq));
        fields.insert("source".into(), json!("audit"));
    }
    value
}

fn of_entry(entry: &Entry) -> Value {
    let mut value = show::entry(entry);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("time".into(), json!(time(entry.since_ms)));
        fields.insert("kind".into(), json!(entry.state.as_str()));
        fields.insert("entry".into(), json!(entry.id.0));
        fields.insert("definition".into(), json!(digest(&entry.definition)));
        fields.insert("digest".into(), json!(entry.digest));
        fields.insert("source".into(), json!("ledger"));
    }
    value
}

/// One step for people.
pub(super) fn line(recorded: &Recorded) -> String {
    let event = &recorded.event;
    let mut out = format!("{}  {:<14}", recorded.time, event.kind);
    let mut add = |text: String| {
        out.push_str("  ");
        // Texts may come from a program or an alert: they cannot forge a line.
        out.push_str(&inline(&text));
    };
    if let Some(entry) = event.entry {
        add(format!("entry {entry}"));
    }
    if let Some(command) = &event.command {
        add(command.clone());
    }
    if !event.keys.is_empty() {
        add(event.keys.join(", "));
    }
    match (&event.actor, &event.rule_id, &event.alert_id) {
        (Some(actor), Some(rule), Some(alert)) if actor == "alert" => {
            let id = if alert.is_empty() { "without id" } else { alert };
            let rule = if rule.is_empty() { String::new() } else { format!(" (rule {rule})") };
            add(format!("by alert {id}{rule}"));
        }
        (Some(actor), ..) => add(format!("by {actor}")),
        _ => {}
    }
    if event.count > 1 {
        add(format!("{} times", event.count));
    }
    if let Some(reason) = &event.reason {
        add(format!("({reason})"));
    }
    if let Some(detail) = &event.detail {
        add(format!(": {detail}"));
    }
    out
}

fn line_of_entry(entry: &Entry) -> String {
    let keys = inline(&entry.keys.join(", "));
    let (since, state) = (time(entry.since_ms), entry.state.as_str());
    format!(
        "{since}  {state:<14}  entry {}  {}  {keys}  by {}  : by the ledger",
        entry.id, entry.command, entry.actor
    )
}
