//! The socket over which a manager reaches its agents.
//!
//! Its network daemon binds `queue/alerts/ar` (a datagram socket; in 5.x
//! `queue/sockets/ar`) and passes each datagram on to the one agent that the
//! header names, if that agent is connected: no queue, no retry, no answer. So
//! what can be known is known before: an order for an agent that is not
//! connected, or too old or too new to be understood, is reported here.
//! Datagrams end with a NUL byte (`src/os_net/os_net.c: OS_SendUnix`).
//!
//! Each datagram is sent to the path anew, so a daemon that restarts is found
//! again with the next one.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use riposte_policy::Order;
use tokio::time::Instant;

use super::agents::{Agents, Unanswered};
use super::message::{Message, Unfit, Version, header, wire_name};
use crate::{Receipt, Transport, Undeliverable};

/// How often an order is offered before it counts as undeliverable. With
/// [`PAUSE`] this is half a minute: longer than the daemon's restart.
const ATTEMPTS: u32 = 120;
/// How long to wait before the next offer.
const PAUSE: Duration = Duration::from_millis(250);

/// Carries orders to stock agents.
#[derive(Debug)]
pub struct ArQueue {
    path: PathBuf,
    node: Arc<str>,
    agents: Arc<Agents>,
    attempts: u32,
    pause: Duration,
}

impl ArQueue {
    /// Sends to the socket at `path`, as the manager that its cluster knows as
    /// `node` (empty without a cluster), to these agents.
    #[must_use]
    pub fn new(path: PathBuf, node: Arc<str>, agents: Arc<Agents>) -> Self {
        Self { path, node, agents, attempts: ATTEMPTS, pause: PAUSE }
    }

    /// The same, offering an order so often, with such a pause in between.
    #[must_use]
    pub fn patient(self, attempts: u32, pause: Duration) -> Self {
        Self { attempts, pause, ..self }
    }

    /// The connected agents, without the manager itself.
    ///
    /// # Errors
    ///
    /// When wazuh-db does not tell, for as long as an order is offered.
    pub async fn active(&self) -> Result<Arc<[u32]>, Undeliverable> {
        self.told(|| self.agents.active()).await.map_err(|why| match why.passes() {
            true => Undeliverable::Unasked(why.to_string()),
            false => Undeliverable::AgentsUnknown(why.to_string()),
        })
    }

    /// Asks until there is an answer: wazuh-db restarts with the network daemon.
    async fn told<T, F: Future<Output = Result<T, Unanswered>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> Result<T, Unanswered> {
        let until = Instant::now() + self.pause * self.attempts;
        loop {
            match ask().await {
                Err(why) if why.passes() && Instant::now() < until => tokio::time::sleep(self.pause).await,
                told => return told,
            }
        }
    }

    /// The datagram for an order to an agent of this version, without its NUL.
    ///
    /// # Errors
    ///
    /// When that agent cannot be told.
    pub fn datagram(&self, order: &Order, agent: u32, version: Version) -> Result<String, Unfit> {
        let name = wire_name(&order.command.name, order.timeout);
        let message = Message {
            node: &self.node,
            command: &name,
            extra_args: &order.command.extra_args,
            alert: &order.alert,
        };
        Ok(format!("{} {}", header(order.location, agent), message.payload(version)?))
    }

    async fn prepare(&self, order: &Order) -> Result<Vec<u8>, Undeliverable> {
        let agent = order.agent.to_string();
        let number = agent.parse::<u32>().ok().filter(|number| *number > 0);
        let Some(number) = number else { return Err(Undeliverable::NoNumber(agent)) };
        let known = match self.told(|| self.agents.about(number)).await {
            Ok(known) => known,
            Err(why) if why.passes() => return Err(Undeliverable::Unasked(why.to_string())),
            Err(why) => return Err(Undeliverable::VersionUnknown { agent, why: why.to_string() }),
        };
        let Some(known) = known else { return Err(Undeliverable::Unregistered(agent)) };
        let Some(version) = known.version else {
            return Err(Undeliverable::VersionUnknown { agent, why: "it never reported one".to_owned() });
        };
        if !known.active {
            return Err(Undeliverable::NotConnected(agent));
        }
        match self.datagram(order, number, version) {
            Ok(text) => Ok([text.as_bytes(), &[0]].concat()),
            Err(why) => Err(Undeliverable::Unfit { agent, why: why.to_string() }),
        }
    }

    /// Offers a datagram until it is taken.
    async fn offer(&self, datagram: &[u8]) -> Result<(), Undeliverable> {
        let unreachable =
            |error: io::Error| Undeliverable::Unreachable { path: self.path.clone(), why: error.to_string() };
        let socket = UnixDatagram::unbound().map_err(unreachable)?;
        socket.set_nonblocking(true).map_err(unreachable)?;
        let mut left = self.attempts;
        loop {
            match socket.send_to(datagram, &self.path) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    left = left.saturating_sub(1);
                    if left == 0 || !passes(&error) {
                        return Err(unreachable(error));
                    }
                    tokio::time::sleep(self.pause).await;
                }
            }
        }
    }
}

/// Whether an error passes with time: nobody is bound, or the queue is full.
fn passes(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotFound, OutOfMemory, WouldBlock};
    let full = rustix::io::Errno::NOBUFS.raw_os_error();
    matches!(error.kind(), ConnectionRefused | NotFound | OutOfMemory | WouldBlock)
        || error.raw_os_error() == Some(full)
}

/// The receipt is signed once the datagram is in the daemon's queue: that is
/// all a stock agent lets anybody know.
#[async_trait]
impl Transport for ArQueue {
    async fn send(&self, order: Order, receipt: Receipt) -> Result<(), Undeliverable> {
        let datagram = match self.prepare(&order).await {
            Ok(datagram) => datagram,
            Err(undeliverable) => {
                if !undeliverable.passes() {
                    receipt.decided();
                }
                return Err(undeliverable);
            }
        };
        self.offer(&datagram).await?;
        receipt.decided();
        Ok(())
    }
}
