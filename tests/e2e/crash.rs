//! The start after SIGKILL, one test for each state that it may find.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use riposte_tests::{Host, alert, sshd, until};

fn response(name: &str, executable: &str, timeout: &str, rest: &str) -> String {
    format!(
        "<command><name>{name}</name><executable>{executable}</executable>{rest}</command>
         <active-response><command>{name}</command><location>local</location><rules_id>5712</rules_id>{timeout}</active-response>"
    )
}

const TIMED: &str = "<timeout>600</timeout>";
const ALLOWED: &str = "<timeout_allowed>yes</timeout_allowed>";

#[test]
fn intended_a_component_is_added_again() {
    let host = Host::new();
    // It sleeps in `add` for longer than this test looks, so the kill finds it intended.
    let limits = format!(r#"{ALLOWED}<keys>/data/srcip</keys><limits wall="60s"/>"#);
    host.configure(&response("sleeper", "sleeper", TIMED, &limits));
    host.plugin("sleeper", riposte_hostile::component("sleeper"));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is intended", || host.count("intended") == 1);
    engine.kill();
    let _engine = host.start(&[]);
    until("it is begun once more", || host.entries()[0]["attempt"] == 2);
    assert_eq!(host.entries().len(), 1);
    assert_eq!(host.count("intended"), 1);
}

#[test]
fn intended_a_program_is_deleted_then_added_again() {
    let host = Host::new();
    host.program(
        "slow.sh",
        "#!/bin/sh\nread -r line\ncase $line in *'\"command\":\"delete\"'*) echo delete >>did; exit 0;; esac\necho add >>did\n[ -e quick ] || while [ -e alerts.json ]; do sleep 1; done\n",
    );
    let limits = format!(r#"{ALLOWED}<limits answer="60s"/>"#);
    host.configure(&response("slow", "slow.sh", TIMED, &limits));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it has begun", || host.read("did") == "add\n");
    assert_eq!(host.count("intended"), 1);
    engine.kill();
    host.write("quick", "");
    let _engine = host.start(&[]);
    until("it is in force", || host.count("in-force") == 1);
    assert_eq!(host.read("did"), "add\ndelete\nadd\n");
    assert_eq!(host.entries()[0]["attempt"], 2);
}

#[test]
fn intended_a_program_is_not_added_again_to_what_is_protected_by_now() {
    let host = Host::new();
    host.program(
        "slow.sh",
        "#!/bin/sh\nread -r line\ncase $line in *'\"command\":\"delete\"'*) echo delete >>did; exit 0;; esac\necho add >>did\nwhile [ -e alerts.json ]; do sleep 1; done\n",
    );
    let limits = format!(r#"{ALLOWED}<limits answer="60s"/>"#);
    host.configure(&response("slow", "slow.sh", TIMED, &limits));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it has begun", || host.read("did") == "add\n");
    engine.kill();
    host.configure(&format!(
        "{}<global><white_list>198.18.0.0/24</white_list></global>",
        response("slow", "slow.sh", TIMED, &limits)
    ));
    let _engine = host.start(&[]);
    until("it is over", || host.count("failed") == 1);
    assert_eq!(host.read("did"), "add\ndelete\n");
}

#[test]
fn intended_what_happens_once_is_not_repeated() {
    let host = Host::new();
    host.program(
        "once.sh",
        "#!/bin/sh\nread -r line\necho ran >>did\nwhile [ -e alerts.json ]; do sleep 1; done\n",
    );
    host.configure(&format!(
        "{}{}",
        response("program", "once.sh", "", r#"<limits answer="60s"/>"#),
        response("component", "once-asleep", "", r#"<limits wall="60s"/>"#)
    ));
    host.plugin("once-asleep", riposte_hostile::component("once-asleep"));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("both have begun", || host.count("intended") == 2 && host.read("did") == "ran\n");
    engine.kill();
    let _engine = host.start(&[]);
    until("both are closed as unknown", || host.count("unknown") == 2);
    until("both are reported", || host.events("unknown").len() == 2);
    assert_eq!(host.read("did"), "ran\n");
}

#[test]
fn intended_what_happens_once_and_had_not_begun_is_begun() {
    let host = Host::new();
    host.program("once.sh", "#!/bin/sh\nread -r line\necho ran >>did\n[ -e quick ] || while [ -e alerts.json ]; do sleep 1; done\n");
    // One at a time, and it takes long: the others wait as intended.
    host.configure(&response("once", "once.sh", "", r#"<limits answer="60s" concurrency="1"/>"#));
    let engine = host.start(&[]);
    host.alerts(&(1..=5).map(|n| sshd(n, "198.18.0.1")).collect::<Vec<_>>());
    until("one has begun, all are intended", || host.count("intended") == 5 && host.read("did") == "ran\n");
    engine.stop();
    host.write("quick", "");
    let _engine = host.start(&[]);
    until("the four others ran", || host.count("done") == 4);
    assert_eq!(host.count("unknown"), 1);
    assert_eq!(host.read("did"), "ran\n".repeat(5));
}

/// Acts when it is asked to end, and deletes only when the file `mended` is there.
const LATE: &str = "#!/bin/sh\nread -r line\ncase $line in *'\"command\":\"delete\"'*) echo delete >>did; [ -e mended ] || exit 3; exit 0;; esac\ntrap 'echo add >>did; exit' TERM\necho begun >begun\nwhile [ -e alerts.json ]; do sleep 0.1; done\n";

#[test]
fn undone_while_it_is_being_made_it_is_deleted_when_it_is_over() {
    let host = Host::new();
    host.write("mended", "");
    host.program("late.sh", LATE);
    host.configure(&response("late", "late.sh", TIMED, &format!(r#"{ALLOWED}<limits answer="60s"/>"#)));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it has begun", || host.read("begun") == "begun\n");
    assert_eq!(host.count("intended"), 1);
    assert_eq!(host.riposte(&["undo", "198.18.0.1"]).code, 0);
    assert_eq!(host.read("did"), "add\ndelete\n");
    assert_eq!(host.count("closed"), 1);
}

#[test]
fn undone_while_it_is_being_made_and_not_cleanly_it_is_tried_again_over_a_restart() {
    let host = Host::new();
    host.program("late.sh", LATE);
    host.configure(&response("late", "late.sh", TIMED, &format!(r#"{ALLOWED}<limits answer="60s"/>"#)));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it has begun", || host.read("begun") == "begun\n");
    assert_eq!(host.riposte(&["undo", "198.18.0.1"]).code, 1);
    assert!(host.read("did").starts_with("add\ndelete\n"));
    until("it is stuck", || host.count("stuck") == 1);
    engine.kill();
    host.write("mended", "");
    let _engine = host.start(&[]);
    until("it is undone", || host.count("closed") == 1);
    assert!(host.read("did").ends_with("delete\n"));
    assert_eq!(host.read("did").matches("add").count(), 1);
}

#[test]
fn in_force_its_time_goes_on_and_lost_effects_are_put_back() {
    let host = Host::new();
    host.configure(&response("firewall-drop", "firewall-drop", TIMED, ""));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1"), sshd(2, "198.18.0.2")]);
    until("both are in force", || host.count("in-force") == 2);
    let due: Vec<_> = host.entries().iter().map(|entry| entry["due"].clone()).collect();
    engine.kill();
    // Somebody flushed the firewall, and added what nobody claims.
    let nft = |rule: &str| assert!(host.command("nft").arg(rule).status().unwrap().success());
    nft("delete element inet riposte drop4 { 198.18.0.1 }");
    nft("add element inet riposte drop4 { 198.18.9.9 timeout 1h }");
    let _engine = host.start(&[]);
    let mut elements = host.elements("drop4");
    elements.sort();
    assert_eq!(elements, ["198.18.0.1", "198.18.0.2"]);
    let after: Vec<_> = host.entries().iter().map(|entry| entry["due"].clone()).collect();
    assert_eq!(due, after);
    until("the repair is reported", || host.events("repaired").len() == 1);
}

#[test]
fn overdue_is_undone_before_new_work() {
    let host = Host::new();
    host.program("note.sh", "#!/bin/sh\nread -r line\necho \"$line\" | sed 's/.*\"command\":\"\\([a-z]*\\)\",\"par.*\"srcip\":\"\\([0-9.]*\\)\".*/\\1 \\2/' >>did\n");
    host.configure(&response("note", "note.sh", "<timeout>1</timeout>", ALLOWED));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force", || host.count("in-force") == 1);
    engine.kill();
    let overdue = host.entries()[0]["due"].as_str().unwrap().to_owned();
    until("it is overdue", || {
        let now = host.command("date").args(["-u", "+%Y-%m-%dT%H:%M:%S.%3NZ"]).output().unwrap();
        String::from_utf8(now.stdout).unwrap().trim() > overdue.as_str()
    });
    host.alerts(&[sshd(2, "198.18.0.2")]);
    let _engine = host.start(&[]);
    until("both were undone", || host.count("closed") == 2);
    assert_eq!(host.read("did"), "add 198.18.0.1\ndelete 198.18.0.1\nadd 198.18.0.2\ndelete 198.18.0.2\n");
}

#[test]
fn undoing_is_undone_again() {
    let host = Host::new();
    host.program(
        "slow.sh",
        "#!/bin/sh\nread -r line\ncase $line in *'\"command\":\"delete\"'*) echo delete >>did; [ -e quick ] || while [ -e alerts.json ]; do sleep 1; done;; *) echo add >>did;; esac\n",
    );
    host.configure(&response("slow", "slow.sh", "<timeout>1</timeout>", ALLOWED));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is being undone", || host.read("did") == "add\ndelete\n");
    assert_eq!(host.count("undoing"), 1);
    engine.kill();
    host.write("quick", "");
    let _engine = host.start(&[]);
    until("it is closed", || host.count("closed") == 1);
    assert_eq!(host.read("did"), "add\ndelete\ndelete\n");
}

#[test]
fn a_delete_that_hangs_does_not_hold_up_the_start() {
    let host = Host::new();
    host.program(
        "hang.sh",
        "#!/bin/sh\nread -r line\ncase $line in *'\"command\":\"delete\"'*) echo delete >>did; while [ -e hold ]; do sleep 1; done;; esac\n",
    );
    host.write("hold", "");
    let quick = response("quick", "true.sh", TIMED, ALLOWED).replace("5712", "5710");
    host.program("true.sh", "#!/bin/sh\n");
    let hang = response("hang", "hang.sh", "<timeout>1</timeout>", ALLOWED);
    host.configure(&format!("{hang}{quick}"));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("its delete hangs", || host.read("did") == "delete\n");
    engine.kill();
    let _engine = host.start(&[]);
    until("it is asked again", || host.read("did") == "delete\ndelete\n");
    host.alerts(&[sshd(2, "198.18.0.2").replace("5712", "5710")]);
    until("another is in force", || host.count("in-force") == 1);
    assert_eq!(host.count("undoing"), 1);
    std::fs::remove_file(host.path("hold")).unwrap();
    until("it is undone", || host.count("undoing") == 0);
}

#[test]
fn for_good_stays_and_is_put_back() {
    let host = Host::new();
    host.configure(&response("firewall-drop", "firewall-drop", "", ""));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force for good", || host.count("in-force") == 1);
    // Nothing to deduplicate, but what is blocked for good is not held twice.
    host.alerts(&[alert(2, r#""srcip":"198.18.0.1""#)]);
    until("the second was done", || host.count("done") == 1);
    engine.kill();
    // As after a reboot: the kernel knows nothing any more.
    assert!(host.command("nft").args(["delete", "table", "inet", "riposte"]).status().unwrap().success());
    let _engine = host.start(&[]);
    assert_eq!(host.elements("drop4"), ["198.18.0.1"]);
    let undone = host.riposte(&["undo", "198.18.0.1"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    assert!(host.elements("drop4").is_empty());
}

#[test]
fn a_component_that_is_gone_is_still_undone_by_its_own_version() {
    let host = Host::new();
    let granted = format!("{ALLOWED}<capabilities><firewall/></capabilities>");
    host.configure(&response("mine", "mine", "<timeout>2</timeout>", &granted));
    host.plugin("mine", riposte_hostile::component("ungranted"));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force", || host.count("in-force") == 1);
    engine.kill();
    std::fs::remove_file(host.path("state/plugins/mine.wasm")).unwrap();
    host.configure("");
    let _engine = host.start(&[]);
    until("it is closed", || host.count("closed") == 1);
    assert!(host.elements("drop4").is_empty());
    assert!(host.events("reversed-by-engine").is_empty(), "its own delete ran");
}
