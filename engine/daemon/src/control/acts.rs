//! What each request does.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use riposte_ledger::LedgerError;
use riposte_ledger::entry::Filter;
use riposte_ledger::rule::{By, Scope};
use riposte_policy::alert::Alert;
use riposte_policy::config::Mode;
use riposte_policy::diagnostic::shown;
use riposte_policy::order::Actor;
use riposte_policy::{Prefix, Severity};
use serde_json::{Value, json};

use super::undos::undo_target;
use super::{Answer, Request, Result, orphans};
use crate::commands::explain::explanation;
use crate::engine::Engine;
use crate::exec::hand_over;
use crate::{respond, show};

/// How long an answer waits for what was asked to be done.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

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
    match (engine.ledger.entries(filter).await, engine.ledger.networks().await) {
        (Ok(mut entries), Ok(networks)) => {
            entries.retain(|entry| entry.stuck || !stuck);
            show::list(&entries, &networks, stuck)
        }
        (Err(error), _) | (_, Err(error)) => Answer::failed(error.to_string()),
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
    let Some(ready) = armed.ready(&command) else { return no_command(engine, &command) };
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

pub(super) async fn allow(
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
        return Answer::failed(match white_listed(engine, prefix) {
            Some(entry) => format!(
                "{prefix} was not allowed by riposte allow, but by the configuration: {entry}; take it out there, and run \
                 riposte reload"
            ),
            None => format!("{prefix} is not allowed; riposte allow list shows what is"),
        });
    }
    engine.report.act(uid, "disallow", &prefix.to_string(), reason);
    match engine.read_switches().await {
        Ok(()) => Answer::done(format!("{prefix} may be acted against again")),
        Err(error) => Answer::failed(error.to_string()),
    }
}

/// The entry of the configuration's white list that holds all of it, in words.
fn white_listed(engine: &Engine, prefix: Prefix) -> Option<String> {
    let armed = engine.armed();
    let entry = armed.config.white_list.iter().find(|entry| entry.contains(prefix));
    let address = || armed.config.spares(prefix.to_string().parse().ok()?);
    entry.map(|entry| format!("white_list has {entry}")).or_else(address)
}

async fn allows(engine: &Engine) -> Answer {
    match engine.ledger.allows().await {
        Ok(allows) => show::allows(&allows, &engine.armed().config),
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
    (!known).then(|| no_command(engine, command))
}

/// No command that can run has this name: what there is, and how a built-in
/// response of that name becomes one.
fn no_command(engine: &Engine, command: &str) -> Answer {
    let armed = engine.armed();
    let mut names: Vec<_> = armed.all().map(|ready| ready.command.name.to_string()).collect();
    names.sort();
    let builtin = riposte_plugins::builtins().iter().find(|builtin| builtin.name == command);
    let help = match builtin {
        Some(_) if armed.config.command(command).is_none() => format!(
            "the built-in response is used once the configuration has <command><name>{command}</name>\
             <executable>{command}</executable></command>, after riposte reload"
        ),
        _ if names.is_empty() => "the configuration has none".to_owned(),
        _ => format!("there are: {}", names.join(", ")),
    };
    Answer::failed(format!("no command is called {}; {help}", shown(command)))
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
