//! `riposte migrate`, as a user calls it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use riposte_tests::Host;

const XML: &str = "<command><name>drop</name><executable>firewall-drop</executable><timeout_allowed>yes</timeout_allowed></command>
<active-response><command>drop</command><location>local</location><rules_id>5712</rules_id><timeout>600</timeout></active-response>";

fn host(xml: &str) -> Host {
    let host = Host::new();
    host.configure(xml);
    host
}

#[test]
fn there_and_back_by_files() {
    let host = host(XML);
    let folder = host.path("five").display().to_string();
    let there = host.riposte(&["migrate", "--to", "5", "--output", &folder]);
    assert_eq!((there.code, there.out.as_str()), (0, ""), "{there:?}");
    assert!(
        there.err.contains("etc/ossec.conf:3:1: note: \"firewall-drop\" is named block-ip in 5.x"),
        "{there:?}"
    );
    let channel: serde_json::Value =
        serde_json::from_str(&host.read("five/channel-ar1-drop-local.json")).unwrap();
    assert_eq!(channel["config"]["active_response"]["stateful_timeout"], 600);
    // A file that is there is never overwritten.
    let again = host.riposte(&["migrate", "--to", "5", "--output", &folder]);
    assert!(again.code == 1 && again.err.contains("cannot write"), "{again:?}");

    let channel = host.path("five/channel-ar1-drop-local.json").display().to_string();
    let monitor = host.path("five/monitor-ar1-drop-local.json").display().to_string();
    let back = host.riposte(&["migrate", "--from", "5", &channel, &monitor]);
    assert_eq!(back.code, 0, "{back:?}");
    for line in [
        "<executable>firewall-drop</executable>",
        "<timeout>600</timeout>",
        "<rules_id>5712</rules_id>",
        "TODO",
    ] {
        assert!(back.out.contains(line), "{line}: {back:?}");
    }
    assert!(back.err.contains("what fires it stands in monitors"), "{back:?}");
}

#[test]
fn by_pipe_and_as_json() {
    let host = host(&XML.replace("local", "server"));
    let there = host.riposte(&["migrate", "--to", "5", "--json"]);
    assert_eq!(there.code, 1, "a response that cannot go is a failure: {there:?}");
    let json = there.json();
    assert_eq!(json["documents"].as_array().unwrap().len(), 0);
    assert_eq!(json["findings"][0]["severity"], "error");
    assert!(json["findings"][0]["place"].as_str().unwrap().ends_with("etc/ossec.conf:3:1"));

    host.configure(XML);
    let there = host.riposte(&["migrate", "--to", "5", "--output", "-"]);
    assert_eq!(there.json().as_array().unwrap().len(), 2);
    host.write("five.json", &there.out);
    let file = host.path("five.json").display().to_string();
    let back = host.riposte(&["migrate", "--from", "5", "--json", &file]).json();
    assert!(back["xml"].as_str().unwrap().starts_with("<ossec_config>"));
}

#[test]
fn one_direction_and_what_it_needs() {
    let host = host(XML);
    for wrong in [
        &["migrate"][..],
        &["migrate", "--from", "5"],
        &["migrate", "--to", "5", "file"],
        &["migrate", "--to", "4"],
    ] {
        assert_eq!(host.riposte(wrong).code, 2, "{wrong:?}");
    }
    let missing = host.riposte(&["migrate", "--from", "5", "/nowhere"]);
    assert!(missing.code == 1 && missing.err.contains("/nowhere"), "{missing:?}");
}
