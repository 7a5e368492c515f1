//! What has to be on the disk before an effect is made, by the order of the
//! calls alone: a kill loses no page that was not synced, so no crash of a
//! process shows a sync that is missing.

use crate::point::Path;
use crate::run::{Doing, Report, run};
use crate::scene::Scene;
use crate::trace::{Call, calls};

/// Calls that write the ledger or act on the host.
const CALLS: [&str; 9] =
    ["pwrite64", "fsync", "fdatasync", "sendto", "sendmsg", "write", "renameat", "renameat2", "openat"];

/// More than a page of the ledger.
const DATA: usize = 5_000;

/// One effect: what its record looks like in the ledger, and what its first
/// call looks like.
struct Effect {
    what: &'static str,
    /// Neighbouring columns of the row, as SQLite writes them.
    record: &'static str,
    is_made: fn(&Call) -> bool,
}

const EFFECTS: [Effect; 7] = [
    Effect {
        what: "the block of 198.18.0.1",
        record: "firewalldrop 198.18.0.1",
        is_made: |call| is_element(call, r"\xc6\x12\x00\x01"),
    },
    Effect {
        what: "the block of 198.18.0.2",
        record: "firewalldrop 198.18.0.2",
        is_made: |call| is_element(call, r"\xc6\x12\x00\x02"),
    },
    Effect {
        what: "the line of 198.18.0.4",
        record: "ALL:198.18.0.4",
        is_made: |call| is_line(call, "ALL:198.18.0.4"),
    },
    Effect {
        what: "the route of 198.18.0.5",
        record: "routes198.18.0.5",
        is_made: |call| {
            call.text.contains("RTN_BLACKHOLE")
                && call.text.contains("198.18.0.5")
                && call.call.starts_with("send")
        },
    },
    Effect {
        what: "the lock of the account",
        record: "accountsriposte-crash",
        is_made: |call| call.name == "usermod",
    },
    Effect {
        what: "the quarantine of the file",
        record: "quarantine/etc/riposte-crash/x",
        is_made: |call| call.call == "renameat2" && call.file.as_deref() == Some("x"),
    },
    Effect {
        what: "the start of a program",
        record: r#"[\"198.18.0.6\"]nativeintended"#,
        is_made: |call| call.name == "note.sh",
    },
];

/// Traces an undisturbed run of alerts.
#[must_use]
pub fn traced(scene: &Scene, environment: &[(&str, &str)]) -> Report {
    run(scene, Path::Add, &Doing::Look(&CALLS, DATA), environment)
}

/// Every effect whose record was not durable when it began; and those that
/// were not seen, since nothing is known of them.
#[must_use]
pub fn unordered(trace: &str) -> Vec<String> {
    let calls = calls(trace);
    let mut wrong = Vec::new();
    for effect in &EFFECTS {
        let Some(made) = calls.iter().find(|call| (effect.is_made)(call)) else {
            wrong.push(format!("{} was not seen", effect.what));
            continue;
        };
        let of_ledger = || {
            calls
                .iter()
                .filter(|call| call.file.as_deref().is_some_and(|file| file.ends_with("/ledger.db-wal")))
        };
        let Some(recorded) =
            of_ledger().find(|call| call.call == "pwrite64" && call.text.contains(effect.record))
        else {
            wrong.push(format!("{}: its record was not seen", effect.what));
            continue;
        };
        let durable = of_ledger().any(|call| {
            matches!(call.call.as_str(), "fsync" | "fdatasync")
                && call.text.ends_with("= 0")
                && call.begins > recorded.ends
                && call.ends < made.begins
        });
        if !durable {
            wrong.push(format!("{} began before its record was durable", effect.what));
        }
    }
    wrong
}

fn is_element(call: &Call, bytes: &str) -> bool {
    call.text.contains("NFT_MSG_NEWSETELEM") && call.text.contains(bytes)
}

fn is_line(call: &Call, line: &str) -> bool {
    let of_file = call.file.as_deref().is_some_and(|file| file.contains("hosts.deny"));
    of_file && call.call == "write" && call.text.contains(line)
}
