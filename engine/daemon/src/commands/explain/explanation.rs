//! What becomes of one alert under one response, as a record for programs and
//! for people.

use std::sync::LazyLock;

use riposte_ledger::{NewEntry, WouldBe};
use riposte_policy::alert::Alert;
use riposte_policy::config::Mode;
use riposte_policy::grant::{Detail, Digest};
use riposte_policy::keys::{self, Derived};
use riposte_policy::matching;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::arm::{Ready, Runner};
use crate::engine::Engine;
use crate::intake;
use crate::outcome::{Outcome, Refused};
use crate::report::time;
use crate::respond::{self, Foreseen, Scales};

/// One alert under one response. The fields are those of `--json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// `id` of the alert.
    pub alert: String,
    /// `rule.id` of the alert.
    pub rule: String,
    /// `rule.level` of the alert.
    pub level: Option<u8>,
    /// Name of the response.
    pub response: String,
    /// Name of its command.
    pub command: String,
    /// Whether a trigger matches.
    pub fires: bool,
    /// Which trigger does, or why none does.
    pub why: String,
    /// Whether something would be done, as far as is known.
    pub acts: bool,
    /// All that is against it.
    pub causes: Vec<Against>,
    /// Whether an engine was asked: without one, causes that only it knows are
    /// missing.
    pub live: bool,
    /// Whether the command can be run at all.
    pub armed: bool,
    /// What it acts on.
    pub keys: Option<Vec<String>>,
    /// Where a target was looked for in vain.
    pub no_key: Option<String>,
    /// Whether the configuration's white list holds the target.
    pub white_listed: bool,
    /// Which offence of the target it would be, from 1.
    pub offence: Option<u32>,
    /// Seconds that it would last; none: for good.
    pub timeout: Option<u64>,
    /// Seconds from the second offence on.
    pub repeated_offenders: Vec<u64>,
    /// `local`, `server`, `defined-agent`, `all`, or several of them.
    pub location: String,
    /// The agent it runs for; of several the one that this engine stands for.
    pub agent: Option<String>,
    /// All agents it runs for.
    pub agents: Vec<String>,
    /// `built-in`, `component`, `native` or `unsupported`.
    pub runner: Option<String>,
    /// The executable, and the file that it is where there is one.
    pub executable: Option<String>,
    /// Digest of the component.
    pub digest: Option<String>,
    /// What it may do, a line each.
    pub grants: Vec<String>,
    /// `enforce` or `shadow`.
    pub mode: String,
    /// The effects that it would have.
    pub would: Vec<String>,
    /// Where the response is defined.
    pub place: String,
}

/// One thing that keeps a response from acting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Against {
    /// One word: `paused`, `white-list`, `allowed`, `guarded`, `untyped`,
    /// `breaker`, `full`, `off`, `unsupported`, `no-key`, `in-force`,
    /// `under-way`, `undoing`, `handled`, `stale`, `elsewhere`, `shadow` or `failed`.
    pub cause: String,
    /// The same in a sentence.
    pub text: String,
    /// The entry that is in force, under way or being undone.
    pub entry: Option<i64>,
    /// When that ends.
    pub until: Option<String>,
}

impl Against {
    fn new(cause: &str, text: impl Into<String>) -> Self {
        Self { cause: cause.to_owned(), text: text.into(), ..Self::default() }
    }

    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Refused(Refused::Allowed(what)) if what.contains(": white_list") => {
                Self::new("white-list", what.clone())
            }
            Outcome::Refused(refused) => {
                let until = match refused {
                    Refused::Paused(until) => until.map(time),
                    _ => None,
                };
                Self { until, ..Self::new(refused.word(), refused.to_string()) }
            }
            outcome => Self::new(outcome.word(), outcome.to_string()),
        }
    }
}

/// Explains an alert by what an engine knows now.
pub async fn live(engine: &Engine, alert: &Alert<'_>) -> Vec<Explanation> {
    let armed = engine.armed();
    let scales = engine.scales(&armed);
    let mut all = Vec::new();
    for position in 0..armed.config.responses.len() {
        let ours = |agent: &str| engine.stands_for(agent);
        let Some((mut explained, entry)) = weighed(&scales, position, alert, ours).await else { continue };
        explained.live = true;
        if explained.fires {
            elsewhere(engine, &mut explained, alert);
            paused_by(engine, &mut explained).await;
            if let Some(entry) = entry {
                entered(engine, &mut explained, entry).await;
            }
        }
        explained.acts = explained.fires && explained.causes.is_empty();
        all.push(explained);
    }
    all
}

/// Explains an alert by a configuration alone.
pub async fn offline(scales: &Scales<'_>, alert: &Alert<'_>) -> Vec<Explanation> {
    let mut all = Vec::new();
    for position in 0..scales.armed.config.responses.len() {
        all.extend(weighed(scales, position, alert, |_| true).await.map(|(explained, _)| explained));
    }
    all
}

/// One response, and what would be entered.
async fn weighed(
    scales: &Scales<'_>,
    position: usize,
    alert: &Alert<'_>,
    ours: impl Fn(&str) -> bool,
) -> Option<(Explanation, Option<NewEntry>)> {
    let armed = scales.armed;
    let response = armed.config.responses.get(position)?;
    let mut orders = armed.orders(position, alert);
    let agents: Vec<String> = orders.iter().map(|order| order.agent.to_string()).collect();
    // What decides here is the order that comes here.
    let here = orders.iter().position(|order| ours(&order.agent)).unwrap_or(0);
    let order = if here < orders.len() { orders.swap_remove(here) } else { return None };
    let fires = armed.index.fires(alert).contains(&position);
    let ready = armed.ready(&response.command);
    let mut explained = Explanation {
        alert: alert.id().to_owned(),
        rule: alert.rule_id().to_owned(),
        level: alert.level(),
        response: response.name.to_string(),
        command: response.command.to_string(),
        fires,
        why: matching::explain(response, alert).to_string(),
        armed: ready.is_some(),
        timeout: order.timeout.map(|timeout| timeout.as_secs()),
        repeated_offenders: order.offenders.iter().map(std::time::Duration::as_secs).collect(),
        location: response.location.to_string(),
        agent: Some(order.agent.to_string()),
        agents,
        mode: word(order.mode).to_owned(),
        place: response.place.to_string(),
        ..Explanation::default()
    };
    if let Some(ready) = &ready {
        describe(&mut explained, ready);
    }
    if !fires {
        // What it would act on is worth knowing all the same; nothing is run.
        explained.target(&keys::derive(&order.command, &order.alert));
        return Some((explained, None));
    }
    let Foreseen { mode, keys, against, would, entry, .. } = respond::foresee(scales, &order, true).await;
    explained.mode = word(mode).to_owned();
    explained.would = would;
    explained.causes = against.iter().map(Against::of).collect();
    explained.no_key = against.iter().find_map(|instead| match instead {
        Outcome::NoKey(why) => Some(why.clone()),
        _ => None,
    });
    explained.keys = Some(keys).filter(|keys| !keys.is_empty());
    if !armed.responds(alert) {
        let text = format!("rule {} has the option no_ar, so it fires no response", alert.rule_id());
        explained.causes.insert(0, Against::new("no-ar", text));
    }
    if mode == Mode::Shadow {
        explained.causes.push(Against::new("shadow", "in shadow: it only says what it would do"));
    }
    explained.white_listed = explained.causes.iter().any(|against| against.cause == "white-list");
    explained.acts = explained.causes.is_empty();
    Some((explained, entry))
}

impl Explanation {
    fn target(&mut self, derived: &Derived) {
        match derived {
            Derived::Keys(keys) => self.keys = Some(keys.as_slice().to_vec()),
            Derived::NoKey { looked_for } => self.no_key = Some(format!("looked for {looked_for}")),
        }
    }
}

/// The built-in responses by what they are, not by what they are called.
static BUILTINS: LazyLock<Vec<(Digest, &'static str)>> = LazyLock::new(|| {
    let digest = |wasm: &[u8]| Digest(sha2::Sha256::digest(wasm).into());
    riposte_plugins::builtins().iter().map(|builtin| (digest(builtin.wasm), builtin.name)).collect()
});

/// The name of the built-in of this digest. Some are one component under
/// several names: then the one that is asked for.
fn built_in(digest: Digest, executable: &str) -> Option<&'static str> {
    let known = BUILTINS.iter().filter(|(known, _)| *known == digest).map(|(_, name)| *name);
    // The last of the greatest: of several that are not asked for, any will do.
    known.max_by_key(|name| *name == executable)
}

/// What runs it, and what that may do.
fn describe(explained: &mut Explanation, ready: &Ready) {
    let (kind, executable) = match &ready.runner {
        Runner::Component(plugin) => match built_in(plugin.digest(), &ready.command.executable) {
            Some(name) => ("built-in", name.to_owned()),
            None => ("component", ready.command.executable.clone()),
        },
        Runner::Native(program) => {
            let path = program.root.join("active-response/bin").join(program.name());
            ("native", path.display().to_string())
        }
        Runner::Unsupported(_) => ("unsupported", ready.command.executable.clone()),
    };
    explained.runner = Some(kind.to_owned());
    explained.executable = Some(executable);
    explained.digest = ready.runner.digest().map(|digest| digest.to_string());
    if explained.digest.is_some() {
        let granted = ready.command.capabilities.as_ref();
        explained.grants = granted.map(|grants| grants.elements(Detail::Full)).unwrap_or_default();
    }
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Shadow => "shadow",
    }
}

/// What keeps an order from reaching this engine at all.
fn elsewhere(engine: &Engine, explained: &mut Explanation, alert: &Alert<'_>) {
    if let Some(max_age) =
        engine.max_age().filter(|age| intake::is_stale(alert, Some(*age), engine.now().wall_ms))
    {
        let text = format!(
            "older than --max-age {}: the engine drops it (written {})",
            riposte_policy::span::shown(max_age),
            alert.timestamp()
        );
        explained.causes.insert(0, Against::new("stale", text));
    }
    if let Some(agent) = explained.agent.as_deref().filter(|agent| !engine.reaches(agent)) {
        let text = format!("it is for agent {agent}, and this engine does not stand for that one");
        explained.causes.insert(0, Against::new("elsewhere", text));
    }
}

/// Who paused it, and why.
async fn paused_by(engine: &Engine, explained: &mut Explanation) {
    let Some(paused) = explained.causes.iter_mut().find(|against| against.cause == "paused") else { return };
    // Without the ledger the pause is known, only not its reason.
    let Ok(pauses) = engine.ledger.pauses().await else { return };
    let command = explained.command.as_str();
    let meant = pauses.iter().find(|pause| pause.scope.subject.as_deref().is_none_or(|name| name == command));
    if let Some(pause) = meant {
        paused.text.push_str(&format!(", by {}", pause.note.by.actor));
        if let Some(reason) = &pause.note.by.reason {
            paused.text.push_str(&format!(": {reason}"));
        }
    }
}

/// What the ledger would say.
async fn entered(engine: &Engine, explained: &mut Explanation, new: NewEntry) {
    let (cause, text, id, due) = match engine.ledger.would_be(new).await {
        Ok(WouldBe::New { timeout, offence }) => {
            explained.timeout = timeout.map(|timeout| timeout.as_secs());
            explained.offence = Some(offence);
            return;
        }
        Ok(WouldBe::InForce { id, due }) => {
            ("in-force", format!("in force already, as entry {id}"), id, Some(due))
        }
        Ok(WouldBe::UnderWay { id }) => ("under-way", format!("under way already, as entry {id}"), id, None),
        Ok(WouldBe::Undoing { id }) => {
            ("undoing", format!("the same is being undone as entry {id}"), id, None)
        }
        Ok(WouldBe::Full { limit }) => {
            return explained.causes.push(Against::of(&Outcome::Refused(Refused::Full(limit))));
        }
        Ok(WouldBe::Handled) => return explained.causes.push(Against::of(&Outcome::Handled)),
        Err(error) => return explained.causes.push(Against::new("failed", error.to_string())),
    };
    // When it ends now: with this alert it would end later.
    let entry = engine.ledger.entry(id).await.ok().flatten();
    let until = entry.and_then(|entry| entry.due_ms).map(time);
    let text = until.as_ref().map_or_else(|| text.clone(), |until| format!("{text} until {until}"));
    let later = due.map(|due| format!(" (this alert would move that to {})", time(due.wall_ms)));
    let text = text + &later.unwrap_or_default();
    explained.causes.push(Against { entry: Some(id.0), until, ..Against::new(cause, text) });
}
