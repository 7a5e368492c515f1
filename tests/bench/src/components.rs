//! One response: a fresh sandbox, against starting what users start today.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use riposte_capability::claim::Memory;
use riposte_capability::firewall::{Backend, Element, Target};
use riposte_capability::{Backends, Capabilities, Guard, Refusal};
use riposte_policy::Config;
use riposte_policy::config::{Mode, Source};
use riposte_policy::order::EntryId;
use riposte_runtime::{Components, Invocation, Plugin, Settings};

use crate::{median, shown, sshd};

/// How often each is measured in turn.
const ROUNDS: u32 = 10;

/// A host that does nothing: the sandbox alone is measured.
pub(crate) struct Nothing;

#[async_trait::async_trait]
impl Backend for Nothing {
    async fn sync(&self, _: Vec<Target>) -> Result<(), Refusal> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Element>, Refusal> {
        Ok(Vec::new())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

pub(crate) fn measure(programs: &Path) -> Duration {
    println!("\n1. One response to one alert: a fresh component that reads the alert and calls the host,");
    println!("   against starting a program that reads it (same alert, same run)");
    let alert = sshd(1, "203.0.113.77");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let plugin = plugin();
    let peers: [(&str, Vec<String>, usize, f64); 3] = [
        ("empty C program", vec![programs.join("empty").display().to_string()], 60, 20.0),
        ("Python script", vec![python(), "tests/bench/peer.py".to_owned()], 12, 500.0),
        ("Bash script with jq", vec!["bash".to_owned(), "tests/bench/peer.sh".to_owned()], 8, 1_000.0),
    ];
    // In turn, and the best round of each: the machine is not quiet, and what
    // disturbs one must not be held against another.
    let mut call = Duration::MAX;
    let mut started = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        call = call.min(runtime.block_on(calls(&plugin, &alert)));
        for (best, (_, command, times, _)) in started.iter_mut().zip(&peers) {
            *best = (*best).min(median(*times, || start(command, &alert)));
        }
    }
    println!("   component, fresh instance, add           {:>10}", shown(call));
    for threads in [1, 2] {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
        let rate = runtime.block_on(throughput(&plugin, &alert));
        println!("   the same, {threads} threads                      {rate:>10.0} a second");
    }
    for ((name, _, _, aim), took) in peers.iter().zip(started) {
        let ratio = took.as_secs_f64() / call.as_secs_f64();
        let verdict = if ratio >= *aim { "met" } else { "MISSED" };
        println!("   {name:<40} {:>10}   {ratio:>6.0} x (aim {aim:.0}: {verdict})", shown(took));
    }
    call
}

fn plugin() -> Arc<Plugin> {
    let claims = Arc::new(Memory::default());
    let capabilities = Arc::new(Capabilities::new(
        claims,
        Backends::only_firewall(Arc::new(Nothing)),
        Arc::new(Guard::new()),
    ));
    let components = Components::new(&Settings::default(), capabilities).unwrap();
    let builtin = riposte_plugins::builtins()[0];
    let definition = Config::read(&[Source::new(builtin.name, builtin.definition)]);
    let command = &definition.commands[0];
    let grants = Arc::new(command.capabilities.clone().unwrap());
    components.load(builtin.name, builtin.wasm, &grants, &command.limits, true).unwrap()
}

async fn calls(plugin: &Plugin, alert: &str) -> Duration {
    let invocation = invocation(alert);
    let mut took = Vec::new();
    for n in 0..3_300 {
        let begun = Instant::now();
        let outcome = plugin.add(&invocation).await;
        if n >= 300 {
            took.push(begun.elapsed());
        }
        assert!(outcome.result.is_ok(), "{outcome:?}");
    }
    took.sort();
    took[took.len() / 2]
}

async fn throughput(plugin: &Arc<Plugin>, alert: &str) -> f64 {
    const EACH: u32 = 4_000;
    let begun = Instant::now();
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (plugin, invocation) = (Arc::clone(plugin), invocation(alert));
            tokio::spawn(async move {
                for _ in 0..EACH {
                    assert!(plugin.add(&invocation).await.result.is_ok());
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    f64::from(16 * EACH) / begun.elapsed().as_secs_f64()
}

pub(crate) fn invocation(alert: &str) -> Invocation {
    Invocation {
        command: "firewall-drop".into(),
        id: "1".to_owned(),
        entry: Some(EntryId(1)),
        attempt: 1,
        timeout: Some(Duration::from_secs(600)),
        offence: 1,
        tenant: "default".into(),
        location: "local",
        arguments: Arc::new([]),
        keys: Arc::new([]),
        alert: alert.into(),
        mode: Mode::Enforce,
        rehearsal: false,
    }
}

/// The system's Python, past the wrappers of version switchers.
fn python() -> String {
    let system = Path::new("/usr/bin/python3");
    if system.is_file() { system.display().to_string() } else { "python3".to_owned() }
}

fn start(command: &[String], alert: &str) {
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // The peers read one line; what they leave is their own affair.
    let _ = writeln!(input, r#"{{"version":1,"command":"add","parameters":{{"alert":{alert}}}}}"#);
    drop(input);
    child.wait().unwrap();
}
