//! What was handed over can only be undone where it was done: how.

use riposte_ledger::Entry;
use riposte_ledger::entry::State;
use riposte_policy::config::Command;
use riposte_policy::{Address, UserName};
use riposte_transport::wazuh::message::Message;
use serde_json::json;

/// Whether an entry was handed over and its time, if it has one, is not up.
#[must_use]
pub fn stands(entry: &Entry, now_ms: i64) -> bool {
    entry.state == State::HandedOver
        && entry.timeout_ms.is_none_or(|timeout| entry.since_ms.saturating_add(timeout) > now_ms)
}

/// What to run on the agent to undo an entry that was handed to it.
#[must_use]
pub fn advice(entry: &Entry) -> String {
    let (agent, id) = (&entry.agent, entry.id);
    let target = entry.keys.first().map_or("", String::as_str);
    let mut said =
        format!("entry {id} was handed over to agent {agent}, and can only be undone there. On that machine");
    if !target.is_empty() {
        said.push_str(&format!(", where it runs Riposte: riposte undo {}\nelse", quoted(target)));
    }
    let program = Command::from_stored(&entry.definition).map(|command| command.executable);
    let program = program.unwrap_or_else(|_| entry.command.clone());
    let alert = if target.parse::<Address>().is_ok() {
        json!({"data": {"srcip": target}})
    } else if target.parse::<UserName>().is_ok() {
        json!({"data": {"dstuser": target}})
    } else {
        json!({"data": {}})
    };
    let line = Message { node: "", command: "delete", extra_args: &[], alert: &alert.to_string() }.delete();
    said.push_str(&format!(": echo {} | /var/ossec/active-response/bin/{}", quoted(&line), quoted(&program)));
    said
}

/// A word as a shell takes it.
fn quoted(text: &str) -> String {
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
    fn a_shell_takes_one_word() {
        assert_eq!(quoted("192.0.2.7"), "192.0.2.7");
        assert_eq!(quoted("a'b; c"), r"'a'\''b; c'");
        assert_eq!(quoted(""), "''");
    }
}
