//! From files to scenarios.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::answers::{self, bytes};
use super::error::ScenarioError;
use super::fields::{Field, Object};
use super::{Call, End, Expect, Limit, Scenario, Told, alert};
use crate::folder;

type Result<T> = std::result::Result<T, ScenarioError>;

/// Largest file of scenarios that is read.
const LARGEST: u64 = 16 << 20;
/// Most repetitions of one call.
const TIMES: u32 = 1_000;

/// The files of scenarios in a folder, by name; or the file itself.
///
/// # Errors
///
/// When there is none.
pub fn files(place: &Path) -> Result<Vec<PathBuf>> {
    if place.exists() && !place.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let mut names = folder::names(place);
    names.retain(|name| Path::new(name).extension().is_some_and(|extension| extension == "json"));
    names.sort();
    if names.is_empty() {
        return Err(ScenarioError::None { place: place.to_owned(), named: None });
    }
    Ok(names.into_iter().map(|name| place.join(name)).collect())
}

/// The scenarios of a file.
///
/// # Errors
///
/// [`ScenarioError`] with line, scenario and field.
pub fn read(file: &Path) -> Result<Vec<Scenario>> {
    let wrong = |why: String| ScenarioError::File { path: file.to_owned(), why };
    let bytes = folder::read(file, LARGEST).map_err(|error| match error {
        crate::Error::File { why, .. } => wrong(why),
        other => wrong(other.to_string()),
    })?;
    let text = String::from_utf8(bytes).map_err(|_| {
        wrong("it is not UTF-8 text; write bytes that are none with alert_made or base64".to_owned())
    })?;
    parse(file, &text)
}

/// The scenarios of the text of a file.
pub(super) fn parse(file: &Path, text: &str) -> Result<Vec<Scenario>> {
    let whole = Field::whole(file, text)?;
    let listed = whole.object(&["scenarios"])?;
    let mut scenarios: Vec<Scenario> = Vec::new();
    let mut known = HashSet::new();
    for field in listed.need("scenarios")?.list()? {
        let scenario = scenario(file, &field)?;
        if !known.insert(scenario.name.clone()) {
            return Err(field
                .of(&scenario.name)
                .wrong("another scenario of this file has this name: change one"));
        }
        scenarios.push(scenario);
    }
    Ok(scenarios)
}

#[rustfmt::skip]
const FIELDS: [&str; 14] = [
    "name", "call", "alert", "alert_text", "alert_made", "receipt", "invocation", "config", "secrets", "folders",
    "host", "times", "expect", "comment",
];

fn scenario(file: &Path, field: &Field<'_>) -> Result<Scenario> {
    let name = field.members()?.into_iter().find(|(name, _)| name == "name");
    let name = match &name {
        Some((_, name)) => name.text()?,
        None => return Err(field.wrong("a scenario has a name: add \"name\": \"what it shows\"")),
    };
    let object = field.clone().of(&name).object(&FIELDS)?;
    let called = object.need("call")?;
    let call =
        Call::named(&called.text()?).ok_or_else(|| called.wrong("it is one of keys, add, delete and run"))?;
    let receipt = object.read("receipt", bytes)?;
    if receipt.is_some() && call != Call::Delete {
        return Err(object.wrong(format!("only delete is given a receipt, and this calls {call}")));
    }
    let map = |field: &Field<'_>| field.as_a("an object of texts: {\"name\": \"value\"}");
    let times = object.get("times");
    let count = times.map_or(Ok(1), |field| field.as_a("a whole number"))?;
    if !(1..=TIMES).contains(&count) {
        let wrong = format!("a call is made 1 to {TIMES} times");
        return Err(times.map_or_else(|| object.wrong(&wrong), |field| field.wrong(&wrong)));
    }
    Ok(Scenario {
        file: file.to_owned(),
        call,
        alert: alert::read(&object)?,
        receipt,
        invocation: object.read("invocation", told)?.unwrap_or_default(),
        config: object.read("config", map)?.unwrap_or_default(),
        secrets: object.read("secrets", map)?.unwrap_or_default(),
        folders: object.read("folders", folders)?.unwrap_or_default(),
        host: object.read("host", answers::read)?.unwrap_or_default(),
        times: count,
        expect: expect(object.need("expect")?, call)?,
        name,
    })
}

fn told(field: &Field<'_>) -> Result<Told> {
    #[rustfmt::skip]
    let object = field.object(&[
        "command", "id", "attempt", "timeout", "offence", "tenant", "location", "arguments", "keys",
    ])?;
    let number = |field: &Field<'_>| field.as_a("a whole number");
    let usual = Told::default();
    let location = match object.get("location") {
        None => usual.location,
        Some(field) => {
            let text = field.text()?;
            let known = ["local", "server", "defined-agent", "all"];
            known
                .into_iter()
                .find(|known| *known == text)
                .ok_or_else(|| field.wrong(format!("it is one of {}", known.join(", "))))?
        }
    };
    // Null says that the response is not undone.
    let timeout = match field.members()?.iter().find(|(name, _)| name == "timeout") {
        None => usual.timeout,
        Some((_, field)) => field.as_a("a number of seconds, or null")?,
    };
    Ok(Told {
        command: object.read("command", Field::text)?.unwrap_or(usual.command),
        id: object.read("id", Field::text)?.unwrap_or(usual.id),
        attempt: object.read("attempt", number)?.unwrap_or(usual.attempt),
        timeout,
        offence: object.read("offence", number)?.unwrap_or(usual.offence),
        tenant: object.read("tenant", Field::text)?.unwrap_or(usual.tenant),
        location,
        arguments: object.read("arguments", Field::texts)?.unwrap_or_default(),
        keys: object.read("keys", Field::texts)?.unwrap_or_default(),
    })
}

fn folders(field: &Field<'_>) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
    let mut folders = BTreeMap::new();
    for (path, field) in field.members()? {
        if !path.starts_with('/') {
            return Err(field.wrong("a folder has an absolute path, as in <folder path=\"...\"/>"));
        }
        let files: BTreeMap<String, String> = field.as_a("an object of texts: {\"file\": \"its text\"}")?;
        let inside = |name: &str| !name.split('/').any(|part| matches!(part, "" | "." | ".."));
        if let Some(name) = files.keys().find(|name| !inside(name)) {
            return Err(field.wrong(format!("{name:?} is no name of a file below the folder")));
        }
        folders.insert(path, files);
    }
    Ok(folders)
}

fn expect(field: &Field<'_>, call: Call) -> Result<Expect> {
    #[rustfmt::skip]
    let object = field.object(&[
        "result", "limit", "trap", "keys", "receipt", "calls", "log", "memory", "cpu",
    ])?;
    for (name, only) in [("keys", Call::Keys), ("receipt", Call::Add)] {
        if let Some(field) = object.get(name).filter(|_| call != only) {
            return Err(field.wrong(format!("only {only} answers with it, and this calls {call}")));
        }
    }
    Ok(Expect {
        end: end(&object)?,
        keys: object.read("keys", Field::texts)?,
        receipt: object.read("receipt", bytes)?,
        calls: object.read("calls", Field::texts)?,
        log: object.read("log", Field::texts)?.unwrap_or_default(),
        memory: object.read("memory", size)?,
        cpu: object.read("cpu", duration)?,
    })
}

/// How it ends: `result`, of which `limit` and `trap` are short forms.
fn end(expect: &Object<'_>) -> Result<End> {
    let limit = |field: &Field<'_>| {
        let text = field.text()?;
        let found = Limit::ALL.into_iter().find(|limit| limit.as_str() == text);
        found.map(End::Limit).ok_or_else(|| field.wrong("it is one of cpu, memory and wall"))
    };
    match (expect.get("result"), expect.get("limit"), expect.get("trap")) {
        (None, None, None) => Ok(End::Ok),
        (None, Some(field), None) => limit(field),
        (None, None, Some(field)) => match field.as_a("true")? {
            true => Ok(End::Trap),
            false => Err(field.wrong("leave it out: without it no trap is expected")),
        },
        (Some(field), None, None) if field.is_text() => match field.text()?.as_str() {
            "ok" => Ok(End::Ok),
            "error" => Ok(End::Error { kind: None, message: None, retry: None }),
            "trap" => Ok(End::Trap),
            _ => Err(field.wrong(
                "it is \"ok\", \"error\", \"trap\", {\"kind\": \"...\", \"message\": \"...\", \"retry\": false} or {\"limit\": \"cpu\"}",
            )),
        },
        (Some(field), None, None) => {
            let object = field.object(&["kind", "message", "retry", "limit"])?;
            if let Some(field) = object.get("limit") {
                return limit(field);
            }
            Ok(End::Error {
                kind: object.read("kind", Field::text)?,
                message: object.read("message", Field::text)?,
                retry: object.read("retry", |field| field.as_a("true or false"))?,
            })
        }
        _ => Err(expect.wrong("a call ends in one way: leave one of result, limit and trap")),
    }
}

/// `8MiB`.
fn size(field: &Field<'_>) -> Result<u64> {
    let what = "a size such as \"8MiB\" or \"512KiB\"";
    let (number, unit) = measured(field, what)?;
    let scale: u64 = match unit.as_str() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(field.wrong(format!("this is to be {what}"))),
    };
    Ok(number.saturating_mul(scale))
}

/// `50ms`.
fn duration(field: &Field<'_>) -> Result<Duration> {
    let what = "a time such as \"50ms\" or \"1s\"";
    let (number, unit) = measured(field, what)?;
    match unit.as_str() {
        "us" => Ok(Duration::from_micros(number)),
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err(field.wrong(format!("this is to be {what}"))),
    }
}

fn measured(field: &Field<'_>, what: &str) -> Result<(u64, String)> {
    let text: String = field.as_a(what)?;
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or_default();
    let number = number.parse().map_err(|_| field.wrong(format!("this is to be {what}")))?;
    Ok((number, unit.trim().to_owned()))
}
