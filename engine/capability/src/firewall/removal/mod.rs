//! Everything of the engine's that a packet filter can hold, for the day the
//! engine is removed: tables, chains, sets and the rules that lead to them, of
//! every packet filter of this host and not only of the one that blocks.
//!
//! What carries the name or the comment of the engine is its own. A rule that
//! somebody else put into a chain of the engine stays, with its chain, and is
//! named. So does the table that the engine of another home blocks in too: only
//! nftables tells whose an element is.

mod chains;

use std::fmt;

use super::ipset;
use super::nftables::removal::{self as tables, Shares};
use super::nftables::schema::TABLE;
use super::program::{self, Answer};
use crate::refusal::Refusal;
use chains::{Chains, Restored};

/// One thing that can be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// A table of nftables.
    Table(String),
    /// So many elements of the table that blocks, which stays.
    Own(usize),
    /// The chains of one program of iptables, and the rules that lead there.
    Chains(Chains),
    /// A set of ipset.
    Set(String),
}

/// What was found, and what could not be looked at.
#[derive(Debug, Default)]
pub struct Found {
    /// In the order in which they can go.
    pub parts: Vec<Part>,
    /// What stays, and why.
    pub left: Vec<String>,
    /// Why something may be left that nobody sees.
    pub unseen: Vec<Refusal>,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Table(name) => write!(f, "nftables table inet {name}"),
            Kind::Own(elements) => write!(f, "{elements} elements of the nftables table inet {TABLE}"),
            Kind::Chains(chains) => chains.fmt(f),
            Kind::Set(name) => write!(f, "ipset {name}"),
        }
    }
}

/// Looks for them. Nothing is changed, and no module of the kernel is loaded
/// for a packet filter that is not in use.
pub async fn find() -> Found {
    let mut found = Found::default();
    match tables::tables() {
        Ok(tables) => tables.into_iter().for_each(|name| found.table(name)),
        // A kernel without nftables has no table of ours.
        Err(refusal) if refusal.kind == "unsupported" => {}
        Err(refusal) => found.unseen.push(refusal),
    }
    for chains in chains::programs() {
        match chains.read().await {
            Ok(Some(chains)) => found.parts.push(Part(Kind::Chains(chains))),
            Ok(None) => {}
            Err(refusal) => found.unseen.push(refusal),
        }
    }
    // Behind the rules that ask them: a set in use cannot go.
    match sets().await {
        Ok(sets) => found.parts.extend(sets.into_iter().map(|name| Part(Kind::Set(name)))),
        Err(refusal) => found.unseen.push(refusal),
    }
    found
}

impl Found {
    /// A table goes as a whole, unless the engine of another home blocks in it.
    fn table(&mut self, name: String) {
        let shares = if name == TABLE { tables::shares() } else { Ok(Shares::default()) };
        match shares {
            Ok(Shares { others: 0, .. }) => self.parts.push(Part(Kind::Table(name))),
            Ok(Shares { own, others }) => {
                self.parts.extend((own > 0).then_some(Part(Kind::Own(own))));
                self.left.push(format!(
                    "nftables table inet {name}: it holds {others} elements of the engine of another home, which still \
                     block; riposte uninstall --home DIR undoes them, and nft delete table inet {name} removes everything"
                ));
            }
            Err(refusal) => self.unseen.push(refusal),
        }
    }
}

/// Removes one. What is gone by now is a success.
///
/// # Errors
///
/// When it may still be there, or a part of it is somebody else's.
pub async fn remove(part: &Part) -> Result<(), Refusal> {
    match &part.0 {
        Kind::Table(name) => tables::delete(name),
        Kind::Own(_) => tables::take_own(),
        Kind::Chains(chains) => match chains.remove().await? {
            Restored::Gone => Ok(()),
            Restored::Foreign(rules) => Err(Refusal::failed(format!(
                "rules that are not Riposte's stand in its chains, so those chains stay: {}; move them, and run it again",
                rules.join("; ")
            ))),
        },
        Kind::Set(name) => {
            if !sets().await?.contains(name) {
                return Ok(());
            }
            let ipset = program::find("ipset", "ipset")?;
            program::run(&ipset, &["destroy", name], String::new()).await?.said().map(drop)
        }
    }
}

/// The engine's sets; none where there is no ipset.
async fn sets() -> Result<Vec<String>, Refusal> {
    let Ok(ipset) = program::find("ipset", "ipset") else { return Ok(Vec::new()) };
    match program::run(&ipset, &["list", "-name"], String::new()).await? {
        Answer::Said(names) => {
            Ok(names.lines().filter(|name| ipset::is_ours(name)).map(str::to_owned).collect())
        }
        // A kernel without sets, or without the right to ask: the tables told that already.
        Answer::Failed(refusal) if is_absent(&refusal) => Ok(Vec::new()),
        Answer::Failed(refusal) => Err(refusal),
    }
}

/// Whether a program says that the kernel has no such thing at all.
fn is_absent(refusal: &Refusal) -> bool {
    [
        "Protocol not supported",
        "Kernel support protocol",
        "do not exist",
        "does not exist",
        "Kernel error received: Invalid argument",
    ]
    .iter()
    .any(|words| refusal.message.contains(words))
}
