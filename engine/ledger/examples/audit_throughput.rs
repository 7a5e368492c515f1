//! How many events a second the audit takes, hashed and on the disk, and how
//! long it takes to verify them: `audit_throughput [EVENTS]`.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a measurement that cannot go on is none"
)]

use std::sync::Arc;
use std::time::Instant;

use riposte_ledger::SystemClock;
use riposte_ledger::audit::verify::{Against, verify};
use riposte_ledger::audit::{Audit, Event, Settings};
use riposte_ledger::ledger::Heads;

fn main() {
    let events: i64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(200_000);
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("audit.jsonl");
    let heads = Heads::default();
    let audit = Audit::open(&path, Arc::new(SystemClock::new()), heads.clone(), Settings::default());
    let audit = audit.expect("an audit");
    let begun = Instant::now();
    for entry in 0..events {
        audit.record(Event {
            kind: "in-force".into(),
            entry: Some(entry),
            command: Some("firewall-drop".into()),
            keys: vec!["192.0.2.7".into()],
            alert_id: Some("1763632800.1".into()),
            detail: Some("in force until 2026-01-01T12:00:00.000Z".into()),
            ..Event::default()
        });
    }
    audit.flush();
    let written = begun.elapsed();
    let begun = Instant::now();
    let verified = verify(&path, &Against { ledger: heads.noted(), signed: None }).expect("files");
    let read = begun.elapsed();
    let rate = |time: std::time::Duration| events as f64 / time.as_secs_f64();
    println!(
        "written {:.0} a second, verified {:.0} a second, sound: {}",
        rate(written),
        rate(read),
        verified.is_sound()
    );
}
