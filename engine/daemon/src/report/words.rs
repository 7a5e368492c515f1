//! The words of the report: what is said of an order, an outcome, an entry.

use riposte_ledger::audit::Event;
use riposte_ledger::{Cause, Entry};
use riposte_policy::Order;
use riposte_policy::keys::{self, Derived};

use crate::outcome::{Outcome, Refused};

/// What an order that came to nothing was about, as far as its definition
/// says: else nobody could ask why an address was not blocked.
pub(super) fn meant(order: &Order, outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::Refused(_) | Outcome::Unsupported(_) | Outcome::Already { .. } | Outcome::Failed { .. } => {
            match keys::derive(&order.command, &order.alert) {
                Derived::Keys(keys) => keys.as_slice().to_vec(),
                Derived::NoKey { .. } => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// What tells an outcome from others like it, when a flood of alerts may have any
/// number of it; `None`: it stands by itself, as what has an entry does.
pub(super) fn alike(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Already { until_ms: None, .. } | Outcome::Handled => Some(String::new()),
        Outcome::NoKey(why) | Outcome::Unsupported(why) | Outcome::Failed { id: None, error: why } => {
            Some(why.clone())
        }
        // The others hold a time, or a number that is another each time.
        Outcome::Refused(why @ (Refused::Allowed(_) | Refused::Guarded(_) | Refused::Untyped(_))) => {
            Some(why.to_string())
        }
        Outcome::Refused(why) => Some(why.word().to_owned()),
        Outcome::InForce { .. }
        | Outcome::Already { until_ms: Some(_), .. }
        | Outcome::Done(_)
        | Outcome::HandedOver { .. }
        | Outcome::Shadow { .. }
        | Outcome::Waiting(_)
        | Outcome::Failed { .. }
        | Outcome::Undecided(_) => None,
    }
}

/// What became of an order, for the operator.
pub(super) fn trace(order: &Order, keys: &[String], outcome: &Outcome) {
    let entry = outcome.entry();
    let command = &*order.command.name;
    let rule = &*order.rule_id;
    // Text of the alert is quoted: it could forge lines.
    let (alert, id) = (&*order.alert_id, entry.map(|id| id.0));
    match outcome {
        Outcome::Failed { .. } | Outcome::Undecided(_) => {
            tracing::error!(command, rule, alert, entry = id, "{outcome}");
        }
        Outcome::Refused(_) | Outcome::Unsupported(_) => {
            tracing::warn!(command, rule, alert, "{outcome}");
        }
        Outcome::InForce { .. }
        | Outcome::Done(_)
        | Outcome::HandedOver { .. }
        | Outcome::Waiting(_)
        | Outcome::Shadow { .. } => {
            let keys = keys.join(", ");
            tracing::info!(command, rule, alert, entry = id, keys, "{outcome}");
        }
        Outcome::Already { .. } | Outcome::Handled | Outcome::NoKey(_) => {
            tracing::debug!(command, rule, alert, entry = id, "{outcome}");
        }
    }
}

/// The line with which a program of Wazuh's names what it acts on.
pub(super) fn check_keys(executable: &str, keys: &[String]) -> String {
    let (name, keys) = (serde_json::json!(executable), serde_json::json!(keys));
    format!(
        r#"{{"version":1,"origin":{{"name":{name},"module":"active-response"}},"command":"check_keys","parameters":{{"keys":{keys}}}}}"#
    )
}

/// What a component said, as lines between the engine's own.
pub(super) fn spoken(said: &[String]) -> impl Iterator<Item = String> + '_ {
    said.iter().map(|text| unlike_ours(text))
}

/// Words of a component, so that nobody takes them for the engine's: Wazuh's
/// rules read a line that begins with a JSON object as what a program was told,
/// and as a block.
pub(super) fn unlike_ours(text: &str) -> String {
    let begins = text.trim_start_matches(|c: char| c.is_whitespace() || c.is_control());
    if begins.starts_with('{') { format!("said: {text}") } else { text.to_owned() }
}

/// A Unix time in milliseconds, for people and programs: RFC 3339, UTC.
#[must_use]
pub fn time(wall_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(wall_ms)
        .map_or_else(|_| wall_ms.to_string(), |time| format!("{time:.3}"))
}

/// Why an entry is undone, in words.
pub(super) fn why(cause: &Cause) -> String {
    match cause {
        Cause::Due => "its time is up".to_owned(),
        Cause::Failed => "its add failed".to_owned(),
        Cause::Recovery => "the engine ended while it was being undone".to_owned(),
        Cause::Asked { actor, reason } => match reason {
            Some(reason) => format!("asked by {actor}: {reason}"),
            None => format!("asked by {actor}"),
        },
    }
}

pub(super) fn of_order(kind: &'static str, order: &Order) -> Event {
    Event {
        kind: kind.into(),
        tenant: Some(order.tenant.to_string()),
        command: Some(order.command.name.to_string()),
        response: order.response.as_ref().map(|response| response.name.to_string()),
        agent: Some(order.agent.to_string()),
        alert_id: Some(order.alert_id.to_string()),
        rule_id: Some(order.rule_id.to_string()),
        actor: Some(order.actor.to_string()),
        reason: order.reason.as_ref().map(ToString::to_string),
        ..Event::default()
    }
}

pub(super) fn of_entry(kind: &'static str, entry: &Entry) -> Event {
    Event {
        kind: kind.into(),
        entry: Some(entry.id.0),
        tenant: Some(entry.tenant.to_string()),
        command: Some(entry.command.to_string()),
        response: entry.response.as_ref().map(ToString::to_string),
        agent: Some(entry.agent.to_string()),
        keys: entry.keys.clone(),
        alert_id: Some(entry.alert_id.to_string()),
        rule_id: Some(entry.rule_id.to_string()),
        actor: Some(entry.actor.to_string()),
        reason: entry.reason.as_ref().map(ToString::to_string),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_component_says_is_no_dialogue() {
        let said = ["blocked 192.0.2.7", r#"{"version":1,"command":"add"}"#, "\u{1} {\"version\":1}", "a {"];
        let lines: Vec<String> = spoken(&said.map(str::to_owned)).collect();
        let wanted = [said[0], &format!("said: {}", said[1]), &format!("said: {}", said[2]), said[3]];
        assert_eq!(lines, wanted);
    }
}
