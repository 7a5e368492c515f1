//! The shapes that the documents of Wazuh, OSSEC and third parties show, in
//! our own words: each is read as its document means it, oddities included.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::time::Duration;

use riposte_policy::alert::Alert;
use riposte_policy::config::{Config, Expect, Location, Role, Source};
use riposte_policy::keys::{self, Derived};
use riposte_policy::matching::Index;

fn read(text: &str) -> Config {
    Config::read(&[Source::new("ossec.conf", text)])
}

fn codes(config: &Config) -> Vec<&'static str> {
    config.diagnostics.iter().map(|found| found.code).collect()
}

fn minutes(number: u64) -> Duration {
    Duration::from_secs(number * 60)
}

/// The responses that an alert of this rule fires.
fn fired(config: &Config, id: u32, level: u8, groups: &str) -> Vec<String> {
    let alert = format!(r#"{{"rule":{{"id":"{id}","level":{level},"groups":[{groups}]}}}}"#);
    let alert = Alert::parse(alert.as_bytes()).unwrap();
    let fired = Index::new(&config.responses).fires(&alert);
    fired.iter().map(|position| config.responses[*position].name.to_string()).collect()
}

/// The option reference: manager side, agent side, all options of both.
#[test]
fn the_option_reference() {
    let config = read(
        "<command><name>host-deny</name><executable>host-deny</executable><timeout_allowed>yes</timeout_allowed></command>
<!-- manager -->
<active-response>
  <disabled>no</disabled>
  <command>host-deny</command>
  <location>defined-agent</location>
  <agent_id>032</agent_id>
  <level>10</level>
  <rules_group>sshd,|pci_dss_11.4,</rules_group>
  <timeout>1</timeout>
</active-response>
<!-- agent -->
<active-response>
  <disabled>no</disabled>
  <ca_store>/var/ossec/etc/wpk_root.pem</ca_store>
  <ca_verification>yes</ca_verification>
  <repeated_offenders>1,5,10</repeated_offenders>
</active-response>",
    );
    assert_eq!(codes(&config), ["matching-differs", "ca-unused"]);
    assert_eq!(config.ca_stores, ["/var/ossec/etc/wpk_root.pem"]);
    let response = &config.responses[0];
    assert_eq!(response.location, Location::defined_agent("032"));
    assert_eq!(response.timeout, Some(Duration::from_secs(1)));
    assert_eq!(*response.offenders, [minutes(1), minutes(5), minutes(10)]);
    // Accumulative, not restrictive.
    assert_eq!(fired(&config, 1, 10, "\"web\""), ["host-deny#1"]);
    assert_eq!(fired(&config, 1, 3, "\"sshd\""), ["host-deny#1"]);
    assert_eq!(fired(&config, 1, 9, "\"sshd_x\""), [""; 0]);
    let alert = Alert::parse(br#"{"rule":{"id":"1","level":3,"pci_dss":["11.4"]}}"#).unwrap();
    assert_eq!(Index::new(&config.responses).fires(&alert), [0]);
}

/// The reference's example as the code of Wazuh 4.x has it: level and group
/// restrict each other, and groups are looked for in one text.
#[test]
fn the_option_reference_as_wazuh_does_it() {
    let text = "<command><name>host-deny</name><executable>host-deny</executable><timeout_allowed>yes</timeout_allowed></command>
<active-response>
  <command>host-deny</command>
  <location>defined-agent</location>
  <agent_id>032</agent_id>
  <level>10</level>
  <rules_group>sshd,|pci_dss_11.4,</rules_group>
  <timeout>1</timeout>
</active-response>";
    let settled = format!("{text}<riposte><matching>wazuh-4.x</matching></riposte>");
    for config in [read(&settled), Config::read_as(&[Source::new("ossec.conf", text)], Role::Manager)] {
        assert_eq!(codes(&config), ["matching-differs"]);
        assert_eq!(fired(&config, 1, 10, "\"web\""), [""; 0]);
        assert_eq!(fired(&config, 1, 3, "\"sshd\""), [""; 0]);
        assert_eq!(fired(&config, 1, 10, "\"syslog\",\"sshd\""), ["host-deny#1"]);
        // The comma ends the name; nothing begins it.
        assert_eq!(fired(&config, 1, 10, "\"sshd_x\""), [""; 0]);
        assert_eq!(fired(&config, 1, 10, "\"my_sshd\""), ["host-deny#1"]);
        let alert =
            Alert::parse(br#"{"rule":{"id":"1","level":11,"groups":["ids"],"pci_dss":["10.6","11.4"]}}"#);
        assert_eq!(Index::new(&config.responses).fires(&alert.unwrap()), [0]);
    }
}

/// Wazuh's other words for the same places, and several of them at once.
#[test]
fn places_have_several_names() {
    let location = |words: &str| {
        let config = read(&format!(
            "<command><name>c</name><executable>c</executable></command><active-response><command>c</command>\
             <location>{words}</location><level>7</level></active-response>"
        ));
        config.responses.first().map(|response| response.location.to_string())
    };
    for (words, expected) in [
        ("AS", "server"),
        ("analysisd", "server"),
        ("any", "all"),
        ("local,server", "local,server"),
        ("all, server", "server,all"),
        ("all|any", "all"),
    ] {
        assert_eq!(location(words).as_deref(), Some(expected), "{words}");
    }
    assert_eq!(location("local;server"), None);
}

/// OSSEC's guide: a response without data, one with `expect`, one on another
/// agent, minutes beside a timeout in seconds, one that is never undone.
#[test]
fn the_guide_of_ossec() {
    let config = read(
        "<command><name>restart</name><executable>restart-ossec.sh</executable><expect></expect></command>
<active-response><command>restart</command><location>local</location><rules_id>10005</rules_id></active-response>
<command><name>pf-block</name><executable>pf.sh</executable><expect>srcip</expect></command>
<active-response>
<command>pf-block</command>
<location>defined-agent</location>
<agent_id>001</agent_id>
<rules_group>authentication_failed,authentication_failures</rules_group>
</active-response>
<command><name>drop</name><executable>firewall-drop.sh</executable><expect>srcip</expect></command>
<active-response>
<command>drop</command>
<location>all</location>
<rules_group>authentication_failed,authentication_failures</rules_group>
<timeout>700</timeout>
<repeated_offenders>30,60,120</repeated_offenders>
</active-response>
<command><name>mail-test</name><executable>mail-test.sh</executable><timeout_allowed>no</timeout_allowed><expect /></command>
<active-response><command>mail-test</command><location>server</location><rules_id>1002</rules_id></active-response>",
    );
    assert_eq!(codes(&config), ["matching-differs", "matching-differs", "location-all"]);
    assert_eq!(fired(&config, 10005, 3, ""), ["restart#1"]);
    // Either group, though nothing but a comma stands between the two.
    for group in ["authentication_failed", "authentication_failures"] {
        assert_eq!(fired(&config, 1, 3, &format!("\"syslog\",\"{group}\"")), ["pf-block#1", "drop#1"]);
    }
    let drop = config.responses.iter().find(|response| &*response.command == "drop").unwrap();
    assert_eq!(drop.timeout, Some(Duration::from_secs(700)));
    assert_eq!(*drop.offenders, [minutes(30), minutes(60), minutes(120)]);
    let command = config.command("drop").unwrap();
    // The guide relies on it being undone all the same: who knows the program says so.
    assert_eq!((command.timeout_allowed, command.expect.as_slice()), (None, [Expect::SourceIp].as_slice()));
    let mail = config.responses.iter().find(|response| &*response.command == "mail-test").unwrap();
    assert_eq!((&mail.location, mail.timeout), (&Location::SERVER, None));
    assert_eq!(config.command("mail-test").unwrap().timeout_allowed, Some(false));
}

/// OSSEC's guide as it is printed: hyphens of a word processor in tags and
/// names, a closing tag of another element, a command of another name.
#[test]
fn misprints_are_named_exactly() {
    let config = read(
        "<command>
<name>win_route-null</name>
<executable>route-null.cmd</executable>
<expect>srcip</expect>
<timeout_allowed>yes</timeout_allowed>
</command>
<active‐response>
<command>win_route‐null</command>
<location>local</location>
<level>8</level>
<timeout>900</timeout>
</active‐response>
<active-response>
<command>win_route-null</command>
<location>local</location>
<level>8</level>
<timeout>900</timeout>
</active-response>",
    );
    assert_eq!(codes(&config), ["xml-typographic-hyphen", "command-undefined"]);
    let [tag, name] = config.diagnostics.as_slice() else { panic!("{:?}", config.diagnostics) };
    assert_eq!((tag.place.line, tag.place.column), (7, 1));
    assert!(tag.message.contains("U+2010") && tag.help.contains("write <active-response>"), "{tag}");
    assert_eq!((name.place.line, name.place.column), (8, 1));
    assert!(name.help.contains("did you mean win_route-null?") && name.help.contains("U+2010"), "{name}");
    // The block after it is not lost.
    assert_eq!(fired(&config, 1, 8, ""), ["win_route-null#1"]);

    let config = read(
        "<command><name>other</name><executable>other</executable></command>
<command>
<name>firewall-drop</command>
<executable>firewall-drop.sh</executable>
</command>",
    );
    assert_eq!((codes(&config), config.commands.len()), (vec!["xml-mismatched-tag"], 1));
    let found = &config.diagnostics[0];
    assert_eq!((found.place.line, found.place.column), (3, 20));
    assert!(found.message.contains("</command> does not close <name>, which line 3 opens"), "{found}");
    assert!(found.help.contains("Nothing from line 2"), "{found}");

    let config = read(
        "<command><name>firewall-drop</name><executable>firewall-drop.sh</executable></command>
<active-response><command>firewall-block</command><location>all</location><level>7</level></active-response>",
    );
    assert_eq!(codes(&config), ["command-undefined", "location-all"]);
    assert!(
        config.diagnostics[0].message.contains("no command is named \"firewall-block\""),
        "{}",
        config.diagnostics[0]
    );
}

/// The how-to: one command, one response, in a root and out of it.
#[test]
fn the_how_to() {
    let config = read(
        "      <command>
        <name>host-deny</name>
        <executable>host-deny</executable>
        <timeout_allowed>yes</timeout_allowed>
      </command>
            <ossec_config>
              <active-response>
                <disabled>no</disabled>
                <command>host-deny</command>
                <location>defined-agent</location>
                <agent_id>001</agent_id>
                <level>10</level>
                <timeout>180</timeout>
              </active-response>\x20
            </ossec_config>
      <active-response><command>host-deny</command><location>local</location><level>7</level><timeout>600</timeout></active-response>",
    );
    assert_eq!(codes(&config), [""; 0]);
    assert_eq!(fired(&config, 1, 7, ""), ["host-deny#2"]);
    assert_eq!(fired(&config, 1, 12, ""), ["host-deny#1", "host-deny#2"]);
}

/// A third party's guide: triggers of each kind, timeout 0, offenders beside
/// the response and in seconds.
#[test]
fn the_guide_of_a_third_party() {
    let config = read(
        "<command><name>firewall-drop</name><executable>firewall-drop</executable><timeout_allowed>yes</timeout_allowed></command>
<command><name>lock</name><executable>disable-account</executable><timeout_allowed>yes</timeout_allowed></command>
<active-response>
  <command>firewall-drop</command>
  <location>local</location>
  <rules_id>5710</rules_id>
  <timeout>600</timeout>
  <repeated_offenders>1800,3600,86400</repeated_offenders>
</active-response>
<active-response><command>firewall-drop</command><location>local</location><rules_group>web_attacks,</rules_group><timeout>1800</timeout></active-response>
<active-response><command>lock</command><location>local</location><level>12</level><timeout>0</timeout></active-response>",
    );
    assert_eq!(codes(&config), ["offenders-in-seconds"]);
    let [drop, web, lock] = config.responses.as_slice() else { panic!("{:?}", config.responses) };
    assert_eq!(drop.timeout, Some(minutes(10)));
    assert_eq!(*drop.offenders, [minutes(30), minutes(60), minutes(24 * 60)]);
    assert_eq!(
        (web.groups.as_slice(), web.timeout),
        (["web_attacks".to_owned()].as_slice(), Some(minutes(30)))
    );
    assert_eq!(lock.timeout, None);
}

/// What the guides' scripts read, the engine finds: `parameters.alert.data.srcip`
/// of what arrives on standard input.
#[test]
fn the_message_of_the_guides() {
    let config = read("<command><name>my-response</name><executable>my-script.sh</executable></command>");
    let line = r#"{"version":1,"origin":{"name":"my-response","module":"active-response"},"command":"add",
        "parameters":{"alert":{"rule":{"id":"5710","level":10,"description":"x"},"data":{"srcip":"192.0.2.100"},
        "agent":{"id":"001","name":"web"}}}}"#;
    let alert = Alert::parse(line.as_bytes()).unwrap();
    assert_eq!((alert.rule_id(), alert.agent_id(), alert.agent_name()), ("5710", "001", "web"));
    let keys = keys::derive(&config.commands[0], alert.object());
    assert!(matches!(keys, Derived::Keys(keys) if keys.as_slice() == ["192.0.2.100"]));
    // By hand there may be no rule at all.
    let line = br#"{"version":1,"command":"add","parameters":{"alert":{"data":{"srcip":"192.0.2.99"}}}}"#;
    let object = riposte_policy::alert::object(line).unwrap();
    assert!(
        matches!(keys::derive(&config.commands[0], object), Derived::Keys(keys) if keys.as_slice() == ["192.0.2.99"])
    );
}
