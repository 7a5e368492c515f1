//! What has to be true whatever happened. Each broken promise is a sentence.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use riposte_ledger::entry::Filter;
use riposte_ledger::{Entry, Ledger, State};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::scene::{CONTENT, FILE, Load, Scene, USER};

/// Every entry; `None` while the ledger cannot be read.
#[must_use]
pub fn entries(scene: &Scene) -> Option<Vec<Entry>> {
    Ledger::read(&ledger(scene), &Filter::default()).ok()
}

/// Whether something is still to be done for one of them.
#[must_use]
pub fn are_open(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| entry.state.is_open())
}

fn ledger(scene: &Scene) -> PathBuf {
    scene.host.path("state/ledger.db")
}

fn open(scene: &Scene) -> Option<Connection> {
    let conn = Connection::open_with_flags(ledger(scene), OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    conn.busy_timeout(std::time::Duration::from_secs(2)).ok()?;
    Some(conn)
}

/// Unix time in milliseconds.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What the audit had said of entries: their number, and the alert.
#[must_use]
pub fn acknowledged(scene: &Scene) -> Vec<(i64, String)> {
    let audit = scene.host.read("log/audit.jsonl");
    let events = audit.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of = |event: Value| Some((event["entry"].as_i64()?, event["alert_id"].as_str()?.to_owned()));
    events.filter_map(of).collect()
}

/// What was acknowledged before is still there.
#[must_use]
pub fn kept(entries: &[Entry], acknowledged: &[(i64, String)]) -> Vec<String> {
    let lost = acknowledged
        .iter()
        .filter(|(id, alert)| !entries.iter().any(|entry| entry.id.0 == *id && entry.alert_id == *alert));
    lost.map(|(id, alert)| {
        format!("lost: entry {id} of alert {alert} was in the audit, and is not in the ledger")
    })
    .collect()
}

/// What is in force is on the host, once.
#[must_use]
pub fn shown(scene: &Scene) -> Vec<String> {
    let Some(before) = entries(scene) else { return Vec::new() };
    let host = Shown::look(scene);
    let Some(after) = entries(scene) else { return Vec::new() };
    let mut broken = host.doubled();
    for entry in before.iter().filter(|entry| entry.state == State::InForce) {
        // Undone while the host was looked at, or about to be, which is written
        // down together with the undo when its time is up: nothing can be said.
        let stayed = after.iter().any(|now| now.id == entry.id && now.state == State::InForce);
        let stayed = stayed && entry.due_ms.is_none_or(|due| now_ms() < due);
        if stayed && !host.has(entry) {
            broken.push(format!(
                "undone early: entry {} ({} {:?}) is in force, and the host does not show it",
                entry.id, entry.command, entry.keys
            ));
        }
    }
    broken
}

/// Nothing is left, nothing was undone early, and each alert led to what it
/// had to, once. `failures`: whether a response may have failed.
#[must_use]
pub fn over(scene: &Scene, load: &Load, failures: bool) -> Vec<String> {
    let Some(entries) = entries(scene) else { return vec!["the ledger cannot be read".into()] };
    let mut broken = Vec::new();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for entry in &entries {
        *counts.entry((&entry.alert_id, &entry.command)).or_default() += 1;
        let Entry { id, command, keys, state, error, .. } = entry;
        match state {
            State::Closed => {}
            State::Failed if failures => {}
            _ => broken.push(format!("entry {id} ({command} {keys:?}) ended as {state}: {error:?}")),
        }
        if let (Some("due"), Some(due), Some(closed)) =
            (entry.cause.as_deref(), entry.due_ms, entry.closed_ms)
            && closed < due
        {
            broken.push(format!("undone early: entry {id} ({command} {keys:?}) by {} ms", due - closed));
        }
    }
    for (alert, command) in &load.entries {
        match counts.remove(&(alert.as_str(), *command)) {
            Some(1) => {}
            Some(more) => broken.push(format!("doubled: alert {alert} led to {more} entries of {command}")),
            None => broken.push(format!("lost: alert {alert} led to no entry of {command}")),
        }
    }
    broken
        .extend(counts.keys().map(|(alert, command)| format!("nobody asked for {command} by alert {alert}")));
    broken.extend(Shown::look(scene).left(scene));
    broken.extend(told(scene));
    broken.extend(sound(scene));
    broken
}

/// What the host shows.
struct Shown {
    elements: Vec<String>,
    deny: String,
    shadow: String,
    file: Option<(u32, String)>,
    routes: String,
    did: String,
    kept: Vec<String>,
}

impl Shown {
    fn look(scene: &Scene) -> Self {
        let host = &scene.host;
        let file = host.path("machine").join(FILE.trim_start_matches('/'));
        let held = fs::metadata(&file)
            .ok()
            .and_then(|found| Some((found.permissions().mode() & 0o7777, fs::read_to_string(&file).ok()?)));
        let routes = host.command("ip").args(["route", "show", "table", "all", "type", "blackhole"]).output();
        let names = |path: &str| {
            let found = fs::read_dir(host.path(path)).into_iter().flatten().flatten();
            found.map(|found| found.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        let mut kept = names("state/quarantine");
        kept.extend(names("machine/etc").into_iter().filter(|name| name.contains(".riposte")));
        kept.extend(names("machine/etc/riposte-crash").into_iter().filter(|name| name != "x"));
        Self {
            elements: host.elements("drop4"),
            deny: host.read("machine/etc/hosts.deny"),
            shadow: host.read("machine/etc/shadow"),
            file: held,
            routes: routes
                .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
                .unwrap_or_default(),
            did: host.read("did"),
            kept,
        }
    }

    fn has(&self, entry: &Entry) -> bool {
        let key = entry.keys.first().map_or("", String::as_str);
        match entry.command.as_str() {
            "firewall-drop" | "firewall-long" => self.elements.iter().any(|element| element == key),
            "host-deny" => self.deny.lines().any(|line| is_denied(line, key)),
            "disable-account" => {
                let user = self.shadow.lines().find_map(|line| line.strip_prefix(&format!("{USER}:")));
                user.is_some_and(|fields| fields.starts_with('!') && fields.ends_with(":1:"))
            }
            "route-null" => self.routes.contains(key),
            "quarantine-file" => self.file.is_none() && !self.kept.is_empty(),
            _ => {
                self.did.lines().rfind(|line| line.ends_with(&format!(" {key}")))
                    == Some(&format!("add {key}"))
            }
        }
    }

    fn doubled(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for n in 1..=6 {
            let address = format!("198.18.0.{n}");
            let counts = [
                ("elements", self.elements.iter().filter(|element| **element == address).count()),
                ("lines", self.deny.lines().filter(|line| is_denied(line, &address)).count()),
                (
                    "routes",
                    self.routes.lines().filter(|line| line.split(' ').any(|word| word == address)).count(),
                ),
            ];
            broken.extend(
                counts
                    .iter()
                    .filter(|(_, count)| *count > 1)
                    .map(|(what, count)| format!("doubled: {count} {what} for {address}")),
            );
        }
        broken
    }

    fn left(&self, scene: &Scene) -> Vec<String> {
        let mut broken = self.doubled();
        if !self.elements.is_empty() {
            broken.push(format!("left in the kernel: {:?}", self.elements));
        }
        if !self.routes.trim().is_empty() {
            broken.push(format!("left in the kernel: {}", self.routes.trim()));
        }
        for (name, now) in [("hosts.deny", &self.deny), ("shadow", &self.shadow)] {
            let before = scene.before(name);
            if now != before {
                let differs: Vec<_> =
                    now.lines().filter(|line| !before.lines().any(|other| other == *line)).collect();
                broken.push(format!("left: /etc/{name} is not what it was: {differs:?}"));
            }
        }
        if self.file != Some((0o640, CONTENT.to_owned())) {
            broken.push(format!("left: {FILE} is not what it was: {:?}", self.file));
        }
        if !self.kept.is_empty() {
            broken.push(format!("left: {:?}", self.kept));
        }
        broken
    }
}

/// A line of ours: `ALL:address`, and perhaps a comment behind it.
fn is_denied(line: &str, address: &str) -> bool {
    line.strip_prefix("ALL:").and_then(|rest| rest.split_whitespace().next()) == Some(address)
}

/// A program is told to delete at the end, and never to add twice without a
/// delete between.
fn told(scene: &Scene) -> Vec<String> {
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    let mut broken = Vec::new();
    for line in scene.host.read("did").lines() {
        let Some((verb, key)) = line.split_once(' ') else { continue };
        let before = last.insert(key.to_owned(), verb.to_owned());
        if verb == "add" && before.as_deref() == Some("add") {
            broken.push(format!("doubled: a program was told twice to add {key}"));
        }
    }
    let left = last.into_iter().filter(|(_, verb)| verb == "add");
    broken.extend(left.map(|(key, _)| format!("left: a program was never told to delete {key}")));
    broken
}

fn sound(scene: &Scene) -> Option<String> {
    let conn = open(scene)?;
    let said = conn.query_row("PRAGMA integrity_check(1)", (), |row| row.get::<_, String>(0));
    match said {
        Ok(ok) if ok == "ok" => None,
        said => Some(format!("the ledger is damaged: {said:?}")),
    }
}
