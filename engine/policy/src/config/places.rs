//! `<location>` and `<agent_id>`: from their words to a [`Location`].

use std::sync::Arc;

use super::command::words;
use super::findings::Findings;
use super::suggest::did_you_mean;
use super::xml::{Element, printable};
use super::{Location, Role, block, response};
use crate::diagnostic::{Severity, shown};

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

/// Where a response runs; `None` when that cannot be read, which was reported.
pub(super) fn location(
    element: &Element,
    sound: &mut bool,
    role: Role,
    disabled: bool,
    findings: &mut Findings<'_>,
) -> Option<Location> {
    let agent = block::single(element, "agent_id", findings);
    let Some(location) = block::single(element, "location", findings) else {
        if !disabled && !response::is_passed_over(element, role, findings) {
            response::missing(element, "this response has no <location>", findings);
        }
        return None;
    };
    let places = places(location, role, findings)?;
    let mut runs = Location::default();
    for place in places {
        runs = runs.and(match place {
            Place::Local => Location::LOCAL,
            Place::Server => Location::SERVER,
            Place::DefinedAgent => Location::defined_agent(agent_id(location, agent, role, sound, findings)?),
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
            let text = printable(location.value());
            findings.says(format!("(1302): Invalid active response location: '{text}'."));
            None
        }
    }
}

fn agent_id(
    location: &Element,
    agent: Option<&Element>,
    role: Role,
    sound: &mut bool,
    findings: &mut Findings<'_>,
) -> Option<Arc<str>> {
    let Some(agent) = agent else {
        *sound = false;
        let message = "the location is defined-agent, but no <agent_id> says which";
        findings.error(location.spot, "agent-missing", message, "add <agent_id>001</agent_id>.");
        findings.says("(1304): No agent defined for response.");
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
            none(agent, role, message, help, findings)
        }
        None => {
            let message = format!("{} is not the number of one agent", shown(id));
            let help = "write one number, such as 001. The response is not used.";
            none(agent, role, &message, help, findings)
        }
    }
}

/// No agent: Wazuh's manager warns, skips the block and goes on.
fn none(
    agent: &Element,
    role: Role,
    message: &str,
    help: &str,
    findings: &mut Findings<'_>,
) -> Option<Arc<str>> {
    let severity = if role == Role::Manager { Severity::Warning } else { Severity::Error };
    findings.found(severity, agent.spot, "agent-invalid", message, help);
    findings.says("(1306): Invalid agent ID. Use location=server to run AR on the manager.");
    None
}
