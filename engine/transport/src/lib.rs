//! From the machine that matched an alert to the machine that responds.
//!
//! On one machine both are the same process and [`local::Local`] hands orders
//! over in memory. Whatever carries them, the contract is that of
//! [`Transport`], and one suite (`tests/contract.rs`) holds every carrier to it.
//!
//! # Layout
//!
//! * [`route`]: which agents a response is for, and whether this machine is one.
//! * [`local`]: the carrier of one machine on its own.
//! * [`routed`]: two carriers, one for this machine and one for all others.
//! * [`wazuh`]: Wazuh's own wires.

#![forbid(unsafe_code)]

pub mod local;
pub mod route;
pub mod routed;
pub mod wazuh;

use std::fmt;
use std::path::PathBuf;

use async_trait::async_trait;
use riposte_policy::Order;
use riposte_policy::diagnostic::shown;

/// Carries orders to the agent each of them names.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Hands over one order together with the receipt that the receiving side
    /// signs once the order is decided. Waits while the receiver is full: an
    /// order is never dropped.
    ///
    /// # Errors
    ///
    /// When no machine that this carrier reaches stands for the order's agent:
    /// that is a decision, so the receipt is signed. When the receiving side
    /// has stopped it is not. The caller reports the order.
    async fn send(&self, order: Order, receipt: Receipt) -> Result<(), Undeliverable>;
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for std::sync::Arc<T> {
    async fn send(&self, order: Order, receipt: Receipt) -> Result<(), Undeliverable> {
        (**self).send(order, receipt).await
    }
}

/// Tells the sender that an order is decided: admitted to the ledger, or
/// refused with a reason. A receipt that is dropped unsigned, because the
/// process ends or the ledger cannot be written, means that the alert is to be
/// handled again.
pub trait Sign: Send + Sync {
    /// The order is decided.
    fn decided(self: Box<Self>);
}

/// The receipt of one order.
pub type Receipt = Box<dyn Sign>;

/// For orders that nobody waits for.
impl Sign for () {
    fn decided(self: Box<Self>) {}
}

/// Why an order reached nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undeliverable {
    /// No machine here stands for that agent.
    NoSuchAgent(String),
    /// What an alert calls its agent is no agent's number.
    NoNumber(String),
    /// The receiving side has stopped.
    Stopped,
    /// The manager knows no agent of this number.
    Unregistered(String),
    /// The agent is not connected, and nothing would wait for it.
    NotConnected(String),
    /// Which message the agent understands is not known.
    VersionUnknown {
        /// The agent's number.
        agent: String,
        /// Why.
        why: String,
    },
    /// The agent takes no message of this length, or with such a path.
    Unfit {
        /// The agent's number.
        agent: String,
        /// Which.
        why: String,
    },
    /// Which agents there are is not known.
    AgentsUnknown(String),
    /// Who knows the agents does not answer. The receipt is not signed.
    Unasked(String),
    /// Nobody takes the order off the queue. Its receipt is not signed.
    Unreachable {
        /// The queue's socket.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl Undeliverable {
    /// Whether somebody may take it later: then the alert stays unhandled.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Unasked(_) | Self::Unreachable { .. })
    }
}

impl fmt::Display for Undeliverable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchAgent(agent) if !agent.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                write!(f, "this machine does not stand for agent {}", shown(agent))
            }
            Self::NoSuchAgent(agent) => write!(
                f,
                "this machine does not stand for agent {agent}; start with --agent-id {agent} or --all-local if it does"
            ),
            Self::NoNumber(agent) => write!(f, "{} is no agent's number", shown(agent)),
            Self::Stopped => f.write_str("the engine is stopping"),
            Self::Unregistered(agent) => write!(f, "the manager knows no agent {agent}"),
            Self::NotConnected(agent) => {
                write!(f, "agent {agent} is not connected; it would not get the order later either")
            }
            Self::VersionUnknown { agent, why } => write!(
                f,
                "the version of agent {agent} is not known: {why}; with --assume-agents VERSION it is sent all the same"
            ),
            Self::Unfit { agent, why } => write!(f, "agent {agent}: {why}"),
            Self::AgentsUnknown(why) => write!(f, "which agents are connected is not known: {why}"),
            Self::Unasked(why) => write!(
                f,
                "{why}; it runs on a running manager, and with --assume-agents VERSION an agent is sent to all the same. The alert stays unhandled"
            ),
            Self::Unreachable { path, why } => write!(
                f,
                "nobody takes orders on {}: {why}; wazuh-remoted listens there on a running manager. The alert stays unhandled",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Undeliverable {}
