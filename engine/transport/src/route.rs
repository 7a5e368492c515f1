//! Which agents a response is for, and whether this machine is one of them.

use std::sync::Arc;

use riposte_policy::config::Location;

/// Number of the server, which on one machine is the agent too.
pub const SERVER: &str = "000";

/// Which agents this machine stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    agents: Vec<Arc<str>>,
    everyone: bool,
}

impl Identity {
    /// The server, and the agents in `agents`; every agent with `everyone`.
    #[must_use]
    pub fn new(agents: &[String], everyone: bool) -> Self {
        let agents = std::iter::once(SERVER).chain(agents.iter().map(String::as_str)).map(number).collect();
        Self { agents, everyone }
    }

    /// Whether this machine stands for `agent`.
    #[must_use]
    pub fn stands_for(&self, agent: &str) -> bool {
        self.everyone || self.agents.iter().any(|own| **own == *number(agent))
    }
}

/// The agents that a response with this location is for, each once and with
/// the word of the location that names it, when the alert came from
/// `alert_agent` (the server, when the alert names none).
///
/// `all` means every agent. A machine on its own is the only one it reaches,
/// so the order is for the server's number; who has agents to send to asks
/// [`Location::is_all`] for them.
#[must_use]
pub fn recipients(location: &Location, alert_agent: Option<&str>) -> Vec<(Arc<str>, &'static str)> {
    let mut recipients: Vec<(Arc<str>, &'static str)> = Vec::new();
    for word in location.words() {
        let agent = match (word, location.agent()) {
            ("local", _) => number(alert_agent.unwrap_or(SERVER)),
            ("defined-agent", Some(agent)) => number(agent),
            _ => SERVER.into(),
        };
        if !recipients.iter().any(|(there, _)| *there == agent) {
            recipients.push((agent, word));
        }
    }
    recipients
}

/// An agent's number as Wazuh prints it: at least three digits.
fn number(agent: &str) -> Arc<str> {
    match agent.parse::<u32>() {
        Ok(number) => format!("{number:03}").into(),
        Err(_) => agent.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_is_server_and_agent_000() {
        let alone = Identity::new(&[], false);
        assert!(alone.stands_for("000") && alone.stands_for("0"));
        assert!(!alone.stands_for("001"));
        assert!(Identity::new(&["7".into()], false).stands_for("007"));
        assert!(Identity::new(&[], true).stands_for("912"));
    }

    #[test]
    fn locations_name_their_agent() {
        let agents = |location: Location, from| -> Vec<(String, &str)> {
            let recipients = recipients(&location, from);
            recipients.into_iter().map(|(agent, word)| (agent.to_string(), word)).collect()
        };
        let one = |agent: &str, word| vec![(agent.to_owned(), word)];
        assert_eq!(agents(Location::LOCAL, Some("3")), one("003", "local"));
        assert_eq!(agents(Location::LOCAL, None), one("000", "local"));
        assert_eq!(agents(Location::SERVER, Some("003")), one("000", "server"));
        assert_eq!(agents(Location::ALL, Some("003")), one("000", "all"));
        assert_eq!(agents(Location::defined_agent("12"), Some("003")), one("012", "defined-agent"));
        // Nobody is asked twice.
        let both = Location::LOCAL.and(Location::SERVER);
        assert_eq!(agents(both.clone(), None), one("000", "local"));
        assert_eq!(agents(both, Some("7")), [one("007", "local"), one("000", "server")].concat());
        assert_eq!(agents(Location::SERVER.and(Location::ALL), None), one("000", "server"));
        assert_eq!(
            agents(Location::LOCAL.and(Location::defined_agent("7")), Some("007")),
            one("007", "local")
        );
    }
}
