use super::*;
use crate::audit::chain::Hash;

/// What an object of the schema must have, as OCSF 1.6.0 (1 August 2025) has it:
/// `events/remediation/remediation_activity.json`, `events/base_event.json`
/// with `includes/classification.json` and `includes/occurrence.json`, and
/// `objects/{metadata,product,observable,d3fend,d3f_technique}.json` of
/// github.com/ocsf/ocsf-schema. An inner list is a constraint `at_least_one`.
const REQUIRED: &[(&str, &[&[&str]])] = &[
    (
        "",
        &[
            &["activity_id"],
            &["category_uid"],
            &["class_uid"],
            &["command_uid"],
            &["metadata"],
            &["severity_id"],
            &["time"],
            &["type_uid"],
        ],
    ),
    ("/metadata", &[&["product"], &["version"]]),
    ("/metadata/product", &[&["name", "uid"]]),
    ("/observables/0", &[&["type_id"]]),
    ("/countermeasures/0", &[&["d3f_tactic", "d3f_technique"]]),
    ("/countermeasures/0/d3f_technique", &[&["name", "uid"]]),
];

/// What the enumerations of the class allow.
const ACTIVITIES: [u64; 7] = [0, 1, 2, 3, 4, 5, 99];
const STATUSES: [u64; 8] = [0, 1, 2, 3, 4, 5, 6, 99];

fn head() -> Head {
    Head { count: 7, hash: Hash::of(b"x") }
}

fn event(kind: &str, interfaces: &[&str]) -> Event {
    Event {
        kind: kind.to_owned(),
        entry: Some(3),
        command: Some("firewall-drop".into()),
        keys: vec!["192.0.2.7".into()],
        alert_id: Some("1.2".into()),
        rule_id: Some("5712".into()),
        interfaces: interfaces.iter().map(|name| (*name).to_owned()).collect(),
        detail: Some("in force".into()),
        ..Event::default()
    }
}

#[test]
fn every_step_has_the_required_fields() {
    for (kind, undoes, ..) in STEPS {
        for (interface, _, _, back) in COUNTERMEASURES {
            let event = remediation(1_767_268_800_000, head(), &event(kind, &[interface])).unwrap();
            for (object, fields) in REQUIRED {
                let Some(value) = event.pointer(object) else {
                    assert!(
                        object.starts_with("/countermeasures") && undoes && back.is_none(),
                        "{kind} {object}"
                    );
                    continue;
                };
                for any in *fields {
                    assert!(
                        any.iter().any(|field| value.get(field).is_some()),
                        "{kind} {interface}: {object} {any:?}"
                    );
                }
            }
            let number = |pointer: &str| event.pointer(pointer).and_then(Value::as_u64).unwrap();
            assert_eq!((number("/category_uid"), number("/class_uid")), (7, 7001));
            assert_eq!(number("/type_uid"), 700_100 + number("/activity_id"));
            assert!(ACTIVITIES.contains(&number("/activity_id")) && STATUSES.contains(&number("/status_id")));
            assert_eq!(number("/time"), 1_767_268_800_000);
            assert_eq!(event["metadata"]["version"], "1.6.0");
            assert_eq!(event["command_uid"], "entry:3");
            assert_eq!(event["metadata"]["correlation_uid"], "1.2");
        }
    }
}

#[test]
fn a_block_isolates_and_its_end_restores() {
    let made = remediation(0, head(), &event("in-force", &["firewall"])).unwrap();
    assert_eq!((&made["activity_name"], &made["status"]), (&json!("Isolate"), &json!("Success")));
    assert_eq!(made["countermeasures"][0]["d3f_technique"]["uid"], "D3-NTF");
    assert_eq!(
        made["observables"][0],
        json!({"name": "target.ip", "type_id": 2, "type": "IP Address", "value": "192.0.2.7"})
    );
    let undone = remediation(0, head(), &event("undone", &["firewall"])).unwrap();
    assert_eq!(undone["activity_name"], "Restore");
    assert_eq!(undone["countermeasures"][0]["d3f_technique"]["uid"], "D3-RNA");
}

#[test]
fn what_is_no_step_is_no_event() {
    for kind in ["pause", "audit-gap", "undoing", "reload", ""] {
        assert_eq!(remediation(0, head(), &event(kind, &["firewall"])), None, "{kind}");
    }
}

#[test]
fn a_program_of_which_nothing_is_known_has_no_countermeasure() {
    let made = remediation(0, head(), &event("done", &[])).unwrap();
    assert_eq!(made["activity_id"], 99);
    assert_eq!(made.get("countermeasures"), None);
}
