//! Components that misbehave, and components that ask for more than they were
//! granted: each ends at its limit and is reported as such, and the others
//! respond meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use riposte_tests::{Host, alert, until};

/// A command for each component, all fired by one alert, and firewall-drop.
fn configuration(components: &[(&str, &str)]) -> String {
    let mut xml = String::from(
        "<command><name>firewall-drop</name><executable>firewall-drop</executable><timeout_allowed>yes</timeout_allowed></command>
         <active-response><command>firewall-drop</command><location>local</location><rules_id>5712</rules_id><timeout>600</timeout></active-response>",
    );
    for (name, rest) in components {
        xml.push_str(&format!(
            "\n<command><name>{name}</name><executable>{name}</executable><timeout_allowed>yes</timeout_allowed>{rest}</command>
             <active-response><command>{name}</command><location>local</location><rules_id>5712</rules_id><timeout>600</timeout></active-response>"
        ));
    }
    xml
}

#[test]
fn each_ends_at_its_limit_and_the_others_go_on() {
    let host = Host::new();
    // Each works in `keys` as told, and in `add` does what it is named after.
    let hostile = ["spin", "hog", "panics", "sleeper"];
    host.configure(&configuration(
        &hostile.map(|name| (name, r#"<keys>/data/srcip</keys><limits wall="2s" cpu="100ms"/>"#)),
    ));
    for name in hostile {
        host.plugin(name, riposte_hostile::component(name));
    }
    let mut engine = host.start(&[]);
    host.alerts(&[alert(1, r#""srcip":"198.18.0.1""#)]);
    // While the sleeper sleeps and the others are ended, this one acts.
    until("the good response acts", || host.elements("drop4") == ["198.18.0.1"]);
    until("all four were ended", || host.events("failed").len() == hostile.len());
    let reported = |command: &str| {
        let events = host.events("failed");
        let event =
            events.iter().find(|event| event["command"] == command).unwrap_or_else(|| panic!("{command}"));
        event["detail"].as_str().unwrap().to_owned()
    };
    assert!(reported("spin").contains("computing for 100ms"), "{}", reported("spin"));
    assert!(reported("hog").contains("memory"), "{}", reported("hog"));
    assert!(reported("panics").contains("crashed"), "{}", reported("panics"));
    assert!(reported("sleeper").contains("stopped after 2s"), "{}", reported("sleeper"));
    // And after all of that, the next alert is answered.
    host.alerts(&[alert(2, r#""srcip":"198.18.0.2""#)]);
    until("the next one acts", || host.elements("drop4").len() == 2);
    assert!(engine.runs());
    // What failed left nothing open.
    until("nothing else is open", || host.count("in-force") == 2 && host.count("undoing") == 0);
}

#[test]
fn what_was_not_granted_is_refused_at_load_with_the_line_to_add() {
    let host = Host::new();
    host.configure(&configuration(&[("ungranted", "")]));
    host.plugin("ungranted", riposte_hostile::component("ungranted"));

    let checked = host.riposte(&["check", "--json"]);
    assert_eq!(checked.code, 1, "{checked:?}");
    let found = checked.json();
    let refused: Vec<_> =
        found.as_array().unwrap().iter().filter(|found| found["code"] == "component-refused").collect();
    assert_eq!(refused.len(), 1, "{found}");
    let help = refused[0]["help"].as_str().unwrap();
    assert!(help.contains("<firewall"), "{help}");
    assert!(refused[0]["message"].as_str().unwrap().contains("ungranted"));
    assert!(refused[0]["line"].as_u64().unwrap() > 1);

    let engine = host.start(&[]);
    assert!(engine.log().contains("<firewall"), "the start says it too");
    host.alerts(&[alert(1, r#""srcip":"198.18.0.1""#)]);
    until("the other response runs", || host.elements("drop4") == ["198.18.0.1"]);
    until("the refused one is reported", || {
        host.events("refused").iter().any(|event| event["command"] == "ungranted")
    });
}

#[test]
fn a_grant_is_for_the_component_whose_digest_it_names() {
    let host = Host::new();
    let other = "0".repeat(64);
    let grant = format!("<capabilities sha256=\"{other}\"><firewall/></capabilities>");
    host.configure(&configuration(&[("ungranted", grant.as_str())]));
    host.plugin("ungranted", riposte_hostile::component("ungranted"));
    let checked = host.riposte(&["check", "--json"]);
    assert_eq!(checked.code, 1);
    let found = checked.json();
    let refused =
        found.as_array().unwrap().iter().find(|found| found["code"] == "component-refused").unwrap();
    let message = refused.to_string();
    let digest =
        message.split(|c: char| !c.is_ascii_hexdigit()).find(|word| word.len() == 64 && **word != *other);
    let digest = digest.unwrap_or_else(|| panic!("the right digest is not said: {message}"));

    let grant = format!("<capabilities sha256=\"{digest}\"><firewall/></capabilities>");
    host.configure(&configuration(&[("ungranted", grant.as_str())]));
    let checked = host.riposte(&["check", "--strict"]);
    assert_eq!(checked.code, 0, "{checked:?}");
}

#[test]
fn a_reload_says_which_commands_it_turned_off() {
    let host = Host::new();
    let granted = "<capabilities><firewall/></capabilities>";
    host.configure(&configuration(&[("ungranted", granted)]));
    host.plugin("ungranted", riposte_hostile::component("ungranted"));
    let _engine = host.start(&[]);
    host.plugin("ungranted", b"no component any more");
    let reloaded = host.riposte(&["reload"]);
    assert_eq!(reloaded.code, 0, "{reloaded:?}");
    assert!(reloaded.out.contains("command \"ungranted\" is off"), "{reloaded:?}");
}

#[test]
fn effects_are_refused_while_keys_are_named() {
    let host = Host::new();
    host.configure(&configuration(&[("cheat", "<capabilities><firewall/></capabilities>")]));
    host.plugin("cheat", riposte_hostile::component("cheat"));
    let _engine = host.start(&[]);
    host.alerts(&[alert(1, r#""srcip":"198.18.0.7""#)]);
    until("the good response acts", || host.elements("drop4").contains(&"198.18.0.7".to_owned()));
    until("the cheat was answered", || {
        ["failed", "no-key", "in-force", "refused"]
            .iter()
            .any(|kind| host.events(kind).iter().any(|event| event["command"] == "cheat"))
    });
    let elements = host.elements("drop4");
    assert!(elements.iter().all(|element| element == "198.18.0.7"), "{elements:?}");
}

#[test]
fn a_delete_that_always_fails_is_reversed_by_the_engine() {
    let host = Host::new();
    let xml = "<command><name>deaf-delete</name><executable>deaf-delete</executable><timeout_allowed>yes</timeout_allowed>
        <capabilities><firewall/></capabilities></command>
        <active-response><command>deaf-delete</command><location>local</location><rules_id>5712</rules_id><timeout>1</timeout></active-response>";
    host.configure(xml);
    host.plugin("deaf-delete", riposte_hostile::component("deaf-delete"));
    let _engine = host.start(&[]);
    host.alerts(&[alert(1, r#""srcip":"198.18.0.1""#)]);
    until("it is closed all the same", || host.count("closed") == 1);
    assert!(host.elements("drop4").is_empty());
    until("it is reported", || host.events("reversed-by-engine").len() == 1);
    assert_eq!(host.events("undo-failed").len(), 2);
}

#[test]
fn the_host_itself_cannot_be_cut_off() {
    let host = Host::new();
    host.configure(&format!("<global><white_list>198.18.0.0/24</white_list></global>{}", configuration(&[])));
    let _engine = host.start(&[]);
    let hostile = [
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "::ffff:127.0.0.1",
        "198.18.0.7",
        "::ffff:198.18.0.7",
        "0x7f.1",
        "010.0.0.1",
        "127.1",
        "198.18.1.1/8",
        "-j ACCEPT",
        "$SRC_IP",
        "",
        "-",
        "[::1]",
        "fe80::1%lo",
        "198.18.1.1\\nALL:ALL",
    ];
    let alerts: Vec<_> =
        (1..).zip(hostile).map(|(n, srcip)| alert(n, &format!(r#""srcip":"{srcip}""#))).collect();
    host.alerts(&alerts);
    host.alerts(&[alert(99, r#""srcip":"198.18.1.1""#)]);
    until("the honest one is blocked", || host.elements("drop4") == ["198.18.1.1"]);
    until("all were decided", || {
        // Two spellings of one address at once are one response.
        let kinds = ["failed", "refused", "no-key", "already"];
        kinds.iter().map(|kind| host.happened(kind)).sum::<u64>() == hostile.len() as u64
    });
    assert_eq!(host.elements("drop4"), ["198.18.1.1"]);
    assert!(host.elements("drop6").is_empty());
}
