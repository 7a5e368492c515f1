//! `riposte explain`: which responses an alert fires, on what, and why.

use std::io::{self, Write};

use riposte_policy::alert::Alert;
use riposte_policy::diagnostic::shown;
use riposte_policy::keys::{self, Derived};
use riposte_policy::matching;
use riposte_policy::{Address, Keys};
use serde_json::{Value, json};

use crate::arm::{self, Armed};
use crate::cli;
use crate::commands::{ask, check, locate};
use crate::exit::Exit;

/// Explains every alert of the input.
pub fn explain(explain: &cli::Explain) -> Exit {
    let (places, configs) = locate(&explain.sources);
    let read = check::arm(&places, &configs).and_then(|armed| {
        let alerts = ask::alerts(&explain.alert);
        let alerts =
            alerts.map_err(|error| format!("cannot read the alerts {}: {error}", explain.alert.display()))?;
        Ok((armed, alerts))
    });
    let (armed, alerts) = match read {
        Ok(read) => read,
        Err(error) => {
            ask::complain(explain.json, &error);
            return Exit::Failed;
        }
    };
    let mut exit = Exit::Done;
    let mut out = io::stdout().lock();
    for (number, line) in (1..).zip(alerts.split(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        // A reader that went away has read enough.
        let written = match Alert::parse(line) {
            Err(error) => {
                exit = Exit::Failed;
                let message = format!("line {number}: not an alert: {error}");
                if explain.json {
                    writeln!(out, "{}", json!({"line": number, "error": message}))
                } else {
                    writeln!(out, "{message}")
                }
            }
            Ok(alert) if explain.json => {
                each(&armed, &alert).into_iter().try_for_each(|value| writeln!(out, "{value}"))
            }
            Ok(alert) => writeln!(out, "{}", sentences(&armed, &alert)),
        };
        if written.is_err() {
            break;
        }
    }
    exit
}

/// One object for each response.
fn each(armed: &Armed, alert: &Alert<'_>) -> Vec<Value> {
    let fired = armed.index.fires(alert);
    let responses = armed.config.responses.iter().enumerate();
    responses
        .map(|(position, response)| {
            let orders = armed.orders(position, alert);
            let order = orders.first();
            let agents: Vec<&str> = orders.iter().map(|order| &*order.agent).collect();
            let target = order.map(|order| keys::derive(&order.command, &order.alert));
            let (keys, no_key, spared) = match target {
                Some(Derived::Keys(keys)) => (json!(keys.as_slice()), Value::Null, spared(armed, &keys)),
                Some(Derived::NoKey { looked_for }) => (Value::Null, json!(looked_for), false),
                None => (Value::Null, Value::Null, false),
            };
            json!({
                "alert": alert.id(),
                "rule": alert.rule_id(),
                "response": &*response.name,
                "command": &*response.command,
                "fires": fired.contains(&position),
                "why": matching::explain(response, alert).to_string(),
                "armed": armed.ready(&response.command).is_some(),
                "location": response.location.to_string(),
                "agent": order.map(|order| order.agent.to_string()),
                "agents": agents,
                "keys": keys,
                "no_key": no_key,
                "white_listed": spared,
                "timeout": order.and_then(|order| order.timeout).map(|timeout| timeout.as_secs()),
                "mode": format!("{:?}", response.mode).to_lowercase(),
                "place": response.place.to_string(),
            })
        })
        .collect()
}

/// Whether the configuration's white list keeps the response from its target.
fn spared(armed: &Armed, keys: &Keys) -> bool {
    let mut addresses = keys.as_slice().iter().filter_map(|key| key.parse::<Address>().ok());
    addresses.any(|address| armed.config.spares(address).is_some())
}

fn sentences(armed: &Armed, alert: &Alert<'_>) -> String {
    let mut out = format!("alert {} of rule {}", shown(alert.id()), shown(alert.rule_id()));
    let fired = armed.index.fires(alert);
    for (position, response) in armed.config.responses.iter().enumerate() {
        let why = matching::explain(response, alert);
        if !fired.contains(&position) {
            out.push_str(&format!("\n  {} {why}", response.name));
            continue;
        }
        out.push_str(&format!("\n  {} {why}", response.name));
        let orders = armed.orders(position, alert);
        let Some(order) = orders.first() else { continue };
        let on = match keys::derive(&order.command, &order.alert) {
            Derived::Keys(keys) if spared(armed, &keys) => {
                format!("but not on {}: white_list holds it", shown(&keys.as_slice().join(", ")))
            }
            Derived::Keys(keys) => format!("on {}", shown(&keys.as_slice().join(", "))),
            Derived::NoKey { looked_for } => format!("but the alert has no key: looked for {looked_for}"),
        };
        let off = if armed.ready(&response.command).is_none() { ", but the command is off" } else { "" };
        let lasting = arm::lasting(order.timeout);
        let agents = orders.iter().map(|order| &*order.agent).collect::<Vec<_>>().join(", ");
        let location = &response.location;
        out.push_str(&format!("\n    {location}, agent {agents}, {on}, {lasting}{off}"));
    }
    out
}
