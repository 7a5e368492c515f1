//! Taking away what the host shows as the engine's own, for the day the engine
//! is removed and no ledger knows of it.

use riposte_policy::grant::FirewallBackend;

use crate::firewall;
use crate::mark::Mark;
use crate::{Capabilities, Refusal, target_of};

impl Capabilities {
    /// The marks of one interface. Of the firewall: of every backend that
    /// `also` names, and not only of the one that blocks.
    ///
    /// # Errors
    ///
    /// When the host cannot be read.
    pub async fn marks_of(&self, interface: &str, also: &[FirewallBackend]) -> Result<Vec<Mark>, Refusal> {
        if let Some(holding) = self.held(interface) {
            return holding.marks(&[]).await;
        }
        if interface != firewall::INTERFACE {
            return Ok(Vec::new());
        }
        self.backends.firewall.used(also);
        let listed = self.backends.firewall.list().await?;
        Ok(listed.into_iter().map(Mark::from).collect())
    }

    /// Takes one mark away, whoever made it. The claims that these capabilities
    /// ask must know of nobody who holds it, else it stays.
    ///
    /// # Errors
    ///
    /// When it may still be there.
    pub async fn remove(&self, mark: &Mark) -> Result<(), Refusal> {
        match self.held(mark.effect.interface) {
            Some(holding) => holding.remove_unclaimed(&mark.effect).await,
            None => self.backends.firewall.sync(vec![target_of(&mark.effect)?]).await,
        }
    }
}
