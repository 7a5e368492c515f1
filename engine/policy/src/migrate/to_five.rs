//! A configuration of 4.x to documents of 5.x.

use std::collections::{HashMap, HashSet};

use super::document::{ActiveResponse, CHANNEL, Channel, ChannelConfig, Document, Monitor};
use super::from_five::{number, plain};
use super::programs::{Fate, fate};
use super::{Finding, Findings};
use crate::config::{Command, Config, Mode, Response, Role, Settings, Way};
use crate::diagnostic::Severity::{Error, Note, Warning};
use crate::diagnostic::shown;

/// What [`to_five`] made.
#[derive(Clone, Debug, PartialEq)]
pub struct Five {
    /// A channel for each response that has a counterpart, and its monitor.
    pub documents: Vec<Document>,
    /// What has none.
    pub findings: Vec<Finding>,
}

/// Longest timeout of 5.x in seconds.
const LONGEST: u64 = i32::MAX as u64;

/// Each response as a channel and a monitor for each place where it runs, the
/// channel named after its command, or after the response when the command has
/// several; and a list of what has no counterpart.
#[must_use]
pub fn to_five(config: &Config) -> Five {
    let mut findings = Findings::default();
    let mut documents = Vec::new();
    let commands: HashMap<&str, &Command> =
        config.commands.iter().map(|command| (&*command.name, &**command)).collect();
    let mut siblings: HashMap<&str, usize> = HashMap::new();
    for response in &config.responses {
        *siblings.entry(&response.command).or_default() += 1;
    }
    for (n, response) in (1_usize..).zip(&config.responses) {
        let Some(command) = commands.get(&*response.command) else { continue };
        // A name that ends like a number among several keeps one, so that it
        // can be told apart again.
        let several = siblings.get(&*response.command).is_some_and(|siblings| *siblings > 1);
        let numbered = several || number(&response.command).is_some();
        let name = if numbered { &response.name } else { &response.command };
        let places = places(response, &mut findings);
        let Some(executable) = executable(command, response, &mut findings).filter(|_| !places.is_empty())
        else {
            continue;
        };
        let stateful_timeout = timeout(response, &mut findings);
        for (word, agent) in &places {
            let run = ActiveResponse {
                executable: executable.clone(),
                extra_args: command.extra_args.join(" "),
                location: (*word).to_owned(),
                r#type: if stateful_timeout.is_some() { "stateful" } else { "stateless" }.to_owned(),
                agent_id: agent.clone(),
                stateful_timeout,
            };
            let channel = Channel {
                config_id: format!("ar{n}-{}-{word}", slug(&response.command)),
                config: ChannelConfig {
                    name: name.to_string(),
                    description: format!("From {}", response.place),
                    config_type: CHANNEL.to_owned(),
                    is_enabled: response.mode == Mode::Enforce,
                    active_response: run,
                },
            };
            // What could not come back is not sent there either: control
            // characters in a name, a path in place of a file name.
            if plain(&response.place.to_string(), &channel.config, &mut findings).is_none() {
                break;
            }
            let monitor = monitor(&channel, response);
            documents.push(Document::Channel(channel));
            documents.push(Document::Monitor(monitor));
        }
        what_a_response_loses(response, &mut findings);
    }
    what_commands_lose(config, &mut findings);
    what_files_lose(config, &mut findings);
    Five { documents, findings: findings.0 }
}

/// The places of 5.x where it runs, one channel each.
fn places(response: &Response, findings: &mut Findings) -> Vec<(&'static str, Option<String>)> {
    let place = response.place.to_string();
    let location = &response.location;
    let mut places = Vec::new();
    if location.is_local() {
        places.push(("local", None));
    }
    if let Some(agent) = location.agent() {
        places.push(("defined-agent", Some(agent.to_string())));
    }
    if location.is_all() {
        let help = "pages of 5.0 disagree whether \"all\" means every agent or the one that raised the alert: try it on one agent first.";
        findings.add(Note, &place, "the location \"all\"", help);
        places.push(("all", None));
    }
    if location.is_server() {
        let (severity, what) = if places.is_empty() {
            (Error, "the location \"server\"; the response is not migrated")
        } else {
            (Warning, "the location \"server\"")
        };
        let help = "5.x runs nothing on the manager: install an agent there and write its number with defined-agent, or keep this response in Riposte.";
        findings.add(severity, &place, what, help);
    }
    if places.len() > 1 {
        let help = "a channel of 5.x has one: there is a channel for each.";
        findings.add(Note, &place, format!("several locations: {location}"), help);
    }
    places
}

fn executable(command: &Command, response: &Response, findings: &mut Findings) -> Option<String> {
    let name = &command.executable;
    let place = &response.place.to_string();
    match fate(name) {
        Fate::Named(same) => {
            if same != name {
                let help = "it does the same with what the host has.";
                findings.add(Note, place, format!("{} is named {same} in 5.x", shown(name)), help);
            }
            Some(same.to_owned())
        }
        Fate::BlockIp => {
            let help = "block-ip tries the host's firewalls first, then hosts.deny, then a null route: it may block elsewhere than this program did.";
            findings.add(
                Warning,
                place,
                format!("5.x has no {}: block-ip takes its place", shown(name)),
                help,
            );
            Some("block-ip".to_owned())
        }
        Fate::Gone => {
            let help = "install a program of your own under this name on the agents, or keep this response in Riposte.";
            findings.add(
                Error,
                place,
                format!("5.x has no {}; the response is not migrated", shown(name)),
                help,
            );
            None
        }
        Fate::Own => {
            let help = "5.x sends it \"enable\" and \"disable\" and the fields of its common schema (source.ip, user.name): adapt it, or keep this response in Riposte, which speaks both.";
            findings.add(Warning, place, format!("{} is a program of your own", shown(name)), help);
            Some(name.clone())
        }
    }
}

fn timeout(response: &Response, findings: &mut Findings) -> Option<u64> {
    let timeout = response.timeout?;
    let seconds = timeout.as_secs().clamp(1, LONGEST);
    if seconds != timeout.as_secs() || timeout.subsec_nanos() != 0 {
        let what = format!("a timeout of {}", crate::span::shown(timeout));
        findings.add(
            Warning,
            &response.place.to_string(),
            what,
            format!("5.x counts whole seconds up to {LONGEST}: it is {seconds}."),
        );
    }
    Some(seconds)
}

/// At most 48 characters that are safe in a file name and in an address.
fn slug(name: &str) -> String {
    let safe = |c: char| {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' { c } else { '_' }
    };
    name.chars().take(48).map(safe).collect()
}

/// The monitor: a draft, since rules of 5.x have other numbers and groups.
fn monitor(channel: &Channel, response: &Response) -> Monitor {
    let rules: Vec<String> = response.rules.iter().map(ToString::to_string).collect();
    let rules = (!rules.is_empty()).then(|| any("wazuh.rule.id", &rules));
    let groups = groups(response);
    let groups = (!groups.is_empty()).then(|| any("wazuh.rule.tags", &groups));
    let level = response.level.map(|level| any("wazuh.rule.level", severities(level)));
    let queries: Vec<String> = match (response.matching, groups, level) {
        // To the code of 4.x the two restrict each other.
        (Way::Wazuh, Some(groups), Some(level)) => {
            rules.into_iter().chain([format!("{groups} AND {level}")]).collect()
        }
        (_, groups, level) => [rules, groups, level].into_iter().flatten().collect(),
    };
    Monitor {
        channel: channel.config_id.clone(),
        name: channel.config.name.as_str().into(),
        description: format!("Draft. Wazuh 4.x fired it on {}", triggers(response)).into(),
        queries: queries.into(),
    }
}

/// The names of groups in it, also where they stand in a pattern.
fn groups(response: &Response) -> Vec<String> {
    let Some(pattern) = &response.pattern else { return response.groups.clone() };
    let names = pattern.as_str().split(|c: char| !(c.is_alphanumeric() || "_-.".contains(c)));
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What fires it, as 4.x has it.
fn triggers(response: &Response) -> String {
    let rules: Vec<String> = response.rules.iter().map(ToString::to_string).collect();
    let groups = match &response.pattern {
        Some(pattern) => pattern.as_str().to_owned(),
        None => response.groups.iter().map(|group| format!("{group},")).collect::<Vec<_>>().join("|"),
    };
    let level = response.level.map(|level| level.to_string()).unwrap_or_default();
    [("rules_id", rules.join(",")), ("rules_group", groups), ("level", level)]
        .iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(tag, text)| format!("<{tag}>{text}</{tag}>"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What neither the channel nor the monitor says of a response.
fn what_a_response_loses(response: &Response, findings: &mut Findings) {
    let place = response.place.to_string();
    let help = "its monitor is switched off and the query a draft: rules of 5.x have other numbers, tags in place of groups, and words in place of levels. Write the query for them, then switch it on.";
    findings.add(Warning, &place, format!("what fires it: {}", triggers(response)), help);
    if response.mode == Mode::Shadow {
        findings.add(Warning, &place, "5.x has no shadow mode", "its channel is muted: unmute it to act.");
    }
    if !response.offenders.is_empty() {
        let help = "write the list into the <active-response> block of each agent's own ossec.conf: 5.x reads it there, in minutes, one list for all responses.";
        findings.add(Warning, &place, "repeated offenders of one response", help);
    }
}

/// Lucene: the field holds any of these words.
fn any<S: AsRef<str>>(field: &str, words: &[S]) -> String {
    let quoted = |word: &S| format!("\"{}\"", word.as_ref().replace('\\', "\\\\").replace('"', "\\\""));
    format!("{field}:({})", words.iter().map(quoted).collect::<Vec<_>>().join(" OR "))
}

/// The words of 5.x for a level of 4.x and all above, by the bands of 4.x's
/// own dashboard: low to 6, medium to 11, high to 14, critical above.
fn severities(level: u8) -> &'static [&'static str] {
    match level {
        0..=6 => &["low", "medium", "high", "critical"],
        7..=11 => &["medium", "high", "critical"],
        12..=14 => &["high", "critical"],
        _ => &["critical"],
    }
}

/// What a channel does not say of a command.
fn what_commands_lose(config: &Config, findings: &mut Findings) {
    let used: HashSet<&str> = config.responses.iter().map(|response| &*response.command).collect();
    for command in &config.commands {
        let place = command.place.to_string();
        let name = shown(&command.name);
        if !used.contains(&*command.name) {
            let help = "5.x has no commands apart from channels: make one when something is to call it.";
            findings.add(Note, &place, format!("no response uses the command {name}"), help);
            continue;
        }
        let lost = [
            (
                "<expect>",
                !command.expect.is_empty(),
                "5.x sends the finding; the program takes its fields from there.",
            ),
            ("<keys>", !command.keys.is_empty(), "the program says its keys itself, with check_keys."),
            (
                "<capabilities>",
                command.capabilities.is_some(),
                "5.x grants nothing and refuses nothing: its programs run as root.",
            ),
            ("<limits>", command.limits != crate::limit::Limits::default(), "5.x limits no program."),
            ("runtime", command.runtime.is_some(), "5.x runs native programs only."),
            ("protocol", command.protocol.is_some(), "5.x speaks its own, with enable and disable."),
        ];
        for (what, _, help) in lost.into_iter().filter(|(_, there, _)| *there) {
            findings.add(Warning, &place, format!("{what} of the command {name}"), help);
        }
    }
}

/// What stands outside of commands and responses.
fn what_files_lose(config: &Config, findings: &mut Findings) {
    if !config.white_list.is_empty() {
        let list: Vec<String> = config.white_list.iter().map(ToString::to_string).collect();
        let help = "5.x has no white list: exclude these addresses in the query of each monitor (AND NOT source.ip:...).";
        findings.add(Warning, "", format!("<white_list>: {}", list.join(", ")), help);
    }
    if config.settings != Settings::of(Role::Standalone) {
        findings.add(Warning, "", "<riposte>", "its settings are Riposte's own.");
    }
    for found in &config.diagnostics {
        let place = found.place.to_string();
        match (found.severity, found.code) {
            (Error, _) => {
                let help = "riposte check says what to write instead; it is not migrated as it is.";
                findings.add(Error, &place, format!("{}: {}", found.code, found.message), help);
            }
            (_, "response-disabled" | "active-response-disabled") => {
                let help = "what is switched off is not migrated.";
                findings.add(Note, &place, found.message.clone(), help);
            }
            _ => {}
        }
    }
}
