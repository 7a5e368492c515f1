//! Making the host agree with the ledger, in the order of
//! `engine/daemon/src/engine/repair.rs`.

use riposte_capability::claim::Effect;
use riposte_capability::firewall::Look;
use riposte_capability::repair::Blocks;
use riposte_capability::{Capabilities, Touched};
use riposte_policy::order::EntryId;

use super::Engine;

impl Engine {
    /// For the start.
    pub(super) async fn repair(&self) {
        let Some(effects) = self.claimed(true).await else {
            self.capabilities.owe_blocks();
            return;
        };
        let (mended, outcome) = self.capabilities.repair_all(&effects).await;
        self.world.note(|| format!("repaired: {mended:?}, {outcome:?}"));
    }

    /// Settles what others changed since.
    pub(super) async fn compare(&self) {
        // Everything, as when the kernel told of more than single elements.
        let look = if self.world.with(|parts| parts.random.percent(50)) { Look::Whole } else { Look::Quick };
        let blocks = if self.capabilities.owes_blocks() { Blocks::All } else { Blocks::Any(look) };
        let Some(effects) = self.claimed(blocks == Blocks::All).await else { return };
        let touched = Touched { blocks, ..Touched::anything() };
        let (mended, outcome) = self.capabilities.compare(&touched, &effects).await;
        self.world.note(|| format!("compared: {mended:?}, {outcome:?}"));
    }

    /// Everything that is claimed; of the firewall only when `blocks` is asked for.
    async fn claimed(&self, blocks: bool) -> Option<Vec<Effect>> {
        let mut effects = Vec::new();
        for interface in Capabilities::interfaces() {
            if *interface == riposte_capability::firewall::INTERFACE && !blocks {
                continue;
            }
            let held = self.ledger.held(interface).await.ok()?;
            effects.extend(held.into_iter().map(|held| Effect { interface, target: held.target }));
        }
        Some(effects)
    }

    /// The same, when nobody else says that they do not yet.
    pub(super) async fn follow(&self, id: EntryId) {
        self.world.with(|parts| parts.host.unsettle(parts.oracle.effects(id.0)));
        self.settle_effects(id).await;
    }

    /// A due time has moved: the kernel's timeouts follow.
    pub(super) async fn settle_effects(&self, id: EntryId) {
        let Ok(rows) = self.ledger.effects(id).await else { return self.capabilities.owe_blocks() };
        let effects = rows.iter().filter_map(|row| Capabilities::recorded(&row.interface, &row.target));
        drop(self.capabilities.settle(&effects.collect::<Vec<_>>()).await);
    }
}
