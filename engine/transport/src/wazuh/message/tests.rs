//! Byte for byte, and what does not fit.

use super::*;

const ALERT: &str = r#"{"timestamp":"2026-11-20T09:00:00.000+0000","rule":{"level":10,"description":"it's $5!","id":"5712"},"agent":{"id":"003","name":"web","ip":"192.0.2.31"},"id":"1795165200.4711","full_log":"Nov 20 x","decoder":{"name":"sshd"},"data":{"srcip":"::ffff:203.0.113.9","dstuser":"eve"},"location":"/var/log/auth.log"}"#;

fn message<'a>(alert: &'a str, extra_args: &'a [String]) -> Message<'a> {
    Message { node: "", command: "firewall-drop600", extra_args, alert }
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

#[test]
fn json_has_wazuhs_order_and_the_alerts_own_text() {
    let arguments = ["a".to_owned(), "\"b/\u{e9}".to_owned()];
    let sent = Message { node: "node01", ..message(ALERT, &arguments) }.payload(version("v4.14.7")).unwrap();
    assert_eq!(
        sent,
        format!(
            r#"{{"version":1,"origin":{{"name":"node01","module":"wazuh-analysisd"}},"command":"firewall-drop600","parameters":{{"extra_args":["a","\"b/é"],"alert":{ALERT}}}}}"#
        )
    );
    let plain = message(ALERT, &[]).payload(version("4.2")).unwrap();
    assert!(plain.contains(r#""origin":{"name":"","module":"wazuh-analysisd"}"#), "{plain}");
    assert!(plain.contains(r#""extra_args":[],"alert":"#), "{plain}");
}

#[test]
fn what_wazuh_sends_for_the_alerts_of_the_corpus() {
    let Some(corpus) = std::env::var_os("RIPOSTE_CORPUS") else {
        println!("skipped: set RIPOSTE_CORPUS");
        return;
    };
    let read = |name: &str| {
        #[expect(clippy::disallowed_methods, reason = "the corpus is the test's own input")]
        let text = std::fs::read_to_string(std::path::Path::new(&corpus).join("wazuh").join(name));
        text.unwrap()
    };
    let alerts = read("alerts.jsonl");
    let mut equal = 0;
    for sent in read("execq.jsonl").lines() {
        let Ok(wanted) = serde_json::from_str::<serde_json::Value>(sent) else { continue };
        // What a manager itself sends for an alert; others come from its API and its tests.
        let of = |alert: &&str| sent.contains(&format!(r#""alert":{alert}}}"#));
        let Some(alert) = alerts.lines().find(of) else { continue };
        let origin = &wanted["origin"];
        if origin["module"] != "wazuh-analysisd" || wanted["version"] != 1 {
            continue;
        }
        let arguments = wanted["parameters"]["extra_args"].as_array().unwrap();
        let arguments: Vec<String> =
            arguments.iter().map(|argument| argument.as_str().unwrap().to_owned()).collect();
        let message = Message {
            node: origin["name"].as_str().unwrap(),
            command: wanted["command"].as_str().unwrap(),
            extra_args: &arguments,
            alert,
        };
        assert_eq!(message.payload(version("4.14.7")).unwrap(), sent);
        equal += 1;
    }
    assert!(equal >= 2, "{equal}");
    for alert in alerts.lines() {
        let sent = message(alert, &[]).payload(version("4.14.7")).unwrap();
        let sent: serde_json::Value = serde_json::from_str(&sent).unwrap();
        assert_eq!(sent["parameters"]["alert"], serde_json::from_str::<serde_json::Value>(alert).unwrap());
    }
}

#[test]
fn the_first_agents_of_4_2_are_protected_from_their_shell() {
    let proof = message(ALERT, &[]).payload(version("Wazuh v4.2.4")).unwrap();
    assert!(proof.contains(r"it\\x27s \\x245\\x21"), "{proof}");
    let alert: serde_json::Value = serde_json::from_str(&proof).unwrap();
    assert_eq!(alert["parameters"]["alert"]["rule"]["description"], r"it\x27s \x245\x21");
    assert!(message(ALERT, &[]).payload(version("Wazuh v4.2.5")).unwrap().contains("it's $5!"));
}

#[test]
fn old_agents_get_fields_between_blanks() {
    let arguments = ["-a".to_owned(), "$(b)".to_owned()];
    assert_eq!(
        message(ALERT, &arguments).payload(version("Wazuh v4.1.5")).unwrap(),
        r"firewall-drop600 eve 203.0.113.9 1795165200.4711 5712 (web) 192.0.2.31->/var/log/auth.log - -a \$\(b\)"
    );
    let file = r#"{"rule":{"id":554},"agent":{"id":"000","name":"m"},"decoder":{"name":"syscheck_new_entry"},"syscheck":{"path":"/tmp/a;b'c'"},"location":"syscheck"}"#;
    assert_eq!(
        message(file, &[]).payload(version("3.13.6")).unwrap(),
        r"firewall-drop600 - - 0.0 554 syscheck /tmp/a\;b\'c\' -"
    );
    let any = r#"{"rule":{"id":"1"},"agent":{"id":"7","name":"x"},"id":"5.6","location":"l"}"#;
    assert_eq!(
        message(any, &[]).payload(version("4.0.0")).unwrap(),
        "firewall-drop600 - - 5.6 1 (x) any->l - -"
    );
}

#[test]
fn a_cut_path_would_be_another_file() {
    let path = "/x".repeat(600);
    let alert =
        format!(r#"{{"rule":{{}},"decoder":{{"name":"syscheck_deleted"}},"syscheck":{{"path":"{path}"}}}}"#);
    let error = message(&alert, &[]).payload(version("4.1.0")).unwrap_err();
    let Unfit::TooLong { size, longest } = error else { panic!("{error}") };
    assert!(size > 1_200 && longest == LONGEST_TEXT);
}

#[test]
fn no_field_reaches_into_the_next_one() {
    let file = r#"{"decoder":{"name":"syscheck_deleted"},"syscheck":{"path":"/tmp/a /etc/b"}}"#;
    for path in [r"/tmp/a /etc/b", r"/tmp/a\n/etc/b"] {
        let error = message(&file.replace("/tmp/a /etc/b", path), &[]).payload(version("4.1.0")).unwrap_err();
        assert!(error.to_string().contains("another file"), "{error}");
    }
    assert!(message(file, &[]).payload(version("4.2.0")).is_ok(), "JSON has no such limit");
    let crafted = r#"{"rule":{"id":"1 2"},"agent":{"id":"7","name":"x y","ip":"a b"},"id":"5.6 7","location":"df -P /etc/passwd","data":{"srcip":"1 2","dstuser":"e\nf"}}"#;
    assert_eq!(
        message(crafted, &[]).payload(version("4.0.0")).unwrap(),
        "firewall-drop600 e_f 1_2 5.6_7 1_2 (x_y) a_b->df_-P_/etc/passwd - -"
    );
}

#[test]
fn what_is_expendable_goes_first_and_no_more_than_needed() {
    let long = "y".repeat(40_000);
    let alert = format!(
        r#"{{"rule":{{"id":"1","mitre":{{"id":["T1"]}}}},"previous_output":"{long}","full_log":"{long}","data":{{"srcip":"192.0.2.7"}}}}"#
    );
    let sent = message(&alert, &[]).payload(version("4.9.0")).unwrap();
    assert!(sent.len() <= LONGEST_JSON);
    let alert: serde_json::Value = serde_json::from_str(&sent).unwrap();
    let alert = &alert["parameters"]["alert"];
    assert!(alert.get("previous_output").is_none());
    assert_eq!(alert["full_log"], long, "that one was enough");
    assert_eq!(alert["rule"]["mitre"]["id"][0], "T1");

    let alert =
        format!(r#"{{"rule":{{}},"syscheck":{{"path":"/a","diff":"{long}{long}"}},"data":{{"a":1}}}}"#);
    let sent = message(&alert, &[]).payload(version("4.9.0")).unwrap();
    assert!(sent.ends_with(r#""alert":{"rule":{},"syscheck":{"path":"/a"},"data":{"a":1}}}}"#), "{sent}");

    let alert = format!(r#"{{"rule":{{}},"data":{{"mine":"{long}{long}"}}}}"#);
    let error = message(&alert, &[]).payload(version("4.9.0")).unwrap_err();
    assert!(error.to_string().contains("takes 65000"), "{error}");
}

#[test]
fn the_header_names_flag_and_agent() {
    assert_eq!(header("local", 3), "(local_source) [] NRN 003");
    assert_eq!(header("defined-agent", 12), "(local_source) [] NNS 012");
    assert_eq!(header("all", 1234), "(local_source) [] NNS 1234");
}

#[test]
fn the_wire_name_ends_with_the_seconds() {
    assert_eq!(wire_name("firewall-drop", Some(Duration::from_secs(600))), "firewall-drop600");
    assert_eq!(wire_name("restart-wazuh", None), "restart-wazuh0");
}

#[test]
fn made_up_fields_are_found() {
    let alert = |field: &str, text: &str| format!(r#"{{"data":{{"{field}":"{text}"}}}}"#);
    for (field, text) in [
        ("dstuser", "eve.x_1@host?-"),
        ("srcip", "2001:db8::7"),
        ("srcip", "host-1.example"),
        ("dstuser", ""),
        ("srcuser", "; rm"),
    ] {
        assert_eq!(Crafted::find(&alert(field, text)), None, "{text}");
    }
    assert_eq!(
        Crafted::find(&alert("dstuser", "a b")).unwrap().to_string(),
        "(1272): Invalid username 'a b'. Possible logging attack."
    );
    assert_eq!(
        Crafted::find(&alert("srcip", "192.0.2.7;x")).unwrap().to_string(),
        "(1271): Invalid IP Address '192.0.2.7;x'. Possible logging attack."
    );
    assert!(Crafted::find(&alert("srcip", "@")).is_some());
}

#[test]
fn versions_as_agents_report_them() {
    assert_eq!(version("Wazuh v4.7.3").to_string(), "4.7.3");
    assert_eq!(version("4.2").to_string(), "4.2.0");
    assert_eq!(version("v5.0.0-beta4").to_string(), "5.0.0");
    assert!(version("Wazuh v4.14.0") > version("v4.2.5") && version("3.13.0") < Version::JSON);
    for text in ["", "Wazuh", "v", "4", "4.x", "v99999999.1"] {
        assert!(text.parse::<Version>().is_err(), "{text}");
    }
}

#[test]
fn what_is_checked_is_what_an_agent_reads() {
    let found = |data: &str| Crafted::find(&format!(r#"{{"rule":{{}},"data":{data}}}"#));
    let address = |text: &str| Some(Crafted::Address(text.to_owned()));
    assert_eq!(found(r#"{"srcip":"192.0.2.7","x":{"srcip":"a b"}}"#), None);
    assert_eq!(found(r#"{"SrcIP":"a b"}"#), address("a b"));
    assert_eq!(found(r#"{"srcip":"192.0.2.7","SRCIP":"192.0.2.8"}"#), Some(Crafted::Twice("srcip")));
    assert_eq!(found(r#"{"dstuser":"a","dst\u0075ser":"b"}"#), Some(Crafted::Twice("dstuser")));
    assert_eq!(found(r#"{"srcip":null}"#), None);
    assert_eq!(found(r#"{"srcip":{"a":1}}"#), address(r#"{"a":1}"#));
    assert_eq!(found(r#"{},"Data":{"srcip":"x"}"#), Some(Crafted::Twice("data")));
}
