//! Effects that can lock people out are confirmed, or undone at once.
//!
//! After a prefix was blocked, a route sent nowhere, or the host cut off, what
//! the operator named (the gateway, the manager, a port) must still answer.
//! Else the effect is taken back before anybody has to drive to the machine.

#[cfg(target_os = "linux")]
mod gateway;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use riposte_policy::config::Mode;
use riposte_policy::grant::Confirm;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::claim::Effect;
use crate::guard::Guard;
use crate::held::Holding;
use crate::refusal::Refusal;
use crate::session::Session;
use crate::witness::{Denied, Witness};

/// How long an answer may take. A TCP handshake repeats its first packet after
/// a second, a neighbour is asked three times in three.
const PATIENCE: Duration = Duration::from_secs(3);

/// Ports of Wazuh's manager: for agents, and for their enrolment.
const MANAGER: [u16; 2] = [1514, 1515];

/// Asks whether somebody answers.
#[async_trait]
pub trait Probe: Send + Sync {
    /// Asks what `confirm` names.
    ///
    /// # Errors
    ///
    /// Who did not answer, and why: the rest of a sentence.
    async fn ask(&self, confirm: &Confirm) -> Result<(), String>;
}

/// Asks nobody: for tests of everything else.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unasked;

#[async_trait]
impl Probe for Unasked {
    async fn ask(&self, _: &Confirm) -> Result<(), String> {
        Ok(())
    }
}

/// The network that this host is in.
#[derive(Debug)]
pub struct Network {
    guard: Arc<Guard>,
}

impl Network {
    /// The guard knows the managers.
    #[must_use]
    pub fn new(guard: Arc<Guard>) -> Self {
        Self { guard }
    }
}

#[async_trait]
impl Probe for Network {
    async fn ask(&self, confirm: &Confirm) -> Result<(), String> {
        match confirm {
            Confirm::None => Ok(()),
            #[cfg(target_os = "linux")]
            Confirm::Gateway => gateway::answers(PATIENCE).await,
            #[cfg(not(target_os = "linux"))]
            Confirm::Gateway => Err("asking the gateway is not implemented on this system".to_owned()),
            Confirm::Manager => {
                let managers = self.guard.managers().into_iter().filter_map(riposte_policy::Prefix::single);
                let managers: Vec<SocketAddr> =
                    managers.flat_map(|one| MANAGER.map(|port| (one.ip(), port).into())).collect();
                if managers.is_empty() {
                    return Err(
                        "no manager is known: name it in <riposte><guard><manager>, or confirm something else"
                            .to_owned(),
                    );
                }
                let listed =
                    managers.iter().map(|at| at.ip().to_string()).collect::<std::collections::BTreeSet<_>>();
                let listed = listed.into_iter().collect::<Vec<_>>().join(", ");
                connects(managers)
                    .await
                    .map_err(|error| format!("the manager ({listed}) did not answer: {error}"))
            }
            Confirm::Tcp { host, port } => {
                let failed = |error: String| format!("{host} port {port} did not answer: {error}");
                let looking = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host.as_str(), *port)));
                let found = match looking.await {
                    Ok(Ok(found)) => found.collect(),
                    Ok(Err(error)) => return Err(failed(error.to_string())),
                    Err(_) => return Err(failed("its name was not found in time".to_owned())),
                };
                connects(found).await.map_err(failed)
            }
        }
    }
}

/// Whether one of these takes a connection.
async fn connects(addresses: Vec<SocketAddr>) -> Result<(), String> {
    let mut trying: JoinSet<_> = addresses.into_iter().map(TcpStream::connect).collect();
    let mut last = "it has no address".to_owned();
    let first = async {
        while let Some(tried) = trying.join_next().await {
            match tried {
                Ok(Ok(_connected)) => return Ok(()),
                Ok(Err(error)) => last = error.to_string(),
                Err(error) => last = error.to_string(),
            }
        }
        Err(())
    };
    match tokio::time::timeout(PATIENCE, first).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(())) => Err(last),
        Err(_) => Err(format!("nothing within {} s", PATIENCE.as_secs())),
    }
}

/// What confirms the effects of one call.
#[derive(Clone, Copy)]
pub(crate) struct Confirmation<'a> {
    pub(crate) probe: &'a dyn Probe,
    pub(crate) witness: &'a dyn Witness,
}

impl Confirmation<'_> {
    /// To be called after an effect was made. When what `confirm` names does
    /// not answer, `undo` runs, which must release the claim and restore the
    /// host, and the call is refused.
    ///
    /// # Errors
    ///
    /// `failed`: who did not answer, and what became of the effect.
    pub(crate) async fn after(
        &self,
        session: &Session,
        call: &str,
        target: &str,
        confirm: &Confirm,
        undo: impl Future<Output = Result<bool, Refusal>>,
    ) -> Result<(), Refusal> {
        let Err(silent) = self.probe.ask(confirm).await else { return Ok(()) };
        let then = match undo.await {
            // Another response may hold the same, which then stays.
            Ok(_) => "this response gave it up at once".to_owned(),
            Err(refusal) => format!("undoing it failed too, and is tried again ({refusal})"),
        };
        let refusal = Refusal::failed(format!("{target}: {silent}; {then}"));
        self.witness.unconfirmed(&Denied::of(session, call, target, &refusal));
        Err(refusal)
    }

    /// The same for an effect that [`Holding::hold`] has made.
    ///
    /// # Errors
    ///
    /// As [`Confirmation::after`].
    pub(crate) async fn held(
        &self,
        holding: Holding<'_>,
        session: &Session,
        call: &str,
        target: String,
        confirm: &Confirm,
    ) -> Result<(), Refusal> {
        if session.mode == Mode::Shadow {
            return Ok(());
        }
        let entry = session.holder()?;
        let effect = Effect { interface: holding.interface, target };
        self.after(session, call, &effect.target, confirm, holding.release(entry, &effect)).await
    }
}

#[cfg(test)]
pub(crate) mod tests;
