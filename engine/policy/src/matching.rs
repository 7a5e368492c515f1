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

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::alert::{Alert, COMPLIANCE};
use crate::config::{Response, Way};
use crate::diagnostic::shown;
use crate::osregex::Pattern;

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
            let text = folded.get_or_insert_with(|| alert.group_text().to_ascii_lowercase());
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

/// Why one response fires for one alert, or why it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Why {
    /// It fires, for each of these reasons; at least one.
    Fires(Vec<Match>),
    /// The rule has level 0, which never fires anything.
    LevelZero,
    /// The rule has no level, which to Wazuh 4.x is level 0.
    NoLevel,
    /// The alert is about what a response did, and the response does not name
    /// its rule.
    OfAResponse,
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
    /// The pattern in `<rules_group>` is found in the text of the rule's groups.
    Pattern {
        /// That text.
        groups: String,
        /// The pattern.
        pattern: String,
    },
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
    /// The pattern in `<rules_group>` is not found in the text of the rule's groups.
    Pattern {
        /// That text; empty for a rule without groups.
        groups: String,
        /// The pattern.
        pattern: String,
    },
    /// The rule's level does not reach `<level>`.
    Level {
        /// That of the rule, if it has one.
        rule: Option<u8>,
        /// That of the response.
        wanted: u8,
    },
    /// One of level and group matches, and Wazuh 4.x asks for both.
    Half(Match),
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
    if alert.is_of_a_response() {
        return match response.matching {
            Way::Wazuh if alert.level().is_none() => Why::NoLevel,
            _ if matches.is_empty() => Why::OfAResponse,
            _ => Why::Fires(matches),
        };
    }
    let level = response.level.map(|wanted| match alert.level() {
        Some(rule) if reaches(rule, wanted) => Ok(Match::Level { rule, wanted }),
        rule => Err(Miss::Level { rule, wanted }),
    });
    match response.matching {
        Way::Riposte => {
            if !response.groups.is_empty() {
                match documented_groups(response, alert) {
                    Ok(found) => matches.extend(found),
                    Err(miss) => misses.push(miss),
                }
            }
            level.into_iter().for_each(|level| sort(level, &mut matches, &mut misses));
        }
        Way::Wazuh if alert.level().is_none() => return Why::NoLevel,
        Way::Wazuh => match (level, response.pattern.as_ref().map(|pattern| pattern_in(pattern, alert))) {
            (Some(Ok(level)), Some(Err(pattern))) => misses.extend([pattern, Miss::Half(level)]),
            (Some(Err(level)), Some(Ok(pattern))) => misses.extend([level, Miss::Half(pattern)]),
            (level, pattern) => {
                pattern.into_iter().for_each(|pattern| sort(pattern, &mut matches, &mut misses));
                level.into_iter().for_each(|level| sort(level, &mut matches, &mut misses));
            }
        },
    }
    if matches.is_empty() { Why::Misses(misses) } else { Why::Fires(matches) }
}

fn sort(trigger: Result<Match, Miss>, matches: &mut Vec<Match>, misses: &mut Vec<Miss>) {
    match trigger {
        Ok(found) => matches.push(found),
        Err(miss) => misses.push(miss),
    }
}

/// The groups of the rule that the response names.
fn documented_groups(response: &Response, alert: &Alert<'_>) -> Result<Vec<Match>, Miss> {
    let groups = alert.groups();
    let wanted =
        |group: &&String| response.groups.iter().any(|wanted| wanted.eq_ignore_ascii_case(group.trim()));
    let found: Vec<Match> = groups.iter().filter(wanted).map(|group| Match::Group(group.clone())).collect();
    if found.is_empty() { Err(Miss::Group { groups, wanted: response.groups.clone() }) } else { Ok(found) }
}

fn pattern_in(pattern: &Pattern, alert: &Alert<'_>) -> Result<Match, Miss> {
    let groups = alert.group_text();
    let (found, pattern) = (pattern.is_in(&groups), pattern.as_str().to_owned());
    if found { Ok(Match::Pattern { groups, pattern }) } else { Err(Miss::Pattern { groups, pattern }) }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fires(matches) => {
                f.write_str("fires: ")?;
                joined(f, matches)
            }
            Self::LevelZero => f.write_str("does not fire: rules of level 0 never fire a response"),
            Self::NoLevel => {
                f.write_str("does not fire: the rule has no level, and Wazuh 4.x takes that for level 0")
            }
            Self::OfAResponse => f.write_str(
                "does not fire: the alert is about what a response did; only a response whose rules_id names its rule fires on that",
            ),
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
            Self::Group(group) => write!(f, "group {} is in rules_group", shown(group)),
            Self::Pattern { groups, pattern } => {
                write!(f, "rules_group {} is found in the groups {}", shown(pattern), shown(groups))
            }
            Self::Level { rule, wanted } => write!(f, "rule level {rule} reaches level {wanted}"),
        }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule { rule, wanted } => {
                write!(f, "rule {} is not in rules_id {}", shown(rule), listed(wanted))
            }
            Self::Group { groups, wanted } if groups.is_empty() => {
                write!(f, "the rule has no groups, and rules_group asks for {}", listed(wanted))
            }
            Self::Group { groups, wanted } => {
                let groups: Vec<String> = groups.iter().map(|group| shown(group)).collect();
                write!(
                    f,
                    "none of the rule's groups {} is in rules_group {}",
                    listed(&groups),
                    listed(wanted)
                )
            }
            Self::Pattern { groups, pattern } if groups.is_empty() => {
                write!(f, "the rule has no groups, and rules_group asks for {}", shown(pattern))
            }
            Self::Pattern { groups, pattern } => {
                write!(f, "rules_group {} is not found in the groups {}", shown(pattern), shown(groups))
            }
            Self::Half(half) => write!(f, "{half}, but Wazuh 4.x asks for both level and rules_group"),
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
            matching: Way::Riposte,
            level,
            groups: groups.iter().map(ToString::to_string).collect(),
            pattern: None,
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
    fn what_a_response_did_fires_only_what_names_its_rule() {
        let responses = [response(Some(3), &["active_response"], &[]), response(Some(3), &[], &[651])];
        let alert = |decoder: &str| {
            format!(
                r#"{{"rule":{{"id":"651","level":3,"groups":["active_response"]}},"decoder":{{"name":"{decoder}"}}}}"#
            )
        };
        for decoder in ["ar_log", "ar_log_json"] {
            let alert = alert(decoder);
            assert_eq!(fires(&responses, &alert), [1]);
            let parsed = Alert::parse(alert.as_bytes()).unwrap();
            assert_eq!(explain(&responses[0], &parsed), Why::OfAResponse);
            assert_eq!(explain(&responses[1], &parsed), Why::Fires(vec![Match::Rule(651)]));
        }
        assert_eq!(fires(&responses, &alert("sshd")), [0, 1]);
        let wazuh =
            |response: &Arc<Response>| Arc::new(Response { matching: Way::Wazuh, ..(**response).clone() });
        assert_eq!(fires(&responses.each_ref().map(wazuh), &alert("ar_log")), [1]);
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

    /// A response that fires as Wazuh 4.x has it.
    fn wazuh(level: Option<u8>, pattern: Option<&str>, rules: &[u32]) -> Arc<Response> {
        let mut response = Response::clone(&response(level, &[], rules));
        response.matching = Way::Wazuh;
        response.pattern = pattern.map(|text| Pattern::new(text).unwrap_or_else(|_| Pattern::never(text)));
        Arc::new(response)
    }

    #[test]
    fn wazuh_asks_for_level_and_group() {
        let responses = [
            wazuh(Some(10), Some("sshd,|pci_dss_11.4,"), &[5710]),
            wazuh(None, Some("web"), &[]),
            wazuh(Some(3), None, &[]),
            wazuh(Some(3), Some(r"\n"), &[]),
            wazuh(Some(18), None, &[]),
        ];
        let fires = |alert| fires(&responses, alert);
        assert_eq!(fires(r#"{"rule":{"id":"1","level":10}}"#), [2]);
        assert_eq!(fires(r#"{"rule":{"id":"1","level":9,"groups":["sshd"]}}"#), [2]);
        assert_eq!(fires(r#"{"rule":{"id":"1","level":10,"groups":["syslog","sshd"]}}"#), [0, 2]);
        assert_eq!(fires(r#"{"rule":{"id":"1","level":12,"groups":["x"],"pci_dss":["11.4"]}}"#), [0, 2]);
        assert_eq!(fires(r#"{"rule":{"id":"5710","level":1}}"#), [0]);
        assert_eq!(fires(r#"{"rule":{"id":"1","level":2,"groups":["Web_attack"]}}"#), [1]);
        assert_eq!(fires(r#"{"rule":{"id":"1","level":20}}"#), [2, 4]);
        // Without a level there is none that could be above 0.
        assert_eq!(fires(r#"{"rule":{"id":"5710","groups":["sshd","web"]}}"#), [0; 0]);
        assert_eq!(fires(r#"{"rule":{"id":"5710","level":0,"groups":["sshd"]}}"#), [0; 0]);
    }

    #[test]
    fn it_says_why_in_the_terms_of_wazuh() {
        let why = |response: &Response, alert: &str| {
            explain(response, &Alert::parse(alert.as_bytes()).unwrap()).to_string()
        };
        let both = wazuh(Some(10), Some("sshd,"), &[]);
        assert_eq!(
            why(&both, r#"{"rule":{"id":"1","level":12,"groups":["syslog","sshd"]}}"#),
            "fires: rules_group \"sshd,\" is found in the groups \"syslog,sshd,\"; rule level 12 reaches level 10"
        );
        assert_eq!(
            why(&both, r#"{"rule":{"id":"1","level":12,"groups":["web"]}}"#),
            "does not fire: rules_group \"sshd,\" is not found in the groups \"web,\"; \
             rule level 12 reaches level 10, but Wazuh 4.x asks for both level and rules_group"
        );
        assert_eq!(
            why(&both, r#"{"rule":{"id":"1","level":3,"groups":["sshd"]}}"#),
            "does not fire: rule level 3 is below level 10; \
             rules_group \"sshd,\" is found in the groups \"sshd,\", but Wazuh 4.x asks for both level and rules_group"
        );
        assert_eq!(
            why(&both, r#"{"rule":{"id":"1"}}"#),
            "does not fire: the rule has no level, and Wazuh 4.x takes that for level 0"
        );
    }

    fn word() -> impl Strategy<Value = String> {
        prop_oneof!["[abAB]{1,2}", Just("pci_dss_1".to_owned()), Just("x".repeat(70))]
    }

    proptest! {
        #[test]
        fn the_index_agrees_with_the_explanation(
            triggers in prop::collection::vec(
                (any::<bool>(), prop::option::of(1_u8..=16), prop::collection::vec(word(), 0..3), prop::collection::vec(1_u32..6, 0..3)), 0..8,
            ),
            (rule, level) in (0_u32..7, prop::option::of(0_u8..20)),
            groups in prop::collection::vec(word(), 0..4),
            controls in prop::collection::vec("[12]", 0..2),
        ) {
            let responses: Vec<_> = triggers.iter().map(|(of_wazuh, level, groups, rules)| {
                if *of_wazuh {
                    let pattern = (!groups.is_empty()).then(|| groups.join("|"));
                    return wazuh(*level, pattern.as_deref(), rules);
                }
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
