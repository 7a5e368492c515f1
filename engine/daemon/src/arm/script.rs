//! What can be seen of a native program without starting it.
//!
//! A script's text is looked at, never judged: what it lacks is a word that a
//! script of its kind nearly always has.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use riposte_capability::process::Unfit;
use riposte_policy::config::{Command, Protocol};
use riposte_policy::diagnostic::Severity;

/// Severity, code, what is found, what to do.
type Finding = (Severity, &'static str, String, &'static str);

/// Largest script whose text is looked at, in bytes.
const LARGEST: u64 = 1 << 20;

/// The kind of finding that an unfit program is.
pub(super) fn code(unfit: &Unfit) -> &'static str {
    match unfit {
        Unfit::NotExecutable { .. } | Unfit::Writable { .. } => "executable-mode",
        Unfit::Owner { .. } => "executable-owner",
        Unfit::CarriageReturn { .. } => "executable-line-ends",
        Unfit::NoInterpreter { .. } | Unfit::NotOnPath { .. } => "executable-interpreter",
        _ => "executable-unfit",
    }
}

/// What is wrong with a program, and what mends it.
pub(super) fn unfit(unfit: &Unfit) -> (String, String) {
    mended(&unfit.to_string())
}

/// Takes the text of an error apart that ends in what mends it.
pub(super) fn mended(text: &str) -> (String, String) {
    match text.rsplit_once(": ") {
        Some((what, help)) => (what.to_owned(), help.to_owned()),
        None => (text.to_owned(), String::new()),
    }
}

/// What is worth saying about a program that can be run. `timed`: a response
/// has a timeout for it.
pub(super) fn look(command: &Command, path: &Path, timed: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(mode(path));
    let Ok(bytes) = crate::files::read_at_most(path, LARGEST) else { return found };
    let text = String::from_utf8_lossy(&bytes);
    let Some(first) = text.lines().next().filter(|first| first.starts_with("#!")) else { return found };
    found.extend(line_ends(first, &text));
    let lower = text.to_ascii_lowercase();
    if timed && command.timeout_allowed == Some(true) {
        found.extend(stateful(command, &lower));
    }
    if !lower.contains("active-responses.log") {
        let what =
            "this script never mentions active-responses.log, so what it did stands in no log of Wazuh's";
        let help = "append a line to logs/active-responses.log, which Wazuh reads";
        found.push((Severity::Note, "script-without-log", what.to_owned(), help));
    }
    found
}

/// Wazuh's mode is 750, OSSEC's 550, and the group that of the installation.
fn mode(path: &Path) -> Option<Finding> {
    let found = std::fs::metadata(path).ok()?;
    let mode = found.mode() & 0o7777;
    let group = wazuh_group().filter(|group| *group != found.gid());
    let path = path.display();
    let what = match (mode, group) {
        (0o750 | 0o550, None) => return None,
        (0o750 | 0o550, Some(_)) => format!("{path} belongs to group {}, Wazuh's to root:wazuh", found.gid()),
        _ => format!("{path} has mode {mode:04o}, Wazuh's programs have 0750"),
    };
    Some((Severity::Note, "executable-mode", what, "chown root:wazuh and chmod 750 make it like Wazuh's own"))
}

/// The group `wazuh` of this host.
fn wazuh_group() -> Option<u32> {
    let groups = crate::files::read_at_most(Path::new("/etc/group"), LARGEST).ok()?;
    let groups = String::from_utf8_lossy(&groups);
    let line = groups.lines().find_map(|line| line.strip_prefix("wazuh:"))?;
    line.split(':').nth(1)?.parse().ok()
}

/// A shell takes the carriage return for a part of the last word of a line;
/// others pass over it.
fn line_ends(first: &str, text: &str) -> Option<Finding> {
    let shell = first.split(|c: char| c == '/' || c.is_whitespace()).any(|word| word.ends_with("sh"));
    let line =
        text.lines().count().min(text.split_inclusive('\n').position(|line| line.ends_with("\r\n"))? + 1);
    let what = format!(
        "line {line} of this shell script ends in a carriage return, which the shell takes for a part of the last word"
    );
    shell.then_some((Severity::Warning, "executable-line-ends", what, "sed -i 's/\\r$//' the script"))
}

/// What a script that is undone after a time nearly always says.
fn stateful(command: &Command, lower: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let deletes =
        lower.contains("delete") || lower.contains("disable") && command.protocol == Some(Protocol::Five);
    if !deletes {
        let what = "responses give this script a timeout, but it never mentions delete: it may undo nothing";
        let help =
            "it is started again with \"command\":\"delete\" (or the argument delete) when the time is over";
        found.push((Severity::Warning, "script-without-delete", what.to_owned(), help));
    }
    if command.keys.is_empty() && command.expect.is_empty() && !lower.contains("check_keys") {
        let what = "nothing says what this script acts on: srcip, dstuser, syscheck.path and the alert's id are tried, in this order";
        let help = "write <keys>/data/srcip</keys> with the place of its target in the alert";
        found.push((Severity::Note, "keys-assumed", what.to_owned(), help));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mends_it_stands_behind_the_last_colon() {
        let (what, help) = unfit(&Unfit::NotExecutable { path: "/a/b".into() });
        assert_eq!((what.as_str(), help.as_str()), ("/a/b is not executable", "chmod 750 /a/b"));
    }

    #[test]
    fn only_shells_mind_carriage_returns() {
        let line = |text: &str| line_ends(text.lines().next().unwrap(), text).map(|found| found.2);
        assert!(line("#!/bin/bash\necho\r\n").is_some_and(|what| what.starts_with("line 2 ")));
        assert!(line("#!/usr/bin/env sh\necho\n\r\n").is_some_and(|what| what.starts_with("line 3 ")));
        assert_eq!(line("#!/usr/bin/python3\nprint()\r\n"), None);
        assert_eq!(line("#!/bin/sh\necho\n"), None);
    }
}
