//! What native programs are told and what they answer.

use riposte_policy::alert::Alert;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::native::{Message, NotAMessage, Verb, keys_in};

/// A manager's message to pass on, a program's first line, and an alert to
/// make a message of.
pub fn message(data: &[u8]) {
    answer(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    forwarded(text);
    made(text);
}

fn forwarded(text: &str) {
    for name in ["firewall-drop", "a\"b\n"] {
        match Message::forwarded(text, name) {
            Ok(message) => {
                for verb in [Verb::Add, Verb::Continue, Verb::Abort, Verb::Delete] {
                    one_line(&message.line(verb), verb, text);
                }
                assert!(message.arguments(Verb::Add).is_empty());
                // What was passed on can be passed on, and keeps its verb's place.
                Message::forwarded(&message.line(Verb::Add), name).unwrap();
            }
            Err(NotAMessage::NoObject | NotAMessage::NoCommand) => {}
        }
    }
}

/// One line of JSON that asks for `verb`, hardly longer than what came.
fn one_line(line: &str, verb: Verb, text: &str) {
    assert_eq!(memchr::memchr(b'\n', line.as_bytes()), Some(line.len() - 1), "{line:?}");
    // An escaped control character takes six bytes instead of one.
    assert!(line.len() <= 6 * text.len() + 256, "{} bytes out of {}", line.len(), text.len());
    let Some(value) = read(line) else { return };
    let asked =
        value.as_object().unwrap().iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("command") && value.as_str() == Some(verb.as_str())
        });
    // A later member of the same name hides it from our reader.
    assert!(
        asked || text.to_ascii_lowercase().matches("com").count() + text.matches("\\u").count() > 1,
        "{line}"
    );
}

fn made(text: &str) {
    let Ok(alert) = Alert::parse(text.as_bytes()) else { return };
    let arguments = [text.chars().take(64).collect::<String>()];
    let line = Message::of_parts(alert.agent_name(), &arguments, alert.object(), "x").line(Verb::Delete);
    assert_eq!(memchr::memchr(b'\n', line.as_bytes()), Some(line.len() - 1), "{line:?}");
    let Some(value) = read(&line) else { return };
    assert_eq!(value["command"], "delete");
    assert_eq!(value["origin"]["name"], alert.agent_name());
    assert_eq!(value["parameters"]["extra_args"][0], *arguments[0]);
    if let Ok(alert) = serde_json::from_str::<Value>(alert.object()) {
        assert_eq!(value["parameters"]["alert"], alert);
    }
}

/// The line, which is JSON whatever was put into it. `None` when a tree cannot
/// hold it: half a surrogate pair, which its grammar allows, or deep nesting.
fn read(line: &str) -> Option<Value> {
    serde_json::from_str::<IgnoredAny>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    serde_json::from_str(line).ok()
}

fn answer(line: &[u8]) {
    let Some(keys) = keys_in(line) else { return };
    let value: Value = serde_json::from_slice(line).unwrap();
    assert_eq!(value["command"], "check_keys");
    assert!(keys.iter().map(String::len).sum::<usize>() + keys.len() <= 3 * line.len());
}
