//! What an engine does for a program that was called as a command of Wazuh's.

use std::sync::Arc;
use std::time::Duration;

use riposte_ledger::entry::Filter;
use riposte_ledger::{Cause, Entry, LedgerError};
use riposte_plugins::Builtin;
use riposte_policy::Order;
use riposte_policy::alert::Alert;
use riposte_policy::config::{Command, Mode, Runtime, Way};
use riposte_policy::order::Actor;
use riposte_transport::route;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::called::builtin;
use crate::arm::{self, Ready, Runner, TENANT};
use crate::control::{Answer, Result as Asked};
use crate::engine::Engine;
use crate::outcome::Outcome;
use crate::undo::{self, Undone};
use crate::{respond, show};

/// How long an answer waits for what was asked to be done.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the reason of an entry begins whose rollback the caller owns.
const CALLED: &str = "called as active-response/bin/";

/// One step of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Name what would be acted on.
    Keys,
    /// Act, until told otherwise.
    Add,
    /// Undo.
    Delete,
}

/// Whether the program that was called writes Wazuh's log, and the engine must
/// not write the same again.
#[must_use]
pub fn caller_logs(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| reason.starts_with(CALLED))
}

/// Does one step.
pub async fn step(
    engine: &Arc<Engine>,
    uid: u32,
    name: &str,
    step: Step,
    alert: &str,
    arguments: Vec<String>,
) -> Answer {
    let Some(builtin) = builtin(name) else {
        return Answer::failed(format!("no built-in response is called {name}"));
    };
    let ready = match ready(engine, builtin) {
        Ok(ready) => ready,
        Err(error) => return Answer::failed(error),
    };
    let alert = match riposte_policy::alert::object(alert.as_bytes()) {
        Ok(alert) => alert,
        Err(error) => return Answer::failed(format!("the alert cannot be read: {error}")),
    };
    let order = order(uid, builtin, &ready, alert, arguments);
    let armed = engine.armed();
    let foreseen = respond::foresee(&engine.scales(&armed), &order, false).await;
    if foreseen.keys.is_empty() {
        let why =
            foreseen.against.iter().find(|against| speaks_of_keys(against)).or(foreseen.against.first());
        let why = why.map_or_else(|| "it acts on nothing in it".to_owned(), ToString::to_string);
        return Answer::failed(why).with(json!({"no_key": true}));
    }
    match step {
        Step::Keys => Answer::done("keys").with(json!({"keys": foreseen.keys})),
        Step::Add => add(engine, order, &foreseen.keys).await,
        Step::Delete => delete(engine, uid, &order, &foreseen.keys).await,
    }
}

fn speaks_of_keys(against: &Outcome) -> bool {
    matches!(against, Outcome::NoKey(_) | Outcome::Failed { .. })
}

/// What runs it: the configured command that runs this built-in, with its
/// grants, limits and switches, else the built-in as it is.
fn ready(engine: &Engine, builtin: &'static Builtin) -> Result<Arc<Ready>, String> {
    let armed = engine.armed();
    let own = engine.components.inspect(builtin.wasm).map_err(|error| error.to_string())?.digest;
    let runs_it =
        |ready: &Ready| matches!(&ready.runner, Runner::Component(plugin) if plugin.digest() == own);
    match armed.ready(builtin.name) {
        Some(ready) if runs_it(&ready) => return Ok(ready),
        Some(_) => {
            let name = builtin.name;
            return Err(format!(
                "the command {name} of this engine runs something else than the built-in {name}"
            ));
        }
        None => {}
    }
    let mut same: Vec<_> = armed.all().filter(|ready| runs_it(ready)).collect();
    same.sort_by(|a, b| a.command.name.cmp(&b.command.name));
    if let Some(ready) = same.first() {
        return Ok(Arc::clone(ready));
    }
    let definition = arm::definition(builtin).ok_or("the built-in has no definition")?;
    let wasm = Command { runtime: Some(Runtime::Wasm), ..(*definition).clone() };
    // It may have to be compiled, which must not hold up a worker.
    let found = tokio::task::block_in_place(|| engine.arm(&[Arc::new(wasm)]));
    match engine.armed().ready(builtin.name) {
        Some(ready) if runs_it(&ready) => Ok(ready),
        Some(_) => {
            Err(format!("an installed component is called {} and stands before the built-in", builtin.name))
        }
        None => {
            let why: Vec<_> = found.into_iter().map(|found| found.message).collect();
            Err(format!("the built-in {} cannot be run: {}", builtin.name, why.join("; ")))
        }
    }
}

/// The order: no timeout, since the caller undoes it.
fn order(uid: u32, builtin: &Builtin, ready: &Ready, object: &str, arguments: Vec<String>) -> Order {
    let alert = Alert::parse(object.as_bytes()).ok();
    let (id, rule) = alert.as_ref().map_or(("", ""), |alert| (alert.id(), alert.rule_id()));
    let extra_args = if arguments.is_empty() { ready.command.extra_args.clone() } else { arguments };
    Order {
        tenant: TENANT.into(),
        command: Arc::new(Command { extra_args, ..(*ready.command).clone() }),
        response: None,
        location: "local",
        agent: route::SERVER.into(),
        alert: object.into(),
        alert_id: id.into(),
        rule_id: rule.into(),
        timeout: None,
        offenders: Arc::new([]),
        mode: Mode::Enforce,
        actor: Actor::User(uid),
        reason: Some(format!("{CALLED}{}", builtin.name).into()),
        source: None,
        message: None,
        key: Way::Riposte,
        offences: Way::Riposte,
    }
}

async fn add(engine: &Arc<Engine>, order: Order, keys: &[String]) -> Answer {
    match made(engine, &order, keys).await {
        Ok(made) if made.is_empty() => {}
        Ok(_) => return Answer::done("in force already").with(json!({"outcome": "already"})),
        Err(error) => return Answer::failed(error.to_string()),
    }
    engine.tally.given(&order.command.name, 1);
    let responding = {
        let engine = Arc::clone(engine);
        tokio::spawn(async move { respond::respond(&engine, order, Box::new(())).await })
    };
    match tokio::time::timeout(PATIENCE, responding).await {
        Err(_) => Answer { result: Asked::NotYet, ..Answer::failed("it is still running") },
        Ok(Err(error)) => Answer::failed(format!("the response ended unexpectedly: {error}")),
        Ok(Ok(outcome)) => show::outcome(&outcome),
    }
}

/// Undoes what was made this way on the same keys. Nothing there is no error.
async fn delete(engine: &Arc<Engine>, uid: u32, order: &Order, keys: &[String]) -> Answer {
    let made = match made(engine, order, keys).await {
        Ok(made) => made,
        Err(error) => return Answer::failed(error.to_string()),
    };
    for entry in &made {
        let cause = Cause::Asked { actor: Actor::User(uid), reason: order.reason.clone() };
        match tokio::time::timeout(PATIENCE, undo::undo(engine, entry.id, cause)).await {
            Ok(Undone::Closed | Undone::Nothing) => {}
            Ok(Undone::Failed { error, .. }) => {
                return Answer::failed(format!(
                    "entry {} is not undone yet and tried again: {error}",
                    entry.id
                ));
            }
            Ok(Undone::Unknown { error }) => {
                return Answer::failed(format!("entry {} is not undone: {error}", entry.id));
            }
            Err(_) => return Answer::failed(format!("entry {} is still being undone", entry.id)),
        }
    }
    Answer::done(format!("{} undone", made.len()))
}

/// The open entries that a program like this one made on these keys.
async fn made(engine: &Engine, order: &Order, keys: &[String]) -> Result<Vec<Entry>, LedgerError> {
    let filter = Filter {
        open_only: true,
        command: Some(order.command.name.to_string()),
        target: keys.first().cloned(),
        ..Filter::default()
    };
    let open = engine.ledger.entries(filter).await?.into_iter();
    let ours = |entry: &Entry| entry.timeout_ms.is_none() && caller_logs(entry.reason.as_deref());
    Ok(open.filter(|entry| ours(entry) && entry.keys == keys && entry.mode == Mode::Enforce).collect())
}
