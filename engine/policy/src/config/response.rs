//! `<active-response>`.
//!
//! A block with an error in what says where, for how long or whether it acts
//! is not used at all: what is left of it could act elsewhere, last longer or
//! act at all. A trigger that cannot be read only fires less.

use std::sync::Arc;
use std::time::Duration;

use super::block::{self, Shape};
use super::findings::{Findings, Spot};
use super::packages::Trusted;
use super::suggest::did_you_mean;
use super::triggers::Triggers;
use super::xml::{Element, printable};
use super::{Location, Mode, Role, offenders, places};
use crate::diagnostic::shown;
use crate::span::{self, Bare};

pub(super) const SHAPE: Shape = Shape {
    children: &[
        "disabled",
        "command",
        "location",
        "agent_id",
        "level",
        "rules_group",
        "rules_id",
        "timeout",
        "repeated_offenders",
        "ca_store",
        "ca_verification",
        "mode",
    ],
    unenforced: &["agent_group", "exclude"],
    stock: true,
};

/// What an agent's own block may hold.
const AGENT_SIDE: &[&str] = &["disabled", "repeated_offenders", "ca_store", "ca_verification"];

/// A response before its command is known.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) spot: Spot,
    pub(super) command: Arc<str>,
    /// Where its command is named.
    pub(super) command_spot: Spot,
    /// Whether it is switched off. It still counts for the numbers of the others.
    pub(super) off: bool,
    /// What fires it.
    pub(super) triggers: Triggers,
    /// What it does; `None` when it has errors, which were reported.
    pub(super) plan: Option<Plan>,
}

/// What a response does.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) location: Location,
    /// With where it stands.
    pub(super) timeout: Option<(Duration, Spot)>,
    /// Whether nothing is said about a timeout, not even `0`.
    pub(super) untimed: bool,
    pub(super) offenders: Option<Arc<[Duration]>>,
    pub(super) mode: Mode,
}

/// What a block is.
#[derive(Debug)]
pub(super) enum Block {
    /// A response.
    Response(Box<Draft>),
    /// An agent's own settings.
    Agent {
        /// `<disabled>`, and where.
        disabled: Option<(bool, Spot)>,
        /// For responses that have no list of their own.
        offenders: Option<Arc<[Duration]>>,
    },
    /// A response, to a reader that runs what others fire.
    Foreign {
        /// Where it stands.
        spot: Spot,
        /// Wazuh reads the list in whatever block it stands.
        offenders: Option<Arc<[Duration]>>,
    },
    /// Neither; that was reported.
    Neither,
}

/// Reads one block.
pub(super) fn read(
    element: &Element,
    role: Role,
    trusted: &mut Trusted,
    findings: &mut Findings<'_>,
) -> Block {
    let only_of_responses = |name: &str| SHAPE.children.contains(&name) && !AGENT_SIDE.contains(&name);
    let is_response = element.children.iter().any(|child| only_of_responses(&child.name));
    if role == Role::Execd {
        return read_by_execd(element, is_response, trusted, findings);
    }
    let mut sound = block::check(element, &SHAPE, findings) && !element.typographic;
    sound &= trusted.read(element, role, findings);
    let disabled = disabled(element, &mut sound, findings);
    let offenders = offenders::read(element, role, &mut sound, findings);
    if !is_response {
        let off = matches!(disabled, Some((true, _)));
        if role == Role::Manager && offenders.is_none() && sound && !off {
            missing(element, "this block names no command, as each on a manager must", findings);
        }
        let disabled = disabled.filter(|_| !element.typographic);
        return Block::Agent { disabled, offenders: offenders.filter(|_| sound) };
    }
    let disabled = disabled.and_then(|(disabled, spot)| disabled.then_some(spot));
    let Some((command, command_spot)) = command(element, role, disabled, findings) else {
        return Block::Neither;
    };
    let plan = plan(element, &mut sound, role, offenders, disabled.is_some(), findings);
    if let Some(spot) = disabled {
        findings.note(spot, "response-disabled", "this response is switched off", "");
    }
    Block::Response(Box::new(Draft {
        spot: element.spot,
        command,
        command_spot,
        off: disabled.is_some(),
        triggers: Triggers::read(element, findings),
        plan: plan.filter(|_| sound),
    }))
}

/// As `ExecdConfig` reads a block: two elements of it, whatever else it holds.
fn read_by_execd(
    element: &Element,
    is_response: bool,
    trusted: &mut Trusted,
    findings: &mut Findings<'_>,
) -> Block {
    let mut sound = !element.typographic;
    let offenders = offenders::read(element, Role::Execd, &mut sound, findings).filter(|_| sound);
    if is_response {
        return Block::Foreign { spot: element.spot, offenders };
    }
    block::no_attributes(element, findings);
    for child in element.children.iter().filter(|child| !AGENT_SIDE.contains(&child.name.as_str())) {
        let message = format!("<active-response> of an agent has no element <{}>", printable(&child.name));
        let help = did_you_mean(&child.name, AGENT_SIDE.iter().copied(), || {
            format!("it takes {}.", block::listed(AGENT_SIDE))
        });
        findings.warning(child.spot, "element-unknown", message, help);
    }
    let disabled = disabled(element, &mut sound, findings);
    trusted.read(element, Role::Execd, findings);
    Block::Agent { disabled: disabled.filter(|_| !element.typographic), offenders }
}

fn plan(
    element: &Element,
    sound: &mut bool,
    role: Role,
    offenders: Option<Arc<[Duration]>>,
    disabled: bool,
    findings: &mut Findings<'_>,
) -> Option<Plan> {
    let location = places::location(element, sound, role, disabled, findings);
    let timeout = timeout(element, role, sound, findings);
    let mode = mode(element, sound, findings);
    if !disabled
        && *sound
        && role == Role::Standalone
        && timeout.is_none()
        && offenders.as_ref().is_some_and(|list| !list.is_empty())
    {
        let message = "<repeated_offenders> without a <timeout>: nothing is undone, so no offence is counted";
        findings.warning(element.spot, "offenders-without-timeout", message, "add <timeout>600</timeout>.");
    }
    let untimed = !element.children.iter().any(|child| child.name == "timeout");
    Some(Plan { location: location?, timeout, untimed, offenders, mode: mode? })
}

fn disabled(element: &Element, sound: &mut bool, findings: &mut Findings<'_>) -> Option<(bool, Spot)> {
    let disabled = block::single(element, "disabled", findings)?;
    let value = block::yes_or_no(disabled, findings);
    if value.is_none() {
        *sound = false;
        block::says_invalid(disabled, findings);
    }
    value.map(|value| (value, disabled.spot))
}

/// A response without something that Wazuh asks for.
pub(super) fn missing(element: &Element, message: &str, findings: &mut Findings<'_>) {
    let help = "name them: <command>firewall-drop</command> and <location>local</location>.";
    findings.error(element.spot, "response-incomplete", message, help);
    findings.says("(1281): Missing options in the active response configuration.");
}

/// A manager passes over a block that lacks something when it has the list,
/// which is for agents.
pub(super) fn is_passed_over(element: &Element, role: Role, findings: &mut Findings<'_>) -> bool {
    let listed = element.children.iter().any(|child| child.name == "repeated_offenders");
    if role == Role::Manager && listed {
        let message =
            "this block has <repeated_offenders> and lacks a command or a location, so it is passed over";
        findings.warning(element.spot, "response-incomplete", message, "add what it lacks, or remove it.");
        return true;
    }
    false
}

fn command(
    element: &Element,
    role: Role,
    disabled: Option<Spot>,
    findings: &mut Findings<'_>,
) -> Option<(Arc<str>, Spot)> {
    let Some(command) = element.children.iter().rfind(|child| child.name == "command") else {
        if disabled.is_none() && !is_passed_over(element, role, findings) {
            missing(element, "this response has no <command>", findings);
        }
        return None;
    };
    if !command.children.is_empty() {
        let message = "a whole <command> definition stands inside <active-response>";
        let help = "move it before this block, and write only its name here: <command>NAME</command>.";
        findings.error(command.spot, "command-nested", message, help);
        return None;
    }
    let command = block::single(element, "command", findings)?;
    if command.value().is_empty() {
        let help = "write the name of a command. The response is not used.";
        block::invalid(command, "it is empty", help, findings);
        return None;
    }
    Some((command.value().into(), command.spot))
}

fn timeout(
    element: &Element,
    role: Role,
    sound: &mut bool,
    findings: &mut Findings<'_>,
) -> Option<(Duration, Spot)> {
    let timeout = block::single(element, "timeout", findings)?;
    let bare = timeout.value().bytes().all(|b| b.is_ascii_digit());
    if role != Role::Standalone && !bare && span::parse(timeout.value(), Bare::Seconds).is_ok() {
        *sound = false;
        let message = format!("{} has a unit, of which Wazuh reads only the number", shown(timeout.value()));
        block::invalid(timeout, &message, "write seconds. The response is not used.", findings);
        return None;
    }
    match span::parse(timeout.value(), Bare::Seconds) {
        // 0 is how one writes that nothing is undone.
        Ok(span) if span.is_zero() => None,
        Ok(span) => Some((span, timeout.spot)),
        Err(error) => {
            *sound = false;
            // Without its timeout the response would last for good.
            block::invalid(timeout, &error.to_string(), "The response is not used.", findings);
            None
        }
    }
}

fn mode(element: &Element, sound: &mut bool, findings: &mut Findings<'_>) -> Option<Mode> {
    let Some(mode) = block::single(element, "mode", findings) else { return Some(Mode::Enforce) };
    match mode.value() {
        "enforce" => Some(Mode::Enforce),
        "shadow" => Some(Mode::Shadow),
        other => {
            *sound = false;
            let message = format!("{} is neither enforce nor shadow", shown(other));
            block::invalid(mode, &message, "write enforce or shadow. The response is not used.", findings);
            None
        }
    }
}
