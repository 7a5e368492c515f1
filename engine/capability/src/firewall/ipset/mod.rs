//! Blocking with ipset, and a rule of iptables that asks the set.
//!
//! Each set name of a grant has a set for either family, `riposte-drop4` and
//! `riposte-drop6`, of the type `hash:net`, and one rule each at the head of
//! `INPUT` and `FORWARD` that drops what comes from it, with the comment
//! `riposte`. Elements carry the kernel's own timeout, a little later than the
//! engine's, so that a block ends even when no engine runs; a span above 24
//! days, which the kernel's sets cannot count, goes without.

mod save;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use riposte_policy::grant::{FirewallBackend, SetName};

use super::iptables::{Filter, HOOKS, MARK, Programs};
use super::program::{self, Answer};
use super::reconciled::{Change, Family, Reconciled, Rules, Shown, Step};
use super::{Backend, Element, Target};
use crate::claim::Claims;
use crate::mark::Comment;
use crate::process::Program;
use crate::refusal::Refusal;

/// Most elements of one set; the kernel's own default is 65,536.
const LARGEST: u32 = 1 << 20;

/// The ipset of this host.
///
/// # Errors
///
/// When its programs, or those of iptables, are not there or may not be started.
pub fn open(claims: Arc<dyn Claims>) -> Result<Arc<dyn Backend>, Refusal> {
    open_as("", claims)
}

/// The same with the rules by another variant of iptables.
pub(super) fn open_as(variant: &str, claims: Arc<dyn Claims>) -> Result<Arc<dyn Backend>, Refusal> {
    let ipset = Ipset { ipset: program::find("ipset", "ipset")?, iptables: Programs::find(variant)? };
    Ok(Arc::new(Reconciled::new(ipset, claims)))
}

struct Ipset {
    ipset: Program,
    iptables: Programs,
}

/// The engine's sets of one family, and the rules that ask them.
struct Sets {
    /// Which sets there are.
    names: BTreeSet<String>,
    /// Which of them take a comment with each element.
    commented: BTreeSet<String>,
    elements: Vec<Element>,
    filter: Filter,
    family: Family,
}

impl Shown for Sets {
    fn elements(&self) -> &[Element] {
        &self.elements
    }

    fn reached(&self, target: &Target) -> bool {
        let rule = rule(&save::name(target.set(), self.family));
        HOOKS.into_iter().all(|hook| self.filter.has_rule(hook, &rule))
    }
}

#[async_trait]
impl Rules for Ipset {
    const KIND: FirewallBackend = FirewallBackend::Ipset;
    type Shown = Sets;

    async fn read(&self, family: Family, targets: &[Target]) -> Result<Sets, Refusal> {
        let there = self.run(&["list", "-name"], String::new()).await?.said()?;
        let asked: BTreeSet<&SetName> = targets.iter().map(Target::set).collect();
        let mut sets = Sets {
            names: BTreeSet::new(),
            commented: BTreeSet::new(),
            elements: Vec::new(),
            filter: Filter::default(),
            family,
        };
        for name in there.lines() {
            let Some(set) = save::parse(name, family) else { continue };
            sets.names.insert(name.to_owned());
            if !targets.is_empty() && !asked.contains(&set) {
                continue;
            }
            match self.run(&["save", name], String::new()).await? {
                Answer::Said(text) => {
                    if save::takes_comments(&text) {
                        sets.commented.insert(name.to_owned());
                    }
                    sets.elements.extend(save::elements(&text, &set, name));
                }
                // Somebody may remove it in between; else reading tells again.
                Answer::Failed(why) if self.has(name).await? => return Err(why),
                Answer::Failed(_) => {
                    sets.names.remove(name);
                }
            }
        }
        // A host on which this family has no set needs no rules either.
        if !sets.names.is_empty() || !targets.is_empty() {
            sets.filter = Filter::parse(&self.iptables.read(family).await?);
        }
        Ok(sets)
    }

    async fn write(&self, family: Family, shown: &Sets, changes: &[Change]) -> Result<(), Refusal> {
        let input = lines(family, &shown.names, &shown.commented, changes);
        if !input.is_empty() {
            self.run(&["-exist", "restore"], input).await?.said()?;
        }
        // The sets first: a rule cannot ask what is not there.
        let rules = rules(family, &shown.filter, changes);
        if rules.is_empty() { Ok(()) } else { self.iptables.write(family, &rules).await }
    }
}

impl Ipset {
    async fn run(&self, arguments: &[&str], input: String) -> Result<Answer, Refusal> {
        program::run(&self.ipset, arguments, input).await
    }

    async fn has(&self, name: &str) -> Result<bool, Refusal> {
        let there = self.run(&["list", "-name"], String::new()).await?.said()?;
        Ok(there.lines().any(|line| line == name))
    }
}

/// The input of `ipset restore` for these changes.
fn lines(
    family: Family,
    there: &BTreeSet<String>,
    commented: &BTreeSet<String>,
    changes: &[Change],
) -> String {
    let mut text = String::new();
    let inet = match family {
        Family::V4 => "inet",
        Family::V6 => "inet6",
    };
    for name in names(family, changes).iter().filter(|name| !there.contains(*name)) {
        // A default timeout of 0, for good, is what makes the set take timeouts.
        let _ = writeln!(text, "create {name} hash:net family {inet} maxelem {LARGEST} timeout 0 comment");
    }
    for Change { target, step, entry } in changes {
        let (name, prefix) = (save::name(target.set(), family), target.prefix());
        let _ = match step {
            Step::Add(timeout) | Step::Renew(timeout) => {
                // A set that an earlier version made takes no comments.
                let takes = !there.contains(&name) || commented.contains(&name);
                let comment = entry
                    .filter(|_| takes)
                    .map_or_else(String::new, |entry| format!(" comment \"{}\"", Comment::of(entry)));
                writeln!(text, "add {name} {prefix} timeout {}{comment}", timeout.map_or(0, seconds))
            }
            Step::Remove => writeln!(text, "del {name} {prefix}"),
            Step::Reach => Ok(()),
        };
    }
    text
}

/// The rules that are missing, as input of `iptables-restore`.
fn rules(family: Family, filter: &Filter, changes: &[Change]) -> String {
    let mut text = String::new();
    for rule in names(family, changes).iter().map(|name| rule(name)) {
        for hook in HOOKS.into_iter().filter(|hook| !filter.has_rule(hook, &rule)) {
            let _ = writeln!(text, "-I {hook} 1 {rule}");
        }
    }
    text
}

/// The sets that elements are to be in.
fn names(family: Family, changes: &[Change]) -> BTreeSet<String> {
    let wanted = changes.iter().filter(|change| change.step != Step::Remove);
    wanted.map(|change| save::name(change.target.set(), family)).collect()
}

/// Whether a set of this name is the engine's.
pub(super) fn is_ours(name: &str) -> bool {
    Family::BOTH.into_iter().any(|family| save::parse(name, family).is_some())
}

/// The rule that asks a set, as the programs write it.
fn rule(name: &str) -> String {
    format!("-m set --match-set {name} src {MARK} -j DROP")
}

/// Whole seconds, upwards, and at least one: zero means for good.
fn seconds(timeout: Duration) -> u64 {
    timeout.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests;
