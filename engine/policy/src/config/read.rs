//! From files to a [`Config`]: sections, then what they say about each other.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::command::{Commands, Defined};
use super::findings::{Findings, Spot};
use super::names::Names;
use super::packages::Trusted;
use super::response::{self, Block, Draft, Plan};
use super::settings::Given;
use super::suggest::nearest;
use super::triggers::{Fires, Reader};
use super::white_list::Listed;
use super::xml::{self, Element, ROOTS, printable};
use super::{Command, Config, Response, Role, Settings, Source};
use crate::diagnostic::shown;

/// Largest file in bytes.
const LARGEST: usize = 16 << 20;

/// The sections that are read.
const SECTIONS: [&str; 2] = ["command", "active-response"];

/// What was read so far.
#[derive(Default)]
struct Reading {
    commands: Commands,
    responses: Vec<Draft>,
    /// The list of the agent's own block, for responses without one.
    offenders: Option<Arc<[Duration]>>,
    /// Where an agent's own block switches active response on or off.
    disabled: Option<(bool, Spot)>,
    white_list: Listed,
    trusted: Trusted,
    /// The first response where responses count for nothing.
    foreign: Option<Spot>,
    /// Commands defined inside a response, where they count for nothing.
    nested: HashMap<String, Spot>,
    /// What the role does, and what the files say about that.
    settings: Given,
    role: Role,
}

/// Reads the files, in order, as one configuration.
pub(super) fn read(sources: &[Source<'_>], role: Role) -> Config {
    let mut findings = Findings::default();
    let mut reading = Reading { settings: Given::new(Settings::of(role)), role, ..Reading::default() };
    for source in sources {
        if let Some((file, text)) = open(source, &mut findings) {
            for root in xml::read(file, &text, &mut findings) {
                reading.root(&root, &mut findings);
            }
        }
    }
    reading.finish(findings)
}

/// The text of a file; `None` after a finding that says why it is not read.
fn open<'a>(source: &Source<'a>, findings: &mut Findings<'a>) -> Option<(usize, Cow<'a, str>)> {
    let refuse = |findings: &mut Findings<'a>, code, message: String, help: &str| {
        let file = findings.add(source.file, Cow::Borrowed(""));
        findings.error(Spot { file, line: 1, column: 1 }, code, message, help);
        None
    };
    let bytes = source.bytes;
    if bytes.len() > LARGEST {
        let message = format!("the file has {} bytes, more than {LARGEST}", bytes.len());
        return refuse(findings, "xml-too-large", message, "split it. Nothing of it is used.");
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let message = "the file is UTF-16".to_owned();
        return refuse(findings, "xml-encoding", message, "save it as UTF-8. Nothing of it is used.");
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes);
    let file = findings.add(source.file, text.clone());
    if let Err(error) = std::str::from_utf8(bytes) {
        let spot = super::findings::Cursor::new(file, &text).advance(error.valid_up_to());
        let message = "this byte is not UTF-8: it and all others like it are read as U+FFFD";
        findings.warning(spot, "xml-encoding", message, "save the file as UTF-8.");
    }
    Some((file, text))
}

impl Reading {
    /// A root holds sections; anything else, in a fragment, is one.
    fn root(&mut self, root: &Element, findings: &mut Findings<'_>) {
        if !ROOTS.contains(&root.name.as_str()) {
            let holds_responses = root.children.iter().any(|child| child.name == "active-response");
            match nearest(&root.name, ROOTS) {
                None if holds_responses => {
                    let message =
                        format!("<{}> is no root, so what it holds is not read", printable(&root.name));
                    findings.error(root.spot, "root-unknown", message, "write <ossec_config>.");
                }
                Some(meant) => {
                    let message =
                        format!("<{}> is no root, so what it holds is not read", printable(&root.name));
                    findings.error(root.spot, "root-unknown", message, format!("did you mean <{meant}>?"));
                }
                None if root.closed => self.section(root, findings),
                None => {}
            }
            return;
        }
        let sections = || root.children.iter().filter(|section| SECTIONS.contains(&section.name.as_str()));
        if let (Some(attribute), Some(_)) = (root.attributes.first(), sections().next()) {
            let message = format!(
                "the attribute {} narrows nothing: these blocks count everywhere",
                printable(&attribute.name)
            );
            findings.note(attribute.spot, "root-attribute", message, "");
        }
        if !root.value().is_empty() {
            let message = format!(
                "this text stands in <{}> outside of its sections: {}",
                root.name,
                shown(root.value())
            );
            findings.warning(root.text_spot(), "text-stray", message, "a tag may have lost its < or >.");
        }
        for section in &root.children {
            self.section(section, findings);
        }
    }

    fn section(&mut self, section: &Element, findings: &mut Findings<'_>) {
        match section.name.as_str() {
            "command" => self.commands.read(section, findings),
            "active-response" => {
                self.note_nested(section);
                match response::read(section, self.role, &mut self.trusted, findings) {
                    Block::Response(draft) => self.responses.push(*draft),
                    Block::Foreign { spot, offenders } => {
                        self.foreign = self.foreign.or(Some(spot));
                        self.offenders = self.offenders.take().or(offenders);
                    }
                    Block::Agent { disabled, offenders } => {
                        // Wazuh's execd asks the first block that has it. Where
                        // nothing is stood in for, no block may be overheard.
                        if self.role == Role::Execd || matches!(disabled, Some((true, _))) {
                            self.disabled = self.disabled.or(disabled);
                        }
                        // The first list wins, as in Wazuh.
                        self.offenders = self.offenders.take().or(offenders);
                    }
                    Block::Neither => {}
                }
            }
            "global" => self.white_list.read(section, findings),
            "riposte" => self.settings.read(section, findings),
            "client" => self.settings.client(section),
            name => {
                if let Some(meant) = nearest(name, SECTIONS) {
                    let message = format!("there is no section <{}>: it is not read", printable(name));
                    findings.error(
                        section.spot,
                        "section-unknown",
                        message,
                        format!("did you mean <{meant}>?"),
                    );
                }
            }
        }
    }

    fn note_nested(&mut self, block: &Element) {
        for command in block.children.iter().filter(|child| child.name == "command") {
            if let Some(name) = command.children.iter().find(|child| child.name == "name") {
                self.nested.entry(name.value().to_owned()).or_insert(command.spot);
            }
        }
    }

    fn finish(self, mut findings: Findings<'_>) -> Config {
        let commands = self.commands.finish(self.role, &mut findings);
        self.trusted.finish(&mut findings);
        let (matching, settled) = self.settings.matching();
        let reader = Reader { role: self.role, matching, settled };
        let defined: HashMap<Arc<str>, Defined> = commands.iter().cloned().collect();
        let names = Names { role: self.role, defined: &defined, order: &commands, nested: &self.nested };
        let mut numbers: HashMap<Arc<str>, u32> = HashMap::new();
        let mut responses = Vec::new();
        let (mut switched_off, offenders) = (0_usize, self.offenders);
        let disabled = self.disabled.and_then(|(disabled, spot)| disabled.then_some(spot));
        for draft in self.responses {
            let number = numbers.entry(Arc::clone(&draft.command)).or_default();
            *number += 1;
            let number = *number;
            if draft.off {
                continue;
            }
            let fires = draft.triggers.fires(reader, draft.plan.is_some(), &mut findings);
            let Some(command) = names.command(&draft, &mut findings) else { continue };
            let Draft { spot, plan: Some(plan), .. } = draft else { continue };
            let number = (number, spot);
            let Some(response) =
                response(number, plan, fires, reader, &command, offenders.as_ref(), &mut findings)
            else {
                continue;
            };
            if disabled.is_some() {
                switched_off += 1;
            } else {
                responses.push(Arc::new(response));
            }
        }
        if let Some(spot) = self.foreign {
            let message = "responses fire nothing here: execd runs what a manager sends";
            findings.note(spot, "responses-unused", message, "");
        }
        if let Some(spot) = disabled {
            let message = "active response is switched off here";
            match switched_off {
                0 => findings.note(spot, "active-response-disabled", message, ""),
                _ => {
                    let message = format!("{message}: {switched_off} responses are not used");
                    findings.warning(
                        spot,
                        "active-response-disabled",
                        message,
                        "write <disabled>no</disabled> to use them.",
                    );
                }
            }
        }
        let commands = commands.into_iter().filter_map(|(_, defined)| match defined {
            Defined::Usable(command, _) => Some(command),
            Defined::Unusable(_) => None,
        });
        let (white_list, white_list_hosts) = self.white_list.finish();
        Config {
            commands: commands.collect(),
            responses,
            disabled: disabled.is_some(),
            offenders: offenders.unwrap_or_default(),
            white_list,
            white_list_hosts,
            ca_stores: self.trusted.stores,
            ca_verification: self.trusted.verification,
            settings: self.settings.finish(),
            diagnostics: findings.into_diagnostics(),
        }
    }
}

/// The response, now that its command is known.
fn response(
    (number, spot): (u32, Spot),
    plan: Plan,
    fires: Fires,
    reader: Reader,
    command: &Command,
    usual: Option<&Arc<[Duration]>>,
    findings: &mut Findings<'_>,
) -> Option<Response> {
    // No alert can fire it; that was said. A manager lists it for its agents
    // all the same, so that it can be run by hand.
    if !fires.anything() && reader.role != Role::Manager {
        return None;
    }
    let timeout = plan.timeout.filter(|(_, spot)| {
        let allowed = command.timeout_allowed != Some(false);
        if !allowed {
            let message =
                format!("the command {} allows no timeout: nothing is undone", shown(&command.name));
            let help = "write <timeout_allowed>yes</timeout_allowed> in the command, or remove the timeout.";
            findings.warning(*spot, "timeout-not-allowed", message, help);
            let name = printable(&command.name);
            findings.says(format!("(1305): Timeout not allowed for command: '{name}'."));
        }
        allowed
    });
    if plan.untimed && command.timeout_allowed == Some(true) {
        let message = format!(
            "this response has no <timeout>: what the command {} does stays for good",
            shown(&command.name)
        );
        let help = "add <timeout>600</timeout>; <timeout>0</timeout> says that it is meant to stay.";
        findings.note(spot, "timeout-missing", message, help);
    }
    // Without a timeout nothing ends, so there is nothing to lengthen.
    let offenders = plan.offenders.or_else(|| usual.cloned()).filter(|_| timeout.is_some());
    Some(Response {
        name: format!("{}#{number}", command.name).into(),
        command: Arc::clone(&command.name),
        location: plan.location,
        matching: reader.matching,
        level: fires.level,
        groups: fires.groups,
        pattern: fires.pattern,
        rules: fires.rules,
        timeout: timeout.map(|(timeout, _)| timeout),
        offenders: offenders.unwrap_or_default(),
        mode: plan.mode,
        place: findings.place(spot),
    })
}
