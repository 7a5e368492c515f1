//! From an alert to the responses that fire.
//!
//! The three triggers of a response are accumulative, as Wazuh documents them:
//! any one of them fires it. Rules of level 0 never fire anything. An alert about
//! what a response did fires only a response that names its rule: else each
//! response could cause the next.
//!
//! A response with [`Way::Wazuh`] fires as the code of Wazuh 4.x has it
//! (`analysisd/rules.c`, `Rule_AddAR`): its rule has a level, and is named, or
//! reaches the level, or has a group in which the pattern is found; with both a
//! level and a pattern, only when both are so.

mod explain;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::alert::{Alert, COMPLIANCE};
use crate::config::{Response, Way};
use crate::osregex::Pattern;

pub use explain::{Match, Miss, Why, explain};

/// Highest level that is told from those below it: Wazuh takes 20 in a response
/// though its rules end at 16.
const HIGHEST: u8 = 20;

/// The triggers of many responses, looked up in time that does not depend on
/// how many there are. Only patterns are tried one by one.
#[derive(Clone, Debug, Default)]
pub struct Index {
    documented: Triggers,
    wazuh: Triggers,
    groups: Groups,
    patterns: Vec<Tried>,
}

/// Rules and levels.
#[derive(Clone, Debug, Default)]
struct Triggers {
    rules: HashMap<u32, Vec<usize>, Spread>,
    /// By level from 0 to the highest: what fires at that level.
    levels: [Vec<usize>; HIGHEST as usize + 1],
}

/// A pattern, the level that must be reached with it, and the response.
#[derive(Clone, Debug)]
struct Tried {
    pattern: Pattern,
    level: Option<u8>,
    position: usize,
}

impl Index {
    /// The index of these responses. What it finds are positions in this slice.
    #[must_use]
    pub fn new(responses: &[Arc<Response>]) -> Self {
        let mut index = Self::default();
        for (position, response) in responses.iter().enumerate() {
            match response.matching {
                Way::Riposte => {
                    index.documented.insert(&response.rules, response.level, position);
                    for group in &response.groups {
                        index.groups.insert(group, position);
                    }
                }
                Way::Wazuh => {
                    let alone = response.level.filter(|_| response.pattern.is_none());
                    index.wazuh.insert(&response.rules, alone, position);
                    if let Some(pattern) = &response.pattern {
                        let (pattern, level) = (pattern.clone(), response.level);
                        index.patterns.push(Tried { pattern, level, position });
                    }
                }
            }
        }
        index
    }

    /// The positions of the responses that this alert fires, in order.
    #[must_use]
    pub fn fires(&self, alert: &Alert<'_>) -> Vec<usize> {
        let mut fired = Vec::new();
        if alert.level() == Some(0) {
            return fired;
        }
        if alert.is_of_a_response() {
            self.documented.named(alert, &mut fired);
            if alert.level().is_some() {
                self.wazuh.named(alert, &mut fired);
            }
            fired.sort_unstable();
            fired.dedup();
            return fired;
        }
        self.documented.collect(alert, &mut fired);
        self.groups.collect(alert, &mut fired);
        // To Wazuh a rule without a level is one of level 0.
        if let Some(level) = alert.level() {
            self.wazuh.collect(alert, &mut fired);
            self.try_patterns(alert, level, &mut fired);
        }
        fired.sort_unstable();
        fired.dedup();
        fired
    }

    fn try_patterns(&self, alert: &Alert<'_>, level: u8, fired: &mut Vec<usize>) {
        // The text is made once, and only when a pattern is to be tried.
        let mut folded: Option<String> = None;
        for tried in &self.patterns {
            if tried.level.is_some_and(|wanted| !reaches(level, wanted)) {
                continue;
            }
            let text = folded.get_or_insert_with(|| {
                let mut text = alert.group_text();
                text.make_ascii_lowercase();
                text
            });
            if tried.pattern.is_in_folded(text.as_bytes()) {
                fired.push(tried.position);
            }
        }
    }
}

impl Triggers {
    fn insert(&mut self, rules: &[u32], level: Option<u8>, position: usize) {
        for rule in rules {
            self.rules.entry(*rule).or_default().push(position);
        }
        if let Some(level) = level {
            for at in self.levels.iter_mut().skip(usize::from(level.clamp(1, HIGHEST))) {
                at.push(position);
            }
        }
    }

    /// What names the rule.
    fn named(&self, alert: &Alert<'_>, fired: &mut Vec<usize>) {
        if let Some(responses) = alert.rule_number().and_then(|rule| self.rules.get(&rule)) {
            fired.extend_from_slice(responses);
        }
    }

    fn collect(&self, alert: &Alert<'_>, fired: &mut Vec<usize>) {
        self.named(alert, fired);
        let level = alert.level().map(|level| usize::from(level.min(HIGHEST)));
        if let Some(responses) = level.and_then(|level| self.levels.get(level)) {
            fired.extend_from_slice(responses);
        }
    }
}

/// Whether the level of a rule is that of a response, or above.
fn reaches(rule: u8, wanted: u8) -> bool {
    rule.min(HIGHEST) >= wanted.clamp(1, HIGHEST)
}

/// Responses by group, without case.
#[derive(Clone, Debug, Default)]
struct Groups {
    /// By the group's name in lower case.
    responses: HashMap<Box<[u8]>, Vec<usize>, Spread>,
    /// One bit for each length that a configured name has, the last for all
    /// lengths from 63 on: most names of most alerts are passed over by it.
    lengths: u64,
    /// Whether a configured name may come from this compliance array.
    compliance: [bool; COMPLIANCE.len()],
}

impl Groups {
    fn insert(&mut self, group: &str, position: usize) {
        let group = group.to_ascii_lowercase();
        self.lengths |= length_bit(group.len());
        for (asked, standard) in self.compliance.iter_mut().zip(COMPLIANCE) {
            *asked |= group.strip_prefix(standard).is_some_and(|rest| rest.starts_with('_'));
        }
        self.responses.entry(group.into_bytes().into()).or_default().push(position);
    }

    fn collect(&self, alert: &Alert<'_>, fired: &mut Vec<usize>) {
        if self.responses.is_empty() {
            return;
        }
        let mut name = Vec::new();
        let mut look_up = |prefix: &str, rest: &str| {
            let prefix_len = if prefix.is_empty() { 0 } else { prefix.len() + 1 };
            if self.lengths & length_bit(prefix_len + rest.len()) == 0 {
                return;
            }
            name.clear();
            if !prefix.is_empty() {
                name.extend_from_slice(prefix.as_bytes());
                name.push(b'_');
            }
            name.extend_from_slice(rest.as_bytes());
            name.make_ascii_lowercase();
            if let Some(responses) = self.responses.get(name.as_slice()) {
                fired.extend_from_slice(responses);
            }
        };
        alert.each_group(|group| look_up("", group.trim()));
        for (standard, array) in alert.compliance() {
            let asked =
                COMPLIANCE.iter().zip(self.compliance).any(|(name, asked)| asked && *name == standard);
            if asked {
                crate::json::each_text(array, &mut |control| look_up(standard, control.trim()));
            }
        }
    }
}

fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

/// FNV-1a. What is inserted comes from the configuration alone, so nobody can
/// fill one bucket from outside, and SipHash would cost more than all the rest
/// of a look-up.
#[derive(Clone, Debug)]
struct Fnv(u64);

type Spread = BuildHasherDefault<Fnv>;

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
