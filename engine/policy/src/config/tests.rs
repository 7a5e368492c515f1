use super::*;
use crate::diagnostic::Severity::{Error, Note, Warning};

/// A command with nothing but its name.
pub(crate) fn command(name: &str) -> Command {
    Command {
        name: name.into(),
        executable: name.to_owned(),
        timeout_allowed: None,
        expect: Vec::new(),
        extra_args: Vec::new(),
        keys: Vec::new(),
        capabilities: None,
        limits: Limits::default(),
        runtime: None,
        protocol: None,
        place: Place { file: "ossec.conf".into(), line: 1, column: 1 },
    }
}

fn read(text: &str) -> Config {
    Config::read(&[Source::new("ossec.conf", text)])
}

/// Reads a file with a command `block`, then this.
fn with_block(text: &str) -> Config {
    read(&format!("<command><name>block</name><executable>block</executable></command>{text}"))
}

/// Reads one response to `block` with this in it.
fn response(text: &str) -> Config {
    with_block(&format!("<active-response><command>block</command>{text}</active-response>"))
}

/// Reads one command with this in it.
fn defined(text: &str) -> Config {
    read(&format!("<command><name>block</name><executable>block</executable>{text}</command>"))
}

fn codes(config: &Config) -> Vec<&'static str> {
    config.diagnostics.iter().map(|found| found.code).collect()
}

/// Severity, code, line and column of everything that was found.
fn found(config: &Config) -> Vec<(Severity, &'static str, u32, u32)> {
    let place = |found: &Diagnostic| (found.severity, found.code, found.place.line, found.place.column);
    config.diagnostics.iter().map(place).collect()
}

#[track_caller]
fn one(config: &Config) -> &Diagnostic {
    let [found] = config.diagnostics.as_slice() else { panic!("not one finding: {:?}", config.diagnostics) };
    found
}

fn seconds(config: &Config) -> Vec<u64> {
    config.responses[0].offenders.iter().map(Duration::as_secs).collect()
}

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
    <rules_id>5710, 5711 5712,</rules_id>\r
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
fn the_first_definition_counts_in_one_file_and_a_later_file_refines() {
    let first = Source::new(
        "ossec.conf",
        "<command><name>b</name><executable>b.sh</executable><expect>srcip</expect></command>
         <command><name>b</name><executable>other.sh</executable></command>",
    );
    let second = Source::new(
        "riposte.conf",
        "<command><name>b</name><timeout_allowed>yes</timeout_allowed><keys>data.user</keys>
         <capabilities><firewall/></capabilities><limits cpu=\"1s\"/></command>",
    );
    let config = Config::read(&[first, second]);
    assert_eq!(found(&config), [(Warning, "command-duplicate", 2, 10)]);
    let [command] = config.commands.as_slice() else { panic!("{:?}", config.commands) };
    assert_eq!(command.executable, "b.sh");
    assert_eq!(
        (command.timeout_allowed, command.expect.as_slice()),
        (Some(true), [Expect::SourceIp].as_slice())
    );
    assert_eq!(command.keys, ["/data/user".parse().unwrap()]);
    assert_eq!(
        command.capabilities.as_ref().and_then(|grants| grants.firewall.clone()),
        Some(Default::default())
    );
    assert_eq!(command.limits, Limits { cpu: Duration::from_secs(1), ..Limits::default() });
    assert_eq!(&*command.place.file, "ossec.conf");
    // The other way round: what a program is may be said later.
    let config = Config::read(&[second, first]);
    assert_eq!(codes(&config), ["command-duplicate"]);
    assert_eq!(
        (config.commands[0].executable.as_str(), config.commands[0].limits.cpu.as_secs()),
        ("b.sh", 1)
    );
}

#[test]
fn commands_in_full() {
    let config = read(
        "<command><name> yara </name><executable runtime=\"wasm\">yara</executable><expect>filename, user</expect>
         <timeout_allowed>no</timeout_allowed><extra_args> -r  /opt/rules&amp;more </extra_args>
         <keys>/data/srcip data.cloud.ip</keys><keys>/data/user</keys>
         <limits memory=\"32MiB\" cpu=\"250ms\" wall=\"1m\" concurrency=\"4\" answer=\"2s\" run=\"5m\"/></command>
         <command><name>mail</name><executable>mail-test.sh</executable><expect /></command>",
    );
    assert_eq!(codes(&config), [""; 0]);
    let [yara, mail] = config.commands.as_slice() else { panic!("{:?}", config.commands) };
    assert_eq!((&*yara.name, yara.runtime, yara.timeout_allowed), ("yara", Some(Runtime::Wasm), Some(false)));
    assert_eq!(yara.expect, [Expect::FileName, Expect::User]);
    assert_eq!(yara.extra_args, ["-r", "/opt/rules&more"]);
    assert_eq!(
        yara.keys.iter().map(Pointer::as_str).collect::<Vec<_>>(),
        ["/data/srcip", "/data/cloud/ip", "/data/user"]
    );
    let expected = Limits {
        memory: 32 << 20,
        cpu: Duration::from_millis(250),
        wall: Duration::from_secs(60),
        concurrency: Some(4),
        answer: Duration::from_secs(2),
        run: Duration::from_secs(300),
    };
    assert_eq!(yara.limits, expected);
    assert_eq!((mail.expect.len(), mail.timeout_allowed, mail.capabilities.clone()), (0, None, None));
}

#[test]
fn a_program_says_how_it_is_spoken_to() {
    let protocol = |executable: &str, expect: &str| {
        let config = read(&format!("<command><name>b</name>{executable}{expect}</command>"));
        assert_eq!(codes(&config), [""; 0], "{executable}");
        config.commands[0].protocol
    };
    assert_eq!(protocol("<executable>b.sh</executable>", ""), None);
    for (value, expected) in
        [("json", Protocol::Json), ("argv", Protocol::Argv), ("both", Protocol::Both), ("5", Protocol::Five)]
    {
        let executable = format!("<executable runtime=\"native\" protocol=\"{value}\">b.sh</executable>");
        assert_eq!(protocol(&executable, "<expect>srcip</expect>"), Some(expected));
    }
    for expect in ["<expect>srcip</expect>", "<expect />", "<expect></expect>"] {
        assert_eq!(protocol("<executable>b.sh</executable>", expect), Some(Protocol::Both));
    }
    let config = read("<command><name>b</name><executable protocol=\"xml\">b.sh</executable></command>");
    assert_eq!(codes(&config), ["value-invalid"]);
    assert!(config.commands.is_empty());
}

#[test]
fn commands_with_errors() {
    for (text, code, usable) in [
        ("<command><executable>b</executable></command>", "command-incomplete", false),
        ("<command><name>b</name></command>", "command-incomplete", false),
        ("<command><name>!b</name><executable>b</executable></command>", "value-invalid", false),
        ("<command><name>b\nc</name><executable>b</executable></command>", "value-invalid", false),
        ("<command><name>b</name><executable>../b</executable></command>", "value-invalid", false),
        ("<command><name>b</name><executable>/bin/b</executable></command>", "value-invalid", false),
        (
            "<command><name>b</name><executable runtime=\"jvm\">b</executable></command>",
            "value-invalid",
            false,
        ),
        (
            "<command><name>b</name><executable run=\"wasm\">b</executable></command>",
            "attribute-unknown",
            false,
        ),
        (
            "<command><name>b</name><executable>b</executable><executable>c</executable></command>",
            "element-repeated",
            false,
        ),
        (
            "<command><name>b</name><name>c</name><executable>b</executable></command>",
            "element-repeated",
            false,
        ),
        (
            "<command><name>b</name><executable>b</executable><keys>/a~</keys></command>",
            "value-invalid",
            false,
        ),
        (
            "<command><name>b</name><executable>b</executable><timeout_allowed>true</timeout_allowed></command>",
            "value-invalid",
            true,
        ),
        (
            "<command><name>b</name><executable>b</executable><expect>json</expect></command>",
            "expect-unknown",
            true,
        ),
        (
            "<command><name>b</name><executable>b</executable><expects>srcip</expects></command>",
            "element-unknown",
            true,
        ),
        (
            "<command><name>b</name><executable>b</executable><limits cpu=\"5\"/></command>",
            "value-invalid",
            true,
        ),
        (
            "<command><name>b</name><executable>b</executable><limits memory=\"1KiB\"/></command>",
            "value-invalid",
            true,
        ),
        (
            "<command><name>b</name><executable>b</executable><limits concurrency=\"0\"/></command>",
            "value-invalid",
            true,
        ),
        (
            "<command><name>b</name><executable>b</executable><limits disk=\"1GiB\"/></command>",
            "attribute-unknown",
            true,
        ),
    ] {
        let config = read(text);
        assert_eq!((codes(&config), config.commands.len() == 1), (vec![code], usable), "{text}");
    }
    let config = read(
        "<command><name>b</name><executable></executable></command>
<active-response><command>b</command><location>local</location><level>3</level></active-response>
<command><name>c</name><executable>c</executable></command>",
    );
    // A bad block is never silent, and never takes another with it.
    assert_eq!(found(&config), [(Error, "value-invalid", 1, 24), (Error, "command-unusable", 2, 18)]);
    assert_eq!(config.commands.len(), 1);
}

#[test]
fn grants() {
    let digest = "9f".repeat(32);
    let config = defined(&format!(
        "<capabilities sha256=\"{digest}, {digest}\"><firewall set=\"web\" widest4=\"24\" widest6=\"64\"/></capabilities>"
    ));
    assert_eq!(codes(&config), [""; 0]);
    let grants = config.commands[0].capabilities.clone().unwrap();
    assert_eq!(grants.digests, [Digest([0x9f; 32]); 2]);
    let firewall = FirewallGrant { set: "web".parse().unwrap(), widest4: 24, widest6: 64 };
    assert_eq!(grants.firewall, Some(firewall));
    assert_eq!(defined("<capabilities/>").commands[0].capabilities, Some(Grants::default()));
    let config = defined("<capabilities><firewall widest4=\"8\"/></capabilities>");
    assert_eq!(codes(&config), ["grant-beyond-guard"]);
}

#[test]
fn nothing_is_granted_that_cannot_be_read_or_enforced() {
    for (text, code, firewall) in [
        ("<firewal/>", "grant-unknown", false),
        ("<firewall/><http host=\"a.example\"/>", "grant-unenforced", true),
        ("<firewall sets=\"x\"/>", "attribute-unknown", false),
        ("<firewall set=\"Not A Set\"/>", "value-invalid", false),
        ("<firewall widest4=\"33\"/>", "value-invalid", false),
        ("<firewall>drop</firewall>", "value-invalid", false),
        ("<firewall><set/></firewall>", "element-unknown", false),
        ("<firewall set=\"a\"/><firewall set=\"b\"/>", "element-repeated", true),
    ] {
        let config = defined(&format!("<capabilities>{text}</capabilities>"));
        let grants = config.commands[0].capabilities.clone().unwrap();
        assert_eq!((codes(&config), grants.firewall.is_some()), (vec![code], firewall), "{text}");
    }
    for attribute in ["sha256=\"9f2c\"", "sha256=\"\"", "sha265=\"\"", "users=\"*\""] {
        let config = defined(&format!("<capabilities {attribute}><firewall/></capabilities>"));
        assert_eq!(config.commands[0].capabilities, Some(Grants::default()), "{attribute}");
        assert!(config.has_errors(), "{attribute}");
    }
    let config = defined("<capabilities><firewall/></capabilities><capabilities/>");
    assert_eq!(
        (codes(&config), config.commands[0].capabilities.clone()),
        (vec!["element-repeated"], Some(Grants::default()))
    );
    let config = defined("<capabilities><htp/></capabilities>");
    assert_eq!(one(&config).help, "did you mean http?");
    let all = [
        "route",
        "account",
        "service",
        "lines",
        "process",
        "exec",
        "state",
        "config",
        "secret",
        "folder",
        "http",
        "quarantine",
        "isolation",
        "mail",
    ];
    for grant in all {
        assert_eq!(
            codes(&defined(&format!("<capabilities><{grant}/></capabilities>"))),
            ["grant-unenforced"],
            "{grant}"
        );
    }
}

#[test]
fn responses_in_full() {
    let config = response(
        "<disabled>no</disabled><location>Defined-Agent</location><agent_id>32</agent_id>
         <rules_group>sshd,|PCI_DSS_11.4,</rules_group><timeout>1h</timeout>
         <repeated_offenders>1,5,10</repeated_offenders><ca_store>etc/wpk_root.pem</ca_store><mode>shadow</mode>",
    );
    assert_eq!(codes(&config), [""; 0]);
    let response = &config.responses[0];
    assert_eq!(response.location, Location::defined_agent("032"));
    assert_eq!(response.groups, ["sshd", "pci_dss_11.4"]);
    assert_eq!(response.timeout, Some(Duration::from_secs(3600)));
    assert_eq!(seconds(&config), [60, 300, 600]);
    assert_eq!(response.mode, Mode::Shadow);
}

#[test]
fn responses_with_errors() {
    for (text, code, used) in [
        ("<level>3</level>", "response-incomplete", false),
        ("<location>nowhere</location><level>3</level>", "location-unknown", false),
        ("<location>defined-agent</location><level>3</level>", "agent-missing", false),
        (
            "<location>defined-agent</location><agent_id>000</agent_id><level>3</level>",
            "agent-invalid",
            false,
        ),
        (
            "<location>defined-agent</location><agent_id>001,002</agent_id><level>3</level>",
            "agent-list",
            true,
        ),
        ("<location>local</location><agent_id>001</agent_id><level>3</level>", "agent-unused", true),
        ("<location>all</location><level>3</level>", "location-all", true),
        ("<location>local</location><level>0</level>", "level-invalid", false),
        ("<location>local</location><level>17</level><rules_id>1</rules_id>", "level-invalid", true),
        ("<location>local</location>", "trigger-missing", false),
        ("<location>local</location><rules_id>5710,5711}</rules_id>", "value-invalid", true),
        ("<location>local</location><rules_id>5710-5720</rules_id>", "value-invalid", false),
        ("<location>local</location><rules_id/>", "value-invalid", false),
        ("<location>local</location><rules_group> | </rules_group>", "value-invalid", false),
        ("<location>local</location><rules_group>^web,</rules_group>", "group-pattern", true),
        ("<location>local</location><level>3</level><timeout>ten</timeout>", "value-invalid", false),
        ("<location>local</location><level>3</level><mode>dry</mode>", "value-invalid", false),
        ("<location>local</location><level>3</level><disabled>off</disabled>", "value-invalid", false),
        ("<location>local</location><level>3</level><time_out>60</time_out>", "element-unknown", false),
        ("<location>local</location><rule_id>1</rule_id>", "element-unknown", false),
        ("<location>local</location><level>3</level><exclude>001</exclude>", "element-unenforced", false),
        ("<location>local</location><level>3</level><level>4</level>", "element-repeated", true),
        ("<location>local</location><level os=\"x\">3</level>", "attribute-unknown", true),
        ("<location>local</location>level>3</level><level>3", "xml-mismatched-tag", false),
        ("<location>local</location>timeout 3<level>3</level>", "text-stray", true),
        ("<location>local</location><level>3</level><disabled>yes</disabled>", "response-disabled", false),
        ("<disabled>yes</disabled><level>x</level>", "response-disabled", false),
    ] {
        let config = response(text);
        assert!(codes(&config).contains(&code), "{text}: {:?}", codes(&config));
        assert_eq!(config.responses.len() == 1, used, "{text}");
    }
    assert_eq!(
        response("<location>local</location><level>3</level><level>4</level>").responses[0].level,
        Some(4)
    );
    let config = response("<location>local</location><rule_id>1</rule_id>");
    assert_eq!(one(&config).help, "did you mean rules_id?");
}

#[test]
fn commands_that_are_not_there() {
    let used = |name: &str| {
        with_block(&format!(
            "\n<active-response><command>{name}</command><location>local</location><level>3</level></active-response>"
        ))
    };
    assert_eq!(used("block").responses.len(), 1);
    let config = used("blokc");
    assert_eq!(found(&config), [(Error, "command-undefined", 2, 18)]);
    assert_eq!(one(&config).help, "did you mean block?");
    let config = with_block(
        "<active-response><command><name>inner</name><executable>x</executable></command></active-response>
<active-response><command>inner</command><location>local</location><level>3</level></active-response>",
    );
    assert_eq!(codes(&config), ["command-nested", "command-undefined"]);
    assert!(config.diagnostics[1].help.contains("ossec.conf:1:"), "{}", config.diagnostics[1]);
    // What is switched off may name anything.
    let config = with_block(
        "<active-response><disabled>yes</disabled><command>later</command><level>3</level></active-response>",
    );
    assert_eq!(codes(&config), ["response-disabled"]);
}

#[test]
fn numbers_of_responses_do_not_change_when_one_is_switched_off() {
    let block = |extra| {
        format!(
            "<active-response><command>block</command><location>local</location><level>3</level>{extra}</active-response>"
        )
    };
    let config = with_block(
        &[block(""), block("<disabled>yes</disabled>"), block("<mode>x</mode>"), block("")].concat(),
    );
    let names: Vec<&str> = config.responses.iter().map(|response| &*response.name).collect();
    assert_eq!(names, ["block#1", "block#4"]);
}

#[test]
fn timeouts_and_who_allows_them() {
    let timeout = |allowed: &str, timeout: &str| {
        let config = read(&format!(
            "<command><name>b</name><executable>b</executable>{allowed}</command>
<active-response><command>b</command><location>local</location><level>3</level>{timeout}</active-response>"
        ));
        (codes(&config), config.responses[0].timeout.map(|timeout| timeout.as_secs()))
    };
    let (yes, no) = ("<timeout_allowed>yes</timeout_allowed>", "<timeout_allowed>no</timeout_allowed>");
    assert_eq!(timeout(yes, "<timeout>60</timeout>"), (vec![], Some(60)));
    // Who knows the built-in responses decides when the command does not say.
    assert_eq!(timeout("", "<timeout>60</timeout>"), (vec![], Some(60)));
    assert_eq!(timeout(no, "<timeout>60</timeout>"), (vec!["timeout-not-allowed"], None));
    assert_eq!(timeout(no, "<timeout>0</timeout>"), (vec![], None));
    assert_eq!(timeout(no, ""), (vec![], None));
}

#[test]
fn repeated_offenders() {
    let list = |list: &str| {
        response(&format!(
            "<location>local</location><level>3</level><timeout>60</timeout><repeated_offenders>{list}</repeated_offenders>"
        ))
    };
    assert_eq!(seconds(&list("30,60,120")), [1800, 3600, 7200]);
    assert_eq!(seconds(&list("1440")), [86_400]);
    assert_eq!(seconds(&list("90s, 1h, 5")), [90, 3600, 300]);
    assert_eq!(seconds(&list("0")), [0; 0]);
    let config = list("1800,3600,86400");
    assert_eq!(seconds(&config), [1800, 3600, 86_400]);
    assert_eq!((one(&config).severity, one(&config).code), (Warning, "offenders-in-seconds"));
    assert!(one(&config).help.contains("30m,1h,1d"), "{}", one(&config));
    let config = list("1,2,3,4,5,6");
    assert_eq!((codes(&config), seconds(&config).len()), (vec!["offenders-too-many"], 5));
    for wrong in ["", "abc,5", "1,0,2", "-5"] {
        let config = list(wrong);
        assert_eq!((codes(&config), config.responses.len()), (vec!["value-invalid"], 0), "{wrong}");
    }
    let config =
        response("<location>local</location><level>3</level><repeated_offenders>1</repeated_offenders>");
    assert_eq!((codes(&config), seconds(&config)), (vec!["offenders-without-timeout"], vec![]));
}

#[test]
fn the_agents_own_block() {
    let own = "<active-response><disabled>no</disabled><ca_store>x.pem</ca_store><ca_verification>yes</ca_verification><repeated_offenders>1,5</repeated_offenders></active-response>";
    let second = "<active-response><repeated_offenders>9</repeated_offenders></active-response>";
    let fires = |extra| {
        format!(
            "<active-response><command>block</command><location>local</location><level>3</level><timeout>60</timeout>{extra}</active-response>"
        )
    };
    let config =
        with_block(&[&fires(""), own, second, &fires("<repeated_offenders>7</repeated_offenders>")].concat());
    assert_eq!(codes(&config), [""; 0]);
    let lists: Vec<Vec<u64>> = config
        .responses
        .iter()
        .map(|found| found.offenders.iter().map(|span| span.as_secs() / 60).collect())
        .collect();
    assert_eq!(lists, [vec![1, 5], vec![7]]);
    let off = "<active-response><disabled>yes</disabled></active-response>";
    let config = with_block(&[off, &fires("")].concat());
    assert_eq!(
        ((one(&config).severity, one(&config).code), config.responses.len()),
        ((Warning, "active-response-disabled"), 0)
    );
    assert_eq!((one(&read(off)).severity, one(&read(off)).code), (Note, "active-response-disabled"));
}

#[test]
fn where_wazuh_fires_otherwise() {
    let differs = |text: &str| {
        let config = response(&format!("<location>local</location>{text}"));
        config.diagnostics.iter().map(|found| (found.severity, found.code)).collect::<Vec<_>>()
    };
    assert_eq!(differs("<level>10</level><rules_group>sshd,</rules_group>"), [(Warning, "matching-differs")]);
    assert_eq!(differs("<rules_group>a,b</rules_group>"), [(Note, "matching-differs")]);
    assert_eq!(differs("<rules_group>a|b,</rules_group>"), [(Note, "matching-differs")]);
    assert_eq!(differs("<rules_group>a,|b,</rules_group>"), []);
    assert_eq!(differs("<level>10</level><rules_id>5710</rules_id>"), []);
}

#[test]
fn the_white_list() {
    let list = |text: &str| read(&format!("<global><white_list>{text}</white_list></global>"));
    assert_eq!(list("192.0.2.0/255.255.255.0").white_list, ["192.0.2.0/24".parse().unwrap()]);
    assert_eq!(list("2001:db8::/32, ::ffff:192.0.2.7 192.0.2.7").white_list.len(), 2);
    assert_eq!((codes(&list("!10.0.0.1")), list("!10.0.0.1").white_list.len()), (vec!["value-invalid"], 0));
    assert_eq!(codes(&list("10.0.0.0/33")), ["value-invalid"]);
    assert_eq!(codes(&list("dns.example")), ["white-list-host"]);
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

use crate::grant::{Digest, FirewallGrant};

#[test]
fn how_the_engine_does_what_differs() {
    let settings = |text: &str, role| {
        let config =
            Config::read_as(&[Source::new("riposte.conf", &format!("<riposte>{text}</riposte>"))], role);
        (codes(&config), config.settings)
    };
    let all = "<matching>wazuh-4.x</matching><key>wazuh</key><offences>wazuh</offences><on_stop>revert</on_stop>\
        <execd>yes</execd><link>firewall-drop</link><link>host-deny</link><link>host-deny</link>";
    let wazuh = Settings {
        matching: Way::Wazuh,
        key: Way::Wazuh,
        offences: Way::Wazuh,
        on_stop: OnStop::Revert,
        execd: Some(true),
        links: vec!["firewall-drop".to_owned(), "host-deny".to_owned()],
    };
    assert_eq!(settings(all, Role::Standalone), (vec![], wazuh));
    let ours = "<matching>documented</matching><key>riposte</key><offences>riposte</offences><on_stop>keep</on_stop>";
    assert_eq!(settings(ours, Role::Execd), (vec![], Settings::of(Role::Standalone)));
    assert_eq!(settings("", Role::Execd).1, Settings::of(Role::Execd));
    for (text, code, help) in [
        ("<matching>wazuh</matching>", "value-invalid", "did you mean wazuh-4.x?"),
        ("<matching>5</matching>", "value-invalid", "write documented or wazuh-4.x."),
        ("<key>wasuh</key>", "value-invalid", "did you mean wazuh?"),
        ("<execd/>", "value-invalid", "write yes or no."),
        ("<link>../x</link>", "value-invalid", "name a program of active-response/bin, without its folder."),
        ("<onstop>keep</onstop>", "element-unknown", "did you mean on_stop?"),
    ] {
        let config = read(&format!("<riposte>{text}</riposte>"));
        assert_eq!((one(&config).code, one(&config).help.as_str()), (code, help), "{text}");
        assert_eq!((config.has_errors(), config.settings), (true, Settings::default()), "{text}");
    }
}

#[test]
fn a_later_file_says_otherwise_and_one_file_only_once() {
    let first = Source::new(
        "a",
        "<riposte><key>wazuh</key></riposte><riposte>\n<key>riposte</key><link>x</link></riposte>",
    );
    let second = Source::new("b", "<riposte><key>riposte</key><link>y</link></riposte>");
    let config = Config::read(&[first]);
    assert_eq!(found(&config), [(Warning, "element-repeated", 2, 1)]);
    assert_eq!(config.settings.key, Way::Wazuh);
    let config = Config::read(&[first, second]);
    assert_eq!((codes(&config).len(), config.settings.key), (1, Way::Riposte));
    assert_eq!(config.settings.links, ["x", "y"]);
}

#[test]
fn locations_and_their_combinations() {
    let location = |text: &str, role| {
        let block = format!(
            "<command><name>b</name><executable>b</executable></command>
<active-response><command>b</command><location>{text}</location><agent_id>7</agent_id><level>3</level></active-response>"
        );
        let config = Config::read_as(&[Source::new("f", &block)], role);
        let found: Vec<_> = codes(&config).into_iter().filter(|code| code.starts_with("location")).collect();
        (config.responses.first().map(|response| response.location.to_string()), found)
    };
    let standalone = |text: &str| location(text, Role::Standalone);
    let at = |words: &str| Some(words.to_owned());
    for word in ["server", "AS", "as", "analysisd", "analysis-server"] {
        assert_eq!(standalone(word), (at("server"), vec![]), "{word}");
    }
    for word in ["all", "any", "ANY"] {
        assert_eq!(standalone(word), (at("all"), vec!["location-all"]), "{word}");
    }
    for words in ["local,server", "server | local", "local AS"] {
        assert_eq!(standalone(words), (at("local,server"), vec!["location-combined"]), "{words}");
    }
    assert_eq!(standalone("all,server"), (at("server,all"), vec!["location-all", "location-combined"]));
    assert_eq!(standalone("defined-agent,local").0, at("local,defined-agent"));
    for words in ["locally", "local,serwer", "", ",", "defined agent"] {
        assert_eq!(standalone(words), (None, vec!["location-unknown"]), "{words}");
    }
    let wazuh = |text: &str| location(text, Role::Manager);
    assert_eq!(wazuh("local,server"), (at("local,server"), vec!["location-combined"]));
    assert_eq!(wazuh("localhost"), (at("local"), vec!["location-loose"]));
    // Nobody who writes it means all agents, but Wazuh reads it so.
    assert_eq!(
        wazuh("locally"),
        (at("local,all"), vec!["location-loose", "location-all", "location-combined"])
    );
    assert_eq!(wazuh("nowhere"), (None, vec!["location-unknown"]));
}
