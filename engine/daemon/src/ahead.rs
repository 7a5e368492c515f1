//! What is overdue is off the host before anything is compiled.
//!
//! The code of a component is not at hand when the engine is a new one (another
//! wasmtime), when the folder of compiled code is lost, or when the component
//! is a large one that was replaced. Compiling takes from milliseconds to
//! minutes, and no block outlives its time for that: the engine takes back the
//! recorded effects of the entry at once, and its delete runs when the code is
//! there, as often as it would have: until it succeeds, or has failed three
//! times. It finds nothing left to take back, which every delete must bear, and
//! does what else it does: tell somebody, say.
//!
//! The same goes for a crowd of which all are due at once, as after a flood: each
//! has its delete when its turn comes, and nothing stays blocked until then.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use riposte_capability::{Capabilities, Effect, firewall};
use riposte_ledger::entry::{Begun, EffectRow, Kind, Recovery};
use riposte_ledger::{Cause, Entry, Ledger, Undo};
use riposte_policy::config::Mode;
use riposte_policy::grant::Digest;
use riposte_policy::order::EntryId;
use riposte_runtime::Components;
use tokio::sync::Notify;

use crate::arm::Runner;
use crate::engine::Engine;
use crate::report::Report;

/// What is taken back for a crowd: what floods make, and many of which are one
/// change of the host.
const BLOCKS: [&str; 1] = [firewall::INTERFACE];

/// Of what a start finds overdue or half undone, takes back the effects of
/// every entry that would have to wait: all of them when the configuration
/// names a component that has to be `compiled` first, else those whose own
/// version has to be.
pub fn of_arming(
    found: &[Entry],
    compiles: impl FnOnce() -> bool,
    components: &Components,
    ledger: &Ledger,
    capabilities: &Arc<Capabilities>,
    report: &Report,
) {
    let overdue: Vec<&Entry> =
        found.iter().filter(|entry| is_overdue(entry) && is_a_components(entry)).collect();
    if overdue.is_empty() {
        return;
    }
    let all = compiles();
    let waiting: Vec<Entry> =
        overdue.into_iter().filter(|entry| all || !is_compiled(components, entry)).cloned().collect();
    if waiting.is_empty() {
        return;
    }
    tracing::info!(
        entries = waiting.len(),
        "components have to be compiled; what is overdue is taken back first"
    );
    let reversing = async {
        let mut reversing = tokio::task::JoinSet::new();
        for entry in waiting {
            let cause = if entry.recovery() == Recovery::UndoAgain { Cause::Recovery } else { Cause::Due };
            report.undoing(&entry, &cause);
            let (ledger, capabilities) = (ledger.clone(), Arc::clone(capabilities));
            reversing.spawn(async move {
                // From now on it is being undone, and nobody takes it for in force.
                if let Begun::Undo(begun) = Begun::of(ledger.begin_undo(entry.id, cause).await) {
                    all_effects(&capabilities, entry.id, &begun.effects).await;
                }
            });
        }
        while reversing.join_next().await.is_some() {}
    };
    // A start is not part of any runtime yet, and a packet filter's program needs one.
    std::thread::scope(|scope| {
        scope.spawn(|| match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(reversing),
            Err(error) => tracing::error!(%error, "what is overdue has to wait for the components"),
        });
    });
}

/// The same for one entry that is being undone, at any time.
pub async fn of_delete(engine: &Engine, begun: &Undo) {
    let entry = &begun.entry;
    if !begun.asks_its_maker()
        || !is_a_components(entry)
        || begun.effects.is_empty()
        || is_armed(engine, entry)
    {
        return;
    }
    if !is_compiled(&engine.components, entry) {
        all_effects(&engine.capabilities, entry.id, &begun.effects).await;
    }
}

/// What is taken back before the turn of its entry comes.
#[derive(Debug, Default)]
pub struct TakenBack {
    crowd: Mutex<Crowd>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Crowd {
    under_way: HashSet<EntryId>,
    done: HashSet<EntryId>,
}

impl TakenBack {
    /// Whether it was done for this entry, whose turn has come. It is said once:
    /// an undo that is tried again takes the whole way.
    pub async fn take(&self, id: EntryId) -> bool {
        loop {
            // Made before looking, so that an end in between is not missed.
            let ended = self.ended.notified();
            {
                let mut crowd = self.lock();
                if !crowd.under_way.contains(&id) {
                    return crowd.done.remove(&id);
                }
            }
            ended.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While this is there, undos of the crowd wait; there is one at a time.
struct UnderWay<'a>(&'a TakenBack);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.lock().under_way.clear();
        self.0.ended.notify_waiters();
    }
}

/// Takes blocks off the host whose time is up and whose undo has to wait for
/// others: in one commit and one change of the firewall. What does not work here
/// is done by the undo, when its turn has come.
pub fn of_a_crowd(engine: Arc<Engine>, ids: Vec<EntryId>) -> impl Future<Output = ()> + Send {
    // Before anybody is handed out again, so that no undo overtakes it.
    engine.taken_back.lock().under_way.extend(&ids);
    async move {
        let under_way = UnderWay(&engine.taken_back);
        take_back(&engine, ids).await;
        drop(under_way);
    }
}

async fn take_back(engine: &Engine, ids: Vec<EntryId>) {
    let begun = match engine.ledger.begin_ahead(ids, &BLOCKS).await {
        Ok(begun) => begun,
        Err(error) => return tracing::debug!(%error, "nothing is taken back ahead"),
    };
    let rows = || begun.iter().flat_map(|undo| undo.effects.iter().map(move |row| (undo.entry.id, row)));
    let blocks: Vec<(EntryId, Effect)> = rows()
        .filter(|(_, row)| is_a_block(row))
        .filter_map(|(id, row)| Some((id, Capabilities::recorded(&row.interface, &row.target)?)))
        .collect();
    let effects: Vec<Effect> = blocks.iter().map(|(_, effect)| effect.clone()).collect();
    if let Err(refusal) = engine.capabilities.settle(&effects).await {
        return tracing::warn!(entries = begun.len(), %refusal, "not taken back yet");
    }
    for (id, effect) in &blocks {
        engine.remembered.released(*id, effect);
    }
    for undo in &begun {
        engine.report.undoing(&undo.entry, &Cause::Due);
    }
    engine.taken_back.lock().done.extend(begun.iter().map(|undo| undo.entry.id));
}

/// Whether an effect is one of those that are taken back for a crowd.
pub fn is_a_block(row: &EffectRow) -> bool {
    BLOCKS.contains(&row.interface.as_str())
}

/// What cannot be taken back now is tried again behind the delete, and reported
/// there.
async fn all_effects(capabilities: &Capabilities, id: EntryId, effects: &[EffectRow]) {
    for row in effects.iter().filter(|row| !row.released) {
        let Some(effect) = Capabilities::recorded(&row.interface, &row.target) else { continue };
        if let Err(refusal) = capabilities.reverse(id, &effect).await {
            tracing::warn!(entry = %id, %effect, %refusal, "not taken back yet");
        }
    }
}

fn is_overdue(entry: &Entry) -> bool {
    matches!(entry.recovery(), Recovery::UndoAgain | Recovery::Overdue)
}

fn is_a_components(entry: &Entry) -> bool {
    entry.kind == Kind::Reversible && entry.mode == Mode::Enforce
}

fn digest(entry: &Entry) -> Option<Digest> {
    entry.digest.as_deref()?.parse().ok()
}

fn is_compiled(components: &Components, entry: &Entry) -> bool {
    digest(entry).is_some_and(|digest| components.is_compiled(digest))
}

/// Whether the configuration's own component is the very version.
fn is_armed(engine: &Engine, entry: &Entry) -> bool {
    let ready = engine.armed().ready(&entry.command);
    ready.is_some_and(|ready| match &ready.runner {
        Runner::Component(plugin) => Some(plugin.digest()) == digest(entry),
        Runner::Native(_) | Runner::Unsupported(_) => false,
    })
}
