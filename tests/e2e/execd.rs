//! In place of `wazuh-execd`: these tests play `wazuh-agentd` and send to
//! `queue/alerts/execq`.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixDatagram;

use riposte_tests::{Host, address, until};

/// Takes its time, and answers with its key.
const SLOW: &str = r#"#!/bin/sh
IFS= read -r line
case $line in *'"command":"delete"'*) echo "delete $line" >>done; exit 0;; esac
srcip=${line#*'"srcip":"'}
srcip=${srcip%%'"'*}
sleep 0.2
echo "{\"version\":1,\"origin\":{\"name\":\"slow\",\"module\":\"active-response\"},\"command\":\"check_keys\",\"parameters\":{\"keys\":[\"$srcip\"]}}"
IFS= read -r line
case $line in *'"command":"continue"'*) echo "add $srcip" >>done;; esac
"#;

/// Stands for the programs that a stock agent has, and notes what it is told.
const NOTE: &str = r#"#!/bin/sh
IFS= read -r line
echo "$line" >>told
case $line in *'"command":"delete"'*) exit 0;; esac
srcip=${line#*'"srcip":"'}
srcip=${srcip%%'"'*}
echo "{\"version\":1,\"origin\":{\"name\":\"note\",\"module\":\"active-response\"},\"command\":\"check_keys\",\"parameters\":{\"keys\":[\"$srcip\"]}}"
IFS= read -r line
echo "$line" >>told
"#;

const STOCK: &str = "<ossec_config>
  <client><server><address>192.0.2.1</address></server></client>
  <active-response>
    <disabled>no</disabled>
    <ca_store>etc/wpk_root.pem</ca_store>
    <ca_verification>yes</ca_verification>
  </active-response>
</ossec_config>
";

/// An agent's home, with this table.
fn agent(ar_conf: &str) -> Host {
    let host = Host::new();
    fs::create_dir_all(host.path("queue/alerts")).unwrap();
    host.write("logs/active-responses.log", "");
    host.write("etc/shared/ar.conf", ar_conf);
    host.write("etc/ossec.conf", STOCK);
    host
}

fn message(command: &str, srcip: &str) -> String {
    format!(
        r#"{{"version":1,"origin":{{"name":"lab4","module":"wazuh-analysisd"}},"command":"{command}","parameters":{{"extra_args":[],"alert":{{"rule":{{"level":10,"id":"5712"}},"id":"1763632800.7","data":{{"srcip":"{srcip}"}}}}}}}}"#
    )
}

/// As `agentd` sends: the text and a NUL, to whoever is bound to the path now.
fn send(host: &Host, text: &str) {
    let socket = UnixDatagram::unbound().unwrap();
    socket.send_to(format!("{text}\0").as_bytes(), host.path("queue/alerts/execq")).unwrap();
}

/// Wazuh's log without the time before each line and the name.
fn log(host: &Host) -> Vec<String> {
    let log = host.read("logs/ossec.log");
    log.lines().map(|line| line.get(20..).unwrap().replacen("wazuh-execd: ", "", 1)).collect()
}

fn has(host: &Host, text: &str) -> bool {
    log(host).iter().any(|line| line.contains(text))
}

#[test]
fn a_component_blocks_and_a_program_is_told_what_wazuh_tells_it() {
    let host = agent("firewall-drop600 - firewall-drop - 600\nnote1 - note.sh - 1\n");
    host.program("note.sh", NOTE);
    let _engine = host.execd(&[]);
    let found = fs::symlink_metadata(host.path("queue/alerts/execq")).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.mode() & 0o777, 0o660);
    send(&host, &message("firewall-drop600", "198.18.0.1"));
    until("it is blocked", || host.elements("drop4") == ["198.18.0.1"]);
    let undone = host.riposte(&["undo", "198.18.0.1"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    assert!(host.elements("drop4").is_empty());

    send(&host, &message("note1", "198.18.0.2"));
    until("it was told all", || host.read("told").lines().count() == 3);
    let told = host.read("told");
    let sent = message("VERB", "198.18.0.2").replace("wazuh-analysisd", "wazuh-execd");
    let sent = sent.replace("}}}}", r#"}},"program":"active-response/bin/note.sh"}}"#);
    let wanted: Vec<_> =
        ["add", "continue", "delete"].iter().map(|verb| sent.replace("VERB", verb)).collect();
    assert_eq!(told.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn the_log_says_what_wazuhs_says_in_its_order() {
    let host = agent("!bad\nfirewall-drop600 - firewall-drop - 600\n");
    let _engine = host.execd(&[]);
    for text in [
        "hello",
        "{}",
        r#"{"version":1,"command":7}"#,
        r#"{"command":"missing4"}"#,
        r#"{"command":"!../sh"}"#,
    ] {
        send(&host, text);
    }
    send(&host, &message("firewall-drop600", "198.18.0.1"));
    until("the last one was answered", || host.count("in-force") == 1 && has(&host, "Adding command"));
    let lines = log(&host);
    let wanted = [
        "INFO: Started (pid: ",
        "ERROR: (1313): Invalid active response config: 'etc/shared/ar.conf'.",
        "ERROR: (1315): Invalid JSON message: 'hello'",
        "ERROR: (1316): Invalid AR command: '{}'",
        "ERROR: (1316): Invalid AR command: '{\"version\":1,\"command\":7}'",
        "ERROR: (1313): Invalid active response config: 'etc/shared/ar.conf'.",
        "ERROR: (1311): Invalid command name 'missing4' provided.",
        "WARNING: Active response command '../sh' vulnerable to directory traversal attack. Ignoring.",
        "ERROR: (1313): Invalid active response config: 'etc/shared/ar.conf'.",
        "WARNING: Active response command '../sh' vulnerable to directory traversal attack. Ignoring.",
        "ERROR: (1311): Invalid command name '!../sh' provided.",
        "DEBUG: Executing command 'active-response/bin/firewall-drop {\"version\":1,\"origin\":{\"name\":\"lab4\",\"module\":\"wazuh-execd\"},\"command\":\"add\",",
        "DEBUG: Adding command 'active-response/bin/firewall-drop {",
    ];
    assert_eq!(lines.len(), wanted.len(), "{lines:#?}");
    for (line, wanted) in lines.iter().zip(wanted) {
        assert!(line.starts_with(wanted), "{line} is not {wanted}");
    }
    assert!(lines[12].ends_with("to the timeout list, with a timeout of '600s'."), "{}", lines[12]);
}

#[test]
fn a_stolen_or_removed_socket_is_taken_back() {
    let host = agent("firewall-drop600 - firewall-drop - 600\n");
    let path = host.path("queue/alerts/execq");
    let stock = UnixDatagram::bind(&path).unwrap();
    let _engine = host.execd(&[]);
    assert!(has(&host, "It is ours now."), "{:?}", log(&host));
    drop(stock);
    fs::remove_file(&path).unwrap();
    // As wazuh-execd binds it.
    let thief = UnixDatagram::bind(&path).unwrap();
    until("it is reported", || {
        has(&host, "was bound by another process, most likely wazuh-execd. It is ours again.")
    });
    send(&host, &message("firewall-drop600", "198.18.0.1"));
    until("it is blocked", || host.elements("drop4") == ["198.18.0.1"]);
    thief.set_nonblocking(true).unwrap();
    assert!(thief.recv(&mut [0; 8]).is_err(), "nothing went to the thief");
    fs::remove_file(&path).unwrap();
    until("it is reported", || has(&host, "WARNING: Queue 'queue/alerts/execq' was removed"));
    send(&host, &message("firewall-drop600", "198.18.0.2"));
    until("it is blocked", || host.elements("drop4").len() == 2);
    until("both are events", || host.events("queue-taken-back").len() == 2);
}

#[test]
fn what_a_killed_engine_left_is_undone() {
    let host = agent("firewall-drop2 - firewall-drop - 2\nnote2 - note.sh - 2\n");
    host.program("note.sh", NOTE);
    let engine = host.execd(&[]);
    send(&host, &message("firewall-drop2", "198.18.0.1"));
    send(&host, &message("note2", "198.18.0.2"));
    until("both are in force", || host.count("in-force") == 2);
    engine.kill();
    let _engine = host.execd(&[]);
    until("both are undone", || host.count("closed") == 2);
    assert!(host.elements("drop4").is_empty());
    let told = host.read("told");
    let last = told.lines().last().unwrap();
    assert!(last.contains(r#""command":"delete""#) && last.contains(r#""name":"lab4""#), "{told}");
}

#[test]
fn the_end_undoes_everything_in_order_and_is_wazuhs() {
    let host = agent(
        "firewall-drop600 - firewall-drop - 600\nnote600 - note.sh - 600\nthen600 - then.sh - 600\nnote0 - note.sh - 0\n",
    );
    host.program("note.sh", NOTE);
    host.program("then.sh", NOTE);
    let engine = host.execd(&[]);
    let added = [
        ("note600", "198.18.0.1"),
        ("firewall-drop600", "198.18.0.2"),
        ("note600", "198.18.0.3"),
        ("then600", "198.18.0.1"),
    ];
    for (index, (command, srcip)) in added.into_iter().enumerate() {
        send(&host, &message(command, srcip));
        until("it is in force", || host.count("in-force") == index + 1);
    }
    assert_eq!(engine.end("TERM"), Some(1));
    assert!(host.elements("drop4").is_empty());
    assert_eq!(host.count("closed"), 4);
    let told = host.read("told");
    let deleted = |srcip: &str| -> Vec<_> {
        told.lines()
            .filter(|line| line.contains(r#""command":"delete""#) && line.contains(srcip))
            .map(|line| if line.contains("bin/then.sh") { "then" } else { "note" })
            .collect()
    };
    // What is on one target ends in its order; different targets at a time.
    assert_eq!(deleted("198.18.0.1"), ["note", "then"], "{told}");
    assert_eq!(deleted("198.18.0.3"), ["note"], "{told}");
    let lines = log(&host);
    let at = |text: &str| lines.iter().position(|line| line.starts_with(text)).unwrap();
    let begun = at("INFO: (1314): Shutdown received. Deleting responses.");
    assert_eq!(at("INFO: (1225): SIGNAL [(15)-(Terminated)] Received. Exit Cleaning..."), begun + 1);
    assert!(!host.path("queue/alerts/execq").exists());
}

#[test]
fn on_stop_keep_leaves_what_is_in_force() {
    let host = agent("firewall-drop600 - firewall-drop - 600\n");
    host.write("etc/riposte.conf", "<ossec_config><riposte><on_stop>keep</on_stop></riposte></ossec_config>");
    let engine = host.execd(&[]);
    send(&host, &message("firewall-drop600", "198.18.0.1"));
    until("it is blocked", || host.count("in-force") == 1);
    assert_eq!(engine.end("INT"), Some(0));
    assert_eq!(host.elements("drop4"), ["198.18.0.1"]);
}

#[test]
fn on_stop_revert_works_without_wazuh_too() {
    let host = Host::new();
    host.configure(
        "<command><name>drop</name><executable>firewall-drop</executable><timeout_allowed>yes</timeout_allowed></command>
         <active-response><command>drop</command><location>local</location><rules_id>5712</rules_id><timeout>600</timeout></active-response>
         <riposte><on_stop>revert</on_stop></riposte>",
    );
    let engine = host.start(&[]);
    host.alerts(&[riposte_tests::sshd(1, "198.18.0.1")]);
    until("it is blocked", || host.count("in-force") == 1);
    assert_eq!(engine.end("TERM"), Some(0));
    assert!(host.elements("drop4").is_empty());
    assert_eq!(host.count("closed"), 1);
}

#[test]
fn what_is_too_long_is_said_and_what_fits_is_done() {
    let host = agent("firewall-drop600 - firewall-drop - 600\n");
    let _engine = host.execd(&[]);
    let long = |length: usize| {
        let short = message("firewall-drop600", "198.18.0.1");
        let padding = "x".repeat(length - short.len() - r#""pad":"","#.len());
        short.replacen("\"version\"", &format!("\"pad\":\"{padding}\",\"version\""), 1)
    };
    send(&host, &long(70 << 10));
    until("it is said", || {
        has(&host, "ERROR: Message of 71681 bytes is longer than the 65535 that are read.")
    });
    until("it is an event", || host.events("message-refused").len() == 1);
    assert!(host.entries().is_empty());
    send(&host, &long(65_534));
    until("the one that fits is done", || host.count("in-force") == 1);
}

#[test]
fn a_burst_over_slow_programs_is_answered_whole() {
    let host = agent("slow600 - slow.sh - 600\nfirewall-drop600 - firewall-drop - 600\n");
    host.program("slow.sh", SLOW);
    let _engine = host.execd(&[]);
    for n in 0..500 {
        let command = if n % 5 == 0 { "slow600" } else { "firewall-drop600" };
        send(&host, &message(command, &address(n)));
    }
    until("every address is blocked", || host.elements("drop4").len() == 400);
    until("every program was let go on", || host.read("done").lines().count() == 100);
    until("all are in force", || host.count("in-force") == 500);
}

#[test]
fn stock_disabled_ends_it_unless_riposte_says_otherwise() {
    let host = agent("firewall-drop600 - firewall-drop - 600\n");
    let root = host.path("").display().to_string();
    host.write("etc/ossec.conf", STOCK.replace("<disabled>no<", "<disabled>yes<"));
    let ended = host.riposte(&["execd", "--root", &root]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(log(&host), ["INFO: (1350): Active response disabled."]);
    assert!(!host.path("queue/alerts/execq").exists());

    host.write("etc/ossec.conf", STOCK.replace("<disabled>no<", "<disabled>perhaps<"));
    let ended = host.riposte(&["execd", "--root", &root]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(
        log(&host)[1..],
        [
            "ERROR: (1235): Invalid value for element 'disabled': perhaps.",
            "ERROR: (1202): Configuration error at 'etc/ossec.conf'."
        ]
    );

    host.write("etc/ossec.conf", STOCK.replace("</active-response>", ""));
    let ended = host.riposte(&["execd", "--root", &root]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(log(&host)[3..], ["ERROR: (1202): Configuration error at 'etc/ossec.conf'."]);

    let ended = host.riposte(&["execd", "--root", &host.path("etc").display().to_string()]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("is no home of Wazuh's"), "{}", ended.err);
}

#[test]
fn installed_linked_repaired_and_uninstalled() {
    let host = agent("firewall-drop600 - firewall-drop - 600\n");
    host.program("firewall-drop", "stock");
    let root = host.path("").display().to_string();
    let act = |act: &str, more: &[&str]| {
        let arguments = [&["execd", act, "--root", &root], more].concat();
        let output = host.command(riposte_tests::binary()).args(&arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let said = act("install", &["--link", "firewall-drop"]);
    assert!(said.contains("systemctl restart wazuh-agent") && said.contains("ExecStart="), "{said}");
    assert_eq!(host.read("etc/ossec.conf"), STOCK.replace("<disabled>no<", "<disabled>yes<"));
    let link = host.path("active-response/bin/firewall-drop");
    let target = fs::read_link(&link).unwrap();

    let engine = host.execd(&[]);
    send(&host, &message("firewall-drop600", "198.18.0.1"));
    until("it is blocked", || host.elements("drop4") == ["198.18.0.1"]);
    // As an update of the agent does.
    fs::remove_file(&link).unwrap();
    host.program("firewall-drop", "newer");
    until("the link is back", || fs::read_link(&link).is_ok_and(|found| found == target));
    until("it is reported", || {
        has(&host, "WARNING: Program 'active-response/bin/firewall-drop' was replaced.")
    });
    assert_eq!(host.read("active-response/bin/firewall-drop.stock"), "newer");
    until("it is an event", || host.events("link").len() == 1);
    assert_eq!(engine.end("TERM"), Some(1));

    let said = act("uninstall", &[]);
    assert!(said.contains("is what it was"), "{said}");
    assert_eq!(host.read("etc/ossec.conf"), STOCK);
    assert_eq!(host.read("active-response/bin/firewall-drop"), "newer");
    assert!(!host.path("etc/riposte.conf").exists());
    assert!(!host.path("etc/ossec.conf.before-riposte").exists());
}

#[test]
fn the_hosts_own_files_say_what_a_program_may_do() {
    let host = agent("block600 - firewall-drop - 600\n");
    // This host's definition grants addresses alone, one by one.
    host.write(
        "etc/riposte.conf",
        r#"<ossec_config><command><name>ours</name><executable>firewall-drop</executable>
           <timeout_allowed>yes</timeout_allowed><capabilities/></command></ossec_config>"#,
    );
    let _engine = host.execd(&[]);
    send(&host, &message("block600", "198.18.0.1"));
    until("it was refused", || {
        !host.events("message-refused").is_empty() || !host.events("failed").is_empty()
    });
    assert!(host.elements("drop4").is_empty());
    assert_eq!(host.count("in-force"), 0);
}
