//! An explanation for people: one block for each response, its facts aligned.

use std::fmt::Write;
use std::time::Duration;

use riposte_policy::diagnostic::{acts, inline, shown};
use riposte_policy::span;

use super::explanation::Explanation;

/// Width of the names of facts.
const NAME: usize = 10;

/// The head of an alert: what it is.
#[must_use]
pub fn head(first: &Explanation) -> String {
    let level = first.level.map(|level| format!(", level {level}")).unwrap_or_default();
    let id = if first.alert.is_empty() { "without id".to_owned() } else { plain(&first.alert) };
    format!("alert {id}: rule {}{level}", plain(&first.rule))
}

/// One response as a block of lines.
#[must_use]
pub fn block(explained: &Explanation) -> String {
    let mut out = format!("  {} ", explained.response);
    let Explanation { why, command, .. } = explained;
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{why}");
    if !explained.fires {
        return out;
    }
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(out, "    {name:<NAME$} {value}");
    };
    match explained.causes.split_first() {
        None if explained.live => fact("now", "acts"),
        None => fact("now", "acts, as far as the configuration says"),
        Some((first, rest)) => {
            fact("now", &format!("does not act: {}", first.text));
            rest.iter().for_each(|against| fact("", &format!("and: {}", against.text)));
        }
    }
    match (&explained.keys, &explained.no_key) {
        (Some(keys), _) => fact("target", &keys.iter().map(|key| plain(key)).collect::<Vec<_>>().join(", ")),
        (None, Some(why)) => fact("target", &format!("none: {why}")),
        (None, None) => {}
    }
    fact("timeout", &lasting(explained));
    fact("runs", &runs(explained));
    fact("where", &format!("{}, agent {}", explained.location, explained.agents.join(", ")));
    if explained.digest.is_some() {
        let granted =
            if explained.grants.is_empty() { "nothing".to_owned() } else { explained.grants.join(" ") };
        fact("grants", &granted);
    }
    fact("mode", &explained.mode);
    if !explained.would.is_empty() {
        fact("effect", &on_one_line(&explained.would.join(", ")));
    }
    fact("defined", &format!("{} (command {command})", explained.place));
    out
}

/// How long it lasts, now and for those who come back.
fn lasting(explained: &Explanation) -> String {
    let for_span = |seconds: u64| span::shown(Duration::from_secs(seconds));
    let mut text = explained.timeout.map_or_else(|| "for good".to_owned(), for_span);
    if let Some(offence) = explained.offence {
        let _ = write!(text, ", offence {offence}");
    }
    if explained.timeout.is_some() && !explained.repeated_offenders.is_empty() {
        let list: Vec<_> = explained.repeated_offenders.iter().copied().map(for_span).collect();
        let _ = write!(text, "; repeated offenders {}", list.join(", "));
    }
    text
}

fn runs(explained: &Explanation) -> String {
    let executable = explained.executable.as_deref().unwrap_or(&explained.command);
    match (explained.runner.as_deref(), &explained.digest) {
        (Some(kind @ ("component" | "built-in")), Some(digest)) => {
            format!("{kind} {executable}, sha256 {}", digest.get(..12).unwrap_or(digest))
        }
        (Some("native"), _) => format!("native program {executable}"),
        (Some(kind), _) => format!("{executable} ({kind})"),
        (None, _) => "nothing: the command is off; riposte check says why".to_owned(),
    }
}

/// Text out of an alert: quoted where it could be taken for something else.
#[must_use]
pub fn plain(text: &str) -> String {
    if text.is_empty() || text.chars().any(|c| acts(c) || c.is_whitespace()) {
        shown(text)
    } else {
        text.to_owned()
    }
}

/// A sentence that cannot begin a second line.
#[must_use]
pub fn on_one_line(text: &str) -> String {
    inline(text)
}
