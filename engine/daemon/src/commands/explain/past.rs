//! A response that was made: why, and what came of it.

use std::fmt::Write;
use std::path::PathBuf;

use riposte_ledger::Entry;
use riposte_ledger::entry::EffectRow;
use riposte_policy::alert::Alert;
use riposte_policy::config::Role;
use riposte_policy::matching;
use riposte_policy::order::EntryId;
use serde_json::{Value, json};

use super::words::{on_one_line, plain};
use crate::cli;
use crate::commands::in_use::InUse;
use crate::commands::{ask, locate};
use crate::exit::Exit;
use crate::places::Places;
use crate::report::time;
use crate::{files, show};

/// Explains the entry `id` out of the ledger's file; an engine may be running.
pub fn explain(args: &cli::Explain, id: i64) -> Exit {
    let (places, configs, role) = in_use(args);
    let read = riposte_ledger::Ledger::read_entry(&places.ledger(), EntryId(id));
    let (entry, effects) = match read {
        Ok(Some(found)) => found,
        Ok(None) => {
            let path = places.ledger();
            let error =
                format!("there is no entry {id} in {}; riposte list --all shows them", path.display());
            ask::complain(args.json, &error);
            return Exit::Failed;
        }
        Err(error) => {
            ask::complain(args.json, &error.to_string());
            return Exit::Failed;
        }
    };
    let why = why(&entry, &configs, role);
    if args.json {
        ask::say(&object(&entry, &effects, why.as_deref()));
    } else {
        ask::say_text(words(&entry, &effects, why.as_deref()).trim_end());
    }
    Exit::Done
}

/// The files that an engine under this home goes by, and for what.
fn in_use(args: &cli::Explain) -> (Places, Vec<PathBuf>, Role) {
    if args.offline {
        let (places, configs) = locate(&args.sources);
        return (places, configs, Role::Standalone);
    }
    let InUse { places, configs, role, .. } = InUse::find(&args.sources);
    (places, configs, role)
}

/// Which trigger fired it, by the configuration as it is now. None when that
/// cannot be read or has no such response any more.
fn why(entry: &Entry, configs: &[PathBuf], role: Role) -> Option<String> {
    let files = files::read(configs).ok()?;
    let config = files::config(&files, role);
    let response =
        config.responses.iter().find(|response| Some(&*response.name) == entry.response.as_deref())?;
    let alert = Alert::parse(entry.alert.as_deref()?.as_bytes()).ok()?;
    Some(matching::explain(response, &alert).to_string())
}

fn object(entry: &Entry, effects: &[EffectRow], why: Option<&str>) -> Value {
    let parsed = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    let mut object = show::entry(entry);
    if let Some(fields) = object.as_object_mut() {
        let effects = effects.iter().map(|effect| {
            json!({"interface": effect.interface, "target": effect.target, "released": effect.released})
        });
        fields.extend([
            ("why".to_owned(), json!(why)),
            ("cause".to_owned(), json!(entry.cause)),
            ("end_reason".to_owned(), json!(entry.end_reason)),
            ("timeout".to_owned(), json!(entry.timeout_ms.map(|ms| ms / 1000))),
            ("location".to_owned(), json!(entry.location)),
            ("digest".to_owned(), json!(entry.digest)),
            ("effects".to_owned(), effects.collect()),
            ("definition".to_owned(), parsed(&entry.definition)),
            ("alert_object".to_owned(), entry.alert.as_deref().map_or(Value::Null, parsed)),
        ]);
    }
    object
}

fn words(entry: &Entry, effects: &[EffectRow], why: Option<&str>) -> String {
    let mut out = String::new();
    let state = if entry.stuck { "stuck" } else { entry.state.as_str() };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "entry {}: {} on {}: {state}", entry.id, entry.command, keys(entry));
    let mut fact = |name: &str, value: String| {
        let _ = writeln!(out, "    {name:<10} {value}");
    };
    let alert = if entry.alert_id.is_empty() { "without id".to_owned() } else { plain(&entry.alert_id) };
    fact("alert", format!("{alert}, rule {}", plain(&entry.rule_id)));
    match (&entry.response, why) {
        (Some(response), Some(why)) => fact("response", format!("{response} {why}")),
        (Some(response), None) if entry.alert.is_none() => {
            fact("response", format!("{response} (the alert's text is no longer kept)"));
        }
        (Some(response), None) => {
            fact("response", format!("{response}, which the configuration does not have"));
        }
        (None, _) => fact("response", "none: it was asked for by hand".to_owned()),
    }
    let reason = entry.reason.as_deref().map(|reason| format!(": {}", plain(reason))).unwrap_or_default();
    fact("actor", format!("{}{reason}", entry.actor));
    fact("since", time(entry.since_ms));
    fact("due", entry.due_ms.map_or_else(|| "never: for good".to_owned(), time));
    fact("offence", format!("{}", entry.offence));
    fact("where", format!("{}, agent {}", entry.location, entry.agent));
    fact("mode", format!("{:?}", entry.mode).to_lowercase());
    if let Some(digest) = &entry.digest {
        fact("runs", format!("component, sha256 {}", digest.get(..12).unwrap_or(digest)));
    }
    for (at, effect) in effects.iter().enumerate() {
        let released = if effect.released { " (taken back)" } else { "" };
        let name = if at == 0 { "effect" } else { "" };
        fact(name, format!("{} {}{released}", effect.interface, effect.target));
    }
    if let Some(cause) = &entry.cause {
        let by = entry.ended_by.as_deref().map(|by| format!(", by {by}")).unwrap_or_default();
        let why = entry.end_reason.as_deref().map(|why| format!(": {}", plain(why))).unwrap_or_default();
        fact("undone", format!("{cause}{by}{why}"));
    }
    if let Some(closed) = entry.closed_ms {
        fact("closed", time(closed));
    }
    if let Some(error) = &entry.error {
        fact("error", on_one_line(error));
    }
    out
}

fn keys(entry: &Entry) -> String {
    entry.keys.iter().map(|key| plain(key)).collect::<Vec<_>>().join(", ")
}
