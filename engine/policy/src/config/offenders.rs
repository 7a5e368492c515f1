//! `<repeated_offenders>`.
//!
//! Minutes, as documented. A third party's guide, and who follows it, writes
//! seconds; a day of minutes tells the two apart. Where the engine stands in
//! for a part of Wazuh, the list is what `ExecdConfig` makes of it.

use std::sync::Arc;
use std::time::Duration;

use super::command::words;
use super::findings::Findings;
use super::xml::Element;
use super::{Role, block};
use crate::diagnostic::shown;
use crate::span::{self, Bare};

/// Most values of the list.
const MOST: usize = 5;
/// A list that begins above this many minutes, a day, is meant in seconds.
const MOST_FIRST_MINUTES: u64 = 1_440;

/// The list of a block, if it has one; with an error `sound` becomes false.
pub(super) fn read(
    element: &Element,
    role: Role,
    sound: &mut bool,
    findings: &mut Findings<'_>,
) -> Option<Arc<[Duration]>> {
    let list = block::single(element, "repeated_offenders", findings)?;
    match role {
        Role::Standalone => documented(list, sound, findings),
        Role::Execd | Role::Manager => wazuh(list, sound, findings),
    }
}

fn documented(list: &Element, sound: &mut bool, findings: &mut Findings<'_>) -> Option<Arc<[Duration]>> {
    let mut values: Vec<&str> = words(list.value()).collect();
    too_many(values.len(), list, findings);
    values.truncate(MOST);
    if values == ["0"] {
        return Some([].into());
    }
    let first = values.first().and_then(|first| first.parse::<u64>().ok());
    let in_seconds = first.is_some_and(|first| first > MOST_FIRST_MINUTES);
    let bare = if in_seconds { Bare::Seconds } else { Bare::Minutes };
    let mut spans = Vec::new();
    for value in &values {
        match span::parse(value, bare) {
            Ok(span) if !span.is_zero() => spans.push(span),
            Ok(_) => return unreadable(list, &format!("{} ends nothing", shown(value)), sound, findings),
            Err(error) => return unreadable(list, &error.to_string(), sound, findings),
        }
    }
    if spans.is_empty() {
        return unreadable(list, "it has no values", sound, findings);
    }
    if in_seconds {
        let explicit = spans.iter().map(|span| span::shown(*span)).collect::<Vec<_>>().join(",");
        let message = "these values are read as seconds: as minutes, in which they are documented, the first is more than a day";
        let help = format!("write <repeated_offenders>{explicit}</repeated_offenders>.");
        findings.warning(list.spot, "offenders-in-seconds", message, help);
    }
    decreasing(&spans, list, findings);
    Some(spans.into())
}

/// At most five pieces between commas, each the number it begins with; empty
/// ones are passed over, and the first that is no number, or 0, ends the list.
fn wazuh(list: &Element, sound: &mut bool, findings: &mut Findings<'_>) -> Option<Arc<[Duration]>> {
    let pieces = list.value().split(',').map(str::trim).filter(|piece| !piece.is_empty());
    let pieces: Vec<&str> = pieces.collect();
    too_many(pieces.len(), list, findings);
    let mut spans = Vec::new();
    for (number, piece) in (1..).zip(pieces.into_iter().take(MOST)) {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (minutes, rest) = piece.split_at(digits);
        if !rest.is_empty() && span::parse(piece, Bare::Minutes).is_ok() {
            let message = format!("{} has a unit, of which Wazuh reads only the number", shown(piece));
            *sound = false;
            block::invalid(list, &message, "write minutes. The block is not used.", findings);
            return None;
        }
        let span = span::parse(minutes, Bare::Minutes).unwrap_or_default();
        if span.is_zero() {
            let what =
                if number == 1 { "nobody counts as a repeated offender" } else { "the list ends before it" };
            let message = format!("repeated_offenders: {} is no number of minutes: {what}", shown(piece));
            findings.warning(list.spot, "value-invalid", message, "write minutes, separated by commas.");
            findings.says(format!("Adding offenders timeout: 0 (for #{number})"));
            break;
        }
        if !rest.is_empty() {
            let message = format!("repeated_offenders: of {} only {minutes} is read", shown(piece));
            findings.warning(list.spot, "value-invalid", message, "write minutes, separated by commas.");
        }
        spans.push(span);
    }
    decreasing(&spans, list, findings);
    Some(spans.into())
}

fn too_many(values: usize, list: &Element, findings: &mut Findings<'_>) {
    if values > MOST {
        let message = format!("{values} values are more than {MOST}: the others are passed over");
        findings.warning(list.spot, "offenders-too-many", message, "keep five.");
    }
}

fn decreasing(spans: &[Duration], list: &Element, findings: &mut Findings<'_>) {
    if !spans.is_sorted() {
        let message = "a later offence is answered for a shorter time than the one before";
        findings.warning(list.spot, "offenders-decreasing", message, "write the values in rising order.");
    }
}

fn unreadable(
    list: &Element,
    why: &str,
    sound: &mut bool,
    findings: &mut Findings<'_>,
) -> Option<Arc<[Duration]>> {
    *sound = false;
    let help = "write minutes, or 90s, 30m, 1h, 7d, separated by commas. The block is not used.";
    block::invalid(list, why, help, findings);
    None
}
