//! What is never acted against, whoever asks.
//!
//! The guard stands after the plugin and the grant: a response that was fooled
//! by a log line still cannot cut the host off from its own network.

mod host;
mod networks;

use std::sync::{PoisonError, RwLock};

use riposte_policy::address::Prefix;
use riposte_policy::user::UserName;

use networks::Networks;

/// Broadest networks that may ever be blocked, in leading bits.
const BROADEST: (u8, u8) = (24, 48);

/// Everything that is protected. Shared; its lists are replaced whole.
#[derive(Debug)]
pub struct Guard {
    /// In the order in which they are asked, most telling first.
    protected: RwLock<Vec<(Rule, Networks)>>,
}

/// What the guard says of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The guard has nothing against it.
    Pass,
    /// It is protected.
    Never {
        /// Name of the rule, for events: `loopback`, `gateway`, `white_list`.
        rule: &'static str,
        /// What the rule protects here, for the operator.
        detail: String,
    },
}

/// Why something is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Loopback,
    Unspecified,
    Multicast,
    Broadcast,
    OwnAddress,
    Gateway,
    Resolver,
    WhiteList,
    Allow,
}

impl Guard {
    /// Protects what is the same on every host: loopback, the unspecified
    /// addresses and multicast. What this host has of its own comes with
    /// [`Guard::refresh`].
    #[must_use]
    pub fn new() -> Self {
        let guard = Self { protected: RwLock::default() };
        guard.protect(Rule::Loopback, literal(&["127.0.0.0/8", "::1"]));
        guard.protect(Rule::Unspecified, literal(&["0.0.0.0", "::"]));
        guard.protect(Rule::Multicast, literal(&["224.0.0.0/4", "ff00::/8"]));
        guard.protect(Rule::Broadcast, literal(&["255.255.255.255"]));
        guard
    }

    /// Reads this host's own addresses, gateways and name servers. What cannot
    /// be read is logged and stays as it was. To be called at start, and again
    /// when the network changes.
    pub fn refresh(&self) {
        for (rule, found) in [
            (Rule::OwnAddress, host::addresses()),
            (Rule::Gateway, host::gateways()),
            (Rule::Resolver, host::resolvers()),
        ] {
            match found {
                Ok(prefixes) => self.protect(rule, prefixes),
                Err(e) => {
                    tracing::warn!(rule = rule.name(), error = %e, "the guard keeps what it knew before");
                }
            }
        }
    }

    /// Replaces the configuration's `<white_list>`.
    pub fn set_white_list(&self, prefixes: Vec<Prefix>) {
        self.protect(Rule::WhiteList, prefixes);
    }

    /// Replaces what operators allow for a time (`riposte allow`).
    pub fn set_allows(&self, prefixes: Vec<Prefix>) {
        self.protect(Rule::Allow, prefixes);
    }

    /// Whether `prefix` may be blocked. A network that holds a protected
    /// address is protected like one that lies in a protected network.
    pub fn judge(&self, prefix: Prefix) -> Verdict {
        let protected = self.protected.read().unwrap_or_else(PoisonError::into_inner);
        for (rule, networks) in protected.iter() {
            if let Some(touched) = networks.touching(prefix) {
                return Verdict::Never { rule: rule.name(), detail: format!("{touched} {}", rule.meaning()) };
            }
        }
        let broadest = if prefix.network().ip().is_ipv4() { BROADEST.0 } else { BROADEST.1 };
        if prefix.length() < broadest {
            let detail = format!("a network broader than /{broadest} takes too many with it");
            return Verdict::Never { rule: "broad-network", detail };
        }
        Verdict::Pass
    }

    /// Whether `user` may be locked: root never. (Accounts are not looked up.)
    pub fn judge_user(&self, user: &UserName) -> Verdict {
        if user.as_str() == "root" {
            let detail = "without root nobody can repair this machine".to_owned();
            return Verdict::Never { rule: "root", detail };
        }
        Verdict::Pass
    }

    fn protect(&self, rule: Rule, prefixes: Vec<Prefix>) {
        let networks = Networks::from(prefixes);
        let mut protected = self.protected.write().unwrap_or_else(PoisonError::into_inner);
        match protected.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, old)) => *old = networks,
            None => protected.push((rule, networks)),
        }
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self::new()
    }
}

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::OwnAddress => "own-address",
            Self::Gateway => "gateway",
            Self::Resolver => "resolver",
            Self::WhiteList => "white_list",
            Self::Allow => "allow",
        }
    }

    /// The rest of the sentence that begins with the protected network.
    fn meaning(self) -> &'static str {
        match self {
            Self::Loopback => "is this machine talking to itself",
            Self::Unspecified => "stands for no address or for all",
            Self::Multicast => "is multicast, never one sender",
            Self::Broadcast => "is everybody on the network",
            Self::OwnAddress => "is an address of this machine",
            Self::Gateway => "is a gateway of this machine",
            Self::Resolver => "is a name server of this machine",
            Self::WhiteList => "is on the configuration's white_list",
            Self::Allow => "is allowed by an operator, see `riposte allow`",
        }
    }
}

/// Prefixes written in this file.
fn literal(texts: &[&str]) -> Vec<Prefix> {
    // The tests below find each of them, so none is ever dropped here.
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn rule(guard: &Guard, text: &str) -> Option<&'static str> {
        match guard.judge(text.parse().unwrap()) {
            Verdict::Pass => None,
            Verdict::Never { rule, .. } => Some(rule),
        }
    }

    #[test]
    fn what_no_host_may_block() {
        let guard = Guard::new();
        for (text, expected) in [
            ("127.0.0.1", "loopback"),
            ("127.255.255.255", "loopback"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::1", "loopback"),
            ("127.1.2.0/24", "loopback"),
            ("0.0.0.0", "unspecified"),
            ("::", "unspecified"),
            ("0.0.0.0/24", "unspecified"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.250", "multicast"),
            ("ff02::1", "multicast"),
            ("0.0.0.0/0", "loopback"),
            ("::/0", "loopback"),
            ("198.51.100.0/23", "broad-network"),
            ("2001:db8::/47", "broad-network"),
        ] {
            assert_eq!(rule(&guard, text), Some(expected), "{text}");
        }
        for text in [
            "126.255.255.255",
            "128.0.0.0",
            "::2:0:0:1",
            "223.255.255.255",
            "198.51.100.0/24",
            "2001:db8::/48",
        ] {
            assert_eq!(rule(&guard, text), None, "{text}");
        }
    }

    #[test]
    fn lists_protect_from_inside_and_outside_and_are_replaced() {
        let guard = Guard::new();
        guard.set_white_list(vec!["198.51.100.7".parse().unwrap(), "10.0.0.0/8".parse().unwrap()]);
        guard.set_allows(vec!["203.0.113.9".parse().unwrap()]);
        assert_eq!(rule(&guard, "198.51.100.7"), Some("white_list"));
        assert_eq!(rule(&guard, "198.51.100.0/24"), Some("white_list"));
        assert_eq!(rule(&guard, "10.200.3.4"), Some("white_list"));
        assert_eq!(rule(&guard, "203.0.113.9"), Some("allow"));
        assert_eq!(rule(&guard, "203.0.113.8"), None);
        guard.set_white_list(vec!["192.0.2.0/24".parse().unwrap()]);
        assert_eq!(rule(&guard, "198.51.100.7"), None);
        assert_eq!(rule(&guard, "192.0.2.200"), Some("white_list"));
        assert_eq!(rule(&guard, "203.0.113.9"), Some("allow"));
    }

    #[test]
    fn only_root_is_known_to_be_untouchable() {
        let guard = Guard::new();
        assert!(matches!(guard.judge_user(&"root".parse().unwrap()), Verdict::Never { rule: "root", .. }));
        assert_eq!(guard.judge_user(&"mallory".parse().unwrap()), Verdict::Pass);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_hosts_own_addresses_and_gateways() {
        crate::namespace::within(async || {
            let guard = Guard::new();
            guard.refresh();
            assert_eq!(rule(&guard, "203.0.113.7"), None);
            crate::namespace::add_address("203.0.113.7");
            crate::namespace::add_address("2001:db8::7");
            crate::namespace::add_gateway("198.51.100.1");
            guard.refresh();
            for (text, expected) in [
                ("203.0.113.7", Some("own-address")),
                ("203.0.113.0/24", Some("own-address")),
                ("203.0.113.8", None),
                ("2001:db8::7", Some("own-address")),
                ("2001:db8::8", None),
                ("198.51.100.1", Some("gateway")),
                ("198.51.100.2", None),
            ] {
                assert_eq!(rule(&guard, text), expected, "{text}");
            }
        });
    }
}
