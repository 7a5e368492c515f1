//! Making the host agree with the ledger, and taking back what was done.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use riposte_capability::{Capabilities, Effect, Refusal, Repaired, isolation};
use riposte_ledger::entry::EffectRow;
use riposte_policy::order::EntryId;

use super::Engine;

impl Engine {
    /// Makes the host agree with the ledger.
    pub async fn repair(&self) {
        if self.settings.shadow {
            return;
        }
        let mut effects = Vec::new();
        for interface in Capabilities::interfaces() {
            match self.ledger.held(interface).await {
                Ok(held) => {
                    effects.extend(held.into_iter().map(|held| Effect { interface, target: held.target }));
                }
                Err(error) => return tracing::error!(%error, "cannot read what is claimed"),
            }
        }
        match self.capabilities.repair(&effects).await {
            Ok(repaired) if repaired != Repaired::default() => {
                let Repaired { written, removed } = repaired;
                tracing::warn!(written, removed, "the host did not show what the ledger says; it does now");
                self.report.repaired(written, removed);
            }
            Ok(_) => {}
            Err(refusal) => tracing::warn!(%refusal, "cannot compare the host with the ledger"),
        }
    }

    /// The same, when the firewall's table was found damaged since the last look.
    pub async fn repair_if_rebuilt(&self) {
        if self.settings.shadow {
            return;
        }
        // Asking puts back rules that somebody flushed, which no write notices.
        if let Err(refusal) = self.firewall.probe().await {
            tracing::debug!(%refusal, "the firewall cannot be looked at");
        }
        let rebuilt = self.firewall.rebuilt();
        if self.rebuilt.swap(rebuilt, Ordering::AcqRel) != rebuilt {
            self.repair().await;
        }
    }

    /// Lets an isolated host reach those who became its managers since.
    pub async fn follow_superiors(&self) {
        let interface = isolation::INTERFACE;
        let held = match self.ledger.held(interface).await {
            Ok(held) => held,
            Err(error) => return tracing::error!(%error, "cannot read whether this host is isolated"),
        };
        // Who is connected is not asked without need: the answer counts for a while.
        if self.settings.shadow || held.is_empty() {
            // The next isolation is told anew.
            return self.superiors.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        let guard = self.capabilities.guard();
        let now = [guard.superiors(), guard.name_servers()].concat();
        if now == *self.superiors.lock().unwrap_or_else(PoisonError::into_inner) {
            return;
        }
        let effects: Vec<_> =
            held.into_iter().map(|held| Effect { interface, target: held.target }).collect();
        match self.capabilities.settle(&effects).await {
            Ok(()) => *self.superiors.lock().unwrap_or_else(PoisonError::into_inner) = now,
            Err(refusal) => tracing::warn!(%refusal, "an isolated host may not reach a new manager"),
        }
    }

    /// Makes the kernel's timeouts follow an entry whose due time has moved.
    pub async fn settle_effects(&self, id: EntryId) {
        let effects = match self.ledger.effects(id).await {
            Ok(effects) => effects,
            Err(error) => return tracing::error!(entry = %id, %error, "cannot read the effects"),
        };
        let effects: Vec<_> = effects.iter().filter_map(effect).collect();
        if let Err(refusal) = self.capabilities.settle(&effects).await {
            tracing::warn!(entry = %id, %refusal, "the host keeps the earlier time");
        }
    }

    /// The engine itself takes back one recorded effect of an entry.
    ///
    /// # Errors
    ///
    /// When the host refuses. An effect that this engine does not know is the
    /// work of a newer one, and stays open.
    pub async fn reverse(&self, id: EntryId, row: &EffectRow) -> Result<(), Refusal> {
        let Some(effect) = effect(row) else {
            let what = format!("{} {}", row.interface, row.target);
            return Err(Refusal::unsupported(format!("this engine does not know the effect {what}")));
        };
        self.capabilities.reverse(id, &effect).await.map(drop)
    }
}

/// A recorded effect as capabilities know it.
fn effect(row: &EffectRow) -> Option<Effect> {
    Capabilities::recorded(&row.interface, &row.target)
}
