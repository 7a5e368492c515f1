//! What a native program is told.
//!
//! Scripts cut values out of this line with `grep` and `sed`, so its shape is
//! Wazuh's to the byte: the same fields in the same order, no blanks between
//! them, one line. It is assembled from text and never parsed as a whole, so
//! that the alert's numbers and its order of fields stay what they were. What a
//! manager sent is printed again, as Wazuh's agent does.

use std::fmt;

use riposte_policy::Order;
use riposte_policy::config::Protocol;

use super::cjson::{self, Fields, joined, printed, quoted};
use super::five;
use super::positional::Positional;

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
    /// As the messages of 4.x and the arguments spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Continue => "continue",
            Self::Abort => "abort",
            Self::Delete => "delete",
        }
    }

    /// As the messages of 5.0 spell it.
    fn in_five(self) -> &'static str {
        match self {
            Self::Add => "enable",
            Self::Delete => "disable",
            Self::Continue | Self::Abort => self.as_str(),
        }
    }
}

/// One message to a native program, for every verb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What stands before the verb, and behind it.
    before: String,
    after: String,
    positional: Option<Positional>,
    protocol: Protocol,
}

impl Message {
    /// The message for an order, in the protocol of its command: the one that a
    /// manager sent, when there is one, else the engine's own. `name` is the
    /// program's name below the folder of native programs.
    #[must_use]
    pub fn new(order: &Order, name: &str) -> Self {
        let command = &order.command;
        let positional = || Positional::of(command, &extra_args(order), &order.alert);
        // Definitions that were stored before there was a protocol say by
        // their <expect> alone that the program wants arguments.
        match command.protocol {
            None if command.expect.is_empty() => Self::json(order, name),
            Some(Protocol::Json) => Self::json(order, name),
            None | Some(Protocol::Both) => Self::json(order, name).with_positional(positional()),
            Some(Protocol::Argv) => {
                Self { protocol: Protocol::Argv, ..Self::json(order, name).with_positional(positional()) }
            }
            Some(Protocol::Five) => {
                let (before, after) = five::around(order, name, &extra_args(order));
                Self { before, after, positional: None, protocol: Protocol::Five }
            }
        }
    }

    /// The message for an order as Wazuh 4.2 and later has it, whatever the
    /// command's protocol: also what goes into the response log.
    #[must_use]
    pub fn json(order: &Order, name: &str) -> Self {
        let wire = order.message.as_deref().and_then(|text| Self::forwarded(text, name).ok());
        wire.unwrap_or_else(|| Self::of_parts(&order.agent, &order.command.extra_args, &order.alert, name))
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
            protocol: Protocol::Json,
        }
    }

    /// The message of a manager, as Wazuh's agent passes it on (`execd.c`,
    /// `ExecdRun`): the verb takes the place of `command`, `wazuh-execd` that
    /// of `origin.module`, and `parameters.program` is added at the end, beside
    /// one that may be there. What is missing stays missing, everything else
    /// stays in its place and is printed again, and text behind the object is
    /// ignored.
    ///
    /// # Errors
    ///
    /// When `text` does not begin with a JSON object that has a text under
    /// `command`.
    pub fn forwarded(text: &str, name: &str) -> Result<Self, NotAMessage> {
        let Some(mut fields) = cjson::object(text).ok_or(NotAMessage::NoObject)? else {
            return Err(NotAMessage::NoCommand);
        };
        let command = position(&fields, "command").ok_or(NotAMessage::NoCommand)?;
        rewrite(&mut fields, "origin", |inner| {
            if let Some(module) = position(inner, "module").and_then(|at| inner.get_mut(at)) {
                // cJSON_ReplaceItemInObject writes the name it was given, too.
                *module = ("module".to_owned(), quoted("wazuh-execd"));
            }
        });
        rewrite(&mut fields, "parameters", |inner| inner.push(("program".to_owned(), called(name))));
        let (before, rest) = fields.split_at_checked(command).ok_or(NotAMessage::NoCommand)?;
        let ((_, value), after) = rest.split_first().ok_or(NotAMessage::NoCommand)?;
        if !value.starts_with('"') {
            return Err(NotAMessage::NoCommand);
        }
        let comma = |fields: &[(String, String)]| if fields.is_empty() { "" } else { "," };
        Ok(Self {
            before: format!("{{{}{}\"command\":\"", joined(before), comma(before)),
            after: format!("\"{}{}}}", comma(after), joined(after)),
            positional: None,
            protocol: Protocol::Json,
        })
    }

    /// Passes OSSEC's arguments too, for programs older than Wazuh 4.2 that
    /// read those instead of their stdin.
    #[must_use]
    pub fn with_positional(self, positional: Positional) -> Self {
        Self { positional: Some(positional), ..self }
    }

    /// The line for the program's stdin, with its line feed.
    #[must_use]
    pub fn line(&self, verb: Verb) -> String {
        let verb = if self.protocol == Protocol::Five { verb.in_five() } else { verb.as_str() };
        [&self.before, verb, &self.after, "\n"].concat()
    }

    /// The arguments that the program is started with, after `argv[0]`: none,
    /// unless it is one of OSSEC's or [`Message::with_positional`] gave some.
    #[must_use]
    pub fn arguments(&self, verb: Verb) -> Vec<String> {
        let Some(positional) = &self.positional else { return Vec::new() };
        std::iter::once(verb.as_str().to_owned()).chain(positional.arguments()).collect()
    }

    /// The address and the user among the arguments: what the program acts on
    /// whatever the keys of its definition are.
    #[must_use]
    pub fn targets(&self) -> Vec<String> {
        self.positional.as_ref().map(Positional::targets).unwrap_or_default()
    }

    /// Whether the program is spoken to on stdin and listened to on stdout.
    /// OSSEC's programs are not.
    #[must_use]
    pub fn is_spoken(&self) -> bool {
        self.protocol != Protocol::Argv
    }
}

/// Why a manager's message is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAMessage {
    /// It is not JSON.
    NoObject,
    /// It is no object that names a command.
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

/// The extra arguments that a manager sent, else those of the definition.
#[must_use]
pub fn extra_args(order: &Order) -> Vec<String> {
    sent_extra_args(order).unwrap_or_else(|| order.command.extra_args.clone())
}

fn sent_extra_args(order: &Order) -> Option<Vec<String>> {
    let fields = cjson::object(order.message.as_deref()?)??;
    let (_, parameters) = fields.get(position(&fields, "parameters")?)?;
    let parameters = cjson::object(parameters)??;
    let (_, listed) = parameters.get(position(&parameters, "extra_args")?)?;
    let listed: Vec<serde_json::Value> = serde_json::from_str(listed).ok()?;
    // As Wazuh's programs read them: what is no text is skipped.
    Some(listed.iter().filter_map(|argument| argument.as_str().map(str::to_owned)).collect())
}

/// The first field of that name; cJSON looks without regard to case.
fn position(fields: &Fields, name: &str) -> Option<usize> {
    fields.iter().position(|(field, _)| field.eq_ignore_ascii_case(name))
}

/// Changes the fields of the object under `name`, when there is one.
fn rewrite(outer: &mut Fields, name: &str, change: impl FnOnce(&mut Fields)) {
    let Some((_, value)) = position(outer, name).and_then(|at| outer.get_mut(at)) else { return };
    let Some(Some(mut inner)) = cjson::object(value) else { return };
    change(&mut inner);
    *value = printed(&inner);
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

#[cfg(test)]
mod tests {
    use riposte_policy::config::Expect;

    use super::super::fixture::{ALERT, command, order};
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
            "{\"version\":1,\"origin\":{\"name\":\"n1\",\"module\":\"wazuh-execd\"},\"command\":\"add\",\"parameters\":{\"extra_args\":[\"-a\",\"two words\"],\"alert\":{\"data\":{\"srcip\":\"3.3.3.3\",\"n\":110}},\"program\":\"active-response/bin/custom.sh\"}}\n"
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
            "{\"command\":\"delete\",\"origin\":{\"module\":\"wazuh-execd\"},\"parameters\":[]}\n"
        );
    }

    #[test]
    fn a_forwarded_message_is_printed_again() {
        let wire = r#"{ "version" : 1.0, "command":"host-deny60","parameters":{"alert":{"full_log":"caf\u00e9 \/tmp\n"},"program":"x"}, "command":"y" }"#;
        let message = Message::forwarded(wire, "host-deny").unwrap();
        assert_eq!(
            message.line(Verb::Add),
            "{\"version\":1,\"command\":\"add\",\"parameters\":{\"alert\":{\"full_log\":\"café /tmp\\n\"},\"program\":\"x\",\"program\":\"active-response/bin/host-deny\"},\"command\":\"y\"}\n"
        );
    }

    #[test]
    fn what_execd_refuses_is_refused() {
        assert_eq!(Message::forwarded("unknown", FIREWALL_DROP), Err(NotAMessage::NoObject));
        assert_eq!(Message::forwarded(r#"{"command":"x","#, FIREWALL_DROP), Err(NotAMessage::NoObject));
        assert_eq!(Message::forwarded("[]", FIREWALL_DROP), Err(NotAMessage::NoCommand));
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

    fn asked(protocol: Option<Protocol>, expect: &[Expect]) -> Message {
        let mut command = command(expect);
        command.protocol = protocol;
        Message::new(&order(command, ALERT), "block.sh")
    }

    #[test]
    fn each_protocol_has_its_own_way_in() {
        let json = asked(Some(Protocol::Json), &[Expect::SourceIp]);
        assert!(json.is_spoken() && json.arguments(Verb::Add).is_empty() && json.targets().is_empty());
        assert!(
            json.line(Verb::Delete)
                .contains(r#""command":"delete","parameters":{"extra_args":["-a"],"alert":{"id":"#)
        );

        let argv = asked(Some(Protocol::Argv), &[Expect::SourceIp]);
        assert!(!argv.is_spoken());
        assert_eq!(argv.targets(), ["192.0.2.7"]);
        assert_eq!(
            argv.arguments(Verb::Delete),
            ["delete", "-", "192.0.2.7", "1510376401.0", "5710", "web?1", "-", "-a"]
        );

        let five = asked(Some(Protocol::Five), &[Expect::SourceIp]);
        assert!(five.is_spoken() && five.arguments(Verb::Add).is_empty());
        for (verb, word) in [
            (Verb::Add, "enable"),
            (Verb::Continue, "continue"),
            (Verb::Abort, "abort"),
            (Verb::Delete, "disable"),
        ] {
            assert!(five.line(verb).ends_with(&format!("\"command\":\"{word}\"}}\n")));
        }
    }

    #[test]
    fn expect_alone_means_both_ways() {
        for both in [asked(None, &[Expect::SourceIp]), asked(Some(Protocol::Both), &[Expect::SourceIp])] {
            assert!(both.is_spoken());
            assert_eq!(both.arguments(Verb::Add).get(..3).unwrap(), ["add", "-", "192.0.2.7"]);
            assert!(both.line(Verb::Add).contains(r#""command":"add""#));
        }
        assert!(asked(None, &[]).arguments(Verb::Add).is_empty());
        assert_eq!(
            asked(Some(Protocol::Both), &[]).arguments(Verb::Add).get(..3).unwrap(),
            ["add", "-", "-"]
        );
    }

    #[test]
    fn what_a_manager_sent_is_passed_on() {
        let mut order = order(command(&[]), ALERT);
        order.message = Some(r#"{"version":"1","origin":{"name":null,"module":"framework"},"command":"block600","parameters":{"extra_args":["two words",7,"b"],"alert":{"data":{"srcip":"192.0.2.7"}}}}"#.into());
        let message = Message::new(&order, "block.sh");
        for (verb, name) in [(Verb::Add, "add"), (Verb::Abort, "abort"), (Verb::Delete, "delete")] {
            assert_eq!(
                message.line(verb),
                format!(
                    "{{\"version\":\"1\",\"origin\":{{\"name\":null,\"module\":\"wazuh-execd\"}},\"command\":\"{name}\",\"parameters\":{{\"extra_args\":[\"two words\",7,\"b\"],\"alert\":{{\"data\":{{\"srcip\":\"192.0.2.7\"}}}},\"program\":\"active-response/bin/block.sh\"}}}}\n"
                )
            );
        }
        // The same message, said in another way.
        order.command = command(&[]).into();
        std::sync::Arc::make_mut(&mut order.command).protocol = Some(Protocol::Argv);
        let argv = Message::new(&order, "block.sh").arguments(Verb::Add);
        assert_eq!(argv.get(7..).unwrap(), ["two words", "b"]);

        order.message = Some("junk".into());
        assert!(Message::json(&order, "block.sh").line(Verb::Add).starts_with(r#"{"version":1,"#));
    }
}
