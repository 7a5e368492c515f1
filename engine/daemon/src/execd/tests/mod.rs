//! The mode as a whole, without a socket: messages in, programs and Wazuh's
//! log out.

mod corpus;
mod lab;
mod vector;

use riposte_transport::wazuh::execq::Datagram;
use serde::Deserialize;

use self::lab::{Answer, Lab};

/// A golden exchange of `tests/compat/vectors`.
#[derive(Deserialize)]
struct Golden {
    title: String,
    ar_conf: Vec<String>,
    block: String,
    programs: Vec<String>,
    steps: Vec<String>,
}

macro_rules! golden {
    ($($name:ident $file:literal)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            run(include_str!(concat!("../../../../../tests/compat/vectors/", $file, ".json"))).await;
        })*

        #[test]
        fn every_golden_exchange_runs() {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/compat/vectors");
            let files = std::fs::read_dir(folder).unwrap().count();
            assert_eq!(files, [$($file),*].len());
        }
    };
}

golden! {
    add_continue_delete "add-continue-delete"
    again_while_in_force "again-while-in-force"
    silent_for_good "silent-for-good"
    for_good_twice "for-good-twice"
    nothing_to_act_on "nothing-to-act-on"
    refused "refused"
    unchecked "unchecked"
    by_name "by-name"
    several_keys "several-keys"
    another_line "another-line"
    newest_timeout "newest-timeout"
    offenders "offenders"
    stop "stop"
    user "user"
}

async fn run(golden: &str) {
    let golden: Golden = serde_json::from_str(golden).unwrap();
    println!("{}", golden.title);
    let programs: Vec<_> = golden.programs.iter().map(String::as_str).collect();
    let conf = golden.ar_conf.join("\n") + "\n";
    let mut lab = Lab::new(&conf, &golden.block, &programs).await;
    let steps = vector::steps(golden.steps.iter().map(String::as_str));
    vector::run(&mut lab, &steps).await;
}

fn message(command: &str, srcip: &str) -> String {
    format!(
        r#"{{"version":1,"origin":{{"name":"lab4","module":"wazuh-analysisd"}},"command":"{command}","parameters":{{"extra_args":[],"alert":{{"data":{{"srcip":"{srcip}"}}}}}}}}"#
    )
}

fn keys(key: &str) -> Answer {
    Answer::Line(format!(
        r#"{{"version":1,"origin":{{"name":"x","module":"active-response"}},"command":"check_keys","parameters":{{"keys":["{key}"]}}}}"#
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_blocks_and_unblocks() {
    let mut lab = Lab::new("firewall-drop7 - firewall-drop - 7\n", "", &[]).await;
    let address = "198.51.100.23";
    lab.send(&message("firewall-drop7", address), &Answer::Nothing(0)).await;
    assert_eq!(lab.firewall.blocked().len(), 1, "{:?}", lab.log());
    lab.at(7).await;
    assert_eq!(lab.firewall.blocked().len(), 1, "strictly more than the timeout");
    lab.at(8).await;
    assert!(lab.firewall.blocked().is_empty());
    assert_eq!(lab.children(), []);
    let log = lab.read("logs/active-responses.log");
    let lines: Vec<_> = log.lines().map(|line| line.split_once("bin/").unwrap().1).collect();
    assert!(lines[0].ends_with("firewall-drop: Starting") || lines[0] == "firewall-drop: Starting", "{log}");
    assert!(log.contains(r#""command":"add","parameters":{"extra_args":[],"alert":{"data":{"srcip":"198.51.100.23"}},"program":"active-response/bin/firewall-drop"}}"#), "{log}");
    assert!(log.contains(r#""command":"check_keys","parameters":{"keys":["198.51.100.23"]}}"#), "{log}");
    assert!(log.contains(r#""command":"delete""#), "{log}");
}

/// More than are undone at a time: what has to wait is off the host before, and
/// each is undone and reported once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_is_due_at_once_is_undone_once_each() {
    const CROWD: usize = 600;
    let mut lab = Lab::new("firewall-drop7 - firewall-drop - 7\n", "", &[]).await;
    for n in 0..CROWD {
        let address = format!("198.51.{}.{}", 100 + n / 250, 1 + n % 250);
        lab.send(&message("firewall-drop7", &address), &Answer::Nothing(0)).await;
    }
    assert_eq!(lab.firewall.blocked().len(), CROWD);
    lab.at(8).await;
    assert!(lab.firewall.blocked().is_empty());
    for kind in ["undoing", "undone"] {
        assert_eq!(lab.events(kind, CROWD).await.len(), CROWD, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_ar_conf_is_read_before_the_next_message() {
    let mut lab = Lab::new("shut-out7 - shut-out - 7\n", "", &["shut-out"]).await;
    lab.send(&message("shut-out7", "198.51.100.1"), &keys("one")).await;
    lab.write("etc/shared/ar.conf", "shut-out7 - shut-out - 30\n");
    lab.send(&message("shut-out7", "198.51.100.2"), &keys("two")).await;
    let timeouts: Vec<_> = lab.open().await.iter().map(|entry| entry.timeout_ms).collect();
    assert_eq!(timeouts, [Some(7_000), Some(30_000)]);
    // While the file is away, what was known stays known.
    rustix::fs::unlink(lab.path("etc/shared/ar.conf")).unwrap();
    lab.send(&message("shut-out7", "198.51.100.3"), &keys("three")).await;
    assert_eq!(lab.open().await.len(), 3);
    lab.send(&message("other7", "198.51.100.3"), &Answer::Nothing(0)).await;
    let log = lab.log();
    let tail: Vec<_> = log.iter().rev().take(2).collect();
    assert_eq!(
        tail[1],
        "ERROR: (1103): Could not open file 'etc/shared/ar.conf' due to [(2)-(No such file or directory)]."
    );
    assert_eq!(tail[0], "ERROR: (1311): Invalid command name 'other7' provided.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_is_accounted_for() {
    let mut lab = Lab::new("gone0 - gone - 0\nshut-out7 - shut-out - 7\n", "", &["shut-out"]).await;
    assert!(lab.log().iter().any(|line| line == "INFO: Active response command not present: 'active-response/bin/gone'. Not using it on this system."));
    lab.take(Datagram::Whole(Vec::new())).await;
    lab.take(Datagram::TooLong(71_680)).await;
    lab.send("nonsense", &Answer::Nothing(0)).await;
    lab.send(&message("gone0", "198.51.100.1"), &Answer::Nothing(0)).await;
    lab.send(&message("nosuch", "198.51.100.1"), &Answer::Nothing(0)).await;
    lab.send(&message("!nosuch.sh", "198.51.100.1"), &Answer::Nothing(0)).await;
    lab.send(&message("shut-out7", "198.51.100.1"), &keys("one")).await;
    assert_eq!(lab.events("message-refused", 5).await.len(), 5, "{:?}", lab.log());
    assert_eq!(lab.events("message-absent", 1).await.len(), 1);
    assert_eq!(lab.events("in-force", 1).await.len(), 1);
    let errors = ["(1210): ", "Message of 71680 bytes", "(1315): ", "(1311): ", "(1317): "];
    let log = lab.log();
    let found: Vec<_> = log.iter().filter(|line| line.starts_with("ERROR: ")).collect();
    assert_eq!(found.len(), errors.len(), "{log:#?}");
    for (line, error) in found.iter().zip(errors) {
        assert!(line.starts_with(&format!("ERROR: {error}")), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restart_wazuh_starts_the_agents_script_and_nothing_else() {
    let mut lab = Lab::new("restart-wazuh - shut-out - 0\n", "", &["shut-out"]).await;
    lab.send(r#"{"command":"restart-wazuh"}"#, &Answer::Nothing(0)).await;
    let missing =
        "ERROR: (1312): Error executing 'active-response/bin/restart.sh': No such file or directory";
    assert_eq!(lab.log().last().map(String::as_str), Some(missing));
    for kind in ["agent", "manager"] {
        if kind == "manager" {
            lab.write("bin/wazuh-analysisd", "");
        }
        lab.write(
            "active-response/bin/restart.sh",
            "#!/bin/sh\necho \"$0 $* $(cat)\" >rec/restarted.new\nmv rec/restarted.new rec/restarted\n",
        );
        rustix::fs::chmod(lab.path("active-response/bin/restart.sh"), 0o750.into()).unwrap();
        lab.send(r#"{"command":"restart-wazuh","parameters":5}"#, &Answer::Nothing(0)).await;
        while lab.read("rec/restarted").is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(lab.read("rec/restarted"), format!("active-response/bin/restart.sh {kind} \n"));
        rustix::fs::unlink(lab.path("rec/restarted")).unwrap();
    }
    assert_eq!(lab.children(), []);
    assert_eq!(lab.events("restart", 2).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_acts_on_what_wazuhs_program_would() {
    let mut lab = Lab::new("firewall-drop7 - firewall-drop - 7\n", "", &[]).await;
    let windows =
        |eventdata: &str| format!(r#"{{"win":{{"eventdata":{{{eventdata}}}}},"srcip":"198.51.100.3"}}"#);
    for (data, blocked) in [
        (windows(r#""ipAddress":"198.51.100.1","destinationIp":"198.51.100.2""#), Some("198.51.100.1")),
        (windows(r#""destinationIp":"198.51.100.2""#), Some("198.51.100.2")),
        (windows(r#""ipAddress":5"#), Some("198.51.100.3")),
        // Wazuh's fails on the first of these, and takes the second for 8.0.0.1.
        (windows(r#""ipAddress":"-""#), Some("198.51.100.3")),
        (r#"{"srcip":"010.0.0.1"}"#.to_owned(), None),
        (r#"{"srcip":"198.51.100.4/32"}"#.to_owned(), None),
        (r#"{"srcip":""}"#.to_owned(), None),
    ] {
        let text = message("firewall-drop7", "x").replace(r#"{"srcip":"x"}"#, &data);
        lab.send(&text, &Answer::Nothing(0)).await;
        let open = lab.open().await;
        let keys: Vec<_> = open.iter().flat_map(|entry| entry.keys.iter().map(String::as_str)).collect();
        assert_eq!(keys, Vec::from_iter(blocked), "{data}");
        lab.pass().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_programs_own_keys_are_guarded() {
    let user =
        "</active-response><command><name>lock</name><executable>lock</executable><keys>/data/user</keys>
        </command><active-response>";
    let mut lab = Lab::new("shut-out7 - shut-out - 7\nlock7 - lock - 7\n", user, &["shut-out", "lock"]).await;
    let alert = |data: &str| message("shut-out7", "x").replace(r#"{"srcip":"x"}"#, data);
    for (data, key, verb) in [
        (r#"{"srcip":"198.51.100.1"}"#, "198.51.100.0/24", "continue"),
        (r#"{"srcip":"198.51.100.1"}"#, "198.51.0.0/8", "abort"),
        (r#"{"srcip":"198.51.100.1"}"#, "127.0.0.0/25", "abort"),
        // It reads another field than the one that was looked at.
        (r#"{"win":{"eventdata":{"ipAddress":"198.51.100.1"}},"srcip":"127.1"}"#, "127.1", "abort"),
        (r#"{"dstuser":"root"}"#, "root", "none"),
        (r#"{"srcip":"198.51.100.1","srcuser":"root"}"#, "root", "abort"),
        // Any text may be a key in Wazuh's way.
        (r#"{"srcip":"198.51.100.1"}"#, "root", "continue"),
    ] {
        lab.send(&alert(data), &keys(key)).await;
        let heard: Vec<_> = lab.children().into_iter().flat_map(|child| child.heard).collect();
        let verbs: Vec<_> = heard.iter().filter_map(|line| line.split(r#""command":""#).nth(1)).collect();
        match verbs.as_slice() {
            [] => assert_eq!(verb, "none", "{data} {key}"),
            [_, answer] => assert!(answer.starts_with(verb), "{data} {key}: {answer}"),
            other => panic!("{data} {key}: {other:?}"),
        }
        lab.pass().await;
        drop(lab.children());
    }
    // A user that the definition names is one, whatever the field is called.
    let text = message("lock7", "x").replace(r#"{"srcip":"x"}"#, r#"{"user":"root"}"#);
    lab.send(&text, &keys("root")).await;
    assert_eq!(lab.children(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_program_could_be_told_is_refused() {
    let mut lab = Lab::new("shut-out7 - shut-out - 7\n", "", &["shut-out"]).await;
    let text =
        message("shut-out7", "198.51.100.1").replace(r#""extra_args":[]"#, r#""extra_args":["\ud800"]"#);
    lab.send(&text, &keys("one")).await;
    assert_eq!(lab.children(), []);
    assert_eq!(lab.log(), [format!("ERROR: (1315): Invalid JSON message: '{text}'")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_table_holds_nobody_up() {
    let names: String = (0..20_000).map(|n| format!("name{n} - firewall-drop - 7\n")).collect();
    let mut lab = Lab::new(&format!("{}{names}", "\n".repeat(1000)), "", &[]).await;
    assert_eq!(lab.log().len(), 257);
    assert_eq!(lab.log()[256], "ERROR: 744 more lines of 'etc/shared/ar.conf' are like these.");
    // Some are ready by now; every one of them is when it is asked for.
    assert!(lab.engine.armed().all().count() <= 256);
    for (n, name) in ["name0", "name9999", "name19999"].into_iter().enumerate() {
        lab.send(&message(name, &format!("198.51.100.{}", n + 1)), &Answer::Nothing(0)).await;
    }
    assert_eq!(lab.open().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_gets_the_arguments_of_the_message() {
    let lab = Lab::new("", "", &[]).await;
    let text =
        message("x0", "198.51.100.1").replace(r#""extra_args":[]"#, r#""extra_args":["-a",5,"two words"]"#);
    let order = lab.order(&text, "firewall-drop");
    assert_eq!(*crate::respond::invocation(&order, order.mode).arguments, ["-a", "two words"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_reads_the_offenders_again() {
    let mut lab = Lab::new("shut-out7 - shut-out - 7\n", "", &["shut-out"]).await;
    lab.send(&message("shut-out7", "198.51.100.1"), &keys("one")).await;
    lab.write(
        "etc/ossec.conf",
        "<ossec_config><active-response><repeated_offenders>3</repeated_offenders></active-response></ossec_config>",
    );
    lab.engine.reload().unwrap();
    // The first one that is counted, and the second.
    lab.send(&message("shut-out7", "198.51.100.1"), &keys("one")).await;
    assert_eq!(lab.open().await[0].timeout_ms, Some(7_000));
    lab.send(&message("shut-out7", "198.51.100.1"), &keys("one")).await;
    assert_eq!(lab.open().await[0].timeout_ms, Some(180_000));
    assert!(lab.log().contains(&"INFO: Adding offenders timeout: 3 (for #1)".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_wazuh_execd_does_not_mind_starts() {
    let block = "<repeated_offenders>often</repeated_offenders></active-response>
        <active-response><command>nosuch</command><location>nowhere</location><level>high</level>";
    let mut lab = Lab::new("shut-out7 - shut-out - 7\n", block, &["shut-out"]).await;
    assert_eq!(lab.log(), ["INFO: Adding offenders timeout: 0 (for #1)"]);
    lab.send(&message("shut-out7", "198.51.100.1"), &keys("one")).await;
    assert_eq!(lab.open().await.len(), 1);
}
