//! Packet filters of other systems, each driven by its own program.
//!
//! What is started, with which arguments and which input, is a pure function
//! of the target: one file for each program, with the vector of Wazuh's
//! program of that name in its tests, or the corrected one. docs/platforms.md
//! lists the corrections and what was run on the system itself: nothing so far.
//!
//! None of these programs takes a timeout for an element, so the engine alone
//! undoes; and none marks what it added as the engine's, so only what is
//! claimed is listed, and nothing else is ever removed.

mod aix;
mod ipf;
mod ipfw;
mod netsh;
mod npf;
mod pf;
mod run;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

use std::sync::Arc;

use riposte_policy::address::Prefix;
use riposte_policy::grant::{FirewallBackend, SetName};

use super::{Backend, Target, elsewhere};
use crate::claim::Claims;
use crate::refusal::Refusal;

/// The backend of one of these programs, on a system that has it.
///
/// # Errors
///
/// `unsupported` on every other system, and for a packet filter that has a
/// backend of its own; `unavailable` when the program is not installed.
pub fn backend(which: FirewallBackend, claims: Arc<dyn Claims>) -> Result<Arc<dyn Backend>, Refusal> {
    let tool = tool(which)?;
    if !tool.systems.contains(&std::env::consts::OS) {
        return Err(elsewhere(which));
    }
    let vectors = run::Vectors::new(tool, run::FOLDERS.map(Into::into).to_vec(), claims);
    vectors.installed()?;
    Ok(Arc::new(vectors))
}

fn tool(which: FirewallBackend) -> Result<&'static Tool, Refusal> {
    match which {
        FirewallBackend::Pf => Ok(&pf::TOOL),
        FirewallBackend::Npf => Ok(&npf::TOOL),
        FirewallBackend::Ipfw => Ok(&ipfw::TOOL),
        FirewallBackend::Ipf => Ok(&ipf::TOOL),
        FirewallBackend::Aix => Ok(&aix::TOOL),
        FirewallBackend::Netsh => Ok(&netsh::TOOL),
        linux @ (FirewallBackend::Nftables
        | FirewallBackend::Iptables
        | FirewallBackend::Ipset
        | FirewallBackend::Firewalld) => Err(elsewhere(linux)),
    }
}

/// What is to become of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its packets are to be dropped.
    Block,
    /// They are to pass again.
    Unblock,
}

/// A program that is to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The file's name in a folder of the system's programs.
    pub program: &'static str,
    /// Its arguments, each as the program gets it; no shell splits them.
    pub arguments: Vec<String>,
    /// What it reads from its stdin.
    pub stdin: String,
    /// What its failure means.
    pub failure: Failure,
}

/// What it means that a program fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The change was not made, unless the host shows that it was so already.
    Counts,
    /// Nothing: there was nothing to take away.
    Nothing,
}

impl Invocation {
    /// A program with its arguments and an empty stdin.
    pub(crate) fn new<'a>(program: &'static str, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let arguments = arguments.into_iter().map(str::to_owned).collect();
        Self { program, arguments, stdin: String::new(), failure: Failure::Counts }
    }

    fn reading(mut self, stdin: String) -> Self {
        self.stdin = stdin;
        self
    }

    fn may_fail(mut self) -> Self {
        self.failure = Failure::Nothing;
        self
    }
}

/// What must be so before a block has any effect.
struct Check {
    /// One of these programs must write this text.
    any: Vec<(Invocation, String)>,
    /// What is said otherwise.
    otherwise: String,
}

impl Check {
    fn new(invocation: Invocation, text: impl Into<String>, otherwise: impl Into<String>) -> Self {
        Self { any: vec![(invocation, text.into())], otherwise: otherwise.into() }
    }
}

/// When a tool is asked what it shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Only when a change has failed: repeating one is harmless.
    AfterFailure,
    /// Before each change: repeating one makes a second rule, or a rule is
    /// removed by a number that only the list has.
    First,
}

/// What the engine may make by itself so that a block has an effect.
#[derive(Clone, Copy)]
struct Prepare {
    show: fn() -> Invocation,
    /// What is missing in the text that `show` wrote.
    make: fn(&SetName, &str) -> Vec<Invocation>,
}

/// One packet filter: its programs as pure functions.
struct Tool {
    kind: FirewallBackend,
    /// As `std::env::consts::OS` has them.
    systems: &'static [&'static str],
    /// The programs, the one that is always needed first.
    programs: &'static [&'static str],
    look: Look,
    /// What must be so before a block.
    ready: fn(&SetName) -> Vec<Check>,
    /// What makes the change. The text is what `listing` wrote, with
    /// [`Look::First`].
    change: fn(Change, &Target, &str) -> Result<Vec<Invocation>, Refusal>,
    /// What makes the set before a block; `None`: nothing has to be made.
    prepare: Option<Prepare>,
    /// What writes the elements of a set.
    listing: fn(&SetName) -> Invocation,
    /// The elements in what it wrote.
    listed: fn(&SetName, &str) -> Vec<Prefix>,
}

/// A prefix with its length, also when it is one address.
fn with_length(prefix: Prefix) -> String {
    format!("{}/{}", prefix.network(), prefix.length())
}

/// The addresses and networks among words.
fn prefixes<'t>(words: impl Iterator<Item = &'t str>) -> Vec<Prefix> {
    words.filter_map(|word| word.parse().ok()).collect()
}
