//! An engine in place of `wazuh-execd`, with a clock under the test's control
//! and programs that write down all that they are told.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use riposte_capability::Backends;
use riposte_capability::firewall::fake::Fake;
use riposte_ledger::ManualClock;
use riposte_ledger::clock::Clock;
use riposte_ledger::entry::Filter;
use riposte_ledger::{Entry, State};
use riposte_policy::Order;
use riposte_policy::config::Role;
use riposte_transport::route::Identity;
use riposte_transport::wazuh::execq::{Datagram, Message};
use riposte_transport::wazuh::ossec_log::OssecLog;

use super::super::intake::Intake;
use super::super::local::Local;
use super::super::{configs, end};
use crate::engine::{Engine, Settings};
use crate::exit::Exit;
use crate::files;
use crate::places::Places;
use crate::report::wazuh_log::append;
use crate::service::{Plan, Service, Serving, Signal};

/// What every program of these tests does: it writes down each line, and to an
/// `add` answers what the test put into `said`.
const PROGRAM: &str = r#"#!/bin/sh
out=rec/$$
IFS= read -r line && printf '%s\n' "$line" >"$out"
printf '%s %s\n' "$$" "$0" >>rec/order
case $line in *'"command":"delete"'*) exit 0;; esac
if [ -e rec/said ]; then
  cat rec/said
  IFS= read -r line && printf '%s\n' "$line" >>"$out"
fi
exit "$(cat rec/exit)"
"#;

/// One such engine.
pub(super) struct Lab {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    start_ms: i64,
    pub(super) engine: Arc<Engine>,
    pub(super) firewall: Arc<Fake>,
    serving: Option<Serving>,
    intake: Intake,
    /// How many programs were looked at.
    seen: usize,
}

/// A program that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Child {
    /// What it was called.
    pub(super) called: String,
    /// Each line that it was told.
    pub(super) heard: Vec<String>,
}

/// What a program answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// This line.
    Line(String),
    /// Nothing; it ends with this status.
    Nothing(u8),
}

impl Lab {
    /// Starts one with these lines of `ar.conf`, this agent-side block, and
    /// these programs.
    pub(super) async fn new(ar_conf: &str, block: &str, programs: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["etc/shared", "active-response/bin/team", "queue/alerts", "logs", "rec", "bin"] {
            std::fs::DirBuilder::new().recursive(true).create(dir.path().join(folder)).unwrap();
        }
        let conf = format!("<ossec_config>\n<active-response>{block}</active-response>\n</ossec_config>\n");
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            append(&path).unwrap().write_all(text.as_bytes()).unwrap();
            path
        };
        write("etc/ossec.conf", &conf);
        write("etc/shared/ar.conf", ar_conf);
        for program in programs {
            let path = write(&format!("active-response/bin/{program}"), PROGRAM);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o750)).unwrap();
        }
        let root = dir.path().to_owned();
        let configs = configs(&root, &[]);
        let clock = Arc::new(ManualClock::new());
        let start_ms = clock.now().wall_ms;
        let plan = Plan {
            files: files::read(&configs).unwrap(),
            places: Places::new(Some(&root.join("riposte")), Some(&root), &configs),
            configs,
            identity: Identity::new(&[], true),
            alerts: "test".to_owned(),
            settings: Settings { role: Role::Execd, ..Settings::default() },
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
        };
        let log = OssecLog::open(root.join("logs/ossec.log"), true).unwrap();
        let local = Local::read(&conf).unwrap();
        let mut fake = None;
        let service = Service::open(
            plan,
            |report| report.with_ossec_log(log),
            |claims, _, _, _| {
                let firewall = Arc::new(Fake::new(Arc::clone(claims)));
                fake = Some(Arc::clone(&firewall));
                Backends::only_firewall(firewall)
            },
        );
        let serving = service.unwrap().begin().await.unwrap();
        let engine = Arc::clone(&serving.engine);
        local.lines.iter().for_each(|line| engine.report.wazuh(line));
        let intake = Intake::new(Arc::clone(&engine), local.offenders.into());
        let firewall = fake.unwrap();
        Self { dir, clock, start_ms, engine, firewall, serving: Some(serving), intake, seen: 0 }
    }

    /// A path below Wazuh's home.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file anew.
    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        if path.exists() {
            rustix::fs::unlink(&path).unwrap();
        }
        append(&path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Sends a message to a program that will answer like this, and waits until
    /// all of it is done.
    pub(super) async fn send(&mut self, message: &str, answer: &Answer) {
        if self.path("rec/said").exists() {
            rustix::fs::unlink(self.path("rec/said")).unwrap();
        }
        match answer {
            Answer::Line(line) => self.write("rec/said", &format!("{line}\n")),
            Answer::Nothing(_) => {}
        }
        self.write("rec/exit", &if let Answer::Nothing(status) = answer { *status } else { 0 }.to_string());
        self.intake.take(Datagram::Whole(message.as_bytes().to_vec())).await;
        self.engine.settled().await;
    }

    /// Takes a datagram as it is.
    pub(super) async fn take(&mut self, datagram: Datagram) {
        self.intake.take(datagram).await;
        self.engine.settled().await;
    }

    /// Sets the clock to so many seconds after the start, and waits until all
    /// that is then due is undone.
    pub(super) async fn at(&mut self, seconds: u64) {
        let target = self.start_ms + i64::try_from(seconds * 1000).unwrap();
        let by = u64::try_from(target - self.clock.now().wall_ms).expect("time goes on");
        self.clock.advance(Duration::from_millis(by));
        let now = self.clock.now().boot_ms;
        loop {
            self.engine.timekeeper.look_again();
            let due = |entry: &Entry| {
                entry.state == State::Undoing || entry.due_boot_ms.is_some_and(|due| due <= now)
            };
            if !self.open().await.iter().any(due) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets so much time pass that everything ends.
    pub(super) async fn pass(&mut self) {
        let passed = self.clock.now().wall_ms - self.start_ms;
        self.at(u64::try_from(passed / 1000).unwrap() + 1000).await;
        assert!(self.open().await.is_empty());
    }

    /// The order that a message becomes.
    pub(super) fn order(&self, message: &str, program: &str) -> Order {
        let message = Message::parse(message.as_bytes()).unwrap();
        self.intake.order_for(message, program)
    }

    /// What is in force or under way, in the order it was added.
    pub(super) async fn open(&self) -> Vec<Entry> {
        let filter = Filter { open_only: true, ..Filter::default() };
        let mut open = self.engine.ledger.entries(filter).await.unwrap();
        open.sort_by_key(|entry| entry.id);
        open
    }

    /// The programs that were started since this was last asked.
    pub(super) fn children(&mut self) -> Vec<Child> {
        let order = self.read("rec/order");
        let lines: Vec<_> = order.lines().skip(self.seen).map(str::to_owned).collect();
        self.seen += lines.len();
        let child = |line: String| {
            let (pid, called) = line.split_once(' ').unwrap();
            let heard = self.read(&format!("rec/{pid}"));
            Child { called: called.to_owned(), heard: heard.lines().map(str::to_owned).collect() }
        };
        lines.into_iter().map(child).collect()
    }

    /// What a file holds; nothing when it is not there.
    pub(super) fn read(&self, name: &str) -> String {
        let bytes = files::read_at_most(&self.path(name), 64 << 20).unwrap_or_default();
        String::from_utf8(bytes).unwrap()
    }

    /// Wazuh's log, without the time and the name before each line.
    pub(super) fn log(&self) -> Vec<String> {
        let lines = self.read("logs/ossec.log");
        lines.lines().map(|line| line.split_once(" wazuh-execd: ").unwrap().1.to_owned()).collect()
    }

    /// The audit events of one kind, once there are so many: what each says.
    /// They are written by a thread of their own.
    pub(super) async fn events(&self, kind: &str, least: usize) -> Vec<String> {
        for _ in 0..20_000 {
            let events = self.read("riposte/log/audit.jsonl");
            let events =
                events.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let events = events.filter(|event| event["kind"] == kind);
            let found: Vec<_> =
                events.map(|event| event["detail"].as_str().unwrap_or_default().to_owned()).collect();
            if found.len() >= least {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never {least} events {kind}");
    }

    /// SIGTERM.
    pub(super) async fn terminate(&mut self) -> Exit {
        let serving = self.serving.take().unwrap();
        end(serving, Signal { number: 15, name: "Terminated" }, tokio::spawn(async {})).await.unwrap()
    }
}
