//! `<active-response>`.
//!
//! A block with an error in what says where, for how long or whether it acts
//! is not used at all: what is left of it could act elsewhere, last longer or
//! act at all. A trigger that cannot be read only fires less.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::block::{self, Shape};
use super::command::words;
use super::findings::{Findings, Spot};
use super::suggest::did_you_mean;
use super::xml::Element;
use super::{Location, Mode, Role};
use crate::diagnostic::shown;
use crate::span::{self, Bare};

const SHAPE: Shape = Shape {
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
};

/// What an agent's own block may hold.
const AGENT_SIDE: &[&str] = &["disabled", "repeated_offenders", "ca_store", "ca_verification"];

/// Most values of `<repeated_offenders>`.
const MOST_OFFENDERS: usize = 5;
/// A list that begins above this many minutes, a day, is meant in seconds.
const MOST_FIRST_MINUTES: u64 = 1_440;

/// A response before its command is known.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) spot: Spot,
    pub(super) command: Arc<str>,
    /// Where its command is named.
    pub(super) command_spot: Spot,
    /// Whether it is switched off. It still counts for the numbers of the others.
    pub(super) off: bool,
    /// What it does; `None` when it has errors, which were reported.
    pub(super) plan: Option<Plan>,
}

/// What a response does.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) location: Location,
    pub(super) level: Option<u8>,
    pub(super) groups: Vec<String>,
    pub(super) rules: Vec<u32>,
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
    Response(Draft),
    /// An agent's own settings.
    Agent {
        /// `<disabled>yes</disabled>`: where.
        disabled: Option<Spot>,
        /// For responses that have no list of their own.
        offenders: Option<Arc<[Duration]>>,
    },
    /// Neither; that was reported.
    Neither,
}

/// Reads one block.
pub(super) fn read(element: &Element, role: Role, findings: &mut Findings<'_>) -> Block {
    let mut sound = block::check(element, &SHAPE, findings) && !element.typographic;
    let disabled = disabled(element, &mut sound, findings);
    let offenders = offenders(element, &mut sound, findings);
    if let Some(verification) = block::single(element, "ca_verification", findings) {
        sound &= block::yes_or_no(verification, findings).is_some();
    }
    let only_of_responses = |name: &str| SHAPE.children.contains(&name) && !AGENT_SIDE.contains(&name);
    if !element.children.iter().any(|child| only_of_responses(&child.name)) {
        let disabled = disabled.filter(|_| !element.typographic);
        return Block::Agent { disabled, offenders: offenders.filter(|_| sound) };
    }
    let Some((command, command_spot)) = command(element, disabled, findings) else { return Block::Neither };
    let plan = plan(element, &mut sound, role, offenders, disabled.is_some(), findings);
    if let Some(spot) = disabled {
        findings.note(spot, "response-disabled", "this response is switched off", "");
    }
    Block::Response(Draft {
        spot: element.spot,
        command,
        command_spot,
        off: disabled.is_some(),
        plan: plan.filter(|_| sound),
    })
}

fn plan(
    element: &Element,
    sound: &mut bool,
    role: Role,
    offenders: Option<Arc<[Duration]>>,
    disabled: bool,
    findings: &mut Findings<'_>,
) -> Option<Plan> {
    let location = location(element, sound, role, disabled, findings);
    let level = level(element, findings);
    let groups = groups(element, findings);
    let rules = rules(element, findings);
    let timeout = timeout(element, sound, findings);
    let mode = mode(element, sound, findings);
    if !disabled && *sound {
        if !element
            .children
            .iter()
            .any(|child| ["level", "rules_group", "rules_id"].contains(&child.name.as_str()))
        {
            let message = "this response has no trigger, so no alert fires it";
            findings.warning(
                element.spot,
                "trigger-missing",
                message,
                "add <level>, <rules_group> or <rules_id>.",
            );
        }
        if timeout.is_none() && offenders.as_ref().is_some_and(|list| !list.is_empty()) {
            let message =
                "<repeated_offenders> without a <timeout>: nothing is undone, so no offence is counted";
            findings.warning(
                element.spot,
                "offenders-without-timeout",
                message,
                "add <timeout>600</timeout>.",
            );
        }
        differences(element, level, &groups, findings);
    }
    let untimed = !element.children.iter().any(|child| child.name == "timeout");
    Some(Plan { location: location?, level, groups, rules, timeout, untimed, offenders, mode: mode? })
}

/// Notes what a trigger names twice.
fn repeated(list: &Element, what: &str, findings: &mut Findings<'_>) {
    let message = format!("{what} stands here twice");
    findings.note(list.spot, "trigger-repeated", message, "remove one of the two.");
}

fn disabled(element: &Element, sound: &mut bool, findings: &mut Findings<'_>) -> Option<Spot> {
    let disabled = block::single(element, "disabled", findings)?;
    match block::yes_or_no(disabled, findings) {
        Some(true) => Some(disabled.spot),
        Some(false) => None,
        None => {
            *sound = false;
            None
        }
    }
}

fn command(
    element: &Element,
    disabled: Option<Spot>,
    findings: &mut Findings<'_>,
) -> Option<(Arc<str>, Spot)> {
    let Some(command) = element.children.iter().rfind(|child| child.name == "command") else {
        if disabled.is_none() {
            let message = "this response has no <command>";
            findings.error(
                element.spot,
                "response-incomplete",
                message,
                "name one: <command>firewall-drop</command>.",
            );
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
        block::invalid(
            command,
            "it is empty",
            "write the name of a command. The response is not used.",
            findings,
        );
        return None;
    }
    Some((command.value().into(), command.spot))
}

/// The words for each place, Wazuh's other ones included.
const PLACES: [(&str, Place); 8] = [
    ("local", Place::Local),
    ("server", Place::Server),
    ("as", Place::Server),
    ("analysisd", Place::Server),
    ("analysis-server", Place::Server),
    ("defined-agent", Place::DefinedAgent),
    ("all", Place::All),
    ("any", Place::All),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Local,
    Server,
    DefinedAgent,
    All,
}

fn location(
    element: &Element,
    sound: &mut bool,
    role: Role,
    disabled: bool,
    findings: &mut Findings<'_>,
) -> Option<Location> {
    let agent = block::single(element, "agent_id", findings);
    let Some(location) = block::single(element, "location", findings) else {
        if !disabled {
            let help = "say where it runs: <location>local</location>, server, defined-agent or all.";
            findings.error(element.spot, "response-incomplete", "this response has no <location>", help);
        }
        return None;
    };
    let places = places(location, role, findings)?;
    let mut runs = Location::default();
    for place in places {
        runs = runs.and(match place {
            Place::Local => Location::LOCAL,
            Place::Server => Location::SERVER,
            Place::DefinedAgent => Location::defined_agent(agent_id(location, agent, sound, findings)?),
            Place::All => Location::ALL,
        });
    }
    if runs.is_all() && !disabled {
        let message =
            "this response runs on every agent, also on those that the alert has nothing to do with";
        let help = "write <location>local</location> for the agent that raised the alert.";
        findings.warning(location.spot, "location-all", message, help);
    }
    if runs.is_several() && !disabled {
        let message =
            format!("this response runs in each of these places: {runs}; Wazuh 4.x takes one of them");
        let help = "keep it, or write one place; Wazuh takes server before all, all before local, local before defined-agent.";
        findings.warning(location.spot, "location-combined", message, help);
    }
    if let Some(agent) = agent.filter(|_| runs.agent().is_none()) {
        let message = format!("<agent_id> is passed over: the location is {runs}");
        let help = "write <location>defined-agent</location>, or remove it.";
        findings.warning(agent.spot, "agent-unused", message, help);
    }
    Some(runs)
}

/// The places that `<location>` names, in the order of [`PLACES`]; `None` with
/// an error for none, or for a word that is none.
fn places(location: &Element, role: Role, findings: &mut Findings<'_>) -> Option<Vec<Place>> {
    let text = location.value().to_ascii_lowercase();
    let words: Vec<&str> = text.split([',', '|']).flat_map(str::split_whitespace).collect();
    let known = |word: &str| PLACES.iter().find(|(known, _)| *known == word).map(|(_, place)| *place);
    let unknown = words.iter().find(|word| known(word).is_none());
    let mut places: Vec<Place> = Vec::new();
    for (known, place) in PLACES {
        // Wazuh looks for the words anywhere in the text (`ReadActiveResponses`).
        let named = if role == Role::Standalone { words.contains(&known) } else { text.contains(known) };
        if named && !places.contains(&place) {
            places.push(place);
        }
    }
    match unknown {
        None if !places.is_empty() => Some(places),
        Some(unknown) if role != Role::Standalone && !places.is_empty() => {
            let runs: Vec<&str> = PLACES
                .iter()
                .filter(|(word, place)| known(word) == Some(*place) && text.contains(word))
                .map(|(word, _)| *word)
                .collect();
            let message = format!(
                "{} is no location; it is taken, as Wazuh does, because it holds {}",
                shown(unknown),
                runs.join(" and ")
            );
            let help = "write the words alone, separated by commas.";
            findings.warning(location.spot, "location-loose", message, help);
            Some(places)
        }
        _ => {
            let unknown = unknown.copied().unwrap_or_default();
            let message = format!("there is no location {}", shown(unknown));
            let help = did_you_mean(unknown, ["local", "server", "defined-agent", "all"], || {
                "it is one of local, server, defined-agent and all, or several of them.".to_owned()
            });
            findings.error(location.spot, "location-unknown", message, help + " The response is not used.");
            None
        }
    }
}

fn agent_id(
    location: &Element,
    agent: Option<&Element>,
    sound: &mut bool,
    findings: &mut Findings<'_>,
) -> Option<Arc<str>> {
    let Some(agent) = agent else {
        *sound = false;
        let message = "the location is defined-agent, but no <agent_id> says which";
        findings.error(location.spot, "agent-missing", message, "add <agent_id>001</agent_id>.");
        return None;
    };
    let id = agent.value();
    let mut listed = words(id);
    let first = listed.next().unwrap_or_default();
    let number = first.parse::<u32>().ok().filter(|_| first.bytes().all(|b| b.is_ascii_digit()));
    match number {
        // Wazuh writes at least three digits.
        Some(number @ 1..) => {
            if listed.next().is_some() {
                let message = format!("{} names several agents: only {number:03} counts", shown(id));
                let help = "write one response for each agent.";
                findings.warning(agent.spot, "agent-list", message, help);
            }
            Some(format!("{number:03}").into())
        }
        Some(0) => {
            let message = "agent 000 is the server itself";
            let help = "write <location>server</location>. The response is not used.";
            findings.error(agent.spot, "agent-invalid", message, help);
            None
        }
        None => {
            let message = format!("{} is not the number of one agent", shown(id));
            let help = "write one number, such as 001. The response is not used.";
            findings.error(agent.spot, "agent-invalid", message, help);
            None
        }
    }
}

fn level(element: &Element, findings: &mut Findings<'_>) -> Option<u8> {
    let level = block::single(element, "level", findings)?;
    let number = level.value().parse::<u8>().ok().filter(|number| (1..=16).contains(number));
    if number.is_none() {
        let message = format!("{} is not a rule level from 1 to 16", shown(level.value()));
        findings.error(
            level.spot,
            "level-invalid",
            message,
            "write a number from 1 to 16. The level fires nothing.",
        );
    }
    number
}

fn groups(element: &Element, findings: &mut Findings<'_>) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    let Some(list) = block::single(element, "rules_group", findings) else { return groups };
    for group in list.value().split(['|', ',']).map(str::trim).filter(|group| !group.is_empty()) {
        let group = group.to_ascii_lowercase();
        if group.contains(['^', '$', '\\', '*', '+']) {
            let message = format!("{} looks like a pattern, but groups are compared whole", shown(&group));
            findings.warning(list.spot, "group-pattern", message, "write the names of the groups.");
        }
        if seen.insert(group.clone()) {
            groups.push(group);
        } else {
            repeated(list, &format!("the group {}", shown(&group)), findings);
        }
    }
    if groups.is_empty() {
        block::invalid(list, "it names no group", "write the name of a group, or remove it.", findings);
    }
    groups
}

fn rules(element: &Element, findings: &mut Findings<'_>) -> Vec<u32> {
    let mut rules = Vec::new();
    let Some(list) = block::single(element, "rules_id", findings) else { return rules };
    let mut any = false;
    let mut seen = HashSet::new();
    for word in words(list.value()) {
        any = true;
        match word.parse::<u32>().ok().filter(|_| word.bytes().all(|b| b.is_ascii_digit())) {
            Some(rule) => {
                if seen.insert(rule) {
                    rules.push(rule);
                } else {
                    repeated(list, &format!("the rule {rule}"), findings);
                }
            }
            None => {
                let message = format!("{} is not the number of a rule", shown(word));
                let help = "write numbers, separated by commas. Of this list only the others fire.";
                block::invalid(list, &message, help, findings);
            }
        }
    }
    if !any {
        block::invalid(list, "it names no rule", "write the number of a rule, or remove it.", findings);
    }
    rules
}

fn timeout(element: &Element, sound: &mut bool, findings: &mut Findings<'_>) -> Option<(Duration, Spot)> {
    let timeout = block::single(element, "timeout", findings)?;
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

/// `<repeated_offenders>`: minutes, as documented. A third party's guide, and
/// who follows it, writes seconds; a day of minutes tells the two apart.
fn offenders(element: &Element, sound: &mut bool, findings: &mut Findings<'_>) -> Option<Arc<[Duration]>> {
    let list = block::single(element, "repeated_offenders", findings)?;
    let mut values: Vec<&str> = words(list.value()).collect();
    if values.len() > MOST_OFFENDERS {
        let message =
            format!("{} values are more than {MOST_OFFENDERS}: the others are passed over", values.len());
        findings.warning(list.spot, "offenders-too-many", message, "keep five.");
        values.truncate(MOST_OFFENDERS);
    }
    if values == ["0"] {
        return Some([].into());
    }
    let first = values.first().and_then(|first| first.parse::<u64>().ok());
    let in_seconds = first.is_some_and(|first| first > MOST_FIRST_MINUTES);
    let bare = if in_seconds { Bare::Seconds } else { Bare::Minutes };
    let mut spans = Vec::new();
    for value in &values {
        match span::parse(value, bare) {
            Ok(span) if !span.is_zero() => spans.push(span),
            Ok(_) => return unreadable(list, &format!("{} ends nothing", shown(value)), sound, findings),
            Err(error) => return unreadable(list, &error.to_string(), sound, findings),
        }
    }
    if spans.is_empty() {
        return unreadable(list, "it has no values", sound, findings);
    }
    if in_seconds {
        let explicit = spans.iter().map(|span| span::shown(*span)).collect::<Vec<_>>().join(",");
        let message = "these values are read as seconds: as minutes, in which they are documented, the first is more than a day";
        let help = format!("write <repeated_offenders>{explicit}</repeated_offenders>.");
        findings.warning(list.spot, "offenders-in-seconds", message, help);
    }
    if !spans.is_sorted() {
        let message = "a later offence is answered for a shorter time than the one before";
        findings.warning(list.spot, "offenders-decreasing", message, "write the values in rising order.");
    }
    Some(spans.into())
}

fn unreadable(
    list: &Element,
    why: &str,
    sound: &mut bool,
    findings: &mut Findings<'_>,
) -> Option<Arc<[Duration]>> {
    *sound = false;
    block::invalid(
        list,
        why,
        "write minutes, or 90s, 30m, 1h, 7d, separated by commas. The block is not used.",
        findings,
    );
    None
}

/// Where Wazuh 4.x fires otherwise than it documents (`analysisd/rules.c`,
/// `Rule_AddAR`): level and group restrict each other, and a group is a
/// pattern searched in the text of all groups.
fn differences(element: &Element, level: Option<u8>, groups: &[String], findings: &mut Findings<'_>) {
    if groups.is_empty() {
        return;
    }
    if level.is_some() {
        let message = "this response fires at its level or for its groups, as documented; Wazuh 4.x fires only when both match";
        let help =
            "to fire for either, as here, keep it; to narrow it, keep one of <level> and <rules_group>.";
        return findings.warning(element.spot, "matching-differs", message, help);
    }
    let list =
        element.children.iter().rfind(|child| child.name == "rules_group").map_or("", |list| list.value());
    let alternatives = || list.split('|').map(str::trim).filter(|part| !part.is_empty());
    let message = if alternatives().any(|part| part.trim_end_matches(',').contains(',')) {
        "each of these groups fires this response; Wazuh 4.x, without | between them, only where they stand side by side"
    } else if alternatives().any(|part| !part.ends_with(',')) {
        "groups are compared whole; Wazuh 4.x also fires for groups that only contain such a name"
    } else {
        return;
    };
    let form: String = groups.iter().map(|group| format!("{group},")).collect::<Vec<_>>().join("|");
    findings.note(element.spot, "matching-differs", message, format!("for both write {}.", shown(&form)));
}
