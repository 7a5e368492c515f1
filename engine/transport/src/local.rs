//! The carrier of one machine on its own: a bounded queue in memory.
//!
//! Nothing durable is needed here. An order that is lost with the process was
//! not decided, so its line of input is read again at the next start.

use async_trait::async_trait;
use riposte_policy::Order;
use tokio::sync::mpsc;

use crate::route::Identity;
use crate::{Receipt, Transport, Undeliverable};

/// The sending side.
#[derive(Debug)]
pub struct Local {
    identity: Identity,
    queue: mpsc::Sender<Delivered>,
}

/// What the receiving side gets: the order, and the receipt to sign once it is
/// decided.
pub struct Delivered {
    /// The order.
    pub order: Order,
    /// Signed once the order is decided.
    pub receipt: Receipt,
}

impl Local {
    /// A carrier for a machine that stands for `identity`, and its receiving
    /// side. At most `capacity` orders are under way between the two.
    #[must_use]
    pub fn new(identity: Identity, capacity: usize) -> (Self, mpsc::Receiver<Delivered>) {
        let (queue, receiver) = mpsc::channel(capacity.max(1));
        (Self { identity, queue }, receiver)
    }

    /// Whether this machine stands for `agent`.
    #[must_use]
    pub fn stands_for(&self, agent: &str) -> bool {
        self.identity.stands_for(agent)
    }
}

#[async_trait]
impl Transport for Local {
    async fn send(&self, order: Order, receipt: Receipt) -> Result<(), Undeliverable> {
        if !self.stands_for(&order.agent) {
            receipt.decided();
            return Err(Undeliverable::NoSuchAgent(order.agent.to_string()));
        }
        self.queue.send(Delivered { order, receipt }).await.map_err(|_| Undeliverable::Stopped)
    }
}
