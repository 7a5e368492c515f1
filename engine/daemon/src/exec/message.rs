//! The line on standard input.

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

use super::Failed;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Act.
    Add,
    /// Undo.
    Delete,
}

/// A message, valid as Wazuh's programs judge it (`get_json_from_input`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `command`.
    pub command: String,
    /// `parameters.alert`; an empty object when it is none.
    pub alert: String,
    /// The texts of `parameters.extra_args`.
    pub arguments: Vec<String>,
}

impl Message {
    /// Reads a line. Names are found without regard to case, and what follows
    /// the object is passed over, as Wazuh's reader of JSON does.
    ///
    /// # Errors
    ///
    /// [`Failed::Format`] when `version` is no number, `origin` or `parameters`
    /// no object, or `command` no text.
    pub fn parse(line: &str) -> Result<Self, Failed> {
        let wrong = |why: &str| Failed::Format(why.to_owned());
        let message = Fields::of(line).ok_or_else(|| wrong("it is no JSON object"))?;
        let number = |value: &str| value.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        if !message.get("version").is_some_and(number) {
            return Err(wrong("`version` must be a number"));
        }
        if !message.get("origin").is_some_and(|value| value.starts_with('{')) {
            return Err(wrong("`origin` must be an object"));
        }
        let command = message.get("command").and_then(|value| serde_json::from_str(value).ok());
        let command = command.ok_or_else(|| wrong("`command` must be a text"))?;
        let parameters = message.get("parameters").and_then(Fields::of);
        let parameters = parameters.ok_or_else(|| wrong("`parameters` must be an object"))?;
        let alert = parameters.get("alert").filter(|value| value.starts_with('{')).unwrap_or("{}");
        let alert =
            riposte_policy::alert::object(alert.as_bytes()).map_err(|error| wrong(&error.to_string()))?;
        let arguments = parameters.get("extra_args").and_then(|list| serde_json::from_str(list).ok());
        let arguments: Vec<serde_json::Value> = arguments.unwrap_or_default();
        let arguments =
            arguments.iter().filter_map(|argument| argument.as_str().map(str::to_owned)).collect();
        Ok(Self { command, alert: alert.to_owned(), arguments })
    }
}

/// The members of the object that a text begins with, as they are written.
struct Fields(Vec<(String, Box<RawValue>)>);

impl Fields {
    fn of(text: &str) -> Option<Self> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        serde_json::Deserializer::from_str(text).deserialize_map(InOrder).ok()
    }

    /// The first of that name.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wazuh_takes_is_taken() {
        let line = r#" {"Version":1.0,"ORIGIN":{},"command":"add","parameters":{"extra_args":["-a",5,"b c"],"alert":{"data":{"srcip":"192.0.2.7"}}}} junk"#;
        let message = Message::parse(line).unwrap();
        assert_eq!(message.command, "add");
        assert_eq!(message.alert, r#"{"data":{"srcip":"192.0.2.7"}}"#);
        assert_eq!(message.arguments, ["-a", "b c"]);
        let bare =
            Message::parse(r#"{"version":1,"origin":{},"command":"x","parameters":{"alert":[]}}"#).unwrap();
        assert_eq!(bare.alert, "{}");
    }

    #[test]
    fn what_wazuh_refuses_is_refused() {
        for line in [
            "",
            "nonsense",
            "[]",
            r#"{"version":1,"origin":{},"command":"add","parameters":{}"#,
            r#"{"origin":{},"command":"add","parameters":{}}"#,
            r#"{"version":"1","origin":{},"command":"add","parameters":{}}"#,
            r#"{"version":1,"origin":"x","command":"add","parameters":{}}"#,
            r#"{"version":1,"origin":{},"command":5,"parameters":{}}"#,
            r#"{"version":1,"origin":{},"parameters":{}}"#,
            r#"{"version":1,"origin":{},"command":"add","parameters":[]}"#,
        ] {
            assert!(matches!(Message::parse(line), Err(Failed::Format(_))), "{line}");
        }
        let deep = format!(
            r#"{{"version":1,"origin":{{}},"command":"add","parameters":{{"alert":{{"a":{}1{}}}}}}}"#,
            "[".repeat(5_000),
            "]".repeat(5_000)
        );
        assert!(Message::parse(&deep).is_err());
    }
}
