//! What is asked for again while it is in force, found in memory, in the order
//! of `engine/daemon/src/respond/same.rs`.

use std::rc::Rc;

use riposte_ledger::entry::Kind;
use riposte_ledger::ledger::{Extension, Prolonged, Same};
use riposte_ledger::scheduler::Event;
use riposte_policy::config::Mode;

use super::Engine;
use crate::commands::{Order, SPECS, new_entry};
use crate::run::Mutant;

/// How long a later end waits to be written with others.
const INTERVAL_MS: i64 = 1_000;

impl Engine {
    /// Decides an order for what is in force or under way; `false`: it has to go
    /// the long way.
    pub(super) async fn again(self: &Rc<Self>, order: &Order) -> bool {
        let spec = &SPECS[order.spec];
        let Some(length) = spec.timeout.filter(|_| spec.kind != Kind::Oneshot) else { return false };
        let length_ms = i64::try_from(length).unwrap_or(i64::MAX).saturating_mul(1_000);
        let new = new_entry(order, self.input);
        let same = Same {
            tenant: &new.tenant,
            command: &new.command,
            agent: &new.agent,
            keys: &new.keys,
            mode: Mode::Enforce,
            source: new.source,
            length_ms,
        };
        let Some(known) = self.ledger.asked_again(&same) else { return false };
        let due_boot_ms = self.world.clocks.boot_ms().saturating_add(length_ms);
        // Its own thread goes on meanwhile, and the undo's may be faster.
        self.world.point("known to be in force").await;
        let id = known.id;
        if known.ends_boot_ms.is_none_or(|ends| ends >= due_boot_ms) {
            self.world.note(|| format!("order {} is entry {id} again", order.number));
            self.world.with(|parts| parts.oracle.merged(order.number));
            self.sign(order);
            return true;
        }
        if self.mutant != Some(Mutant::ForgetsRepeats)
            && self.ledger.prolong(Extension { id, due_boot_ms, length_ms }) == Prolonged::Over
        {
            self.world.note(|| format!("order {} comes too late for entry {id}", order.number));
            return false;
        }
        self.world.note(|| format!("order {} is entry {id} again, until {due_boot_ms}", order.number));
        let is_ill = self.world.disk_is_ill() || self.world.disk.is_full();
        self.world.with(|parts| {
            parts.oracle.merged(order.number);
            parts.oracle.prolonged(id.0, due_boot_ms);
            // Else the host follows before its own timeout is up.
            if is_ill || parts.host.trouble > 0 || parts.host.dead {
                parts.host.unsettle(parts.oracle.effects(id.0));
            }
        });
        let mut later = self.later.borrow_mut();
        later.push(order.clone());
        if later.len() == 1 {
            drop(later);
            let engine = Rc::clone(self);
            self.spawn(async move { engine.keep_later().await });
        }
        true
    }

    /// Writes later ends until there are none.
    async fn keep_later(self: Rc<Self>) {
        while !self.later.borrow().is_empty() {
            self.world.sleep(INTERVAL_MS).await;
            // Those that come from now on are written by the next round, which is
            // this one's as long as any are left.
            let orders = self.later.borrow().len();
            let moved = match self.ledger.write_later().await {
                Ok(moved) => moved,
                Err(error) => {
                    self.world.note(|| format!("later ends are not written: {error}"));
                    continue;
                }
            };
            let boot_ms = self.world.clocks.boot_ms();
            for extended in &moved {
                let (id, due_boot_ms) = (extended.id, extended.due.boot_ms);
                self.world.note(|| format!("entry {id} ends at {due_boot_ms}, and that is written"));
                self.world.with(|parts| {
                    parts.oracle.written(id.0, due_boot_ms, boot_ms);
                    // The process may end before the kernel hears of it.
                    parts.host.unsettle(parts.oracle.effects(id.0));
                });
                if extended.in_force {
                    self.tell(Event::Extended { id, due_boot_ms });
                }
            }
            self.world.point("later ends are written").await;
            let orders: Vec<Order> = self.later.borrow_mut().drain(..orders).collect();
            orders.iter().for_each(|order| self.sign(order));
            for extended in moved {
                self.follow(extended.id).await;
            }
        }
    }
}
