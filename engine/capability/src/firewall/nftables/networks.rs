//! Which networks the kernel gets.
//!
//! Claims may overlap: a /24 and a /28 in it, held by two responses. An
//! interval set takes no overlaps, so the kernel gets the outermost networks
//! only, and the inner ones when the outer goes.

use std::collections::BTreeSet;

use riposte_policy::address::Prefix;

/// The networks of one set name, both families.
#[derive(Debug, Default)]
pub(super) struct Networks {
    /// All that are claimed, as far as the writer was told.
    held: BTreeSet<Prefix>,
    /// Whether the kernel may show something else than the outermost of these.
    pub(super) astray: bool,
}

/// One change of the kernel's set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Add(Prefix),
    Remove(Prefix),
}

impl Networks {
    /// What to change so that `prefix` is in the kernel, with a fresh timeout.
    /// If a wider network stands for it, that one is renewed: so that a block
    /// that is reported was really written.
    pub(super) fn claim(&mut self, prefix: Prefix) -> Vec<Step> {
        let new = self.held.insert(prefix);
        match self.covering(prefix) {
            Some(wider) => vec![Step::Remove(wider), Step::Add(wider)],
            None if new => self.outermost_in(prefix).map(Step::Remove).chain([Step::Add(prefix)]).collect(),
            None => vec![Step::Remove(prefix), Step::Add(prefix)],
        }
    }

    /// What to change now that nobody claims `prefix`.
    pub(super) fn release(&mut self, prefix: Prefix) -> Vec<Step> {
        if !self.held.remove(&prefix) || self.covering(prefix).is_some() {
            return Vec::new();
        }
        let inner = self.outermost_in(prefix).map(Step::Add);
        std::iter::once(Step::Remove(prefix)).chain(inner).collect()
    }

    /// Takes note of what the kernel shows.
    pub(super) fn observe(&mut self, shown: &[Prefix]) {
        let outermost: BTreeSet<Prefix> = self.outermost().collect();
        self.astray |= shown.len() != outermost.len() || !shown.iter().all(|p| outermost.contains(p));
        self.held.extend(shown);
    }

    /// Keeps only the networks that `claimed` says yes to.
    pub(super) fn retain(&mut self, claimed: impl FnMut(&Prefix) -> bool) {
        self.held.retain(claimed);
    }

    /// All that are claimed.
    pub(super) fn held(&self) -> impl Iterator<Item = Prefix> + '_ {
        self.held.iter().copied()
    }

    /// What the kernel should show.
    pub(super) fn outermost(&self) -> impl Iterator<Item = Prefix> + '_ {
        outermost(self.held.iter().copied())
    }

    /// The widest of the held networks around `prefix`.
    fn covering(&self, prefix: Prefix) -> Option<Prefix> {
        let wider = (0..prefix.length()).filter_map(|length| Prefix::new(prefix.network(), length));
        wider.into_iter().find(|wider| self.held.contains(wider))
    }

    /// The outermost networks held within `prefix`, itself excepted.
    fn outermost_in(&self, prefix: Prefix) -> impl Iterator<Item = Prefix> + '_ {
        let inside = self.held.range(prefix..).copied().take_while(move |held| prefix.contains(*held));
        outermost(inside.filter(move |held| *held != prefix))
    }
}

/// The networks that lie in none before them; a wider network sorts before all
/// that lie in it.
fn outermost(sorted: impl Iterator<Item = Prefix>) -> impl Iterator<Item = Prefix> {
    let mut last: Option<Prefix> = None;
    sorted.filter(move |prefix| {
        let covered = last.is_some_and(|last| last.contains(*prefix));
        if !covered {
            last = Some(*prefix);
        }
        !covered
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn p(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn the_outer_network_stands_for_the_inner_ones() {
        let mut networks = Networks::default();
        assert_eq!(networks.claim(p("198.51.100.16/28")), [Step::Add(p("198.51.100.16/28"))]);
        assert_eq!(networks.claim(p("198.51.100.0/28")), [Step::Add(p("198.51.100.0/28"))]);
        assert_eq!(networks.claim(p("198.51.101.0/28")), [Step::Add(p("198.51.101.0/28"))]);
        assert_eq!(
            networks.claim(p("198.51.100.0/24")),
            [
                Step::Remove(p("198.51.100.0/28")),
                Step::Remove(p("198.51.100.16/28")),
                Step::Add(p("198.51.100.0/24"))
            ]
        );
        let outer = p("198.51.100.0/24");
        assert_eq!(networks.claim(p("198.51.100.32/28")), [Step::Remove(outer), Step::Add(outer)]);
        assert_eq!(networks.release(p("198.51.100.16/28")), []);
        assert_eq!(
            networks.release(p("198.51.100.0/24")),
            [
                Step::Remove(p("198.51.100.0/24")),
                Step::Add(p("198.51.100.0/28")),
                Step::Add(p("198.51.100.32/28"))
            ]
        );
        assert_eq!(networks.release(p("198.51.100.0/24")), []);
    }

    #[test]
    fn claiming_again_renews() {
        let mut networks = Networks::default();
        let prefix = p("2001:db8::/48");
        assert_eq!(networks.claim(prefix), [Step::Add(prefix)]);
        assert_eq!(networks.claim(prefix), [Step::Remove(prefix), Step::Add(prefix)]);
    }

    #[test]
    fn observing_finds_what_somebody_changed() {
        let mut networks = Networks::default();
        networks.observe(&[]);
        assert!(!networks.astray);
        let _ = networks.claim(p("198.51.100.0/24"));
        let _ = networks.claim(p("198.51.100.0/28"));
        networks.observe(&[p("198.51.100.0/24")]);
        assert!(!networks.astray);
        networks.observe(&[]);
        assert!(networks.astray);
    }
}
