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

/// The agent that a response with this location is for, when the alert came
/// from `alert_agent` (the server, when the alert names none).
///
/// `all` means every agent. A machine on its own is the only one it reaches,
/// so the order is for the server's number.
#[must_use]
pub fn recipient(location: &Location, alert_agent: Option<&str>) -> Arc<str> {
    match location {
        Location::Local => number(alert_agent.unwrap_or(SERVER)),
        Location::Server | Location::All => SERVER.into(),
        Location::DefinedAgent(agent) => number(agent),
    }
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
        assert_eq!(&*recipient(&Location::Local, Some("3")), "003");
        assert_eq!(&*recipient(&Location::Local, None), "000");
        assert_eq!(&*recipient(&Location::Server, Some("003")), "000");
        assert_eq!(&*recipient(&Location::All, Some("003")), "000");
        assert_eq!(&*recipient(&Location::DefinedAgent("12".into()), Some("003")), "012");
    }
}
