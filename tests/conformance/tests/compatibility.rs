//! What was built against the first version of the package still works, and
//! nothing of that version is lost.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::disallowed_methods, reason = "reads the components that are checked in")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use riposte_author::scenario::{self, Stage, show};
use wit_component::WitPrinter;
use wit_parser::Resolve;

/// Interfaces that a component exports, and types on both sides: frozen.
const FROZEN: [&str; 3] = ["types", "reversible", "oneshot"];

fn first() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("compatibility/0.1.0")
}

#[test]
fn components_of_the_first_version_load_and_work() {
    let stage = Stage::new(None).unwrap();
    for (component, scenarios) in
        [("block-rust", "block.json"), ("block-c", "block.json"), ("everything-rust", "everything.json")]
    {
        let bytes = std::fs::read(first().join(component).with_extension("wasm")).unwrap();
        let subject = stage.subject(component, bytes).unwrap();
        for scenario in scenario::read(&first().join(scenarios)).unwrap() {
            let played = stage.play(&subject, &scenario).unwrap();
            assert!(played.passed(), "{component}: {}", show::text(&played));
        }
    }
}

#[test]
fn nothing_of_the_first_version_is_lost() {
    let then = interfaces(&first().join("wit"));
    let now = interfaces(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit"));
    assert!(then.len() > 15, "{then:?}");
    let lost = lost(&then, &now);
    assert!(lost.is_empty(), "components of 0.1.0 would no longer load:\n{}", lost.join("\n"));
}

#[test]
fn what_is_lost_or_changed_is_found() {
    let then = interfaces(&first().join("wit"));
    for (interface, from, to) in [
        ("firewall", "unblock: func(address: string)", "unblock: func(address: string, hard: bool)"),
        ("state", "remove:", "forget:"),
        ("exec", "status: s32,", "status: s64,"),
        ("log", "trace,", "trace,\n    notice,"),
        ("types", "retry: bool,", "retry: bool,\n    code: u32,"),
    ] {
        let mut now = then.clone();
        let items = now.get_mut(interface).unwrap();
        let changed: Vec<_> = items.iter().map(|item| item.replace(from, to)).collect();
        assert_ne!(&changed, items, "{from}");
        *items = changed;
        assert_eq!(lost(&then, &now).len(), if FROZEN.contains(&interface) { 2 } else { 1 }, "{from}");
    }
    // An imported interface may gain a function, an exported one may not.
    for (interface, says) in [("firewall", 0), ("reversible", 1)] {
        let mut now = then.clone();
        now.get_mut(interface).unwrap().push("more: func();".to_owned());
        assert_eq!(lost(&then, &now).len(), says);
    }
}

/// Everything that would keep a component of `then` from loading `now`.
fn lost(then: &BTreeMap<String, Vec<String>>, now: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut lost = Vec::new();
    for (interface, items) in then {
        let Some(held) = now.get(interface) else {
            lost.push(format!("interface {interface}"));
            continue;
        };
        let gone = items.iter().filter(|item| !held.contains(item));
        lost.extend(gone.map(|item| format!("{interface}: {item}")));
        if FROZEN.contains(&interface.as_str()) {
            let new = held.iter().filter(|item| !items.contains(item));
            lost.extend(new.map(|item| format!("{interface} is frozen, and has gained {item}")));
        }
    }
    lost
}

/// The types and functions of each interface, in the one spelling of the printer.
fn interfaces(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(folder).unwrap();
    let mut printer = WitPrinter::default();
    printer.emit_docs(false).print(&resolve, package, &[]).unwrap();
    let mut found = BTreeMap::<String, Vec<String>>::new();
    let (mut interface, mut depth, mut item) = (None, 0_u32, String::new());
    for line in printer.output.to_string().lines() {
        let opens = line.ends_with('{');
        if depth == 0 && opens {
            interface = line.strip_prefix("interface ").map(|rest| rest.trim_end_matches(" {").to_owned());
        } else if depth > 0 && line.trim() != "}" || depth > 1 {
            item.push_str(line.trim());
            item.push('\n');
        }
        depth = depth + u32::from(opens) - u32::from(line.trim() == "}");
        if depth <= 1 && !item.is_empty() && !opens {
            let whole = std::mem::take(&mut item);
            // The name of an interface stands where a world begins too.
            if let Some(interface) = &interface {
                found.entry(interface.clone()).or_default().push(whole.trim().to_owned());
            }
        }
        if depth == 0 && line == "}" {
            interface = None;
        }
    }
    found
}
