//! What was expected against what came.

use std::fmt::Write as _;

use riposte_runtime::Failure;

use super::stage::{Answer, Round};
use super::{End, Expect, Limit, base64};

/// One point in which a call was not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which of several calls it was, from 1; 0 when there was one.
    pub round: usize,
    /// The field of `expect`.
    pub what: &'static str,
    /// What was expected, line by line.
    pub expected: Vec<String>,
    /// What came, line by line.
    pub came: Vec<String>,
}

/// All differences, round by round.
pub(super) fn differences(expect: &Expect, rounds: &[Round]) -> Vec<Difference> {
    let mut found = Vec::new();
    for (number, round) in (1..).zip(rounds) {
        let number = if rounds.len() > 1 { number } else { 0 };
        let mut differ = |what, expected: Vec<String>, came: Vec<String>| {
            found.push(Difference { round: number, what, expected, came });
        };
        if !ends(&expect.end, round) {
            differ("result", vec![shown(&expect.end)], vec![result(round)]);
        }
        if let (Some(expected), Ok(Answer::Keys(keys))) = (&expect.keys, &round.result)
            && expected != keys
        {
            differ("keys", expected.clone(), keys.clone());
        }
        if let (Some(expected), Ok(Answer::Receipt(receipt))) = (&expect.receipt, &round.result)
            && expected != receipt
        {
            differ("receipt", vec![bytes(expected)], vec![bytes(receipt)]);
        }
        if let Some(expected) = &expect.calls {
            let same = expected.len() == round.calls.len()
                && expected.iter().zip(&round.calls).all(|(expected, called)| called.is(expected));
            if !same {
                differ("calls", expected.clone(), round.calls.iter().map(ToString::to_string).collect());
            }
        }
        let lines: Vec<_> = round.log.iter().map(ToString::to_string).collect();
        let unsaid: Vec<_> = expect
            .log
            .iter()
            .filter(|part| !lines.iter().any(|line| line.contains(*part)))
            .cloned()
            .collect();
        if !unsaid.is_empty() {
            differ("log", unsaid, lines);
        }
        if let Some(most) = expect.memory
            && round.memory > most
        {
            differ("memory", vec![format!("at most {}", size(most))], vec![size(round.memory)]);
        }
        if let Some(most) = expect.cpu
            && round.cpu > most
        {
            differ("cpu", vec![format!("at most {most:?}")], vec![format!("{:?}", round.cpu)]);
        }
    }
    found
}

fn ends(expected: &End, round: &Round) -> bool {
    match (expected, &round.result) {
        (End::Ok, Ok(_)) => true,
        (
            End::Error { kind, message, retry },
            Err(Failure::Said { kind: came, message: text, retry: again }),
        ) => {
            kind.as_ref().is_none_or(|kind| kind == came)
                && message.as_ref().is_none_or(|part| text.contains(part))
                && retry.is_none_or(|retry| retry == *again)
        }
        (End::Limit(limit), Err(failure)) => limit_of(failure) == Some(*limit),
        (End::Trap, Err(Failure::Trap { .. } | Failure::Exit)) => true,
        _ => false,
    }
}

fn limit_of(failure: &Failure) -> Option<Limit> {
    match failure {
        Failure::CpuLimit { .. } => Some(Limit::Cpu),
        Failure::MemoryLimit { .. } => Some(Limit::Memory),
        Failure::WallLimit { .. } => Some(Limit::Wall),
        _ => None,
    }
}

/// What was expected, in words.
fn shown(end: &End) -> String {
    match end {
        End::Ok => "ok".to_owned(),
        End::Error { kind, message, retry } => {
            let mut text = format!("error {}", kind.as_deref().unwrap_or("of any kind"));
            // Writing to a string does not fail.
            if let Some(part) = message {
                let _ = write!(text, ", its message with {part:?}");
            }
            if let Some(retry) = retry {
                let _ = write!(text, ", retry {retry}");
            }
            text
        }
        End::Limit(limit) => format!("stopped at the limit of {}", limit.as_str()),
        End::Trap => "a trap".to_owned(),
    }
}

/// How a round ended, in words.
pub(super) fn result(round: &Round) -> String {
    match &round.result {
        Ok(Answer::Receipt(receipt)) if !receipt.is_empty() => {
            format!("ok, with the receipt {}", bytes(receipt))
        }
        Ok(_) => "ok".to_owned(),
        Err(failure @ Failure::Said { retry, .. }) => format!("error {failure} (retry {retry})"),
        Err(failure) => match limit_of(failure) {
            Some(limit) => format!("stopped at the limit of {}: {failure}", limit.as_str()),
            None => failure.to_string(),
        },
    }
}

/// Text as it is, other bytes in base64.
pub(super) fn bytes(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("base64 {}", base64::encode(bytes)),
    }
}

/// A size for people.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20),
    }
}
