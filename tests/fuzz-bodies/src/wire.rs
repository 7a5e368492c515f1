//! Wazuh's own wire: what reaches `execq`, `ar.conf`, and what a manager says
//! to its agents.

use riposte_policy::alert::{Alert, raw};
use riposte_policy::keys::Pointer;
use riposte_transport::wazuh::ar_conf::{Presence, Table, leaves};
use riposte_transport::wazuh::execq::{Message as Received, Request};
use riposte_transport::wazuh::message::{Crafted, LONGEST_JSON, LONGEST_TEXT, Message, Version, wire_name};
use serde::de::IgnoredAny;

/// A datagram, a table of names, and an alert to send.
pub fn wire(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    table(&text);
    if let Ok(received) = Received::parse(data) {
        taken(&received, data.len());
    }
    if let Ok(alert) = Alert::parse(data) {
        sent(alert.object());
    }
    if let Ok(version) = text.parse::<Version>() {
        assert_eq!(version.to_string().parse::<Version>().as_ref(), Ok(&version));
    }
}

fn table(text: &str) {
    let (mut names, lines) = Table::read(text, true, |program| match program.len() % 3 {
        0 => Presence::File,
        1 => Presence::StoodFor,
        _ => Presence::Absent,
    });
    // Each line of the file is worth two of the log at most.
    assert!(lines.len() <= 2 * text.lines().count());
    let held: usize =
        names.iter().map(|(name, named)| name.len() + named.program.as_ref().map_or(0, String::len)).sum();
    assert!(held <= text.len(), "{held} bytes of names out of {}", text.len());
    for (name, named) in names.iter() {
        assert!(!name.starts_with('!') && name.len() <= 256, "{name:?}");
        assert!(!named.program.as_deref().is_some_and(leaves), "{named:?}");
    }
    let command = text.lines().last().unwrap_or_default();
    let (found, lines) = Request::find(command, &mut names, || (None, Vec::new()));
    assert!(lines.len() <= 3);
    if let Request::Known { program, .. } | Request::Custom { program } = found {
        assert!(!leaves(&program), "{program:?} leaves the folder of programs");
    }
}

/// What was taken from a datagram is a JSON text, bounded by it.
fn taken(received: &Received, size: usize) {
    let mut values = serde_json::Deserializer::from_str(&received.text).into_iter::<IgnoredAny>();
    values.next().unwrap().unwrap_or_else(|error| panic!("{error}: {}", received.text));
    // A byte that is not UTF-8 becomes three, a control character six.
    assert!(received.text.len() <= 6 * size);
    assert!(received.alert.as_ref().is_none_or(|alert| received.text.contains(alert.as_str())));
}

/// What a manager sends fits, is one line, and arrives as it was meant.
fn sent(alert: &str) {
    if alert.contains(['\n', '\r']) {
        // The alert stands on one line in alerts.json.
        return;
    }
    let _ = Crafted::find(alert).map(|crafted| crafted.to_string());
    let arguments = ["-a".to_owned(), "b\"c".to_owned()];
    let command = wire_name("firewall-drop", Some(std::time::Duration::from_secs(600)));
    let message = Message { node: "n1", command: &command, extra_args: &arguments, alert };
    for version in ["4.14.7", "4.2.2"] {
        let Ok(payload) = message.payload(version.parse().unwrap()) else { continue };
        assert!(payload.len() <= LONGEST_JSON * 2 && !payload.contains('\n'));
        if version == "4.14.7" {
            assert!(payload.len() <= LONGEST_JSON);
            let received = Received::parse(payload.as_bytes()).ok();
            // What cJSON cannot hold an agent refuses: very deep nesting.
            let Some(received) = received else { continue };
            assert_eq!(
                (received.command.as_str(), received.origin.as_deref()),
                ("firewall-drop600", Some("n1"))
            );
            let rule = Pointer::to_member(&["rule", "id"]);
            assert_eq!(received.alert.as_deref().map(|alert| raw(alert, &rule)), Some(raw(alert, &rule)));
        }
    }
    if let Ok(old) = message.payload("3.13.6".parse().unwrap()) {
        assert!(
            old.len() <= LONGEST_TEXT && !old.contains('\n') && old.starts_with("firewall-drop600 "),
            "{old:?}"
        );
    }
}
