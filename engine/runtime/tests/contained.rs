//! Modules written by hand that do what no compiler would write, each one
//! thing: it ends as that thing does, its other calls work, and so does
//! everybody else.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use common::{ALERT, Machine, invocation};
use riposte_policy::grant::Grants;
use riposte_policy::limit::Limits;
use riposte_runtime::{Failure, LoadError, Plugin};

/// How a call is to end.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// As if nothing were wrong.
    Well,
    /// At the limit of processor time.
    Cpu,
    /// At the limit of memory.
    Memory,
    /// By a trap of which this is a part.
    Trap(&'static str),
    /// With an answer that is not taken, of which this is a part.
    Unfit(&'static str),
    /// With an error of its own.
    Said,
}
use Ends::{Cpu, Memory, Said, Trap, Unfit, Well};

const UNREACHABLE: Ends = Trap("`unreachable`");
const OUTSIDE: Ends = Trap("out of bounds");
const NOT_TEXT: Ends = Trap("utf-8");
const TOO_MUCH: Ends = Trap("too much data");

/// How `keys`, `add` and `delete` of each module end.
#[rustfmt::skip]
const CASES: &[(&str, [Ends; 3])] = &[
    ("copy-memory",        [Well, Cpu, Well]),
    ("divide",             [Well, Trap("divide by zero"), Well]),
    ("error-always-again", [Well, Said, Well]),
    ("error-forged",       [Well, Said, Well]),
    ("error-huge",         [Well, TOO_MUCH, Well]),
    ("error-not-text",     [Well, NOT_TEXT, Well]),
    ("fill-memory",        [Well, Cpu, Well]),
    ("grow-at-once",       [Well, Memory, Well]),
    ("grow-memory",        [Well, Memory, Well]),
    ("grow-table",         [Well, Memory, Well]),
    ("indirect",           [Well, Trap("type mismatch"), Well]),
    ("json-flood",         [Well, Cpu, Well]),
    ("keys-beyond",        [OUTSIDE, Well, Well]),
    // Such text comes from alerts, and who writes it must not get a response suspended.
    ("keys-control",       [Said, Well, Well]),
    ("keys-crooked",       [Trap("not aligned"), Well, Well]),
    ("keys-endless",       [OUTSIDE, Well, Well]),
    ("keys-just-fit",      [Well, Well, Well]),
    ("keys-long",          [Said, Well, Well]),
    ("keys-neither",       [Trap("discriminant"), Well, Well]),
    ("keys-not-text",      [NOT_TEXT, Well, Well]),
    ("keys-nul",           [Said, Well, Well]),
    ("keys-surrogate",     [NOT_TEXT, Well, Well]),
    ("keys-wild",          [OUTSIDE, Well, Well]),
    ("large-memory",       [Memory, Memory, Memory]),
    ("log-beyond",         [Well, OUTSIDE, Well]),
    ("log-endless",        [Well, OUTSIDE, Well]),
    ("log-flood",          [Well, Cpu, Well]),
    ("log-from-realloc",   [Trap("cannot leave"), Trap("cannot leave"), Trap("cannot leave")]),
    ("log-huge",           [Well, TOO_MUCH, Well]),
    ("log-no-level",       [Well, Trap("discriminant"), Well]),
    ("log-not-text",       [Well, NOT_TEXT, Well]),
    ("loop-add",           [Well, Cpu, Well]),
    ("loop-delete",        [Well, Well, Cpu]),
    ("loop-keys",          [Cpu, Well, Well]),
    ("null-call",          [Well, Trap("uninitialized"), Well]),
    ("post-loop",          [Well, Cpu, Well]),
    ("post-trap",          [Well, UNREACHABLE, Well]),
    // The alert lands on the answer that `keys` has ready.
    ("realloc-crooked",    [Trap("discriminant"), Well, Well]),
    ("realloc-loop",       [Cpu, Cpu, Cpu]),
    ("realloc-trap",       [UNREACHABLE, UNREACHABLE, UNREACHABLE]),
    ("realloc-wild",       [Trap("beyond end"), Trap("beyond end"), Trap("beyond end")]),
    ("receipt-beyond",     [Well, OUTSIDE, Well]),
    ("receipt-huge",       [Well, TOO_MUCH, Well]),
    ("receipt-just-fits",  [Well, Well, Well]),
    ("receipt-too-long",   [Well, Unfit("65537 bytes"), Well]),
    ("recursion",          [Well, Trap("call stack exhausted"), Well]),
    ("start-loop",         [Cpu, Cpu, Cpu]),
    ("start-trap",         [UNREACHABLE, UNREACHABLE, UNREACHABLE]),
    ("text-answer-beyond", [Well, OUTSIDE, Well]),
    ("text-beyond",        [Well, OUTSIDE, Well]),
    ("trap-add",           [Well, UNREACHABLE, Well]),
    ("trap-delete",        [Well, Well, UNREACHABLE]),
    ("trap-keys",          [UNREACHABLE, Well, Well]),
    ("wild-load",          [Well, OUTSIDE, Well]),
    ("wild-store",         [Well, OUTSIDE, Well]),
];

#[tokio::test]
async fn each_ends_as_it_should_and_the_next_one_is_served() {
    let machine = Machine::new();
    let echo = machine.hostile("echo", Grants::default());
    for (name, expected) in CASES {
        let plugin = load(&machine, name).unwrap();
        for (call, (result, expected)) in
            ["keys", "add", "delete"].iter().zip(calls(&plugin).await.into_iter().zip(expected))
        {
            assert!(ends(&result, *expected), "{name}: {call}: {result:?}, not {expected:?}");
            assert!(echo.add(&invocation(ALERT)).await.result.is_ok(), "after {call} of {name}");
        }
    }
}

#[test]
fn what_cannot_fit_is_refused_at_load() {
    let machine = Machine::new();
    let refused = load(&machine, "large-table").err().unwrap();
    assert!(matches!(&refused, LoadError::TooLarge(why) if why.contains("1000000")), "{refused:?}");
}

#[test]
fn every_module_has_its_line() {
    let known: BTreeSet<_> = CASES.iter().map(|(name, _)| *name).chain(["large-table"]).collect();
    assert_eq!(riposte_hostile::modules().collect::<BTreeSet<_>>(), known);
}

#[tokio::test]
async fn what_a_module_says_ends_no_line() {
    let machine = Machine::new();
    let added = load(&machine, "error-forged").unwrap().add(&invocation(ALERT)).await;
    let text = added.result.unwrap_err().to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.contains("forged"), "{text:?}");
}

#[tokio::test]
async fn bytes_of_a_receipt_come_back_as_they_were() {
    let machine = Machine::new();
    let added = load(&machine, "receipt-just-fits").unwrap().add(&invocation(ALERT)).await;
    assert_eq!(added.result, Ok(vec![255; 65_536]));
}

/// Processor time is cut short, so that what never ends does so soon; no call
/// that ends by itself comes near it.
fn load(machine: &Machine, name: &str) -> Result<Arc<Plugin>, LoadError> {
    let limits =
        Limits { cpu: Duration::from_millis(100), wall: Duration::from_secs(3600), ..Limits::default() };
    let wasm = riposte_hostile::component(name);
    machine.components.load(name, wasm, &Arc::new(Grants::default()), &limits, true)
}

async fn calls(plugin: &Plugin) -> [Result<(), Failure>; 3] {
    let call = invocation(ALERT);
    [
        plugin.keys(&call).await.result.map(drop),
        plugin.add(&call).await.result.map(drop),
        plugin.delete(&call, Some(vec![1, 2, 3])).await.result.map(drop),
    ]
}

fn ends(result: &Result<(), Failure>, expected: Ends) -> bool {
    match (result, expected) {
        (Ok(()), Well)
        | (Err(Failure::CpuLimit { .. }), Cpu)
        | (Err(Failure::MemoryLimit { .. }), Memory)
        | (Err(Failure::Said { .. }), Said) => true,
        (Err(Failure::Trap { what }), Trap(part)) | (Err(Failure::Unfit { what }), Unfit(part)) => {
            what.contains(part)
        }
        _ => false,
    }
}
