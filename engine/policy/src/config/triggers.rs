//! `<level>`, `<rules_group>` and `<rules_id>`: which alerts fire a response.
//!
//! What they mean depends on `<matching>`, which a later file may settle: so
//! they are kept as text until all files are read.

use std::collections::HashSet;

use super::block;
use super::command::words;
use super::findings::{Findings, Spot};
use super::xml::{Element, printable};
use super::{Role, Way};
use crate::diagnostic::{Severity, shown};
use crate::osregex::Pattern;

/// Highest level that Wazuh takes without an error; no rule is above 16.
const HIGHEST_TAKEN: u8 = 20;

/// The triggers of one block as they are written.
#[derive(Debug)]
pub(super) struct Triggers {
    block: Spot,
    level: Option<Text>,
    groups: Option<Text>,
    rules: Option<Text>,
}

#[derive(Debug)]
struct Text {
    value: String,
    spot: Spot,
}

/// What the triggers mean.
#[derive(Debug, Default)]
pub(super) struct Fires {
    pub(super) level: Option<u8>,
    pub(super) groups: Vec<String>,
    pub(super) pattern: Option<Pattern>,
    pub(super) rules: Vec<u32>,
}

impl Fires {
    /// Whether there is an alert that fires it.
    pub(super) fn anything(&self) -> bool {
        self.level.is_some() || !self.groups.is_empty() || self.pattern.is_some() || !self.rules.is_empty()
    }
}

/// How triggers are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    pub(super) role: Role,
    pub(super) matching: Way,
    /// Whether a file says so, and not only the role.
    pub(super) settled: bool,
}

impl Triggers {
    pub(super) fn read(block: &Element, findings: &mut Findings<'_>) -> Self {
        let mut text = |name| {
            let element = block::single(block, name, findings)?;
            Some(Text { value: element.value().to_owned(), spot: element.spot })
        };
        Self { level: text("level"), groups: text("rules_group"), rules: text("rules_id"), block: block.spot }
    }

    /// What they mean to this reader, and what there is to say about that.
    /// Of a block with errors nothing is said that a correction may change.
    pub(super) fn fires(&self, reader: Reader, sound: bool, findings: &mut Findings<'_>) -> Fires {
        if sound && self.level.is_none() && self.groups.is_none() && self.rules.is_none() {
            let message = "this response has no trigger, so no alert fires it";
            let help = "add <level>, <rules_group> or <rules_id>.";
            findings.warning(self.block, "trigger-missing", message, help);
        }
        let level = self.level.as_ref().and_then(|text| level(text, reader.role, findings));
        let groups = self.groups.as_ref().map_or_else(Vec::new, |text| groups(text, reader, findings));
        let pattern = self.groups.as_ref().and_then(|text| pattern(text, reader, findings));
        let rules = self.rules.as_ref().map_or_else(Vec::new, |text| match reader.matching {
            Way::Riposte => rules(text, findings),
            Way::Wazuh => rules_of_wazuh(text, findings),
        });
        let fires = Fires { level, groups, pattern, rules };
        if sound {
            self.differences(&fires, reader, findings);
            self.differing_rules(&fires, reader, findings);
        }
        fires
    }

    /// Where Wazuh 4.x fires otherwise than it documents (`analysisd/rules.c`,
    /// `Rule_AddAR`): level and group restrict each other, and a group is a
    /// pattern searched in the text of all groups.
    ///
    /// That `sshd,` is found in `other_sshd,` too is said where the stock rules
    /// have such a group; it would be said of every block otherwise.
    fn differences(&self, fires: &Fires, reader: Reader, findings: &mut Findings<'_>) {
        let Some(list) = self.groups.as_ref().filter(|_| !fires.groups.is_empty()) else { return };
        let settle =
            "say whose way is meant: <riposte><matching>documented</matching></riposte>, or wazuh-4.x in it.";
        let ours = reader.matching == Way::Riposte;
        if let Some(level) = fires.level {
            let message = if ours {
                format!(
                    "this response fires at its level or for its groups, as documented; Wazuh 4.x asks for both: a rule of level {level} in none of the groups fires it here alone"
                )
            } else {
                format!(
                    "this response fires when both its level and its groups match, as in Wazuh 4.x; as documented one is enough: a rule of level {level} in none of the groups does not fire it"
                )
            };
            // A file that settles it knows of it.
            let severity = if reader.settled { Severity::Note } else { Severity::Warning };
            let help = format!("keep one of <level> and <rules_group>, or {settle}");
            return findings.found(severity, self.block, "matching-differs", message, help);
        }
        let Some(message) = differing_groups(&list.value, &fires.groups, ours) else { return };
        let form: String = fires.groups.iter().map(|group| format!("{group},")).collect::<Vec<_>>().join("|");
        let help = format!("name each group whole, {}, or {settle}", shown(&form));
        findings.note(self.block, "matching-differs", message, help);
    }
}

impl Triggers {
    /// Numbers without a comma between them: Wazuh reads the first. Where its
    /// way is asked for, reading the list has said so.
    fn differing_rules(&self, fires: &Fires, reader: Reader, findings: &mut Findings<'_>) {
        let Some(list) = self.rules.as_ref().filter(|_| reader.matching == Way::Riposte) else { return };
        let pieces = || list.value.split(',').map(|piece| words(piece).collect::<Vec<_>>());
        let [Some(read), Some(rule)] = pieces().find(|piece| piece.len() > 1).map_or([None, None], |piece| {
            [piece.first(), piece.get(1)].map(|word| word.and_then(|word| word.parse::<u32>().ok()))
        }) else {
            return;
        };
        if fires.rules.contains(&rule) {
            let message = format!(
                "Wazuh 4.x reads one number between commas, here {read}: rule {rule} fires this response here alone"
            );
            let help = "write a comma between any two numbers.";
            findings.note(list.spot, "matching-differs", message, help);
        }
    }
}

/// How the two ways read a list of groups differently, with an example.
fn differing_groups(list: &str, groups: &[String], ours: bool) -> Option<String> {
    let alternatives = || list.split('|').map(str::trim).filter(|part| !part.is_empty());
    let here = if ours { "fires it here alone" } else { "does not fire it here" };
    if let Err(error) = Pattern::new(list) {
        let group = printable(groups.first().map_or("", String::as_str));
        return Some(format!(
            "Wazuh 4.x cannot read these groups as a pattern, so none fires: {error}; as documented each does: the group {group} {here}"
        ));
    }
    if let Some(pattern) = alternatives().find(|part| is_pattern(part)) {
        return Some(format!(
            "to Wazuh 4.x {} is a pattern, looked for in the names of all groups; as documented it is the name of one",
            shown(pattern)
        ));
    }
    if let Some(part) = alternatives().find(|part| part.trim_end_matches(',').contains(',')) {
        let one = printable(part.split(',').map(str::trim).find(|part| !part.is_empty()).unwrap_or(part));
        return Some(format!(
            "Wazuh 4.x reads groups without | between them as one text, in which they stand side by side; as documented each fires: a rule of the group {one} alone {here}"
        ));
    }
    let there = if ours { "fires it there alone" } else { "fires it here alone" };
    if let Some(part) = alternatives().find(|part| !part.ends_with(',')) {
        let other = longer(part);
        return Some(format!(
            "as documented groups are compared whole; to Wazuh 4.x a name without a comma behind it may be part of a longer one: {other} {there}"
        ));
    }
    let (group, other) = ending_alike(groups)?;
    Some(format!(
        "as documented groups are compared whole; to Wazuh 4.x a group may end with the name {group}: {other} {there}"
    ))
}

fn level(text: &Text, role: Role, findings: &mut Findings<'_>) -> Option<u8> {
    let value = text.value.as_str();
    let number = value.parse::<u8>().ok().filter(|_| value.bytes().all(|b| b.is_ascii_digit()));
    let taken = number.is_some_and(|number| number <= HIGHEST_TAKEN);
    if let Some(number @ 1..=16) = number {
        return Some(number);
    }
    if role == Role::Standalone || !taken {
        let message = format!("{} is not a rule level from 1 to 16", shown(value));
        let help = "write a number from 1 to 16. The level fires nothing.";
        findings.error(text.spot, "level-invalid", message, help);
        if !taken {
            let value = printable(value);
            findings.says(format!("(1235): Invalid value for element 'level': {value}."));
        }
        return None;
    }
    let message = format!("the level {value} fires nothing: rules have levels from 1 to 16");
    findings.warning(text.spot, "level-invalid", message, "write a number from 1 to 16.");
    number.filter(|number| *number > 0)
}

/// The names in `<rules_group>`, in lower case.
fn groups(text: &Text, reader: Reader, findings: &mut Findings<'_>) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    for group in text.value.split(['|', ',']).map(str::trim).filter(|group| !group.is_empty()) {
        let group = group.to_ascii_lowercase();
        if reader.matching == Way::Riposte && is_pattern(&group) {
            let message = format!("{} looks like a pattern, but groups are compared whole", shown(&group));
            findings.warning(text.spot, "group-pattern", message, "write the names of the groups.");
        }
        if seen.insert(group.clone()) {
            groups.push(group);
        } else {
            repeated(text, &format!("the group {}", shown(&group)), findings);
        }
    }
    if groups.is_empty() {
        let help = "write the name of a group, or remove it.";
        block::invalid_at(text.spot, "rules_group", "it names no group", help, findings);
    }
    groups
}

/// `<rules_group>` as Wazuh 4.x reads it, where that is asked for.
fn pattern(text: &Text, reader: Reader, findings: &mut Findings<'_>) -> Option<Pattern> {
    if reader.matching == Way::Riposte || text.value.is_empty() {
        return None;
    }
    Some(Pattern::new(&text.value).unwrap_or_else(|error| {
        let message = format!("{} is no pattern, so it matches no group: {error}", shown(&text.value));
        let help = "write the names of groups, each with a comma behind it, with | between them.";
        findings.warning(text.spot, "group-pattern", message, help);
        Pattern::never(&text.value)
    }))
}

fn rules(text: &Text, findings: &mut Findings<'_>) -> Vec<u32> {
    let mut rules = Vec::new();
    let mut seen = HashSet::new();
    for word in words(&text.value) {
        match word.parse::<u32>().ok().filter(|_| word.bytes().all(|b| b.is_ascii_digit())) {
            Some(rule) => {
                if seen.insert(rule) {
                    rules.push(rule);
                } else {
                    repeated(text, &format!("the rule {rule}"), findings);
                }
            }
            None => {
                let message = format!("{} is not the number of a rule", shown(word));
                let help = "write numbers, separated by commas. Of this list only the others fire.";
                block::invalid_at(text.spot, "rules_id", &message, help, findings);
            }
        }
    }
    if words(&text.value).next().is_none() {
        no_rule(text, findings);
    }
    rules
}

/// As `Rule_AddAR` does: numbers between commas, of each what comes first; what
/// is neither a number, a blank nor a comma ends the list.
fn rules_of_wazuh(text: &Text, findings: &mut Findings<'_>) -> Vec<u32> {
    let mut rules = Vec::new();
    let mut seen = HashSet::new();
    for piece in text.value.split(',') {
        let piece = piece.trim_matches(' ');
        if piece.is_empty() {
            continue;
        }
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = piece.split_at(digits);
        if number.is_empty() {
            let message =
                format!("rules_id: {} is not the number of a rule, and ends the list", shown(piece));
            let help = "write numbers, separated by commas. Only those before it fire.";
            findings.warning(text.spot, "value-invalid", message, help);
            break;
        }
        if !rest.is_empty() {
            let message = format!("rules_id: of {} only {number} is read", shown(piece));
            findings.warning(text.spot, "value-invalid", message, "write numbers, separated by commas.");
        }
        match number.parse() {
            Ok(rule) if seen.insert(rule) => rules.push(rule),
            Ok(rule) => repeated(text, &format!("the rule {rule}"), findings),
            // No rule has a number so large.
            Err(_) => {}
        }
    }
    if rules.is_empty() && text.value.split(',').all(|piece| piece.trim().is_empty()) {
        no_rule(text, findings);
    }
    rules
}

/// Notes what a trigger names twice.
fn repeated(text: &Text, what: &str, findings: &mut Findings<'_>) {
    let message = format!("{what} stands here twice");
    findings.note(text.spot, "trigger-repeated", message, "remove one of the two.");
}

fn no_rule(text: &Text, findings: &mut Findings<'_>) {
    let help = "write the number of a rule, or remove it.";
    block::invalid_at(text.spot, "rules_id", "it names no rule", help, findings);
}

/// Whether OSSEC reads more in it than letters.
fn is_pattern(group: &str) -> bool {
    group.contains(['\\', '(', ')'])
        || group.starts_with('^')
        || group.ends_with('$')
        || group.contains(['*', '+'])
}

/// A group of the stock rules that holds this name and more, or one made up.
fn longer(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let known = STOCK.into_iter().find(|stock| *stock != name && stock.contains(&name));
    known.map_or_else(|| format!("{}_other", printable(&name)), str::to_owned)
}

/// A group, and one of the stock rules that ends with its name.
fn ending_alike(groups: &[String]) -> Option<(&str, &'static str)> {
    groups.iter().find_map(|group| {
        let stock = STOCK.into_iter().find(|stock| stock != group && stock.ends_with(group.as_str()))?;
        Some((group.as_str(), stock))
    })
}

/// Groups of Wazuh's stock rules whose names hold those of others.
const STOCK: [&str; 16] = [
    "authentication_failed",
    "authentication_failures",
    "authentication_success",
    "accesslog",
    "audit_command",
    "automatic_attack",
    "docker-error",
    "multiple_spam",
    "oscap-report",
    "policy_changed",
    "sql_injection",
    "syscheck_file",
    "sysmon_event1",
    "web_attack",
    "web_scan",
    "win_authentication_failed",
];
