//! The table as a whole: how it is made, whether the engine can have it, and
//! whether packets get to it.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use riposte_policy::grant::SetName;
use rustix::io::Errno;

use super::schema::{self, DORMANT, Kind, NEW_TABLE, OWNER, TABLE};
use super::transaction::Label;
use super::writer::{Seen, Writer};
use super::{dump, refusal, removal};
use crate::refusal::Refusal;

impl Writer {
    /// Makes sets that are not there yet.
    pub(super) fn lay_also(&mut self, missing: BTreeSet<&SetName>) -> Result<(), Refusal> {
        if missing.is_empty() {
            return Ok(());
        }
        for set in &missing {
            self.sets.insert((*set).clone(), Seen { complete: true, ..Seen::default() });
        }
        self.lay().inspect_err(|_| {
            for set in missing {
                self.sets.remove(set);
            }
        })
    }

    /// Makes again what somebody removed under us.
    pub(super) fn rebuild(&mut self) -> Result<(), Refusal> {
        for seen in self.sets.values_mut() {
            seen.gone.extend(std::mem::take(&mut seen.addresses));
            seen.complete = false;
            seen.networks.astray = true;
        }
        self.lay()?;
        self.rebuilt.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            "the nftables table `inet {TABLE}` was changed by somebody else; it was made anew, and what was blocked \
             in it comes back with the next repair"
        );
        Ok(())
    }

    /// Makes the table, all known sets, and their rules. A set that has the name
    /// of one of these, and is another, goes: the table is ours.
    pub(super) fn lay(&mut self) -> Result<(), Refusal> {
        self.wake()?;
        let mut unfit = self.unfit()?;
        unfit.retain(|(set, _)| self.sets.contains_key(set));
        for (set, kind) in &unfit {
            let set = kind.name(set);
            tracing::warn!(
                "the set {set} of the nftables table `inet {TABLE}` is not the one made by riposte: removed"
            );
        }
        self.transaction.begin(&mut self.socket);
        schema::lay(&mut self.transaction, &self.sets.keys(), &unfit);
        self.send().map_err(|failed| {
            let errno = failed.errno();
            // So the kernel calls a chain that is to get another hook, too.
            let is_there = || removal::tables().is_ok_and(|tables| tables.iter().any(|name| name == TABLE));
            let errno = if errno == Errno::OPNOTSUPP && is_there() { Errno::EXIST } else { errno };
            refusal(errno, "set up")
        })
    }

    /// Wakes a table that somebody put to sleep.
    ///
    /// In a transaction of its own: the kernel takes no new chain behind a change
    /// of the flags in the same one.
    ///
    /// # Errors
    ///
    /// As [`Writer::flags`].
    pub(super) fn wake(&mut self) -> Result<(), Refusal> {
        let flags = self.flags()?;
        if flags & DORMANT == 0 {
            return Ok(());
        }
        self.transaction.begin(&mut self.socket);
        self.transaction.add(NEW_TABLE, 0, Label::Layout, |m| {
            m.name(schema::TABLE_NAME, TABLE);
            m.number(schema::TABLE_FLAGS, flags & !DORMANT);
        });
        self.send().map_err(|failed| refusal(failed.errno(), "wake"))?;
        self.mended = self.mended.saturating_add(1);
        tracing::warn!("the nftables table `inet {TABLE}` was dormant, and blocked nothing: woken");
        Ok(())
    }

    /// Sets of somebody else's that have names of ours.
    pub(super) fn unfit(&mut self) -> Result<Vec<(SetName, Kind)>, Refusal> {
        dump::unfit(&mut self.socket).map_err(|errno| refusal(errno, "list"))
    }

    /// The flags of the table, none if there is no such table.
    ///
    /// # Errors
    ///
    /// What keeps the engine from it: its owner, or a chain of another kind that
    /// has the name of one of the engine's.
    pub(super) fn flags(&mut self) -> Result<u32, Refusal> {
        let flags = self.unobstructed();
        self.obstructed = flags.is_err();
        flags
    }

    fn unobstructed(&mut self) -> Result<u32, Refusal> {
        let found = dump::table(&mut self.socket, TABLE).map_err(|errno| refusal(errno, "list"))?;
        let Some((flags, owner)) = found else { return Ok(0) };
        if flags & OWNER != 0 {
            return Err(owned(owner));
        }
        let unfit = dump::unfit_chains(&mut self.socket).map_err(|errno| refusal(errno, "list"))?;
        unfit.first().map_or(Ok(flags), |chain| Err(made_otherwise(&format!("the chain {chain}"))))
    }
}

/// Part of the table is in the way, and is not replaced.
pub(super) fn made_otherwise(part: &str) -> Refusal {
    Refusal::unavailable(format!(
        "{part} of the nftables table `inet {TABLE}` was made otherwise by somebody else, so riposte cannot block: \
         remove it with `nft delete table inet {TABLE}`, and riposte makes it anew"
    ))
}

fn owned(owner: Option<u32>) -> Refusal {
    let process =
        owner.map_or_else(String::new, |port| format!(" (netlink port {port}, mostly its process id)"));
    Refusal::unavailable(format!(
        "the nftables table `inet {TABLE}` has the flag `owner`: only the program that made it can change it{process}; \
         end that program, and riposte makes the table anew"
    ))
}
