//! From the name of a command to its definition, or to what is wrong with it.

use std::collections::HashMap;
use std::sync::Arc;

use super::command::Defined;
use super::findings::{Findings, Spot};
use super::response::Draft;
use super::suggest::{did_you_mean, is_typographic_hyphen};
use super::xml::printable;
use super::{Command, Role};
use crate::diagnostic::shown;

/// The commands that responses may name.
pub(super) struct Names<'c> {
    pub(super) role: Role,
    pub(super) defined: &'c HashMap<Arc<str>, Defined>,
    /// In the order of their definition.
    pub(super) order: &'c [(Arc<str>, Defined)],
    /// Those defined inside a response, where they count for nothing.
    pub(super) nested: &'c HashMap<String, Spot>,
}

impl Names<'_> {
    /// The command that a response names, or what is wrong with that.
    pub(super) fn command(&self, draft: &Draft, findings: &mut Findings<'_>) -> Option<Arc<Command>> {
        let name = &draft.command;
        match self.defined.get(name) {
            Some(Defined::Usable(command, spot)) => {
                if self.role == Role::Manager && *spot > draft.command_spot {
                    let message = format!("the command {} is defined after this response", shown(name));
                    let help = "move it before: Wazuh reads the file once, and refuses it.";
                    findings.warning(draft.command_spot, "command-order", message, help);
                    says(name, findings);
                }
                return Some(Arc::clone(command));
            }
            Some(Defined::Unusable(spot)) => {
                let message = format!("the command {} has errors, so this response is not used", shown(name));
                let place = findings.place(*spot);
                findings.error(draft.command_spot, "command-unusable", message, format!("see {place}."));
                return None;
            }
            None => {}
        }
        let message = format!("no command is named {}", shown(name));
        let help = if findings.are_many(draft.command_spot) {
            // Looking for a near name among all commands is work.
            String::new()
        } else if let Some(spot) = self.nested.get(&**name) {
            format!("it is defined inside a response, at {}: move it out.", findings.place(*spot))
        } else {
            let known = self.order.iter().map(|(name, _)| &**name);
            let meant = did_you_mean(name, known, || {
                format!(
                    "define it: <command><name>{}</name><executable>…</executable></command>.",
                    printable(name)
                )
            });
            match name.chars().find(|c| is_typographic_hyphen(*c)) {
                Some(c) => format!("{meant} This name holds a typographic hyphen (U+{:04X}).", u32::from(c)),
                None => meant,
            }
        };
        findings.error(draft.command_spot, "command-undefined", message, help);
        says(name, findings);
        None
    }
}

/// What Wazuh logs for a command that it does not know.
fn says(name: &str, findings: &mut Findings<'_>) {
    let name = printable(name);
    findings.says(format!("(1303): Invalid command '{name}' in the active response."));
}
