//! `<location>`: where a response runs, which may be several places at once.

use std::fmt;
use std::sync::Arc;

/// Where a response runs: one place or several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    local: bool,
    server: bool,
    agent: Option<Arc<str>>,
    all: bool,
}

impl Location {
    /// On the agent that generated the alert.
    pub const LOCAL: Self = Self { local: true, server: false, agent: None, all: false };
    /// On the server.
    pub const SERVER: Self = Self { local: false, server: true, agent: None, all: false };
    /// On all agents, of which the server is none.
    pub const ALL: Self = Self { local: false, server: false, agent: None, all: true };

    /// On one agent, by its number.
    #[must_use]
    pub fn defined_agent(number: impl Into<Arc<str>>) -> Self {
        Self { agent: Some(number.into()), ..Self::default() }
    }

    /// Here and there. Of two defined agents the first counts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            local: self.local || other.local,
            server: self.server || other.server,
            agent: self.agent.or(other.agent),
            all: self.all || other.all,
        }
    }

    /// Whether it runs on the agent that generated the alert.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// Whether it runs on the server.
    #[must_use]
    pub fn is_server(&self) -> bool {
        self.server
    }

    /// The number of the agent it runs on, of at least three digits.
    #[must_use]
    pub fn agent(&self) -> Option<&Arc<str>> {
        self.agent.as_ref()
    }

    /// Whether it runs on all agents.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.all
    }

    /// The words of the configuration: `local`, `server`, `defined-agent`,
    /// `all`, in this order.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        let words = [
            (self.local, "local"),
            (self.server, "server"),
            (self.agent.is_some(), "defined-agent"),
            (self.all, "all"),
        ];
        words.into_iter().filter_map(|(there, word)| there.then_some(word))
    }

    /// Whether it is several places.
    #[must_use]
    pub fn is_several(&self) -> bool {
        self.words().count() > 1
    }
}

/// As a configuration has it: `local,server`.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, word) in self.words().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            f.write_str(word)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_add_up() {
        let both = Location::SERVER.and(Location::LOCAL).and(Location::SERVER);
        assert_eq!(
            (both.to_string().as_str(), both.is_several(), both.is_all()),
            ("local,server", true, false)
        );
        let agents = Location::defined_agent("007").and(Location::defined_agent("008")).and(Location::ALL);
        assert_eq!(agents.agent().map(|agent| &**agent), Some("007"));
        assert_eq!(agents.to_string(), "defined-agent,all");
        assert!(!Location::ALL.is_several() && !Location::ALL.is_server());
    }
}
