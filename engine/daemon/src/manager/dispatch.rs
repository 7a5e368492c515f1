//! Orders for other agents: checked as all others are, sent, written down.
//!
//! An order is sent before it is written down, so that a crash in between sends
//! it again rather than not at all: the agent knows a response by its program
//! and keys, and refuses one that it has in force already. A response without a
//! timeout may so run twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use riposte_ledger::entry::Kind;
use riposte_ledger::{Admitted, Handed, LedgerError, NewEntry, Wait};
use riposte_policy::alert;
use riposte_policy::config::Mode;
use riposte_policy::keys::{self, Derived};
use riposte_policy::{Address, Order};
use riposte_transport::local::Delivered;
use riposte_transport::wazuh::message::{Crafted, as_agents_read, wire_name};
use riposte_transport::{Receipt, Transport, Undeliverable};
use tokio::sync::mpsc::Receiver;

use super::{Station, ar_conf};
use crate::arm::breaker::Verdict;
use crate::engine::Engine;
use crate::outcome::{Outcome, Refused};
use crate::respond;

/// How long to wait before a ledger that cannot be written is tried again.
const LEDGER_AGAIN: Duration = Duration::from_secs(1);

/// Why an order was not handed over.
enum Not {
    /// The engine decided so.
    Decided(Outcome),
    /// Nobody takes it.
    Undeliverable(Undeliverable),
}

/// Hands over what arrives, until nothing does any more.
pub async fn serve(engine: Arc<Engine>, station: Arc<Station>, mut leaving: Receiver<Delivered>) {
    while let Some(Delivered { order, receipt }) = leaving.recv().await {
        let (engine, station) = (Arc::clone(&engine), Arc::clone(&station));
        // Bounded by the room that every order had to find.
        tokio::spawn(async move {
            hand_over(&engine, &station, order, receipt).await;
            engine.responded();
        });
    }
}

/// Hands over one order, which may be for several agents.
async fn hand_over(engine: &Engine, station: &Station, order: Order, receipt: Receipt) {
    let order = lasting(engine, order);
    let orders = match each(station, &order).await {
        Ok(orders) => orders,
        Err(why) => {
            engine.undeliverable(&order, &why);
            if why.passes() {
                engine.counters.failed.fetch_add(1, Ordering::Relaxed);
                return;
            }
            return receipt.decided();
        }
    };
    let handled = match order.source {
        Some(_) => matches!(would_be(engine, &order).await, Ok(riposte_ledger::WouldBe::Handled)),
        None => false,
    };
    // One order became one for each agent.
    engine.tally.given(&order.command.name, orders.len().saturating_sub(1) as u64);
    let mut decided = true;
    for order in orders {
        let keys = keys(&order);
        let handed = if handled {
            Err(Not::Decided(Outcome::Handled))
        } else {
            one(engine, station, &order, &keys).await
        };
        match handed {
            Ok(outcome) | Err(Not::Decided(outcome)) => {
                decided &= !matches!(outcome, Outcome::Undecided(_));
                respond::settled(engine, &order, &keys, &outcome);
            }
            Err(Not::Undeliverable(why)) => {
                if why.passes() {
                    engine.counters.failed.fetch_add(1, Ordering::Relaxed);
                    decided = false;
                }
                engine.undeliverable(&order, &why);
            }
        }
    }
    // Unsigned, the receipt says that the alert is to be handled again.
    if decided {
        receipt.decided();
    }
}

/// One order for each agent: for `all`, each that is connected and not named
/// otherwise. Only the last one marks the alert as handled.
async fn each(station: &Station, order: &Order) -> Result<Vec<Order>, Undeliverable> {
    if order.location != "all" {
        return Ok(vec![order.clone()]);
    }
    let active = station.queue.active().await?;
    let named = |agent: u32| {
        let Some(response) = &order.response else { return false };
        let local =
            alert::text(&order.alert, &pointer(&["agent", "id"])).filter(|_| response.location.is_local());
        let defined = response.location.agent().map(|agent| &**agent);
        [local.as_deref(), defined].into_iter().flatten().any(|named| named.parse() == Ok(agent))
    };
    let agents: Vec<_> = active.iter().filter(|agent| !named(**agent)).collect();
    let last = agents.len().saturating_sub(1);
    let orders = agents.into_iter().enumerate().map(|(n, agent)| Order {
        agent: format!("{agent:03}").into(),
        source: order.source.filter(|_| n == last),
        ..order.clone()
    });
    let orders: Vec<_> = orders.collect();
    if orders.is_empty() {
        return Err(Undeliverable::AgentsUnknown("no agent is connected".to_owned()));
    }
    Ok(orders)
}

/// Pause, breaker, Wazuh's own rules for what an agent may be sent, white list
/// and allows; then the agent, then the ledger.
async fn one(engine: &Engine, station: &Station, order: &Order, keys: &[String]) -> Result<Outcome, Not> {
    let refused = |why| Not::Decided(Outcome::Refused(why));
    let name = &order.command.name;
    if let Some(until) = engine.switches.paused(name, engine.now().boot_ms) {
        return Err(refused(Refused::Paused(until)));
    }
    // The command need not be one that this machine can run.
    let ready = engine.armed().ready(name);
    if let Some(Verdict::Open(left)) = ready.map(|ready| ready.breaker.verdict(engine.now().boot_ms)) {
        return Err(refused(Refused::Breaker(left)));
    }
    if let Some(crafted) = Crafted::find(&order.alert) {
        return Err(refused(Refused::Untyped(crafted.to_string())));
    }
    // As in Wazuh, the source address counts whatever the command acts on.
    let source = as_agents_read(&order.alert, "srcip").ok().flatten();
    let mut listed = keys.to_vec();
    listed.extend(source.filter(|source| source.parse::<Address>().is_ok()));
    let (armed, guard) = (engine.armed(), engine.capabilities.guard());
    respond::spared(&armed.config, guard, &listed).map_err(Not::Decided)?;
    let wire = wire_name(name, order.timeout);
    let mode = engine.mode_of(name, order.mode);
    let entry = entry(order, mode, keys);
    if mode == Mode::Shadow {
        return Ok(shadow(engine, entry, format!("{wire} for agent {}", order.agent)).await);
    }
    station.queue.send(order.clone(), Box::new(())).await.map_err(Not::Undeliverable)?;
    Ok(match written_down(engine, entry).await {
        Ok(Handed::Over { id }) => Outcome::HandedOver { id, agent: Arc::clone(&order.agent), command: wire },
        Ok(Handed::Handled) => Outcome::Handled,
        Err(error) => Outcome::Undecided(error),
    })
}

/// Writes an entry down, however long the ledger cannot be written.
async fn written_down(engine: &Engine, entry: NewEntry) -> Result<Handed, LedgerError> {
    loop {
        match engine.ledger.handed_over(entry.clone()).await {
            Err(error) if !engine.gives_up() => {
                if engine.complains() {
                    tracing::error!(command = %entry.command, "waiting for the ledger: {error}");
                }
                tokio::time::sleep(LEDGER_AGAIN).await;
            }
            written => return written,
        }
    }
}

/// Journals what would have been handed over.
async fn shadow(engine: &Engine, entry: NewEntry, would: String) -> Outcome {
    match engine.ledger.admit(entry, Wait::Applied).await {
        Ok(Admitted::New { id, .. }) => match engine.ledger.added(id, None).await {
            Ok(_) => Outcome::Shadow { id, would: vec![format!("the order {would}")] },
            Err(error) => Outcome::Failed { id: Some(id), error: error.to_string() },
        },
        Ok(Admitted::Handled) => Outcome::Handled,
        Ok(Admitted::Full { limit }) => Outcome::Refused(Refused::Full(limit)),
        Ok(Admitted::InForce { id, .. } | Admitted::UnderWay { id, .. } | Admitted::Undoing { id }) => {
            Outcome::Already { id, until_ms: None }
        }
        Err(error) => Outcome::Undecided(error),
    }
}

async fn would_be(engine: &Engine, order: &Order) -> Result<riposte_ledger::WouldBe, LedgerError> {
    engine.ledger.would_be(entry(order, order.mode, &[])).await
}

/// The order with the timeout that agents know it by: what this machine could
/// undo has no part in it.
fn lasting(engine: &Engine, order: Order) -> Order {
    let armed = engine.armed();
    let timeout = order.response.as_ref().and_then(|response| ar_conf::lasting(&armed.config, response));
    Order { timeout, ..order }
}

/// What it acts on, for people: the agent's program decides for itself.
fn keys(order: &Order) -> Vec<String> {
    match keys::derive(&order.command, &order.alert) {
        Derived::Keys(keys) => keys.as_slice().to_vec(),
        Derived::NoKey { .. } => Vec::new(),
    }
}

fn entry(order: &Order, mode: Mode, keys: &[String]) -> NewEntry {
    let executable = &order.command.executable;
    NewEntry {
        tenant: Arc::clone(&order.tenant),
        command: Arc::clone(&order.command.name),
        response: order.response.as_ref().map(|response| Arc::clone(&response.name)),
        location: order.location,
        agent: Arc::clone(&order.agent),
        keys: keys.to_vec(),
        kind: Kind::Native,
        timeout: order.timeout,
        offenders: Arc::new([]),
        alert: Arc::clone(&order.alert),
        alert_id: Arc::clone(&order.alert_id),
        rule_id: Arc::clone(&order.rule_id),
        definition: order.command.to_stored().into(),
        digest: None,
        mode,
        actor: order.actor.clone(),
        reason: order.reason.clone(),
        source: order.source,
        message: None,
        program: executable.rsplit('/').next().unwrap_or(executable).into(),
        key: order.key,
        offences: order.offences,
    }
}

fn pointer(names: &[&str]) -> riposte_policy::keys::Pointer {
    riposte_policy::keys::Pointer::to_member(names)
}
