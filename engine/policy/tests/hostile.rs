//! Whatever stands in a file or on a line, reading it ends, and ends well.

use proptest::prelude::*;
use riposte_policy::alert::{self, Alert};
use riposte_policy::config::{Config, Response, Role, Source, Way};
use riposte_policy::keys::{self, Derived, Keys, Pointer};
use riposte_policy::matching::{Index, explain};
use riposte_policy::osregex::Pattern;

/// Text made of what configurations are made of, in any order.
fn xml() -> impl Strategy<Value = Vec<u8>> {
    let names = "ossec_config|agent_config|command|active-response|active‐response|global|name|executable|location|level\
        |rules_id|rules_group|timeout|repeated_offenders|keys|capabilities|firewall|limits|white_list|riposte|matching|link\
        |ca_store|agent_id|x";
    let names: Vec<String> = names.split('|').map(str::to_owned).collect();
    let name = prop::sample::select(names);
    let part = prop_oneof![
        4 => name.clone().prop_map(|name| format!("<{name}>").into_bytes()),
        4 => name.clone().prop_map(|name| format!("</{name}>").into_bytes()),
        1 => name.clone().prop_map(|name| format!("<{name}").into_bytes()),
        1 => name.prop_map(|name| format!("<{name} {name}='1' sha256=\"a\" widest4=3 />").into_bytes()),
        2 => "[a-z0-9,|/.~!& -]{0,12}".prop_map(String::into_bytes),
        1 => prop::sample::select(vec!["local,all", "defined-agent", "7", "!10.0.0.1", "0.0.0.0/0", "wazuh-4.x", "a\\w+,|b"])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::sample::select(vec!["<!--", "-->", "<![CDATA[", "]]>", "<?", "?>", "&amp;", "&#0;", "&#x41;", "<", ">", "\r\n", "'", "\"", "é"])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

/// Lines made of what alerts are made of.
fn json() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"rule\"",
        "\"id\"",
        "\"level\"",
        "\"groups\"",
        "\"agent\"",
        "\"pci_dss\"",
        "\"data\"",
        "\"srcip\"",
        "\"parameters\"",
        "\"alert\"",
        "\"timestamp\"",
        "\"a\\nb\"",
        "\"\\ud800\"",
        "\"5710\"",
        "12",
        "-1",
        "1e9",
        "null",
        "true",
        " ",
        "\n",
        "\"",
        "\\",
        "{\"rule\":{\"id\":\"1\",\"level\":3}",
        "\"data\":{\"srcip\":\"192.0.2.7\"}",
    ];
    let part = prop_oneof![
        9 => prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

fn check_config(files: &[Vec<u8>]) {
    let sources: Vec<Source<'_>> = files.iter().map(|bytes| Source { file: "f", bytes }).collect();
    for role in [Role::Standalone, Role::Execd, Role::Manager] {
        check_role(&sources, role);
    }
}

fn check_role(sources: &[Source<'_>], role: Role) {
    let config = Config::read_as(sources, role);
    for found in &config.diagnostics {
        assert!(found.place.line >= 1 && found.place.column >= 1 && !found.message.is_empty(), "{found:?}");
        assert!(!found.to_string().contains('\u{1b}'));
    }
    for response in &config.responses {
        assert!(config.command(&response.command).is_some());
        let fires = response.level.is_some() || !response.groups.is_empty() || !response.rules.is_empty();
        assert!(fires || role == Role::Manager);
        assert!(response.location.words().next().is_some());
    }
    let _ = Index::new(&config.responses);
}

fn check_alert(line: &[u8], config: &Config) {
    let index = Index::new(&config.responses);
    match Alert::parse(line) {
        Ok(alert) => {
            let object = alert.object();
            // What is passed on is JSON, for every reader that follows.
            assert!(serde_json::from_str::<serde::de::IgnoredAny>(object).is_ok());
            let _ = (alert.timestamp_ms(), alert.groups(), index.fires(&alert));
            for response in &config.responses {
                let _ = explain(response, &alert).to_string();
            }
            for command in &config.commands {
                if let Derived::Keys(keys) = keys::derive(command, object) {
                    assert!(Keys::new(keys.as_slice()).is_ok());
                }
            }
        }
        Err(error) => assert!(!error.to_string().contains(|c: char| c.is_control()), "{error}"),
    }
    let _ = alert::object(line);
}

fn some_config() -> Config {
    let config = Config::read(&[Source::new(
        "f",
        "<command><name>a</name><executable>a</executable></command>
         <command><name>b</name><executable>b</executable><expect>srcip,user</expect></command>
         <command><name>c</name><executable>c</executable><keys>/data/srcip /rule/groups/0</keys></command>
         <active-response><command>a</command><location>local</location><level>2</level></active-response>
         <active-response><command>b</command><location>local</location><rules_group>a,|pci_dss_1,</rules_group></active-response>",
    )]);
    assert!(!config.has_errors());
    let mut config = config;
    // Each once more, as Wazuh 4.x has it.
    let wazuh = config.responses.iter().map(|response| {
        let pattern = response.groups.first().and_then(|_| Pattern::new(r"^\w+,|\.*a").ok());
        std::sync::Arc::new(Response { matching: Way::Wazuh, pattern, ..Response::clone(response) })
    });
    let wazuh: Vec<_> = wazuh.collect();
    config.responses.extend(wazuh);
    config
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn configurations_never_panic(files in prop::collection::vec(prop_oneof![xml(), prop::collection::vec(any::<u8>(), 0..200)], 0..3)) {
        check_config(&files);
    }

    #[test]
    fn alerts_never_panic(line in prop_oneof![json(), prop::collection::vec(any::<u8>(), 0..200)]) {
        check_alert(&line, &some_config());
    }

    #[test]
    fn pointers_never_panic_and_find_what_serde_finds(
        pointer in "(/[a-c~01/.]{0,3}){0,4}|.{0,20}",
        value in "[0-9]{1,3}|\"[a-z\\\\u]{0,4}\"|\\{\"a\":\\{\"b\":\\[1,\"c\",\\{\"a/b\":\"x\"\\}\\]\\},\"\":2,\"b\":true\\}",
    ) {
        let Ok(pointer) = pointer.parse::<Pointer>() else { return Ok(()) };
        let found = alert::text(&value, &pointer).map(std::borrow::Cow::into_owned);
        let _ = (alert::number(&value, &pointer), alert::string(&value, &pointer));
        let Ok(tree) = serde_json::from_str::<serde_json::Value>(&value) else { return Ok(()) };
        let expected = tree.pointer(pointer.as_str()).and_then(|value| match value {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Number(_) | serde_json::Value::Bool(_) => Some(value.to_string()),
            _ => None,
        });
        prop_assert_eq!(found, expected);
    }
}
