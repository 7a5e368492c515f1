//! Fresh calls of the built-in `firewall-drop` per second, over a firewall
//! that does nothing:
//!
//! ```text
//! cargo run --release -p riposte-runtime --example call_throughput [SECONDS]
//! ```
//!
//! Each call is a whole one: store, instance, the alert read twice by pointer
//! through the host, the claim, the firewall call, a log line, the outcome.
#![expect(clippy::disallowed_methods, reason = "a measurement needs a clock")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use riposte_capability::claim::{Claims, Effect, NotRecorded, Standing};
use riposte_capability::firewall::{Backend, Element, Target};
use riposte_capability::{Capabilities, Guard, Refusal};
use riposte_policy::config::Mode;
use riposte_policy::grant::{FirewallGrant, Grants};
use riposte_policy::limit::Limits;
use riposte_policy::order::EntryId;
use riposte_runtime::{Components, Invocation, Plugin, Settings};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let seconds = std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?;
    let capabilities = Capabilities::new(Arc::new(Nothing), Arc::new(Nothing), Arc::new(Guard::new()));
    let components = Components::new(&Settings::default(), Arc::new(capabilities))?;
    let grants = Arc::new(Grants { firewall: Some(FirewallGrant::default()), ..Grants::default() });
    let builtin = riposte_plugins::builtins().first().ok_or("no built-in response")?;
    let plugin = components.load(builtin.name, builtin.wasm, &grants, &Limits::default(), true)?;

    println!("{} on {} processors", builtin.name, std::thread::available_parallelism()?);
    for (workers, tasks) in [(1, 1), (1, 32), (2, 32)] {
        measure(&plugin, Duration::from_secs(seconds), workers, tasks)?;
    }
    Ok(())
}

fn measure(plugin: &Arc<Plugin>, time: Duration, workers: usize, tasks: usize) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    let begun = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let plugin = Arc::clone(plugin);
            runtime.spawn(async move {
                let invocation = invocation();
                let mut each = Vec::new();
                while begun.elapsed() < time {
                    let one = Instant::now();
                    plugin.add(&invocation).await.result?;
                    each.push(one.elapsed());
                    tokio::task::yield_now().await;
                }
                Ok::<_, riposte_runtime::Failure>(each)
            })
        })
        .collect();
    let mut each = Vec::new();
    for task in running {
        each.extend(runtime.block_on(task)??);
    }
    let elapsed = begun.elapsed();
    each.sort_unstable();
    let at = |percent: usize| each.get(each.len() * percent / 100).copied().unwrap_or_default();
    println!(
        "{workers} threads, {tasks} at a time: {} calls/s, p50 {:?}, p99 {:?}",
        u128::try_from(each.len())? * 1_000 / elapsed.as_millis().max(1),
        at(50),
        at(99),
    );
    Ok(())
}

fn invocation() -> Invocation {
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
        alert: ALERT.into(),
        mode: Mode::Enforce,
    }
}

const ALERT: &str = r#"{"timestamp":"2026-11-20T17:29:11.482+0000","rule":{"level":10,"description":"sshd: brute force trying to get access to the system. Non existent user.","id":"5712","mitre":{"id":["T1110"],"tactic":["Credential Access"],"technique":["Brute Force"]},"frequency":8,"firedtimes":1,"mail":false,"groups":["syslog","sshd","authentication_failures"],"gdpr":["IV_35.7.d","IV_32.2"],"hipaa":["164.312.b"],"nist_800_53":["SI.4","AU.14","AC.7"],"pci_dss":["11.4","10.2.4","10.2.5"],"tsc":["CC6.1","CC6.8","CC7.2","CC7.3"]},"agent":{"id":"001","name":"web-server-01","ip":"10.0.0.11"},"manager":{"name":"manager"},"id":"1763659751.1482033","previous_output":"Nov 20 17:29:09 web-server-01 sshd[20411]: Invalid user admin from 203.0.113.77 port 51510\nNov 20 17:29:07 web-server-01 sshd[20409]: Invalid user test from 203.0.113.77 port 51498","full_log":"Nov 20 17:29:11 web-server-01 sshd[20415]: Invalid user postgres from 203.0.113.77 port 51544","predecoder":{"program_name":"sshd","timestamp":"Nov 20 17:29:11","hostname":"web-server-01"},"decoder":{"parent":"sshd","name":"sshd"},"data":{"srcip":"203.0.113.77","srcport":"51544","srcuser":"postgres"},"location":"/var/log/auth.log"}"#;

/// A ledger and a firewall that say yes.
struct Nothing;

#[async_trait]
impl Claims for Nothing {
    async fn claim(&self, _: EntryId, _: &Effect, _: Option<&str>) -> Result<Standing, NotRecorded> {
        Ok(Standing::Free)
    }

    async fn release(&self, _: EntryId, _: &Effect) -> Result<Standing, NotRecorded> {
        Ok(Standing::Free)
    }

    fn standing(&self, _: &Effect) -> Standing {
        Standing::Free
    }
}

#[async_trait]
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
