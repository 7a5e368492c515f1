//! Whether an order is to be done, and its entry if it is.

use std::sync::Arc;
use std::time::Duration;

use riposte_capability::{Guard, Verdict as Guarded};
use riposte_ledger::clock::Now;
use riposte_ledger::{Admitted, Ledger, NewEntry, Wait};
use riposte_policy::config::{Mode, Way};
use riposte_policy::grant::{Access, Grants};
use riposte_policy::keys::{self, Derived};
use riposte_policy::order::Actor;
use riposte_policy::{Address, Config, Order, UserName, alert};
use riposte_runtime::native::{self, Message, NativeProgram};
use riposte_runtime::outcome::texts;
use riposte_runtime::{Failure, Invocation, Kind};

use super::{Instead, Intended};
use crate::arm::breaker::Verdict;
use crate::arm::{Armed, Ready, Runner};
use crate::engine::Engine;
use crate::outcome::{Outcome, Refused};
use crate::switches::Switches;

/// How long an order waits for the same target's undo to end.
pub(super) const UNDO_PATIENCE: Duration = Duration::from_secs(10);

/// What an order is weighed against: what an engine knows now, or a
/// configuration alone.
pub struct Scales<'a> {
    /// The commands that can be run.
    pub armed: &'a Armed,
    /// What an operator switched.
    pub switches: &'a Switches,
    /// What is never acted against.
    pub guard: &'a Guard,
    /// What was before; `None` without an engine.
    pub ledger: Option<&'a Ledger>,
    /// The time.
    pub now: Now,
    /// Whether nothing acts, whatever the file says.
    pub shadow: bool,
}

/// What an order is weighed for.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// It is to be done, by this engine: the first thing against it ends the
    /// weighing, and faults are counted.
    Act(&'a Engine),
    /// Somebody asks what would become of it: all that is against it is found,
    /// and nothing is counted, logged or held up.
    Ask,
}

/// An order that has a target.
pub(super) struct Weighed {
    pub(super) ready: Arc<Ready>,
    pub(super) mode: Mode,
    pub(super) invocation: Invocation,
    /// Empty when what is against it is that there are none.
    pub(super) keys: Vec<String>,
    /// What is against it; always empty for [`Purpose::Act`].
    pub(super) against: Vec<Instead>,
}

/// Pause, breaker, keys, white list and allows, guard: all that decides before
/// the ledger does. The one place for these rules, whoever asks.
pub(super) async fn weigh(
    scales: &Scales<'_>,
    order: &Order,
    purpose: Purpose<'_>,
) -> Result<Weighed, Instead> {
    let mut against = Vec::new();
    let mut hear = |step: Result<(), Instead>| match (step, purpose) {
        (Err(instead), Purpose::Ask) => {
            against.push(instead);
            Ok(())
        }
        (step, _) => step,
    };
    let ready = scales.armed.ready(&order.command.name).ok_or(Outcome::Refused(Refused::Off))?;
    let mode = mode(scales, &ready, order.mode);
    if let Runner::Unsupported(why) = &ready.runner {
        return Err(Outcome::Unsupported(why.clone()));
    }
    hear(unpaused(scales, &ready))?;
    hear(unbroken(scales.now.boot_ms, &ready))?;
    if matches!(ready.runner, Runner::Native(_)) {
        hear(unambiguous(order))?;
    }
    let mut invocation = invocation(order, mode);
    invocation.rehearsal = matches!(purpose, Purpose::Ask);
    let keys = match keys(&ready, order, &invocation, scales.now.boot_ms, purpose).await {
        Ok(keys) => keys,
        Err(instead) => {
            hear(Err(instead))?;
            Vec::new()
        }
    };
    passed(scales, order, &ready, &keys, &mut hear)?;
    invocation.named(&ready.command, &keys);
    Ok(Weighed { ready, mode, invocation, keys, against })
}

/// White list and allows, and the guard where no capability sees the target:
/// what `hear` makes of each.
pub(super) fn passed(
    scales: &Scales<'_>,
    order: &Order,
    ready: &Ready,
    keys: &[String],
    mut hear: impl FnMut(Result<(), Instead>) -> Result<(), Instead>,
) -> Result<(), Instead> {
    let config = &scales.armed.config;
    hear(spared(config, scales.guard, keys))?;
    if let Runner::Component(_) = &ready.runner
        && ready.command.capabilities.as_ref().is_some_and(acts_unseen)
    {
        hear(addresses_guarded(scales.guard, keys))?;
    }
    if let Runner::Native(program) = &ready.runner {
        hear(typed(order, keys))?;
        hear(guarded(scales.guard, order, keys, By::Definition))?;
        let targets = arguments(order, program, keys);
        hear(spared(config, scales.guard, &targets))?;
        hear(guarded(scales.guard, order, &targets, By::Definition))?;
    }
    Ok(())
}

/// Whether a response acts: the command line, then an operator's switch, then
/// the file.
pub(super) fn mode(scales: &Scales<'_>, ready: &Ready, file: Mode) -> Mode {
    if scales.shadow {
        return Mode::Shadow;
    }
    scales.switches.mode(&ready.command.name).unwrap_or(file)
}

/// Whether the command is not paused.
pub(super) fn unpaused(scales: &Scales<'_>, ready: &Ready) -> Result<(), Instead> {
    match scales.switches.paused(&ready.command.name, scales.now.boot_ms) {
        Some(until) => Err(Outcome::Refused(Refused::Paused(until))),
        None => Ok(()),
    }
}

/// Whether the command may add at `boot_ms`.
pub(super) fn unbroken(boot_ms: i64, ready: &Ready) -> Result<(), Instead> {
    match ready.breaker.verdict(boot_ms) {
        Verdict::Open(left) => Err(Outcome::Refused(Refused::Breaker(left))),
        Verdict::Closed => Ok(()),
    }
}

/// Weighs an order, then enters it, unless the ledger knows better.
pub(super) async fn admit(engine: &Arc<Engine>, order: &Order) -> Result<Intended, Instead> {
    let armed = engine.armed();
    let weighed = weigh(&engine.scales(&armed), order, Purpose::Act(engine)).await?;
    let Weighed { ready, mode, mut invocation, keys, .. } = weighed;
    let entry = new_entry(order, &ready, mode, keys.clone());
    let mut patience = std::pin::pin!(tokio::time::sleep(UNDO_PATIENCE));
    let admitted = loop {
        // A native program may act as soon as it starts: only a durable entry lets it.
        let wait = if matches!(ready.runner, Runner::Native(_)) { Wait::Durable } else { Wait::Applied };
        // Made before asking, so that an undo that ends meanwhile is not missed.
        let over = engine.undone.notified();
        match engine.ledger.admit(entry.clone(), wait).await.map_err(Outcome::Undecided)? {
            Admitted::Undoing { id } => {
                // Few may wait, and not for ever: an undo that keeps failing
                // must not take the room of other orders.
                let Ok(_waiting) = engine.waiting.try_acquire() else {
                    return Err(Outcome::Refused(Refused::Undoing(id)));
                };
                // Any undo wakes it, and none of another target makes it wait longer.
                tokio::select! {
                    () = over => {}
                    () = &mut patience => return Err(Outcome::Refused(Refused::Undoing(id))),
                }
            }
            admitted => break admitted,
        }
    };
    match admitted {
        Admitted::New { id, timeout, offence } => {
            invocation.id = id.to_string();
            invocation.entry = (mode == Mode::Enforce).then_some(id);
            invocation.timeout = timeout;
            invocation.offence = offence;
            Ok(Intended { id, ready, invocation, keys, timed: timeout.is_some(), turn: None })
        }
        Admitted::InForce { id, due, extended } => {
            if extended {
                engine.timekeeper.extended(id, due.boot_ms);
                engine.settle_effects(id).await;
            }
            let until_ms = (extended && order.actor != Actor::Alert).then_some(due.wall_ms);
            Err(Outcome::Already { id, until_ms })
        }
        Admitted::UnderWay { id, extended } => {
            if extended {
                engine.settle_effects(id).await;
            }
            Err(Outcome::Already { id, until_ms: None })
        }
        Admitted::Undoing { id } => Err(Outcome::Refused(Refused::Undoing(id))),
        Admitted::Handled => Err(Outcome::Handled),
        Admitted::Full { limit } => Err(Outcome::Refused(Refused::Full(limit))),
    }
}

/// What the response is about: the component's own answer, else the definition's.
async fn keys(
    ready: &Ready,
    order: &Order,
    invocation: &Invocation,
    boot_ms: i64,
    purpose: Purpose<'_>,
) -> Result<Vec<String>, Instead> {
    if let (Runner::Component(plugin), []) = (&ready.runner, ready.command.keys.as_slice())
        && plugin.kind() == Kind::Reversible
    {
        let _permits = match purpose {
            Purpose::Act(engine) => engine.component_permits(ready).await,
            Purpose::Ask => [None, None],
        };
        if let Purpose::Act(engine) = purpose {
            // Those before it may have failed too often meanwhile.
            unbroken(engine.now().boot_ms, ready)?;
        }
        let answer = plugin.keys(invocation).await;
        if let (Purpose::Act(engine), Mode::Enforce) = (purpose, invocation.mode) {
            engine.report.said(order, &texts(answer.log));
        }
        return match answer.result {
            Ok(Some(keys)) => {
                if let Purpose::Act(engine) = purpose {
                    engine.repeats.learn(plugin, &order.alert, keys.as_slice());
                }
                Ok(keys.as_slice().to_vec())
            }
            Ok(None) => Err(Outcome::NoKey(format!("{} acts on nothing in it", ready.command.name))),
            Err(Failure::Said { kind, message, .. }) if kind == "no-key" => Err(Outcome::NoKey(message)),
            Err(failure) => {
                if failure.is_fault() && matches!(purpose, Purpose::Act(_)) {
                    ready.breaker.failed(boot_ms);
                }
                Err(Outcome::Failed { id: None, error: failure.to_string() })
            }
        };
    }
    match keys::derive(&ready.command, &order.alert) {
        Derived::Keys(keys) => Ok(keys.as_slice().to_vec()),
        // Wazuh starts every program and lets it say what it acts on.
        Derived::NoKey { .. } if order.key == Way::Wazuh && matches!(ready.runner, Runner::Native(_)) => {
            Ok(Vec::new())
        }
        Derived::NoKey { looked_for } => Err(Outcome::NoKey(format!("looked for {looked_for}"))),
    }
}

/// White list and allows, on every key that is an address.
pub fn spared(config: &Config, guard: &Guard, keys: &[String]) -> Result<(), Instead> {
    for address in keys.iter().filter_map(|key| key.parse::<Address>().ok()) {
        // The guard knows the list's prefixes, the configuration its patterns too.
        if let Some(why) = config.spares(address) {
            return Err(Outcome::Refused(Refused::Allowed(format!("{address}: {why}"))));
        }
        if let Guarded::Never { rule: rule @ ("white_list" | "allow"), detail } = guard.judge(address.into())
        {
            return Err(Outcome::Refused(Refused::Allowed(format!("{address}: {rule}, {detail}"))));
        }
    }
    Ok(())
}

/// Where programs look for what they act on.
const TARGETS: [&str; 7] = [
    "/data/srcip",
    "/data/win/eventdata/ipAddress",
    "/data/win/eventdata/destinationIp",
    "/data/dstuser",
    "/data/srcuser",
    "/syscheck/path",
    "/id",
];

/// A program reads the alert by itself. Where it may find another target than
/// was guarded, it gets none.
pub(super) fn unambiguous(order: &Order) -> Result<(), Instead> {
    let targets = TARGETS.into_iter().filter_map(|pointer| pointer.parse().ok());
    for pointer in targets.chain(order.command.keys.iter().cloned()) {
        if alert::is_ambiguous(&order.alert, &pointer) {
            let what = format!(
                "the alert has more than one member on the way to {pointer}, or one spelt otherwise: readers disagree \
                 which of them counts"
            );
            return Err(Outcome::Refused(Refused::Untyped(what)));
        }
    }
    Ok(())
}

/// A source address that is none, or a user name that is none, is text that
/// somebody made up: no program gets it as its target.
pub(super) fn typed(order: &Order, keys: &[String]) -> Result<(), Instead> {
    let named = |pointer: &str| {
        let pointer = pointer.parse().ok()?;
        let text = alert::string(&order.alert, &pointer)?.into_owned();
        keys.contains(&text).then_some(text)
    };
    // Where the source address is looked for (`riposte_policy::keys::derive`).
    for pointer in ["/data/srcip", "/data/win/eventdata/ipAddress", "/data/win/eventdata/destinationIp"] {
        if let Some(text) = named(pointer)
            && let Err(wrong) = text.parse::<Address>()
        {
            return Err(Outcome::Refused(Refused::Untyped(wrong.to_string())));
        }
    }
    if let Some(text) = named("/data/dstuser")
        && let Err(wrong) = text.parse::<UserName>()
    {
        return Err(Outcome::Refused(Refused::Untyped(wrong.to_string())));
    }
    Ok(())
}

/// What a program acts on by its arguments, which may be others than its keys.
fn arguments(order: &Order, program: &NativeProgram, keys: &[String]) -> Vec<String> {
    let mut targets = Message::new(order, program.name()).targets();
    targets.retain(|target| !keys.contains(target));
    targets
}

/// Whether a program that was admitted may still have its targets: an engine
/// that comes back may know more than the one that admitted it.
pub(super) fn still(
    engine: &Engine,
    order: &Order,
    program: &NativeProgram,
    keys: &[String],
) -> Result<(), Instead> {
    let (armed, guard) = (engine.armed(), engine.capabilities.guard());
    for (targets, by) in [(keys, By::Program), (&arguments(order, program, keys), By::Definition)] {
        spared(&armed.config, guard, targets)?;
        guarded(guard, order, targets, by)?;
    }
    Ok(())
}

/// Who named the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The definition, out of the alert.
    Definition,
    /// The program that acts on them.
    Program,
}

/// A native program gets only targets that the guard has passed, since what it
/// then does is out of our hands. In Wazuh's way a program may name any text
/// as a key of its own: there only a user of the alert is one.
pub(super) fn guarded(guard: &Guard, order: &Order, keys: &[String], by: By) -> Result<(), Instead> {
    let any_text = order.key == Way::Wazuh && by == By::Program;
    let users = ["/data/dstuser", "/data/srcuser"].into_iter().filter_map(|pointer| {
        let user = alert::string(&order.alert, &pointer.parse().ok()?)?.into_owned();
        Some(user)
    });
    let users: Vec<String> = users.collect();
    for key in keys {
        // A program of Wazuh's hands a text on as it stands, and what acts on it
        // in the end may read more than one spelling.
        if let Guarded::Never { rule, detail } = guard.judge_text(key) {
            return Err(Outcome::Refused(Refused::Guarded(format!("{key}: {rule}, {detail}"))));
        }
        // A number is a user only where a user stands: elsewhere it may count
        // anything, but zero is never tried.
        let counts = key.bytes().all(|byte| byte.is_ascii_digit()) && !key.trim_start_matches('0').is_empty();
        if (!(any_text || counts || is_file(key)) || users.contains(key))
            && let Guarded::Never { rule, detail } = guard.judge_user_text(key)
        {
            return Err(Outcome::Refused(Refused::Guarded(format!("{key}: {rule}, {detail}"))));
        }
    }
    Ok(())
}

/// Whether a key is the path of a file: a folder in it that is called like a
/// user (`/usr/bin`, `/var/mail`) is none.
fn is_file(key: &str) -> bool {
    let mut drive = key.chars();
    let letter = drive.next().is_some_and(|c| c.is_ascii_alphabetic());
    key.starts_with('/') || letter && drive.next() == Some(':') && matches!(drive.next(), Some('\\' | '/'))
}

/// Whether a component with these grants can cut off an address in a way in
/// which no capability call sees one: by a line in a file, by a file in a
/// folder, by a program's argument. (Blocks and routes judge each address
/// themselves; a message about a protected address does it no harm.)
fn acts_unseen(grants: &Grants) -> bool {
    let writes = grants.folders.iter().any(|folder| folder.access == Access::Write);
    writes || !grants.lines.is_empty() || !grants.exec.is_empty()
}

/// For such a component the guard judges what it acts on beforehand.
fn addresses_guarded(guard: &Guard, keys: &[String]) -> Result<(), Instead> {
    for key in keys {
        if let Guarded::Never { rule, detail } = guard.judge_text(key) {
            return Err(Outcome::Refused(Refused::Guarded(format!("{key}: {rule}, {detail}"))));
        }
    }
    Ok(())
}

/// The order as its component sees it.
#[must_use]
pub fn invocation(order: &Order, mode: Mode) -> Invocation {
    Invocation {
        command: Arc::clone(&order.command.name),
        id: String::new(),
        entry: None,
        attempt: 1,
        timeout: order.timeout,
        offence: 1,
        tenant: Arc::clone(&order.tenant),
        location: order.location,
        arguments: native::extra_args(order).into(),
        keys: Arc::new([]),
        alert: Arc::clone(&order.alert),
        mode,
        rehearsal: false,
    }
}

pub(super) fn new_entry(order: &Order, ready: &Ready, mode: Mode, keys: Vec<String>) -> NewEntry {
    let kind = match &ready.runner {
        Runner::Component(plugin) if plugin.kind() == Kind::Oneshot => riposte_ledger::entry::Kind::Oneshot,
        Runner::Component(_) => riposte_ledger::entry::Kind::Reversible,
        Runner::Native(_) | Runner::Unsupported(_) => riposte_ledger::entry::Kind::Native,
    };
    let program = match &ready.runner {
        Runner::Native(program) => program.name(),
        Runner::Component(_) | Runner::Unsupported(_) => &ready.command.executable,
    };
    let program = program.rsplit('/').next().unwrap_or(program);
    NewEntry {
        tenant: Arc::clone(&order.tenant),
        command: Arc::clone(&order.command.name),
        response: order.response.as_ref().map(|response| Arc::clone(&response.name)),
        location: order.location,
        agent: Arc::clone(&order.agent),
        keys,
        kind,
        timeout: order.timeout,
        offenders: Arc::clone(&order.offenders),
        alert: Arc::clone(&order.alert),
        alert_id: Arc::clone(&order.alert_id),
        rule_id: Arc::clone(&order.rule_id),
        definition: Arc::clone(&ready.definition),
        digest: ready.runner.digest(),
        mode,
        actor: order.actor.clone(),
        reason: order.reason.clone(),
        source: order.source,
        message: order.message.clone(),
        program: program.into(),
        key: order.key,
        offences: order.offences,
    }
}
