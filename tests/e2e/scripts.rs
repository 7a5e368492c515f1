//! The shapes of the scripts that Wazuh's and OSSEC's users have written,
//! `tests/compat/scripts`: alert in, script acted, undone when due.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use riposte_tests::{Host, alert, fixture, sshd, until};

const IP: &str = "198.18.0.1";

/// One script, how it is defined, and what it has written to the response log
/// when its entry is closed: texts that its lines hold, in this order.
struct Case {
    script: &'static str,
    executable: &'static str,
    elements: &'static str,
    log: &'static [&'static str],
}

/// A script that is defined by its name alone.
const fn plain(script: &'static str, log: &'static [&'static str]) -> Case {
    Case { script, executable: "", elements: "", log }
}

/// Nothing here depends on how long a script takes to say something.
const PATIENT: &str = r#"<limits answer="2m"/>"#;

fn defined(case: &Case, timeout: u32, limits: &str) -> String {
    let Case { script, executable, elements, .. } = case;
    format!(
        "<command><name>{script}</name><executable{executable}>{script}</executable>{elements}
           <timeout_allowed>yes</timeout_allowed>{limits}</command>
         <active-response><command>{script}</command><location>local</location><rules_id>5712</rules_id>
           <timeout>{timeout}</timeout></active-response>\n"
    )
}

fn script(name: &str) -> String {
    fixture(&format!("compat/scripts/{name}"))
}

fn host(cases: &[Case], timeout: u32, limits: &str) -> Host {
    let host = Host::new();
    host.write("logs/active-responses.log", "");
    for case in cases {
        host.program(case.script, &script(case.script));
    }
    host.configure(&cases.iter().map(|case| defined(case, timeout, limits)).collect::<String>());
    host
}

/// One alert fires them all; each acts and is undone after a second.
fn all_act_and_are_undone(host: &Host, cases: &[Case], alert: String) {
    let engine = host.start(&[]);
    host.alerts(&[alert]);
    until("every one was undone", || host.count("closed") == cases.len());
    engine.stop();
    all_have_logged(host, cases);
}

fn all_have_logged(host: &Host, cases: &[Case]) {
    let log = host.read("logs/active-responses.log");
    for case in cases {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(case.script)).collect();
        assert_eq!(lines.len(), case.log.len(), "{}:\n{log}", case.script);
        for (line, expected) in lines.iter().zip(case.log) {
            assert!(line.contains(expected), "{}: {line}", case.script);
        }
    }
    for entry in host.entries() {
        assert!(entry["closed"].as_str() >= entry["due"].as_str(), "undone before its time: {entry}");
    }
}

#[test]
fn scripts_that_read_one_line() {
    let cases = [
        plain("block-by-api.sh", &[]),
        plain("cut.pl", &["add 198.18.0.1", "delete 198.18.0.1"]),
        plain("cut.awk.sh", &["add 198.18.0.1", "delete 198.18.0.1"]),
        plain("sources.sh", &["add 198.18.0.1 at gw.example", "delete 198.18.0.1 at gw.example"]),
        plain("umlaut.py", &["add Café 😀", "delete Café 😀"]),
        plain(
            "zero.sh",
            &[
                "add active-response/bin/zero.sh in its home",
                "delete active-response/bin/zero.sh in its home",
            ],
        ),
        plain("sbin.sh", &["sbin", "sbin"]),
    ];
    let host = host(&cases, 1, PATIENT);
    host.write("active-response/bin/settings.conf", script("settings.conf"));
    // What it would have sent.
    host.program("tools/curl", "#!/bin/sh\necho \"$*\" >>logs/requests\n");
    all_act_and_are_undone(&host, &cases, alert(1, &format!(r#""srcip":"{IP}","place":"Caf\u00e9 😀""#)));
    let requests = host.read("logs/requests");
    let sent: Vec<&str> = requests.lines().collect();
    assert_eq!(sent.len(), 2, "{requests}");
    for (line, method) in sent.iter().zip(["-X POST", "-X DELETE"]) {
        assert!(line.contains(method) && line.contains(r#"{"address":"198.18.0.1"}"#), "{line}");
    }
}

#[test]
fn scripts_that_hand_on_their_input() {
    let cases = [
        Case { script: "launcher.sh", executable: "", elements: "", log: &[] },
        Case { script: "wrapper.cmd", executable: "", elements: "", log: &[] },
    ];
    let host = host(&cases, 1, PATIENT);
    host.program("tools/speaks.py", &script("speaks.py"));
    host.program("read-line.py", &script("read-line.py"));
    all_act_and_are_undone(&host, &cases, sshd(1, IP));
    let log = host.read("logs/active-responses.log");
    for script in ["speaks.py", "read-line.py"] {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(script)).collect();
        assert_eq!(lines, [format!("{script}: add {IP}"), format!("{script}: delete {IP}")], "{log}");
    }
}

#[test]
fn scripts_that_do_not_do_as_they_should() {
    let cases = [
        plain("fails.sh", &["add 198.18.0.1", "delete 198.18.0.1"]),
        plain("deaf.sh", &["ran", "ran"]),
        plain("background.sh", &["add", "delete"]),
        plain("banner.sh", &["add, continue", "delete"]),
        plain("bare.sh", &["add 198.18.0.1", "delete 198.18.0.1"]),
    ];
    let host = host(&cases, 1, PATIENT);
    all_act_and_are_undone(&host, &cases, sshd(1, IP));
}

#[test]
fn scripts_that_want_arguments() {
    let argv = r#" protocol="argv""#;
    let cases = [
        Case {
            script: "firewall-drop-argv.sh",
            executable: argv,
            elements: "<expect>srcip</expect>",
            log: &[
                "firewall-drop-argv.sh add - 198.18.0.1 1763632800.1 5712",
                "delete - 198.18.0.1 1763632800.1 5712",
            ],
        },
        Case {
            script: "host-deny-argv.sh",
            executable: "",
            elements: "<expect>srcip</expect>",
            log: &[
                "add - 198.18.0.1 1763632800.1 5712 host -",
                "delete - 198.18.0.1 1763632800.1 5712 host -",
            ],
        },
        Case {
            script: "restart-argv.sh",
            executable: "",
            elements: "<expect />",
            log: &["add - - 1763632800.1 5712", "delete - - 1763632800.1 5712"],
        },
        Case {
            script: "either.sh",
            executable: "",
            elements: "<expect>user,srcip</expect>",
            log: &["add 198.18.0.1", "delete 198.18.0.1"],
        },
        Case {
            script: "leftover.sh",
            executable: "",
            elements: "<expect>srcip</expect><extra_args>-v</extra_args>",
            log: &["add 198.18.0.1", "delete 198.18.0.1"],
        },
    ];
    let host = host(&cases, 1, PATIENT);
    host.write("etc/hosts.deny", "ALL:198.18.0.10\n");
    all_act_and_are_undone(&host, &cases, alert(1, &format!(r#""srcip":"{IP}","dstuser":"eve""#)));
    assert_eq!(host.read("etc/hosts.deny"), "ALL:198.18.0.10\n", "its own line is gone, and no other");
    assert_eq!(host.read("active-response/rules"), "");
    assert_eq!(host.read("logs/restarts"), "restarted\n");
}

#[test]
fn scripts_with_a_lock_run_side_by_side() {
    let cases = [Case {
        script: "firewall-drop-argv.sh",
        executable: r#" protocol="argv""#,
        elements: "<expect>srcip</expect>",
        log: &[],
    }];
    let host = host(&cases, 600, PATIENT);
    let engine = host.start(&[]);
    let rule = |n| format!("-I INPUT -s {} -j DROP", riposte_tests::address(n));
    host.alerts(&(1..9).map(|n| sshd(n, &riposte_tests::address(n))).collect::<Vec<_>>());
    until("all are in force", || host.count("in-force") == 8);
    let rules = host.read("active-response/rules");
    assert!((1..9).all(|n| rules.lines().filter(|line| *line == rule(n)).count() == 1), "{rules}");
    engine.stop();
}

#[test]
fn scripts_written_for_wazuh_5() {
    let cases = [Case {
        script: "five.py",
        executable: r#" protocol="5""#,
        elements: "<extra_args>-x y</extra_args>",
        log: &["enable 198.18.0.1 stateful -x y", "disable 198.18.0.1 stateful -x y"],
    }];
    let host = host(&cases, 1, PATIENT);
    all_act_and_are_undone(&host, &cases, sshd(1, IP));
    assert_eq!(host.entries().first().unwrap()["keys"][0], IP);
}

#[test]
fn scripts_that_wait_for_the_end_of_their_input() {
    // They act only after their deadline, so they are undone by hand: nobody
    // knows how long they take.
    let cases = [
        plain("read-all.py", &["add 198.18.0.1", "delete 198.18.0.1"]),
        plain("late.sh", &["add", "delete"]),
    ];
    let host = host(&cases, 600, r#"<limits answer="100ms"/>"#);
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, IP)]);
    let lines = || host.read("logs/active-responses.log").lines().count();
    until("both have acted", || lines() == 2 && host.count("in-force") == 2);
    let keys: Vec<_> = host.entries().iter().map(|entry| entry["keys"][0].clone()).collect();
    assert_eq!(keys, [IP, IP], "the definition's: late keys find nobody");
    let undone = host.riposte(&["undo", IP, "--reason", "test"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    until("both are undone", || lines() == 4 && host.count("closed") == 2);
    all_in_order(&host.read("logs/active-responses.log"), &cases);
}

fn all_in_order(log: &str, cases: &[Case]) {
    for case in cases {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(case.script)).collect();
        assert!(lines.len() == case.log.len(), "{log}");
        assert!(lines.iter().zip(case.log).all(|(line, expected)| line.contains(expected)), "{log}");
    }
}

#[test]
fn a_script_that_removes_a_file_says_which() {
    let cases = [plain("remove-threat.py", &[])];
    let host = host(&cases, 600, PATIENT);
    let threat = host.path("downloads/threat").display().to_string();
    host.write("downloads/threat", "EICAR");
    host.write("downloads/other", "");
    let engine = host.start(&[]);
    let found = |id| alert(id, &format!(r#""virustotal":{{"found":"1","source":{{"file":"{threat}"}}}}"#));
    host.alerts(&[found(1)]);
    until("it is in force", || host.count("in-force") == 1);
    assert!(!host.path("downloads/threat").exists());
    assert!(host.path("downloads/other").exists());
    assert_eq!(host.entries().first().unwrap()["keys"][0], threat.as_str());
    // The same file in another alert: it is asked, and told to abort.
    host.alerts(&[found(2)]);
    until("the second is merged", || host.count("merged") == 1);
    until("it was told", || host.read("logs/active-responses.log").contains(&format!("abort {threat}")));
    engine.stop();
}

#[test]
fn a_script_that_calls_a_scanner_logs_what_it_finds() {
    let host = Host::new();
    host.write("logs/active-responses.log", "");
    host.write("etc/rules.yar", "rule Test {}\n");
    host.write("downloads/file", "bad");
    host.program(
        "tools/scan",
        "#!/bin/sh\nfor file; do :; done\ngrep -q bad \"$file\" && echo \"Test_rule $file\"\n",
    );
    host.program("yara.sh", &script("yara.sh"));
    let path = |name: &str| host.path(name).display().to_string();
    let scanner = path("active-response/bin/tools/scan");
    let arguments =
        format!("<extra_args>-yara_path {scanner} -yara_rules {}</extra_args>", path("etc/rules.yar"));
    host.configure(&format!(
        "<command><name>yara</name><executable>yara.sh</executable>{arguments}<timeout_allowed>no</timeout_allowed>{PATIENT}</command>
         <active-response><command>yara</command><location>local</location><rules_id>5712</rules_id></active-response>"
    ));
    let file = path("downloads/file");
    let changed = alert(1, "").replace(
        r#""location":"#,
        &format!(r#""syscheck":{{"path":"{file}","event":"modified"}},"location":"#),
    );
    host.alerts(&[changed]);
    let ended = host.once(&[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let log = host.read("logs/active-responses.log");
    assert!(log.contains(&format!("wazuh-yara: INFO - Scan result: Test_rule {file}")), "{log}");
    assert_eq!(host.count("done"), 1);
}

#[test]
fn what_a_check_says_about_first_lines() {
    let host = Host::new();
    host.program("crlf.sh", "#!/bin/bash\r\nread -r line\r\n");
    host.program("bare.sh", &script("bare.sh"));
    host.configure(&["crlf.sh", "bare.sh"].map(|script| defined(&plain(script, &[]), 1, "")).concat());
    let checked = host.riposte(&["check"]);
    assert_eq!(checked.code, 1, "{checked:?}");
    let said = checked.out + &checked.err;
    assert!(said.contains("carriage return") && said.contains(r"sed -i 's/\r$//'"), "{said}");
    assert!(said.contains("has no `#!` line: /bin/sh runs it"), "{said}");
}

#[test]
fn a_script_that_never_reads_is_undone_however_large_its_message() {
    let host = Host::new();
    host.program("deaf.sh", "#!/bin/sh\n[ -e undoing ] || exec sleep 3600\n");
    host.configure(&defined(&plain("deaf.sh", &[]), 600, r#"<limits answer="100ms"/>"#));
    let _engine = host.start(&[]);
    // Far more than a pipe holds.
    host.alerts(&[alert(1, &format!(r#""srcip":"{IP}","text":"{}""#, "x".repeat(300_000)))]);
    until("it is in force", || host.count("in-force") == 1);
    host.write("undoing", "");
    let undone = host.riposte(&["undo", IP, "--reason", "test"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    assert_eq!(host.count("closed"), 1);
}
