//! The benchmark: ratios against what users run today, measured in one run.
//!
//! Called by `tests/bench/run`, in a network namespace of its own, with the
//! folder of the built programs and those of the responses that were built with
//! the SDKs. Figures differ between machines; the ratios hold. Each section
//! prints what it measures, the figures, and the aim. With `--languages` as its
//! first word it measures those responses and nothing else.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark that cannot go on has failed; it plays the user, with clocks, programs and files of its own"
)]

mod components;
mod firewall;
mod intake;
mod languages;
mod whole;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The engine's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut words: Vec<_> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let only = words.first().is_some_and(|word| word.as_os_str() == "--languages");
    if only {
        words.remove(0);
    }
    let programs = if words.is_empty() { PathBuf::from("target/release") } else { words.remove(0) };
    let page = Path::new("docs/sdk/README.md");
    println!("{} cores; {}", std::thread::available_parallelism().unwrap(), kernel());
    if only {
        return languages::measure(&words, Some(page));
    }
    let call = components::measure(&programs);
    intake::measure();
    firewall::measure();
    whole::measure(&programs);
    languages::measure(&words, Some(page));
    println!("\nAll figures are of this machine and this run. One component call: {}.", shown(call));
}

/// How long one `run` takes: the median of `times`, after some to warm up.
pub fn median(times: usize, mut run: impl FnMut()) -> Duration {
    for _ in 0..times / 10 + 1 {
        run();
    }
    let mut took: Vec<_> = (0..times)
        .map(|_| {
            let begun = Instant::now();
            run();
            begun.elapsed()
        })
        .collect();
    took.sort();
    took[took.len() / 2]
}

/// A length of time with three digits.
pub fn shown(time: Duration) -> String {
    match time.as_nanos() {
        ns @ 0..10_000 => format!("{ns} ns"),
        ns @ 10_000..10_000_000 => format!("{:.1} us", ns as f64 / 1e3),
        ns => format!("{:.1} ms", ns as f64 / 1e6),
    }
}

/// An alert of sshd from this address, of the usual 1.3 kB.
pub fn sshd(id: u32, srcip: &str) -> String {
    format!(
        concat!(
            r#"{{"timestamp":"2026-11-20T10:00:00.000+0000","rule":{{"level":10,"description":"sshd: brute force trying to get "#,
            r#"access to the system. Non existent user.","id":"5712","mitre":{{"id":["T1110"],"tactic":["Credential Access"],"#,
            r#""technique":["Brute Force"]}},"frequency":8,"firedtimes":1,"mail":false,"groups":["syslog","sshd","#,
            r#""authentication_failures"],"gdpr":["IV_35.7.d","IV_32.2"],"hipaa":["164.312.b"],"nist_800_53":["SI.4","AU.14","#,
            r#""AC.7"],"pci_dss":["11.4","10.2.4","10.2.5"],"tsc":["CC6.1","CC6.8","CC7.2","CC7.3"]}},"agent":{{"id":"000","#,
            r#""name":"web-server-01","ip":"10.0.2.15"}},"manager":{{"name":"manager"}},"id":"1763632800.{}","previous_output":"#,
            r#""Nov 20 09:59:58 web-server-01 sshd[20413]: Invalid user oracle from 203.0.113.77 port 51540\nNov 20 09:59:57 "#,
            r#"web-server-01 sshd[20411]: Invalid user postgres from 203.0.113.77 port 51538","full_log":"Nov 20 10:00:00 "#,
            r#"web-server-01 sshd[20415]: Invalid user admin from 203.0.113.77 port 51544","predecoder":{{"program_name":"sshd","#,
            r#""timestamp":"Nov 20 10:00:00","hostname":"web-server-01"}},"decoder":{{"parent":"sshd","name":"sshd"}},"#,
            r#""data":{{"srcip":"{}","srcport":"51544","srcuser":"admin"}},"location":"/var/log/auth.log"}}"#
        ),
        id, srcip
    )
}

/// The `n`th address of 198.18.0.0/15, which is set aside for benchmarks.
pub fn address(n: u32) -> String {
    std::net::Ipv4Addr::from(0xc612_0000 + n).to_string()
}

fn kernel() -> String {
    std::fs::read_to_string("/proc/version")
        .unwrap_or_default()
        .split(" (")
        .next()
        .unwrap_or_default()
        .to_owned()
}
