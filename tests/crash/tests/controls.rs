//! Engines that break a promise: the harness must catch each. They are the same
//! binary, with something preloaded between it and the system, so that nothing
//! of this is in what is shipped.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it builds what is preloaded"
)]

use std::path::PathBuf;
use std::process::Command;

use riposte_crash::order::{traced, unordered};
use riposte_crash::point::{Path, Point};
use riposte_crash::run::{Doing, run};
use riposte_crash::scene::Scene;
use riposte_crash::tracer_works;

/// What is preloaded, built.
fn shim() -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (name, out) = (std::process::id(), folder.join("shim.so"));
    let made = folder.join(format!("shim.{name}.{:?}.so", std::thread::current().id()));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/shim.c");
    let arguments = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-pthread", "-o"];
    let built = Command::new("cc").args(arguments).arg(&made).arg(source).arg("-ldl").status().unwrap();
    assert!(built.success());
    std::fs::rename(&made, &out).unwrap();
    out.display().to_string()
}

/// Where an effect has just been made, or is about to be, once its record is.
const AFTER_EFFECTS: [&str; 6] = [
    "add,thread=nftables,recvfrom,3,kill",
    "add,thread=response-log,write,1,kill",
    "add,file=/etc/riposte-crash,fsync,1,kill",
    "add,file=hosts.deny,openat,1,kill",
    "add,thread=response-log,write,3,kill",
    "add,thread=audit,write,3,kill",
];

#[test]
fn a_record_that_comes_after_its_effect_is_caught_by_kills() {
    tracer_works().unwrap();
    let shim = shim();
    let scene = Scene::new();
    let late = [("LD_PRELOAD", shim.as_str()), ("CRASH_SHIM", "late")];
    let mut caught = Vec::new();
    for point in AFTER_EFFECTS {
        let point: Point = point.parse().unwrap();
        let sound = run(&scene, Path::Add, &Doing::Point(&point), &[]);
        assert!(sound.broken.is_empty(), "{point}: the engine as it is: {:?}", sound.broken);
        let report = run(&scene, Path::Add, &Doing::Point(&point), &late);
        println!("{point}: hit {}, caught {:?}", report.hit, report.broken);
        // By what is on the host, not only by what the logs say.
        let seen = |what: &String| what.starts_with("left") || what.starts_with("doubled");
        if report.hit && report.broken.iter().any(seen) {
            caught.push(report.broken);
        }
    }
    assert!(caught.len() >= 2, "the kills do not catch it: {caught:?}");
}

#[test]
fn a_sync_that_is_missing_is_caught_by_the_order_of_calls() {
    tracer_works().unwrap();
    let shim = shim();
    let scene = Scene::new();
    let sound = traced(&scene, &[]);
    assert_eq!(unordered(&sound.trace), Vec::<String>::new());
    let report = traced(&scene, &[("LD_PRELOAD", &shim), ("CRASH_SHIM", "no-sync")]);
    assert!(report.broken.is_empty(), "a kill would not show it: {:?}", report.broken);
    let unordered = unordered(&report.trace);
    assert_eq!(unordered.len(), 7, "{unordered:?}");
    assert!(unordered.iter().all(|what| what.ends_with("before its record was durable")), "{unordered:?}");
}
