//! Alerts for what is in force or under way already, decided from memory.
//!
//! Most of a flood is the same few targets again. Such an order costs no task,
//! no run of a component and no commit: it is found in the ledger's memory, and
//! later ends are written many at a time. It is decided so only where the long
//! way would decide the same: every rule before the ledger is asked first. And
//! only while no undo has begun, which the ledger decides: from the answer on,
//! none begins at the old time.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use riposte_ledger::Ledger;
use riposte_ledger::ledger::{Extension, Prolonged, Same};
use riposte_policy::config::Way;
use riposte_policy::grant::Digest;
use riposte_policy::keys::{self, Derived, Pointer};
use riposte_policy::order::{Actor, EntryId};
use riposte_policy::{Order, alert};
use riposte_runtime::{Kind, Plugin};
use riposte_transport::Receipt;
use tokio::sync::Notify;

use super::admit::{mode, passed, unambiguous, unbroken, unpaused};
use super::settled;
use crate::arm::Runner;
use crate::engine::Engine;
use crate::outcome::Outcome;

/// Targets of which it is remembered what a component calls them.
const NAMES: usize = 65_536;
/// Longest members of an alert that are remembered, in bytes.
const LONGEST: usize = 256;
/// Receipts that wait for a later end to be written.
const RECEIPTS: usize = 65_536;
/// How long a later end waits to be written with others.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is remembered about what is in force.
pub struct Repeats {
    secrets: [RandomState; 2],
    /// By component and by all that it looks at: the keys that it named.
    names: Mutex<HashMap<[u64; 2], Arc<[String]>>>,
    /// Of the alerts that moved an end: handled once that is written.
    receipts: Mutex<Vec<Receipt>>,
    told: Notify,
}

impl Default for Repeats {
    fn default() -> Self {
        Self {
            secrets: [RandomState::new(), RandomState::new()],
            names: Mutex::default(),
            receipts: Mutex::default(),
            told: Notify::new(),
        }
    }
}

/// Decides an order for what is in force or under way already, and one for a
/// command that does nothing now. Else the receipt comes back, and the order
/// has to go the long way.
pub fn again(engine: &Engine, order: &Order, receipt: Receipt) -> Result<(), Receipt> {
    // Others decide what is for other machines, and a log that says more about
    // each needs its entry.
    if engine.report.is_wordy() || order.location == "all" || !engine.stands_for(&order.agent) {
        return Err(receipt);
    }
    if let Some(refused) = off(engine, order) {
        receipt.decided();
        settled(engine, order, &[], &refused);
        return Ok(());
    }
    let Some((id, extension)) = known(engine, order) else { return Err(receipt) };
    match extension {
        Some(extension) => engine.repeats.prolong(&engine.ledger, extension, receipt)?,
        None => receipt.decided(),
    }
    settled(engine, order, &[], &Outcome::Already { id, until_ms: None });
    Ok(())
}

/// What the long way says first, whatever the alert holds.
fn off(engine: &Engine, order: &Order) -> Option<Outcome> {
    let armed = engine.armed();
    let ready = armed.ready(&order.command.name)?;
    if let Runner::Unsupported(_) = &ready.runner {
        return None;
    }
    let scales = engine.scales(&armed);
    unpaused(&scales, &ready).and_then(|()| unbroken(scales.now.boot_ms, &ready)).err()
}

/// The entry that an order would only prolong, and its later end.
fn known(engine: &Engine, order: &Order) -> Option<(EntryId, Option<Extension>)> {
    let ours = order.key == Way::Riposte && order.offences == Way::Riposte && order.actor == Actor::Alert;
    let length = order.timeout.filter(|_| ours)?;
    let armed = engine.armed();
    let ready = armed.ready(&order.command.name)?;
    let keys: Arc<[String]> = match &ready.runner {
        Runner::Component(plugin) if plugin.kind() != Kind::Reversible => return None,
        Runner::Component(plugin) if ready.command.keys.is_empty() => {
            engine.repeats.named(plugin, &order.alert)?
        }
        Runner::Component(_) | Runner::Native(_) => match keys::derive(&ready.command, &order.alert) {
            Derived::Keys(keys) => keys.as_slice().into(),
            Derived::NoKey { .. } => return None,
        },
        Runner::Unsupported(_) => return None,
    };
    let scales = engine.scales(&armed);
    let mode = mode(&scales, &ready, order.mode);
    let length_ms = i64::try_from(length.as_millis()).ok()?;
    let same = Same {
        tenant: &order.tenant,
        command: &order.command.name,
        agent: &order.agent,
        keys: &keys,
        mode,
        source: order.source,
        length_ms,
    };
    let known = engine.ledger.asked_again(&same)?;
    // Whatever is against it is said on the long way.
    if let Runner::Native(_) = &ready.runner {
        unambiguous(order).ok()?;
    }
    passed(&scales, order, &ready, &keys, |step| step).ok()?;
    let due_boot_ms = scales.now.boot_ms.saturating_add(length_ms);
    let extension = known.ends_boot_ms.filter(|ends| *ends < due_boot_ms).map(|_| Extension {
        id: known.id,
        due_boot_ms,
        length_ms,
    });
    Some((known.id, extension))
}

impl Repeats {
    /// A component named these keys for this alert.
    pub fn learn(&self, plugin: &Plugin, alert: &str, keys: &[String]) {
        let Some(print) = self.print(plugin, alert) else { return };
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        // Who sends that many targets does not profit from memory anyway.
        if names.len() >= NAMES {
            names.clear();
        }
        names.insert(print, keys.into());
    }

    /// The keys that it named for an alert in which it sees the same.
    fn named(&self, plugin: &Plugin, alert: &str) -> Option<Arc<[String]>> {
        let print = self.print(plugin, alert)?;
        self.names.lock().unwrap_or_else(PoisonError::into_inner).get(&print).cloned()
    }

    /// A component and all of an alert that its keys depend on; known of
    /// built-in ones only.
    fn print(&self, plugin: &Plugin, alert: &str) -> Option<[u64; 2]> {
        let digest = plugin.digest();
        let mut last: Option<(&Pointer, Option<&str>)> = None;
        let seen: Vec<_> = LOOKS_AT
            .get(&digest)?
            .iter()
            .map(|(first, rest)| {
                // Several are members of one object, which is found once.
                let within = match last {
                    Some((known, within)) if known == first => within,
                    _ => alert::raw(alert, first),
                };
                last = Some((first, within));
                match rest {
                    Some(rest) => alert::raw(within?, rest),
                    None => within,
                }
            })
            .collect();
        if seen.iter().flatten().any(|value| value.len() > LONGEST) {
            return None;
        }
        Some(
            [0, 1].map(|n: usize| self.secrets.get(n).map_or(0, |secret| secret.hash_one((digest.0, &seen)))),
        )
    }

    /// Moves an end to a later time. The receipt comes back when the entry is
    /// ending, and when too many wait.
    fn prolong(&self, ledger: &Ledger, extension: Extension, receipt: Receipt) -> Result<(), Receipt> {
        // Held from before the end is noted: who takes the receipts writes it.
        let mut receipts = self.lock();
        if receipts.len() >= RECEIPTS || ledger.prolong(extension) == Prolonged::Over {
            return Err(receipt);
        }
        receipts.push(receipt);
        let half = receipts.len() == RECEIPTS / 2;
        drop(receipts);
        if half {
            self.told.notify_one();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Receipt>> {
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes later ends, until the engine is gone.
pub async fn keep(engine: Weak<Engine>) {
    loop {
        let Some(strong) = engine.upgrade() else { return };
        tokio::select! {
            () = strong.repeats.told.notified() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
        write(&strong).await;
    }
}

/// Writes the later ends that were noted, and has the host follow.
pub async fn write(engine: &Arc<Engine>) {
    let receipts = std::mem::take(&mut *engine.repeats.lock());
    let moved = match engine.ledger.write_later().await {
        Ok(moved) => moved,
        Err(error) => {
            tracing::error!(%error, "later ends cannot be written, it is tried again");
            // Unsigned, they have their alerts read again after a restart.
            return engine.repeats.lock().extend(receipts);
        }
    };
    receipts.into_iter().for_each(riposte_transport::Sign::decided);
    for extended in moved.iter().filter(|extended| extended.in_force) {
        engine.timekeeper.extended(extended.id, extended.due.boot_ms);
    }
    engine.settle_effects_of(moved.into_iter().map(|extended| extended.id).collect()).await;
}

/// The first step of a pointer, and the others.
type Steps = (Pointer, Option<Pointer>);

/// All that the keys of a built-in response depend on, by its digest, looked up
/// as a component's questions are.
static LOOKS_AT: LazyLock<HashMap<Digest, Vec<Steps>>> = LazyLock::new(|| {
    use sha2::{Digest as _, Sha256};
    let steps = |pointer: &&str| -> Option<Steps> {
        match pointer.get(1..)?.find('/').map(|end| pointer.split_at(end + 1)) {
            Some((first, rest)) => Some((first.parse().ok()?, Some(rest.parse().ok()?))),
            None => Some((pointer.parse().ok()?, None)),
        }
    };
    let looking = riposte_plugins::builtins().iter().filter(|builtin| !builtin.looks_at.is_empty());
    looking
        .map(|builtin| {
            let digest = Digest(Sha256::digest(builtin.wasm).into());
            (digest, builtin.looks_at.iter().filter_map(steps).collect())
        })
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_addresses_are_named_by_is_remembered_in_steps() {
        let steps: Vec<_> = LOOKS_AT.values().flatten().collect();
        assert!(steps.iter().all(|(first, rest)| {
            let first = first.as_str();
            first.starts_with('/') && rest.as_ref().is_none_or(|rest| rest.as_str().starts_with('/'))
        }));
        // Built-ins share a component: firewall-drop, host-deny, ip-customblock, route-null.
        assert_eq!((LOOKS_AT.len(), steps.len()), (4, 20));
    }
}
