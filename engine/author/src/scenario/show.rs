//! How it went, for people and for programs.

use std::fmt::Write as _;

use riposte_policy::diagnostic::inline;
use riposte_runtime::Failure;
use serde_json::{Value, json};

use super::compare::{self, Difference};
use super::stage::{Answer, Played, Round, Subject};
use super::{Call, base64};

/// One line for a scenario that went as expected, more for another.
#[must_use]
pub fn text(played: &Played) -> String {
    let name = inline(&played.scenario.name);
    let took: f64 = played.rounds.iter().map(|round| round.took.as_secs_f64() * 1e3).sum();
    if played.passed() {
        return format!("ok    {name} ({took:.1} ms)\n");
    }
    let mut text = format!("FAIL  {name}\n");
    for Difference { round, what, expected, came } in &played.differences {
        // Writing to a string does not fail.
        if *round > 0 {
            let _ = writeln!(text, "      call {round}:");
        }
        rows(&mut text, what, "expected", expected);
        rows(&mut text, "", "came", came);
    }
    // What it says of itself is where an author looks first.
    let said = played.differences.iter().any(|difference| difference.what == "log");
    if let Some(round) = played.rounds.iter().find(|round| !said && !round.log.is_empty()) {
        let log: Vec<_> = round.log.iter().map(ToString::to_string).collect();
        rows(&mut text, "log", "said", &log);
    }
    let _ = writeln!(text, "      in {}", inline(&played.scenario.file.display().to_string()));
    text
}

fn rows(text: &mut String, what: &str, which: &str, lines: &[String]) {
    let nothing = ["(nothing)".to_owned()];
    let lines = if lines.is_empty() { &nothing } else { lines };
    let (mut what, mut which) = (what, which);
    for line in lines {
        let _ = writeln!(text, "      {what:<8} {which:<9} {}", inline(line));
        (what, which) = ("", "");
    }
}

/// The same for programs.
#[must_use]
pub fn value(played: &Played) -> Value {
    let differences = played.differences.iter().map(|difference| {
        json!({
            "round": difference.round,
            "what": difference.what,
            "expected": difference.expected,
            "came": difference.came,
        })
    });
    json!({
        "file": played.scenario.file,
        "name": played.scenario.name,
        "call": played.scenario.call.as_str(),
        "passed": played.passed(),
        "differences": differences.collect::<Vec<_>>(),
        "rounds": played.rounds.iter().map(round_value).collect::<Vec<_>>(),
    })
}

/// One call for programs.
#[must_use]
pub fn round_value(round: &Round) -> Value {
    let mut value = json!({
        "ok": round.result.is_ok(),
        "calls": round.calls.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "log": round.log.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "cpu_us": round.cpu.as_micros(),
        "took_us": round.took.as_micros(),
        "memory": round.memory,
    });
    let (name, more) = match &round.result {
        Ok(Answer::Keys(keys)) => ("keys", json!(keys)),
        Ok(Answer::Receipt(receipt)) => match std::str::from_utf8(receipt) {
            Ok(text) => ("receipt", json!(text)),
            Err(_) => ("receipt_base64", json!(base64::encode(receipt))),
        },
        Ok(Answer::Done) => return value,
        Err(Failure::Said { kind, message, retry }) => {
            ("error", json!({"kind": kind, "message": message, "retry": retry}))
        }
        Err(failure) => ("stopped", json!(failure.to_string())),
    };
    if let Some(object) = value.as_object_mut() {
        object.insert(name.to_owned(), more);
    }
    value
}

/// A table of one call, for `riposte plugin run`.
#[must_use]
pub fn table(subject: &Subject, call: Call, round: &Round) -> String {
    let mut text = String::new();
    let mut row = |name: &str, lines: &[String]| {
        let nothing = ["(nothing)".to_owned()];
        let mut name = name;
        for line in if lines.is_empty() { &nothing } else { lines } {
            let _ = writeln!(text, "{name:<8} {}", inline(line));
            name = "";
        }
    };
    row(
        "call",
        &[format!("{call} of a {} response, {} KiB", subject.kind().as_str(), subject.size().div_ceil(1024))],
    );
    row("result", &[compare::result(round)]);
    if let Ok(Answer::Keys(keys)) = &round.result {
        row("keys", keys);
    }
    row("calls", &round.calls.iter().map(ToString::to_string).collect::<Vec<_>>());
    row("log", &round.log.iter().map(ToString::to_string).collect::<Vec<_>>());
    row("time", &[format!("{:.1} ms, of the processor {:.1} ms", ms(round.took), ms(round.cpu))]);
    row("memory", &[compare::size(round.memory)]);
    text
}

fn ms(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
