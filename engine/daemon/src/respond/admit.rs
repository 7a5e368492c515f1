//! Whether an order is to be done, and its entry if it is.

use std::sync::Arc;
use std::time::Duration;

use riposte_capability::Verdict as Guarded;
use riposte_ledger::{Admitted, NewEntry, Wait};
use riposte_policy::config::{Mode, Way};
use riposte_policy::keys::{self, Derived};
use riposte_policy::{Address, Order, UserName, alert};
use riposte_runtime::native::Message;
use riposte_runtime::{Failure, Invocation, Kind};

use super::{Instead, Intended};
use crate::arm::breaker::Verdict;
use crate::arm::{Ready, Runner};
use crate::engine::Engine;
use crate::outcome::{Outcome, Refused};

/// How long an order waits for the same target's undo to end.
pub(super) const UNDO_PATIENCE: Duration = Duration::from_secs(10);

/// Keys, pause, breaker, white list and allows, guard, budgets; then the entry.
pub(super) async fn admit(engine: &Arc<Engine>, order: &Order) -> Result<Intended, Instead> {
    let ready = engine.armed().ready(&order.command.name).ok_or(Outcome::Refused(Refused::Off))?;
    let mode = engine.mode(&ready, order.mode);
    if let Runner::Unsupported(why) = &ready.runner {
        return Err(Outcome::Unsupported(why.clone()));
    }
    if let Some(until) = engine.switches.paused(&ready.command.name, engine.now().wall_ms) {
        return Err(Outcome::Refused(Refused::Paused(until)));
    }
    if let Verdict::Open(left) = ready.breaker.verdict(engine.now().boot_ms) {
        return Err(Outcome::Refused(Refused::Breaker(left)));
    }
    let mut invocation = invocation(order, &ready, mode);
    let keys = keys(engine, &ready, order, &invocation).await?;
    spared(engine, &keys)?;
    if let Runner::Native(program) = &ready.runner {
        typed(order, &keys)?;
        guarded(engine, &keys)?;
        // Its arguments may be others than its keys.
        let targets = Message::new(order, program.name()).targets();
        spared(engine, &targets)?;
        guarded(engine, &targets)?;
    }
    invocation.named(&ready.command, &keys);
    let entry = new_entry(order, &ready, mode, keys.clone());
    let admitted = loop {
        // A native program may act as soon as it starts: only a durable entry lets it.
        let wait = if matches!(ready.runner, Runner::Native(_)) { Wait::Durable } else { Wait::Applied };
        // Made before asking, so that an undo that ends meanwhile is not missed.
        let over = engine.undone.notified();
        match engine.ledger.admit(entry.clone(), wait).await.map_err(Outcome::Undecided)? {
            Admitted::Undoing { id } => {
                // Few may wait, and not for ever: an undo that keeps failing
                // must not take the room of other orders.
                let waiting = engine.waiting.try_acquire();
                if waiting.is_err() || tokio::time::timeout(UNDO_PATIENCE, over).await.is_err() {
                    return Err(Outcome::Refused(Refused::Undoing(id)));
                }
            }
            admitted => break admitted,
        }
    };
    match admitted {
        Admitted::New { id, timeout, offence } => {
            invocation.id = id.to_string();
            invocation.entry = (mode == Mode::Enforce).then_some(id);
            invocation.timeout = timeout;
            invocation.offence = offence;
            Ok(Intended { id, ready, invocation, keys, timed: timeout.is_some() })
        }
        Admitted::InForce { id, due, extended } => {
            if extended {
                engine.timekeeper.extended(id, due.boot_ms);
                engine.settle_effects(id).await;
            }
            Err(Outcome::Already(id))
        }
        Admitted::UnderWay { id } => Err(Outcome::Already(id)),
        Admitted::Undoing { id } => Err(Outcome::Refused(Refused::Undoing(id))),
        Admitted::Handled => Err(Outcome::Handled),
        Admitted::Full { limit } => Err(Outcome::Refused(Refused::Full(limit))),
    }
}

/// What the response is about: the component's own answer, else the definition's.
async fn keys(
    engine: &Engine,
    ready: &Ready,
    order: &Order,
    invocation: &Invocation,
) -> Result<Vec<String>, Instead> {
    if let (Runner::Component(plugin), []) = (&ready.runner, ready.command.keys.as_slice())
        && plugin.kind() == Kind::Reversible
    {
        let _permits = engine.component_permits(ready).await;
        let answer = plugin.keys(invocation).await;
        if invocation.mode == Mode::Enforce {
            engine.report.said(order, &answer.log);
        }
        return match answer.result {
            Ok(Some(keys)) => Ok(keys.as_slice().to_vec()),
            Ok(None) => Err(Outcome::NoKey(format!("{} acts on nothing in it", ready.command.name))),
            Err(Failure::Said { kind, message, .. }) if kind == "no-key" => Err(Outcome::NoKey(message)),
            Err(failure) => {
                if failure.is_fault() {
                    ready.breaker.failed(engine.now().boot_ms);
                }
                Err(Outcome::Failed { id: None, error: failure.to_string() })
            }
        };
    }
    match keys::derive(&ready.command, &order.alert) {
        Derived::Keys(keys) => Ok(keys.as_slice().to_vec()),
        // Wazuh starts every program and lets it say what it acts on.
        Derived::NoKey { .. } if order.key == Way::Wazuh && matches!(ready.runner, Runner::Native(_)) => {
            Ok(Vec::new())
        }
        Derived::NoKey { looked_for } => Err(Outcome::NoKey(format!("looked for {looked_for}"))),
    }
}

/// White list and allows, on every key that is an address.
pub fn spared(engine: &Engine, keys: &[String]) -> Result<(), Instead> {
    let armed = engine.armed();
    for address in keys.iter().filter_map(|key| key.parse::<Address>().ok()) {
        // The guard knows the list's prefixes, the configuration its patterns too.
        if let Some(why) = armed.config.spares(address) {
            return Err(Outcome::Refused(Refused::Allowed(format!("{address}: {why}"))));
        }
        if let Guarded::Never { rule: rule @ ("white_list" | "allow"), detail } =
            engine.capabilities.guard().judge(address.into())
        {
            return Err(Outcome::Refused(Refused::Allowed(format!("{address}: {rule}, {detail}"))));
        }
    }
    Ok(())
}

/// A source address that is none, or a user name that is none, is text that
/// somebody made up: no program gets it as its target.
fn typed(order: &Order, keys: &[String]) -> Result<(), Instead> {
    let named = |pointer: &str| {
        let pointer = pointer.parse().ok()?;
        let text = alert::string(&order.alert, &pointer)?.into_owned();
        keys.contains(&text).then_some(text)
    };
    // Where the source address is looked for (`riposte_policy::keys::derive`).
    for pointer in ["/data/srcip", "/data/win/eventdata/ipAddress", "/data/win/eventdata/destinationIp"] {
        if let Some(text) = named(pointer)
            && let Err(wrong) = text.parse::<Address>()
        {
            return Err(Outcome::Refused(Refused::Untyped(wrong.to_string())));
        }
    }
    if let Some(text) = named("/data/dstuser")
        && let Err(wrong) = text.parse::<UserName>()
    {
        return Err(Outcome::Refused(Refused::Untyped(wrong.to_string())));
    }
    Ok(())
}

/// A native program gets only targets that the guard has passed, since what it
/// then does is out of our hands.
pub(super) fn guarded(engine: &Engine, keys: &[String]) -> Result<(), Instead> {
    for key in keys {
        if let Ok(address) = key.parse::<Address>()
            && let Guarded::Never { rule, detail } = engine.capabilities.guard().judge(address.into())
        {
            return Err(Outcome::Refused(Refused::Guarded(format!("{key}: {rule}, {detail}"))));
        }
        if let Ok(user) = key.parse::<UserName>()
            && let Guarded::Never { rule, detail } = engine.capabilities.guard().judge_user(&user)
        {
            return Err(Outcome::Refused(Refused::Guarded(format!("{key}: {rule}, {detail}"))));
        }
    }
    Ok(())
}

/// The order as its component sees it.
#[must_use]
pub fn invocation(order: &Order, ready: &Ready, mode: Mode) -> Invocation {
    Invocation {
        command: Arc::clone(&order.command.name),
        id: String::new(),
        entry: None,
        attempt: 1,
        timeout: order.timeout,
        offence: 1,
        tenant: Arc::clone(&order.tenant),
        location: order.location,
        arguments: ready.command.extra_args.clone().into(),
        keys: Arc::new([]),
        alert: Arc::clone(&order.alert),
        mode,
    }
}

fn new_entry(order: &Order, ready: &Ready, mode: Mode, keys: Vec<String>) -> NewEntry {
    let kind = match &ready.runner {
        Runner::Component(plugin) if plugin.kind() == Kind::Oneshot => riposte_ledger::entry::Kind::Oneshot,
        Runner::Component(_) => riposte_ledger::entry::Kind::Reversible,
        Runner::Native(_) | Runner::Unsupported(_) => riposte_ledger::entry::Kind::Native,
    };
    let program = match &ready.runner {
        Runner::Native(program) => program.name(),
        Runner::Component(_) | Runner::Unsupported(_) => &ready.command.executable,
    };
    let program = program.rsplit('/').next().unwrap_or(program);
    NewEntry {
        tenant: Arc::clone(&order.tenant),
        command: Arc::clone(&order.command.name),
        response: order.response.as_ref().map(|response| Arc::clone(&response.name)),
        location: order.location,
        agent: Arc::clone(&order.agent),
        keys,
        kind,
        timeout: order.timeout,
        offenders: Arc::clone(&order.offenders),
        alert: Arc::clone(&order.alert),
        alert_id: Arc::clone(&order.alert_id),
        rule_id: Arc::clone(&order.rule_id),
        definition: Arc::clone(&ready.definition),
        digest: ready.runner.digest(),
        mode,
        actor: order.actor.clone(),
        reason: order.reason.clone(),
        source: order.source,
        message: order.message.clone(),
        program: program.into(),
        key: order.key,
        offences: order.offences,
    }
}
