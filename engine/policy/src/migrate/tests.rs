use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Document, Five, from_five, to_five};
use crate::config::{Config, Source};
use crate::diagnostic::Severity;

fn read(xml: &str) -> Config {
    Config::read(&[Source::new("ossec.conf", xml)])
}

fn documents(five: &Five) -> Vec<Value> {
    five.documents.iter().map(|document| serde_json::to_value(document).unwrap()).collect()
}

fn whats(findings: &[super::Finding]) -> Vec<String> {
    findings.iter().map(|found| format!("{} {} {}", found.severity, found.place, found.what)).collect()
}

const PLAIN: &str = "<command><name>drop</name><executable>firewall-drop</executable><timeout_allowed>yes</timeout_allowed></command>
<active-response><command>drop</command><location>local</location><rules_id>5712,5763</rules_id><timeout>600</timeout></active-response>";

#[test]
fn a_response_becomes_a_channel_and_a_monitor() {
    let five = to_five(&read(PLAIN));
    let documents = documents(&five);
    assert_eq!(
        documents[0],
        json!({"config_id": "ar1-drop-local", "config": {
            "name": "drop",
            "description": "From ossec.conf:2:1",
            "config_type": "active_response",
            "is_enabled": true,
            "active_response": {
                "executable": "block-ip", "extra_args": "", "location": "local",
                "type": "stateful", "stateful_timeout": 600,
            },
        }})
    );
    let monitor = &documents[1];
    assert_eq!(monitor["monitor_type"], "active_response_monitor");
    assert_eq!(monitor["enabled"], false);
    assert_eq!(
        monitor["inputs"][0]["doc_level_input"]["queries"][0]["query"],
        r#"wazuh.rule.id:("5712" OR "5763")"#
    );
    let trigger = &monitor["triggers"][0]["document_level_trigger"];
    assert_eq!(trigger["condition"]["script"]["source"], "query[name=q1]");
    assert_eq!(trigger["actions"][0]["destination_id"], "ar1-drop-local");
    assert_eq!(trigger["actions"][0]["message_template"]["source"], "{{ctx.alerts.0.related_doc_ids}}");
    assert_eq!(
        whats(&five.findings),
        [
            r#"note ossec.conf:2:1 "firewall-drop" is named block-ip in 5.x"#,
            "warning ossec.conf:2:1 what fires it: <rules_id>5712,5763</rules_id>",
        ]
    );
    assert!(
        five.documents
            .iter()
            .map(Document::file_stem)
            .eq(["channel-ar1-drop-local", "monitor-ar1-drop-local"])
    );
}

#[test]
fn what_has_no_counterpart_is_listed_with_its_place() {
    let five = to_five(&read(
        "<command><name>a</name><executable>own.py</executable><expect>srcip</expect><timeout_allowed>yes</timeout_allowed><extra_args>-x y</extra_args></command>
<command><name>unused</name><executable>x</executable></command>
<command><name>again</name><executable>restart-wazuh</executable></command>
<active-response><command>a</command><location>server</location><rules_id>1</rules_id></active-response>
<active-response><command>a</command><location>defined-agent</location><agent_id>7</agent_id><level>12</level><rules_group>sshd,web</rules_group><timeout>1h</timeout><repeated_offenders>30,60</repeated_offenders><mode>shadow</mode></active-response>
<active-response><command>again</command><location>local</location><rules_id>1</rules_id></active-response>
<active-response><disabled>yes</disabled><command>a</command><location>all</location><rules_id>1</rules_id></active-response>
<active-response><command>nobody</command><location>all</location><rules_id>1</rules_id></active-response>
<global><white_list>192.0.2.0/24</white_list></global>",
    ));
    let channel = &documents(&five)[0];
    assert_eq!(five.documents.len(), 2);
    assert_eq!(channel["config"]["name"], "a#2");
    assert_eq!(channel["config"]["is_enabled"], false);
    assert_eq!(
        channel["config"]["active_response"],
        json!({"executable": "own.py", "extra_args": "-x y", "location": "defined-agent", "agent_id": "007", "type": "stateful", "stateful_timeout": 3600})
    );
    let queries = &documents(&five)[1]["inputs"][0]["doc_level_input"]["queries"];
    assert_eq!(queries[0]["query"], r#"wazuh.rule.tags:("sshd" OR "web")"#);
    assert_eq!(queries[1]["query"], r#"wazuh.rule.level:("high" OR "critical")"#);
    let whats = whats(&five.findings);
    for expected in [
        r#"error ossec.conf:4:1 the location "server"; the response is not migrated"#,
        r#"warning ossec.conf:5:1 "own.py" is a program of your own"#,
        "warning ossec.conf:5:1 repeated offenders of one response",
        "warning ossec.conf:5:1 5.x has no shadow mode",
        "warning ossec.conf:5:1 what fires it: <rules_group>sshd,|web,</rules_group> <level>12</level>",
        r#"error ossec.conf:6:1 5.x has no "restart-wazuh"; the response is not migrated"#,
        r#"warning ossec.conf:1:1 <expect> of the command "a""#,
        r#"note ossec.conf:2:1 no response uses the command "unused""#,
        "warning  <white_list>: 192.0.2.0/24",
    ] {
        assert!(whats.iter().any(|what| what == expected), "{expected}\n{whats:#?}");
    }
    assert!(
        whats
            .iter()
            .any(|what| what.starts_with("error ossec.conf:8:") && what.contains("command-undefined"))
    );
    assert!(whats.iter().any(|what| what.starts_with("note ossec.conf:7:") && what.contains("switched off")));
}

#[test]
fn what_restricts_each_other_to_4x_does_so_in_the_draft() {
    let five = to_five(&read(
        "<riposte><matching>wazuh-4.x</matching></riposte>
<command><name>a</name><executable>own</executable></command>
<active-response><command>a</command><location>local</location><level>12</level><rules_group>^sshd,|web</rules_group><rules_id>5</rules_id></active-response>",
    ));
    let queries = &documents(&five)[1]["inputs"][0]["doc_level_input"]["queries"];
    assert_eq!(queries[0]["query"], r#"wazuh.rule.id:("5")"#);
    assert_eq!(
        queries[1]["query"],
        r#"wazuh.rule.tags:("sshd" OR "web") AND wazuh.rule.level:("high" OR "critical")"#
    );
    let whats = whats(&five.findings);
    assert!(whats.iter().any(|what| what.contains("<rules_group>^sshd,|web</rules_group>")), "{whats:#?}");
    assert!(whats.contains(&"warning  <riposte>".to_owned()), "{whats:#?}");
}

const SEARCH: &[u8] = br#"{"config_list":[
  {"config_id":"c1","last_updated_time_ms":1,"config":{"name":"block ssh","description":null,"config_type":"active_response","is_enabled":true,
   "active_response":{"executable":"block-ip","extra_args":"","location":"local","type":"stateful","stateful_timeout":180}}},
  {"config_id":"c2","config":{"name":"Slack","config_type":"slack","is_enabled":true,"slack":{"url":"https://hooks.example"}}},
  {"config_id":"c3","config":{"name":"tell","config_type":"active_response","is_enabled":false,
   "active_response":{"executable":"tell.py","extra_args":"-a  b&c","location":"defined-agent","agent_id":"012","type":"stateless"}}},
  {"config_id":"c4","config":{"name":"bad","config_type":"active_response","active_response":{"executable":"../x","extra_args":"","location":"local","type":"stateless"}}},
  {"config_id":"c5","config":{"name":"worse","config_type":"active_response","active_response":{"executable":"x","location":"local","type":"stateful"}}}]}
 {"hits":{"hits":[{"_id":"m1","_source":{"type":"monitor","monitor_type":"active_response_monitor","name":"ssh -- brute","inputs":[{"doc_level_input":{"description":"d","queries":[{"query":"wazuh.rule.id:\"x\""}]}}],
   "triggers":[{"document_level_trigger":{"actions":[{"destination_id":"c1"},{"destination_id":"gone"}]}}]}}]}} junk"#;

#[test]
fn what_the_indexer_answers_becomes_xml() {
    let four = from_five(&[("found.json", SEARCH)]);
    assert_eq!(
        four.xml,
        "<ossec_config>
  <command>
    <name>block ssh</name>
    <executable>firewall-drop</executable>
    <timeout_allowed>yes</timeout_allowed>
  </command>
  <command>
    <name>tell</name>
    <executable>tell.py</executable>
    <extra_args>-a b&amp;c</extra_args>
    <timeout_allowed>no</timeout_allowed>
  </command>
  <active-response>
    <disabled>no</disabled>
    <command>block ssh</command>
    <location>local</location>
    <timeout>180</timeout>
    <!-- fired by the monitor ssh - - brute: d wazuh.rule.id:\"x\" -->
    <!-- TODO <rules_id>, <rules_group> or <level>: what fires it -->
  </active-response>
    <!-- TODO <rules_id>, <rules_group> or <level>: what fires it -->
  <!-- muted in Wazuh 5
  <active-response>
    <disabled>no</disabled>
    <command>tell</command>
    <location>defined-agent</location>
    <agent_id>012</agent_id>
  </active-response>
  -->
</ossec_config>
"
    );
    let whats = whats(&four.findings);
    for expected in [
        r#"note found.json: "Slack" a document of the type "slack""#,
        r#"error found.json: "bad" the executable "../x", which is no file name"#,
        r#"error found.json: "worse" stateful without a timeout of 1 second or more"#,
        r#"warning found.json: "block ssh" what fires it stands in monitors"#,
        r#"warning found.json: "tell" it is muted"#,
        r#"note  the monitor "ssh -- brute" calls the channel "gone""#,
    ] {
        assert!(whats.iter().any(|what| what == expected), "{expected}\n{whats:#?}");
    }
    assert!(whats.iter().any(|what| what.starts_with("error found.json document 3 is not JSON")));
    let config = read(&four.xml);
    assert_eq!(config.commands.len(), 2);
    assert!(!config.has_errors(), "{:?}", config.diagnostics);
}

/// Command, executable, arguments, location, timeout: what both versions have.
type Kept = (String, String, Vec<String>, String, Option<u64>);

fn kept(config: &Config) -> Vec<Kept> {
    let mut all: Vec<Kept> = config
        .responses
        .iter()
        .map(|response| {
            let command = config.command(&response.command).unwrap();
            (
                command.name.to_string(),
                command.executable.clone(),
                command.extra_args.clone(),
                format!("{:?}", response.location),
                response.timeout.map(|timeout| timeout.as_secs()),
            )
        })
        .collect();
    all.sort();
    all
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9_.-]{0,8}",
        "[a-z]{1,3}#[0-9]{1,2}",
        "[a-zé&<>\"' #-]{1,10}[a-z]",
        "firewall-drop"
    ]
    .prop_map(|name| name.trim().to_owned())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

prop_compose! {
    fn xml()(
        commands in prop::collection::btree_map(name(), (prop::sample::select(vec!["firewall-drop", "disable-account", "own.py", "own"]), "[a-z&]{0,3}( -[a-z])?"), 1..5),
        responses in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, prop::option::of(1..100_000_u32)), 0..8),
    ) -> String {
        let names: Vec<&String> = commands.keys().collect();
        let mut xml = String::new();
        for (name, (executable, arguments)) in &commands {
            xml += &format!(
                "<command><name>{}</name><executable>{executable}</executable><timeout_allowed>yes</timeout_allowed><extra_args>{}</extra_args></command>\n",
                escaped(name), escaped(arguments)
            );
        }
        for (command, location, timeout) in &responses {
            let location = match location {
                0 => "<location>local</location>".to_owned(),
                1 => "<location>all</location>".to_owned(),
                n => format!("<location>defined-agent</location><agent_id>{n}</agent_id>"),
            };
            let timeout = timeout.map_or_else(String::new, |timeout| format!("<timeout>{timeout}</timeout>"));
            xml += &format!(
                "<active-response><command>{}</command>{location}<rules_id>1</rules_id>{timeout}</active-response>\n",
                escaped(command.get(&names).as_str())
            );
        }
        xml
    }
}

proptest! {
    #[test]
    fn what_has_a_counterpart_survives_the_way_there_and_back(xml in xml()) {
        let before = read(&xml);
        prop_assert!(!before.has_errors(), "{xml}\n{:?}", before.diagnostics);
        let five = to_five(&before);
        prop_assert!(five.findings.iter().all(|found| found.severity < Severity::Error), "{:?}", five.findings);
        let json = serde_json::to_vec(&five.documents).unwrap();
        let four = from_five(&[("f", &json)]);
        prop_assert!(four.findings.iter().all(|found| found.severity < Severity::Error), "{:?}", four.findings);
        // What fires it is the reader's to write.
        let after = read(&four.xml.replace("<!-- TODO", "<rules_id>1</rules_id> <!--"));
        prop_assert!(!after.has_errors(), "{}\n{:?}", four.xml, after.diagnostics);
        prop_assert_eq!(kept(&before), kept(&after), "{}", four.xml);
        // And once more: the same documents, but for where they come from.
        let again = to_five(&after);
        prop_assert_eq!(five.documents.len(), again.documents.len());
    }

    #[test]
    fn no_documents_panic(text in r#"[\[\]{}:,"a-z0-9_ ]{0,60}"#) {
        let _ = from_five(&[("f", text.as_bytes())]);
    }
}

#[test]
fn a_muted_name_with_two_hyphens_stays_in_its_comment() {
    let channel = |name: &str| {
        format!(
            r#"{{"config":{{"name":"{name}","config_type":"active_response","is_enabled":false,"active_response":{{"executable":"x","location":"local","type":"stateless"}}}}}}"#
        )
    };
    let four = from_five(&[("f", channel("a---b--").as_bytes())]);
    let (before, muted) = four.xml.split_once("  <!-- muted in Wazuh 5\n").unwrap();
    let (block, _) = muted.split_once("  -->").unwrap();
    assert!(!block.contains("--"), "{block}");
    let block = block.replace("</active-response>", "<level>7</level></active-response>");
    let config = Config::read(&[Source::new("f", &format!("{before}{block}</ossec_config>"))]);
    assert_eq!(
        config.responses.first().map(|response| &*response.command),
        Some("a---b--"),
        "{:?}",
        config.diagnostics
    );
    let four = from_five(&[("f", channel("a\\ufffe").as_bytes())]);
    assert!(four.findings.iter().any(|found| found.what.contains("no command can have")));
}
