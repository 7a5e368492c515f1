//! Lines that are alerts, and lines that are not.

use super::*;

fn parsed(line: &str) -> Alert<'_> {
    Alert::parse(line.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[track_caller]
fn refused(line: &str) -> String {
    match Alert::parse(line.as_bytes()) {
        Ok(alert) => panic!("{alert:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_line_of_alerts_json() {
    let line = concat!(
        r#" {"timestamp":"2024-05-11T12:29:29.123+0000","rule":{"level":10,"description":"a \"quoted\" {","#,
        r#""id":"5712","groups":["syslog","sshd"],"pci_dss":["11.4"],"gdpr":["IV_35.7.d"],"mitre":{"id":["T1110"]}},"#,
        r#""agent":{"id":"003","name":"caf\u00e9","ip":"10.0.0.21"},"id":"1715430569.88012","data":{"srcip":"192.0.2.7"}}"#,
        "\r\n"
    );
    let alert = parsed(line);
    assert_eq!(alert.object(), line.trim());
    assert_eq!((alert.rule_id(), alert.rule_number(), alert.level()), ("5712", Some(5712), Some(10)));
    assert_eq!((alert.agent_id(), alert.agent_name(), alert.id()), ("003", "café", "1715430569.88012"));
    assert_eq!(alert.timestamp_ms(), Some(1_715_430_569_123));
    assert_eq!(alert.groups(), ["syslog", "sshd", "pci_dss_11.4", "gdpr_IV_35.7.d"]);
    // Borrowed where the text allows it.
    assert!(matches!(alert.fields.id.0, Cow::Borrowed(_)));
}

#[test]
fn what_wazuh_sends_holds_the_same_alert() {
    let object = r#"{"rule":{"id":554,"level":5},"data":{}}"#;
    let line =
        format!(r#"{{"version":1,"command":"x60","parameters":{{"extra_args":[],"alert": {object} }}}}"#);
    let alert = parsed(&line);
    assert_eq!(alert.object(), object);
    assert_eq!((alert.rule_id(), alert.level()), ("554", Some(5)));
    assert_eq!(self::object(line.as_bytes()), Ok(object));
    // An alert may have members of its own that are called so.
    let bare = r#"{"rule":{"id":"1"},"parameters":{"alert":{"rule":{"id":"2"}}}}"#;
    assert_eq!((parsed(bare).rule_id(), parsed(bare).object()), ("1", bare));
    assert_eq!(self::object(br#"{"data":{"srcip":"192.0.2.7"}}"#), Ok(r#"{"data":{"srcip":"192.0.2.7"}}"#));
}

#[test]
fn what_is_missing_or_odd_is_read_all_the_same() {
    let alert = parsed(r#"{"rule":{}}"#);
    assert_eq!((alert.id(), alert.rule_id(), alert.agent_id(), alert.agent_name()), ("", "", "", ""));
    assert_eq!((alert.level(), alert.timestamp_ms(), alert.groups()), (None, None, vec![]));
    let alert = parsed(
        r#"{"rule":{"id":"+7","level":"12","groups":"syslog, sshd,","pci_dss":"x","gdpr":[1,["a"],null,"b"]},"agent":null}"#,
    );
    assert_eq!((alert.rule_number(), alert.level()), (None, Some(12)));
    assert_eq!(alert.groups(), ["syslog", "sshd", "gdpr_b"]);
    assert_eq!(parsed(r#"{"rule":{"level":99999}}"#).level(), Some(255));
}

#[test]
fn what_is_no_alert_says_why_and_where() {
    assert_eq!(Alert::parse(b"{\"rule\":{\"id\":\"\xff\"}}").unwrap_err(), NotAnAlert::NotUtf8 { at: 15 });
    assert_eq!(refused("{}"), "not an alert: it has no \"rule\" object, as each line of alerts.json has");
    assert_eq!(refused(r#"{"rule":null}"#), refused("{}"));
    assert!(refused("").starts_with("not an alert: at byte 0: EOF"), "{}", refused(""));
    for (line, at, why) in [
        ("[]", 0, "expected a JSON object"),
        (r#"{"rule":["5710",10]}"#, 7, "expected a JSON object"),
        (r#"{"rule":{}}}"#, 11, "trailing characters"),
        (r#"{"rule":{},}"#, 11, "trailing comma"),
        (r#"{"rule":{},"rule":{}}"#, 16, "duplicate field `rule`"),
        (r#"{"rule":{"id":"1","id":"2"}}"#, 21, "duplicate field `id`"),
        (r#"{"rule":{"id":"1","\u0069d":"2"}}"#, 26, "duplicate field `id`"),
        (r#"{"rule":{"level":-1}}"#, 18, "a rule level"),
        (r#"{"rule":{"level":"high"}}"#, 22, "a rule level"),
        (r#"{"rule":{"id":["1"]}}"#, 14, "a text or a whole number"),
        ("{\"rule\":{},\n \"agent\":7}", 21, "expected a JSON object"),
        (r#"{"rule":{},"data":{"a":"\x"}}"#, 25, "invalid escape"),
        (r#"{"parameters":{"alert":{"rule":{"level":[]}}}}"#, 41, "a rule level"),
    ] {
        let error = refused(line);
        assert!(error.contains(&format!("at byte {at}: ")) && error.contains(why), "{line}: {error}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| {
        format!(r#"{{"rule":{{}},"data":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1))
    };
    assert_eq!(parsed(&nested(128)).object(), nested(128));
    assert_eq!(Alert::parse(nested(129).as_bytes()).unwrap_err(), NotAnAlert::TooDeep { at: 145 });
    let sent = |depth| format!(r#"{{"parameters":{{"alert":{}}}}}"#, nested(depth));
    assert_eq!(parsed(&sent(128)).object(), nested(128));
    assert_eq!(Alert::parse(sent(129).as_bytes()).unwrap_err(), NotAnAlert::TooDeep { at: 168 });
    // Brackets in texts do not nest.
    let text = format!(r#"{{"rule":{{}},"data":"\"{}"}}"#, "[{".repeat(300));
    assert_eq!(parsed(&text).object(), text);
    // Nor does what is far too deep cost more than reading it.
    let error = refused(&"[".repeat(1 << 20));
    assert!(error.contains("nested more than 128 deep"), "{error}");
}

#[test]
fn pointers_lead_to_texts_and_numbers() {
    let object = concat!(
        r#"{"data":{"srcip":"192.0.2.7","port":"22","pid":-4,"big":1e3,"yes":true,"no":null,"list":["a",{"b":"c"}],"#,
        r#""a/b":"slash","proc.name":"dot","esc":"a\nb","bad":"\ud800","twice":1,"twice":2,"s\u0072c":"escaped name"}}"#
    );
    let at = |pointer: &str| pointer.parse::<Pointer>().unwrap();
    for (pointer, expected) in [
        ("/data/srcip", Some("192.0.2.7")),
        ("/data/pid", Some("-4")),
        ("/data/big", Some("1e3")),
        ("/data/yes", Some("true")),
        ("/data/no", None),
        ("/data", None),
        ("/data/list", None),
        ("/data/list/0", Some("a")),
        ("/data/list/1/b", Some("c")),
        ("/data/list/00", None),
        ("/data/list/2", None),
        ("/data/list/-", None),
        ("/data/srcip/0", None),
        ("/data/a~1b", Some("slash")),
        ("/data/proc.name", Some("dot")),
        ("data.proc.name", None),
        ("/data/esc", Some("a\nb")),
        ("/data/bad", None),
        ("/data/twice", None),
        ("/data/src", Some("escaped name")),
    ] {
        assert_eq!(text(object, &at(pointer)).as_deref(), expected, "{pointer}");
    }
    assert_eq!(string(object, &at("/data/pid")), None);
    assert_eq!(text_or_number(object, &at("/data/yes")), None);
    assert_eq!(text_or_number(object, &at("/data/pid")).as_deref(), Some("-4"));
    let numbers = ["/data/pid", "/data/port", "/data/big", "/data/srcip", "/data/esc", "/data/yes"];
    assert_eq!(
        numbers.map(|pointer| number(object, &at(pointer))),
        [Some(-4), Some(22), None, None, None, None]
    );
}

#[test]
fn members_that_readers_disagree_on() {
    let at: Pointer = "/data/srcip".parse().unwrap();
    for object in [
        r#"{"data":{"srcip":"192.0.2.7","srcip":"127.0.0.1"}}"#,
        r#"{"data":{"srcip":"192.0.2.7"},"data":{"srcip":"127.0.0.1"}}"#,
        r#"{"data":{"srcip":"192.0.2.7","SrcIP":"127.0.0.1"}}"#,
        r#"{"data":{"SRCIP":"127.0.0.1"}}"#,
        r#"{"data":{"srcip":"192.0.2.7"},"Data":{}}"#,
        r#"{"data":{"srcip":"192.0.2.7","s\u0072cip":"127.0.0.1"}}"#,
    ] {
        assert!(is_ambiguous(object, &at), "{object}");
    }
    for object in
        [r#"{"data":{"srcip":"192.0.2.7","port":1,"port":2}}"#, r#"{"data":{}}"#, r#"{"data":[1]}"#, r#"{}"#]
    {
        assert!(!is_ambiguous(object, &at), "{object}");
    }
}
