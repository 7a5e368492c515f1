//! From files to a [`Config`]: sections, then what they say about each other.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::block;
use super::command::{Commands, Defined, words};
use super::findings::{Findings, Spot};
use super::response::{self, Block, Draft, Plan};
use super::settings::Given;
use super::suggest::{did_you_mean, is_typographic_hyphen, nearest};
use super::xml::{self, Element, ROOTS, printable};
use super::{Command, Config, Response, Role, Settings, Source};
use crate::address::Prefix;
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
    /// Where an agent's own block switches active response off.
    disabled: Option<Spot>,
    white_list: Vec<Prefix>,
    /// What is in the white list.
    listed: HashSet<Prefix>,
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
                match response::read(section, self.role, findings) {
                    Block::Response(draft) => self.responses.push(draft),
                    Block::Agent { disabled, offenders } => {
                        self.disabled = self.disabled.or(disabled);
                        // The first list wins, as in Wazuh.
                        self.offenders = self.offenders.take().or(offenders);
                    }
                    Block::Neither => {}
                }
            }
            "global" => self.white_list(section, findings),
            "riposte" => self.settings.read(section, findings),
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

    fn white_list(&mut self, global: &Element, findings: &mut Findings<'_>) {
        for element in global.children.iter().filter(|child| child.name == "white_list") {
            if !block::leaf(element, findings) {
                continue;
            }
            for word in words(element.value()) {
                match word.parse::<Prefix>() {
                    Ok(prefix) => {
                        if self.listed.insert(prefix) {
                            self.white_list.push(prefix);
                        }
                    }
                    Err(error) if word.starts_with('!') || word.contains('/') => {
                        let message = if word.starts_with('!') {
                            format!(
                                "{} takes an address out of the list, which this version cannot enforce",
                                shown(word)
                            )
                        } else {
                            error.to_string()
                        };
                        block::invalid(
                            element,
                            &message,
                            "write an address or a prefix. This entry protects nothing.",
                            findings,
                        );
                    }
                    Err(_) => {
                        let message = format!(
                            "{} is no address: only addresses and prefixes are protected",
                            shown(word)
                        );
                        findings.warning(
                            element.spot,
                            "white-list-host",
                            message,
                            "write the addresses of this host.",
                        );
                    }
                }
            }
        }
    }

    fn finish(self, mut findings: Findings<'_>) -> Config {
        let commands = self.commands.finish(&mut findings);
        let defined: HashMap<Arc<str>, Defined> = commands.iter().cloned().collect();
        let mut names = Names { defined: &defined, order: &commands, nested: &self.nested };
        let mut numbers: HashMap<Arc<str>, u32> = HashMap::new();
        let mut responses = Vec::new();
        let (mut switched_off, offenders) = (0_usize, self.offenders);
        for draft in self.responses {
            let number = numbers.entry(Arc::clone(&draft.command)).or_default();
            *number += 1;
            let number = *number;
            if draft.off {
                continue;
            }
            let Some(command) = names.command(&draft, &mut findings) else { continue };
            let Draft { spot, plan: Some(plan), .. } = draft else { continue };
            let Some(response) = response(number, spot, plan, &command, offenders.as_ref(), &mut findings)
            else {
                continue;
            };
            if self.disabled.is_some() {
                switched_off += 1;
            } else {
                responses.push(Arc::new(response));
            }
        }
        if let Some(spot) = self.disabled {
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
            Defined::Usable(command) => Some(command),
            Defined::Unusable(_) => None,
        });
        Config {
            commands: commands.collect(),
            responses,
            white_list: self.white_list,
            settings: self.settings.finish(),
            diagnostics: findings.into_diagnostics(),
        }
    }
}

/// The response, now that its command is known.
fn response(
    number: u32,
    spot: Spot,
    plan: Plan,
    command: &Command,
    usual: Option<&Arc<[Duration]>>,
    findings: &mut Findings<'_>,
) -> Option<Response> {
    if plan.level.is_none() && plan.groups.is_empty() && plan.rules.is_empty() {
        // No alert can fire it; that was said.
        return None;
    }
    let timeout = plan.timeout.filter(|(_, spot)| {
        let allowed = command.timeout_allowed != Some(false);
        if !allowed {
            let message =
                format!("the command {} allows no timeout: nothing is undone", shown(&command.name));
            let help = "write <timeout_allowed>yes</timeout_allowed> in the command, or remove the timeout.";
            findings.warning(*spot, "timeout-not-allowed", message, help);
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
        level: plan.level,
        groups: plan.groups,
        rules: plan.rules,
        timeout: timeout.map(|(timeout, _)| timeout),
        offenders: offenders.unwrap_or_else(|| [].into()),
        mode: plan.mode,
        place: findings.place(spot),
    })
}

/// The commands that responses may name.
struct Names<'c> {
    defined: &'c HashMap<Arc<str>, Defined>,
    order: &'c [(Arc<str>, Defined)],
    nested: &'c HashMap<String, Spot>,
}

impl Names<'_> {
    /// The command that a response names, or what is wrong with that.
    fn command(&mut self, draft: &Draft, findings: &mut Findings<'_>) -> Option<Arc<Command>> {
        let name = &draft.command;
        match self.defined.get(name) {
            Some(Defined::Usable(command)) => return Some(Arc::clone(command)),
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
        None
    }
}
