//! Which addresses the kernel has, as far as the writer knows.
//!
//! A transaction that fails costs milliseconds, since the kernel waits for all
//! processors before it has taken it back; one that succeeds costs
//! microseconds. So the writer remembers what is there, in four or sixteen
//! bytes for each address, and is seldom surprised.

use std::collections::HashSet;
use std::net::IpAddr;

use riposte_policy::address::{Address, Prefix};

/// The addresses of one set name, both families.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    v4: HashSet<u32>,
    v6: HashSet<u128>,
}

impl Addresses {
    /// Whether the kernel has the address of this full-length prefix.
    pub(super) fn contains(&self, prefix: Prefix) -> bool {
        match prefix.network().ip() {
            IpAddr::V4(v4) => self.v4.contains(&v4.into()),
            IpAddr::V6(v6) => self.v6.contains(&v6.into()),
        }
    }

    pub(super) fn insert(&mut self, prefix: Prefix) {
        match prefix.network().ip() {
            IpAddr::V4(v4) => self.v4.insert(v4.into()),
            IpAddr::V6(v6) => self.v6.insert(v6.into()),
        };
    }

    pub(super) fn remove(&mut self, prefix: Prefix) {
        match prefix.network().ip() {
            IpAddr::V4(v4) => self.v4.remove(&v4.into()),
            IpAddr::V6(v6) => self.v6.remove(&v6.into()),
        };
    }
}

impl Addresses {
    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = Prefix> + '_ {
        let v4 = self.v4.iter().map(|v4| IpAddr::from(v4.to_be_bytes()));
        let v6 = self.v6.iter().map(|v6| IpAddr::from(v6.to_be_bytes()));
        v4.chain(v6).map(|ip| Prefix::from(Address::from(ip)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// These too.
    pub(super) fn extend(&mut self, others: Self) {
        self.v4.extend(others.v4);
        self.v6.extend(others.v6);
    }
}

impl FromIterator<Prefix> for Addresses {
    fn from_iter<T: IntoIterator<Item = Prefix>>(prefixes: T) -> Self {
        let mut addresses = Self::default();
        prefixes.into_iter().for_each(|prefix| addresses.insert(prefix));
        addresses
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn families_are_kept_apart() {
        let parse = |text: &str| text.parse::<Prefix>().unwrap();
        let mut addresses: Addresses = [parse("0.0.0.1"), parse("2001:db8::1")].into_iter().collect();
        assert!(addresses.contains(parse("0.0.0.1")) && addresses.contains(parse("2001:db8::1")));
        assert!(!addresses.contains(parse("::1")) && !addresses.contains(parse("0.0.0.2")));
        addresses.remove(parse("2001:db8::1"));
        assert!(addresses.contains(parse("0.0.0.1")) && !addresses.contains(parse("2001:db8::1")));
    }
}
