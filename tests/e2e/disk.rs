//! A disk that is full, read-only or damaged: what is in force ends on time, and
//! nothing new begins until it can be recorded.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::path::PathBuf;

use riposte_tests::{Engine, Host, address, sshd, until};
use serde_json::Value;

/// A block for so many seconds.
fn configuration(seconds: u32) -> String {
    format!(
        "<command><name>firewall-drop</name><executable>firewall-drop</executable><timeout_allowed>yes</timeout_allowed></command>
         <active-response><command>firewall-drop</command><location>local</location><rules_id>5712</rules_id><timeout>{seconds}</timeout></active-response>"
    )
}

/// A host whose state lies on a small file system of its own. Only a process
/// that holds the mount namespace sees it: the engine is started there.
struct Small {
    host: Host,
}

impl Small {
    /// `home/state` and `home/log` on one tmpfs of `size`.
    fn new(size: &str, seconds: u32) -> Self {
        let host = Host::with_machine();
        host.configure(&configuration(seconds));
        host.write("alerts.json", "");
        let disk = host.path("disk").display().to_string();
        let state = host.path("state").display().to_string();
        let log = host.path("log").display().to_string();
        let script = format!(
            "mkdir -p {disk} {state} {log} && mount -t tmpfs -o size={size},mode=700 tmpfs {disk} \
             && mkdir -m 700 {disk}/state {disk}/log && mount --bind {disk}/state {state} && mount --bind {disk}/log {log}"
        );
        assert!(host.command("sh").args(["-c", &script]).status().unwrap().success());
        Self { host }
    }

    fn sh(&self, script: &str) -> String {
        let output = self.host.command("sh").args(["-c", script]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn fill(&self) {
        let disk = self.host.path("disk").display().to_string();
        // To the last byte: by large pieces, then by small ones.
        self.sh(&format!("cat /dev/zero >{disk}/fill 2>/dev/null; dd if=/dev/zero of={disk}/fill2 bs=1 count=8192 2>/dev/null; true"));
        let left = self.sh(&format!("df --output=avail -B1 {disk} | tail -1"));
        assert_eq!(left.trim(), "0", "the disk is full");
    }

    fn empty(&self) {
        let disk = self.host.path("disk").display().to_string();
        self.sh(&format!("rm -f {disk}/fill {disk}/fill2"));
    }

    fn mount_again(&self, how: &str) {
        let disk = self.host.path("disk").display().to_string();
        let script = format!("mount -o remount,{how} {disk} && grep -F {disk} /proc/mounts");
        let said = self.sh(&script);
        assert!(said.contains(&format!(" {how},")), "{said}");
    }

    /// Has lines written to a file, for so many seconds, instead of blocks: no
    /// kernel ends them by itself.
    fn deny(&self, seconds: u32) {
        let file = self.host.path("scratch/hosts.deny").display().to_string();
        let capabilities = format!(
            r#"<timeout_allowed>yes</timeout_allowed>
               <capabilities><lines file="{file}" match="ALL:*"/><config name="file" value="{file}"/></capabilities>"#
        );
        let configuration = configuration(seconds).replace("firewall-drop", "host-deny");
        self.host.configure(&configuration.replace("<timeout_allowed>yes</timeout_allowed>", &capabilities));
        if !self.host.path("scratch/hosts.deny").exists() {
            self.host.write("scratch/hosts.deny", "");
        }
    }

    fn denied(&self) -> usize {
        self.host.read("scratch/hosts.deny").lines().filter(|line| line.starts_with("ALL:")).count()
    }

    fn status(&self) -> Value {
        self.host.riposte(&["status", "--json"]).json()
    }

    fn ledger(&self) -> PathBuf {
        self.host.path("state/ledger.db")
    }
}

fn blocked(host: &Host) -> usize {
    host.elements("drop4").len()
}

fn start(host: &Host) -> Engine {
    host.start(&[])
}

#[test]
fn with_a_full_disk_all_that_is_in_force_ends_on_time_and_is_recorded() {
    const BLOCKS: u32 = 5_000;
    // More than may be undecided of one command at a time: the reader waits.
    const MORE: u32 = 1_600;
    let small = Small::new("64m", 60);
    let engine = start(&small.host);
    let alerts: Vec<String> = (0..BLOCKS).map(|n| sshd(n, &address(n))).collect();
    small.host.alerts(&alerts);
    until("all are in force", || {
        small.status()["in_force"] == BLOCKS && blocked(&small.host) == BLOCKS as usize
    });
    small.fill();
    // Some may still find room in pages that are free.
    small.host.alerts(&(BLOCKS..BLOCKS + MORE).map(|n| sshd(n, &address(n))).collect::<Vec<_>>());
    until("the state is clear", || small.status()["ledger"]["state"] == "full");
    assert!(!small.host.elements("drop4").contains(&address(BLOCKS + MORE - 1)), "refused for now");
    let verified = small.host.riposte(&["ledger", "verify", "--json"]).json();
    assert_eq!(verified["memory"], serde_json::json!([]), "{verified}");
    until("all are undone", || blocked(&small.host) == 0);
    until("all are recorded", || {
        let status = small.status();
        status["in_force"] == 0 && status["ledger"]["unrecorded_undos"] == 0
    });
    assert_eq!(small.status()["ledger"]["state"], "full", "still");
    let log = engine.log();
    assert_eq!(log.matches("the ledger is full").count(), 1, "said once: {log}");
    small.empty();
    until("adds go on", || small.host.elements("drop4").contains(&address(BLOCKS + MORE - 1)));
    until("the state is clear again", || small.status()["ledger"]["state"] == "ok");
    // What waited is taken up in no order: the last may come before the others.
    let verify = || small.host.riposte(&["ledger", "verify", "--json"]);
    until("not one alert is lost", || verify().json()["entries"] == BLOCKS + MORE);
    let verified = verify();
    assert_eq!(verified.code, 0, "{verified:?}");
    engine.stop();
}

#[test]
fn a_start_on_a_full_disk_undoes_what_is_overdue() {
    let small = Small::new("48m", 5);
    let engine = start(&small.host);
    small.host.alerts(&(0..50).map(|n| sshd(n, &address(n))).collect::<Vec<_>>());
    until("all are in force", || blocked(&small.host) == 50);
    engine.kill();
    small.fill();
    let engine = start(&small.host);
    until("all are undone", || small.status()["in_force"] == 0 && blocked(&small.host) == 0);
    small.empty();
    until("it works again", || small.status()["ledger"]["state"] == "ok");
    engine.stop();
}

#[test]
fn a_start_on_a_read_only_ledger_undoes_what_is_due_and_goes_on_once_it_can_be_written() {
    let small = Small::new("48m", 6);
    small.deny(6);
    let engine = start(&small.host);
    small.host.alerts(&(0..20).map(|n| sshd(n, &address(n))).collect::<Vec<_>>());
    until("all are in force", || small.status()["in_force"] == 20 && small.denied() == 20);
    engine.kill();
    small.mount_again("ro");
    let engine = small.host.start_at_once();
    until("all are undone", || engine.log().matches("recorded once the ledger can be written").count() == 20);
    assert_eq!(small.denied(), 0);
    assert_eq!(engine.log().matches("is on a file system that is read-only").count(), 1, "{}", engine.log());
    small.mount_again("rw");
    until("the start goes on", || small.host.riposte(&["status"]).code == 0);
    until("all are recorded", || small.status()["in_force"] == 0);
    let verified = small.host.riposte(&["ledger", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    small.deny(600);
    engine.signal("HUP");
    small.host.alerts(&[sshd(700, "198.19.255.7")]);
    until("adds go on", || small.denied() == 1);
    engine.stop();
}

#[test]
fn a_disk_that_answers_nothing_any_more_keeps_no_undo_from_its_time() {
    let small = Small::new("48m", 10);
    small.deny(10);
    let engine = start(&small.host);
    small.host.alerts(&(0..20).map(|n| sshd(n, &address(n))).collect::<Vec<_>>());
    until("all are in force", || small.status()["in_force"] == 20 && small.denied() == 20);
    let ledger = small.ledger().display().to_string();
    let pid = engine.pid().to_string();
    let mut failing = small
        .host
        .command("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-p", &pid, "-P", &ledger, "-P", &format!("{ledger}-wal")])
        .args(["-e", "trace=pread64,pwrite64,fdatasync,fsync"])
        .args(["-e", "inject=pread64,pwrite64,fdatasync,fsync:error=EIO"])
        .spawn()
        .unwrap();
    until("all are undone", || small.denied() == 0);
    until("the state is clear", || {
        let ledger = small.status()["ledger"].clone();
        ledger["state"] == "failing" && ledger["unrecorded_undos"] == 20
    });
    let log = engine.log();
    // What nothing could be read of came back from memory.
    let from_memory = log.matches("undone from memory").count();
    let pid = failing.id().to_string();
    assert!(small.host.command("kill").args(["-INT", &pid]).status().unwrap().success());
    failing.wait().unwrap();
    until("all are recorded", || {
        let status = small.status();
        status["in_force"] == 0
            && status["ledger"]["state"] == "ok"
            && status["ledger"]["unrecorded_undos"] == 0
    });
    let verified = small.host.riposte(&["ledger", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?} {log}");
    assert!(from_memory > 0, "{log}");
    // The audit has a line of each all the same.
    let audit = small.host.path("log/audit.jsonl").display().to_string();
    until("all are told", || {
        let audit = small.sh(&format!("cat {audit}"));
        audit.lines().filter(|line| line.contains("\"kind\":\"undone\"")).count() == 20
    });
    engine.stop();
}

/// Where a salvage is killed: at which call about the ledger's files, by the
/// expression that strace takes, and at which of them.
const KILLED_AT: [(&str, u32); 10] = [
    ("/^rename", 1),
    ("/^rename", 2),
    ("/^rename", 3),
    ("/^rename", 4),
    ("/sync$", 1),
    ("/sync$", 2),
    ("/sync$", 3),
    ("/^unlink", 1),
    ("/^pwrite", 1),
    ("/^pwrite", 30),
];

#[test]
fn a_salvage_that_is_killed_anywhere_is_finished_by_the_next_start() {
    const BLOCKS: u32 = 100;
    let host = Host::new();
    host.configure(&configuration(3_600));
    host.alerts(&(0..BLOCKS).map(|n| sshd(n, &address(n))).collect::<Vec<_>>());
    let ended = host.once(&[]);
    assert_eq!((ended.code, host.count("in-force")), (0, BLOCKS as usize), "{ended:?}");
    let sh = |script: &str| {
        let output = host.command("sh").args(["-c", script]).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let state = host.path("state").display().to_string();
    let ledger = format!("{state}/ledger.db");
    let home = host.path("state").parent().unwrap().to_owned();
    // A copy of before, and pages that are none, the header among them.
    let made = host.riposte(&["ledger", "backup", &format!("{ledger}.backup")]);
    assert_eq!(made.code, 0, "{made:?}");
    sh(&format!(
        "for file in {ledger} {ledger}-wal; do test -e $file || continue; for page in 0 4 8 12; do \
         dd if=/dev/urandom of=$file bs=4096 count=1 seek=$page conv=notrunc 2>/dev/null; done; done"
    ));
    assert_eq!(host.riposte(&["ledger", "verify"]).code, 1);
    sh(&format!("cp -a {state} {state}.kept"));
    let mut killed = 0;
    for (call, when) in KILLED_AT {
        sh(&format!("rm -rf {state} && cp -a {state}.kept {state}"));
        let mut command = host.command("strace");
        command.args(["-f", "-qq", "-o", "/dev/null"]);
        for suffix in ["", "-wal", "-journal", ".new", ".new-journal", ".salvaged", ".backup"] {
            command.arg("-P").arg(format!("{ledger}{suffix}"));
        }
        command.args(["-e", &format!("trace={call}"), "-e"]);
        command.arg(format!("inject={call}:signal=SIGKILL:when={when}"));
        command.arg(riposte_tests::binary()).args(["run", "--once", "--home"]).arg(&home);
        let ended = command.arg("--alerts").arg(host.path("alerts.json")).output().unwrap();
        // A salvage that has no such call has ended well.
        killed += u32::from(!ended.status.success());
        let again = host.once(&[]);
        assert_eq!(again.code, 0, "{call} {when}: {again:?}");
        assert_eq!(host.count("in-force"), BLOCKS as usize, "{call} {when}: {again:?}");
        assert_eq!(blocked(&host), BLOCKS as usize, "{call} {when}");
        assert_eq!(host.riposte(&["ledger", "verify"]).code, 0, "{call} {when}");
        // Set aside, not deleted; twice where it was begun again from the start.
        assert!(!sh(&format!("ls {ledger}.damaged-*")).is_empty(), "{call} {when}");
    }
    assert!(killed >= 6, "{killed} of the points are in a salvage");
}

#[test]
fn a_second_engine_on_one_home_is_told_who_holds_it_and_changes_nothing() {
    let host = Host::new();
    host.configure(&configuration(600));
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force", || host.count("in-force") == 1);
    let second = host.once(&[]);
    assert_ne!(second.code, 0, "{second:?}");
    let words = format!("(process {})", engine.pid());
    assert!(second.err.contains(&words) && second.err.contains("--home"), "{second:?}");
    assert_eq!((host.count("in-force"), blocked(&host)), (1, 1));
    // The first one goes on.
    host.alerts(&[sshd(2, "198.18.0.2")]);
    until("the next one is in force", || blocked(&host) == 2);
    engine.stop();
}

#[test]
fn a_damaged_ledger_does_not_keep_the_engine_from_starting() {
    let small = Small::new("96m", 600);
    small
        .host
        .configure(&format!("{}<riposte><ledger><backup>1s</backup></ledger></riposte>", configuration(600)));
    let engine = start(&small.host);
    small.host.alerts(&(0..200).map(|n| sshd(n, &address(n))).collect::<Vec<_>>());
    until("all are in force", || blocked(&small.host) == 200);
    let copied = || small.status()["ledger"]["backup_time"].clone();
    until("it is copied", || !copied().is_null());
    let first = copied();
    small.host.alerts(&[sshd(5_000, &address(5_000))]);
    until("it is copied again", || copied() != first);
    engine.stop();
    // The header, and pages here and there.
    let said = small.sh(&format!(
        "for file in {0} {0}-wal; do test -e $file || continue; for page in 0 4 8 12 16 20; do \
         dd if=/dev/urandom of=$file bs=4096 count=1 seek=$page conv=notrunc 2>&1; done; done",
        small.ledger().display()
    ));
    assert!(said.matches("1+0 records out").count() >= 6, "{said}");
    let verified = small.host.riposte(&["ledger", "verify", "--json"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    let engine = start(&small.host);
    let status = small.status();
    assert_eq!(status["in_force"], 201, "{status}");
    assert!(!status["ledger"]["salvaged"].is_null(), "{status}");
    assert_eq!(blocked(&small.host), 201, "what is in force stays");
    let ledger = small.ledger().display().to_string();
    assert_eq!(small.sh(&format!("ls {ledger}.damaged-* | wc -l")).trim(), "1", "set aside, not deleted");
    assert_eq!(small.host.riposte(&["ledger", "verify"]).code, 0);
    let salvaged = small.sh(&format!("cat {}", small.host.path("log/audit.jsonl").display()));
    assert!(salvaged.contains("ledger-salvaged"), "{salvaged}");
    let undone = small.host.riposte(&["undo", "--all"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    until("all are undone", || blocked(&small.host) == 0);
    engine.stop();
}

#[test]
fn a_ledger_that_is_damaged_while_the_engine_runs_is_salvaged_by_it() {
    let small = Small::new("96m", 600);
    let engine = start(&small.host);
    small.host.alerts(&(0..100).map(|n| sshd(n, &address(n))).collect::<Vec<_>>());
    until("all are in force", || blocked(&small.host) == 100);
    let ledger = small.ledger().display().to_string();
    let wal = format!("{ledger}-wal");
    small.sh(&format!(
        "for file in {ledger} {wal}; do set -- $(stat -c %s $file); pages=$(( $1 / 4096 )); [ $pages -gt 300 ] && pages=300; \
         dd if=/dev/urandom of=$file bs=4096 count=$pages conv=notrunc 2>/dev/null; done"
    ));
    until("it is salvaged", || !small.status()["ledger"]["salvaged"].is_null());
    small.host.alerts(&[sshd(700, "198.19.255.7")]);
    until("adds go on", || small.host.elements("drop4").contains(&"198.19.255.7".to_owned()));
    engine.stop();
}

#[test]
fn a_copy_and_a_recovery_by_hand_leave_everything_as_it_is() {
    let host = Host::new();
    host.configure(&configuration(600));
    host.alerts(&[sshd(1, "198.18.0.1"), sshd(2, "198.18.0.2")]);
    let ended = host.once(&[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let copy = host.path("copy.db").display().to_string();
    let made = host.riposte(&["ledger", "backup", &copy, "--json"]);
    assert_eq!(made.code, 0, "{made:?}");
    let again = host.riposte(&["ledger", "backup", &copy]);
    assert!(again.code == 1 && again.err.contains("is there already"), "{again:?}");
    let recovered = host.path("recovered.db").display().to_string();
    let found = host.riposte(&["ledger", "recover", &recovered, "--json"]);
    assert_eq!(found.json()["counts"]["from_damaged"], 2, "{found:?}");
    let verified = host.riposte(&["ledger", "verify", "--json"]);
    assert_eq!((verified.code, &verified.json()["open"]), (0, &serde_json::json!(2)), "{verified:?}");
    assert_eq!(host.count("in-force"), 2);
}
