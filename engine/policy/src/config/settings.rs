//! `<riposte>`: what the engine does otherwise than its role has it.

use std::collections::HashMap;

use super::block::{self, Shape};
use super::findings::{Findings, Spot};
use super::suggest::did_you_mean;
use super::xml::Element;
use super::{OnStop, Settings, Way};
use crate::diagnostic::shown;
use crate::grant::FirewallBackend;
use crate::span::{self, Bare};

pub(super) const SHAPE: Shape = Shape {
    children: &[
        "matching",
        "key",
        "offences",
        "offence_quiet",
        "on_stop",
        "execd",
        "exec_strict",
        "link",
        "firewall",
        "guard",
        "audit",
        "ledger",
    ],
    unenforced: &[],
    stock: false,
};

const MATCHING: &[(&str, Way)] = &[("documented", Way::Riposte), ("wazuh-4.x", Way::Wazuh)];
const WAYS: &[(&str, Way)] = &[("riposte", Way::Riposte), ("wazuh", Way::Wazuh)];
const ON_STOP: &[(&str, OnStop)] = &[("keep", OnStop::Keep), ("revert", OnStop::Revert)];
const YES_NO: &[(&str, bool)] = &[("yes", true), ("no", false)];

/// The settings of the files so far.
#[derive(Debug, Default)]
pub(super) struct Given {
    settings: Settings,
    /// Where each was set last.
    spots: HashMap<&'static str, Spot>,
}

impl Given {
    /// What holds before any file is read.
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, spots: HashMap::new() }
    }

    /// Reads one section: a later file overrides, in one file the first counts.
    pub(super) fn read(&mut self, section: &Element, findings: &mut Findings<'_>) {
        block::check(section, &SHAPE, findings);
        for element in &section.children {
            match element.name.as_str() {
                "matching" => {
                    if let Some(way) = self.one("matching", element, MATCHING, findings) {
                        self.settings.matching = way;
                    }
                }
                "key" => {
                    if let Some(way) = self.one("key", element, WAYS, findings) {
                        self.settings.key = way;
                    }
                }
                "offences" => {
                    if let Some(way) = self.one("offences", element, WAYS, findings) {
                        self.settings.offences = way;
                    }
                }
                "offence_quiet" => self.quiet(element, findings),
                "on_stop" => {
                    if let Some(stop) = self.one("on_stop", element, ON_STOP, findings) {
                        self.settings.on_stop = stop;
                    }
                }
                "execd" => {
                    if let Some(execd) = self.one("execd", element, YES_NO, findings) {
                        self.settings.execd = Some(execd);
                    }
                }
                "exec_strict" => {
                    if let Some(strict) = self.one("exec_strict", element, YES_NO, findings) {
                        self.settings.exec_strict = strict;
                    }
                }
                "link" => self.link(element, findings),
                "firewall" => {
                    if let Some(backend) = self.one("firewall", element, &FirewallBackend::ALL, findings) {
                        self.settings.firewall = Some(backend);
                    }
                }
                "guard" => self.settings.guard.read(element, findings),
                "audit" => self.settings.audit.read(element, findings),
                "ledger" => self.settings.ledger.read(element, findings),
                // Reported by the shape.
                _ => {}
            }
        }
    }

    /// Reads the managers that Wazuh's `<client>` names.
    pub(super) fn client(&mut self, client: &Element) {
        self.settings.guard.client(client);
    }

    /// Whose way of matching holds, and whether a file says so.
    pub(super) fn matching(&self) -> (Way, bool) {
        (self.settings.matching, self.spots.contains_key("matching"))
    }

    /// What the files say in the end.
    pub(super) fn finish(self) -> Settings {
        self.settings
    }

    /// The value of an element that stands once; `None` when it is none, or
    /// the file said it before.
    fn one<T: Copy>(
        &mut self,
        name: &'static str,
        element: &Element,
        known: &[(&str, T)],
        findings: &mut Findings<'_>,
    ) -> Option<T> {
        if !self.first(name, element, findings) {
            return None;
        }
        let value = known.iter().find(|(word, _)| *word == element.value());
        if value.is_none() {
            let words = || known.iter().map(|(word, _)| *word);
            let listed = words().collect::<Vec<_>>().join(" or ");
            let help = did_you_mean(element.value(), words(), || format!("write {listed}."));
            block::invalid(element, &format!("{} is not {listed}", shown(element.value())), &help, findings);
        }
        value.map(|(_, value)| *value)
    }

    /// Whether an element that stands once may count: it holds text alone, and
    /// the file did not say it before.
    fn first(&mut self, name: &'static str, element: &Element, findings: &mut Findings<'_>) -> bool {
        if !block::leaf(element, findings) {
            return false;
        }
        if let Some(first) = self.spots.get(name).filter(|first| first.file == element.spot.file) {
            let message = format!("<{name}> stands again in this file: the first one counts");
            let help = format!("keep it or the one in line {}.", first.line);
            findings.warning(element.spot, "element-repeated", message, help);
            return false;
        }
        self.spots.insert(name, element.spot);
        true
    }

    fn quiet(&mut self, element: &Element, findings: &mut Findings<'_>) {
        if !self.first("offence_quiet", element, findings) {
            return;
        }
        match span::parse(element.value(), Bare::Refused) {
            Ok(quiet) if !quiet.is_zero() => self.settings.offence_quiet = Some(quiet),
            Ok(_) => {
                let message = "without a quiet time every offence is the first";
                block::invalid(element, message, "write 7d, or leave <repeated_offenders> out.", findings);
            }
            Err(error) => block::invalid(element, &error.to_string(), "write 7d, or 12h.", findings),
        }
    }

    fn link(&mut self, element: &Element, findings: &mut Findings<'_>) {
        if !block::leaf(element, findings) {
            return;
        }
        let name = element.value();
        let plain = !matches!(name, "" | "." | "..")
            && name.len() <= 255
            && !name.contains(|c: char| matches!(c, '/' | '\\') || c.is_control());
        if !plain {
            let message = format!("{} is not the name of a file", shown(name));
            let help = "name a program of active-response/bin, without its folder.";
            return block::invalid(element, &message, help, findings);
        }
        if !self.settings.links.iter().any(|link| link == name) {
            self.settings.links.push(name.to_owned());
        }
    }
}
