//! What the last engine did not live to write: it was killed behind the commit
//! that put an entry in force, or closed it, and before the line of the audit.

use riposte_ledger::audit::Event;
use riposte_ledger::audit::tail::Tail;
use riposte_ledger::{Entry, Ledger, State};

use super::words::of_entry;
use super::{Report, time};
use crate::outcome::Outcome;
use crate::places::Places;

impl Report {
    /// Writes the lines that are missing at the end of the audit, by what the
    /// ledger says. To be called before anything else is written.
    pub fn add_left_out(&self, places: &Places) {
        let read = Tail::read(&places.audit()).map_err(|error| error.to_string()).and_then(|tail| {
            let entries = Ledger::read_from(&places.ledger(), tail.from, &tail.ending());
            entries.map(|entries| (tail, entries)).map_err(|error| error.to_string())
        });
        let (tail, entries) = match read {
            Ok(read) => read,
            Err(error) => return tracing::warn!(error, "what the audit may lack cannot be found out"),
        };
        let mut added = 0_usize;
        for entry in entries.iter().filter(|entry| !is_told(&tail, entry)) {
            let Some((kind, words)) = reached(entry) else { continue };
            let detail =
                format!("{words}; the engine ended before it could write this, and the ledger tells it");
            self.entry_event(Event { detail: Some(detail), ..of_entry(kind, entry) }, entry);
            added += 1;
        }
        if added > 0 {
            tracing::warn!(added, "the audit lacked what the last engine did at its end; it was added");
        }
    }
}

/// Whether the audit says what became of an entry, or that nobody knows.
fn is_told(tail: &Tail, entry: &Entry) -> bool {
    let told = |kind| tail.tells(entry.id.0, kind);
    reached(entry).is_none_or(|(kind, _)| told(kind)) || told("unknown")
}

/// What an entry has come to, as the audit calls it, and in words; `None`: what
/// failed or was not done is told in too many ways to look for it.
fn reached(entry: &Entry) -> Option<(&'static str, String)> {
    let id = entry.id;
    let closed = entry.closed_ms.map(time).unwrap_or_default();
    match entry.state {
        State::InForce => {
            let outcome = Outcome::InForce { id, until_ms: entry.due_ms };
            Some((outcome.word(), outcome.to_string()))
        }
        State::Done => Some((Outcome::Done(id).word(), format!("done at {closed}"))),
        State::Closed => Some(("undone", format!("undone at {closed}"))),
        State::Shadow => Some(("shadow", format!("shadow, at {closed}"))),
        State::HandedOver => Some(("handed-over", format!("handed over to agent {}", entry.agent))),
        State::Intended | State::Undoing | State::Failed | State::Unknown | State::Merged => None,
    }
}
