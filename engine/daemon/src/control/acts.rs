//! What each request does.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use riposte_capability::firewall;

use riposte_ledger::entry::Filter;
use riposte_ledger::ledger::Offences;
use riposte_ledger::rule::{By, Scope};
use riposte_ledger::{Cause, Entry, LedgerError};
use riposte_policy::alert::Alert;
use riposte_policy::config::Mode;
use riposte_policy::diagnostic::shown;
use riposte_policy::order::{Actor, EntryId};
use riposte_policy::{Prefix, Severity, UserName};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Answer, Request, Result, orphans};
use crate::commands::explain::explanation;
use crate::engine::Engine;
use crate::exec::hand_over;
use crate::manager::away;
use crate::undo::Undone;
use crate::{respond, show, undo};

/// How long an answer waits for what was asked to be done.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does what is asked.
pub async fn act(engine: &Arc<Engine>, uid: u32, request: Request) -> Answer {
    match request {
        Request::List { all, stuck } => list(engine, all, stuck).await,
        Request::Undo { target, allow, reason } => undo_target(engine, uid, target, allow, reason).await,
        Request::Orphans => orphans::list(engine),
        Request::UndoOrphan { orphan, reason } => {
            orphans::undo(engine, uid, &orphan, reason.as_deref()).await
        }
        Request::Add { command, alert, lasting, reason } => {
            add(engine, uid, command, alert, lasting, reason).await
        }
        Request::Allow { target, lasting, reason } => {
            allow(engine, uid, &target, lasting, reason.as_deref()).await
        }
        Request::Disallow { target, reason } => disallow(engine, uid, &target, reason.as_deref()).await,
        Request::Allows => allows(engine).await,
        Request::Pause { command, lasting, reason } => {
            pause(engine, uid, command, lasting, reason.as_deref()).await
        }
        Request::Resume { command, reason } => resume(engine, uid, command, reason.as_deref()).await,
        Request::Mode { command, mode, reason } => {
            change_mode(engine, uid, &command, mode, reason.as_deref()).await
        }
        Request::Reload => reload(engine, uid).await,
        Request::Status => show::status(engine).await,
        Request::VerifyLedger => super::ledger::verify(engine).await,
        Request::Program { name, step, alert, arguments } => {
            hand_over::step(engine, uid, &name, step, &alert, arguments).await
        }
        Request::Explain { alert } => explain(engine, alert.as_deref()).await,
    }
}

async fn explain(engine: &Engine, alert: Option<&str>) -> Answer {
    let mut explained = Vec::new();
    if let Some(alert) = alert {
        match Alert::parse(alert.as_bytes()) {
            Ok(alert) => explained = explanation::live(engine, &alert).await,
            Err(error) => return Answer::failed(format!("the alert cannot be read: {error}")),
        }
    }
    // Whoever asks may stand in another folder.
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let configs: Vec<_> = engine.configs().iter().map(absolute).collect();
    let role = engine.armed().role().name();
    let data = json!({"configs": configs, "root": engine.places.root, "role": role, "explained": explained});
    Answer::done("explained").with(data)
}

async fn list(engine: &Engine, all: bool, stuck: bool) -> Answer {
    let filter = Filter { open_only: !all, ..Filter::default() };
    match engine.ledger.entries(filter).await {
        Ok(mut entries) => {
            entries.retain(|entry| entry.stuck || !stuck);
            Answer::done(show::table(&entries)).with(entries.iter().map(show::entry).collect())
        }
        Err(error) => Answer::failed(error.to_string()),
    }
}

async fn undo_target(
    engine: &Arc<Engine>,
    uid: u32,
    target: Option<String>,
    allow_for: Option<u64>,
    reason: Option<String>,
) -> Answer {
    // The allow first: else the next alert blocks again while this one ends.
    if let (Some(target), Some(seconds)) = (&target, allow_for) {
        let allowed = allow(engine, uid, target, Some(seconds), reason.as_deref()).await;
        if allowed.result != Result::Done {
            return allowed;
        }
    }
    let entries = match engine.ledger.entries(Filter { open_only: true, ..Filter::default() }).await {
        Ok(entries) => entries,
        Err(error) => return Answer::failed(error.to_string()),
    };
    let meant: Vec<Entry> = match &target {
        None => entries,
        Some(target) => {
            let Some(meant) = Meant::parse(target) else {
                return Answer::failed(format!("{} is no address, user or entry id", shown(target)));
            };
            let held = match meant.held(engine).await {
                Ok(held) => held,
                Err(error) => return Answer::failed(error.to_string()),
            };
            entries.into_iter().filter(|entry| meant.matches(entry) || held.contains(&entry.id)).collect()
        }
    };
    let shown_target = target.as_deref().map_or_else(|| "everything".to_owned(), shown);
    engine.report.act(uid, "undo", &format!("{shown_target}: {} entries", meant.len()), reason.as_deref());
    let away = handed_over(engine, target.as_deref()).await;
    if meant.is_empty() && away.is_empty() {
        return match (&target, allow_for) {
            (None, _) | (_, Some(_)) => Answer::done("nothing is in force").with(json!([])),
            _ => Answer::failed(format!("nothing is in force on {shown_target}; riposte list shows what is")),
        };
    }
    let cause = Cause::Asked { actor: Actor::User(uid), reason: reason.map(Into::into) };
    let mut undos = JoinSet::new();
    for entry in &meant {
        let (engine, id, cause) = (Arc::clone(engine), entry.id, cause.clone());
        undos.spawn(async move { (id, undo::undo(&engine, id, cause).await) });
    }
    let mut ended = Vec::new();
    let all = async {
        while let Some(one) = undos.join_next().await {
            ended.extend(one.ok());
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, all).await.is_ok();
    undos.detach_all();
    for entry in &meant {
        if let Err(error) = engine.ledger.forget_offences(Offences::Keys(entry.keys.clone())).await {
            tracing::warn!(%error, "the offences of what was undone stay counted");
        }
    }
    let here = match meant.is_empty() {
        true => Answer::done("nothing is in force here").with(json!([])),
        false => undone(&meant, &ended, in_time),
    };
    and_elsewhere(here, &away, target.is_none())
}

/// What was handed over to other machines, and stands there, on a target.
async fn handed_over(engine: &Engine, target: Option<&str>) -> Vec<Entry> {
    let found = match target.and_then(Meant::parse) {
        Some(Meant::Id(id)) => engine.ledger.entry(id).await.map(|entry| entry.into_iter().collect()),
        Some(meant) => {
            let target = match &meant {
                Meant::Address(prefix) => prefix.to_string(),
                Meant::User(user) => user.clone(),
                Meant::Id(id) => id.to_string(),
            };
            let filter = Filter { target: Some(target), ..Filter::default() };
            let entries = engine.ledger.entries(filter).await;
            entries.map(|entries| entries.into_iter().filter(|entry| meant.matches(entry)).collect())
        }
        None => all_handed_over(engine).await,
    };
    let mut entries: Vec<Entry> = found.unwrap_or_else(|error| {
        tracing::warn!(%error, "what was handed over cannot be looked up");
        Vec::new()
    });
    entries.retain(|entry| away::stands(entry, engine.now().wall_ms));
    entries
}

/// Everything that was handed over, stands, and can be undone, page by page.
async fn all_handed_over(engine: &Engine) -> std::result::Result<Vec<Entry>, LedgerError> {
    const PAGE: u32 = 1000;
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let filter = Filter { after, limit: Some(PAGE), ..Filter::default() };
        let page = engine.ledger.entries(filter).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.id);
        let now = engine.now().wall_ms;
        found.extend(page.into_iter().filter(|entry| away::stands(entry, now) && away::undoes(entry)));
    }
}

/// The same answer, with what is to be done elsewhere: in one sentence when
/// everything is to be undone.
fn and_elsewhere(answer: Answer, away: &[Entry], everything: bool) -> Answer {
    if away.is_empty() {
        return answer;
    }
    let advice: Vec<_> = away.iter().map(away::advice).collect();
    let mut data = answer.data.as_array().cloned().unwrap_or_default();
    data.extend(away.iter().zip(&advice).map(|(entry, advice)| {
        json!({"id": entry.id.0, "command": entry.command, "keys": entry.keys, "state": entry.state.as_str(),
               "agent": entry.agent, "error": advice})
    }));
    let nothing_here = data.len() == away.len();
    let elsewhere = if everything { away::summary(away) } else { advice.join("\n") };
    let message = if nothing_here { elsewhere } else { format!("{}\n{elsewhere}", answer.message) };
    let result = if answer.result == Result::Failed { Result::Failed } else { Result::NotYet };
    Answer { result, message, data: Value::Array(data) }
}

fn undone(meant: &[Entry], ended: &[(EntryId, Undone)], in_time: bool) -> Answer {
    let data: Vec<Value> = meant
        .iter()
        .map(|entry| {
            let how = ended.iter().find(|(id, _)| *id == entry.id).map(|(_, how)| how);
            let (word, error) = match how {
                Some(Undone::Closed | Undone::Nothing) => ("closed", None),
                Some(Undone::Failed { error, .. }) => ("failing", Some(error)),
                None => ("undoing", None),
            };
            json!({"id": entry.id.0, "command": entry.command, "keys": entry.keys, "state": word, "error": error})
        })
        .collect();
    let failing = ended.iter().filter(|(_, how)| matches!(how, Undone::Failed { .. })).count();
    let closed = ended.len() - failing;
    let open = meant.len() - closed;
    let (result, message) = if failing > 0 {
        let first = ended.iter().find_map(|(_, how)| match how {
            Undone::Failed { error, .. } => Some(error.as_str()),
            Undone::Closed | Undone::Nothing => None,
        });
        let why = first.unwrap_or_default();
        (Result::Failed, format!("{closed} undone, {failing} not yet and tried again: {why}"))
    } else if in_time && open == 0 {
        (Result::Done, format!("{closed} undone"))
    } else {
        (Result::NotYet, format!("{closed} undone, {open} still being undone"))
    };
    Answer { result, message, data: Value::Array(data) }
}

/// What an operator means by a target.
enum Meant {
    Id(EntryId),
    Address(Prefix),
    User(String),
}

impl Meant {
    fn parse(target: &str) -> Option<Self> {
        if let Ok(id) = target.parse::<i64>() {
            return Some(Self::Id(EntryId(id)));
        }
        if let Ok(prefix) = target.parse::<Prefix>() {
            return Some(Self::Address(prefix));
        }
        target.parse::<UserName>().ok().map(|user| Self::User(user.as_str().to_owned()))
    }

    /// The entries with an effect on a prefix that holds the address: what
    /// widened a block has another key than what it blocked.
    async fn held(&self, engine: &Engine) -> std::result::Result<HashSet<EntryId>, LedgerError> {
        let Self::Address(address) = self else { return Ok(HashSet::new()) };
        let mut entries = HashSet::new();
        for held in engine.ledger.held(firewall::INTERFACE).await? {
            let prefix = held.target.rsplit(' ').next().and_then(|prefix| prefix.parse::<Prefix>().ok());
            if prefix.is_some_and(|prefix| prefix.contains(*address)) {
                let filter = Filter { open_only: true, target: Some(held.target), ..Filter::default() };
                entries.extend(engine.ledger.entries(filter).await?.iter().map(|entry| entry.id));
            }
        }
        Ok(entries)
    }

    /// Whether an entry's keys name it: for an address, the address itself or
    /// a prefix that holds it.
    fn matches(&self, entry: &Entry) -> bool {
        match self {
            Self::Id(id) => entry.id == *id,
            Self::User(user) => entry.keys.iter().any(|key| key == user),
            Self::Address(address) => {
                let prefixes = entry.keys.iter().filter_map(|key| key.parse::<Prefix>().ok());
                prefixes.into_iter().any(|prefix| prefix.contains(*address))
            }
        }
    }
}

async fn add(
    engine: &Arc<Engine>,
    uid: u32,
    command: String,
    alert: String,
    lasting: Option<u64>,
    reason: Option<String>,
) -> Answer {
    let armed = engine.armed();
    let Some(ready) = armed.ready(&command) else {
        let mut names: Vec<_> = armed.all().map(|ready| ready.command.name.to_string()).collect();
        names.sort();
        return Answer::failed(format!(
            "no command is called {}; there are: {}",
            shown(&command),
            names.join(", ")
        ));
    };
    let alert = match Alert::parse(alert.as_bytes()) {
        Ok(alert) => alert,
        Err(error) => return Answer::failed(format!("the alert cannot be read: {error}")),
    };
    if lasting.is_some() && !ready.stateful {
        let fix = "add <timeout_allowed>yes</timeout_allowed> to it, or leave --for out";
        return Answer::failed(format!("the command {command} does not allow a timeout; {fix}"));
    }
    let mut order = armed.order_by_hand(&ready, &alert, uid);
    order.timeout = lasting.map(Duration::from_secs);
    order.reason = reason.as_deref().map(Into::into);
    engine.report.act(uid, "add", &command, reason.as_deref());
    engine.tally.given(&order.command.name, 1);
    let responding = {
        let engine = Arc::clone(engine);
        tokio::spawn(async move { respond::respond(&engine, order, Box::new(())).await })
    };
    match tokio::time::timeout(PATIENCE, responding).await {
        Err(_) => Answer {
            result: Result::NotYet,
            message: format!("{command} is still running"),
            data: Value::Null,
        },
        Ok(Err(error)) => Answer::failed(format!("the response ended unexpectedly: {error}")),
        Ok(Ok(outcome)) => {
            let answer = show::outcome(&outcome);
            Answer { message: format!("{command}: {}", answer.message), ..answer }
        }
    }
}

async fn allow(
    engine: &Engine,
    uid: u32,
    target: &str,
    lasting: Option<u64>,
    reason: Option<&str>,
) -> Answer {
    let prefix = match target.parse::<Prefix>() {
        Ok(prefix) => prefix,
        Err(error) => return Answer::failed(error.to_string()),
    };
    let allowed = engine.ledger.allow(&prefix.to_string(), span(lasting), by(uid, reason)).await;
    match switched(engine, allowed).await {
        Ok(allow) => {
            engine.report.act(uid, "allow", &prefix.to_string(), reason);
            let until = show::until(allow.note.until_ms);
            Answer::done(format!(
                "{prefix} is not acted against {until}; what is in force stays until undone"
            ))
        }
        Err(error) => Answer::failed(error),
    }
}

async fn disallow(engine: &Engine, uid: u32, target: &str, reason: Option<&str>) -> Answer {
    let prefix = match target.parse::<Prefix>() {
        Ok(prefix) => prefix,
        Err(error) => return Answer::failed(error.to_string()),
    };
    let removed = match engine.ledger.disallow(&prefix.to_string()).await {
        Ok(removed) => removed,
        Err(error) => return Answer::failed(error.to_string()),
    };
    if removed.is_none() {
        return Answer::failed(format!("{prefix} is not allowed; riposte allow list shows what is"));
    }
    engine.report.act(uid, "disallow", &prefix.to_string(), reason);
    match engine.read_switches().await {
        Ok(()) => Answer::done(format!("{prefix} may be acted against again")),
        Err(error) => Answer::failed(error.to_string()),
    }
}

async fn allows(engine: &Engine) -> Answer {
    match engine.ledger.allows().await {
        Ok(allows) => show::allows(&allows),
        Err(error) => Answer::failed(error.to_string()),
    }
}

async fn pause(
    engine: &Engine,
    uid: u32,
    command: Option<String>,
    lasting: Option<u64>,
    reason: Option<&str>,
) -> Answer {
    if let Some(unknown) = unknown(engine, command.as_deref()) {
        return unknown;
    }
    let what = command.clone().unwrap_or_else(|| "every command".to_owned());
    let paused = engine.ledger.pause(scope(command), span(lasting), by(uid, reason)).await;
    match switched(engine, paused).await {
        Ok(pause) => {
            engine.report.act(uid, "pause", &what, reason);
            let until = show::until(pause.note.until_ms);
            Answer::done(format!("{what} is paused {until}; what is in force is still undone on time"))
        }
        Err(error) => Answer::failed(error),
    }
}

async fn resume(engine: &Engine, uid: u32, command: Option<String>, reason: Option<&str>) -> Answer {
    let what = command.clone().unwrap_or_else(|| "every command".to_owned());
    match engine.ledger.resume(scope(command)).await {
        Ok(Some(_)) => {}
        Ok(None) => return Answer::failed(format!("{what} is not paused; riposte status shows what is")),
        Err(error) => return Answer::failed(error.to_string()),
    }
    engine.report.act(uid, "resume", &what, reason);
    match engine.read_switches().await {
        Ok(()) => Answer::done(format!("{what} responds again")),
        Err(error) => Answer::failed(error.to_string()),
    }
}

async fn change_mode(
    engine: &Engine,
    uid: u32,
    command: &str,
    mode: Option<String>,
    reason: Option<&str>,
) -> Answer {
    if let Some(unknown) = unknown(engine, Some(command)) {
        return unknown;
    }
    let (mode, word) = match mode.as_deref() {
        None => (None, "as the file says"),
        Some("enforce") => (Some(Mode::Enforce), "enforce"),
        Some("shadow") => (Some(Mode::Shadow), "shadow"),
        Some(other) => return Answer::failed(format!("{} is neither enforce nor shadow", shown(other))),
    };
    let changed = engine.ledger.set_mode(scope(Some(command.to_owned())), mode, None, by(uid, reason)).await;
    match switched(engine, changed).await {
        Ok(_) => {
            engine.report.act(uid, "mode", &format!("{command}: {word}"), reason);
            Answer::done(format!("{command}: {word}"))
        }
        Err(error) => Answer::failed(error),
    }
}

async fn reload(engine: &Arc<Engine>, uid: u32) -> Answer {
    let reloading = Arc::clone(engine);
    // Reading files and compiling components block: not on a worker that
    // responses need.
    let reloaded = tokio::task::spawn_blocking(move || reloading.reload()).await;
    match reloaded {
        Ok(Ok(found)) => {
            engine.report.act(uid, "reload", "the new configuration is in use", None);
            let off: Vec<_> = found.iter().filter(|found| found.severity == Severity::Error).collect();
            let mut message = "the new configuration is in use".to_owned();
            for found in off {
                message.push_str(&format!("\n{}: {}", found.place, found.message));
            }
            Answer::done(message).with(json!(found))
        }
        Ok(Err((error, found))) => Answer::failed(error).with(json!(found)),
        Err(error) => Answer::failed(format!("the reload ended unexpectedly: {error}")),
    }
}

fn unknown(engine: &Engine, command: Option<&str>) -> Option<Answer> {
    let armed = engine.armed();
    let command = command?;
    let known = armed.config.commands.iter().any(|known| *known.name == *command);
    (!known).then(|| Answer::failed(format!("no command is called {}", shown(command))))
}

fn scope(command: Option<String>) -> Scope {
    Scope { tenant: None, subject: command }
}

fn by(uid: u32, reason: Option<&str>) -> By {
    By { actor: Actor::User(uid), reason: reason.map(Into::into) }
}

fn span(seconds: Option<u64>) -> Option<Duration> {
    seconds.map(Duration::from_secs)
}

/// What the ledger stored, once every order sees it.
async fn switched<T>(
    engine: &Engine,
    stored: std::result::Result<T, LedgerError>,
) -> std::result::Result<T, String> {
    let stored = stored.map_err(|error| error.to_string())?;
    engine.read_switches().await.map_err(|error| error.to_string())?;
    Ok(stored)
}
