//! What `wazuh-execd` says in its own log, where the engine stands in for it
//! (`os_execd/execd.c`).

use riposte_ledger::{Cause, Entry};
use riposte_policy::Order;
use riposte_policy::config::Command;
use riposte_runtime::native::{Added, Message, Said, Verb};
use riposte_transport::wazuh::ar_conf::PROGRAMS;
use riposte_transport::wazuh::ossec_log::{Line, text};

use super::Report;
use crate::outcome::Outcome;

impl Report {
    /// A line of `wazuh-execd`.
    pub fn wazuh(&self, line: &Line) {
        let Some(log) = &self.ossec else { return };
        if let Err(unwritable) = log.write(self.clock.now().wall_ms, line) {
            tracing::error!("{unwritable}");
        }
    }

    /// Whether `wazuh-execd` would say more than what went wrong.
    #[must_use]
    pub fn is_wordy(&self) -> bool {
        self.ossec.as_ref().is_some_and(riposte_transport::wazuh::ossec_log::OssecLog::debugs)
    }

    /// A program begins.
    pub fn executing(&self, message: &str, program: &str) {
        if let Some(add) = self.worded(message, program, Verb::Add) {
            self.wazuh(&text::executing_command(&path(program), &add));
        }
    }

    /// What an order came to, and its entry as it is now.
    pub fn listed(&self, order: &Order, outcome: &Outcome, entry: &Entry) {
        let Some(seconds) = entry.timeout_ms.and_then(|ms| u64::try_from(ms / 1000).ok()) else { return };
        if entry.offence > 1 && !order.offenders.is_empty() {
            self.wazuh(&text::repeated(seconds));
        }
        let program = order.command.executable.as_str();
        let message = order.message.as_deref().unwrap_or_default();
        match outcome {
            Outcome::Already { .. } => self.wazuh(&text::already()),
            Outcome::InForce { .. } => {
                if let Some(add) = self.worded(message, program, Verb::Add) {
                    self.wazuh(&text::adding(&path(program), &add, seconds));
                }
            }
            _ => {}
        }
    }

    /// A program ended without a word, and nothing is kept of it.
    pub(super) fn unspoken(&self, order: &Order, added: &Added) {
        let kept = order.timeout.is_some() && !added.refused_its_input();
        if added.said == Said::Nothing && !kept {
            self.wazuh(&text::no_keys(&path(&order.command.executable)));
        }
    }

    /// The time of an entry is up.
    pub(super) fn executing_after(&self, entry: &Entry, cause: &Cause) {
        if *cause != Cause::Due || !self.is_wordy() {
            return;
        }
        let Ok(command) = Command::from_stored(&entry.definition) else { return };
        let (program, message) = (&command.executable, entry.message.as_deref().unwrap_or_default());
        let seconds = entry.timeout_ms.and_then(|ms| u64::try_from(ms / 1000).ok()).unwrap_or(0);
        if let Some(delete) = self.worded(message, program, Verb::Delete) {
            self.wazuh(&text::executing_after(&path(program), &delete, seconds));
        }
    }

    /// A manager's message as the program gets it, when anybody is to read it.
    fn worded(&self, message: &str, program: &str, verb: Verb) -> Option<String> {
        if !self.is_wordy() {
            return None;
        }
        let message = Message::forwarded(message, program).ok()?;
        Some(message.line(verb).trim_end().to_owned())
    }
}

fn path(program: &str) -> String {
    format!("{PROGRAMS}/{program}")
}
