//! Chains of iptables, by every program that writes some.

use std::fmt;
use std::fmt::Write as _;
use std::path::Path;

use riposte_policy::grant::SetName;

use super::is_absent;
use crate::firewall::ipset;
use crate::firewall::program::{self, Answer};
use crate::process::Program;
use crate::refusal::Refusal;

/// How the names of the engine's chains begin.
const CHAIN: &str = "riposte-";

/// One program of iptables, and what the engine has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chains {
    /// `iptables`, `ip6tables-legacy`, ...
    name: String,
    /// Rules in chains of others that lead to the engine's chains or ask its
    /// sets, as the program writes them: the chain, and the rest.
    ways: Vec<(String, String)>,
    /// Its chains.
    chains: Vec<String>,
    /// Rules in its chains: how many are its own, and those that are not.
    rules: usize,
    foreign: Vec<String>,
}

/// How a removal went.
pub(super) enum Restored {
    Gone,
    /// These rules are somebody else's.
    Foreign(Vec<String>),
}

impl fmt::Display for Chains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        if self.chains.is_empty() {
            return write!(f, "{} rules that ask sets of Riposte", self.ways.len());
        }
        write!(
            f,
            "chains {} with {} rules, and {} rules that lead to them",
            self.chains.join(", "),
            self.rules,
            self.ways.len()
        )
    }
}

/// The programs of this host, of both families. Where a host has both the old
/// interface of the kernel and nftables behind iptables, either may hold
/// something; the old one is only asked when the kernel has it in use already.
pub(super) fn programs() -> Vec<Chains> {
    let mut programs = Vec::new();
    for (family, in_use) in
        [("iptables", "/proc/net/ip_tables_names"), ("ip6tables", "/proc/net/ip6_tables_names")]
    {
        let there = |variant: &str| program::find(&format!("{family}{variant}-save"), "iptables").is_ok();
        let legacy = there("-legacy");
        let variants: &[&str] = match (there("-nft"), legacy) {
            (false, false) if there("") => &[""],
            (nft, _) => match (nft, legacy && uses_filter(Path::new(in_use))) {
                (true, true) => &["-nft", "-legacy"],
                (true, false) => &["-nft"],
                (false, true) => &["-legacy"],
                (false, false) => &[],
            },
        };
        programs.extend(variants.iter().map(|variant| Chains::of(format!("{family}{variant}"))));
    }
    programs
}

#[expect(clippy::disallowed_methods, reason = "this module owns what is left in packet filters")]
fn uses_filter(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|names| names.lines().any(|name| name == "filter"))
}

impl Chains {
    fn of(name: String) -> Self {
        Self { name, ways: Vec::new(), chains: Vec::new(), rules: 0, foreign: Vec::new() }
    }

    /// Reads what there is; `None`: nothing.
    pub(super) async fn read(&self) -> Result<Option<Self>, Refusal> {
        let save = self.program("save")?;
        match program::run(&save, &["-t", "filter"], String::new()).await? {
            Answer::Said(text) => Ok(Self::parse(&self.name, &text)),
            Answer::Failed(refusal) if is_absent(&refusal) => Ok(None),
            Answer::Failed(refusal) => Err(refusal),
        }
    }

    fn parse(name: &str, text: &str) -> Option<Self> {
        let mut found = Self::of(name.to_owned());
        for line in text.lines() {
            if let Some(chain) = line.strip_prefix(':').and_then(|rest| rest.split(' ').next()) {
                if is_chain(chain) {
                    found.chains.push(chain.to_owned());
                }
            } else if let Some((chain, rule)) = line.strip_prefix("-A ").and_then(|rest| rest.split_once(' '))
            {
                if is_chain(chain) {
                    if is_marked(rule) { found.rules += 1 } else { found.foreign.push(line.to_owned()) }
                } else if jumps(rule) || is_marked(rule) && asks(rule) {
                    found.ways.push((chain.to_owned(), rule.trim_end().to_owned()));
                }
            }
        }
        (!found.chains.is_empty() || !found.ways.is_empty()).then_some(found)
    }

    /// Removes all of it in one step of the program.
    pub(super) async fn remove(&self) -> Result<Restored, Refusal> {
        // Anew: an undo may have come in between.
        let Some(now) = self.read().await? else { return Ok(Restored::Gone) };
        let restore = self.program("restore")?;
        program::run(&restore, &["--noflush", "-w", "5"], now.lines()).await?.said()?;
        if now.foreign.is_empty() { Ok(Restored::Gone) } else { Ok(Restored::Foreign(now.foreign)) }
    }

    fn lines(&self) -> String {
        let keeps = |chain: &&String| {
            let begin = format!("-A {chain} ");
            !self.foreign.iter().any(|rule| rule.starts_with(&begin))
        };
        let going: Vec<&String> = self.chains.iter().filter(keeps).collect();
        let mut text = "*filter\n".to_owned();
        // Writing to a text does not fail.
        for (chain, rule) in &self.ways {
            let leads = rule.rsplit(' ').next().unwrap_or_default();
            if !is_chain(leads) || going.iter().any(|chain| *chain == leads) {
                let _ = writeln!(text, "-D {chain} {rule}");
            }
        }
        for chain in &going {
            let _ = writeln!(text, "-F {chain}\n-X {chain}");
        }
        text.push_str("COMMIT\n");
        text
    }

    fn program(&self, what: &str) -> Result<Program, Refusal> {
        program::find(&format!("{}-{what}", self.name), "iptables")
    }
}

fn is_chain(name: &str) -> bool {
    name.strip_prefix(CHAIN).is_some_and(|set| set.parse::<SetName>().is_ok())
}

/// Whether a rule has the engine's comment, perhaps with the number of an entry.
fn is_marked(rule: &str) -> bool {
    [
        "--comment riposte ",
        "--comment \"riposte\"",
        "--comment \"riposte ",
        "--comment \"entry ",
        "--comment riposte-",
    ]
    .iter()
    .any(|mark| rule.contains(mark))
}

/// Whether a rule leads to a chain of the engine. Whoever wrote it: without the
/// chain it can be no rule.
fn jumps(rule: &str) -> bool {
    after(rule, "-j ").is_some_and(is_chain)
}

/// Whether a rule asks a set of the engine.
fn asks(rule: &str) -> bool {
    after(rule, "--match-set ").is_some_and(ipset::is_ours)
}

fn after<'a>(rule: &'a str, word: &str) -> Option<&'a str> {
    rule.split(word).nth(1)?.split(' ').next()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    const SAVED: &str = "*filter\n:INPUT ACCEPT [0:0]\n:mine - [0:0]\n:riposte-drop - [0:0]\n:riposte-web - [0:0]\n\
        -A INPUT -m comment --comment riposte -j riposte-drop\n-A INPUT -m comment --comment riposte -j riposte-web\n\
        -A INPUT -m set --match-set riposte-drop4 src -m comment --comment riposte -j DROP\n\
        -A INPUT -s 192.0.2.1/32 -j DROP\n-A INPUT -m comment --comment riposte -j mine\n-A INPUT -j riposte-drop\n\
        -A riposte-drop -s 192.0.2.7/32 -m comment --comment riposte -j DROP\n\
        -A riposte-web -s 192.0.2.7/32 -j ACCEPT\nCOMMIT\n";

    #[test]
    fn only_what_is_marked_goes_and_a_chain_with_a_foreign_rule_stays() {
        let found = Chains::parse("iptables", SAVED).unwrap();
        assert_eq!(
            found.to_string(),
            "iptables: chains riposte-drop, riposte-web with 1 rules, and 4 rules that lead to them"
        );
        assert_eq!(
            found.lines(),
            "*filter\n-D INPUT -m comment --comment riposte -j riposte-drop\n\
             -D INPUT -m set --match-set riposte-drop4 src -m comment --comment riposte -j DROP\n\
             -D INPUT -j riposte-drop\n-F riposte-drop\n-X riposte-drop\nCOMMIT\n"
        );
        assert_eq!(found.foreign, ["-A riposte-web -s 192.0.2.7/32 -j ACCEPT"]);
        assert_eq!(
            Chains::parse("iptables", "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT\n"),
            None
        );
    }
}
