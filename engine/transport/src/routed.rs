//! Two carriers: one for this machine, one for all others.

use async_trait::async_trait;
use riposte_policy::Order;

use crate::route::Identity;
use crate::{Receipt, Transport, Undeliverable};

/// Hands an order to `here` when this machine stands for its agent, else to
/// `there`. An order for all agents goes there: who they are is known there,
/// and none of them is this machine.
#[derive(Debug)]
pub struct Routed<H, T> {
    identity: Identity,
    here: H,
    there: T,
}

impl<H: Transport, T: Transport> Routed<H, T> {
    /// The carrier of a machine that stands for `identity`.
    #[must_use]
    pub fn new(identity: Identity, here: H, there: T) -> Self {
        Self { identity, here, there }
    }
}

#[async_trait]
impl<H: Transport, T: Transport> Transport for Routed<H, T> {
    async fn send(&self, order: Order, receipt: Receipt) -> Result<(), Undeliverable> {
        if order.location != "all" && self.identity.stands_for(&order.agent) {
            return self.here.send(order, receipt).await;
        }
        self.there.send(order, receipt).await
    }
}
