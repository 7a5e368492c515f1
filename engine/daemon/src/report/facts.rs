//! What an event says of the command behind it: the digests of its definition
//! and component, and what it may change the host by.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use riposte_ledger::Entry;
use riposte_ledger::audit::Event;
use riposte_ledger::audit::chain::Hash;
use riposte_policy::config::Command;
use riposte_policy::grant::Detail;

use crate::arm::Armed;

/// How many definitions are remembered.
const MOST: usize = 1_024;

/// Grants that change the host, and their interfaces.
const INTERFACES: [(&str, &str); 8] = [
    ("firewall", "firewall"),
    ("route", "routes"),
    ("lines", "lines"),
    ("isolation", "isolation"),
    ("account", "accounts"),
    ("quarantine", "quarantine"),
    ("process", "processes"),
    ("service", "services"),
];

/// What is known of a definition.
#[derive(Debug)]
struct Facts {
    /// SHA-256 of the definition as the ledger keeps it.
    definition: String,
    interfaces: Vec<String>,
}

/// The definition in use, and the component's digest.
type InUse = (Arc<Facts>, Option<String>);

/// What is known of definitions, worked out once for each.
#[derive(Default)]
pub(super) struct Known {
    /// Those in use, by the name of their command, with the component's digest.
    armed: RwLock<HashMap<Arc<str>, InUse>>,
    /// By the definition.
    seen: Mutex<HashMap<String, Arc<Facts>>>,
}

impl Known {
    /// Takes over what is armed now.
    pub(super) fn arm(&self, armed: &Armed) {
        let of = |ready: &Arc<crate::arm::Ready>| {
            let digest = ready.runner.digest().map(|digest| digest.to_string());
            (Arc::clone(&ready.command.name), (self.of(&ready.definition), digest))
        };
        let armed = armed.all().map(of).collect();
        *self.armed.write().unwrap_or_else(PoisonError::into_inner) = armed;
    }

    /// Adds what is known of a command that is armed.
    pub(super) fn of_command(&self, name: &str, event: Event) -> Event {
        let armed = self.armed.read().unwrap_or_else(PoisonError::into_inner);
        let Some((facts, digest)) = armed.get(name) else { return event };
        with(facts, digest.clone(), event)
    }

    /// Adds what is known of what made an entry.
    pub(super) fn of_entry(&self, entry: &Entry, event: Event) -> Event {
        with(&self.of(&entry.definition), entry.digest.clone(), event)
    }

    fn of(&self, definition: &str) -> Arc<Facts> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(facts) = seen.get(definition) {
            return Arc::clone(facts);
        }
        if seen.len() >= MOST {
            seen.clear();
        }
        let facts = Arc::new(Facts { definition: digest(definition), interfaces: interfaces(definition) });
        seen.insert(definition.to_owned(), Arc::clone(&facts));
        facts
    }
}

/// SHA-256 of a definition as the ledger keeps it, in hex.
#[must_use]
pub fn digest(definition: &str) -> String {
    Hash::of(definition.as_bytes()).to_string()
}

/// The grants of a definition, as XML elements.
#[must_use]
pub fn grants(definition: &str) -> Vec<String> {
    let Ok(command) = Command::from_stored(definition) else { return Vec::new() };
    command.capabilities.map(|grants| grants.elements(Detail::Least)).unwrap_or_default()
}

fn interfaces(definition: &str) -> Vec<String> {
    let grants = grants(definition);
    let granted = |element: &str| {
        grants.iter().any(|grant| {
            let rest = grant.strip_prefix('<').and_then(|grant| grant.strip_prefix(element));
            rest.is_some_and(|rest| rest.starts_with([' ', '/', '>']))
        })
    };
    let known = INTERFACES.iter().filter(|(element, _)| granted(element));
    known.map(|(_, interface)| (*interface).to_owned()).collect()
}

fn with(facts: &Facts, digest: Option<String>, event: Event) -> Event {
    Event {
        definition: Some(facts.definition.clone()),
        digest,
        interfaces: facts.interfaces.clone(),
        ..event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_those_that_change_the_host() {
        let builtin =
            riposte_plugins::builtins().iter().find(|builtin| builtin.name == "firewall-drop").unwrap();
        let definition = crate::arm::definition(builtin).unwrap().to_stored();
        assert_eq!(interfaces(&definition), ["firewall"]);
        assert_eq!(digest(&definition).len(), 64);
        assert_eq!(interfaces("{"), [""; 0]);
    }
}
