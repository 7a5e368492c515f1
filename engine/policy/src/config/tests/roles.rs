//! What a file means to an engine that stands in for a part of Wazuh, and what
//! that part logs.

use super::*;

fn read_as(role: Role, text: &str) -> Config {
    Config::read_as(&[Source::new("ossec.conf", text)], role)
}

/// As a manager reads one response to `block`, which allows a timeout.
fn managed(text: &str) -> Config {
    let block = "<command><name>block</name><executable>block</executable><timeout_allowed>yes</timeout_allowed></command>";
    read_as(
        Role::Manager,
        &format!("{block}<active-response><command>block</command>{text}</active-response>"),
    )
}

/// Severity, code and what Wazuh logs.
fn said(config: &Config) -> Vec<(Severity, &'static str, &str)> {
    config.diagnostics.iter().map(|found| (found.severity, found.code, found.wazuh.as_str())).collect()
}

#[test]
fn what_wazuh_logs_for_a_command() {
    let said = |text: &str| {
        let config = read(&format!("<command>{text}</command>"));
        one(&config).wazuh.clone()
    };
    let incomplete = "(1280): Missing command options. You must specify a 'name' and 'executable'.";
    assert_eq!(said("<name>b</name>"), incomplete);
    assert_eq!(said("<executable>b</executable>"), incomplete);
    let named = "<name>b</name><executable>b</executable>";
    assert_eq!(
        said("<name>!b</name><executable>b</executable>"),
        "(1235): Invalid value for element 'name': !b."
    );
    assert_eq!(
        said(&format!("{named}<timeout_allowed>YES</timeout_allowed>")),
        "(1235): Invalid value for element 'timeout_allowed': YES."
    );
    assert_eq!(said(&format!("{named}<lvl/>")), "(1230): Invalid element in the configuration: 'lvl'.");
    // What is ours alone, Wazuh has no word for.
    assert_eq!(said(&format!("{named}<keys>/a~</keys>")), "");
}

#[test]
fn what_a_manager_logs_for_a_response() {
    let said = |text: &str| {
        let config = managed(text);
        let found = config.diagnostics.iter().find(|found| !found.wazuh.is_empty());
        let found = found.unwrap_or_else(|| panic!("{text}: {:?}", config.diagnostics));
        (found.severity, found.wazuh.clone())
    };
    let local = "<location>local</location>";
    for (text, severity, wazuh) in [
        ("<level>3</level>", Error, "(1281): Missing options in the active response configuration."),
        ("<location>nowhere</location>", Error, "(1302): Invalid active response location: 'nowhere'."),
        ("<location>defined-agent</location>", Error, "(1304): No agent defined for response."),
        (
            "<location>defined-agent</location><agent_id>0</agent_id>",
            Warning,
            "(1306): Invalid agent ID. Use location=server to run AR on the manager.",
        ),
        (
            "<location>local</location><level>21</level>",
            Error,
            "(1235): Invalid value for element 'level': 21.",
        ),
        (
            "<location>local</location><disabled>on</disabled>",
            Error,
            "(1235): Invalid value for element 'disabled': on.",
        ),
        (
            "<location>local</location><rule_id>1</rule_id>",
            Error,
            "(1230): Invalid element in the configuration: 'rule_id'.",
        ),
        (
            "<location>local</location><ca_verification>yes</ca_verification>",
            Error,
            "(1230): Invalid element in the configuration: 'ca_verification'.",
        ),
    ] {
        assert_eq!(said(text), (severity, wazuh.to_owned()), "{text}");
    }
    let config = read_as(
        Role::Manager,
        &format!(
            "<command><name>x</name><executable>x</executable></command><active-response><command>x</command>{local}\
             <level>3</level><timeout>60</timeout></active-response>"
        ),
    );
    assert_eq!(
        super::roles::said(&config),
        [(Warning, "timeout-not-allowed", "(1305): Timeout not allowed for command: 'x'.")]
    );
    assert_eq!((config.responses[0].timeout, config.commands[0].timeout_allowed), (None, Some(false)));
}

#[test]
fn a_manager_asks_for_commands_first() {
    let response =
        "<active-response><command>x</command><location>local</location><level>3</level></active-response>";
    let command = "<command><name>x</name><executable>x</executable></command>";
    let late = format!("{response}{command}");
    let config = read_as(Role::Manager, &late);
    let wazuh = "(1303): Invalid command 'x' in the active response.";
    assert_eq!(said(&config), [(Warning, "command-order", wazuh)]);
    assert_eq!(config.responses.len(), 1);
    assert_eq!(codes(&read(&late)), [""; 0]);
    assert_eq!(codes(&read_as(Role::Manager, &format!("{command}{response}"))), [""; 0]);
    assert_eq!(said(&read_as(Role::Manager, response)), [(Error, "command-undefined", wazuh)]);
}

#[test]
fn a_manager_keeps_what_no_alert_fires() {
    let config = managed("<location>local</location><timeout>600</timeout>");
    assert_eq!(
        (codes(&config), config.responses[0].timeout),
        (vec!["trigger-missing"], Some(Duration::from_secs(600)))
    );
    // What it lacks is for agents.
    let config = managed("<repeated_offenders>1,5</repeated_offenders>");
    assert_eq!((said(&config), config.responses.len()), (vec![(Warning, "response-incomplete", "")], 0));
    let own = "<active-response><repeated_offenders>1,5</repeated_offenders></active-response>";
    assert_eq!(codes(&read_as(Role::Manager, own)), [""; 0]);
    let own = "<active-response><disabled>no</disabled></active-response>";
    assert_eq!(codes(&read_as(Role::Manager, own)), ["response-incomplete"]);
}

#[test]
fn numbers_mean_what_they_mean_to_wazuh() {
    let fires = "<location>local</location><level>3</level>";
    for (text, code) in [
        ("<timeout>1h</timeout>", "value-invalid"),
        ("<timeout>60</timeout><repeated_offenders>1h,2h</repeated_offenders>", "value-invalid"),
        ("<timeout>-5</timeout>", "value-invalid"),
    ] {
        let config = managed(&format!("{fires}{text}"));
        assert_eq!((codes(&config), config.responses.len()), (vec![code], 0), "{text}");
        assert!(config.has_errors(), "{text}");
    }
    let list = |list: &str| {
        let config =
            managed(&format!("{fires}<timeout>60</timeout><repeated_offenders>{list}</repeated_offenders>"));
        let minutes =
            config.responses[0].offenders.iter().map(|span| span.as_secs() / 60).collect::<Vec<_>>();
        (minutes, config.diagnostics.iter().map(|found| found.wazuh.clone()).collect::<Vec<_>>())
    };
    // Never seconds, however large.
    assert_eq!(list("1800, 3600,86400"), (vec![1800, 3600, 86_400], vec![]));
    assert_eq!(list("1,5,abc,7"), (vec![1, 5], vec!["Adding offenders timeout: 0 (for #3)".to_owned()]));
    assert_eq!(list("0,5"), (vec![], vec!["Adding offenders timeout: 0 (for #1)".to_owned()]));
    assert_eq!(list("1,-2,3"), (vec![1], vec!["Adding offenders timeout: 0 (for #2)".to_owned()]));
    assert_eq!(list("2, 7,,30"), (vec![2, 7, 30], vec![]));
    assert_eq!(list("1,2x,3"), (vec![1, 2, 3], vec![String::new()]));
    assert_eq!(list("1,2,3,4,5,6"), (vec![1, 2, 3, 4, 5], vec![String::new()]));
    // Levels above those of rules are taken, and rules up to what is no number.
    let config = managed(
        "<location>local</location><level>18</level><rules_id>5710-5720, 5730,,x,5740</rules_id><timeout>0</timeout>",
    );
    assert_eq!(
        (config.responses[0].level, config.responses[0].rules.as_slice()),
        (Some(18), [5710, 5730].as_slice())
    );
    assert_eq!(codes(&config), ["level-invalid", "value-invalid", "value-invalid"]);
    assert!(!config.has_errors());
    let config = managed("<location>local</location><level>0</level>");
    assert_eq!((config.responses[0].level, config.has_errors()), (None, false));
}

#[test]
fn execd_reads_what_is_its_own() {
    let text = "<active-response><command>block</command><location>moon</location><no_such>1</no_such></active-response>
<active-response><command>block</command><location>local</location><repeated_offenders>1,5</repeated_offenders></active-response>
<active-response><disabled>no</disabled><ca_verification>no</ca_verification><repeated_offenders>9</repeated_offenders></active-response>
<active-response><disabled>yes</disabled></active-response>
<command><name>block</name><executable>block</executable><capabilities><firewall/></capabilities></command>
<global><white_list>192.0.2.7</white_list></global>
<riposte><execd>yes</execd></riposte>";
    let config = read_as(Role::Execd, text);
    assert_eq!(found(&config), [(Note, "responses-unused", 1, 1), (Note, "ca-unused", 3, 41)]);
    assert_eq!((config.responses.len(), config.commands.len()), (0, 1));
    assert!(config.commands[0].capabilities.is_some());
    // Who knows the program decides: ar.conf says how long.
    assert_eq!(config.commands[0].timeout_allowed, None);
    // The first that says something is heard, as in Wazuh.
    assert!(!config.disabled);
    assert_eq!(*config.offenders, [Duration::from_secs(60), Duration::from_secs(300)]);
    assert_eq!((config.white_list.len(), config.settings.execd), (1, Some(true)));
    let off = read_as(Role::Execd, "<active-response><disabled>yes</disabled></active-response>");
    assert!(off.disabled && !off.has_errors());
}

#[test]
fn execd_refuses_what_wazuh_refuses() {
    let config = read_as(Role::Execd, "<active-response><disabled>maybe</disabled></active-response>");
    assert_eq!(
        said(&config),
        [(Error, "value-invalid", "(1235): Invalid value for element 'disabled': maybe.")]
    );
    let config = read_as(
        Role::Execd,
        "<active-response><repeated_offenders>abc,5</repeated_offenders></active-response>",
    );
    assert_eq!(said(&config), [(Warning, "value-invalid", "Adding offenders timeout: 0 (for #1)")]);
    assert!(config.offenders.is_empty());
    let config =
        read_as(Role::Execd, "<active-response><repeated_ofenders>1</repeated_ofenders></active-response>");
    assert_eq!(
        (said(&config), one(&config).help.as_str()),
        (vec![(Warning, "element-unknown", "")], "did you mean repeated_offenders?")
    );
}

/// The example of Wazuh's reference, both ways.
#[test]
fn whose_way_of_matching() {
    let fires = |role, settings: &str| {
        let config = read_as(
            role,
            &format!(
                "<command><name>block</name><executable>block</executable></command>
<active-response><command>block</command><location>local</location><level>10</level>
<rules_group>sshd,|pci_dss_11.4,</rules_group></active-response>{settings}"
            ),
        );
        let [response] = config.responses.as_slice() else { panic!("{:?}", config.diagnostics) };
        let pattern = response.pattern.as_ref().map(|pattern| pattern.as_str().to_owned());
        (response.matching, pattern, one(&config).severity)
    };
    let pattern = || Some("sshd,|pci_dss_11.4,".to_owned());
    let (ours, theirs) = (
        "<riposte><matching>documented</matching></riposte>",
        "<riposte><matching>wazuh-4.x</matching></riposte>",
    );
    assert_eq!(fires(Role::Standalone, ""), (Way::Riposte, None, Warning));
    assert_eq!(fires(Role::Manager, ""), (Way::Wazuh, pattern(), Warning));
    // Who settles it has been warned.
    assert_eq!(fires(Role::Standalone, theirs), (Way::Wazuh, pattern(), Note));
    assert_eq!(fires(Role::Manager, ours), (Way::Riposte, None, Note));
    let config = managed(r"<location>local</location><rules_group>web\n,</rules_group><timeout>0</timeout>");
    assert_eq!(codes(&config), ["matching-differs", "group-pattern"]);
    assert!(!config.responses[0].pattern.as_ref().unwrap().is_in("web\\n,"));
}
