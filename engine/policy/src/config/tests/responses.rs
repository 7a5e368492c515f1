//! `<active-response>`.

use super::*;

#[test]
fn responses_in_full() {
    let config = response(
        "<disabled>no</disabled><location>Defined-Agent</location><agent_id>32</agent_id>
         <rules_group>sshd,|PCI_DSS_11.4,</rules_group><timeout>1h</timeout>
         <repeated_offenders>1,5,10</repeated_offenders><ca_store>etc/wpk_root.pem</ca_store><mode>shadow</mode>",
    );
    assert_eq!(codes(&config), ["ca-unused"]);
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
    assert_eq!(codes(&config), ["ca-unused"]);
    assert_eq!(
        (config.ca_stores.as_slice(), config.ca_verification),
        (["x.pem".to_owned()].as_slice(), Some(true))
    );
    assert_eq!((config.disabled, config.offenders.len()), (false, 2));
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
    assert!(config.disabled);
    assert_eq!((one(&read(off)).severity, one(&read(off)).code), (Note, "active-response-disabled"));
}

#[test]
fn where_wazuh_fires_otherwise() {
    let read = |way: &str, text: &str| {
        response(&format!(
            "<location>local</location>{text}</active-response><riposte><matching>{way}</matching></riposte><active-response><disabled>no</disabled>"
        ))
    };
    for (text, documented, wazuh) in [
        (
            "<level>10</level><rules_group>sshd,</rules_group>",
            "a rule of level 10 in none of the groups fires it here alone",
            "a rule of level 10 in none of the groups does not fire it",
        ),
        (
            "<rules_group>recon,scans</rules_group>",
            "a rule of the group recon alone fires it here alone",
            "a rule of the group recon alone does not fire it here",
        ),
        (
            "<rules_group>web|sshd,</rules_group>",
            "web_attack fires it there alone",
            "web_attack fires it here alone",
        ),
        (
            "<rules_group>mine</rules_group>",
            "mine_other fires it there alone",
            "mine_other fires it here alone",
        ),
        (
            "<rules_group>authentication_failed,</rules_group>",
            "win_authentication_failed fires it there alone",
            "win_authentication_failed fires it here alone",
        ),
        ("<rules_group>^web,</rules_group>", "\"^web,\" is a pattern", "\"^web,\" is a pattern"),
        (
            "<rules_group>(web,</rules_group>",
            "the group (web fires it here alone",
            "the group (web does not fire it here",
        ),
    ] {
        for (way, example) in [("documented", documented), ("wazuh-4.x", wazuh)] {
            let config = read(way, text);
            let found = config.diagnostics.iter().find(|found| found.code == "matching-differs").unwrap();
            assert!(found.message.contains(example), "{found}");
            assert!(found.help.contains("<riposte><matching>documented</matching></riposte>"), "{found}");
            assert_eq!(found.severity, Note);
        }
    }
    for text in
        ["<rules_group>sshd,|web_attacks,</rules_group>", "<level>10</level><rules_id>5710</rules_id>"]
    {
        assert_eq!(codes(&read("documented", text)), [""; 0], "{text}");
        assert_eq!(codes(&read("wazuh-4.x", text)), [""; 0], "{text}");
    }
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
