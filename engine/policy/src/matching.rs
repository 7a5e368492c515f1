//! From an alert to the responses that fire.
//!
//! The three triggers of a response are accumulative, as Wazuh documents them:
//! any one of them fires it. Rules of level 0 never fire anything.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::alert::{Alert, COMPLIANCE};
use crate::config::Response;

/// The triggers of many responses, looked up in time that does not depend on
/// how many there are.
#[derive(Clone, Debug, Default)]
pub struct Index {
    rules: HashMap<u32, Vec<usize>, Spread>,
    /// By level from 0 to 16: what fires at that level. Above 16 nothing more does.
    levels: [Vec<usize>; 17],
    groups: Groups,
}

impl Index {
    /// The index of these responses. What it finds are positions in this slice.
    #[must_use]
    pub fn new(responses: &[Arc<Response>]) -> Self {
        let mut index = Self::default();
        for (position, response) in responses.iter().enumerate() {
            for rule in &response.rules {
                index.rules.entry(*rule).or_default().push(position);
            }
            for group in &response.groups {
                index.groups.insert(group, position);
            }
            if let Some(level) = response.level {
                for at in index.levels.iter_mut().skip(usize::from(level.max(1))) {
                    at.push(position);
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
        if let Some(responses) = alert.rule_number().and_then(|rule| self.rules.get(&rule)) {
            fired.extend_from_slice(responses);
        }
        if let Some(responses) = alert.level().and_then(|level| self.levels.get(usize::from(level.min(16)))) {
            fired.extend_from_slice(responses);
        }
        self.groups.collect(alert, &mut fired);
        fired.sort_unstable();
        fired.dedup();
        fired
    }
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

/// Why one response fires for one alert, or why it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Why {
    /// It fires, for each of these reasons; at least one.
    Fires(Vec<Match>),
    /// The rule has level 0, which never fires anything.
    LevelZero,
    /// None of its triggers matches; one miss for each trigger it has.
    Misses(Vec<Miss>),
}

/// A trigger that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// `<rules_id>` names the rule.
    Rule(u32),
    /// `<rules_group>` names this group of the rule.
    Group(String),
    /// The rule's level reaches `<level>`.
    Level {
        /// That of the rule.
        rule: u8,
        /// That of the response.
        wanted: u8,
    },
}

/// A trigger that does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// `<rules_id>` does not name the rule.
    Rule {
        /// `rule.id` of the alert.
        rule: String,
        /// What the response names.
        wanted: Vec<u32>,
    },
    /// `<rules_group>` names none of the rule's groups.
    Group {
        /// The groups of the rule.
        groups: Vec<String>,
        /// What the response names.
        wanted: Vec<String>,
    },
    /// The rule's level does not reach `<level>`.
    Level {
        /// That of the rule, if it has one.
        rule: Option<u8>,
        /// That of the response.
        wanted: u8,
    },
}

/// Says which triggers of `response` match `alert`. It fires exactly when
/// [`Index::fires`] finds it.
pub fn explain(response: &Response, alert: &Alert<'_>) -> Why {
    if alert.level() == Some(0) {
        return Why::LevelZero;
    }
    let mut matches = Vec::new();
    let mut misses = Vec::new();
    match alert.rule_number().filter(|rule| response.rules.contains(rule)) {
        Some(rule) => matches.push(Match::Rule(rule)),
        None if response.rules.is_empty() => {}
        None => misses.push(Miss::Rule { rule: alert.rule_id().to_owned(), wanted: response.rules.clone() }),
    }
    if !response.groups.is_empty() {
        let groups = alert.groups();
        let wanted =
            |group: &&String| response.groups.iter().any(|wanted| wanted.eq_ignore_ascii_case(group.trim()));
        let found = matches.len();
        matches.extend(groups.iter().filter(wanted).map(|group| Match::Group(group.clone())));
        if matches.len() == found {
            misses.push(Miss::Group { groups, wanted: response.groups.clone() });
        }
    }
    if let Some(wanted) = response.level {
        match alert.level().filter(|level| *level >= wanted) {
            Some(rule) => matches.push(Match::Level { rule, wanted }),
            None => misses.push(Miss::Level { rule: alert.level(), wanted }),
        }
    }
    if matches.is_empty() { Why::Misses(misses) } else { Why::Fires(matches) }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fires(matches) => {
                f.write_str("fires: ")?;
                joined(f, matches)
            }
            Self::LevelZero => f.write_str("does not fire: rules of level 0 never fire a response"),
            Self::Misses(misses) if misses.is_empty() => f.write_str("does not fire: it has no trigger"),
            Self::Misses(misses) => {
                f.write_str("does not fire: ")?;
                joined(f, misses)
            }
        }
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => write!(f, "rule {rule} is in rules_id"),
            Self::Group(group) => write!(f, "group {} is in rules_group", crate::diagnostic::shown(group)),
            Self::Level { rule, wanted } => write!(f, "rule level {rule} reaches level {wanted}"),
        }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule { rule, wanted } => {
                write!(f, "rule {} is not in rules_id {}", crate::diagnostic::shown(rule), listed(wanted))
            }
            Self::Group { groups, wanted } if groups.is_empty() => {
                write!(f, "the rule has no groups, and rules_group asks for {}", listed(wanted))
            }
            Self::Group { groups, wanted } => {
                let groups: Vec<String> =
                    groups.iter().map(|group| crate::diagnostic::shown(group)).collect();
                write!(
                    f,
                    "none of the rule's groups {} is in rules_group {}",
                    listed(&groups),
                    listed(wanted)
                )
            }
            Self::Level { rule: Some(rule), wanted } => {
                write!(f, "rule level {rule} is below level {wanted}")
            }
            Self::Level { rule: None, wanted } => {
                write!(f, "the rule has no level, and level asks for {wanted}")
            }
        }
    }
}

fn joined<T: fmt::Display>(f: &mut fmt::Formatter<'_>, parts: &[T]) -> fmt::Result {
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            f.write_str("; ")?;
        }
        part.fmt(f)?;
    }
    Ok(())
}

fn listed<T: fmt::Display>(parts: &[T]) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{Location, Mode};

    fn response(level: Option<u8>, groups: &[&str], rules: &[u32]) -> Arc<Response> {
        Arc::new(Response {
            name: "block#1".into(),
            command: "block".into(),
            location: Location::LOCAL,
            level,
            groups: groups.iter().map(ToString::to_string).collect(),
            rules: rules.to_vec(),
            timeout: None,
            offenders: [].into(),
            mode: Mode::Enforce,
            place: crate::diagnostic::Place { file: "f".into(), line: 1, column: 1 },
        })
    }

    fn fires(responses: &[Arc<Response>], alert: &str) -> Vec<usize> {
        Index::new(responses).fires(&Alert::parse(alert.as_bytes()).unwrap())
    }

    #[test]
    fn any_trigger_fires() {
        let responses = [
            response(Some(10), &["sshd"], &[5710]),
            response(None, &["authentication_failed", "pci_dss_11.4"], &[]),
            response(Some(3), &[], &[]),
            response(None, &[], &[5710, 5711]),
        ];
        let fires = |alert| fires(&responses, alert);
        assert_eq!(fires(r#"{"rule":{"id":"1","level":2}}"#), [0; 0]);
        assert_eq!(fires(r#"{"rule":{"id":"5710","level":2}}"#), [0, 3]);
        assert_eq!(fires(r#"{"rule":{"id":5711,"level":2}}"#), [3]);
        assert_eq!(fires(r#"{"rule":{"id":"1","level":10}}"#), [0, 2]);
        assert_eq!(fires(r#"{"rule":{"id":"5710","level":20,"groups":["sshd"]}}"#), [0, 2, 3]);
        assert_eq!(
            fires(r#"{"rule":{"id":"1","level":2,"groups":["SSHD"," Authentication_Failed"]}}"#),
            [0, 1]
        );
        assert_eq!(fires(r#"{"rule":{"id":"1","level":2,"groups":["sshd_x","ssh"]}}"#), [0; 0]);
        assert_eq!(fires(r#"{"rule":{"id":"1","level":2,"pci_dss":["10.2","11.4"]}}"#), [1]);
        assert_eq!(fires(r#"{"rule":{"id":"1","level":2,"gdpr":["11.4"]}}"#), [0; 0]);
        // Without a level nothing is reached, but the rest counts.
        assert_eq!(fires(r#"{"rule":{"id":"5711"}}"#), [3]);
        // Level 0 is how Wazuh silences a rule.
        assert_eq!(fires(r#"{"rule":{"id":"5710","level":0,"groups":["sshd"]}}"#), [0; 0]);
    }

    #[test]
    fn it_says_why() {
        let why = |response: &Response, alert: &str| {
            explain(response, &Alert::parse(alert.as_bytes()).unwrap()).to_string()
        };
        let all = response(Some(10), &["sshd"], &[5710]);
        assert_eq!(
            why(&all, r#"{"rule":{"id":"5710","level":12,"groups":["SSHD"]}}"#),
            "fires: rule 5710 is in rules_id; group \"SSHD\" is in rules_group; rule level 12 reaches level 10"
        );
        assert_eq!(
            why(&all, r#"{"rule":{"id":"1","level":3,"groups":["web"]}}"#),
            "does not fire: rule \"1\" is not in rules_id 5710; none of the rule's groups \"web\" is in rules_group sshd; \
             rule level 3 is below level 10"
        );
        assert_eq!(
            why(&all, r#"{"rule":{"id":"5710","level":0}}"#),
            "does not fire: rules of level 0 never fire a response"
        );
    }

    fn word() -> impl Strategy<Value = String> {
        prop_oneof!["[abAB]{1,2}", Just("pci_dss_1".to_owned()), Just("x".repeat(70))]
    }

    proptest! {
        #[test]
        fn the_index_agrees_with_the_explanation(
            triggers in prop::collection::vec(
                (prop::option::of(1_u8..=16), prop::collection::vec(word(), 0..3), prop::collection::vec(1_u32..6, 0..3)), 0..8,
            ),
            (rule, level) in (0_u32..7, prop::option::of(0_u8..20)),
            groups in prop::collection::vec(word(), 0..4),
            controls in prop::collection::vec("[12]", 0..2),
        ) {
            let responses: Vec<_> = triggers.iter().map(|(level, groups, rules)| {
                let groups: Vec<String> = groups.iter().map(|group| group.to_ascii_lowercase()).collect();
                response(*level, &groups.iter().map(String::as_str).collect::<Vec<_>>(), rules)
            }).collect();
            let alert = serde_json::json!({"rule": {"id": rule, "level": level, "groups": groups, "pci_dss": controls}}).to_string();
            let alert = Alert::parse(alert.as_bytes()).unwrap();
            let explained: Vec<usize> = (0..responses.len())
                .filter(|position| matches!(explain(&responses[*position], &alert), Why::Fires(_)))
                .collect();
            prop_assert_eq!(Index::new(&responses).fires(&alert), explained);
        }
    }
}
