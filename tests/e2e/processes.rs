//! Processes: those that the test itself starts, ended by an alert.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays an attacker"
)]

use std::path::Path;
use std::process::{Child, Command, Stdio};

use riposte_tests::{Host, alert, until};

/// A process of this test's own. Ended when it is dropped.
struct Sleeper(Child);

impl Sleeper {
    fn start(path: &Path) -> Self {
        if !path.exists() {
            std::fs::copy("/bin/sleep", path).unwrap();
        }
        loop {
            match Command::new(path).arg("1000").stdin(Stdio::null()).spawn() {
                Ok(child) => return Self(child),
                // Another test's process, not yet what it is to run, still has
                // the file open for writing.
                Err(busy) => assert_eq!(busy.kind(), std::io::ErrorKind::ExecutableFileBusy),
            }
        }
    }

    fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_alert_ends_the_process_that_it_names_and_no_other() {
    let host = Host::new();
    host.configure(
        r#"<command><name>one</name><executable>kill-process</executable>
             <capabilities><process names="riposte-e2e-*" except="riposte-e2e-kept"/></capabilities></command>
           <active-response><command>one</command><location>local</location><rules_id>5712</rules_id></active-response>"#,
    );
    let miner = host.path("riposte-e2e-miner");
    let (mut one, mut two) = (Sleeper::start(&miner), Sleeper::start(&miner));
    let mut kept = Sleeper::start(&host.path("riposte-e2e-kept"));
    let mut other = Sleeper::start(&host.path("riposte-other"));
    let _engine = host.start(&[]);
    let audit = |id: u32, process: u32, exe: &str| {
        alert(id, &format!(r#""audit":{{"pid":"{process}","exe":"{exe}"}}"#))
    };
    // Programs that are not granted, or not this process's, and the engine.
    host.alerts(&[
        audit(1, kept.0.id(), "/tmp/riposte-e2e-kept"),
        audit(2, other.0.id(), "/tmp/riposte-other"),
        audit(3, other.0.id(), "/tmp/riposte-e2e-miner"),
        audit(4, 1, "/tmp/riposte-e2e-miner"),
        audit(5, one.0.id(), "/somewhere/else/riposte-e2e-miner"),
    ]);
    until("the process has ended", || !one.runs());
    until("all are decided", || host.entries().len() == 5);
    assert!(two.runs() && kept.runs() && other.runs());
    assert_eq!(host.count("done"), 2, "{:?}", host.entries());
    // Without a number: all that run it.
    host.alerts(&[alert(6, &format!(r#""audit":{{"exe":"{}"}}"#, miner.display()))]);
    until("the other one has ended too", || !two.runs());
    assert!(kept.runs() && other.runs());
}
