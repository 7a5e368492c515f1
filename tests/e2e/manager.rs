//! A manager's side: stock agents behind a socket, another dispatcher beside.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user, the manager's daemons and its agents"
)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Child, Command, Stdio};

use riposte_tests::{Engine, Host, address, sshd, until};
use serde_json::Value;

const COMMANDS: &str = "<command><name>block</name><executable>firewall-drop</executable><timeout_allowed>yes</timeout_allowed></command>
    <command><name>tell</name><executable>tell-somebody.sh</executable><extra_args>-q  it's</extra_args></command>";

/// A manager's home with its daemons: what they take and answer is the test's.
struct Manager {
    host: Host,
    remoted: Option<UnixDatagram>,
}

impl Manager {
    fn new(responses: &str) -> Self {
        let host = Host::new();
        for folder in ["queue/alerts", "queue/db", "queue/sockets", "etc/shared", "var/run", "logs"] {
            std::fs::create_dir_all(host.path(folder)).unwrap();
        }
        let manager = Self { host, remoted: None };
        manager.configure(responses);
        manager
    }

    fn configure(&self, responses: &str) {
        self.host
            .configure(&format!("<cluster><node_name>node01</node_name></cluster>\n{COMMANDS}\n{responses}"));
    }

    /// Plays the network daemon.
    fn with_remoted(mut self) -> Self {
        self.bind();
        self
    }

    fn bind(&mut self) {
        let path = self.host.path("queue/alerts/ar");
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(120))).unwrap();
        self.remoted = Some(socket);
    }

    /// Plays wazuh-db with these agents: number, version, whether connected.
    fn with_agents(self, agents: &[(u32, &str, bool)]) -> Self {
        let listener = UnixListener::bind(self.host.path("queue/db/wdb")).unwrap();
        let agents: Vec<_> =
            agents.iter().map(|(id, version, active)| (*id, (*version).to_owned(), *active)).collect();
        std::thread::spawn(move || {
            for peer in listener.incoming() {
                let mut peer = peer.unwrap();
                let mut length = [0; 4];
                while peer.read_exact(&mut length).is_ok() {
                    let mut question = vec![0; u32::from_le_bytes(length) as usize];
                    peer.read_exact(&mut question).unwrap();
                    let question = String::from_utf8(question).unwrap();
                    let answer = answer(&agents, &question);
                    peer.write_all(&u32::try_from(answer.len()).unwrap().to_le_bytes()).unwrap();
                    peer.write_all(answer.as_bytes()).unwrap();
                }
            }
        });
        self
    }

    fn start(&self, arguments: &[&str]) -> Engine {
        self.host.start_as("manager", arguments)
    }

    /// The next datagram that the network daemon gets.
    fn datagram(&self) -> String {
        let mut bytes = vec![0; 70_000];
        let length = self.remoted.as_ref().unwrap().recv(&mut bytes).unwrap();
        bytes.truncate(length);
        assert_eq!(bytes.pop(), Some(0));
        String::from_utf8(bytes).unwrap()
    }

    /// Starts something that lives, and says that it is wazuh-analysisd.
    fn with_analysisd(&self) -> Analysisd {
        let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let file = format!("var/run/wazuh-analysisd-{}.pid", child.id());
        self.host.write(&file, format!("{}\n", child.id()));
        Analysisd(child)
    }
}

fn answer(agents: &[(u32, String, bool)], question: &str) -> String {
    if question == "global get-agents-by-connection-status 0 active" {
        let active: Vec<_> =
            agents.iter().filter(|agent| agent.2).map(|agent| format!("{{\"id\":{}}}", agent.0)).collect();
        return format!("ok [{}]", active.join(","));
    }
    let id: u32 = question.strip_prefix("global get-agent-info ").unwrap().parse().unwrap();
    match agents.iter().find(|agent| agent.0 == id) {
        Some((id, version, active)) => {
            let status = if *active { "active" } else { "disconnected" };
            format!(
                r#"ok [{{"id":{id},"name":"a{id}","version":"{version}","connection_status":"{status}"}}]"#
            )
        }
        None => "ok []".to_owned(),
    }
}

struct Analysisd(Child);

impl Analysisd {
    fn end(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Analysisd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An alert from an agent.
fn from(agent: &str, alert: &str) -> String {
    alert.replace(
        r#""agent":{"id":"000","name":"host"}"#,
        &format!(r#""agent":{{"id":"{agent}","name":"web","ip":"192.0.2.31"}}"#),
    )
}

fn response(command: &str, rest: &str) -> String {
    format!("<active-response><command>{command}</command>{rest}<rules_id>5712</rules_id></active-response>")
}

/// To 4.x both must match, level and group.
#[test]
fn what_explain_counts_beside_a_manager_is_what_the_manager_fires() {
    let manager = Manager::new(
        "<active-response><command>block</command><location>server</location>
         <level>3</level><rules_group>no-such-group,</rules_group></active-response>",
    );
    manager.host.write("log.json", [sshd(1, "198.18.0.1"), sshd(2, "198.18.0.2")].join("\n"));
    let engine = manager.start(&[]);
    let log = manager.host.path("log.json").display().to_string();
    let counted = manager.host.riposte(&["explain", "--alert", &log]);
    assert!(counted.out.contains("2 alerts, 0 of them fire a response"), "{counted:?}");
    let each = manager.host.riposte(&["explain", "--alert", &log, "--json"]);
    assert!(each.out.lines().count() == 2 && !each.out.contains("\"fires\":true"), "{each:?}");
    engine.stop();
}

#[test]
fn an_agents_alert_goes_back_to_the_agent_byte_for_byte() {
    let manager = Manager::new(
        &(response("block", "<location>local</location><timeout>600</timeout>")
            + &response("tell", "<location>defined-agent</location><agent_id>7</agent_id>")),
    )
    .with_remoted()
    .with_agents(&[(3, "Wazuh v4.14.1", true), (7, "Wazuh v4.1.5", true)]);
    let engine = manager.start(&[]);
    let alert = from("003", &sshd(1, &address(1)));
    manager.host.alerts(std::slice::from_ref(&alert));
    let mut got = [manager.datagram(), manager.datagram()];
    got.sort();
    assert_eq!(
        got,
        [
            format!(
                r#"(local_source) [] NNS 007 tell0 - {} 1763632800.1 5712 (web) 192.0.2.31->/var/log/auth.log - -q it\'s"#,
                address(1)
            ),
            format!(
                r#"(local_source) [] NRN 003 {{"version":1,"origin":{{"name":"node01","module":"wazuh-analysisd"}},"command":"block600","parameters":{{"extra_args":[],"alert":{alert}}}}}"#
            ),
        ]
    );
    until("both are written down", || manager.host.count("handed-over") == 2);
    let entries = manager.host.entries();
    let block = entries.iter().find(|entry| entry["command"] == "block").unwrap();
    assert_eq!((&block["agent"], &block["keys"][0]), (&Value::from("003"), &Value::from(address(1))));
    assert!(manager.host.elements("drop4").is_empty(), "nothing happens here");
    assert!(!manager.host.riposte(&["list"]).out.contains("block"), "it is not in force here");
    let listed = manager.host.riposte(&["list", "--all"]);
    assert!(listed.out.contains("handed-over"), "{listed:?}");

    // Undoing it is that machine's.
    let line = format!(
        r#"{{"version":1,"origin":{{"name":"","module":"wazuh-analysisd"}},"command":"delete","parameters":{{"extra_args":[],"alert":{{"data":{{"srcip":"{}"}}}}}}}}"#,
        address(1)
    );
    for target in [block["id"].to_string(), address(1)] {
        let undone = manager.host.riposte(&["undo", &target]);
        assert_eq!(undone.code, 4, "{undone:?}");
        assert!(undone.out.contains(&format!("riposte undo {}", address(1))), "{undone:?}");
        assert!(
            undone.out.contains(&format!("echo '{line}' | /var/ossec/active-response/bin/firewall-drop")),
            "{undone:?}"
        );
    }
    let all = manager.host.riposte(&["undo", "--all"]);
    assert_eq!(all.code, 4, "{all:?}");
    assert!(all.out.contains("they still stand: 1 (003)"), "the other has no way back: {all:?}");
    let shared = manager.host.read("etc/shared/ar.conf");
    assert!(shared.starts_with("restart-ossec0 - restart-ossec.sh - 0\n"), "{shared}");
    assert!(shared.ends_with("block600 - firewall-drop - 600\ntell0 - tell-somebody.sh - 0\n"), "{shared}");
    std::fs::write(manager.host.path("etc/shared/ar.conf"), "other0 - other - 0\n").unwrap();
    until("what a manager's start took away is back", || {
        let shared = manager.host.read("etc/shared/ar.conf");
        shared.starts_with("other0 - other - 0\n") && shared.contains("block600 - firewall-drop - 600\n")
    });
    drop(engine);
}

#[test]
fn what_to_run_elsewhere_holds_no_text_of_an_attackers() {
    let manager = Manager::new(
        &("<command><name>path</name><executable>it's.sh</executable><keys>syscheck.path</keys></command>"
            .to_owned()
            + &response("path", "<location>local</location>")),
    )
    .with_remoted()
    .with_agents(&[(3, "Wazuh v4.9.0", true)]);
    let _engine = manager.start(&[]);
    let path = "--all'; reboot #";
    let alert = sshd(1, &address(1)).replacen('{', &format!(r#"{{"syscheck":{{"path":"{path}"}},"#), 1);
    manager.host.alerts(&[from("003", &alert)]);
    until("it is written down", || manager.host.count("handed-over") == 1);
    let undone = manager.host.riposte(&["undo", &manager.host.entries()[0]["id"].to_string()]);
    assert_eq!(undone.code, 4, "{undone:?}");
    assert!(!undone.out.contains("riposte undo") && !undone.out.contains("echo"), "{undone:?}");
    assert!(undone.out.contains(r"/var/ossec/active-response/bin/'it'\''s.sh'"), "{undone:?}");
    assert!(undone.out.contains("(its key is \"--all'; reboot #\")"), "{undone:?}");
}

#[test]
fn what_is_for_this_machine_runs_here() {
    let manager =
        Manager::new(&(response("block", "<location>local</location><timeout>600</timeout>"))).with_remoted();
    let _engine = manager.start(&[]);
    manager.host.alerts(&[sshd(1, &address(1))]);
    until("it is blocked", || manager.host.elements("drop4") == [address(1)]);
    until("it is written down", || manager.host.count("in-force") == 1);
}

#[test]
fn all_is_one_message_for_each_connected_agent() {
    let manager = Manager::new(&response("block", "<location>all</location><timeout>60</timeout>"))
        .with_remoted()
        .with_agents(&[
            (1, "Wazuh v4.9.0", true),
            (2, "Wazuh v4.9.0", false),
            (3, "Wazuh v4.2.0", true),
            (4, "", true),
        ]);
    let _engine = manager.start(&[]);
    manager.host.alerts(&[from("002", &sshd(1, &address(1)))]);
    let mut headers: Vec<_> = [manager.datagram(), manager.datagram()]
        .map(|text| text.split_once(" {").unwrap().0.to_owned())
        .to_vec();
    headers.sort();
    assert_eq!(headers, ["(local_source) [] NNS 001", "(local_source) [] NNS 003"]);
    until("both are written down", || manager.host.count("handed-over") == 2);
    until("the one without a version is reported", || manager.host.events("undeliverable").len() == 1);
    assert_eq!(manager.host.events("undeliverable")[0]["agent"], "004");
    assert!(manager.host.elements("drop4").is_empty(), "the manager is none of them");
}

#[test]
fn what_wazuh_skips_is_skipped_and_said() {
    let manager = Manager::new(
        &("<global><white_list>198.18.0.9</white_list></global>".to_owned()
            + &response("tell", "<location>local</location>")),
    )
    .with_remoted()
    .with_agents(&[(3, "Wazuh v4.9.0", true), (5, "Wazuh v4.9.0", false)]);
    let engine = manager.start(&[]);
    manager.host.alerts(&[
        from("003", &sshd(1, "192.0.2.7;reboot")),
        from("003", &sshd(2, &address(9))),
        from("005", &sshd(3, &address(3))),
        from("006", &sshd(4, &address(4))),
        from("003", &sshd(5, &address(5))),
        from("003", &sshd(6, &address(9)).replace("srcip", "SrcIP")),
        from(r"7\nforged", &sshd(7, &address(7))),
    ]);
    assert!(manager.datagram().contains(&address(5)), "only the last one is sent");
    until("all are decided", || {
        manager.host.events("refused").len() == 3 && manager.host.events("undeliverable").len() == 3
    });
    let said = |kind: &str| -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        manager
            .host
            .events(kind)
            .iter()
            .map(|event| (text(&event["alert_id"]), text(&event["detail"])))
            .collect()
    };
    let (refused, undeliverable) = (said("refused"), said("undeliverable"));
    assert!(
        refused["1763632800.1"]
            .contains("(1271): Invalid IP Address '192.0.2.7;reboot'. Possible logging attack."),
        "{refused:?}"
    );
    assert!(refused["1763632800.2"].contains("white_list"), "{refused:?}");
    assert!(refused["1763632800.6"].contains("white_list"), "an agent reads that too: {refused:?}");
    assert!(undeliverable["1763632800.3"].contains("agent 005 is not connected"), "{undeliverable:?}");
    assert!(
        undeliverable["1763632800.7"].contains(r#""7\nforged" is no agent's number"#),
        "{undeliverable:?}"
    );
    assert!(!engine.log().contains("\nforged"), "{}", engine.log());
    assert!(undeliverable["1763632800.4"].contains("knows no agent 006"), "{undeliverable:?}");
}

#[test]
fn a_network_daemon_that_comes_later_gets_what_waited() {
    let mut manager = Manager::new(&response("block", "<location>local</location><timeout>60</timeout>"));
    let engine = manager.start(&["--assume-agents", "4.2"]);
    manager.host.alerts(&[from("003", &sshd(1, &address(1)))]);
    until("the alert was read", || {
        engine.log().contains("fired") || manager.host.riposte(&["status"]).code == 0
    });
    manager.bind();
    assert!(manager.datagram().contains("block60"));
    until("it is written down", || manager.host.count("handed-over") == 1);
}

#[test]
fn without_a_version_nothing_is_sent_unless_one_is_assumed() {
    let manager = Manager::new(&response("block", "<location>local</location>"))
        .with_remoted()
        .with_agents(&[(3, "", true)]);
    let engine = manager.start(&[]);
    manager.host.alerts(&[from("003", &sshd(1, &address(1)))]);
    until("it is reported", || manager.host.events("undeliverable").len() == 1);
    let said = manager.host.events("undeliverable")[0]["detail"].to_string();
    assert!(said.contains("--assume-agents") && said.contains("never reported"), "{said}");
    engine.stop();
    let _engine = manager.start(&["--assume-agents", "4.1"]);
    manager.host.alerts(&[from("003", &sshd(2, &address(2)))]);
    assert!(manager.datagram().starts_with("(local_source) [] NRN 003 block0 - 198.18.0.2 "));
}

#[test]
fn a_database_that_comes_later_answers_what_waited() {
    let manager = Manager::new(
        &(response("block", "<location>all</location><timeout>60</timeout>")
            + &response("tell", "<location>local</location>")),
    )
    .with_remoted();
    let engine = manager.start(&[]);
    manager.host.alerts(&[from("003", &sshd(1, &address(1)))]);
    until("the alert was read", || {
        engine.log().contains("fired") || manager.host.riposte(&["status"]).code == 0
    });
    let manager = manager.with_agents(&[(3, "Wazuh v4.9.0", true)]);
    let got = manager.datagram() + &manager.datagram();
    assert!(got.contains("block60") && got.contains("tell0"), "{got}");
    until("both are written down", || manager.host.count("handed-over") == 2);
}

#[test]
fn what_was_handed_over_is_not_sent_again_after_a_crash() {
    let manager = Manager::new(&response("block", "<location>local</location><timeout>60</timeout>"))
        .with_remoted()
        .with_agents(&[(3, "Wazuh v4.9.0", true)]);
    let engine = manager.start(&[]);
    manager.host.alerts(&[from("003", &sshd(1, &address(1))), from("003", &sshd(2, &address(2)))]);
    assert!(manager.datagram().contains("block60") && manager.datagram().contains("block60"));
    until("both are written down", || manager.host.count("handed-over") == 2);
    engine.kill();
    let _engine = manager.start(&[]);
    manager.host.alerts(&[from("003", &sshd(3, &address(3)))]);
    assert!(manager.datagram().contains(&address(3)), "nothing is sent twice");
    until("that too", || manager.host.count("handed-over") == 3);
}

#[test]
fn an_operators_switches_count_for_agents_too() {
    let manager = Manager::new(&response("block", "<location>local</location><timeout>60</timeout>"))
        .with_remoted()
        .with_agents(&[(3, "Wazuh v4.9.0", true)]);
    let _engine = manager.start(&[]);
    let act = |words: &[&str]| assert_eq!(manager.host.riposte(words).code, 0);
    act(&["pause", "--command", "block"]);
    manager.host.alerts(&[from("003", &sshd(1, &address(1)))]);
    until("it is refused", || manager.host.events("refused").len() == 1);
    act(&["resume", "--command", "block"]);
    act(&["mode", "block", "shadow"]);
    manager.host.alerts(&[from("003", &sshd(2, &address(2)))]);
    until("it is shown", || manager.host.count("shadow") == 1);
    act(&["mode", "block", "file"]);
    act(&["allow", "add", &address(3)]);
    manager.host.alerts(&[from("003", &sshd(3, &address(3))), from("003", &sshd(4, &address(4)))]);
    assert!(manager.datagram().contains(&address(4)), "the others were not sent");
}

#[test]
fn all_and_the_server_are_agents_and_this_machine() {
    let manager = Manager::new(&response("block", "<location>server,all</location><timeout>60</timeout>"))
        .with_remoted()
        .with_agents(&[(1, "Wazuh v4.9.0", true)]);
    let _engine = manager.start(&[]);
    manager.host.alerts(&[from("001", &sshd(1, &address(1)))]);
    assert!(manager.datagram().starts_with("(local_source) [] NNS 001 {"));
    until("here too", || manager.host.elements("drop4") == [address(1)]);
}

#[test]
fn beside_a_running_manager_nothing_is_done_until_it_is_taken_over() {
    let manager = Manager::new(&response("block", "<location>local</location><timeout>60</timeout>"))
        .with_remoted()
        .with_agents(&[(3, "Wazuh v4.9.0", true)]);
    let analysisd = manager.with_analysisd();
    let engine = manager.start(&[]);
    assert!(engine.log().contains("riposte takeover"), "{}", engine.log());
    manager.host.alerts(&[from("003", &sshd(1, &address(1))), sshd(2, &address(2))]);
    until("both are shown", || manager.host.count("shadow") == 2);
    assert!(manager.host.elements("drop4").is_empty());
    assert!(!manager.host.path("etc/shared/ar.conf").exists(), "nothing is written either");
    engine.stop();

    let alerts = manager.host.path("alerts.json").display().to_string();
    let enforce = || manager.host.riposte(&["manager", "--once", "--alerts", &alerts, "--enforce"]);
    let refused = enforce();
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.err.contains("block (etc/ossec.conf line") && refused.err.contains("riposte takeover"),
        "{refused:?}"
    );

    let before = std::fs::read(manager.host.path("etc/ossec.conf")).unwrap();
    let root = manager.host.path("").display().to_string();
    let home = |verb: &[&str]| {
        let mut command = manager.host.command(riposte_tests::binary());
        let output = command.args(verb).args(["--root", &root]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(home(&["takeover", "block"]).contains("Restart the Wazuh manager"));
    let refused = enforce();
    assert_eq!(refused.code, 1, "it still runs with what it read: {refused:?}");
    assert!(refused.err.contains("started before the takeover"), "{refused:?}");
    analysisd.end();
    let _again = manager.with_analysisd();
    assert!(home(&["ar-conf"]).ends_with("block60 - firewall-drop - 60\n"));

    // What was in shadow was answered; a new alert is carried out.
    manager.host.alerts(&[from("003", &sshd(3, &address(3)))]);
    let engine = manager.start(&["--enforce"]);
    assert!(manager.datagram().contains(&address(3)));
    until("it is written down", || manager.host.count("handed-over") == 1);

    // Somebody gives it back while we act: we stop acting.
    assert!(home(&["giveback"]).contains("byte for byte"));
    assert_eq!(std::fs::read(manager.host.path("etc/ossec.conf")).unwrap(), before);
    assert!(!manager.host.path("etc/riposte.conf").exists());
    until("it yields", || manager.host.events("yields").len() == 1);
    manager.host.alerts(&[from("003", &sshd(4, &address(4)))]);
    until("that is only shown", || manager.host.count("shadow") == 3);
    drop(engine);
}

#[test]
fn rules_that_call_for_no_response_fire_none() {
    let manager = Manager::new(
        &(response("block", "<location>server</location><level>3</level>")
            + &response("tell", "<location>defined-agent</location><agent_id>9</agent_id>")
                .replace("5712", "99")),
    );
    manager.host.write(
        "ruleset/rules/0095-sshd_rules.xml",
        r#"<group name="sshd,"><rule id="5712" level="10"><options>no_ar</options></rule><rule id="5551" level="10"></rule></group>"#,
    );
    let _engine = manager.start(&[]);
    for role in [&["--role", "manager"][..], &[]] {
        let checked = manager.host.riposte(&[&["check", "--json"], role].concat()).json();
        let codes: Vec<_> =
            checked.as_array().unwrap().iter().map(|found| found["code"].as_str().unwrap()).collect();
        assert!(codes.contains(&"rule-no-ar") && codes.contains(&"rule-unknown"), "{codes:?}");
    }
    manager.host.alerts(&[sshd(1, &address(1)), sshd(2, &address(2)).replace("5712", "5551")]);
    until("the other fires", || manager.host.elements("drop4") == [address(2)]);
    assert_eq!(manager.host.entries().len(), 1);
    let alert = manager.host.path("alert").display().to_string();
    std::fs::write(&alert, sshd(3, &address(3))).unwrap();
    for ask in [&[][..], &["--offline"]] {
        let explained = manager.host.riposte(&[&["explain", "--json", "--alert", &alert], ask].concat());
        let first = explained.out.lines().find(|line| line.contains("block#1")).unwrap();
        let explained: Value = serde_json::from_str(first).unwrap();
        assert_eq!((&explained["acts"], &explained["causes"][0]["cause"]), (&false.into(), &"no-ar".into()));
        let counted = manager.host.riposte(&[&["explain", "--totals", "--alert", &alert], ask].concat());
        assert!(counted.out.contains("1 alert, 0 of them fires"), "{counted:?}");
    }
}
