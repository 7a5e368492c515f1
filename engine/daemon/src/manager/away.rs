//! What was handed over can only be undone where it was done: how.

use riposte_ledger::Entry;
use riposte_ledger::entry::State;
use riposte_policy::config::Command;
use riposte_policy::diagnostic::{inline, shown};
use riposte_policy::{Address, UserName};
use riposte_transport::wazuh::message::Message;
use serde_json::json;

use crate::show::quoted;

/// Whether an entry was handed over and its time, if it has one, is not up.
#[must_use]
pub fn stands(entry: &Entry, now_ms: i64) -> bool {
    entry.state == State::HandedOver
        && entry.timeout_ms.is_none_or(|timeout| entry.since_ms.saturating_add(timeout) > now_ms)
}

/// Whether its command can undo at all: one that allows no timeout cannot.
#[must_use]
pub fn undoes(entry: &Entry) -> bool {
    entry.timeout_ms.is_some()
        || Command::from_stored(&entry.definition).is_ok_and(|command| command.timeout_allowed == Some(true))
}

/// What to run on the agent to undo an entry that was handed to it. Only an
/// address or a user's name becomes part of a line to be run: any other key is
/// text that somebody else wrote.
#[must_use]
pub fn advice(entry: &Entry) -> String {
    let (agent, id) = (&entry.agent, entry.id);
    let target = entry.keys.first().map_or("", String::as_str);
    let said = format!("entry {id} was handed over to agent {agent}, and can only be undone there.");
    let command = Command::from_stored(&entry.definition).ok();
    let (program, arguments) = match &command {
        Some(command) => (&*command.executable, &*command.extra_args),
        None => (&*entry.command, &[][..]),
    };
    let program = format!("/var/ossec/active-response/bin/{}", quoted(&plain(program)));
    let alert = if target.parse::<Address>().is_ok() {
        json!({"data": {"srcip": target}})
    } else if target.is_ascii() && target.parse::<UserName>().is_ok() {
        json!({"data": {"dstuser": target}})
    } else {
        let key = if target.is_empty() { String::new() } else { format!(" (its key is {})", shown(target)) };
        return format!(
            "{said} On that machine, where it runs Riposte, riposte list shows its number{key}\n\
             else: give {program} the message with this alert and the command delete"
        );
    };
    let line = Message { node: "", command: "delete", extra_args: arguments, alert: &alert.to_string() };
    let (target, line) = (quoted(target), quoted(&plain(&line.delete())));
    format!(
        "{said} On that machine, where it runs Riposte: riposte undo {target}\nelse: echo {line} | {program}"
    )
}

/// What is to be done elsewhere after everything was undone here.
#[must_use]
pub fn summary(entries: &[Entry]) -> String {
    const NAMED: usize = 10;
    let mut agents: Vec<_> = entries.iter().map(|entry| entry.agent.as_str()).collect();
    agents.sort_unstable();
    agents.dedup();
    let more = if agents.len() > NAMED { ", …" } else { "" };
    agents.truncate(NAMED);
    format!(
        "handed over to agents, where they still stand: {} ({}{more}); riposte list --all shows them, and \
         riposte undo ENTRY says what to run there",
        entries.len(),
        agents.join(", ")
    )
}

/// The text without what a terminal takes for its own.
fn plain(text: &str) -> String {
    inline(text)
}
