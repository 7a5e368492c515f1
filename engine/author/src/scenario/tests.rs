//! Scenarios against small components written as WebAssembly text.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;

use super::*;

fn parse(scenario: &str) -> std::result::Result<Vec<Scenario>, ScenarioError> {
    super::read::parse(Path::new("s.json"), &format!("{{\"scenarios\": [\n{scenario}\n]}}"))
}

fn one(scenario: &str) -> Scenario {
    parse(scenario).unwrap().remove(0)
}

#[test]
fn every_field_is_read() {
    let scenario = one(r#"{"name": "all", "call": "delete", "alert": {"a":
            [1, 2]}, "receipt": {"base64": "/w=="},
         "invocation": {"timeout": null, "offence": 3, "location": "all", "arguments": ["-x"]},
         "config": {"a": "b"}, "secrets": {"c": "d"}, "folders": {"/var/x": {"f/g": "text"}},
         "host": {"firewall.block": [{"ok": false}, {"error": {"kind": "odd"}}], "exec.run /bin/x": {"code": 3, "stdout": "out"},
                  "state.get": {"ok": null}, "http.send": {"status": 500, "headers": {"a": "b"}}, "processes.running": {"ok": [1]}},
         "times": 2,
         "expect": {"result": {"kind": "denied", "retry": true}, "calls": ["x"], "log": ["y"], "memory": "8MiB", "cpu": "50ms"}}"#);
    assert_eq!(scenario.alert, br#"{"a":[1, 2]}"#);
    assert_eq!((scenario.receipt, scenario.times, scenario.call), (Some(vec![0xff]), 2, Call::Delete));
    assert_eq!((scenario.invocation.timeout, scenario.invocation.offence), (None, 3));
    assert_eq!(scenario.host["firewall.block"].len(), 2);
    assert_eq!(scenario.host["state.get"], [Answer::Bytes(None)]);
    assert_eq!(
        (scenario.expect.memory, scenario.expect.cpu),
        (Some(8 << 20), Some(Duration::from_millis(50)))
    );
    let end = End::Error { kind: Some("denied".into()), message: None, retry: Some(true) };
    assert_eq!(scenario.expect.end, end);
}

#[test]
fn alerts_are_made() {
    let made =
        |how: &str| one(&format!(r#"{{"name":"n","call":"add","alert_made":{how},"expect":{{}}}}"#)).alert;
    let deep = made(r#"{"nested": 129, "alert": {"x": 1}}"#);
    assert_eq!(deep.iter().filter(|byte| **byte == b'[').count(), 128);
    assert!(riposte_policy::alert::object(&deep).is_err());
    assert!(riposte_policy::alert::object(&made(r#"{"nested": 128}"#)).is_ok());
    let padded = made(r#"{"padded": 1000, "alert": {}}"#);
    assert_eq!(padded.len(), 1000);
    assert!(riposte_policy::alert::object(&padded).is_ok());
    assert_eq!(made(r#"{"bytes": "/w=="}"#), [0xff]);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let rest = r#""call":"add","expect":{}"#;
    for (scenario, says) in [
        ("{]".to_owned(), "s.json:2: this is no JSON"),
        (format!(r#"{{{rest}}}"#), "s.json:2: scenarios[1]: a scenario has a name"),
        (
            format!("{{\"name\":\"n\",{rest},\n\"alrt\":{{}}}}"),
            r#"s.json:3: scenario "n": alrt: there is no "alrt": did you mean alert?"#,
        ),
        (r#"{"name":"n","call":"ad","expect":{}}"#.to_owned(), r#"call: it is one of keys, add"#),
        (r#"{"name":"n","call":"add"}"#.to_owned(), "expect is missing"),
        (format!(r#"{{"name":"n",{rest},"times":0}}"#), "times: a call is made 1 to"),
        (format!(r#"{{"name":"n",{rest},"receipt":"x"}}"#), "only delete is given a receipt"),
        (
            format!(r#"{{"name":"n",{rest},"host":{{"firewall.blok":{{"ok":true}}}}}}"#),
            "did you mean firewall.block?",
        ),
        (
            format!(r#"{{"name":"n",{rest},"host":{{"firewall.block":{{"ok":7}}}}}}"#),
            "host.firewall.block.ok: this is to be true or false, not 7",
        ),
        (
            format!(
                r#"{{"name":"n",{rest},"host":{{"firewall.block":{{"ok":true}},"firewall.block":{{"ok":true}}}}}}"#
            ),
            "stands here twice",
        ),
        (format!(r#"{{"name":"n",{rest},"alert":[]}}"#), "alert: an alert is an object"),
        (
            format!(r#"{{"name":"n",{rest},"alert":{{}},"alert_text":""}}"#),
            "this one has alert and alert_text",
        ),
        (format!(r#"{{"name":"n",{rest},"folders":{{"/x":{{"../y":""}}}}}}"#), "no name of a file below"),
        (
            format!(r#"{{"name":"n",{rest}}}, {{"name":"n",{rest}}}"#),
            "another scenario of this file has this name",
        ),
        (
            r#"{"name":"n","call":"add","expect":{"result":"fine"}}"#.to_owned(),
            r#"expect.result: it is "ok""#,
        ),
        (r#"{"name":"n","call":"add","expect":{"keys":[]}}"#.to_owned(), "expect.keys: only keys answers"),
        (r#"{"name":"n","call":"add","expect":{"memory":"8 megs"}}"#.to_owned(), "a size such as"),
        (r#"{"name":"n","call":"add","expect":{"limit":"cpu","trap":true}}"#.to_owned(), "leave one of"),
    ] {
        let error = parse(&scenario).unwrap_err().to_string();
        assert!(error.contains(says), "{error}\nis to contain\n{says}");
    }
}
