//! A configuration of 4.x to documents of 5.x.

use std::collections::HashSet;

use super::document::{ActiveResponse, CHANNEL, Channel, ChannelConfig, Document, Monitor};
use super::from_five::{number, plain};
use super::programs::{Fate, fate};
use super::{Finding, Findings};
use crate::config::{Command, Config, Location, Mode, Response};
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

/// Each response as a channel and a monitor, and a list of what has no
/// counterpart.
#[must_use]
pub fn to_five(config: &Config) -> Five {
    let mut findings = Findings::default();
    let mut documents = Vec::new();
    for (n, response) in (1_usize..).zip(&config.responses) {
        let Some(command) = config.command(&response.command) else { continue };
        let Some(active_response) = active_response(command, response, &mut findings) else { continue };
        let channel = channel(n, config, response, active_response, &mut findings);
        // What could not come back is not sent there either: control
        // characters in a name, a path in place of a file name.
        if plain(&response.place.to_string(), &channel.config, &mut findings).is_none() {
            continue;
        }
        let monitor = monitor(&channel, response, &mut findings);
        documents.push(Document::Channel(channel));
        documents.push(Document::Monitor(monitor));
    }
    what_commands_lose(config, &mut findings);
    what_files_lose(config, &mut findings);
    Five { documents, findings: findings.0 }
}

fn active_response(command: &Command, response: &Response, findings: &mut Findings) -> Option<ActiveResponse> {
    let place = response.place.to_string();
    let (location, agent_id) = location(response, &place, findings)?;
    let executable = executable(command, &place, findings)?;
    let stateful_timeout = timeout(response, &place, findings);
    if !response.offenders.is_empty() {
        let help = "write the list into the <active-response> block of each agent's own ossec.conf: 5.x reads it there, in minutes, one list for all responses.";
        findings.add(Warning, &place, "repeated offenders of one response", help);
    }
    let kind = if stateful_timeout.is_some() { "stateful" } else { "stateless" };
    Some(ActiveResponse {
        executable,
        extra_args: command.extra_args.join(" "),
        location: location.to_owned(),
        r#type: kind.to_owned(),
        agent_id,
        stateful_timeout,
    })
}

fn location(
    response: &Response,
    place: &str,
    findings: &mut Findings,
) -> Option<(&'static str, Option<String>)> {
    match &response.location {
        Location::Local => Some(("local", None)),
        Location::DefinedAgent(agent) => Some(("defined-agent", Some(agent.to_string()))),
        Location::All => {
            let help = "pages of 5.0 disagree whether \"all\" means every agent or the one that raised the alert: try it on one agent first.";
            findings.add(Note, place, "the location \"all\"", help);
            Some(("all", None))
        }
        Location::Server => {
            let help = "5.x runs nothing on the manager: install an agent there and write its number with defined-agent, or keep this response in Riposte.";
            findings.add(Error, place, "the location \"server\"; the response is not migrated", help);
            None
        }
    }
}

fn executable(command: &Command, place: &str, findings: &mut Findings) -> Option<String> {
    let name = &command.executable;
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
            findings.add(Warning, place, format!("5.x has no {}: block-ip takes its place", shown(name)), help);
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

fn timeout(response: &Response, place: &str, findings: &mut Findings) -> Option<u64> {
    let timeout = response.timeout?;
    let seconds = timeout.as_secs().clamp(1, LONGEST);
    if seconds != timeout.as_secs() || timeout.subsec_nanos() != 0 {
        let what = format!("a timeout of {}", crate::span::shown(timeout));
        findings.add(Warning, place, what, format!("5.x counts whole seconds up to {LONGEST}: it is {seconds}."));
    }
    Some(seconds)
}

/// The channel, named after its command, or after the response when the
/// command has several.
fn channel(
    n: usize,
    config: &Config,
    response: &Response,
    active_response: ActiveResponse,
    findings: &mut Findings,
) -> Channel {
    let siblings = config.responses.iter().filter(|other| other.command == response.command).count();
    // A name that ends like a number among several keeps one, so that it can
    // be told apart again.
    let numbered = siblings > 1 || number(&response.command).is_some();
    let name = if numbered { &response.name } else { &response.command };
    let shadow = response.mode == Mode::Shadow;
    if shadow {
        let help = "its channel is muted: unmute it to act.";
        findings.add(Warning, &response.place.to_string(), "5.x has no shadow mode", help);
    }
    Channel {
        config_id: format!("ar{n}-{}", slug(&response.command)),
        config: ChannelConfig {
            name: name.to_string(),
            description: format!("From {}", response.place),
            config_type: CHANNEL.to_owned(),
            is_enabled: !shadow,
            active_response,
        },
    }
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
fn monitor(channel: &Channel, response: &Response, findings: &mut Findings) -> Monitor {
    let mut queries = Vec::new();
    let mut triggers = String::new();
    let mut trigger = |tag: &str, text: String| triggers.push_str(&format!(" <{tag}>{text}</{tag}>"));
    if !response.rules.is_empty() {
        let rules: Vec<String> = response.rules.iter().map(ToString::to_string).collect();
        trigger("rules_id", rules.join(","));
        queries.push(any("wazuh.rule.id", &rules));
    }
    if !response.groups.is_empty() {
        trigger("rules_group", response.groups.iter().map(|group| format!("{group},")).collect::<Vec<_>>().join("|"));
        queries.push(any("wazuh.rule.tags", &response.groups));
    }
    if let Some(level) = response.level {
        trigger("level", level.to_string());
        queries.push(any("wazuh.rule.level", severities(level)));
    }
    let help = format!(
        "the monitor {} is switched off and its query a draft: rules of 5.x have other numbers, tags in place of groups, and words in place of levels. Write the query for them, then switch it on.",
        shown(&channel.config.name)
    );
    findings.add(Warning, &response.place.to_string(), format!("what fires it:{triggers}"), help);
    Monitor {
        channel: channel.config_id.clone(),
        name: channel.config.name.as_str().into(),
        description: format!("Draft. Wazuh 4.x fired it on{triggers}").into(),
        queries: queries.into(),
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
            ("<expect>", !command.expect.is_empty(), "5.x sends the finding; the program takes its fields from there."),
            ("<keys>", !command.keys.is_empty(), "the program says its keys itself, with check_keys."),
            ("<capabilities>", command.capabilities.is_some(), "5.x grants nothing and refuses nothing: its programs run as root."),
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
