//! What others did to the engine's table.
//!
//! The writer remembers what it has made, and nobody writes while it compares:
//! so what it made, is still claimed and is not there was taken by somebody
//! else, however many responses are under way.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use riposte_policy::address::Prefix;
use riposte_policy::grant::{FirewallBackend, SetName};

use super::addresses::Addresses;
use super::schema::{self, Kind};
use super::writer::{Seen, Writer};
use super::{dump, refusal};
use crate::claim::Standing;
use crate::firewall::{Element, Look, Lost, Target, agrees};
use crate::mark::OTHERS;
use crate::refusal::Refusal;

/// How often everything is looked at when others keep changing tables and the
/// kernel did not say that the engine's is one of them.
const MINUTE: Duration = Duration::from_secs(60);

/// What is known of the last look.
#[derive(Default)]
pub(super) struct Known {
    /// The kernel's count of changes, and the writer's own, at that time.
    generation: Option<(u32, u32)>,
    /// When everything was looked at.
    whole: Option<Instant>,
    /// What was found with another timeout than its claims. That may be on its
    /// way: it counts when it is found so again.
    doubtful: HashSet<Target>,
}

impl Writer {
    /// What others did since the last look.
    pub(super) fn lost(&mut self, look: Look) -> Result<Lost, Refusal> {
        let lost = self.look_for_lost(look).inspect_err(|_| {
            // What could not be looked at is looked at again.
            self.known.generation = None;
            self.known.whole = None;
        })?;
        Ok(Lost { rebuilt: std::mem::take(&mut self.mended), ..lost })
    }

    fn look_for_lost(&mut self, look: Look) -> Result<Lost, Refusal> {
        if self.sets.is_empty() {
            return Ok(Lost::default());
        }
        let strange = self.is_strange()?;
        let owing = self.sets.values().any(|seen| !seen.gone.is_empty());
        let due = self.known.whole.is_none_or(|whole| whole.elapsed() >= MINUTE);
        if look != Look::Whole && !owing && !(strange && (due || look == Look::Doubtful)) {
            return if strange { self.mend_sets() } else { Ok(Lost::default()) };
        }
        // Without it nothing could be mended.
        self.flags()?;
        self.known.whole = Some(now());
        let made: Vec<(SetName, Addresses, HashSet<Prefix>)> = self.sets.iter_mut().map(made).collect();
        let looked = self.observe(|_| true).and_then(|shown| self.mend().map(|()| shown));
        let shown = match looked {
            Ok(shown) => shown,
            Err(refusal) => {
                for (set, addresses, _) in made {
                    if let Some(seen) = self.sets.get_mut(&set) {
                        seen.addresses.extend(addresses);
                    }
                }
                return Err(refusal);
            }
        };
        let mut lost = Lost::default();
        let mut doubtful = HashSet::new();
        for (set, addresses, networks) in made {
            let items = shown.get(&set).map(Vec::as_slice).unwrap_or_default();
            let there: HashSet<Prefix> = items.iter().map(|item| item.prefix).collect();
            // What an outer network stands for is not in the kernel itself.
            let outermost: HashSet<Prefix> =
                self.sets.get(&set).map(|seen| seen.networks.outermost().collect()).unwrap_or_default();
            let wanted = addresses.iter().chain(networks.iter().copied().filter(|n| outermost.contains(n)));
            let gone =
                wanted.filter(|prefix| !there.contains(prefix)).map(|prefix| Target::new(&set, prefix));
            let gone: Vec<Target> =
                gone.filter(|target| self.claims.standing(target.effect()).lasts()).collect();
            // Owed until it is written.
            if let Some(seen) = self.sets.get_mut(&set) {
                let addresses = gone.iter().map(Target::prefix).filter(|prefix| prefix.single().is_some());
                addresses.for_each(|prefix| seen.gone.insert(prefix));
            }
            lost.missing.extend(gone);
            for item in items {
                let target = Target::new(&set, item.prefix);
                let standing = self.claims.standing(target.effect());
                let ours = (item.prefix.single().is_some() && addresses.contains(item.prefix))
                    || networks.contains(&item.prefix);
                let element = Element { target: target.clone(), remaining: item.timeout, entry: item.entry };
                match standing {
                    // Made here: it is being removed just now.
                    Standing::Free if ours => {}
                    Standing::Free => lost.astray.push(element),
                    held if !held.lasts() || agrees(FirewallBackend::Nftables, held, item.timeout) => {}
                    _ if self.known.doubtful.contains(&target) => lost.astray.push(element),
                    _ => drop(doubtful.insert(target)),
                }
            }
        }
        self.known.doubtful = doubtful;
        Ok(lost)
    }

    /// What the kernel has of these targets.
    pub(super) fn look(&mut self, targets: &[Target]) -> Result<Vec<Element>, Refusal> {
        let mut found = Vec::new();
        for target in targets.iter().filter(|target| target.prefix().single().is_some()) {
            let item = dump::address(&mut self.socket, target.set(), target.prefix());
            let item = item.map_err(|errno| refusal(errno, "list"))?;
            // It may have been put back by whoever took it away, or not at all:
            // the next write has to fit either.
            if let Some(seen) = self.sets.get_mut(target.set()) {
                match item {
                    Some(_) => seen.addresses.insert(target.prefix()),
                    None => {
                        seen.addresses.remove(target.prefix());
                        if self.claims.standing(target.effect()).lasts() {
                            seen.gone.insert(target.prefix());
                        }
                    }
                }
            }
            self.notice_others(item.as_ref().is_some_and(|item| item.entry == Some(OTHERS)));
            found.extend(item.map(|item| Element {
                target: target.clone(),
                remaining: item.timeout,
                entry: item.entry,
            }));
        }
        Ok(found)
    }

    /// Makes tables, sets, chains and rules that are gone, or are not as they
    /// were made, and counts them. The sets that there are have been observed.
    pub(super) fn mend(&mut self) -> Result<(), Refusal> {
        if self.sets.is_empty() {
            return self.flags().map(drop);
        }
        self.wake()?;
        let found = dump::sets(&mut self.socket).map_err(|errno| refusal(errno, "list"))?;
        let found: BTreeSet<(SetName, Kind)> = found.into_iter().collect();
        let wanted = self.sets.keys().flat_map(|set| Kind::ALL.map(|kind| (set.clone(), kind)));
        let missing = wanted.filter(|one| !found.contains(one)).count();
        if missing > 0 {
            self.rebuild()?;
            self.mended = self.mended.saturating_add(missing);
            return Ok(());
        }
        let rules = dump::rules(&mut self.socket).map_err(|errno| refusal(errno, "list"))?;
        let wanted = schema::rules(&self.sets.keys().collect::<Vec<_>>());
        // In which order the kernel lists the chains is its own affair.
        let of = |rules: &[(String, String)], chain: &str| {
            rules.iter().filter(|(of, _)| of == chain).map(|(_, set)| set.clone()).collect::<Vec<_>>()
        };
        let chains: BTreeSet<&String> = wanted.iter().chain(&rules).map(|(chain, _)| chain).collect();
        let wrong = chains.into_iter().filter(|chain| of(&rules, chain) != of(&wanted, chain)).count();
        if wrong > 0 {
            self.lay()?;
        }
        self.mended = self.mended.saturating_add(wrong);
        Ok(())
    }

    /// The same without looking at elements: cheap however many there are.
    fn mend_sets(&mut self) -> Result<Lost, Refusal> {
        let before = self.mended;
        self.mend()?;
        if self.mended == before {
            return Ok(Lost::default());
        }
        self.look_for_lost(Look::Whole)
    }

    /// Everything is about to be looked at.
    pub(super) fn looked(&mut self) {
        self.known.whole = Some(now());
    }

    /// Whether somebody else has changed any table since this was asked last.
    fn is_strange(&mut self) -> Result<bool, Refusal> {
        let generation = dump::generation(&mut self.socket).map_err(|errno| refusal(errno, "list"))?;
        let before = self.known.generation.replace((generation, self.commits));
        let explained = before.is_some_and(|(before, commits)| {
            generation.wrapping_sub(before) == self.commits.wrapping_sub(commits)
        });
        Ok(!explained)
    }
}

/// What the writer has made of a set.
fn made((set, seen): (&SetName, &mut Seen)) -> (SetName, Addresses, HashSet<Prefix>) {
    let mut addresses = std::mem::take(&mut seen.addresses);
    addresses.extend(std::mem::take(&mut seen.gone));
    (set.clone(), addresses, seen.networks.held().collect())
}

#[expect(clippy::disallowed_methods, reason = "how often is no matter of due times, but of cost")]
fn now() -> Instant {
    Instant::now()
}
