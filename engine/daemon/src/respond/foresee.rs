//! What would become of an order, found by the code that decides it, without
//! doing it.

use riposte_ledger::{NewEntry, WouldBe};
use riposte_policy::Order;
use riposte_policy::config::Mode;
use riposte_runtime::{Failure, Invocation, Kind, Plugin};

use super::admit::{Purpose, Scales, Weighed, new_entry, weigh};
use super::run::would_be;
use crate::arm::Runner;
use crate::outcome::{Outcome, Refused};

/// What would become of an order, before the ledger is asked.
pub struct Foreseen {
    /// Whether it would act.
    pub mode: Mode,
    /// Its target; empty when it has none.
    pub keys: Vec<String>,
    /// All that is against it.
    pub against: Vec<Outcome>,
    /// The effects that it would have.
    pub would: Vec<String>,
    /// What would be entered, when nothing is against it.
    pub entry: Option<NewEntry>,
}

/// Weighs an order as [`super::respond`] does and changes nothing. With
/// `rehearse` a component's `add` or `run` is asked too, as in shadow: every
/// effect is recorded in place of being made, and what a grant or the guard
/// refuses is refused.
pub async fn foresee(scales: &Scales<'_>, order: &Order, rehearse: bool) -> Foreseen {
    let weighed = match weigh(scales, order, Purpose::Ask).await {
        Ok(weighed) => weighed,
        Err(instead) => {
            return Foreseen {
                mode: order.mode,
                keys: Vec::new(),
                against: vec![instead],
                would: Vec::new(),
                entry: None,
            };
        }
    };
    let Weighed { ready, mode, mut invocation, keys, mut against } = weighed;
    // In Wazuh's way a program may name its target itself, later.
    let named = !keys.is_empty() || against.is_empty();
    let entry = named.then(|| new_entry(order, &ready, mode, keys.clone()));
    if let (true, Some(ledger), Some(entry)) = (rehearse, scales.ledger, &entry)
        && let Ok(WouldBe::New { offence, .. }) = ledger.would_be(entry.clone()).await
    {
        // What is blocked may be wider for a later one.
        invocation.offence = offence;
    }
    let mut would = Vec::new();
    if rehearse && !keys.is_empty() {
        match &ready.runner {
            Runner::Component(plugin) => match rehearsed(plugin, invocation).await {
                Ok(effects) => would = effects,
                Err(instead) => against.push(instead),
            },
            Runner::Native(_) => would.push(format!("start of {}", ready.command.executable)),
            Runner::Unsupported(_) => {}
        }
    }
    Foreseen { mode, keys, against, would, entry }
}

/// What is protected and why, of a refusal that says `X is never blocked: WHY`.
fn guarded(message: String) -> String {
    let parts =
        message.split_once(" is never ").and_then(|(what, why)| Some((what, why.split_once(": ")?.1)));
    parts.map(|(what, why)| format!("{what}: {why}")).unwrap_or(message)
}

/// The effects that a component would have.
async fn rehearsed(plugin: &Plugin, invocation: Invocation) -> Result<Vec<String>, Outcome> {
    let shadow = Invocation { mode: Mode::Shadow, entry: None, ..invocation };
    let (result, would) = match plugin.kind() {
        Kind::Reversible => {
            let answer = plugin.add(&shadow).await;
            (answer.result.map(drop), answer.would_be)
        }
        Kind::Oneshot => {
            let answer = plugin.run(&shadow).await;
            (answer.result, answer.would_be)
        }
    };
    match result {
        Ok(()) => Ok(would.iter().map(would_be).collect()),
        // What the guard forbids is not the component's failure.
        Err(Failure::Said { kind, message, .. }) if kind == "denied" && message.contains("(guard: ") => {
            Err(Outcome::Refused(Refused::Guarded(guarded(message))))
        }
        Err(failure) => Err(Outcome::Failed { id: None, error: failure.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_the_guard_protects_is_named_once() {
        let told = |message: &str| super::guarded(message.to_owned());
        let refused = "2001:db8::1/128 is never blocked: it is an address of this host (guard: own-address)";
        assert_eq!(told(refused), "2001:db8::1/128: it is an address of this host (guard: own-address)");
        assert_eq!(told("other words (guard: x)"), "other words (guard: x)");
    }
}
