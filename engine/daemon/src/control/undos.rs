//! `riposte undo`: what is meant, here and on other machines, and what became of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use riposte_capability::firewall;
use riposte_ledger::entry::Filter;
use riposte_ledger::ledger::Offences;
use riposte_ledger::{Cause, Entry, LedgerError};
use riposte_policy::diagnostic::shown;
use riposte_policy::order::{Actor, EntryId};
use riposte_policy::{Prefix, UserName};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::acts::{PATIENCE, allow};
use super::{Answer, Result};
use crate::engine::Engine;
use crate::manager::away;
use crate::show::counted;
use crate::undo::{self, Undone};

/// Undoes what stands on a target, or everything.
pub(super) async fn undo_target(
    engine: &Arc<Engine>,
    uid: u32,
    target: Option<String>,
    allow_for: Option<u64>,
    reason: Option<String>,
) -> Answer {
    // The allow first: else the next alert blocks again while this one ends.
    if let (Some(target), Some(seconds)) = (&target, allow_for) {
        let allowed = allow(engine, uid, target, Some(seconds), reason.as_deref()).await;
        if allowed.result != Result::Done {
            return allowed;
        }
    }
    let entries = match engine.ledger.entries(Filter { open_only: true, ..Filter::default() }).await {
        Ok(entries) => entries,
        Err(error) => return Answer::failed(error.to_string()),
    };
    let meant: Vec<Entry> = match &target {
        None => entries,
        Some(target) => {
            let Some(meant) = Meant::parse(target) else {
                return Answer::failed(format!("{} is no address, user or entry id", shown(target)));
            };
            let held = match meant.held(engine).await {
                Ok(held) => held,
                Err(error) => return Answer::failed(error.to_string()),
            };
            entries.into_iter().filter(|entry| meant.matches(entry) || held.contains(&entry.id)).collect()
        }
    };
    let shown_target = target.as_deref().map_or_else(|| "everything".to_owned(), shown);
    engine.report.act(
        uid,
        "undo",
        &format!("{shown_target}: {}", counted(meant.len(), "entry")),
        reason.as_deref(),
    );
    let away = handed_over(engine, target.as_deref()).await;
    if meant.is_empty() && away.is_empty() {
        return match (&target, allow_for) {
            (None, _) | (_, Some(_)) => Answer::done("nothing is in force").with(json!([])),
            _ => Answer::failed(format!("nothing is in force on {shown_target}; riposte list shows what is")),
        };
    }
    let cause = Cause::Asked { actor: Actor::User(uid), reason: reason.map(Into::into) };
    let mut undos = JoinSet::new();
    for entry in &meant {
        let (engine, id, cause) = (Arc::clone(engine), entry.id, cause.clone());
        undos.spawn(async move { (id, undo::undo(&engine, id, cause).await) });
    }
    let mut ended = Vec::new();
    let all = async {
        while let Some(one) = undos.join_next().await {
            ended.extend(one.ok());
        }
    };
    // What takes longer goes on, and is told as under way.
    let _ = tokio::time::timeout(PATIENCE, all).await;
    undos.detach_all();
    // Each takes a look at all that is open: a crowd's are forgotten as one.
    let forgotten = match &target {
        None => vec![Offences::All],
        Some(_) => meant.iter().map(|entry| Offences::Keys(entry.keys.clone())).collect(),
    };
    for which in forgotten {
        if let Err(error) = engine.ledger.forget_offences(which).await {
            tracing::warn!(%error, "the offences of what was undone stay counted");
        }
    }
    let here = match meant.is_empty() {
        true => Answer::done("nothing is in force here").with(json!([])),
        false => undone(&meant, &ended),
    };
    and_elsewhere(here, &away, target.is_none())
}

/// What was handed over to other machines, and stands there, on a target.
async fn handed_over(engine: &Engine, target: Option<&str>) -> Vec<Entry> {
    let found = match target.and_then(Meant::parse) {
        Some(Meant::Id(id)) => engine.ledger.entry(id).await.map(|entry| entry.into_iter().collect()),
        Some(meant) => {
            let target = match &meant {
                Meant::Address(prefix) => prefix.to_string(),
                Meant::User(user) => user.clone(),
                Meant::Id(id) => id.to_string(),
            };
            let filter = Filter { target: Some(target), ..Filter::default() };
            let entries = engine.ledger.entries(filter).await;
            entries.map(|entries| entries.into_iter().filter(|entry| meant.matches(entry)).collect())
        }
        None => all_handed_over(engine).await,
    };
    let mut entries: Vec<Entry> = found.unwrap_or_else(|error| {
        tracing::warn!(%error, "what was handed over cannot be looked up");
        Vec::new()
    });
    entries.retain(|entry| away::stands(entry, engine.now().wall_ms));
    entries
}

/// Everything that was handed over, stands, and can be undone, page by page.
async fn all_handed_over(engine: &Engine) -> std::result::Result<Vec<Entry>, LedgerError> {
    const PAGE: u32 = 1000;
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let filter = Filter { after, limit: Some(PAGE), ..Filter::default() };
        let page = engine.ledger.entries(filter).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.id);
        let now = engine.now().wall_ms;
        found.extend(page.into_iter().filter(|entry| away::stands(entry, now) && away::undoes(entry)));
    }
}

/// The same answer, with what is to be done elsewhere: in one sentence when
/// everything is to be undone.
fn and_elsewhere(answer: Answer, away: &[Entry], everything: bool) -> Answer {
    if away.is_empty() {
        return answer;
    }
    let advice: Vec<_> = away.iter().map(away::advice).collect();
    let mut data = answer.data.as_array().cloned().unwrap_or_default();
    data.extend(away.iter().zip(&advice).map(|(entry, advice)| {
        json!({"id": entry.id.0, "command": entry.command, "keys": entry.keys, "state": entry.state.as_str(),
               "agent": entry.agent, "error": advice})
    }));
    let nothing_here = data.len() == away.len();
    let elsewhere = if everything { away::summary(away) } else { advice.join("\n") };
    let message = if nothing_here { elsewhere } else { format!("{}\n{elsewhere}", answer.message) };
    let result = if answer.result == Result::Failed { Result::Failed } else { Result::NotYet };
    Answer { result, message, data: Value::Array(data) }
}

fn undone(meant: &[Entry], ended: &[(EntryId, Undone)]) -> Answer {
    let ends: HashMap<_, _> = ended.iter().map(|(id, how)| (*id, how)).collect();
    let data: Vec<Value> = meant
        .iter()
        .map(|entry| {
            let (word, error) = match ends.get(&entry.id) {
                Some(Undone::Closed | Undone::Nothing) => ("closed", None),
                Some(Undone::Failed { error, .. }) => ("failing", Some(error)),
                Some(Undone::Unknown { error }) => ("open", Some(error)),
                None => ("undoing", None),
            };
            json!({"id": entry.id.0, "command": entry.command, "keys": entry.keys, "state": word, "error": error})
        })
        .collect();
    let (result, message) = told(meant.len(), ended);
    Answer { result, message, data: Value::Array(data) }
}

/// What became of so many entries, each kind of end in its words.
fn told(meant: usize, ended: &[(EntryId, Undone)]) -> (Result, String) {
    let (mut closed, mut failing, mut unknown) = (0_usize, Vec::new(), Vec::new());
    for (_, how) in ended {
        match how {
            Undone::Closed | Undone::Nothing => closed += 1,
            Undone::Failed { error, .. } => failing.push(error),
            Undone::Unknown { error } => unknown.push(error),
        }
    }
    let under_way = meant.saturating_sub(ended.len());
    let mut open = Vec::new();
    if under_way > 0 {
        open.push(format!("{under_way} still being undone"));
    }
    if let Some(why) = failing.first() {
        open.push(format!("{} not yet and tried again: {why}", failing.len()));
    }
    if let Some(why) = unknown.first() {
        open.push(format!("{} not, and not tried again; ask once more: {why}", unknown.len()));
    }
    let result = match (open.is_empty(), failing.is_empty() && unknown.is_empty()) {
        (true, _) => Result::Done,
        (false, true) => Result::NotYet,
        (false, false) => Result::Failed,
    };
    let message = match open.is_empty() {
        true => format!("{closed} undone"),
        false => format!("{closed} undone, {}", open.join("; ")),
    };
    (result, message)
}

/// What an operator means by a target.
enum Meant {
    Id(EntryId),
    Address(Prefix),
    User(String),
}

impl Meant {
    fn parse(target: &str) -> Option<Self> {
        if let Ok(id) = target.parse::<i64>() {
            return Some(Self::Id(EntryId(id)));
        }
        if let Ok(prefix) = target.parse::<Prefix>() {
            return Some(Self::Address(prefix));
        }
        target.parse::<UserName>().ok().map(|user| Self::User(user.as_str().to_owned()))
    }

    /// The entries with an effect on a prefix that holds the address: what
    /// widened a block has another key than what it blocked.
    async fn held(&self, engine: &Engine) -> std::result::Result<HashSet<EntryId>, LedgerError> {
        let Self::Address(address) = self else { return Ok(HashSet::new()) };
        let mut entries = HashSet::new();
        for held in engine.ledger.held(firewall::INTERFACE).await? {
            let prefix = held.target.rsplit(' ').next().and_then(|prefix| prefix.parse::<Prefix>().ok());
            if prefix.is_some_and(|prefix| prefix.contains(*address)) {
                let filter = Filter { open_only: true, target: Some(held.target), ..Filter::default() };
                entries.extend(engine.ledger.entries(filter).await?.iter().map(|entry| entry.id));
            }
        }
        Ok(entries)
    }

    /// Whether an entry's keys name it: for an address, the address itself or
    /// a prefix that holds it.
    fn matches(&self, entry: &Entry) -> bool {
        match self {
            Self::Id(id) => entry.id == *id,
            Self::User(user) => entry.keys.iter().any(|key| key == user),
            Self::Address(address) => {
                let prefixes = entry.keys.iter().filter_map(|key| key.parse::<Prefix>().ok());
                prefixes.into_iter().any(|prefix| prefix.contains(*address))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_end_is_told() {
        let told = |meant, ended: Vec<Undone>| {
            let ended: Vec<_> = (1..).map(EntryId).zip(ended).collect();
            told(meant, &ended)
        };
        let is = |result: Result, message: &str| (result, message.to_owned());
        let failed = || Undone::Failed { attempts: 1, error: "refused".into() };
        let unknown = || Undone::Unknown { error: "unreadable".into() };
        assert_eq!(told(2, vec![Undone::Closed, Undone::Nothing]), is(Result::Done, "2 undone"));
        assert_eq!(told(3, vec![Undone::Closed]), is(Result::NotYet, "1 undone, 2 still being undone"));
        assert_eq!(
            told(4, vec![unknown(), Undone::Closed, failed()]),
            is(
                Result::Failed,
                "1 undone, 1 still being undone; 1 not yet and tried again: refused; \
                 1 not, and not tried again; ask once more: unreadable"
            )
        );
    }
}
