//! A line of `alerts.json`.

use std::sync::LazyLock;

use riposte_policy::alert::{self, Alert};
use riposte_policy::config::{Config, Role, Source};
use riposte_policy::keys::{self, Derived, Keys};
use riposte_policy::matching::{Index, Why, explain};
use serde::de::IgnoredAny;

use crate::native::{Message, Positional, Verb};

/// Commands and responses of every shape.
const XML: &str = "
    <command><name>a</name><executable>a</executable></command>
    <command><name>b</name><executable>b.sh</executable><expect>srcip,user,filename</expect></command>
    <command><name>c</name><executable>c</executable><keys>/data/srcip /rule/groups/0 /agent</keys></command>
    <active-response><command>a</command><location>local</location><level>3</level></active-response>
    <active-response><command>b</command><location>local</location><rules_group>sshd,|pci_dss_11.4,|web</rules_group></active-response>
    <active-response><command>c</command><location>all</location><rules_id>5712,1</rules_id><level>9</level><rules_group>^syslog</rules_group></active-response>";

static CONFIGS: LazyLock<Vec<(Config, Index)>> = LazyLock::new(|| {
    let roles = [Role::Standalone, Role::Execd, Role::Manager];
    let read = |role| Config::read_as(&[Source::new("f", XML)], role);
    roles
        .map(read)
        .map(|config| (Index::new(&config.responses), config))
        .map(|(index, config)| (config, index))
        .into()
});

/// One line. When it has a NUL, what stands before that is one more
/// `<rules_group>`.
pub fn alert(data: &[u8]) {
    let line = match memchr::memchr(0, data) {
        Some(at) => {
            let (pattern, line) = data.split_at(at);
            patterned(pattern, &line[1..]);
            &line[1..]
        }
        None => data,
    };
    match Alert::parse(line) {
        Ok(alert) => {
            one_json_text(&alert, line);
            for (config, index) in CONFIGS.iter() {
                matched(config, index, &alert);
            }
        }
        Err(error) => {
            let said = error.to_string();
            assert!(!said.contains(char::is_control) && said.len() <= 2_048, "{said:?}");
        }
    }
    // A response by hand needs no rule: whatever is an alert is an object.
    if let (Err(error), Ok(_)) = (alert::object(line), Alert::parse(line)) {
        panic!("an alert but no object: {error}");
    }
}

/// What parses is one line's valid JSON object, and a part of that line.
fn one_json_text(alert: &Alert<'_>, line: &[u8]) {
    let object = alert.object();
    serde_json::from_str::<IgnoredAny>(object).unwrap();
    assert!(object.starts_with('{') && object.ends_with('}'), "{object}");
    assert!(line.as_ptr_range().contains(&object.as_ptr()) && object.len() <= line.len());
    // Parsed again, bare, it is the same alert.
    let again = Alert::parse(object.as_bytes()).unwrap();
    assert_eq!((again.id(), again.rule_id(), again.level()), (alert.id(), alert.rule_id(), alert.level()));
    let groups: usize = alert.groups().iter().map(String::len).sum();
    // Each control of a compliance array is prefixed with the array's name.
    assert!(groups <= 16 * line.len(), "{groups} bytes of groups out of {}", line.len());
    let _ = (alert.timestamp_ms(), alert.rule_number(), alert.agent_id(), alert.agent_name());
}

fn matched(config: &Config, index: &Index, alert: &Alert<'_>) {
    let fired = index.fires(alert);
    for (n, response) in config.responses.iter().enumerate() {
        let why = explain(response, alert);
        assert_eq!(matches!(why, Why::Fires(_)), fired.contains(&n), "{response:?}: {why}");
    }
    for command in &config.commands {
        if let Derived::Keys(keys) = keys::derive(command, alert.object()) {
            assert_eq!(Keys::new(keys.as_slice()).as_ref(), Ok(&keys));
        }
        let positional = Positional::of(command, &command.extra_args, alert.object());
        let message =
            Message::of_parts("001", &command.extra_args, alert.object(), "b.sh").with_positional(positional);
        let line = message.line(Verb::Add);
        assert_eq!(memchr::memchr(b'\n', line.as_bytes()), Some(line.len() - 1));
        serde_json::from_str::<IgnoredAny>(&line).unwrap();
        let arguments = message.arguments(Verb::Delete);
        assert!(arguments.len() >= 7 && arguments.iter().all(|one| !one.is_empty()), "{arguments:?}");
        assert!(!arguments.iter().any(|one| one.contains(char::is_control)), "{arguments:?}");
    }
}

/// A group of any text, which under Wazuh's matching is a pattern.
fn patterned(pattern: &[u8], line: &[u8]) {
    let pattern = String::from_utf8_lossy(pattern).replace(['<', '&'], "");
    let Ok(alert) = Alert::parse(line) else { return };
    let xml = format!(
        "<command><name>a</name><executable>a</executable></command>
         <active-response><command>a</command><location>local</location><rules_group>{pattern}</rules_group></active-response>"
    );
    for role in [Role::Standalone, Role::Manager] {
        let config = Config::read_as(&[Source::new("f", &xml)], role);
        matched(&config, &Index::new(&config.responses), &alert);
    }
}
