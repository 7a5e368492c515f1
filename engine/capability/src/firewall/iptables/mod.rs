//! Blocking with iptables and ip6tables.
//!
//! Each set name of a grant has a chain of its own in the table `filter`,
//! `riposte-drop`, to which one rule each at the head of `INPUT` and `FORWARD`
//! leads: where Wazuh's `firewall-drop` puts its rules
//! (`src/active-response/default-firewall-drop.c`). Every rule carries the
//! comment `riposte`, those of addresses with the entry behind it: `riposte-5`.
//! Only what is in such a chain, with that comment, is ever removed.
//!
//! Changes go through `iptables-restore --noflush`, all of a family at once:
//! either all of them are made or none. There is no timeout in iptables: a
//! block ends when the engine ends it, so not while no engine runs.
//!
//! Whether `iptables` speaks to the old kernel interface or to nftables is the
//! host's choice, and both work.

mod save;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use async_trait::async_trait;
use riposte_policy::grant::FirewallBackend;

use super::program::{self, Answer};
use super::reconciled::{Change, Family, Reconciled, Rules, Step};
use super::{Backend, Target};
use crate::claim::Claims;
use crate::process::Program;
use crate::refusal::Refusal;
pub(super) use save::{Filter, HOOKS, MARK};

/// Seconds to wait for whoever else changes the rules.
const WAIT: &str = "5";

/// The iptables of this host.
///
/// # Errors
///
/// When its programs are not there, or may not be started.
pub fn open(claims: Arc<dyn Claims>) -> Result<Arc<dyn Backend>, Refusal> {
    open_as("", claims)
}

/// The same by programs of another name: `-legacy` and `-nft` say which of the
/// kernel's interfaces they use, where a host has both.
pub(super) fn open_as(variant: &str, claims: Arc<dyn Claims>) -> Result<Arc<dyn Backend>, Refusal> {
    Ok(Arc::new(Reconciled::new(Iptables(Programs::find(variant)?), claims)))
}

struct Iptables(Programs);

/// The programs of both families.
pub(super) struct Programs {
    v4: Pair,
    /// A host without IPv6 may lack them.
    v6: Result<Pair, Refusal>,
}

struct Pair {
    save: Program,
    restore: Program,
}

impl Programs {
    /// Those of this variant.
    ///
    /// # Errors
    ///
    /// When those of IPv4 are not there.
    pub(super) fn find(variant: &str) -> Result<Self, Refusal> {
        let pair = |name: &str| {
            Ok(Pair {
                save: program::find(&format!("{name}{variant}-save"), "iptables")?,
                restore: program::find(&format!("{name}{variant}-restore"), "iptables")?,
            })
        };
        Ok(Self { v4: pair("iptables")?, v6: pair("ip6tables") })
    }

    fn of(&self, family: Family) -> Result<&Pair, Refusal> {
        match family {
            Family::V4 => Ok(&self.v4),
            Family::V6 => self.v6.as_ref().map_err(Clone::clone),
        }
    }

    /// The table `filter`, as it is.
    pub(super) async fn read(&self, family: Family) -> Result<String, Refusal> {
        let save = &self.of(family)?.save;
        program::run(save, &["-t", "filter"], String::new()).await?.said()
    }

    /// Changes the table `filter` by these lines, all of them or none.
    pub(super) async fn write(&self, family: Family, lines: &str) -> Result<(), Refusal> {
        let text = format!("*filter\n{lines}COMMIT\n");
        let restore = &self.of(family)?.restore;
        match program::run(restore, &["--noflush", "-w", WAIT], text).await? {
            Answer::Said(_) => Ok(()),
            Answer::Failed(refusal) => Err(refusal),
        }
    }
}

#[async_trait]
impl Rules for Iptables {
    const KIND: FirewallBackend = FirewallBackend::Iptables;
    type Shown = Filter;

    async fn read(&self, family: Family, _: &[Target]) -> Result<Filter, Refusal> {
        Ok(Filter::parse(&self.0.read(family).await?))
    }

    async fn write(&self, family: Family, shown: &Filter, changes: &[Change]) -> Result<(), Refusal> {
        self.0.write(family, &lines(shown, changes)).await
    }
}

/// The name of a set's chain: at most 23 characters, where the kernel allows 28.
fn chain(set: &str) -> String {
    format!("{}{set}", save::CHAIN)
}

/// The input of `iptables-restore` for these changes, without its frame.
fn lines(shown: &Filter, changes: &[Change]) -> String {
    let mut text = String::new();
    // Writing to a text does not fail.
    let wanted: BTreeSet<String> = changes
        .iter()
        .filter(|change| change.step != Step::Remove)
        .map(|change| chain(change.target.set().as_str()))
        .collect();
    // A chain that is named here and is there already would be emptied.
    for chain in wanted.iter().filter(|chain| !shown.has_chain(chain)) {
        let _ = writeln!(text, ":{chain} - [0:0]");
    }
    for chain in &wanted {
        for hook in HOOKS.into_iter().filter(|hook| !shown.leads(hook, chain)) {
            let _ = writeln!(text, "-I {hook} 1 {MARK} -j {chain}");
        }
    }
    for Change { target, step, entry } in changes {
        let chain = chain(target.set().as_str());
        let rule = save::rule(target, *entry);
        match step {
            Step::Add(_) => {
                let _ = writeln!(text, "-A {chain} {rule}");
            }
            // What is there twice goes twice.
            Step::Remove => {
                for rule in shown.rules(target) {
                    let _ = writeln!(text, "-D {chain} {rule}");
                }
            }
            // No time to renew, and the way is laid above.
            Step::Renew(_) | Step::Reach => {}
        }
    }
    text
}

#[cfg(test)]
mod tests;
