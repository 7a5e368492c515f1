//! What Wazuh's stock decoders and rules make of a line of
//! `active-responses.log`, as far as responses are concerned: an equivalent in
//! our own words of `0010-active-response_decoders.xml` (`ar_log`,
//! `ar_log_fields`, `ar_log_json` and its children) and of the rules 600 to
//! 607 and 650 to 658 of `0015-ossec_rules.xml`, versions 4.3 to 4.14.

use std::collections::BTreeMap;

use serde_json::Value;

/// One decoded line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The decoder: `ar_log` or `ar_log_json`.
    pub decoder: &'static str,
    /// Its fields by name; those of JSON with dots.
    pub fields: BTreeMap<String, String>,
    /// The rule that fires in the end.
    pub rule: u32,
}

impl Decoded {
    /// A field; empty when it was not decoded.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// Decodes a line; `None` when neither decoder takes it.
#[must_use]
pub fn decode(line: &str) -> Option<Decoded> {
    ar_log(line).or_else(|| ar_log_json(line))
}

/// The lines of a log that fire a rule of their own, not only a group's.
#[must_use]
pub fn fired(log: &str) -> Vec<Decoded> {
    log.lines().filter_map(decode).filter(|decoded| ![600, 650].contains(&decoded.rule)).collect()
}

/// OSSEC's scripts: `date`, the script's whole path, its arguments.
fn ar_log(line: &str) -> Option<Decoded> {
    let mut rest = Rest(line);
    // Sat May  7 03:17:27 CDT 2011
    rest.exactly(3, word)?;
    rest.text(" ")?;
    rest.some(word)?;
    rest.some(|c| c == ' ')?;
    rest.some(digit)?;
    rest.text(" ")?;
    rest.clock()?;
    rest.text(" ")?;
    rest.any(|c| c.is_ascii_punctuation() && !word(c));
    rest.some(word)?;
    rest.text(" ")?;
    rest.some(digit)?;
    rest.text(" /")?;
    let path = rest.0.split(' ').next()?;
    let at = path.rfind("/active-response/bin/").filter(|at| *at > 0)?;
    rest.0 = rest.0.get(at + "/active-response/bin/".len()..)?;
    // script type - srcip id rule
    let mut words = rest.0.splitn(5, ' ');
    let mut fields = BTreeMap::new();
    let mut take = |name: &str, word: Option<&str>| {
        let word = word.filter(|word| !word.is_empty())?;
        fields.insert(name.to_owned(), word.to_owned());
        Some(())
    };
    let decoded = (|| {
        take("script", words.next())?;
        take("type", words.next())?;
        words.next()?;
        take("srcip", words.next())?;
        let (id, more) = words.next()?.rsplit_once(' ')?;
        take("id", Some(id))?;
        take("extra_data", more.split(|c| !digit(c)).next())
    })();
    // The fields are a child's: without them the line is the parent's.
    let fields = if decoded.is_some() { fields } else { BTreeMap::new() };
    let rule = match (field(&fields, "script"), field(&fields, "type")) {
        (script, "add") if script.contains("firewall-drop") => 601,
        (script, "delete") if script.contains("firewall-drop") => 602,
        (script, "add") if script.contains("host-deny") => 603,
        (script, "delete") if script.contains("host-deny") => 604,
        (script, "add") if script.contains("route-null") => 605,
        (script, "delete") if script.contains("route-null") => 606,
        _ => 607,
    };
    Some(Decoded { decoder: "ar_log", fields, rule })
}

/// Programs of 4.2 and later: date, time, the program's path below Wazuh's
/// home, a colon, and perhaps JSON.
fn ar_log_json(line: &str) -> Option<Decoded> {
    let mut rest = Rest(line);
    for (digits, end) in [(4, "/"), (2, "/"), (2, " ")] {
        rest.exactly(digits, digit)?;
        rest.text(end)?;
    }
    rest.clock()?;
    rest.text(" active-response/bin/")?;
    let (program, text) = rest.0.split_once(": ")?;
    if program.is_empty() || program.contains(char::is_whitespace) {
        return None;
    }
    let mut fields = BTreeMap::new();
    if let Ok(Value::Object(json)) = serde_json::from_str(text) {
        for (name, value) in &json {
            flatten(name, value, &mut fields);
        }
    }
    // The children that read the text once more.
    if let Some(srcip) = behind(text, "\"data\":{\"srcip\":\"") {
        fields.insert("srcip".to_owned(), srcip.to_owned());
    }
    if let Some(user) = text.split_once("\"data\":{").and_then(|(_, data)| behind(data, "\"dstuser\":\"")) {
        fields.insert("user".to_owned(), user.to_owned());
    }
    let (program, command) = (field(&fields, "parameters.program"), field(&fields, "command"));
    let add = command.contains("add");
    let delete = command.contains("delete");
    let rule = match program {
        program if program.contains("firewall-drop") && add => 651,
        program if program.contains("firewall-drop") && delete => 652,
        program if program.contains("host-deny") && add => 653,
        program if program.contains("host-deny") && delete => 654,
        program if program.contains("route-null") && add => 655,
        program if program.contains("route-null") && delete => 656,
        _ if add || delete => 657,
        _ if field(&fields, "status").contains("inactive") => 658,
        _ => 650,
    };
    Some(Decoded { decoder: "ar_log_json", fields, rule })
}

fn flatten(name: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(inner) => {
            for (member, value) in inner {
                flatten(&format!("{name}.{member}"), value, fields);
            }
        }
        Value::String(text) => drop(fields.insert(name.to_owned(), text.clone())),
        other => drop(fields.insert(name.to_owned(), other.to_string())),
    }
}

fn field<'f>(fields: &'f BTreeMap<String, String>, name: &str) -> &'f str {
    fields.get(name).map_or("", String::as_str)
}

/// What stands between `before` and the next quote; at least one character.
fn behind<'t>(text: &'t str, before: &str) -> Option<&'t str> {
    let (_, value) = text.split_once(before)?;
    value.split('"').next().filter(|value| !value.is_empty())
}

fn digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// OSSEC's `\w`.
fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || ['-', '@', '_'].contains(&c)
}

/// What is left of a line; each step takes something from its beginning.
struct Rest<'t>(&'t str);

impl Rest<'_> {
    fn text(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    fn any(&mut self, is: impl Fn(char) -> bool) {
        self.0 = self.0.trim_start_matches(is);
    }

    fn some(&mut self, is: impl Fn(char) -> bool) -> Option<()> {
        let before = self.0.len();
        self.any(is);
        (self.0.len() < before).then_some(())
    }

    fn exactly(&mut self, number: usize, is: impl Fn(char) -> bool) -> Option<()> {
        for _ in 0..number {
            self.0 = self.0.strip_prefix(&is)?;
        }
        Some(())
    }

    fn clock(&mut self) -> Option<()> {
        for end in [":", ":", ""] {
            self.exactly(2, digit)?;
            self.text(end)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_ossec() {
        let line = "Sat May  7 03:17:27 CEST 2026 /var/ossec/active-response/bin/firewall-drop.sh add - 192.0.2.7 1304756247.60385 31151";
        let decoded = decode(line).unwrap();
        assert_eq!((decoded.decoder, decoded.rule), ("ar_log", 601));
        assert_eq!((decoded.field("script"), decoded.field("type")), ("firewall-drop.sh", "add"));
        assert_eq!(
            (decoded.field("srcip"), decoded.field("id"), decoded.field("extra_data")),
            ("192.0.2.7", "1304756247.60385", "31151")
        );
        assert_eq!(
            decode(&line.replace(" add ", " delete ").replace("firewall-drop", "x")).unwrap().rule,
            607
        );
        assert_eq!(decode(&line.replace("/var/ossec/", "")), None, "4.x starts it by a relative path");
    }

    #[test]
    fn lines_of_wazuh() {
        let line = r#"2026/05/07 03:17:27 active-response/bin/firewall-drop: {"version":1,"command":"add","parameters":{"alert":{"data":{"srcip":"192.0.2.7","dstuser":"eve"}},"program":"active-response/bin/firewall-drop"}}"#;
        let decoded = decode(line).unwrap();
        assert_eq!((decoded.decoder, decoded.rule), ("ar_log_json", 651));
        assert_eq!((decoded.field("srcip"), decoded.field("user")), ("192.0.2.7", "eve"));
        assert_eq!(decoded.field("parameters.alert.data.srcip"), "192.0.2.7");
        assert_eq!(decode(&line.replace("add", "continue")).unwrap().rule, 650);
        assert_eq!(decode(&line.replace("firewall-drop", "own")).unwrap().rule, 657);
        assert_eq!(
            decode("2026/05/07 03:17:27 active-response/bin/pf: {\"status\":\"inactive\"}").unwrap().rule,
            658
        );
        assert_eq!(decode("2026/05/07 03:17:27 active-response/bin/x: Starting").unwrap().rule, 650);
        assert_eq!(decode("2026/05/07 03:17:27 active-response/bin/a b: {}"), None);
        assert_eq!(decode("2026/05/07 03:17:27 x: {}"), None);
    }
}
