//! Which points there are.

use std::collections::{BTreeMap, BTreeSet};

use crate::point::{Fault, Path, Point, Selector};
use crate::trace::Call;

/// The engine's threads; what is called otherwise is a program that it started.
pub const THREADS: [&str; 9] = [
    "riposte",
    "ledger",
    "ledger-reader",
    "audit",
    "response-log",
    "intake",
    "nftables",
    "tokio-rt-worker",
    "riposte-starts",
];

/// Calls that only read: failing them tells something, a kill there does not.
const READS: [&str; 2] = ["read", "pread64"];

/// Every point of the calls that an undisturbed run made on `path`.
#[must_use]
pub fn points(path: Path, calls: &[Call], home: &str) -> BTreeSet<Point> {
    // How many calls one thread made: the most of all threads of a name.
    let mut counts: BTreeMap<(Selector, &str, bool), BTreeMap<u32, u32>> = BTreeMap::new();
    let mut count = |selector: Selector, call: &Call| {
        let name = CALLS_BY_NAME.iter().find(|known| **known == call.call);
        if let Some(name) = name {
            let of_netlink = call.file.as_deref().is_some_and(|file| file.starts_with("NETLINK"));
            *counts.entry((selector, *name, of_netlink)).or_default().entry(call.thread).or_default() += 1;
        }
    };
    let first = calls.first().map(|call| call.thread);
    for call in calls.iter().filter(|call| THREADS.contains(&call.name.as_str())) {
        if path.is_start() {
            let selector = if Some(call.thread) == first { Selector::Main } else { Selector::Any };
            count(selector, call);
        } else if call.name == "tokio-rt-worker" || call.name == "riposte-starts" {
            count(Selector::Any, call);
        } else {
            count(Selector::Thread(call.name.clone()), call);
        }
        if let Some(file) = call.file.as_deref().and_then(|file| ours(file, home)) {
            count(Selector::File(file), call);
        }
    }
    let mut points = BTreeSet::new();
    for ((selector, call, netlink), by_thread) in counts {
        let most = by_thread.values().copied().max().unwrap_or_default();
        for number in 1..=most {
            for fault in faults(&selector, call, netlink) {
                let call = call.to_owned();
                points.insert(Point { path, selector: selector.clone(), call, number, fault });
            }
        }
    }
    points
}

use crate::trace::CALLS as CALLS_BY_NAME;

/// What can go wrong at a call.
fn faults(selector: &Selector, call: &str, netlink: bool) -> Vec<Fault> {
    match selector {
        Selector::File(_) => match call {
            "read" | "pread64" => vec![Fault::Io],
            // They lock; no system answers an unlock with EIO.
            "flock" | "fcntl" => vec![Fault::Kill],
            _ => vec![Fault::Kill, Fault::NoSpace, Fault::Io],
        },
        _ if READS.contains(&call) => Vec::new(),
        _ if netlink => vec![Fault::Kill, Fault::Io],
        _ => vec![Fault::Kill],
    }
}

/// A file that the engine writes or depends on; not what the C library and the
/// guard look up.
fn ours(file: &str, home: &str) -> Option<String> {
    if let Some(rest) = file.strip_prefix(home) {
        let rest = rest.trim_start_matches('/');
        // Compiled code and configuration are of no entry. A program has a count
        // of its own each time it is started, and would fail for ever.
        let skipped =
            ["state/compiled", "state/plugins", "state/versions", "etc/", "machine", "active-response"];
        return (!skipped.iter().any(|prefix| rest.starts_with(prefix))).then(|| format!("~/{rest}"));
    }
    let etc = file.starts_with("/etc/hosts.deny")
        || file.starts_with("/etc/.hosts.deny")
        || file.starts_with("/etc/riposte-crash");
    let bare = !file.contains('/') && !file.contains(':') && !file.is_empty() && !file.ends_with(".sh");
    (etc || bare).then(|| file.to_owned())
}
