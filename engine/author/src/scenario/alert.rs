//! Alerts of scenarios: written, or made where writing them would be too much.

use std::iter;

use super::base64;
use super::error::ScenarioError;
use super::fields::{Field, Object};

/// Largest alert that is made, in bytes: far more than any engine takes.
const LARGEST: usize = 64 << 20;
/// An alert as small as they come.
const SMALL: &str = r#"{"data":{"srcip":"192.0.2.7"}}"#;

/// The alert of a scenario: `alert`, `alert_text` or `alert_made`; without any
/// of them, an empty object.
pub(super) fn read(scenario: &Object<'_>) -> Result<Vec<u8>, ScenarioError> {
    let given: Vec<_> = ["alert", "alert_text", "alert_made"]
        .into_iter()
        .filter_map(|name| scenario.get(name).map(|field| (name, field)))
        .collect();
    match given.as_slice() {
        [] => Ok(b"{}".to_vec()),
        [("alert", field)] => {
            if !field.raw().starts_with('{') {
                return Err(field.wrong("an alert is an object: {...}; use alert_text for what is none"));
            }
            Ok(on_one_line(field.raw()).into_bytes())
        }
        [("alert_text", field)] => Ok(field.text()?.into_bytes()),
        [(_, field)] => made(field),
        [(first, _), (second, field), ..] => {
            Err(field.wrong(format!("a scenario has one alert, and this one has {first} and {second}")))
        }
    }
}

/// `{"nested": 100000}`: nested so deep. `{"padded": 1800000, "alert": {...}}`:
/// so many bytes. `{"bytes": "base64"}`: these.
fn made(field: &Field<'_>) -> Result<Vec<u8>, ScenarioError> {
    let how = field.object(&["nested", "padded", "bytes", "alert"])?;
    let number = |field: &Field<'_>| -> Result<usize, ScenarioError> {
        let number: usize = field.as_a("a whole number")?;
        if number > LARGEST { Err(field.wrong(format!("at most {LARGEST} are made"))) } else { Ok(number) }
    };
    let around = how.get("alert").map_or(SMALL, Field::raw);
    let inside = on_one_line(around);
    let Some(inside) = inside.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return Err(field.wrong("its alert is an object: {...}"));
    };
    let comma = if inside.trim().is_empty() { "" } else { "," };
    match (how.get("nested"), how.get("padded"), how.get("bytes")) {
        (Some(depth), None, None) => {
            // The object itself is the first level.
            let depth = number(depth)?.saturating_sub(1);
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            let deep = if depth == 0 { String::new() } else { format!("{comma}\"nested\":{open}{close}") };
            Ok(format!("{{{inside}{deep}}}").into_bytes())
        }
        (None, Some(size), None) => {
            let size = number(size)?;
            let mut text = format!("{{{inside}{comma}\"padding\":\"");
            let missing = size.saturating_sub(text.len() + 2);
            text.extend(iter::repeat_n('x', missing));
            text.push_str("\"}");
            Ok(text.into_bytes())
        }
        (None, None, Some(bytes)) => {
            base64::decode(&bytes.text()?).ok_or_else(|| bytes.wrong("this is no base64"))
        }
        _ => Err(field.wrong("it is one of nested, padded and bytes")),
    }
}

/// JSON as it stands in alerts.json: without line ends, which strings cannot
/// hold. Everything else stays as the author has written it.
fn on_one_line(json: &str) -> String {
    let mut lines = json.lines().map(str::trim);
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |all, line| all + line)
}
