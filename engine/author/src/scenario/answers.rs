//! `host` of a scenario: what the played host answers.

use std::collections::BTreeMap;

use riposte_capability::exec::Output;
use riposte_capability::rehearsal::answer::FUNCTIONS;
use riposte_capability::rehearsal::{Answer, Kind, Said, function};
use riposte_policy::config::nearest;
use riposte_policy::diagnostic::shown;

use super::base64;
use super::error::ScenarioError;
use super::fields::Field;

type Result<T> = std::result::Result<T, ScenarioError>;

/// All answers, by function or whole call. A list is given in turn.
pub(super) fn read(host: &Field<'_>) -> Result<BTreeMap<String, Vec<Answer>>> {
    let mut answers = BTreeMap::new();
    for (call, field) in host.members()? {
        let name = call.split(' ').next().unwrap_or_default();
        let Some(function) = function(name) else { return Err(unknown(name, &field)) };
        let given = if field.is_list() {
            field.list()?.iter().map(|one| answer(one, function.kind)).collect::<Result<Vec<_>>>()?
        } else {
            vec![answer(&field, function.kind)?]
        };
        if given.is_empty() {
            return Err(field.wrong("this list holds no answer"));
        }
        answers.insert(call, given);
    }
    Ok(answers)
}

fn unknown(name: &str, field: &Field<'_>) -> ScenarioError {
    let hint = match nearest(name, FUNCTIONS.iter().map(|function| function.name)) {
        Some(meant) => format!("did you mean {meant}?"),
        None => {
            let known: Vec<_> = FUNCTIONS.iter().map(|function| function.name).collect();
            format!("there are {}", known.join(", "))
        }
    };
    field.wrong(format!("the host has no function {}: {hint}", shown(name)))
}

fn answer(field: &Field<'_>, kind: Kind) -> Result<Answer> {
    let members = field.members()?;
    if members.iter().any(|(name, _)| name == "error") {
        let object = field.object(&["error"])?;
        let error = object.need("error")?.object(&["kind", "message", "retry"])?;
        return Ok(Answer::Error(Said {
            kind: error.need("kind")?.text()?,
            message: error.read("message", Field::text)?.unwrap_or_default(),
            retry: error.read("retry", |field| field.as_a("true or false"))?.unwrap_or_default(),
        }));
    }
    match kind {
        Kind::Runs => {
            let output = field.object(&["code", "stdout", "stderr", "truncated"])?;
            Ok(Answer::Ended(Output {
                status: output.read("code", |field| field.as_a("a whole number"))?.unwrap_or_default(),
                stdout: output.read("stdout", bytes)?.unwrap_or_default(),
                stderr: output.read("stderr", bytes)?.unwrap_or_default(),
                truncated: output.read("truncated", |field| field.as_a("true or false"))?.unwrap_or_default(),
            }))
        }
        Kind::Requests => {
            let response = field.object(&["status", "headers", "body"])?;
            let headers =
                response.read("headers", |field| field.as_a("an object of texts: {\"name\": \"value\"}"))?;
            let status = response.read("status", |field| field.as_a("a number from 100 to 999"))?;
            Ok(Answer::Response {
                status: status.unwrap_or(200),
                headers: headers.unwrap_or_default(),
                body: response.read("body", bytes)?.unwrap_or_default(),
            })
        }
        Kind::Reads => {
            let object = field.object(&["ok"])?;
            // Null is the answer that there is no value.
            Ok(Answer::Bytes(object.read("ok", bytes)?))
        }
        Kind::Does => {
            field.object(&["ok"])?;
            Ok(Answer::Done)
        }
        _ => {
            let object = field.object(&["ok"])?;
            let ok = object.need("ok")?;
            match kind {
                Kind::Counts => Ok(Answer::Number(ok.as_a("a whole number")?)),
                Kind::Lists => Ok(Answer::Numbers(ok.as_a("a list of whole numbers")?)),
                Kind::Names => Ok(Answer::Texts(ok.texts()?)),
                Kind::Tells => Ok(Answer::Text(ok.text()?)),
                _ => Ok(Answer::Changed(ok.as_a("true or false")?)),
            }
        }
    }
}

/// A text, or `{"base64": "..."}` for what is none.
pub(super) fn bytes(field: &Field<'_>) -> Result<Vec<u8>> {
    if field.is_text() {
        return Ok(field.text()?.into_bytes());
    }
    let object = field.object(&["base64"])?;
    let base64 = object.need("base64")?;
    base64::decode(&base64.text()?).ok_or_else(|| base64.wrong("this is no base64"))
}
