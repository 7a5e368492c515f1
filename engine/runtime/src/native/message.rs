//! What a native program is told.
//!
//! Scripts cut values out of this line with `grep` and `sed`, so its shape is
//! Wazuh's to the byte: the same fields in the same order, no blanks between
//! them, one line. It is assembled from text and never parsed as a whole, so
//! that the alert's numbers and its order of fields stay what they were.

use std::fmt;

use riposte_policy::alert::Alert;
use riposte_policy::config::{Command, Expect};
use riposte_policy::keys::{self, Derived};
use riposte_policy::{Address, Order, UserName};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// What a program is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Act, or say first on what.
    Add,
    /// Act on the keys that were said.
    Continue,
    /// Do not act on the keys that were said.
    Abort,
    /// Undo.
    Delete,
}

impl Verb {
    /// As the message spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Continue => "continue",
            Self::Abort => "abort",
            Self::Delete => "delete",
        }
    }
}

/// One message to a native program, for every verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What stands before the verb, and behind it.
    before: String,
    after: String,
    positional: Option<Vec<String>>,
}

impl Message {
    /// The engine's message for an order. `name` is the program's name below
    /// the folder of native programs.
    #[must_use]
    pub fn new(order: &Order, name: &str) -> Self {
        Self::of_command(&order.agent, &order.command, &order.alert, name)
    }

    /// The engine's message for a command that has no order any more. With
    /// `<expect>`, OSSEC's arguments are passed as well.
    #[must_use]
    pub fn of_command(agent: &str, command: &Command, alert: &str, name: &str) -> Self {
        let message = Self::of_parts(agent, &command.extra_args, alert, name);
        if command.expect.is_empty() {
            message
        } else {
            message.with_positional(&Positional::of(command, alert))
        }
    }

    /// The engine's message. `origin` is the agent, `alert` the alert object.
    #[must_use]
    pub fn of_parts(origin: &str, extra_args: &[String], alert: &str, name: &str) -> Self {
        let extra_args: Vec<String> = extra_args.iter().map(|argument| quoted(argument)).collect();
        Self {
            before: format!(
                r#"{{"version":1,"origin":{{"name":{},"module":"wazuh-execd"}},"command":""#,
                quoted(origin)
            ),
            after: format!(
                r#"","parameters":{{"extra_args":[{}],"alert":{},"program":{}}}}}"#,
                extra_args.join(","),
                compact(alert),
                called(name)
            ),
            positional: None,
        }
    }

    /// The message of a manager, as Wazuh's agent passes it on: the verb takes
    /// the place of `command`, `wazuh-execd` that of `origin.module`, and
    /// `parameters.program` is added at the end. What is missing stays
    /// missing, everything else stays in its place, and text behind the object
    /// is ignored.
    ///
    /// # Errors
    ///
    /// When `text` does not begin with a JSON object that has a text under
    /// `command`.
    pub fn forwarded(text: &str, name: &str) -> Result<Self, NotAMessage> {
        let mut fields = fields(text).ok_or(NotAMessage::NoObject)?;
        let command = position(&fields, "command").ok_or(NotAMessage::NoCommand)?;
        if !fields.get(command).is_some_and(|(_, value)| value.starts_with('"')) {
            return Err(NotAMessage::NoCommand);
        }
        rewrite(&mut fields, "origin", |inner| {
            if let Some((_, value)) = position(inner, "module").and_then(|at| inner.get_mut(at)) {
                *value = quoted("wazuh-execd");
            }
        });
        rewrite(&mut fields, "parameters", |inner| inner.push(("program".to_owned(), called(name))));
        let (before, rest) = fields.split_at_checked(command).unwrap_or((&fields, &[]));
        let (command, after) = rest.split_first().ok_or(NotAMessage::NoCommand)?;
        let comma = |fields: &[(String, String)]| if fields.is_empty() { "" } else { "," };
        Ok(Self {
            before: format!("{{{}{}{}:\"", joined(before), comma(before), quoted(&command.0)),
            after: format!("\"{}{}}}", comma(after), joined(after)),
            positional: None,
        })
    }

    /// Passes OSSEC's arguments too, for programs older than Wazuh 4.2 that
    /// read those instead of their stdin.
    #[must_use]
    pub fn with_positional(mut self, positional: &Positional) -> Self {
        self.positional = Some(positional.arguments());
        self
    }

    /// The line for the program's stdin, with its line feed.
    #[must_use]
    pub fn line(&self, verb: Verb) -> String {
        [&self.before, verb.as_str(), &self.after, "\n"].concat()
    }

    /// The arguments that the program is started with, after `argv[0]`: none,
    /// unless [`Message::with_positional`] gave some.
    #[must_use]
    pub fn arguments(&self, verb: Verb) -> Vec<String> {
        let Some(positional) = &self.positional else { return Vec::new() };
        std::iter::once(verb.as_str().to_owned()).chain(positional.iter().cloned()).collect()
    }
}

/// What OSSEC's programs find in `$2` and the following; `$1` is the verb.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positional {
    /// `$2`: the user.
    pub user: Option<UserName>,
    /// `$3`: the address.
    pub address: Option<Address>,
    /// `$4`: the alert's id.
    pub alert_id: String,
    /// `$5`: the rule's id.
    pub rule_id: String,
    /// `$6`: the agent.
    pub agent: String,
    /// `$7`: the file that the alert is about.
    pub file: String,
    /// `$8` and the following.
    pub extra_args: Vec<String>,
}

impl Positional {
    /// What an alert has of the fields that the command expects. They are
    /// found as its keys are, and the address and the user are typed, so that
    /// the program gets nothing that the guard has not seen.
    #[must_use]
    pub fn of(command: &Command, alert: &str) -> Self {
        let mut positional = Self { extra_args: command.extra_args.clone(), ..Self::default() };
        for &expect in &command.expect {
            let alone = Command { expect: vec![expect], keys: Vec::new(), ..command.clone() };
            let Derived::Keys(keys) = keys::derive(&alone, alert) else { continue };
            let Some(key) = keys.as_slice().first() else { continue };
            match expect {
                Expect::User => positional.user = key.parse().ok(),
                Expect::SourceIp => positional.address = key.parse().ok(),
                Expect::FileName => positional.file.clone_from(key),
            }
        }
        if let Ok(alert) = Alert::parse(alert.as_bytes()) {
            positional.alert_id = alert.id().to_owned();
            positional.rule_id = alert.rule_id().to_owned();
            positional.agent = alert.agent_name().to_owned();
        }
        positional
    }

    fn arguments(&self) -> Vec<String> {
        let user = self.user.as_ref().map_or("", UserName::as_str);
        let address = self.address.map(|address| address.to_string()).unwrap_or_default();
        let fixed = [user, &address, &self.alert_id, &self.rule_id, &self.agent, &self.file];
        fixed.into_iter().chain(self.extra_args.iter().map(String::as_str)).map(argument).collect()
    }
}

/// One argument of OSSEC's: `-` stands for what the alert has not, and a NUL
/// or a line feed out of an alert does not reach a script.
fn argument(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.replace(char::is_control, "?") }
}

/// Why a manager's message is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAMessage {
    /// It is not a JSON object.
    NoObject,
    /// It names no command.
    NoCommand,
}

impl fmt::Display for NotAMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoObject => {
                "the message is not a JSON object: look whether its sender is older than 4.2, or cuts it at 64 KiB"
            }
            Self::NoCommand => "the message has no text under `command`: look at what sends it",
        })
    }
}

impl std::error::Error for NotAMessage {}

type Fields = Vec<(String, String)>;

/// The fields of the object that `text` begins with, in order, twice the ones
/// that are there twice, each value without blanks.
fn fields(text: &str) -> Option<Fields> {
    struct InOrder;
    impl<'de> Visitor<'de> for InOrder {
        type Value = Fields;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
            let mut fields = Fields::new();
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                fields.push((name, compact(value.get())));
            }
            Ok(fields)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(InOrder).ok()
}

/// The first field of that name; Wazuh looks without regard to case.
fn position(fields: &Fields, name: &str) -> Option<usize> {
    fields.iter().position(|(field, _)| field.eq_ignore_ascii_case(name))
}

/// Changes the fields of the object under `name`, when there is one.
fn rewrite(outer: &mut Fields, name: &str, change: impl FnOnce(&mut Fields)) {
    let Some((_, value)) = position(outer, name).and_then(|at| outer.get_mut(at)) else { return };
    let Some(mut inner) = fields(value) else { return };
    change(&mut inner);
    *value = format!("{{{}}}", joined(&inner));
}

fn joined(fields: &[(String, String)]) -> String {
    let each: Vec<String> = fields.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    each.join(",")
}

/// JSON without blanks between its tokens, on one line whatever it is: a line
/// feed inside a string, which JSON does not allow, is escaped.
fn compact(json: &str) -> String {
    let mut out = Vec::with_capacity(json.len());
    let (mut inside, mut escaped) = (false, false);
    // Everything that matters is ASCII, so bytes will do.
    for byte in json.bytes() {
        match byte {
            b'\n' | b'\r' | b'\t' | b' ' if !inside => {}
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => {
                out.push(byte);
                inside ^= byte == b'"' && !escaped;
            }
        }
        escaped = inside && byte == b'\\' && !escaped;
    }
    // Only ASCII was left out or added, so it is UTF-8 as before.
    String::from_utf8(out).unwrap_or_default()
}

/// `parameters.program`.
fn called(name: &str) -> String {
    quoted(&format!("active-response/bin/{name}"))
}

/// A JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use riposte_policy::diagnostic::Place;
    use riposte_policy::limit::Limits;

    use super::*;

    const FIREWALL_DROP: &str = "firewall-drop";

    #[test]
    fn the_engines_message_is_wazuhs_to_the_byte() {
        let message = Message::of_parts("n1", &[], r#"{"data":{"srcip":"3.3.3.3"}}"#, FIREWALL_DROP);
        for (verb, name) in [
            (Verb::Add, "add"),
            (Verb::Continue, "continue"),
            (Verb::Abort, "abort"),
            (Verb::Delete, "delete"),
        ] {
            assert_eq!(
                message.line(verb),
                format!(
                    "{{\"version\":1,\"origin\":{{\"name\":\"n1\",\"module\":\"wazuh-execd\"}},\"command\":\"{name}\",\"parameters\":{{\"extra_args\":[],\"alert\":{{\"data\":{{\"srcip\":\"3.3.3.3\"}}}},\"program\":\"active-response/bin/firewall-drop\"}}}}\n"
                )
            );
        }
    }

    #[test]
    fn a_forwarded_message_keeps_the_order_of_its_fields() {
        let wire = r#"{"version":1,"origin":{"name":"n1","module":"wazuh-analysisd"},"command":"!custom.sh","parameters":{"extra_args":["-a","two words"],"alert":{"data":{"srcip":"3.3.3.3","n":1.10e2}}}}"#;
        let message = Message::forwarded(wire, "custom.sh").unwrap();
        assert_eq!(
            message.line(Verb::Add),
            "{\"version\":1,\"origin\":{\"name\":\"n1\",\"module\":\"wazuh-execd\"},\"command\":\"add\",\"parameters\":{\"extra_args\":[\"-a\",\"two words\"],\"alert\":{\"data\":{\"srcip\":\"3.3.3.3\",\"n\":1.10e2}},\"program\":\"active-response/bin/custom.sh\"}}\n"
        );
    }

    #[test]
    fn a_forwarded_message_gains_nothing_that_it_lacks() {
        let message = Message::forwarded(r#"{"command":"firewall-drop5"} }}junk"#, FIREWALL_DROP).unwrap();
        assert_eq!(message.line(Verb::Add), "{\"command\":\"add\"}\n");

        let wire = r#"{ "Command" : "x", "origin": {"module": {"a": [1, 2]}}, "parameters": [] }"#;
        let message = Message::forwarded(wire, FIREWALL_DROP).unwrap();
        assert_eq!(
            message.line(Verb::Delete),
            "{\"Command\":\"delete\",\"origin\":{\"module\":\"wazuh-execd\"},\"parameters\":[]}\n"
        );
    }

    #[test]
    fn what_execd_refuses_is_refused() {
        assert_eq!(Message::forwarded("unknown", FIREWALL_DROP), Err(NotAMessage::NoObject));
        assert_eq!(Message::forwarded(r#"{"command":"x","#, FIREWALL_DROP), Err(NotAMessage::NoObject));
        assert_eq!(Message::forwarded("[]", FIREWALL_DROP), Err(NotAMessage::NoObject));
        assert_eq!(Message::forwarded("{}", FIREWALL_DROP), Err(NotAMessage::NoCommand));
        assert_eq!(Message::forwarded(r#"{"command":5}"#, FIREWALL_DROP), Err(NotAMessage::NoCommand));
    }

    #[test]
    fn a_message_is_one_line_whatever_is_put_into_it() {
        let alert = "{ \"a\" :\r\n\t\"two  words \\\" {\\\\\" , \"b\": \"raw\nline\", \"c\": [ 1 , 2 ] }";
        let message = Message::of_parts("na\nme", &["a\nb".to_owned()], alert, "a\"b");
        let line = message.line(Verb::Add);
        assert_eq!(line.matches('\n').count(), 1);
        assert!(
            line.contains(r#""alert":{"a":"two  words \" {\\","b":"raw\u000aline","c":[1,2]}"#),
            "{line}"
        );
        let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(parsed["origin"]["name"], "na\nme");
        assert_eq!(parsed["parameters"]["extra_args"][0], "a\nb");
        assert_eq!(parsed["parameters"]["program"], "active-response/bin/a\"b");
        assert_eq!(parsed["parameters"]["alert"]["b"], "raw\nline");
    }

    fn command(expect: &[Expect]) -> Command {
        Command {
            name: "block".into(),
            executable: "block.sh".to_owned(),
            timeout_allowed: None,
            expect: expect.to_vec(),
            extra_args: vec!["-a".to_owned()],
            keys: vec!["/data/other".parse().unwrap()],
            capabilities: None,
            limits: Limits::default(),
            runtime: None,
            protocol: None,
            place: Place { file: "ossec.conf".into(), line: 1, column: 1 },
        }
    }

    const ALERT: &str = r#"{"id":"1510376401.0","rule":{"id":"5710","level":5},"agent":{"id":"001","name":"web\n1"},"data":{"srcip":"192.0.2.7","dstuser":"eve","other":"x"},"syscheck":{"path":"/a b"}}"#;

    #[test]
    fn a_command_that_expects_something_gets_ossecs_arguments() {
        let all = command(&[Expect::SourceIp, Expect::User, Expect::FileName]);
        let message = Message::of_command("001", &all, ALERT, "block.sh");
        assert_eq!(
            message.arguments(Verb::Add),
            ["add", "eve", "192.0.2.7", "1510376401.0", "5710", "web?1", "/a b", "-a"]
        );
        assert!(message.line(Verb::Add).contains(r#""extra_args":["-a"],"alert":{"id":"1510376401.0","#));

        let one = Message::of_command("001", &command(&[Expect::SourceIp]), ALERT, "block.sh");
        assert_eq!(
            one.arguments(Verb::Delete),
            ["delete", "-", "192.0.2.7", "1510376401.0", "5710", "web?1", "-", "-a"]
        );
        assert!(Message::of_command("001", &command(&[]), ALERT, "block.sh").arguments(Verb::Add).is_empty());
    }

    #[test]
    fn what_is_no_address_and_no_user_is_no_argument() {
        let alert = r#"{"rule":{},"data":{"srcip":"$(reboot)","dstuser":"-x y"}}"#;
        let message =
            Message::of_command("001", &command(&[Expect::SourceIp, Expect::User]), alert, "block.sh");
        assert_eq!(message.arguments(Verb::Add), ["add", "-", "-", "-", "-", "-", "-", "-a"]);
    }
}
