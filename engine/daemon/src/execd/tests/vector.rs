//! Exchanges between a manager, `wazuh-execd` and a program, written down as
//! lines, and their run against the engine.
//!
//! ```text
//! t=0 in {…}    a message arrives
//! > {…}         the program hears this line
//! < {…}         it says this; `< EOF 255`: nothing, and it ends with that
//! log TEXT      Wazuh's log has a line that ends so
//! list KEY 60   this is in force for so long, and nothing else
//! list empty    nothing is
//! stop          SIGTERM
//! ```
//!
//! A `>` behind the lines of a message is another program's, started by then.

use super::lab::{Answer, Child, Lab};
use crate::exit::Exit;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Seconds after the start.
    at: u64,
    act: Act,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Act {
    In(String),
    Hears(String),
    Says(Answer),
    Log(String),
    List(Vec<(String, u64)>),
    Stop,
}

/// Reads the lines. A time holds until the next one.
pub(super) fn steps<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Step> {
    let mut at = 0;
    let mut steps: Vec<Step> = Vec::new();
    for line in lines {
        let mut line = line.trim();
        if let Some(rest) = line.strip_prefix("t=") {
            let (time, rest) = rest.split_once(' ').unwrap();
            at = time.parse().unwrap();
            line = rest.trim();
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        let act = match word {
            "in" => Act::In(rest.to_owned()),
            ">" => Act::Hears(rest.to_owned()),
            "<" => Act::Says(match rest.strip_prefix("EOF") {
                Some(status) => Answer::Nothing(status.trim().parse().unwrap_or(0)),
                None => Answer::Line(rest.to_owned()),
            }),
            "log" => Act::Log(rest.to_owned()),
            "list" if rest == "empty" => Act::List(Vec::new()),
            "list" => {
                let (key, seconds) = rest.rsplit_once(' ').unwrap();
                let listed = (key.to_owned(), seconds.parse().unwrap());
                // Lines that follow each other are one list.
                if let Some(Step { act: Act::List(list), .. }) = steps.last_mut() {
                    list.push(listed);
                    continue;
                }
                Act::List(vec![listed])
            }
            "stop" => Act::Stop,
            _ => panic!("not a step: {line}"),
        };
        steps.push(Step { at, act });
    }
    steps
}

/// Runs the exchange and compares it, byte for byte.
pub(super) async fn run(lab: &mut Lab, steps: &[Step]) {
    let mut rest = steps;
    let mut logged = 0;
    let mut stopped = Vec::new();
    while let Some((step, more)) = rest.split_first() {
        rest = more;
        match &step.act {
            Act::In(message) => {
                lab.at(step.at).await;
                let (hears, answer) = exchange(&mut rest);
                lab.send(message, &answer).await;
                let children = lab.children();
                if hears.is_empty() {
                    assert_eq!(children, [], "nothing is started by {message}");
                } else {
                    let [child] = children.as_slice() else { panic!("{message}: {children:?}") };
                    compare(child, &hears);
                }
            }
            Act::Hears(line) => {
                // At a stop targets are undone side by side: what is told of each
                // comes in its order, and of all of them in any.
                let of_this = |child: &Child| child.heard.iter().any(|heard| heard == line);
                if let Some(at) = stopped.iter().position(of_this) {
                    let before = stopped.iter().take(at).flat_map(|child: &Child| &child.heard);
                    let mut same =
                        before.filter(|heard| target(line).is_some() && target(heard) == target(line));
                    assert_eq!(same.next(), None, "of one target, it comes before {line}");
                }
                let child = match take(&mut stopped, of_this) {
                    Some(child) => child,
                    None => {
                        // A second before, it is still in force.
                        if let Some(before) = step.at.checked_sub(1) {
                            lab.at(before).await;
                            assert_eq!(lab.children(), [], "not yet at t={before}");
                        }
                        lab.at(step.at).await;
                        let mut children = lab.children();
                        assert_eq!(children.len(), 1, "at t={}: {children:?}", step.at);
                        children.remove(0)
                    }
                };
                compare(&child, std::slice::from_ref(line));
            }
            Act::Says(_) => panic!("nobody was spoken to"),
            Act::Log(text) => {
                let log = lab.log();
                let found = log.iter().skip(logged).position(|line| line.ends_with(text.as_str()));
                let Some(found) = found else { panic!("{text} is not behind line {logged} of {log:#?}") };
                logged += found + 1;
            }
            Act::List(wanted) => {
                let open = lab.open().await;
                let listed = open.iter().map(|entry| {
                    let program = entry.definition.parse::<serde_json::Value>().unwrap();
                    let program = program["executable"].as_str().unwrap().to_owned();
                    let key = [vec![program], entry.keys.clone()].concat().join("-");
                    (key, u64::try_from(entry.timeout_ms.unwrap_or(0) / 1000).unwrap())
                });
                assert_eq!(listed.collect::<Vec<_>>(), *wanted, "at t={}", step.at);
            }
            Act::Stop => {
                assert_eq!(lab.terminate().await, Exit::Failed);
                stopped = lab.children();
            }
        }
    }
    assert_eq!(lab.children(), [], "nothing else was started");
    assert_eq!(stopped, []);
}

/// Whom a message is about.
fn target(message: &str) -> Option<String> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    message.pointer("/parameters/alert/data/srcip").map(ToString::to_string)
}

/// The first that is so; else the first of all.
fn take(children: &mut Vec<Child>, is: impl Fn(&Child) -> bool) -> Option<Child> {
    if children.is_empty() {
        return None;
    }
    Some(children.remove(children.iter().position(is).unwrap_or(0)))
}

/// What a program hears and says right after a message.
fn exchange(rest: &mut &[Step]) -> (Vec<String>, Answer) {
    let mut hears = Vec::new();
    let mut answer = Answer::Nothing(0);
    while let Some((step, more)) = rest.split_first() {
        match &step.act {
            Act::Hears(line) if !line.contains(r#""command":"delete""#) => hears.push(line.clone()),
            Act::Says(said) => answer = said.clone(),
            _ => break,
        }
        *rest = more;
    }
    (hears, answer)
}

fn compare(child: &Child, hears: &[String]) {
    assert_eq!(child.heard.len(), hears.len(), "{child:#?} {hears:#?}");
    for (heard, wanted) in child.heard.iter().zip(hears) {
        match wanted.strip_prefix("... ").and_then(|part| part.strip_suffix(" ...")) {
            Some(part) => assert!(heard.contains(part), "{part} is not in {heard}"),
            None => assert_eq!(heard, wanted),
        }
    }
}
