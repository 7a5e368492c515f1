//! The same steps in the words of OCSF: class Remediation Activity (7001) of
//! the Open Cybersecurity Schema Framework, version 1.6.0 of 1 August 2025.
//!
//! One event for each step that changed the host, or was to: not for acts of
//! an operator and not for the engine's own affairs, which are no remediations.
//! Countermeasures are techniques of MITRE D3FEND, by the interfaces that the
//! command may change the host by.

mod file;

use serde_json::{Map, Value, json};

use super::chain::Head;
use super::event::Event;

pub(super) use self::file::Writer;

/// The version of the schema.
pub const VERSION: &str = "1.6.0";

/// Category Remediation.
const CATEGORY: u64 = 7;
/// Class Remediation Activity.
const CLASS: u64 = 7001;

/// A tactic of D3FEND that is an activity of the class.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Activity {
    Isolate,
    Evict,
    Restore,
    Other,
}

impl Activity {
    fn id(self) -> u64 {
        match self {
            Self::Isolate => 1,
            Self::Evict => 2,
            Self::Restore => 3,
            Self::Other => 99,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Isolate => "Isolate",
            Self::Evict => "Evict",
            Self::Restore => "Restore",
            Self::Other => "Other",
        }
    }
}

/// A technique of D3FEND: its identifier and name.
type Technique = (&'static str, &'static str);

/// What each interface does to an adversary, and what undoes it.
const COUNTERMEASURES: [(&str, Activity, Technique, Option<Technique>); 7] = {
    const FILTER: Technique = ("D3-NTF", "Network Traffic Filtering");
    const REOPEN: Option<Technique> = Some(("D3-RNA", "Restore Network Access"));
    [
        ("firewall", Activity::Isolate, FILTER, REOPEN),
        ("routes", Activity::Isolate, FILTER, REOPEN),
        ("lines", Activity::Isolate, ("D3-ITF", "Inbound Traffic Filtering"), REOPEN),
        ("isolation", Activity::Isolate, ("D3-NI", "Network Isolation"), REOPEN),
        ("accounts", Activity::Evict, ("D3-AL", "Account Locking"), Some(("D3-ULA", "Unlock Account"))),
        ("quarantine", Activity::Evict, ("D3-FEV", "File Eviction"), Some(("D3-RF", "Restore File"))),
        ("processes", Activity::Evict, ("D3-PT", "Process Termination"), None),
    ]
};

/// Which step a kind of event is: whether it undoes, and the status (`status_id`,
/// `status`) that it came to.
const STEPS: [(&str, bool, u64, &str); 13] = [
    ("in-force", false, 1, "Success"),
    ("done", false, 1, "Success"),
    ("handed-over", false, 99, "Handed Over"),
    ("shadow", false, 99, "Shadow"),
    ("refused", false, 2, "Failure"),
    ("unsupported", false, 5, "Unsupported"),
    ("no-key", false, 3, "Does Not Exist"),
    ("failed", false, 6, "Error"),
    ("unknown", false, 0, "Unknown"),
    ("unconfirmed", false, 6, "Error"),
    ("undone", true, 1, "Success"),
    ("reversed-by-engine", true, 1, "Success"),
    ("undo-failed", true, 6, "Error"),
];

/// The event in the words of OCSF; `None` when it is no step of a remediation.
#[must_use]
pub fn remediation(time_ms: i64, head: Head, event: &Event) -> Option<Value> {
    let (_, undoes, status_id, status) = STEPS.into_iter().find(|(kind, ..)| *kind == event.kind)?;
    let known: Vec<_> = COUNTERMEASURES
        .into_iter()
        .filter(|(name, ..)| event.interfaces.iter().any(|interface| interface == name))
        .collect();
    let activity = match known.first() {
        _ if undoes => Activity::Restore,
        Some((_, activity, ..)) => *activity,
        None => Activity::Other,
    };
    // What runs no component of ours may do anything.
    let activity_name = if activity == Activity::Other { "Program" } else { activity.name() };
    let countermeasures: Vec<Value> = known
        .iter()
        .filter_map(|(_, does, technique, back)| {
            let (tactic, technique) =
                if undoes { (Activity::Restore, (*back)?) } else { (*does, *technique) };
            Some(json!({
                "d3f_tactic": {"name": tactic.name()},
                "d3f_technique": {"uid": technique.0, "name": technique.1},
            }))
        })
        .collect();
    let mut out = json!({
        "activity_id": activity.id(),
        "activity_name": activity_name,
        "category_uid": CATEGORY,
        "category_name": "Remediation",
        "class_uid": CLASS,
        "class_name": "Remediation Activity",
        "type_uid": CLASS * 100 + activity.id(),
        "type_name": format!("Remediation Activity: {activity_name}"),
        "time": time_ms,
        "severity_id": 1,
        "severity": "Informational",
        "status_id": status_id,
        "status": status,
        "status_code": event.kind,
        "command_uid": command_uid(event),
        "metadata": metadata(head, event),
        "observables": event.keys.iter().map(|key| observable(key)).collect::<Vec<_>>(),
        "unmapped": unmapped(event),
    });
    if let Some(fields) = out.as_object_mut() {
        if !countermeasures.is_empty() {
            fields.insert("countermeasures".into(), Value::Array(countermeasures));
        }
        if event.count > 1 {
            fields.insert("count".into(), json!(event.count));
        }
        if let Some(detail) = &event.detail {
            fields.insert("status_detail".into(), json!(detail));
        }
        let command = event.command.as_deref().unwrap_or_default();
        fields.insert(
            "message".into(),
            json!(format!("{command}: {} {}", event.kind, event.keys.join(", ")).trim()),
        );
    }
    Some(out)
}

/// What all steps of one response have in common: its entry; before there is
/// one, the alert that asked for it.
fn command_uid(event: &Event) -> String {
    match event.entry {
        Some(entry) => format!("entry:{entry}"),
        None => {
            let alert = event.alert_id.as_deref().unwrap_or("-");
            format!("alert:{alert}:{}", event.command.as_deref().unwrap_or("-"))
        }
    }
}

fn metadata(head: Head, event: &Event) -> Value {
    let mut metadata = json!({
        "version": VERSION,
        "product": {"name": "Riposte", "vendor_name": "Riposte", "version": env!("CARGO_PKG_VERSION")},
        "log_name": "audit.jsonl",
        "sequence": head.count,
        "uid": head.hash.to_string(),
    });
    if let Some(fields) = metadata.as_object_mut() {
        if let Some(alert) = event.alert_id.as_ref().filter(|id| !id.is_empty()) {
            fields.insert("correlation_uid".into(), json!(alert));
        }
        if let Some(tenant) = &event.tenant {
            fields.insert("tenant_uid".into(), json!(tenant));
        }
    }
    metadata
}

/// What the schema has no field for in this class: what led to the step.
fn unmapped(event: &Event) -> Value {
    let mut fields = Map::new();
    let texts = [
        ("command", &event.command),
        ("response", &event.response),
        ("agent_id", &event.agent),
        ("alert_id", &event.alert_id),
        ("rule_id", &event.rule_id),
        ("actor", &event.actor),
        ("reason", &event.reason),
        ("definition_sha256", &event.definition),
        ("component_sha256", &event.digest),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            fields.insert(name.to_owned(), json!(value));
        }
    }
    Value::Object(fields)
}

/// A target by what it looks like: an address, a network, a file, or a name.
fn observable(key: &str) -> Value {
    let (type_id, kind, name) = if key.parse::<std::net::IpAddr>().is_ok() {
        (2, "IP Address", "target.ip")
    } else if key.parse::<riposte_policy::Prefix>().is_ok() {
        (12, "Subnet", "target.subnet")
    } else if key.starts_with('/') {
        (99, "File Path", "target.path")
    } else {
        (99, "Target", "target.name")
    };
    json!({"name": name, "type_id": type_id, "type": kind, "value": key})
}

#[cfg(test)]
mod tests;
