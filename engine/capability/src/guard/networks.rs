//! A set of networks that answers in logarithmic time whether it touches one.

use riposte_policy::address::Prefix;

/// Networks of which none holds another, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Networks(Vec<Prefix>);

impl From<Vec<Prefix>> for Networks {
    fn from(mut prefixes: Vec<Prefix>) -> Self {
        // A wider network sorts before all that lie in it, so one look back
        // finds every network that is covered already.
        prefixes.sort_unstable();
        let mut outermost: Vec<Prefix> = Vec::with_capacity(prefixes.len());
        for prefix in prefixes {
            if !outermost.last().is_some_and(|last| last.contains(prefix)) {
                outermost.push(prefix);
            }
        }
        Self(outermost)
    }
}

impl Networks {
    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Prefix> + '_ {
        self.0.iter().copied()
    }

    /// A network here that holds `prefix` or lies in it.
    pub(super) fn touching(&self, prefix: Prefix) -> Option<Prefix> {
        let next = self.0.partition_point(|known| *known <= prefix);
        let around = next.checked_sub(1).and_then(|at| self.0.get(at)).filter(|known| known.contains(prefix));
        around.or_else(|| self.0.get(next).filter(|known| prefix.contains(**known))).copied()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_scan_of_all() {
        let parse = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<Prefix>>();
        let known = parse(&[
            "10.0.0.0/8",
            "10.1.0.0/16",
            "10.1.0.0/24",
            "9.255.255.255",
            "11.0.0.0/24",
            "0.0.0.0",
            "2001:db8::/32",
            "2001:db8:1::/48",
            "ff00::/8",
            "255.255.255.255",
        ]);
        let asked = parse(&[
            "0.0.0.0/0",
            "0.0.0.0",
            "0.0.0.1",
            "9.255.255.254/31",
            "9.255.255.254",
            "10.0.0.0",
            "10.0.0.0/7",
            "10.0.0.0/9",
            "10.255.255.255",
            "11.0.0.0",
            "11.0.1.0",
            "::/0",
            "2001:db8:1::7",
            "2001:db9::",
            "ff02::1",
            "255.255.255.255",
            "255.255.255.254",
        ]);
        let networks = Networks::from(known.clone());
        for prefix in asked {
            let scan = known.iter().any(|k| k.contains(prefix) || prefix.contains(*k));
            assert_eq!(networks.touching(prefix).is_some(), scan, "{prefix}");
        }
        assert_eq!(Networks::default().touching("0.0.0.0/0".parse().unwrap()), None);
    }
}
