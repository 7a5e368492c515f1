//! Every code a finding can have: the one list, with the page of each.
//!
//! Whoever adds a finding adds its row here, its page `docs/findings/CODE.md`
//! and its fixture `tests/findings/CODE/`. Tests compare the three.

use std::fmt;

use super::{Severity, shown};
use crate::config::nearest;

/// One kind of finding.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// Its stable name.
    pub code: &'static str,
    /// How much it can matter, the usual first, as `error, warning`.
    pub severities: &'static str,
    /// What is found, in one line.
    pub summary: &'static str,
    /// When it is found.
    pub stage: Stage,
    /// Its page, as `riposte check --explain` prints it.
    pub page: &'static str,
}

impl Code {
    /// Whether a finding of this kind may matter so much.
    #[must_use]
    pub fn may_be(&self, severity: Severity) -> bool {
        self.severities.split(", ").any(|word| word == severity.to_string())
    }
}

/// When a kind of finding is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From the text of the configuration alone, by this crate.
    Reading,
    /// When executables are looked for, by the engine.
    Arming,
}

/// The kind of finding of this name.
///
/// # Errors
///
/// When there is none; the error knows the nearest.
pub fn code(name: &str) -> Result<&'static Code, UnknownCode> {
    let found = CODES.iter().find(|code| code.code == name);
    found.ok_or_else(|| UnknownCode {
        name: shown(name),
        nearest: nearest(name, CODES.iter().map(|code| code.code)),
    })
}

/// There is no finding of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCode {
    name: String,
    nearest: Option<&'static str>,
}

impl fmt::Display for UnknownCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no finding is called {}", self.name)?;
        match self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => f.write_str("; riposte check --explain alone lists them all"),
        }
    }
}

impl std::error::Error for UnknownCode {}

macro_rules! codes {
    ($($stage:ident $code:literal ($severities:literal) $summary:literal;)*) => {
        /// Every kind of finding, by name.
        pub const CODES: &[Code] = &[$(Code {
            code: $code,
            severities: $severities,
            summary: $summary,
            stage: Stage::$stage,
            page: include_str!(concat!("../../../../docs/findings/", $code, ".md")),
        }),*];
    };
}

codes! {
    Reading "active-response-disabled" ("warning, note") "`<disabled>yes</disabled>` for the whole machine";
    Reading "agent-invalid" ("error, warning") "an `<agent_id>` that is no agent";
    Reading "agent-list" ("warning") "an `<agent_id>` that names several";
    Reading "agent-missing" ("error") "`defined-agent` without `<agent_id>`";
    Reading "agent-unused" ("warning") "an `<agent_id>` for another location";
    Reading "attribute-unknown" ("error, warning") "an attribute that its element does not have";
    Reading "ca-unused" ("note") "certificates, which take effect when packages are installed";
    Reading "command-duplicate" ("warning") "a name defined twice in one file";
    Reading "command-incomplete" ("error") "a command without name or executable";
    Reading "command-nested" ("error") "a definition inside a response";
    Reading "command-order" ("warning") "a command defined after the response that names it";
    Reading "command-undefined" ("error") "a response names no command";
    Reading "command-unusable" ("error") "a response names a command with errors";
    Arming "component-refused" ("error") "a component that does not fit its command or its grants";
    Arming "config-empty" ("warning") "files without any command or response";
    Arming "config-writable" ("error") "a file of the configuration that others can change";
    Arming "confinement-level" ("note") "how a native program is confined";
    Arming "confinement-unavailable" ("error, warning") "a confinement that this host cannot give";
    Arming "confinement-unused" ("warning") "a confinement for a component, which needs none";
    Arming "digest-missing" ("warning") "grants that any component of that name would get";
    Reading "element-nested" ("error") "an element inside one that holds text";
    Reading "element-repeated" ("warning, error") "an element that may stand once";
    Reading "element-unenforced" ("error") "an element that this version cannot enforce";
    Reading "element-unknown" ("error, warning") "an element that its block does not have";
    Arming "executable-ambiguous" ("error, note") "several files have that stem";
    Arming "executable-builtin" ("note") "a built-in response that runs in place of a stock program";
    Arming "executable-foreign" ("warning, note") "a program for another platform";
    Arming "executable-interpreter" ("error, warning") "a `#!` line that names no program";
    Arming "executable-line-ends" ("error, warning") "a script with Windows line ends";
    Arming "executable-missing" ("error, note") "no file has that name";
    Arming "executable-mode" ("error, warning, note") "a program that others may write, that nobody may run, or with another mode than Wazuh's";
    Arming "executable-no-shebang" ("note") "a script without a `#!` line";
    Arming "executable-owner" ("error, warning") "a program that belongs to another user";
    Arming "executable-unfit" ("error, warning") "a file that cannot be run as a program";
    Arming "executable-unreadable" ("error") "a component that cannot be read";
    Reading "expect-unknown" ("warning") "`<expect>` with another field than srcip, user, filename";
    Reading "findings-many" ("error, warning, note") "more than 1,000 findings in one file";
    Arming "folder-unusable" ("warning") "a granted folder that no component can get";
    Reading "grant-beyond-guard" ("warning") "a grant that the guard narrows";
    Reading "grant-incomplete" ("error") "a grant without an attribute that it needs";
    Reading "grant-unknown" ("error") "there is no such grant";
    Arming "grant-unused" ("warning") "a grant that its program does not use";
    Reading "grant-wide" ("warning") "a grant that grants more than it seems";
    Reading "group-pattern" ("warning") "a group that looks like a pattern, or a pattern that is none";
    Arming "keys-assumed" ("note") "a stateful script whose target the configuration does not name";
    Reading "level-invalid" ("error, warning") "a level that is not 1 to 16";
    Arming "limit-unused" ("warning") "a limit that does not bind what it is written for";
    Reading "location-all" ("warning") "a response that runs on every agent";
    Reading "location-combined" ("warning") "several locations, of which Wazuh takes one";
    Reading "location-loose" ("warning") "a location that Wazuh takes because it holds a known word";
    Reading "location-unknown" ("error") "there is no such location";
    Arming "log-missing" ("warning") "there is no `logs/active-responses.log`";
    Arming "log-unwritable" ("warning") "`logs/active-responses.log` cannot be written";
    Reading "matching-differs" ("warning, note") "the block fires otherwise under Wazuh 4.x";
    Reading "offenders-decreasing" ("warning") "`<repeated_offenders>` that grow shorter";
    Reading "offenders-in-seconds" ("warning") "`<repeated_offenders>` read as seconds";
    Reading "offenders-too-many" ("warning") "more than five values";
    Reading "offenders-without-timeout" ("warning") "a list without a `<timeout>`";
    Reading "response-disabled" ("note") "`<disabled>yes</disabled>` in one response";
    Reading "response-incomplete" ("error, warning") "a response without command or location";
    Reading "responses-unused" ("note") "responses in a file of execd, which fires nothing";
    Reading "root-attribute" ("note") "an attribute of a root, which narrows nothing";
    Reading "root-unknown" ("error") "a root of another name that holds responses";
    Arming "rule-no-ar" ("warning") "a response for a rule that fires no response";
    Arming "rule-no-log" ("warning") "a response for a rule that writes no alert";
    Arming "rule-unknown" ("warning") "a response for a rule that is in no file";
    Arming "rule-unlogged" ("warning") "a response for a rule whose alerts are never written";
    Arming "script-without-delete" ("warning") "a stateful script that never mentions delete";
    Arming "script-without-log" ("note") "a script that never mentions the log of responses";
    Reading "section-unknown" ("error") "a section whose name is nearly a known one";
    Arming "signing-key-unusable" ("error") "a key that cannot sign the audit";
    Reading "text-stray" ("warning") "text between elements";
    Arming "timeout-allowed-assumed" ("note") "a built-in that may be undone although nothing says so";
    Arming "timeout-allowed-missing" ("warning") "a timeout for a command that does not say whether it allows one";
    Reading "timeout-missing" ("note") "a response for good, of a command that could be undone";
    Reading "timeout-not-allowed" ("warning") "a timeout for a command that allows none";
    Arming "timeout-unused" ("warning") "a timeout for a component that can undo nothing";
    Reading "trigger-missing" ("warning") "a response that no alert fires";
    Reading "trigger-repeated" ("note") "a trigger that names a rule or a group twice";
    Arming "trigger-wide" ("note") "a response that a low level alone fires";
    Reading "value-invalid" ("error, warning") "a value that its element or attribute does not take";
    Reading "white-list-host" ("warning") "an entry of the white list that is in no address";
    Reading "xml-attribute" ("error") "an attribute without value or quotes, or twice";
    Reading "xml-encoding" ("error, warning") "UTF-16; bytes that are not UTF-8";
    Reading "xml-mismatched-tag" ("error") "a closing tag of another name than the open element";
    Reading "xml-syntax" ("error") "a comment, tag or section that never ends";
    Reading "xml-tag" ("error") "a tag without a name, or one that runs into the next";
    Reading "xml-too-deep" ("error") "elements nested more than 64 deep";
    Reading "xml-too-large" ("error") "more than 16 MiB, or more than 200,000 elements";
    Reading "xml-typographic-hyphen" ("error") "a tag with a hyphen from a word processor";
    Reading "xml-unclosed" ("error") "an element that is never closed";
    Reading "xml-unmatched-tag" ("error") "a closing tag where nothing is open";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest() {
        assert_eq!(code("command-undefined").map(|code| code.code), Ok("command-undefined"));
        let wrong = |name| code(name).err().map(|wrong| wrong.to_string()).unwrap_or_default();
        assert!(wrong("comand-undefined").ends_with("did you mean command-undefined?"));
        assert!(wrong("frobnicate\n").contains("\"frobnicate\\n\"; riposte check --explain alone"));
    }

    #[test]
    fn the_list_is_sorted_and_every_page_says_what_the_list_says() {
        assert!(CODES.is_sorted_by(|a, b| a.code < b.code));
        for code in CODES {
            let head = format!("# {}\n\nSeverity: {}.\n\n", code.code, code.severities);
            assert!(code.page.starts_with(&head), "{}: the page begins otherwise", code.code);
            for part in ["**Wazuh** ", "**Riposte** ", "**To mend it:** "] {
                assert!(code.page.contains(part), "{}: {part}is missing", code.code);
            }
            let lines = code.page.lines().count();
            assert!((8..=32).contains(&lines), "{}: {lines} lines", code.code);
        }
    }
}
