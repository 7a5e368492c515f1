//! Documents of 5.x to a configuration of 4.x.

use std::collections::HashMap;
use std::fmt::Write;

use serde::Deserialize;
use serde_json::Value;

use super::document::{CHANNEL, Channel, ChannelConfig, Monitor};
use super::programs::of_five;
use super::{Finding, Findings};
use crate::diagnostic::Severity::{Error, Note, Warning};
use crate::diagnostic::shown;

/// What [`from_five`] made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Four {
    /// One `<ossec_config>` with commands and responses. What fires a response
    /// stands beside it as a comment.
    pub xml: String,
    /// What has no counterpart.
    pub findings: Vec<Finding>,
}

/// Reads what the indexer answers or takes: channels and monitors, alone, in
/// arrays, in search results, or one JSON text after another. `file` is the
/// name to report.
#[must_use]
pub fn from_five(sources: &[(&str, &[u8])]) -> Four {
    let mut findings = Findings::default();
    let mut found = Found::default();
    for (file, bytes) in sources {
        for (n, value) in (1..).zip(serde_json::Deserializer::from_slice(bytes).into_iter::<Value>()) {
            match value {
                Ok(value) => found.read(file, &value, "", &mut findings),
                Err(error) => {
                    let help = "it takes the JSON that the indexer answers for channels and monitors.";
                    findings.add(Error, file, format!("document {n} is not JSON: {error}"), help);
                    break;
                }
            }
        }
    }
    Four { xml: found.write(&mut findings), findings: findings.0 }
}

/// The number that a channel's name ends with, when it is one of several of
/// one command: `firewall-drop#2`.
pub(super) fn number(name: &str) -> Option<(&str, u32)> {
    let (command, number) = name.rsplit_once('#')?;
    let plain = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
    Some((command, number.parse().ok().filter(|_| plain && !command.is_empty())?))
}

#[derive(Default)]
struct Found {
    channels: Vec<(String, Channel)>,
    monitors: Vec<Monitor>,
}

impl Found {
    /// Takes what a value holds, however it is wrapped.
    fn read(&mut self, file: &str, value: &Value, id: &str, findings: &mut Findings) {
        if let Value::Array(items) = value {
            return items.iter().for_each(|item| self.read(file, item, id, findings));
        }
        let monitors = Monitor::read(value);
        if !monitors.is_empty() {
            return self.monitors.extend(monitors);
        }
        let inside = ["documents", "config_list", "monitor", "hits", "_source"];
        let wrapped: Vec<&Value> = inside.iter().filter_map(|name| value.get(name)).collect();
        if !wrapped.is_empty() && value.get("config").is_none() {
            let id = value["_id"].as_str().unwrap_or(id);
            return wrapped.into_iter().for_each(|inner| self.read(file, inner, id, findings));
        }
        let config = value.get("config").unwrap_or(value);
        let kind = config["config_type"].as_str().or_else(|| value["monitor_type"].as_str());
        let place = format!("{file}: {}", shown(config["name"].as_str().unwrap_or("without a name")));
        if kind != Some(CHANNEL) {
            let what = format!("a document of the type {}", shown(kind.unwrap_or("none")));
            return findings.add(
                Note,
                &place,
                what,
                "only channels of the type active_response are responses.",
            );
        }
        match ChannelConfig::deserialize(config) {
            Ok(config) => {
                let config_id = value["config_id"].as_str().unwrap_or(id).to_owned();
                self.channels.push((place, Channel { config_id, config }));
            }
            Err(error) => {
                let help = "the indexer would refuse it too; it is not migrated.";
                findings.add(Error, &place, format!("an incomplete channel: {error}"), help);
            }
        }
    }

    fn write(&self, findings: &mut Findings) -> String {
        let mut called: HashMap<&str, Vec<&Monitor>> = HashMap::new();
        for monitor in &self.monitors {
            called.entry(&monitor.channel).or_default().push(monitor);
        }
        let mut commands = Commands::default();
        let mut responses = String::new();
        for (place, channel) in &self.channels {
            let monitors = called.remove(channel.config_id.as_str()).unwrap_or_default();
            let Some(timeout) = plain(place, &channel.config, findings) else { continue };
            let command = commands.of(place, &channel.config, findings);
            responses.push_str(&response(place, &channel.config, &command, timeout, &monitors, findings));
        }
        for monitor in self.monitors.iter().filter(|monitor| called.contains_key(monitor.channel.as_str())) {
            let (name, channel) = (shown(&monitor.name), shown(&monitor.channel));
            let what = format!("the monitor {name} calls the channel {channel}");
            findings.add(Note, "", what, "this channel is not among the documents.");
        }
        format!("<ossec_config>\n{}{responses}</ossec_config>\n", commands.xml())
    }
}

/// One `<active-response>`; what fires it as comments.
fn response(
    place: &str,
    config: &ChannelConfig,
    command: &str,
    timeout: Option<u64>,
    monitors: &[&Monitor],
    findings: &mut Findings,
) -> String {
    let run = &config.active_response;
    let mut block = String::from("  <active-response>\n    <disabled>no</disabled>\n");
    let mut line = |tag: &str, text: &str| {
        // Writing to a text cannot fail.
        let _ = writeln!(block, "    <{tag}>{}</{tag}>", escaped(text));
    };
    line("command", command);
    line("location", &run.location);
    if let Some(agent) = run.agent_id.as_ref().filter(|_| run.location == "defined-agent") {
        line("agent_id", agent);
    }
    if let Some(timeout) = timeout {
        line("timeout", &timeout.to_string());
    }
    for monitor in monitors {
        let mut fired = format!("{}:", comment(&monitor.name));
        for text in
            std::iter::once(&*monitor.description).chain(monitor.queries.iter().map(String::as_str)).take(8)
        {
            let _ = write!(fired, " {}", comment(text));
        }
        let _ = writeln!(block, "    <!-- fired by the monitor {fired} -->");
    }
    block.push_str(
        "    <!-- TODO <rules_id>, <rules_group> or <level>: what fires it -->\n  </active-response>\n",
    );
    let what = match monitors {
        [] => "no monitor among the documents fires it",
        _ => "what fires it stands in monitors",
    };
    let help =
        "write <rules_id>, <rules_group> or <level> where the comment stands: queries have no counterpart.";
    findings.add(Warning, place, what, help);
    if run.location != "defined-agent" {
        let help = "pages of 5.0 disagree on local and all: local is taken for the agent that raised the alert, all for every agent.";
        findings.add(Note, place, format!("the location {}", shown(&run.location)), help);
    }
    if config.is_enabled {
        return block;
    }
    findings.add(Warning, place, "it is muted", "it stands in a comment: take that away to use it.");
    // Comments stand before it: within it, what they say would count once it is used.
    let (comments, inner): (Vec<_>, Vec<_>) =
        block.split_inclusive('\n').partition(|line| line.starts_with("    <!-- "));
    // No comment may hold two hyphens: a name that does has a reference there.
    let inner = inner.concat().replace("--", "-&#45;");
    format!("{}  <!-- muted in Wazuh 5\n{inner}  -->\n", comments.concat())
}

/// The commands that the channels need.
#[derive(Default)]
struct Commands {
    /// Name, program, arguments, whether one of its responses is undone.
    each: Vec<(String, String, String, bool)>,
    by_name: HashMap<String, usize>,
    /// The next number for a name that means several programs.
    next: HashMap<String, u32>,
}

impl Commands {
    /// The name of the command that runs this channel's program: what stands
    /// before `#2`, or the whole name when that runs something else.
    fn of(&mut self, place: &str, config: &ChannelConfig, findings: &mut Findings) -> String {
        let run = &config.active_response;
        let executable = of_five(&run.executable);
        if executable != run.executable {
            let what = format!("{} is {executable} here", shown(&run.executable));
            findings.add(Note, place, what, "on Windows write netsh.exe.");
        } else if executable != "disable-account" {
            let help = "4.x sends it \"add\" and \"delete\" and the alert of 4.x: adapt it, or give the command protocol=\"5\" in Riposte.";
            findings.add(Warning, place, format!("{} is a program of your own", shown(executable)), help);
        }
        let arguments = run.extra_args.split_whitespace().collect::<Vec<_>>().join(" ");
        let stateful = run.r#type == "stateful";
        let base = number(&config.name).map_or(&*config.name, |(command, _)| command);
        for name in [base, &*config.name] {
            match self.by_name.get(name).and_then(|at| self.each.get_mut(*at)) {
                Some(known) if known.1 == executable && known.2 == arguments => {
                    known.3 |= stateful;
                    return name.to_owned();
                }
                Some(_) => {}
                None => return self.define(name.to_owned(), executable, arguments, stateful),
            }
        }
        let n = self.next.entry(config.name.clone()).or_insert(1);
        let mut name = config.name.clone();
        while self.by_name.contains_key(&name) {
            *n = n.saturating_add(1);
            name = format!("{}-{n}", config.name);
        }
        findings.add(
            Note,
            place,
            format!("another channel has this name: its command is {}", shown(&name)),
            "",
        );
        self.define(name, executable, arguments, stateful)
    }

    fn define(&mut self, name: String, executable: &str, arguments: String, stateful: bool) -> String {
        self.by_name.insert(name.clone(), self.each.len());
        self.each.push((name.clone(), executable.to_owned(), arguments, stateful));
        name
    }

    fn xml(&self) -> String {
        let mut out = String::new();
        for (name, executable, arguments, stateful) in &self.each {
            let _ = writeln!(out, "  <command>\n    <name>{}</name>", escaped(name));
            let _ = writeln!(out, "    <executable>{}</executable>", escaped(executable));
            if !arguments.is_empty() {
                let _ = writeln!(out, "    <extra_args>{}</extra_args>", escaped(arguments));
            }
            let allowed = if *stateful { "yes" } else { "no" };
            let _ = writeln!(out, "    <timeout_allowed>{allowed}</timeout_allowed>\n  </command>");
        }
        out
    }
}

/// The timeout of a channel that both versions can hold; `None` after a
/// finding that says why one cannot.
#[expect(clippy::option_option, reason = "whether it can be held, and whether there is one")]
pub(super) fn plain(place: &str, config: &ChannelConfig, findings: &mut Findings) -> Option<Option<u64>> {
    let run = &config.active_response;
    let mut refuse = |what: String| {
        findings.add(Error, place, what, "it is not migrated: mend it first.");
        None
    };
    let fits = |text: &str| {
        !text.is_empty() && text.len() <= 240 && text.trim() == text && !text.contains(unwritable)
    };
    if !fits(&config.name) || config.name.starts_with('!') {
        return refuse("a name that no command can have".to_owned());
    }
    if !fits(&run.executable) || run.executable.contains(['/', '\\']) || run.executable.starts_with('.') {
        return refuse(format!("the executable {}, which is no file name", shown(&run.executable)));
    }
    if run.extra_args.contains(|c: char| unwritable(c) && !c.is_whitespace()) {
        return refuse("arguments with control characters".to_owned());
    }
    match (run.location.as_str(), &run.agent_id) {
        // An agent's number beside them means nothing.
        ("local" | "all", _) => {}
        ("defined-agent", Some(agent))
            if agent.bytes().all(|b| b.is_ascii_digit())
                && agent.parse::<u32>().is_ok_and(|agent| agent > 0) => {}
        ("defined-agent", _) => return refuse("defined-agent without the number of an agent".to_owned()),
        (other, _) => return refuse(format!("the location {}", shown(other))),
    }
    match (run.r#type.as_str(), run.stateful_timeout) {
        ("stateful", Some(seconds @ 1..=2_147_483_647)) => Some(Some(seconds)),
        ("stateful", _) => refuse("stateful without a timeout of 1 second or more".to_owned()),
        ("stateless", _) => Some(None),
        (other, _) => refuse(format!("the type {}", shown(other))),
    }
}

/// What XML cannot hold, and what would break a line of it.
fn unwritable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// Text as element content.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text as part of a comment, on one line.
fn comment(text: &str) -> String {
    let text: String = text.chars().take(500).map(|c| if unwritable(c) { ' ' } else { c }).collect();
    text.replace("--", "- -").replace("--", "- -").trim_end_matches('-').to_owned()
}
