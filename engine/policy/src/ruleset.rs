//! What `alerts.json` cannot show: rules that call for no response, and rules
//! whose alerts are never written.
//!
//! Source: `src/analysisd/rules.c` of Wazuh 4.14. A rule with
//! `<options>no_ar</options>` or of level 0 fires no response; one with
//! `no_log`, with `noalert`, or below `<log_alert_level>` is never in
//! `alerts.json`, so that who reads that file never hears of it.

use std::collections::BTreeMap;

use crate::config::{Config, Source};
use crate::diagnostic::{Diagnostic, Severity};
use crate::tags::{Kind, Tag, plain, tags};

/// `<log_alert_level>` when the configuration says nothing.
const LOG_ALERT_LEVEL: u8 = 3;

/// The rules that a manager loads.
#[derive(Clone, Debug, Default)]
pub struct Ruleset {
    rules: BTreeMap<u32, Rule>,
    log_alert_level: Option<u8>,
}

/// What decides whether a rule's alerts are written and responded to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Its level, 0 to 16.
    pub level: u8,
    /// `no_ar`: it fires no response.
    pub no_ar: bool,
    /// `no_log`, or the attribute `noalert`: its alerts are not written.
    pub no_log: bool,
}

impl Ruleset {
    /// Takes the rules of one file. Files come in the order in which the
    /// manager reads them: of two rules with one number the first counts,
    /// unless a later one says `overwrite="yes"`. What is no rule is passed over.
    pub fn read(&mut self, text: &str) {
        let mut open: Option<(u32, bool, Rule)> = None;
        let mut options: Option<usize> = None;
        for tag in tags(text) {
            match (tag.name, tag.kind) {
                ("rule", Kind::Open) => open = rule(&tag),
                ("rule", Kind::Close) => {
                    if let Some((id, overwrites, rule)) = open.take() {
                        self.add(id, overwrites, rule);
                    }
                }
                ("options", Kind::Open) => options = Some(tag.span.end),
                ("options", Kind::Close) => {
                    let inner = options.take().and_then(|start| text.get(start..tag.span.start));
                    if let (Some((_, _, rule)), Some(inner)) = (open.as_mut(), inner) {
                        for option in plain(inner).split(|c: char| c == ',' || c.is_whitespace()) {
                            rule.no_ar |= option == "no_ar";
                            rule.no_log |= option == "no_log";
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// The alert level from which the manager writes alerts.
    pub fn set_log_alert_level(&mut self, level: Option<u8>) {
        self.log_alert_level = level;
    }

    /// The rule of this number.
    #[must_use]
    pub fn rule(&self, id: u32) -> Option<&Rule> {
        self.rules.get(&id)
    }

    /// Whether no rule was read: nothing can be said then.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether an alert of this rule calls for responses, as far as the rule
    /// decides. What is not known does.
    #[must_use]
    pub fn responds(&self, id: u32) -> bool {
        self.rule(id).is_none_or(|rule| !rule.no_ar)
    }

    /// Responses that name a rule which never reaches them.
    #[must_use]
    pub fn check(&self, config: &Config) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        if self.is_empty() {
            return found;
        }
        let least = self.log_alert_level.unwrap_or(LOG_ALERT_LEVEL);
        for response in &config.responses {
            for id in &response.rules {
                let (code, message, help) = match self.rule(*id) {
                    None => (
                        "rule-unknown",
                        format!("there is no rule {id} in the ruleset"),
                        "look for it in ruleset/rules and etc/rules of the manager.",
                    ),
                    Some(rule) if rule.no_ar => (
                        "rule-no-ar",
                        format!("rule {id} has the option no_ar, so it fires no response"),
                        "name the rules that follow on it, or take the option out of the rule.",
                    ),
                    Some(rule) if rule.no_log => (
                        "rule-no-log",
                        format!("rule {id} writes no alert, so alerts.json never shows it"),
                        "take no_log or noalert out of the rule.",
                    ),
                    Some(rule) if rule.level == 0 => (
                        "rule-unlogged",
                        format!("rule {id} has level 0: it writes no alert and fires no response"),
                        "give the rule a level.",
                    ),
                    Some(rule) if rule.level < least => (
                        "rule-unlogged",
                        format!("rule {id} has level {}, and alerts.json begins at {least}", rule.level),
                        "raise the rule's level, or lower <log_alert_level>.",
                    ),
                    Some(_) => continue,
                };
                found.push(Diagnostic {
                    severity: Severity::Warning,
                    code,
                    place: response.place.clone(),
                    source: String::new(),
                    message: format!("the response {} names rule {id}: {message}", response.name),
                    help: help.to_owned(),
                    wazuh: String::new(),
                });
            }
        }
        found
    }

    fn add(&mut self, id: u32, overwrites: bool, rule: Rule) {
        if overwrites {
            self.rules.insert(id, rule);
        } else {
            self.rules.entry(id).or_insert(rule);
        }
    }
}

/// A rule's number, whether it replaces one, and what its tag says.
fn rule(tag: &Tag<'_>) -> Option<(u32, bool, Rule)> {
    let id = tag.attribute("id")?.trim().parse().ok()?;
    let level = tag.attribute("level").and_then(|level| level.trim().parse().ok()).unwrap_or(0);
    let no_log = tag.attribute("noalert").is_some_and(|noalert| noalert.trim() == "1");
    let overwrites = tag.attribute("overwrite").is_some_and(|overwrite| overwrite.trim() == "yes");
    Some((id, overwrites, Rule { level, no_ar: false, no_log }))
}

/// Which files a manager reads as rules: `<ruleset>` and `<alerts>` of its
/// configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// `<rule_dir>` and `<rule_include>`, below Wazuh's home, in order.
    pub paths: Vec<String>,
    /// `<rule_exclude>`: file names or paths.
    pub excluded: Vec<String>,
    /// `<log_alert_level>`.
    pub log_alert_level: Option<u8>,
}

impl Selection {
    /// What these files say; Wazuh's own folders when they say nothing.
    #[must_use]
    pub fn of(sources: &[Source<'_>]) -> Self {
        let mut selection = Self { paths: Vec::new(), excluded: Vec::new(), log_alert_level: None };
        for source in sources {
            selection.read(&String::from_utf8_lossy(source.bytes));
        }
        if selection.paths.is_empty() {
            selection.paths = vec!["ruleset/rules".to_owned(), "etc/rules".to_owned()];
        }
        selection
    }

    fn read(&mut self, text: &str) {
        let mut section = "";
        let mut opened: Option<Tag<'_>> = None;
        for tag in tags(text) {
            match (tag.name, tag.kind) {
                ("ruleset" | "alerts", Kind::Open) => section = tag.name,
                ("ruleset" | "alerts", Kind::Close) => section = "",
                (_, Kind::Open) => opened = Some(tag),
                (_, Kind::Close) => {
                    let Some(open) = opened.take().filter(|open| open.name == tag.name) else { continue };
                    let value = plain(text.get(open.span.end..tag.span.start).unwrap_or_default());
                    match (section, tag.name) {
                        ("ruleset", "rule_dir" | "rule_include") => self.paths.push(value),
                        ("ruleset", "rule_exclude") => self.excluded.push(value),
                        ("alerts", "log_alert_level") => self.log_alert_level = value.parse().ok(),
                        _ => {}
                    }
                }
                (_, Kind::Empty) => {}
            }
        }
    }

    /// Whether the rule file at `path` is left out.
    #[must_use]
    pub fn excludes(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.excluded.iter().any(|excluded| excluded == path || excluded.rsplit('/').next() == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"<!-- <rule id="9" level="9"></rule> -->
<group name="a,">
  <rule id="100" level="10"><options>no_ar</options><regex>x < y \<z></regex></rule>
  <rule id="101" level="2" noalert="1"/>
  <rule id="102" level="5"> <options>no_email_alert,no_log</options> </rule>
  <rule id="103" level="0"><description>&lt;</description></rule>
  <rule id="104" level="2"></rule>
  <rule id="105" level="7"></rule>
  <rule id="105" level="0"></rule>
</group>"#;

    fn ruleset() -> Ruleset {
        let mut ruleset = Ruleset::default();
        ruleset.read(RULES);
        ruleset
    }

    #[test]
    fn rules_are_read_past_what_is_no_xml() {
        let ruleset = ruleset();
        assert_eq!(ruleset.rule(9), None);
        assert_eq!(ruleset.rule(100), Some(&Rule { level: 10, no_ar: true, no_log: false }));
        assert_eq!(ruleset.rule(102), Some(&Rule { level: 5, no_ar: false, no_log: true }));
        assert_eq!(ruleset.rule(105), Some(&Rule { level: 7, no_ar: false, no_log: false }));
        assert!(!ruleset.responds(100) && ruleset.responds(102) && ruleset.responds(4711));
    }

    #[test]
    fn a_later_file_overwrites_only_when_it_says_so() {
        let mut ruleset = ruleset();
        ruleset.read(r#"<rule id="100" level="3" overwrite="yes"></rule><rule id="102" level="9"></rule>"#);
        assert_eq!(ruleset.rule(100), Some(&Rule { level: 3, no_ar: false, no_log: false }));
        assert_eq!(ruleset.rule(102).map(|rule| rule.level), Some(5));
    }

    #[test]
    fn responses_that_name_a_silent_rule_are_found() {
        let config = Config::read(&[Source::new(
            "ossec.conf",
            "<command><name>c</name><executable>c</executable></command>\n<active-response><command>c</command>\
             <location>local</location><rules_id>100,102,103,104,105,999</rules_id></active-response>",
        )]);
        let found: Vec<_> =
            ruleset().check(&config).into_iter().map(|found| (found.code, found.place.line)).collect();
        assert_eq!(
            found,
            [
                ("rule-no-ar", 2),
                ("rule-no-log", 2),
                ("rule-unlogged", 2),
                ("rule-unlogged", 2),
                ("rule-unknown", 2)
            ]
        );
        let mut lower = ruleset();
        lower.set_log_alert_level(Some(1));
        assert_eq!(lower.check(&config).iter().filter(|found| found.code == "rule-unlogged").count(), 1);
        assert_eq!(Ruleset::default().check(&config), [], "without rules nothing is known");
    }

    #[test]
    fn the_configuration_selects_the_files() {
        let says = "<ossec_config><alerts><log_alert_level>5</log_alert_level></alerts><ruleset>\
                    <decoder_dir>d</decoder_dir><rule_dir>ruleset/rules</rule_dir>\
                    <rule_exclude>0215-policy_rules.xml</rule_exclude><rule_dir>etc/rules</rule_dir></ruleset></ossec_config>";
        let selection = Selection::of(&[Source::new("f", says)]);
        assert_eq!(selection.paths, ["ruleset/rules", "etc/rules"]);
        assert_eq!(selection.log_alert_level, Some(5));
        assert!(
            selection.excludes("ruleset/rules/0215-policy_rules.xml")
                && !selection.excludes("etc/rules/a.xml")
        );
        assert_eq!(Selection::of(&[]).paths, ["ruleset/rules", "etc/rules"]);
    }
}
