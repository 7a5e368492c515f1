//! Sends an alert by mail: level and description as the subject, its facts as
//! the text. Server, sender and recipients are the grant's.

use riposte_sdk::{Alert, Error, Oneshot, export, log, mail};

/// Longest subject, in bytes: half of what the engine takes.
const SUBJECT: usize = 256;
/// Longest value of one fact, in bytes.
const FACT: usize = 16 << 10;

/// What a reader wants to know first, and where Wazuh 4, OSSEC and Wazuh 5
/// have it.
const FACTS: [(&str, &[&str]); 11] = [
    ("Rule", &["/rule/id"]),
    ("Level", &["/rule/level"]),
    ("Description", &["/rule/description"]),
    ("Time", &["/timestamp", "/@timestamp"]),
    ("Agent", &["/agent/name"]),
    ("Agent ID", &["/agent/id"]),
    ("Location", &["/location"]),
    ("Source", &["/data/srcip", "/srcip", "/source/ip"]),
    ("User", &["/data/dstuser", "/dstuser", "/user/name"]),
    ("File", &["/syscheck/path"]),
    ("Alert", &["/id"]),
];

struct Mail;

impl Oneshot for Mail {
    fn run(alert: &Alert) -> Result<(), Error> {
        mail::send(&subject(alert), &text(alert))?;
        log::info("sent");
        Ok(())
    }
}

fn subject(alert: &Alert) -> String {
    let level = alert.number("/rule/level").map(|level| format!("level {level}"));
    let agent = alert.text("/agent/name");
    let description = alert.text("/rule/description").unwrap_or_else(|| "an alert".to_owned());
    let head: Vec<_> = level.into_iter().chain(agent).collect();
    let subject = if head.is_empty() { description } else { format!("[{}] {description}", head.join(", ")) };
    cut(&subject, SUBJECT).to_owned()
}

fn text(alert: &Alert) -> String {
    let mut text = String::new();
    for (name, pointers) in FACTS {
        if let Some(value) = pointers.iter().find_map(|pointer| alert.text(pointer)) {
            text.push_str(&format!("{name}: {}\n", indented(&value)));
        }
    }
    if let Some(log) = alert.text("/full_log") {
        text.push_str(&format!("\nLog:\n    {}\n", indented(&log)));
    }
    text
}

/// A value that has lines of its own cannot pass for another fact.
fn indented(value: &str) -> String {
    let lines = cut(value, FACT).replace("\r\n", "\n").replace(['\n', '\r'], "\n    ");
    // Again: what many lines add must not make the mail too long to be sent.
    cut(&lines, FACT).to_owned()
}

/// The beginning of `text`, as much as fits and whole characters.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

export!(Mail: Oneshot);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    fn sent(json: &str) -> String {
        host::reset();
        Mail::run(&json.parse().unwrap()).unwrap();
        host::calls().remove(0)
    }

    #[test]
    fn tells_the_facts() {
        let sent = sent(
            r#"{"id":"17.2","timestamp":"2026-11-20T10:00:00","rule":{"level":10,"description":"brute force","id":"5712"},
                "agent":{"id":"001","name":"web"},"data":{"srcip":"192.0.2.7"},"full_log":"Failed\npassword"}"#,
        );
        assert_eq!(
            sent,
            "mail.send [level 10, web] brute force Rule: 5712\nLevel: 10\nDescription: brute force\n\
             Time: 2026-11-20T10:00:00\nAgent: web\nAgent ID: 001\nSource: 192.0.2.7\nAlert: 17.2\n\nLog:\n    Failed\n    password\n"
        );
    }

    #[test]
    fn what_is_long_is_cut_and_lines_stay_values() {
        let long = "ä".repeat(100_000);
        let alert: Alert =
            format!(r#"{{"rule":{{"description":"{long}"}},"full_log":"{long}"}}"#).parse().unwrap();
        assert!(subject(&alert).len() <= SUBJECT && text(&alert).len() < 64 << 10);
        assert!(
            sent(r#"{"rule":{"description":"x\nSource: 1.2.3.4"}}"#)
                .contains("Description: x\n    Source: 1.2.3.4\n")
        );
    }

    #[test]
    fn an_alert_without_anything_is_one_all_the_same() {
        assert_eq!(sent("{}"), "mail.send an alert ");
    }

    #[test]
    fn what_was_not_sent_is_a_failure() {
        host::reset();
        host::refuse("mail.send", Error::unavailable("no server"));
        assert!(Mail::run(&"{}".parse().unwrap()).unwrap_err().retry);
    }
}
