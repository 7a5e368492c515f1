//! `riposte explain`: what becomes of an alert, and why.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::io::Write;
use std::process::Stdio;

use riposte_tests::{Ended, Host, alert, sshd, until};
use serde_json::Value;

const COMMAND: &str = "<command><name>firewall-drop</name><executable>firewall-drop</executable></command>";
const RESPONSE: &str = "<active-response><command>firewall-drop</command><location>local</location><rules_id>5712</rules_id><timeout>600</timeout>
    <repeated_offenders>30,60</repeated_offenders></active-response>";

fn host(more: &str) -> Host {
    let host = Host::new();
    host.configure(&format!("{COMMAND}{RESPONSE}{more}"));
    host
}

/// Explains one alert on standard input.
fn explain(host: &Host, alert: &str, arguments: &[&str]) -> Ended {
    let mut command = host.riposte_command(&["explain"]);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(alert.as_bytes()).unwrap();
    Ended::from(child.wait_with_output().unwrap())
}

fn objects(ended: &Ended) -> Vec<Value> {
    ended.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{ended:?}"))).collect()
}

/// The first explanation of one alert.
fn first(host: &Host, alert: &str, arguments: &[&str]) -> Value {
    let ended = explain(host, alert, &[&["--json"], arguments].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    objects(&ended).swap_remove(0)
}

fn causes(explained: &Value) -> Vec<&str> {
    explained["causes"].as_array().unwrap().iter().map(|cause| cause["cause"].as_str().unwrap()).collect()
}

#[test]
fn without_an_engine_the_file_speaks_alone() {
    let host = host("<global><white_list>198.18.0.0/24</white_list></global>");
    let explained = first(&host, &sshd(1, "198.18.1.1"), &[]);
    assert_eq!(
        (&explained["fires"], &explained["acts"], &explained["live"]),
        (&true.into(), &true.into(), &false.into())
    );
    assert_eq!(explained["keys"], serde_json::json!(["198.18.1.1"]));
    assert_eq!(
        (&explained["timeout"], &explained["repeated_offenders"]),
        (&600.into(), &serde_json::json!([1800, 3600]))
    );
    assert_eq!(explained["would"], serde_json::json!(["firewall drop 198.18.1.1"]));
    assert_eq!((&explained["runner"], &explained["mode"]), (&"built-in".into(), &"enforce".into()));
    assert_eq!(explained["digest"].as_str().unwrap().len(), 64);
    assert!(explained["grants"][0].as_str().unwrap().starts_with("<firewall"), "{explained}");
    // The component's own keys are asked: one spelling for every address.
    assert_eq!(first(&host, &sshd(1, "2001:DB8:0::7"), &[])["keys"][0], "2001:db8::7");

    let listed = first(&host, &sshd(2, "198.18.0.7"), &[]);
    assert_eq!((&listed["white_listed"], &listed["acts"]), (&true.into(), &false.into()));
    // All that is against it, not only the first: here the guard as well.
    assert_eq!(causes(&listed), ["white-list", "guarded"]);
    assert_eq!(causes(&first(&host, &sshd(3, "127.0.0.1"), &[])), ["guarded"]);
    let none = first(&host, &alert(4, r#""srcip":"-""#), &[]);
    assert_eq!(causes(&none), ["no-key"]);
    let other = first(&host, &sshd(5, "198.18.1.1").replace("\"5712\"", "\"1\""), &[]);
    assert_eq!((&other["fires"], &other["acts"]), (&false.into(), &false.into()));

    let words = explain(&host, &sshd(1, "198.18.1.1"), &[]).out;
    assert!(
        words.starts_with("no engine running: pauses, allows, budgets and what is in force are not known\n"),
        "{words}"
    );
    for part in [
        "alert 1763632800.1: rule 5712, level 10",
        "  firewall-drop#1 fires: rule 5712 is in rules_id",
        "    target     198.18.1.1",
        "    timeout    10m; repeated offenders 30m, 1h",
        "    where      local, agent 000",
        "    mode       enforce",
        "    effect     firewall drop 198.18.1.1",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert!(!host.path("state/ledger.db").exists(), "explaining makes nothing");
    let table = host.command("nft").args(["list", "tables"]).output().unwrap();
    assert!(table.stdout.is_empty(), "explaining changes nothing");
}

#[test]
fn an_engine_names_the_live_cause() {
    let other = "<command><name>script</name><executable>script.sh</executable><timeout_allowed>yes</timeout_allowed></command>
        <command><name>off</name><executable>netsh.exe</executable></command>
        <active-response><command>script</command><location>defined-agent</location><agent_id>007</agent_id><rules_id>9999</rules_id></active-response>
        <active-response><command>off</command><location>local</location><rules_id>9998</rules_id></active-response>";
    let host = host(other);
    host.program("script.sh", "#!/bin/sh\nexit 0\n");
    let engine = host.start(&[]);
    let ask = |address: &str| first(&host, &sshd(1, address), &[]);
    let explained = ask("198.18.0.1");
    assert_eq!(
        (&explained["live"], &explained["acts"], &explained["offence"]),
        (&true.into(), &true.into(), &1.into())
    );
    assert!(host.entries().is_empty(), "asking admits nothing");

    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force", || host.count("in-force") == 1);
    let explained = ask("198.18.0.1");
    assert_eq!(causes(&explained), ["in-force"]);
    assert_eq!(explained["causes"][0]["entry"], 1);
    assert!(explained["causes"][0]["until"].is_string(), "{explained}");
    // The second offence lasts longer.
    assert_eq!(host.riposte(&["allow", "add", "198.18.0.2"]).code, 0);
    assert_eq!(causes(&ask("198.18.0.2"))[0], "allowed");
    assert_eq!(causes(&first(&host, &alert(1, r#""srcuser":"x""#), &[])), ["no-key"]);

    assert_eq!(host.riposte(&["pause", "--all", "--for", "2h", "--reason", "maintenance"]).code, 0);
    let paused = ask("198.18.0.3");
    assert_eq!(causes(&paused), ["paused"]);
    let cause = &paused["causes"][0];
    assert!(
        cause["until"].is_string() && cause["text"].as_str().unwrap().contains("by uid:0: maintenance"),
        "{cause}"
    );
    // Everything that is against it is named.
    assert_eq!(causes(&ask("198.18.0.1")), ["paused", "in-force"]);
    assert_eq!(host.riposte(&["resume", "--all"]).code, 0);

    assert_eq!(host.riposte(&["mode", "firewall-drop", "shadow"]).code, 0);
    let shadow = ask("198.18.0.4");
    assert_eq!((causes(&shadow), &shadow["mode"]), (vec!["shadow"], &"shadow".into()));
    assert_eq!(host.riposte(&["mode", "firewall-drop", "file"]).code, 0);

    let of_rule = |rule: &str, n: usize| {
        let ended = explain(&host, &sshd(1, "198.18.0.5").replace("\"5712\"", rule), &["--json"]);
        objects(&ended).swap_remove(n)
    };
    let elsewhere = of_rule("\"9999\"", 1);
    assert_eq!(causes(&elsewhere), ["elsewhere"]);
    assert_eq!((&elsewhere["runner"], &elsewhere["agent"]), (&"native".into(), &"007".into()));
    assert!(
        elsewhere["executable"].as_str().unwrap().ends_with("active-response/bin/script.sh"),
        "{elsewhere}"
    );
    assert_eq!(causes(&of_rule("\"9998\"", 2)), ["unsupported"]);

    // Asked to be offline, it is.
    assert_eq!(first(&host, &sshd(1, "198.18.0.1"), &["--offline"])["live"], false);
    // Another configuration is not the engine's.
    host.write("other.conf", format!("<ossec_config>{COMMAND}</ossec_config>"));
    let path = host.path("other.conf").display().to_string();
    let ended = explain(&host, &sshd(1, "198.18.0.1"), &["--config", &path]);
    assert!(ended.out.contains("the running engine has another configuration"), "{ended:?}");
    // What would be refused was not.
    assert_eq!(causes(&ask("127.0.0.1")), ["guarded"]);
    engine.stop();
    assert_eq!(host.events("denied"), [] as [Value; 0]);
    assert_eq!(first(&host, &sshd(1, "198.18.0.1"), &[])["live"], false);
}

#[test]
fn the_next_offence_lasts_longer() {
    let host = Host::new();
    host.configure(&format!("{COMMAND}{}", RESPONSE.replace("<timeout>600", "<timeout>1")));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is over", || host.count("closed") == 1);
    let second = first(&host, &sshd(2, "198.18.0.1"), &[]);
    assert_eq!((&second["offence"], &second["timeout"]), (&2.into(), &1800.into()), "{second}");
    assert_eq!(first(&host, &sshd(2, "198.18.0.2"), &[])["offence"], 1);
}

#[test]
fn a_command_that_keeps_failing_is_named() {
    let host = Host::new();
    host.plugin("panics", riposte_hostile::component("panics"));
    host.configure(&format!(
        "<command><name>panics</name><executable>panics</executable><timeout_allowed>yes</timeout_allowed><keys>/data/srcip</keys></command>{}",
        RESPONSE.replace("firewall-drop", "panics")
    ));
    let engine = host.start(&[]);
    host.alerts(&(1..=5).map(|n| sshd(n, &format!("198.18.0.{n}"))).collect::<Vec<_>>());
    until("all have failed", || host.events("failed").len() == 5);
    let explained = first(&host, &sshd(9, "198.18.0.1"), &[]);
    assert!(causes(&explained).contains(&"breaker"), "{explained}\n{}", engine.log());
}

#[test]
fn an_old_alert_is_stale() {
    let host = host("");
    let _engine = host.start(&["--max-age", "1s"]);
    let stale = first(&host, &sshd(2, "198.18.0.9"), &[]);
    assert_eq!(causes(&stale), ["stale"]);
}

#[test]
fn a_past_alert_is_explained_from_the_ledger() {
    let host = host("");
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force", || host.count("in-force") == 1);
    for running in [true, false] {
        let ended = host.riposte(&["explain", "--id", "1"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        for part in [
            "entry 1: firewall-drop on 198.18.0.1: in-force",
            "firewall-drop#1 fires: rule 5712 is in rules_id",
            "alert      1763632800.1, rule 5712",
            "effect     firewall drop 198.18.0.1",
            "actor      alert",
        ] {
            assert!(ended.out.contains(part), "{running} {part}: {}", ended.out);
        }
        if running {
            assert_eq!(host.riposte(&["explain", "--id", "9"]).code, 1);
            assert_eq!(host.riposte(&["explain", "--id", "1", "--alert", "x"]).code, 2);
        }
    }
    assert_eq!(host.riposte(&["undo", "1", "--reason", "a customer"]).code, 0);
    engine.stop();
    let past = host.riposte(&["explain", "--id", "1", "--json"]).json();
    assert_eq!(
        (&past["state"], &past["ended_by"], &past["end_reason"]),
        (&"closed".into(), &"uid:0".into(), &"a customer".into())
    );
    // The alert itself is kept as long as the undo may need it.
    assert!(past["alert_object"].is_null());
    let words = host.riposte(&["explain", "--id", "1"]).out;
    assert!(words.contains("asked, by uid:0: \"a customer\"") && words.contains("no longer kept"), "{words}");
    // The next one is the second offence no more: an undo by hand forgives.
    let _engine = host.start(&[]);
    host.alerts(&[sshd(2, "198.18.0.1")]);
    until("it is in force again", || host.count("in-force") == 1);
    assert_eq!(past["definition"]["name"], "firewall-drop");
    assert_eq!(past["effects"][0]["target"], "drop 198.18.0.1");
}

#[test]
fn an_alert_that_the_engine_cannot_take_ends_nothing() {
    let host = host("");
    let engine = host.start(&[]);
    let large = alert(2, &format!(r#""srcip":"198.18.0.2","x":"{}""#, "x".repeat(5 << 20)));
    let log = [sshd(1, "198.18.0.1"), large, sshd(3, "198.18.0.3")].join("\n");
    let ended = explain(&host, &log, &["--json"]);
    assert_eq!(ended.code, 1, "what could not be asked is a failure: {}", ended.err);
    let all = objects(&ended);
    assert_eq!(all.len(), 3, "{}", ended.out);
    assert_eq!((&all[0]["acts"], &all[2]["acts"]), (&true.into(), &true.into()));
    assert_eq!(all[1]["line"], 2);
    assert!(all[1]["error"].as_str().unwrap().contains("--offline explains it"), "{}", all[1]);
    let words = explain(&host, &log, &["--each"]);
    assert!(words.code == 1 && words.out.contains("line 2: too large for the engine"), "{}", words.out);
    engine.stop();
}

#[test]
fn what_no_engine_would_start_with_is_said() {
    let host = host(
        "<active-response><command>no-such</command><location>local</location><level>3</level></active-response>",
    );
    let ended = explain(&host, &sshd(1, "198.18.0.1"), &[]);
    assert!(ended.out.contains("no engine starts with this configuration: "), "{ended:?}");
    assert!(ended.out.contains("command-undefined") && ended.code == 0, "{ended:?}");
}

#[test]
fn a_past_alert_is_explained_by_the_files_of_the_engine() {
    let host = host("");
    let moved = host.path("elsewhere.conf");
    std::fs::rename(host.path("etc/ossec.conf"), &moved).unwrap();
    let engine = host.start(&["--config", &moved.display().to_string()]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force", || host.count("in-force") == 1);
    let words = host.riposte(&["explain", "--id", "1"]).out;
    assert!(words.contains("firewall-drop#1 fires: rule 5712 is in rules_id"), "{words}");
    engine.stop();
    let alone = host.riposte(&["explain", "--id", "1"]).out;
    assert!(alone.contains("firewall-drop#1, which the configuration does not have"), "{alone}");
}

#[test]
fn a_log_is_counted() {
    let host = host(
        "<global><white_list>198.18.9.0/24</white_list></global>
         <active-response><command>firewall-drop</command><location>local</location><level>12</level></active-response>",
    );
    let mut lines: Vec<String> = (0..200).map(|n| sshd(n, &format!("198.18.0.{}", n % 10))).collect();
    lines.extend((0..7).map(|n| sshd(n, "198.18.0.3")));
    lines.push(sshd(300, "198.18.9.9"));
    lines.push(alert(301, r#""srcuser":"x""#));
    lines.insert(5, "nonsense".to_owned());
    lines.push(sshd(302, "198.18.0.1").replace("\"5712\"", "\"1\""));
    host.write("log.json", lines.join("\n"));
    let path = host.path("log.json").display().to_string();

    let ended = host.riposte(&["explain", "--alert", &path]);
    assert_eq!(ended.code, 1, "a bad line is a failure: {ended:?}");
    assert!(ended.out.contains("210 alerts, 209 of them fire a response"), "{}", ended.out);
    assert!(ended.out.contains("1 lines are no alerts: 6"), "{}", ended.out);
    assert!(ended.err.contains("line 6: not an alert"), "{ended:?}");
    let row = ended.out.lines().find(|line| line.starts_with("firewall-drop#1")).unwrap();
    let cells: Vec<_> = row.split_whitespace().collect();
    // Fired, by rule, group, level, no key, white list, guarded, targets, the top one.
    assert_eq!(cells[1..10], ["209", "209", "0", "0", "1", "1", "0", "11", "198.18.0.3"], "{row}");
    assert!(row.contains("198.18.0.3 (27)"), "{row}");

    let json = objects(&host.riposte(&["explain", "--alert", &path, "--json", "--totals"]));
    assert_eq!(json.len(), 210 * 2 + 1 + 1);
    assert_eq!(json[10], serde_json::json!({"line": 6, "error": json[10]["error"]}));
    let totals = &json.last().unwrap()["totals"];
    assert_eq!((&totals["alerts"], &totals["unreadable_lines"]), (&210.into(), &serde_json::json!([6])));
    assert_eq!(
        totals["responses"][0]["top_targets"][0],
        serde_json::json!({"target": "198.18.0.3", "alerts": 27})
    );

    // Beside an engine the same is counted, by the files that it was given.
    let moved = host.path("elsewhere.conf");
    std::fs::rename(host.path("etc/ossec.conf"), &moved).unwrap();
    let engine = host.start(&["--config", &moved.display().to_string()]);
    let beside = host.riposte(&["explain", "--alert", &path]);
    assert!(beside.out.starts_with("counted by the configuration"), "{beside:?}");
    assert!(beside.out.contains(row), "{beside:?}");
    engine.stop();
    std::fs::rename(moved, host.path("etc/ossec.conf")).unwrap();

    let none = explain(&host, "\n", &[]);
    assert!(none.code == 0 && none.err.contains("there is no alert in this input"), "{none:?}");
    let several = explain(&host, "{\n\"rule\": {}\n}\n", &[]);
    assert!(several.code == 1 && several.err.contains("an alert is one line"), "{several:?}");

    let each = host.riposte(&["explain", "--alert", &path, "--each"]);
    assert_eq!(each.out.matches("\nalert ").count(), 210, "{}", each.out);
    assert_eq!(host.riposte(&["explain", "--alert", "/no/such/file"]).code, 1);
    assert_eq!(host.riposte(&["explain", "--no-such-option"]).code, 2);
}
