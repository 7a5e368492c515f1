//! Files, roots and sections; the white list.

use super::*;

#[test]
fn a_manager_file() {
    let config = read(
        "<!-- <active-response><command>never</command></active-response> -->\r
<ossec_config>\r
  <global>\r
    <jsonout_output>yes</jsonout_output>\r
    <white_list>127.0.0.1</white_list>\r
    <white_list>10.0.0.0/8</white_list>\r
    <white_list>^localhost.localdomain$</white_list>\r
  </global>\r
  <localfile><log_format>full_command</log_format><command>ss -ltn && echo *'&}</command></localfile>\r
  <command>\r
    <name>firewall-drop</name>\r
    <executable>firewall-drop</executable>\r
    <timeout_allowed>yes</timeout_allowed>\r
  </command>\r
</ossec_config>\r
<ossec_config>\r
  <active-response>\r
    <command>firewall-drop</command>\r
    <location>local</location>\r
    <rules_id>5710, 5711, 5712,</rules_id>\r
    <timeout>600</timeout>\r
  </active-response>\r
</ossec_config>\r
",
    );
    assert_eq!(found(&config), [(Warning, "white-list-host", 7, 5)]);
    assert_eq!(config.diagnostics[0].source, "    <white_list>^localhost.localdomain$</white_list>");
    assert_eq!(config.white_list, ["127.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()]);
    let [command] = config.commands.as_slice() else { panic!("{:?}", config.commands) };
    assert_eq!((&*command.name, command.timeout_allowed), ("firewall-drop", Some(true)));
    assert_eq!((command.place.line, command.place.column), (10, 3));
    let [response] = config.responses.as_slice() else { panic!("{:?}", config.responses) };
    assert_eq!(&*response.name, "firewall-drop#1");
    assert_eq!(
        (&response.location, response.level, &response.rules),
        (&Location::LOCAL, None, &vec![5710, 5711, 5712])
    );
    assert_eq!(response.timeout, Some(Duration::from_secs(600)));
    assert_eq!((response.mode, response.place.line), (Mode::Enforce, 17));
}

#[test]
fn fragments_and_their_order() {
    let config = read(
        "<active-response><command>b</command><location>server</location><level>3</level></active-response>
<agent_config os=\"Linux\"><command><name>b</name><executable>b.sh</executable></command></agent_config>",
    );
    assert_eq!(found(&config), [(Note, "root-attribute", 2, 15)]);
    assert_eq!((config.commands.len(), config.responses.len()), (1, 1));
}

#[test]
fn the_white_list() {
    let list = |text: &str| read(&format!("<global><white_list>{text}</white_list></global>"));
    assert_eq!(list("192.0.2.0/255.255.255.0").white_list, ["192.0.2.0/24".parse().unwrap()]);
    assert_eq!(list("2001:db8::/32, ::ffff:192.0.2.7 192.0.2.7").white_list.len(), 2);
    // Wherever it stands, what is taken out is out.
    let config = list("!192.0.2.1, 192.0.2.0/30 !::ffff:192.0.2.2");
    assert_eq!(config.white_list, ["192.0.2.0".parse().unwrap(), "192.0.2.3".parse().unwrap()]);
    assert_eq!(codes(&config), [""; 0]);
    for wrong in ["10.0.0.0/33", "!dns.example", "!", "10.0.0.0/255.0.255.0"] {
        assert_eq!(
            (codes(&list(wrong)), list(wrong).white_list.len()),
            (vec!["value-invalid"], 0),
            "{wrong}"
        );
    }
    for host in ["dns.example", "^localhost.localdomain$", "^$"] {
        assert_eq!(
            (codes(&list(host)), list(host).white_list_hosts.len()),
            (vec!["white-list-host"], 0),
            "{host}"
        );
    }
    let config = list("198.51.100.0/24 !198.51.100.9 ^2001:db8:|^192.0.2.");
    assert_eq!((codes(&config), config.white_list_hosts.len()), (vec![], 1));
    // The part of the pattern that is a network is guarded in every call.
    assert!(config.white_list.contains(&"192.0.2.0/24".parse().unwrap()));
    let spares = |address: &str| config.spares(address.parse().unwrap());
    assert_eq!(spares("2001:db8::7").as_deref(), Some("white_list has \"^2001:db8:|^192.0.2.\""));
    assert!(spares("::ffff:192.0.2.7").is_some());
    assert_eq!(spares("198.51.100.8").as_deref(), Some("white_list has \"198.51.100.8\""));
    assert_eq!((spares("198.51.100.9"), spares("203.0.113.7")), (None, None));
}

#[test]
fn sections_and_roots_that_are_nearly_known() {
    let config = read(
        "<ossec_config><active_response/><comand/><localfile><command>x</command></localfile><syscheck/></ossec_config>",
    );
    assert_eq!(codes(&config), ["section-unknown", "section-unknown"]);
    assert_eq!(config.diagnostics[0].help, "did you mean <active-response>?");
    assert_eq!(codes(&read("<osec_config><command/></osec_config>")), ["root-unknown"]);
    assert_eq!(codes(&read("<config><active-response/></config>")), ["root-unknown"]);
    assert_eq!(codes(&read("<group name=\"sshd,\"><rule id=\"1\"/></group>")), [""; 0]);
}

#[test]
fn files_that_are_no_text() {
    let config = Config::read(&[
        Source {
            file: "latin",
            bytes: b"<!-- caf\xe9 -->\n<command><name>b</name><executable>b</executable></command>",
        },
        Source { file: "utf16", bytes: b"\xff\xfe<\0c\0" },
        Source { file: "large", bytes: &vec![b' '; (16 << 20) + 1] },
        Source {
            file: "bom",
            bytes: b"\xef\xbb\xbf<command><name>c</name><executable>c</executable></command>",
        },
    ]);
    assert_eq!(config.commands.len(), 2);
    let places: Vec<_> = config
        .diagnostics
        .iter()
        .map(|found| (found.severity, found.code, found.place.to_string()))
        .collect();
    assert_eq!(
        places,
        [
            (Warning, "xml-encoding", "latin:1:9".to_owned()),
            (Error, "xml-encoding", "utf16:1:1".to_owned()),
            (Error, "xml-too-large", "large:1:1".to_owned()),
        ]
    );
}

#[test]
fn findings_are_bounded() {
    let config = read(&"<ossec_config><comand/></ossec_config>\n".repeat(1_500));
    assert_eq!(config.diagnostics.len(), 1_001);
    let last = config.diagnostics.last().unwrap();
    assert_eq!((last.severity, last.code), (Error, "findings-many"));
}
