//! Why a response fires for an alert, or why it does not, in words.

use std::fmt;

use super::reaches;
use crate::alert::Alert;
use crate::config::{Response, Way};
use crate::diagnostic::shown;
use crate::osregex::Pattern;

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
/// [`Index::fires`](super::Index::fires) finds it.
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
                "does not fire: the alert is about what a response did, and only rules_id fires on that",
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
