//! `riposte undo --all`: asks the running engine, or undoes without one.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use riposte_ledger::clock::SystemClock;
use riposte_ledger::entry::Filter;
use riposte_ledger::{Cause, Entry};
use riposte_policy::config::{Auditing, Role};
use riposte_policy::order::{Actor, EntryId};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::cli;
use crate::commands::{ask, locate};
use crate::control::{Request, Result as Went, client};
use crate::engine::Engine;
use crate::exit::Exit;
use crate::files;
use crate::places::Places;
use crate::service::{self, Service};
use crate::show::counted;
use crate::undo::{self, Undone};

/// How often an undo that fails is tried without an engine: from the third time
/// on the engine itself reverses what is recorded.
const TRIES: u32 = 3;
/// Undos at a time.
const AT_A_TIME: usize = 64;
/// How often the engine is asked what is left, and how often in a row nothing
/// may have come of it.
const LOOK: Duration = Duration::from_millis(500);
const PATIENCE: u32 = 60;
/// How often progress is said.
const SAY: Duration = Duration::from_secs(1);

/// Undoes everything that is in force.
pub fn undo_all(args: &cli::Undo) -> Exit {
    if args.offline {
        let sources =
            cli::Sources { at: args.by_hand.at.clone(), root: args.root.clone(), ..cli::Sources::default() };
        let (places, configs) = locate(&sources);
        return match offline(places, &configs, args.by_hand.reason.as_deref()) {
            Ok(summary) => said(&summary, args.by_hand.json),
            Err(error) => {
                ask::complain(args.by_hand.json, &error);
                Exit::Failed
            }
        };
    }
    let places = Places::new(args.by_hand.at.home.as_deref(), None, &[]);
    let request = Request::Undo { target: None, allow: None, reason: args.by_hand.reason.clone() };
    match client::ask(&places.socket(), &request) {
        Ok(answer)
            if answer.result == Went::NotYet
                && answer.data.as_array().is_some_and(|meant| is_going_on(meant)) =>
        {
            ask::tell(&answer.message);
            watch(&places, answer.data.as_array().map(Vec::as_slice).unwrap_or_default(), args.by_hand.json)
        }
        Ok(answer) => ask::print(&answer, args.by_hand.json),
        Err(client::Unanswered::NoEngine(socket)) => {
            let error = format!(
                "no engine is listening on {}; start one with `riposte run`, or undo without one: riposte undo --all --offline",
                socket.display()
            );
            ask::complain(args.by_hand.json, &error);
            Exit::NoEngine
        }
        Err(error) => {
            ask::complain(args.by_hand.json, &error.to_string());
            Exit::Failed
        }
    }
}

fn is_going_on(meant: &[Value]) -> bool {
    meant.iter().any(|one| one["state"] == "undoing")
}

/// Looks until nothing is left of what was meant, nothing moves any more, or
/// all that is left fails.
fn watch(places: &Places, meant: &[Value], json: bool) -> Exit {
    let ids: HashSet<i64> = meant.iter().filter_map(|one| one["id"].as_i64()).collect();
    let (mut left, mut idle, mut spoke) = (ids.len(), 0, tokio::time::Instant::now());
    loop {
        std::thread::sleep(LOOK);
        let answer = match client::ask(&places.socket(), &Request::List { all: false, stuck: false }) {
            Ok(answer) => answer,
            Err(error) => {
                ask::complain(json, &format!("{left} were left when the engine stopped to answer: {error}"));
                return Exit::Failed;
            }
        };
        let open = answer.data.as_array().map(Vec::as_slice).unwrap_or_default();
        let open: Vec<&Value> =
            open.iter().filter(|entry| entry["id"].as_i64().is_some_and(|id| ids.contains(&id))).collect();
        idle = if open.len() < left { 0 } else { idle + 1 };
        left = open.len();
        if spoke.elapsed() >= SAY {
            spoke = tokio::time::Instant::now();
            ask::tell(&format!("{} undone, {left} left", ids.len() - left));
        }
        let failing = open
            .iter()
            .filter(|entry| entry["undo_attempts"].as_u64().is_some_and(|tries| tries > 0))
            .count();
        if left > failing && idle < PATIENCE {
            continue;
        }
        let undone = ids.len() - left;
        let why = open.iter().find_map(|entry| entry["error"].as_str()).unwrap_or("they take long");
        let message = match left {
            0 => format!("{undone} undone"),
            _ => format!("{undone} undone, {left} not yet and tried again: {why}"),
        };
        match json {
            true => ask::say(&json!({"undone": undone, "left": open})),
            false => ask::say_text(&message),
        }
        return if left == 0 { Exit::Done } else { Exit::Failed };
    }
}

/// What came of an undo without an engine.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many entries are closed.
    pub undone: usize,
    /// What stays open, and why.
    pub failed: Vec<(Entry, String)>,
}

/// Opens the ledger as an engine would and undoes every open entry, those for
/// good too, each by what made it, else by the engine. Of the configuration only
/// what is to be told of alerts is taken, and none is needed.
///
/// # Errors
///
/// When an engine runs, or the ledger cannot be opened. What could not be undone
/// is no error but in the summary.
pub fn offline(places: Places, configs: &[PathBuf], reason: Option<&str>) -> Result<Summary, String> {
    service::trace("warn");
    if !places.has_ledger()? {
        return Err(format!(
            "there is no ledger {}; name its folder with --home DIR",
            places.ledger().display()
        ));
    }
    let threads = service::threads()?;
    let service = Service::open_to_undo(places, Arc::new(SystemClock::new()), auditing(configs))?;
    let cause = Cause::Asked {
        actor: Actor::User(rustix::process::getuid().as_raw()),
        reason: Some(reason.unwrap_or("riposte undo --all --offline").into()),
    };
    let summary = threads.block_on(async {
        let summary = all(&service.engine, &cause).await?;
        service.engine.report.flush();
        service.engine.ledger.flush().await.map_err(|error| error.to_string())?;
        Ok(summary)
    });
    threads.shutdown_timeout(Duration::from_secs(2));
    summary
}

/// How the audit is kept: in the words of the configuration, where it can be
/// read. Nothing is removed from it, which another configuration may keep; and
/// nothing that could fail is begun.
fn auditing(configs: &[PathBuf]) -> Auditing {
    let said = files::read(configs).map(|files| files::config(&files, Role::Standalone).settings.audit);
    Auditing { retention: Duration::MAX, sign: None, syslog: Vec::new(), ..said.unwrap_or_default() }
}

async fn all(engine: &Arc<Engine>, cause: &Cause) -> Result<Summary, String> {
    let open = Filter { open_only: true, ..Filter::default() };
    let entries = engine.ledger.entries(open).await.map_err(|error| error.to_string())?;
    let uid = rustix::process::getuid().as_raw();
    engine.report.act(
        uid,
        "undo",
        &format!("everything, without an engine: {}", counted(entries.len(), "entry")),
        None,
    );
    let (total, mut spoke) = (entries.len(), tokio::time::Instant::now());
    let mut summary = Summary::default();
    let mut waiting = entries.into_iter();
    let mut undos = JoinSet::new();
    loop {
        while undos.len() < AT_A_TIME
            && let Some(entry) = waiting.next()
        {
            let (engine, cause) = (Arc::clone(engine), cause.clone());
            undos.spawn(async move {
                let went = one(&engine, entry.id, &cause).await;
                (entry, went)
            });
        }
        let Some(ended) = undos.join_next().await else { break };
        match ended {
            Ok((_, Undone::Closed | Undone::Nothing)) => summary.undone += 1,
            Ok((entry, Undone::Failed { error, .. } | Undone::Unknown { error })) => {
                summary.failed.push((entry, error));
            }
            Err(error) => return Err(format!("an undo ended unexpectedly: {error}; run it again")),
        }
        if spoke.elapsed() >= SAY {
            spoke = tokio::time::Instant::now();
            ask::tell(&format!("{} of {total} undone", summary.undone));
        }
    }
    summary.failed.sort_by_key(|(entry, _)| entry.id);
    Ok(summary)
}

/// At once again when it fails: nobody comes back to it later.
async fn one(engine: &Arc<Engine>, id: EntryId, cause: &Cause) -> Undone {
    let mut went = Undone::Nothing;
    for _ in 0..TRIES {
        went = undo::undo(engine, id, cause.clone()).await;
        if !matches!(went, Undone::Failed { .. } | Undone::Unknown { .. }) {
            break;
        }
    }
    went
}

fn said(summary: &Summary, json: bool) -> Exit {
    if json {
        let failed: Vec<Value> = summary.failed.iter().map(|(entry, error)| left(entry, error)).collect();
        ask::say(&json!({"undone": summary.undone, "left": failed}));
    } else {
        ask::say_text(&format!("{} undone", summary.undone));
    }
    for (entry, error) in &summary.failed {
        let (command, keys) = (&entry.command, entry.keys.join(", "));
        ask::tell(&format!("entry {} ({command} {keys}) stays: {error}", entry.id));
    }
    if summary.failed.is_empty() { Exit::Done } else { Exit::Failed }
}

fn left(entry: &Entry, error: &str) -> Value {
    json!({"id": entry.id.0, "command": entry.command, "keys": entry.keys, "error": error})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test writes a configuration")]
    fn an_undo_without_an_engine_removes_nothing_of_the_audit() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("riposte.conf");
        let settings =
            "<riposte><audit><retention>1d</retention><redact>/full_log</redact></audit></riposte>";
        std::fs::write(&config, settings).unwrap();
        let said = auditing(&[config]);
        assert_eq!((said.retention, said.redact.len()), (Duration::MAX, 1));
        assert_eq!(auditing(&[dir.path().join("none")]).retention, Duration::MAX);
    }
}
