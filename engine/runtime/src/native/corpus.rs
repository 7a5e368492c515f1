//! Recorded exchanges and alerts, where there are some: `RIPOSTE_CORPUS` names
//! the folder. What they taught stands as fixtures in the other tests.

#![expect(clippy::disallowed_methods, reason = "the test reads what its environment names")]

use std::path::PathBuf;

use riposte_policy::config::Protocol;
use serde_json::Value;

use super::fixture::{command, order};
use super::*;

fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("RIPOSTE_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: set RIPOSTE_CORPUS");
    }
    folder
}

#[test]
fn every_recorded_line_to_a_program_is_what_we_would_say() {
    let Some(folder) = corpus() else { return };
    let vectors = std::fs::read_to_string(folder.join("wazuh/vectors.jsonl")).unwrap();
    let mut compared = 0;
    for vector in vectors.lines() {
        let vector: Value = serde_json::from_str(vector).unwrap();
        // The message that came in, and the first that did: a delete is its.
        let (mut last, mut first): (Option<&str>, Option<&str>) = (None, None);
        for step in vector["steps"].as_array().unwrap() {
            let step = step.as_str().unwrap();
            let Some(at) = step.find('{') else { continue };
            let (mark, json) = step.split_at(at);
            let mark = mark.split_whitespace().last().unwrap_or_default();
            if mark == "in" {
                last = Some(json);
                first = first.or(last);
            } else if mark == ">"
                && let Some(sent) = cjson::object(json)
            {
                let printed = cjson::printed(&sent.unwrap());
                let verb = [Verb::Add, Verb::Continue, Verb::Abort, Verb::Delete]
                    .into_iter()
                    .find(|verb| printed.contains(&format!("\"command\":\"{}\"", verb.as_str())))
                    .unwrap();
                let wire = if verb == Verb::Delete { first } else { last }.unwrap();
                let name = printed.split_once("active-response/bin/");
                let name = name.map_or("", |(_, rest)| rest.split('"').next().unwrap());
                let ours = Message::forwarded(wire, name).unwrap().line(verb);
                assert!(json.starts_with(ours.trim_end()), "{}: {json}\n{ours}", vector["id"]);
                compared += 1;
            }
        }
    }
    assert!(compared > 20, "{compared} lines were compared");
}

#[test]
fn every_recorded_message_is_passed_on_as_one_line() {
    let Some(folder) = corpus() else { return };
    let messages = std::fs::read_to_string(folder.join("wazuh/execq.jsonl")).unwrap();
    for wire in messages.lines() {
        let line = Message::forwarded(wire, "x").unwrap().line(Verb::Add);
        assert!(line.ends_with('\n') && line.matches('\n').count() == 1);
        let parsed: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(parsed["command"], "add");
    }
}

#[test]
fn every_recorded_alert_can_be_told_in_every_protocol() {
    let Some(folder) = corpus() else { return };
    let mut told = 0;
    for file in std::fs::read_dir(folder.join("alerts")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap_or_default();
        for alert in text.lines().filter(|line| line.starts_with('{')) {
            let Ok(parsed) = serde_json::from_str::<Value>(alert) else { continue };
            for protocol in [Protocol::Json, Protocol::Both, Protocol::Argv, Protocol::Five] {
                let mut command = command(&[]);
                command.protocol = Some(protocol);
                command.keys.clear();
                let message = Message::new(&order(command, alert), "x");
                let line = message.line(Verb::Add);
                assert_eq!(line.matches('\n').count(), 1);
                let said: Value = serde_json::from_str(&line).unwrap();
                if protocol != Protocol::Five {
                    assert_eq!(said["parameters"]["alert"], parsed);
                }
                assert!(message.arguments(Verb::Add).iter().all(|argument| !argument.is_empty()));
            }
            told += 1;
        }
    }
    assert!(told > 100, "{told} alerts were told");
}
