//! The path of one response, from its order to the ledger.
//!
//! ```text
//! Order ─ keys ─ admit ─ Entry (intended) ─ run ─ Effect, Receipt ─ settle (in force, due)
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use riposte_capability::{Effect, Verdict as Guarded, WouldBe};
use riposte_ledger::{Admitted, Entry, LedgerError, NewEntry, Rekeyed, Settled, Wait};
use riposte_policy::config::Mode;
use riposte_policy::keys::{self, Derived};
use riposte_policy::order::EntryId;
use riposte_policy::{Address, Order, UserName};
use riposte_runtime::native::{Decision, Message};
use riposte_runtime::{Invocation, Kind, Plugin};
use riposte_transport::Receipt;

use crate::arm::breaker::Verdict;
use crate::arm::{Ready, Runner};
use crate::engine::Engine;
use crate::outcome::{Outcome, Refused};
use crate::undo;

/// How long to wait before a ledger that cannot be written is tried again.
const LEDGER_AGAIN: Duration = Duration::from_secs(1);

/// Decides an order and, when it is admitted, does it.
pub async fn respond(engine: &Arc<Engine>, order: Order, receipt: Receipt) -> Outcome {
    let outcome = match admitted(engine, &order).await {
        Ok(intended) => {
            receipt.decided();
            let made = intended.run(engine, &order).await;
            intended.settle(engine, &order, made).await
        }
        // Unsigned, the receipt says that the alert is to be handled again.
        Err(undecided @ Outcome::Undecided(_)) => undecided,
        Err(outcome) => {
            receipt.decided();
            outcome
        }
    };
    if matches!(outcome, Outcome::Failed { .. } | Outcome::Undecided(_)) {
        engine.counters.failed.fetch_add(1, Ordering::Relaxed);
    }
    engine.report.outcome(&order, &outcome);
    outcome
}

/// Admits an order, however long the ledger cannot be written: an alert is
/// handled late rather than lost. Only the end of the engine gives up.
async fn admitted(engine: &Arc<Engine>, order: &Order) -> Result<Intended, Instead> {
    loop {
        match admit(engine, order).await {
            Err(Outcome::Undecided(error)) if !engine.gives_up() => {
                tracing::error!(command = %order.command.name, "waiting for the ledger: {error}");
                tokio::time::sleep(LEDGER_AGAIN).await;
            }
            decided => return decided,
        }
    }
}

/// Why an order has no entry: its outcome.
type Instead = Outcome;

/// An order that the ledger knows, about to be done.
struct Intended {
    id: EntryId,
    ready: Arc<Ready>,
    invocation: Invocation,
}

/// Keys, pause, breaker, white list and allows, guard, budgets; then the entry.
async fn admit(engine: &Arc<Engine>, order: &Order) -> Result<Intended, Instead> {
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
    if matches!(ready.runner, Runner::Native(_)) {
        guarded(engine, &keys)?;
    }
    let entry = new_entry(order, &ready, mode, keys);
    let admitted = loop {
        // A native program may act as soon as it starts: only a durable entry lets it.
        let wait = if matches!(ready.runner, Runner::Native(_)) { Wait::Durable } else { Wait::Applied };
        // Made before asking, so that an undo that ends meanwhile is not missed.
        let over = engine.undone.notified();
        match engine.ledger.admit(entry.clone(), wait).await.map_err(Outcome::Undecided)? {
            Admitted::Undoing { .. } => over.await,
            admitted => break admitted,
        }
    };
    match admitted {
        Admitted::New { id, timeout, offence } => {
            invocation.id = id.to_string();
            invocation.entry = (mode == Mode::Enforce).then_some(id);
            invocation.timeout = timeout;
            invocation.offence = offence;
            Ok(Intended { id, ready, invocation })
        }
        Admitted::InForce { id, due, extended } => {
            if extended {
                engine.timekeeper.extended(id, due.boot_ms);
                engine.settle_effects(id).await;
            }
            Err(Outcome::Already(id))
        }
        Admitted::UnderWay { id } | Admitted::Undoing { id } => Err(Outcome::Already(id)),
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
        engine.report.said(order, &answer.log);
        return match answer.result {
            Ok(Some(keys)) => Ok(keys.as_slice().to_vec()),
            Ok(None) => Err(Outcome::NoKey(format!("what {} acts on", ready.command.name))),
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
        Derived::NoKey { looked_for } => Err(Outcome::NoKey(looked_for)),
    }
}

/// White list and allows, on every key that is an address.
fn spared(engine: &Engine, keys: &[String]) -> Result<(), Instead> {
    for address in keys.iter().filter_map(|key| key.parse::<Address>().ok()) {
        if let Guarded::Never { rule: rule @ ("white_list" | "allow"), detail } =
            engine.capabilities.guard().judge(address.into())
        {
            return Err(Outcome::Refused(Refused::Allowed(format!("{address}: {rule}, {detail}"))));
        }
    }
    Ok(())
}

/// A native program gets only targets that the guard has passed, since what it
/// then does is out of our hands.
fn guarded(engine: &Engine, keys: &[String]) -> Result<(), Instead> {
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

impl Intended {
    /// Runs the component or the program.
    async fn run(&self, engine: &Arc<Engine>, order: &Order) -> Result<Made, String> {
        match &self.ready.runner {
            Runner::Component(plugin) => self.component(engine, order, plugin).await,
            Runner::Native(_) if self.invocation.mode == Mode::Shadow => {
                Ok(Made::Shadow(Vec::new(), vec![format!("start of {}", self.ready.command.executable)]))
            }
            Runner::Native(program) => {
                let permits = engine.program_permits(&self.ready).await;
                let message = Message::new(order, program.name());
                let mut instead = None;
                let decide = async |keys: Vec<String>| {
                    instead = self.rekey(engine, keys).await.err();
                    if instead.is_some() { Decision::Abort } else { Decision::Continue }
                };
                let added = program.add(&message, decide).await.map_err(|error| error.to_string())?;
                drop(permits);
                engine.report.program(order, &added);
                if let Some(running) = added.running {
                    engine.programs.supervise(self.id, running);
                }
                Ok(instead.map_or(Made::Added(None), Made::Aborted))
            }
            Runner::Unsupported(why) => Err(why.clone()),
        }
    }

    async fn component(&self, engine: &Engine, order: &Order, plugin: &Plugin) -> Result<Made, String> {
        let _permits = engine.component_permits(&self.ready).await;
        let shadow = self.invocation.mode == Mode::Shadow;
        if !shadow {
            engine.report.starting(order);
        }
        let (receipt, would, said) = match plugin.kind() {
            Kind::Reversible => {
                let answer = plugin.add(&self.invocation).await;
                (answer.result.map(Some), answer.would_be, answer.log)
            }
            Kind::Oneshot => {
                let answer = plugin.run(&self.invocation).await;
                (answer.result.map(|()| None), answer.would_be, answer.log)
            }
        };
        engine.report.said(order, &said);
        match receipt {
            Err(failure) => Err(failure.to_string()),
            Ok(_) if shadow => {
                let words = would.iter().map(would_be).collect();
                let made = would.into_iter().filter_map(|change| match change {
                    WouldBe::Made(effect) => Some(effect),
                    WouldBe::Undone(_) => None,
                });
                Ok(Made::Shadow(made.collect(), words))
            }
            Ok(receipt) => Ok(Made::Added(receipt)),
        }
    }

    /// A native program named its keys: they replace those of the definition.
    /// When it must not go on, the entry ends here.
    async fn rekey(&self, engine: &Engine, keys: Vec<String>) -> Result<(), Instead> {
        if let Err(refused) = spared(engine, &keys).and_then(|()| guarded(engine, &keys)) {
            return Err(self.ended(engine, refused).await);
        }
        loop {
            let over = engine.undone.notified();
            match engine.ledger.rekey(self.id, keys.clone()).await {
                Ok(Rekeyed::Continue { .. }) => return Ok(()),
                Ok(Rekeyed::Undoing { .. }) => over.await,
                Ok(Rekeyed::InForce { existing, due }) => {
                    if let Some(due) = due {
                        engine.timekeeper.extended(existing, due.boot_ms);
                    }
                    return Err(Outcome::Already(existing));
                }
                Err(error) => {
                    let failed = Outcome::Failed { id: Some(self.id), error: error.to_string() };
                    return Err(self.ended(engine, failed).await);
                }
            }
        }
    }

    /// Ends an entry that did nothing.
    async fn ended(&self, engine: &Engine, outcome: Outcome) -> Outcome {
        match engine.ledger.fail(self.id, &outcome.to_string()).await {
            Ok(()) => outcome,
            Err(error) => Outcome::Failed { id: Some(self.id), error: format!("{outcome}; {error}") },
        }
    }

    /// Records what came of it; a failed add is undone at once.
    async fn settle(&self, engine: &Arc<Engine>, order: &Order, made: Result<Made, String>) -> Outcome {
        let id = self.id;
        let breaker = &self.ready.breaker;
        match made {
            Ok(Made::Added(receipt)) => {
                breaker.worked();
                match engine.ledger.added(id, receipt).await {
                    Ok(settled) => {
                        engine.report.added(order);
                        self.settled(engine, settled)
                    }
                    Err(error) => self.failed(engine, error.to_string()).await,
                }
            }
            Ok(Made::Shadow(effects, would)) => match self.shadowed(engine, &effects).await {
                Ok(()) => Outcome::Shadow { id, would },
                Err(error) => Outcome::Failed { id: Some(id), error: error.to_string() },
            },
            Ok(Made::Aborted(instead)) => instead,
            Err(error) => {
                breaker.failed(engine.now().boot_ms);
                self.failed(engine, error).await
            }
        }
    }

    /// A shadow's effects are written down to be shown; nobody holds them.
    async fn shadowed(&self, engine: &Engine, effects: &[Effect]) -> Result<(), LedgerError> {
        for effect in effects {
            // Who holds it besides is of no interest to a shadow.
            let _ = engine.ledger.claim(self.id, effect.interface, &effect.target, None).await?;
        }
        engine.ledger.added(self.id, None).await.map(drop)
    }

    fn settled(&self, engine: &Engine, settled: Settled) -> Outcome {
        let id = self.id;
        match settled {
            Settled::InForce { due } => {
                engine.timekeeper.in_force(id, due.boot_ms);
                Outcome::InForce { id, until_ms: Some(due.wall_ms) }
            }
            Settled::Permanent => Outcome::InForce { id, until_ms: None },
            Settled::Done => Outcome::Done(id),
        }
    }

    async fn failed(&self, engine: &Arc<Engine>, error: String) -> Outcome {
        undo::after_failure(engine, self.id, &error).await;
        Outcome::Failed { id: Some(self.id), error }
    }
}

/// What running did.
enum Made {
    /// It acted; what a component wants back for its delete.
    Added(Option<Vec<u8>>),
    /// It would have acted like this: the effects, and all of it in words.
    Shadow(Vec<Effect>, Vec<String>),
    /// The program was told to abort, and this is why.
    Aborted(Outcome),
}

fn would_be(change: &WouldBe) -> String {
    match change {
        WouldBe::Made(effect) => effect.to_string(),
        WouldBe::Undone(effect) => format!("undo {effect}"),
    }
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
        offence: 0,
        tenant: Arc::clone(&order.tenant),
        location: order.location,
        arguments: ready.command.extra_args.clone().into(),
        alert: Arc::clone(&order.alert),
        mode,
    }
}

/// Takes up an entry that was intended when the engine ended: nobody knows how
/// far it came. A component's add is made to be repeated; what a program did is
/// deleted first.
pub async fn again(engine: &Arc<Engine>, entry: &Entry) -> Outcome {
    let id = entry.id;
    let failed = |error: String| Outcome::Failed { id: Some(id), error };
    let outcome = match undo::ready(engine, entry) {
        Err(error) => {
            undo::after_failure(engine, id, &error).await;
            failed(error)
        }
        Ok((order, ready)) => {
            if let Runner::Native(program) = &ready.runner {
                // It may never have acted, so a delete that fails is no reason not to add.
                if let Err(error) = undo::by_program(engine, entry, program).await {
                    tracing::warn!(entry = %id, "the delete before the new add failed: {error}");
                }
            }
            match engine.ledger.attempt(id).await {
                Err(error) => failed(error.to_string()),
                Ok(attempt) => {
                    let mut invocation = invocation(&order, &ready, entry.mode);
                    invocation.id = id.to_string();
                    invocation.entry = Some(id);
                    invocation.attempt = attempt;
                    invocation.offence = entry.offence;
                    let intended = Intended { id, ready, invocation };
                    let made = intended.run(engine, &order).await;
                    let outcome = intended.settle(engine, &order, made).await;
                    engine.report.outcome(&order, &outcome);
                    outcome
                }
            }
        }
    };
    tracing::info!(entry = %id, "taken up again: {outcome}");
    outcome
}

fn new_entry(order: &Order, ready: &Ready, mode: Mode, keys: Vec<String>) -> NewEntry {
    let kind = match &ready.runner {
        Runner::Component(plugin) if plugin.kind() == Kind::Oneshot => riposte_ledger::entry::Kind::Oneshot,
        Runner::Component(_) => riposte_ledger::entry::Kind::Reversible,
        Runner::Native(_) | Runner::Unsupported(_) => riposte_ledger::entry::Kind::Native,
    };
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
    }
}
