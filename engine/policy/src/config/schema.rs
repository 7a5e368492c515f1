//! The schema of the configuration, for editors: RELAX NG in XML syntax.
//!
//! It is made of the tables that the reader uses: the shape of each block,
//! [`language`] for what stands in `<capabilities>`, the names of limits. What
//! only prose could say (an element twice, two attributes of which one is
//! needed) `riposte check` says; what the schema refuses, `check` refuses too.

use std::fmt::{Display, Write as _};

use super::block::Shape;
use super::grants::LIMITS;
use super::{audit, command, guard, ledger, response, settings};
use crate::grant::language::{self, Attribute, DIGESTS, ELEMENTS, KEEPS, Need, Takes, WRITE};

/// What stands in an element.
enum Content {
    /// Text of this kind.
    Text(Takes),
    /// Text of this kind, and attributes.
    With(Takes, &'static [Attribute]),
    /// Attributes alone.
    Only(&'static [Attribute]),
    /// Elements of this shape, with rows of their own.
    Block(&'static [&'static str]),
    /// The grants.
    Grants,
    /// The limits.
    Limits,
}

const ANY: Takes = Takes::Text("text", r"[\s\S]*");
const SOME: Takes = Takes::Text("text", r"[\s\S]*\S[\s\S]*");
const YES_NO: Takes = Takes::OneOf(&["yes", "no"]);
const WAYS: Takes = Takes::OneOf(&["riposte", "wazuh"]);
const SPAN: Takes = Takes::Text("time", r"\s*[0-9]+[smhd]?\s*");
const SPANS: Takes = Takes::Text("times", r"[,\s]*[0-9]+[smhd]?([,\s]+[0-9]+[smhd]?)*[,\s]*");
const SIZE: Takes = Takes::Text("size", r"\s*[0-9]+\s*(B|KiB|MiB|GiB)\s*");
const SPAN_UNIT: Takes = Takes::Text("time with a unit", r"\s*[0-9]+(ms|s|m|h|d)\s*");
const LEVEL: Takes = Takes::Text("level", r"\s*[0-9]+\s*");

const fn free(name: &'static str, takes: Takes, what: &'static str) -> Attribute {
    Attribute { name, need: Need::Optional("nothing"), takes, what }
}

/// One row for each element of a block: the block, the element, what it holds,
/// what it means.
const ROWS: &[(&str, &str, Content, &str)] = &[
    ("command", "name", Content::Text(SOME), "The name that responses use."),
    (
        "command",
        "executable",
        Content::With(
            SOME,
            &[
                free("runtime", Takes::OneOf(&["native", "wasm"]), "what runs it"),
                free(
                    "protocol",
                    Takes::OneOf(&["json", "argv", "both", "5"]),
                    "how a native program is spoken to",
                ),
            ],
        ),
        "File name of the component or program.",
    ),
    ("command", "timeout_allowed", Content::Text(YES_NO), "Whether it may be undone after a time."),
    ("command", "expect", Content::Text(ANY), "srcip, user, filename: what it acts on."),
    ("command", "extra_args", Content::Text(ANY), "Words for the response."),
    ("command", "keys", Content::Text(SOME), "Where the target stands in the alert: /data/srcip."),
    ("command", "capabilities", Content::Grants, "What a component may do."),
    ("command", "limits", Content::Limits, "How much it may use."),
    (
        "command",
        "confined",
        Content::Only(&[
            WRITE,
            KEEPS,
            free("no_new_privs", YES_NO, "whether what the program starts may gain no privileges"),
        ]),
        "A native program that writes only below some paths.",
    ),
    (
        "command",
        "isolated",
        Content::Only(&[WRITE]),
        "A native program without network and with a view of its own.",
    ),
    ("active-response", "disabled", Content::Text(YES_NO), "Whether it never fires."),
    ("active-response", "command", Content::Text(SOME), "The command to run."),
    ("active-response", "location", Content::Text(SOME), "local, server, defined-agent, all."),
    ("active-response", "agent_id", Content::Text(SOME), "The agent of defined-agent."),
    ("active-response", "level", Content::Text(LEVEL), "Fires from this rule level on."),
    ("active-response", "rules_group", Content::Text(SOME), "Fires for rules of these groups."),
    ("active-response", "rules_id", Content::Text(SOME), "Fires for these rules."),
    ("active-response", "timeout", Content::Text(SPAN), "Seconds, or 90s, 30m, 1h, 7d, until it is undone."),
    (
        "active-response",
        "repeated_offenders",
        Content::Text(SPANS),
        "Timeouts from the second offence on, in minutes or with a unit.",
    ),
    ("active-response", "ca_store", Content::Text(SOME), "Root certificates for packages."),
    ("active-response", "ca_verification", Content::Text(YES_NO), "Whether packages are verified."),
    (
        "active-response",
        "mode",
        Content::Text(Takes::OneOf(&["enforce", "shadow"])),
        "Whether it acts, or only says what it would do.",
    ),
    (
        "riposte",
        "matching",
        Content::Text(Takes::OneOf(&["documented", "wazuh-4.x"])),
        "Which alerts fire a response.",
    ),
    ("riposte", "key", Content::Text(WAYS), "What makes two orders the same."),
    ("riposte", "offences", Content::Text(WAYS), "What counts as one more offence."),
    (
        "riposte",
        "offence_quiet",
        Content::Text(SPAN),
        "How long after its last offence an offender starts anew.",
    ),
    (
        "riposte",
        "on_stop",
        Content::Text(Takes::OneOf(&["keep", "revert"])),
        "What becomes of what is in force when the engine stops.",
    ),
    (
        "riposte",
        "execd",
        Content::Text(YES_NO),
        "Whether riposte execd works although the stock part is off.",
    ),
    (
        "riposte",
        "exec_strict",
        Content::Text(YES_NO),
        "Whether a built-in fails when nobody answers check_keys.",
    ),
    ("riposte", "link", Content::Text(SOME), "A program in active-response/bin that is a link to Riposte."),
    (
        "riposte",
        "firewall",
        Content::Text(Takes::OneOf(language::BACKENDS)),
        "What blocks addresses; without it, what works here.",
    ),
    (
        "riposte",
        "guard",
        Content::Block(guard::SHAPE.children),
        "What is protected besides what the host itself shows.",
    ),
    (
        "riposte",
        "audit",
        Content::Block(audit::SHAPE.children),
        "How long the audit is kept, who vouches for it, and where copies go.",
    ),
    (
        "audit",
        "rotate",
        Content::Only(&[
            free("size", SIZE, "a file with so many bytes is full"),
            free("age", SPAN_UNIT, "so is one that was begun so long ago"),
        ]),
        "When a new file of the audit begins.",
    ),
    ("audit", "retention", Content::Text(SPAN_UNIT), "How long the audit, and what is over, is kept."),
    ("audit", "redact", Content::Text(SOME), "What of an alert is not shown: /full_log."),
    ("audit", "ocsf", Content::Text(YES_NO), "Whether ocsf.jsonl is written."),
    (
        "audit",
        "sign",
        Content::Only(&[
            Attribute { name: "key", need: Need::Required, takes: SOME, what: "the file of the key" },
            free("every", SPAN_UNIT, "how often a head is signed"),
        ]),
        "Who vouches for heads of the audit.",
    ),
    (
        "audit",
        "syslog",
        Content::Only(&[
            Attribute {
                name: "to",
                need: Need::Required,
                takes: SOME,
                what: "udp://host:514, tcp://host:601, unix:/dev/log",
            },
            free("events", YES_NO, "whether every event goes there, or signed heads alone"),
        ]),
        "Where copies go.",
    ),
    (
        "riposte",
        "ledger",
        Content::Block(ledger::SHAPE.children),
        "How the record of what is in force is kept.",
    ),
    (
        "ledger",
        "backup",
        Content::Text(Takes::Text("time or no", r"\s*(no|[0-9]+[smhd]?)\s*")),
        "How often the ledger is copied beside itself.",
    ),
    ("guard", "trusted_proxies", Content::Text(SOME), "Whose addresses stand in logs for those of others."),
    ("guard", "manager", Content::Text(SOME), "Managers that this machine reports to."),
    ("guard", "broker", Content::Text(SOME), "What carries orders."),
    ("guard", "users_below", Content::Text(LEVEL), "Accounts with a lower number are never locked."),
    (
        "guard",
        "override",
        Content::Only(&[
            Attribute {
                name: "rule",
                need: Need::Required,
                takes: SOME,
                what: "the rule that does not hold",
            },
            free("address", SOME, "for this address or network"),
            free("user", SOME, "for this account"),
            Attribute {
                name: "reason",
                need: Need::Required,
                takes: SOME,
                what: "why; it stands in each event",
            },
        ]),
        "One rule does not hold for one target.",
    ),
];

/// The sections of a file that are read, with what each may hold.
const SECTIONS: [(&str, &Shape); 3] =
    [("command", &command::SHAPE), ("active-response", &response::SHAPE), ("riposte", &settings::SHAPE)];

/// The schema. Every line ends.
#[must_use]
pub fn relax_ng() -> String {
    let mut out = Writer { text: String::new(), depth: 0 };
    out.line("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    out.line("<!-- ossec.conf as Riposte reads it; `riposte schema` prints this. -->");
    out.open(concat!(
        "grammar xmlns=\"http://relaxng.org/ns/structure/1.0\" ",
        "xmlns:a=\"http://relaxng.org/ns/compatibility/annotations/1.0\" ",
        "datatypeLibrary=\"http://www.w3.org/2001/XMLSchema-datatypes\""
    ));
    start(&mut out);
    for (name, shape) in SECTIONS {
        block(&mut out, name, shape.children);
    }
    global(&mut out);
    capabilities(&mut out);
    limits(&mut out);
    anything(&mut out);
    out.close("grammar");
    out.text
}

/// A root with sections, or one section: fragments are read too.
fn start(out: &mut Writer) {
    out.open("start");
    out.open("choice");
    for root in super::xml::ROOTS {
        out.open(&format!("element name=\"{root}\""));
        // An attribute of a root narrows nothing, and is only noted.
        out.open("zeroOrMore");
        out.line("<attribute><anyName/></attribute>");
        out.close("zeroOrMore");
        out.open("zeroOrMore");
        out.open("choice");
        for (section, _) in SECTIONS {
            out.line(&format!("<ref name=\"{section}\"/>"));
        }
        out.line("<ref name=\"global\"/>");
        out.line("<ref name=\"other-section\"/>");
        out.close("choice");
        out.close("zeroOrMore");
        out.close("element");
    }
    for (section, _) in SECTIONS {
        out.line(&format!("<ref name=\"{section}\"/>"));
    }
    out.close("choice");
    out.close("start");
}

/// A definition of one block, and below it of each block in it.
fn block(out: &mut Writer, name: &str, children: &[&str]) {
    out.open(&format!("define name=\"{name}\""));
    out.open(&format!("element name=\"{name}\""));
    out.open("zeroOrMore");
    out.open("choice");
    for child in children {
        let row = row(name, child);
        let nested = row.is_some_and(|(_, _, content, _)| {
            matches!(content, Content::Block(_) | Content::Grants | Content::Limits)
        });
        if nested {
            out.line(&format!("<ref name=\"{child}\"/>"));
            continue;
        }
        out.open(&format!("element name=\"{child}\""));
        out.documentation(row.map_or("", |(.., what)| what));
        match row.map(|(_, _, content, _)| content) {
            Some(Content::Text(takes)) => out.takes(*takes),
            Some(Content::With(takes, attributes)) => {
                attributes.iter().for_each(|attribute| out.attribute(attribute));
                out.takes(*takes);
            }
            Some(Content::Only(attributes)) => {
                attributes.iter().for_each(|attribute| out.attribute(attribute));
                out.line("<empty/>");
            }
            _ => out.line("<text/>"),
        }
        out.close("element");
    }
    out.close("choice");
    out.close("zeroOrMore");
    out.close("element");
    out.close("define");
    for child in children {
        if let Some((_, _, Content::Block(inner), _)) = row(name, child) {
            block(out, child, inner);
        }
    }
}

fn row(block: &str, element: &str) -> Option<&'static (&'static str, &'static str, Content, &'static str)> {
    ROWS.iter().find(|(of, name, ..)| *of == block && *name == element)
}

/// Wazuh's `<global>`, of which only the white list is ours.
fn global(out: &mut Writer) {
    out.open("define name=\"global\"");
    out.open("element name=\"global\"");
    out.open("zeroOrMore");
    out.open("choice");
    out.open("element name=\"white_list\"");
    out.documentation("What is never acted against: addresses, networks, texts of addresses.");
    out.line("<text/>");
    out.close("element");
    out.open("element");
    out.open("anyName");
    out.line("<except><name>white_list</name></except>");
    out.close("anyName");
    out.line("<ref name=\"anything\"/>");
    out.close("element");
    out.close("choice");
    out.close("zeroOrMore");
    out.close("element");
    out.close("define");
}

fn capabilities(out: &mut Writer) {
    out.open("define name=\"capabilities\"");
    out.open("element name=\"capabilities\"");
    out.documentation("What a component may do.");
    out.attribute(&free("sha256", DIGESTS, "the components that may use these grants"));
    out.open("zeroOrMore");
    out.open("choice");
    for element in ELEMENTS {
        out.open(&format!("element name=\"{}\"", element.name));
        out.documentation(&format!("May {}.", element.what));
        element.attributes.iter().for_each(|attribute| out.attribute(attribute));
        out.line("<empty/>");
        out.close("element");
    }
    out.close("choice");
    out.close("zeroOrMore");
    out.close("element");
    out.close("define");
}

fn limits(out: &mut Writer) {
    const TIME: Takes = Takes::Text("time with a unit", r"\s*[0-9]+(ms|s|m|h|d)\s*");
    out.open("define name=\"limits\"");
    out.open("element name=\"limits\"");
    out.documentation("How much a command may use.");
    for name in LIMITS {
        let takes = match *name {
            "memory" => SIZE,
            "concurrency" => Takes::Number(1, 10_000),
            _ => TIME,
        };
        out.attribute(&free(name, takes, ""));
    }
    out.line("<empty/>");
    out.close("element");
    out.close("define");
}

/// What is not ours to check.
fn anything(out: &mut Writer) {
    out.open("define name=\"other-section\"");
    out.open("element");
    out.open("anyName");
    out.open("except");
    for (section, _) in SECTIONS {
        out.line(&format!("<name>{section}</name>"));
    }
    out.line("<name>global</name>");
    out.close("except");
    out.close("anyName");
    out.line("<ref name=\"anything\"/>");
    out.close("element");
    out.close("define");
    out.open("define name=\"anything\"");
    out.open("zeroOrMore");
    out.open("choice");
    out.line("<text/>");
    out.line("<attribute><anyName/></attribute>");
    out.line("<element><anyName/><ref name=\"anything\"/></element>");
    out.close("choice");
    out.close("zeroOrMore");
    out.close("define");
}

/// XML that is being written, two blanks for each level.
struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    fn line(&mut self, text: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{:1$}{text}", "", self.depth * 2);
    }

    fn open(&mut self, tag: &str) {
        self.line(&format!("<{tag}>"));
        self.depth += 1;
    }

    fn close(&mut self, tag: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.line(&format!("</{tag}>"));
    }

    fn documentation(&mut self, text: &str) {
        if !text.is_empty() {
            self.line(&format!("<a:documentation>{}</a:documentation>", escaped(&text)));
        }
    }

    fn attribute(&mut self, attribute: &Attribute) {
        let optional = attribute.need != Need::Required;
        if optional {
            self.open("optional");
        }
        let default = match attribute.need {
            Need::Default(default) => format!(" a:defaultValue=\"{}\"", escaped(&default)),
            Need::Required | Need::Optional(_) => String::new(),
        };
        self.open(&format!("attribute name=\"{}\"{default}", attribute.name));
        self.documentation(attribute.what);
        self.takes(attribute.takes);
        self.close("attribute");
        if optional {
            self.close("optional");
        }
    }

    fn takes(&mut self, takes: Takes) {
        let values = |out: &mut Self, words: &[&str]| {
            out.open("choice");
            words.iter().for_each(|word| out.line(&format!("<value type=\"token\">{word}</value>")));
            out.close("choice");
        };
        match takes {
            Takes::OneOf(words) => values(self, words),
            Takes::SomeOf(words) => {
                // The list is what an editor completes from; commas are read too.
                self.open("choice");
                self.open("list");
                self.open("oneOrMore");
                values(self, words);
                self.close("oneOrMore");
                self.close("list");
                let one = words.join("|");
                self.open("data type=\"string\"");
                self.line(&format!("<param name=\"pattern\">[,\\s]*({one})([,\\s]+({one}))*[,\\s]*</param>"));
                self.close("data");
                self.close("choice");
            }
            Takes::Number(from, to) => {
                self.open("data type=\"integer\"");
                self.line(&format!("<param name=\"minInclusive\">{from}</param>"));
                self.line(&format!("<param name=\"maxInclusive\">{to}</param>"));
                self.close("data");
            }
            Takes::Text(_, pattern) => {
                self.open("data type=\"string\"");
                self.line(&format!("<param name=\"pattern\">{}</param>", escaped(&pattern)));
                self.close("data");
            }
        }
    }
}

fn escaped(text: &dyn Display) -> String {
    text.to_string().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
