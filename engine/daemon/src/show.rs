//! What operators and programs see of the engine's state.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use riposte_ledger::Entry;
use riposte_ledger::rule::Allow;
use riposte_policy::Config;
use riposte_policy::diagnostic::inline;
use riposte_policy::order::EntryId;
use serde_json::{Map, Value, json};

use crate::control::Answer;
use crate::engine::{Engine, Firewall};
use crate::keeper;
use crate::outcome::Outcome;
use crate::report::time;

/// `1 entry`, or `2 entries`.
#[must_use]
pub fn counted(count: usize, what: &str) -> String {
    match (count, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {what}s"),
    }
}

/// One entry for programs: id, tenant, command, keys, state, since, due,
/// offence, and what led to it.
#[must_use]
pub fn entry(entry: &Entry) -> Value {
    json!({
        "id": entry.id.0,
        "tenant": entry.tenant,
        "command": entry.command,
        "response": entry.response,
        "agent": entry.agent,
        "keys": entry.keys,
        "state": if entry.stuck { "stuck" } else { entry.state.as_str() },
        "since": time(entry.since_ms),
        "due": entry.due_ms.map(time),
        "closed": entry.closed_ms.map(time),
        "offence": entry.offence,
        "attempt": entry.attempt,
        "undo_attempts": entry.undo_attempts,
        "mode": format!("{:?}", entry.mode).to_lowercase(),
        "alert": entry.alert_id,
        "rule": entry.rule_id,
        "actor": entry.actor.to_string(),
        "reason": entry.reason,
        "ended_by": entry.ended_by,
        "error": entry.error,
    })
}

/// Entries, each with the networks that are blocked in the place of what its keys
/// say; with `stuck` they are only those that are.
#[must_use]
pub fn list(entries: &[Entry], networks: &[(EntryId, String)], stuck: bool) -> Answer {
    let wide: Vec<Vec<&str>> = entries
        .iter()
        .map(|one| {
            // They are in the order of their entries.
            let from = networks.partition_point(|(id, _)| *id < one.id);
            let theirs = networks.iter().skip(from).take_while(|(id, _)| *id == one.id);
            theirs
                .map(|(_, network)| network.as_str())
                .filter(|it| !one.keys.iter().any(|key| key == it))
                .collect()
        })
        .collect();
    let data = entries.iter().zip(&wide).map(|(one, wide)| {
        let mut value = entry(one);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("networks".to_owned(), json!(wide));
        }
        value
    });
    let text = match entries {
        [] if stuck => "nothing is stuck".to_owned(),
        [] => "nothing is in force".to_owned(),
        _ => table(entries, &wide),
    };
    Answer::done(text).with(data.collect())
}

/// Entries for people.
fn table(entries: &[Entry], wide: &[Vec<&str>]) -> String {
    let mut rows = vec![["ID", "COMMAND", "KEYS", "STATE", "SINCE", "DUE", "OFFENCE"].map(str::to_owned)];
    for (entry, wide) in entries.iter().zip(wide) {
        let state = if entry.stuck { "stuck" } else { entry.state.as_str() };
        let due = entry.due_ms.map_or_else(|| "-".to_owned(), time);
        let offence = entry.offence.to_string();
        // Keys may come from a program: they cannot forge a row.
        let mut keys = inline(&entry.keys.join(", "));
        if !wide.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(keys, " (blocked: {})", inline(&wide.join(", ")));
        }
        rows.push([
            entry.id.to_string(),
            entry.command.to_string(),
            keys,
            state.to_owned(),
            time(entry.since_ms),
            due,
            offence,
        ]);
    }
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for row in &rows {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

/// What became of an order that somebody waits for.
#[must_use]
pub fn outcome(outcome: &Outcome) -> Answer {
    let id = outcome.entry().map(|id| id.0);
    let data = json!({"outcome": outcome.word(), "id": id, "detail": outcome.to_string()});
    let answer = match outcome {
        Outcome::InForce { .. }
        | Outcome::Done(_)
        | Outcome::HandedOver { .. }
        | Outcome::Shadow { .. }
        | Outcome::Waiting(_)
        | Outcome::Already { .. }
        | Outcome::Handled => Answer::done(outcome.to_string()),
        Outcome::NoKey(_)
        | Outcome::Unsupported(_)
        | Outcome::Refused(_)
        | Outcome::Failed { .. }
        | Outcome::Undecided(_) => Answer::failed(outcome.to_string()),
    };
    answer.with(data)
}

/// The allows in force; for people also the white list of the configuration.
#[must_use]
pub fn allows(allows: &[Allow], config: &Config) -> Answer {
    let mut text = String::new();
    for allow in allows {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}  {}  by {}", allow.address, until(allow.note.until_ms), allow.note.by.actor);
        if let Some(reason) = &allow.note.by.reason {
            let _ = write!(text, "  ({reason})");
        }
        text.push('\n');
    }
    let hosts = config.white_list_hosts.iter().map(ToString::to_string);
    for entry in config.white_list.iter().map(ToString::to_string).chain(hosts) {
        let _ = writeln!(text, "{}  always  by the configuration's white_list", inline(&entry));
    }
    let data = allows.iter().map(|allow| {
        json!({
            "target": allow.address,
            "until": allow.note.until_ms.map(time),
            "actor": allow.note.by.actor.to_string(),
            "reason": allow.note.by.reason.as_deref(),
            "created": time(allow.note.created_ms),
        })
    });
    let text = if text.is_empty() { "nothing is allowed".to_owned() } else { text.trim_end().to_owned() };
    Answer::done(text).with(data.collect())
}

/// `until TIME`, or `until taken back`.
#[must_use]
pub fn until(until_ms: Option<i64>) -> String {
    until_ms.map_or_else(|| "until taken back".to_owned(), |until| format!("until {}", time(until)))
}

/// What the engine is doing, and every path in use.
pub async fn status(engine: &Engine) -> Answer {
    // A ledger that cannot be read says so below; the rest is known all the same.
    let counts = engine.ledger.open_counts().await;
    let (open, stuck) =
        counts.unwrap_or_else(|_| (i64::try_from(engine.ledger.open_entries()).unwrap_or(i64::MAX), 0));
    let pauses = engine.ledger.pauses().await.unwrap_or_default();
    let modes = engine.ledger.modes().await.unwrap_or_default();
    let armed = engine.armed();
    let mut commands: Vec<_> = armed.all().map(|ready| ready.command.name.to_string()).collect();
    commands.sort();
    let off: Map<_, _> = armed.off().map(|(name, why)| (name.to_owned(), json!(why))).collect();
    let counters = &engine.counters;
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let firewall = engine.firewall().await;
    let (audit, unwritten) = engine.report.audit();
    let audit_state = audit.trouble.or(audit.broken).unwrap_or_else(|| "works".to_owned());
    let paused: Vec<Value> = pauses
        .iter()
        .map(|pause| {
            let scope = pause.scope.subject.as_deref().unwrap_or("every command");
            json!({"scope": scope, "until": pause.note.until_ms.map(time), "reason": pause.note.by.reason.as_deref()})
        })
        .collect();
    let switched: Vec<Value> = modes
        .iter()
        .map(|rule| json!({"command": rule.scope.subject, "mode": format!("{:?}", rule.mode).to_lowercase()}))
        .collect();
    let data = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "since": time(engine.started_ms),
        "shadow": engine.is_shadow(),
        "in_force": open,
        "stuck": stuck,
        "programs_running": engine.programs.running(),
        "commands": commands,
        "commands_off": off,
        "responses": armed.config.responses.len(),
        "paused": paused,
        "modes": switched,
        "firewall": firewall_facts(&firewall),
        "repaired": repaired(engine),
        "orphans": engine.capabilities.orphans().len(),
        "audit": {"state": audit_state, "unwritten": unwritten},
        "ledger": keeper::facts(engine),
        "orders": engine.tally.shown(engine.turns.waiting()),
        "alerts": {
            "lines": count(&counters.lines),
            "read": count(&counters.alerts),
            "fired": count(&counters.fired),
            "unreadable": count(&counters.unreadable),
            "too_long": count(&counters.too_long),
            "stale": count(&counters.stale),
            "failed": count(&counters.failed),
        },
        "paths": {
            "config": engine.configs(),
            "state": engine.places.state,
            "ledger": engine.places.ledger(),
            "run": engine.places.run,
            "socket": engine.places.socket(),
            "plugins": engine.places.plugins(),
            "compiled": engine.places.compiled(),
            "versions": engine.places.versions(),
            "alerts": engine.alerts,
            "root": engine.places.root,
            "programs": engine.places.programs(),
            "response_log": engine.places.response_log(),
            "audit": engine.places.audit(),
            "audit_heads": engine.places.audit_heads(),
            "ocsf": engine.places.ocsf(),
        },
    });
    Answer::done(sentences(&data)).with(data)
}

/// What others changed on this host, and was put right since the start.
fn repaired(engine: &Engine) -> Value {
    let counts = engine.repairs.counts();
    json!({
        "times": counts.times,
        "put_back": counts.put_back,
        "taken_away": counts.taken_away,
        "rebuilt": counts.rebuilt,
        "last": counts.last_ms.map(time),
    })
}

/// What blocks addresses, and why nothing else does.
fn firewall_facts(firewall: &Firewall) -> Value {
    let others: Vec<String> = firewall
        .passed_over
        .iter()
        .map(|other| format!("{}: {}", other.backend.as_str(), other.why))
        .collect();
    json!({
        "backend": firewall.backend.as_str(),
        "state": firewall.trouble.as_ref().map_or("works", |trouble| &trouble.message),
        "others": others,
    })
}

/// The same for people: a line a fact.
fn sentences(data: &Value) -> String {
    let mut out = String::new();
    let Some(facts) = data.as_object() else { return out };
    for (name, value) in facts {
        match value {
            Value::Object(parts) => {
                for (part, value) in parts {
                    let _ = writeln!(out, "{:<26} {}", format!("{name}.{part}"), plain(value));
                }
            }
            value => {
                let _ = writeln!(out, "{name:<26} {}", plain(value));
            }
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Null => "-".to_owned(),
        value => value.to_string(),
    }
}

/// A word as a shell takes it.
#[must_use]
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-:/@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!(counted(1, "entry"), "1 entry");
        assert_eq!(counted(0, "entry"), "0 entries");
        assert_eq!(counted(2, "line"), "2 lines");
    }

    #[test]
    fn a_shell_takes_one_word() {
        assert_eq!(quoted("192.0.2.7"), "192.0.2.7");
        assert_eq!(quoted("a'b; c"), r"'a'\''b; c'");
        assert_eq!(quoted(""), "''");
    }
}
