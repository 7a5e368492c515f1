//! How many responses a second the ledger records durably.
//!
//! `cargo run --release -p riposte-ledger --example throughput [FOLDER] [TRIPLES] [CALLERS]`
//!
//! A triple is what one timed response costs: admitted, one effect claimed
//! (durable, before the effect), in force. Each caller does one after another.
//! Afterwards everything is undone, and the memory per entry is printed.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement, not the engine")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use riposte_ledger::entry::Kind;
use riposte_ledger::{Admitted, Cause, Ledger, NewEntry, SystemClock, Wait};
use riposte_policy::config::{Mode, Way};
use riposte_policy::order::Actor;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let triples: u64 = arguments.next().map_or(300_000, |text| text.parse().unwrap());
    let callers: u64 = arguments.next().map_or(32, |text| text.parse().unwrap());
    let folder = folder.join(format!("riposte-throughput-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(measure(&folder.join("ledger.db"), triples, callers));
    std::fs::remove_dir_all(&folder).unwrap();
}

async fn measure(path: &std::path::Path, triples: u64, callers: u64) {
    let settings = riposte_ledger::Settings { per_command: u64::MAX, total: u64::MAX, ..Default::default() };
    let opened = Ledger::open_with(path, Arc::new(SystemClock::new()), settings.clone()).unwrap();
    let ledger = opened.ledger;
    let resident = resident();

    // So that the thread has its name.
    ledger.flush().await.unwrap();
    let (begun, busy) = (Instant::now(), writer_busy());
    let waited = each(callers, triples, {
        let ledger = ledger.clone();
        move |number| triple(ledger.clone(), number)
    })
    .await;
    report("triples (admit, claim, added)", triples, begun.elapsed(), waited);
    println!(
        "writer: {:.1?} of processor time a triple",
        (writer_busy() - busy) / u32::try_from(triples).unwrap()
    );
    println!("memory: {} bytes an entry", (self::resident() - resident) * 1024 / triples);

    let begun = Instant::now();
    let extended = each(callers, triples / 4, {
        let ledger = ledger.clone();
        move |number| extend(ledger.clone(), number)
    })
    .await;
    report("extensions", triples / 4, begun.elapsed(), extended);

    drop(ledger);
    let begun = Instant::now();
    let opened = Ledger::open_with(path, Arc::new(SystemClock::new()), settings).unwrap();
    println!("opened again with {} pending in {:.0?}", opened.pending.len(), begun.elapsed());
    let ledger = opened.ledger;

    let begun = Instant::now();
    let ids: Arc<Vec<_>> = Arc::new(opened.pending.iter().map(|pending| pending.id).collect());
    let undone = each(callers, triples, {
        let ledger = ledger.clone();
        move |number| undo(ledger.clone(), ids[usize::try_from(number).unwrap()], number)
    })
    .await;
    report("undos (begin, release, undone)", triples, begun.elapsed(), undone);
}

/// Has `callers` tasks do `total` things, one after another each; returns how
/// long each took.
async fn each<F: Future<Output = ()> + Send>(
    callers: u64,
    total: u64,
    deed: impl Fn(u64) -> F + Send + Clone + 'static,
) -> Vec<Duration> {
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for _ in 0..callers {
        let (next, deed) = (Arc::clone(&next), deed.clone());
        tasks.push(tokio::spawn(async move {
            let mut waited = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= total {
                    return waited;
                }
                let begun = Instant::now();
                deed(number).await;
                waited.push(begun.elapsed());
            }
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all.sort_unstable();
    all
}

async fn triple(ledger: Ledger, number: u64) {
    let Admitted::New { id, .. } = ledger.admit(block(number), Wait::Applied).await.unwrap() else {
        panic!("{number} is known")
    };
    let _ = ledger.claim(id, "firewall", &target(number), None).await.unwrap();
    let _ = ledger.added(id, None).await.unwrap();
}

async fn extend(ledger: Ledger, number: u64) {
    let mut again = block(number);
    again.timeout = Some(Duration::from_secs(7_200));
    assert!(matches!(ledger.admit(again, Wait::Applied).await, Ok(Admitted::InForce { extended: true, .. })));
}

async fn undo(ledger: Ledger, id: riposte_policy::order::EntryId, number: u64) {
    let undo = ledger.begin_undo(id, Cause::Recovery).await.unwrap();
    let target = undo.effects.first().map_or_else(|| target(number), |effect| effect.target.clone());
    let _ = ledger.release(id, "firewall", &target).await.unwrap();
    ledger.undone(id).await.unwrap();
}

fn target(number: u64) -> String {
    format!("drop {}", address(number))
}

fn address(number: u64) -> std::net::Ipv4Addr {
    let number = u32::try_from(number).unwrap();
    // Spread, as attackers are.
    std::net::Ipv4Addr::from_bits(number.wrapping_mul(0x9e37_79b1))
}

fn block(number: u64) -> NewEntry {
    let address = address(number).to_string();
    NewEntry {
        tenant: "default".into(),
        command: "firewall-drop".into(),
        response: Some("firewall-drop#1".into()),
        location: "local",
        agent: "000".into(),
        alert: format!(
            "{{\"id\":\"{number}\",\"srcip\":\"{address}\",\"full_log\":\"{}\"}}",
            "x".repeat(1_260)
        )
        .into(),
        keys: vec![address],
        kind: Kind::Reversible,
        timeout: Some(Duration::from_secs(3_600)),
        offenders: [Duration::from_secs(7_200)].into(),
        alert_id: format!("1767268800.{number}").into(),
        rule_id: "5712".into(),
        definition: "<command><name>firewall-drop</name></command>".into(),
        digest: None,
        mode: Mode::Enforce,
        actor: Actor::Alert,
        reason: None,
        source: None,
        message: None,
        program: "firewall-drop".into(),
        key: Way::Riposte,
        offences: Way::Riposte,
    }
}

fn report(what: &str, count: u64, took: Duration, waited: Vec<Duration>) {
    #[expect(clippy::cast_precision_loss, reason = "a rate to read")]
    let rate = count as f64 / took.as_secs_f64();
    let at = |percent: usize| {
        waited.get(waited.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
    };
    println!("{what}: {rate:.0} a second; each p50 {:.0?}, p99 {:.0?}", at(50), at(99));
    drop(waited);
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// Processor time of the ledger's thread, in ticks of 10 ms.
fn writer_busy() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().path());
    let is_writer =
        |path: &PathBuf| std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "ledger");
    let stat = std::fs::read_to_string(threads.into_iter().find(is_writer).unwrap().join("stat")).unwrap();
    let ticks: u64 =
        stat.split_whitespace().skip(13).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
