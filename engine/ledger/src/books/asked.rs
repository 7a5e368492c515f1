//! What is asked for, as far as it decides whether it is new.

use riposte_policy::config::{Mode, Way};

use super::keys_json;
use super::offence::{Lengths, Offender};
use crate::entry::{Kind, NewEntry, length_ms, wazuh};
use crate::index::{Index, Print};

/// What decides whether an order, or the keys that a program named, are new.
pub(super) struct Asked<'a> {
    pub(super) tenant: &'a str,
    pub(super) command: &'a str,
    pub(super) response: Option<&'a str>,
    pub(super) agent: &'a str,
    pub(super) keys: &'a [String],
    /// The same as the tables keep them.
    pub(super) json: String,
    pub(super) mode: Mode,
    pub(super) key: Way,
    pub(super) offences: Way,
    /// Wazuh's key, where anything goes Wazuh's way.
    pub(super) wazuh_key: Option<String>,
    /// Whether a program has yet to name its keys, which then decide.
    pub(super) unnamed: bool,
    /// `None`: it lasts for good, is like no other, and counts for nothing.
    pub(super) lengths: Option<&'a Lengths>,
}

impl<'a> Asked<'a> {
    pub(super) fn of(new: &'a NewEntry, lengths: Option<&'a Lengths>) -> Self {
        Self {
            tenant: &new.tenant,
            command: &new.command,
            response: new.response.as_deref(),
            agent: &new.agent,
            keys: &new.keys,
            json: keys_json(&new.keys),
            mode: new.mode,
            key: new.key,
            offences: new.offences,
            wazuh_key: (new.key == Way::Wazuh || new.offences == Way::Wazuh)
                .then(|| wazuh::key(&new.program, &new.keys)),
            unnamed: new.kind == Kind::Native,
            lengths,
        }
    }

    /// Its key, once its keys are named.
    pub(super) fn print(&self, index: &Index) -> Print {
        match (self.key, &self.wazuh_key) {
            (Way::Wazuh, Some(text)) => index.wazuh_key(self.tenant, text, self.mode),
            _ => index.key(self.tenant, self.command, self.agent, self.keys, self.mode),
        }
    }

    pub(super) fn offender(&self) -> Offender<'_> {
        let scope = self.response.unwrap_or(self.command);
        Offender { tenant: self.tenant, scope, agent: self.agent, keys: &self.json }
    }
}

impl Lengths {
    /// A component that runs once has nothing to undo, whatever the timeout.
    pub(super) fn of(new: &NewEntry) -> Option<Self> {
        let base = new.timeout.filter(|_| new.kind != Kind::Oneshot)?;
        Some(Self {
            base: length_ms(base),
            offenders: new.offenders.iter().copied().map(length_ms).collect(),
        })
    }
}
