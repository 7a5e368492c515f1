//! The engine's table: its names, and the messages that make it.
//!
//! The numbers are those of `linux/netfilter/nf_tables.h`.

use riposte_policy::address::Prefix;
use riposte_policy::grant::SetName;

use super::transaction::{Label, Transaction};
use crate::netlink::{self, APPEND, CREATE, Outbox};

/// The table, in the family `inet`. All in it is the engine's.
pub(crate) const TABLE: &str = "riposte";
/// `NFPROTO_INET`: IPv4 and IPv6 together.
pub(crate) const INET: u8 = 1;

/// The subsystem, in the upper byte of a message type.
const SUBSYSTEM: u16 = 10 << 8;
pub(crate) const NEW_TABLE: u16 = SUBSYSTEM;
pub(super) const GET_TABLE: u16 = SUBSYSTEM | 1;
pub(crate) const NEW_CHAIN: u16 = SUBSYSTEM | 3;
pub(super) const GET_CHAIN: u16 = SUBSYSTEM | 4;
pub(crate) const NEW_RULE: u16 = SUBSYSTEM | 6;
pub(super) const GET_RULE: u16 = SUBSYSTEM | 7;
const DELETE_RULE: u16 = SUBSYSTEM | 8;
pub(crate) const NEW_SET: u16 = SUBSYSTEM | 9;
pub(super) const GET_SET: u16 = SUBSYSTEM | 10;
const DELETE_SET: u16 = SUBSYSTEM | 11;
pub(crate) const NEW_ELEMENT: u16 = SUBSYSTEM | 12;
pub(super) const GET_ELEMENT: u16 = SUBSYSTEM | 13;
pub(crate) const DELETE_ELEMENT: u16 = SUBSYSTEM | 14;

pub(crate) const GENERATION: u16 = SUBSYSTEM | 15;
pub(super) const GET_GENERATION: u16 = SUBSYSTEM | 16;

/// An item of any list.
pub(crate) const LIST_ITEM: u16 = 1;
pub(super) const TABLE_NAME: u16 = 1;
pub(super) const TABLE_FLAGS: u16 = 2;
pub(super) const TABLE_OWNER: u16 = 7;
/// A flag of a table: no packet gets to any chain of it.
pub(crate) const DORMANT: u32 = 1;
/// Another: only the program that made it may change it.
pub(super) const OWNER: u32 = 2;
pub(super) const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const FILTER: &str = "filter";
pub(super) const SET_TABLE: u16 = 1;
pub(super) const SET_NAME: u16 = 2;
const SET_FLAGS: u16 = 3;
const SET_KEY_TYPE: u16 = 4;
const SET_KEY_LENGTH: u16 = 5;
pub(crate) const ELEMENTS_TABLE: u16 = 1;
pub(crate) const ELEMENTS_SET: u16 = 2;
pub(crate) const ELEMENTS: u16 = 3;
pub(crate) const ELEMENT_KEY: u16 = 1;
pub(crate) const ELEMENT_FLAGS: u16 = 3;
pub(crate) const ELEMENT_TIMEOUT: u16 = 4;
pub(crate) const ELEMENT_EXPIRATION: u16 = 5;
pub(crate) const ELEMENT_USERDATA: u16 = 6;
/// The element is the first address behind an interval.
pub(super) const INTERVAL_END: u32 = 1;
pub(crate) const VALUE: u16 = 1;

const SET_FLAG_INTERVAL: u32 = 0x4;
const SET_FLAG_TIMEOUT: u32 = 0x10;

/// Where packets are looked at: those for this host and those it passes on.
const CHAINS: [(&str, u32); 2] = [("input", 1), ("forward", 2)];
/// Before the filter hook (0) of everybody else, and before their accepts.
const PRIORITY: i32 = -10;

/// Which of the four sets of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Addresses4,
    Addresses6,
    Networks4,
    Networks6,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Addresses4, Self::Addresses6, Self::Networks4, Self::Networks6];

    /// The kind of set that holds `prefix`.
    pub(super) fn of(prefix: Prefix) -> Self {
        match (prefix.network().ip().is_ipv4(), prefix.single().is_some()) {
            (true, true) => Self::Addresses4,
            (false, true) => Self::Addresses6,
            (true, false) => Self::Networks4,
            (false, false) => Self::Networks6,
        }
    }

    pub(super) fn is_ipv4(self) -> bool {
        matches!(self, Self::Addresses4 | Self::Networks4)
    }

    pub(super) fn holds_networks(self) -> bool {
        matches!(self, Self::Networks4 | Self::Networks6)
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Addresses4 => "4",
            Self::Addresses6 => "6",
            Self::Networks4 => "4net",
            Self::Networks6 => "6net",
        }
    }

    /// What a set is made of, as attributes and their numbers.
    fn shape(self) -> [(u16, u32); 3] {
        // The type number is nft's own: it prints keys by it.
        let (key_type, length) = if self.is_ipv4() { (7, 4) } else { (8, 16) };
        let interval = if self.holds_networks() { SET_FLAG_INTERVAL } else { 0 };
        [(SET_FLAGS, SET_FLAG_TIMEOUT | interval), (SET_KEY_TYPE, key_type), (SET_KEY_LENGTH, length)]
    }

    /// Whether a set as the kernel lists it is one that [`lay`] makes, and no
    /// other of the same name.
    pub(super) fn is_shape_of(self, attributes: &[u8]) -> bool {
        // A timeout of its own would end what is to stay, a size would refuse what
        // is more, and what is more than an address has other elements.
        const SET_DESCRIPTION: u16 = 9;
        const DESCRIPTION_SIZE: u16 = 1;
        const SET_TIMEOUT: u16 = 11;
        const SET_EXPRESSION: u16 = 17;
        const SET_EXPRESSIONS: u16 = 18;
        let number = |attribute| {
            let bytes = netlink::find(attributes, attribute)?.try_into().ok()?;
            Some(u32::from_be_bytes(bytes))
        };
        let sized = netlink::find(attributes, SET_DESCRIPTION)
            .is_some_and(|description| netlink::find(description, DESCRIPTION_SIZE).is_some());
        let more = [SET_TIMEOUT, SET_EXPRESSION, SET_EXPRESSIONS];
        !sized
            && self.shape().into_iter().all(|(attribute, wanted)| number(attribute) == Some(wanted))
            && more.into_iter().all(|attribute| netlink::find(attributes, attribute).is_none())
    }

    /// Name of this set in the kernel.
    pub(super) fn name(self, set: &SetName) -> String {
        format!("{set}{}", self.suffix())
    }

    /// The set that has this name in the kernel; `None` for one not made here.
    pub(super) fn parse(name: &str) -> Option<(SetName, Self)> {
        let parse = |kind: Self| Some((name.strip_suffix(kind.suffix())?.parse().ok()?, kind));
        Self::ALL.into_iter().find_map(parse)
    }
}

/// Makes the table with these sets and the rules for them. What is there
/// already stays, except that the rules are written anew, so that they are
/// never there twice. Sets that are `unfit` go, with every rule that asks them.
pub(super) fn lay<'a>(
    transaction: &mut Transaction,
    sets: &(impl Iterator<Item = &'a SetName> + Clone),
    unfit: &[(SetName, Kind)],
) {
    const RULE_TABLE: u16 = 1;
    const RULE_CHAIN: u16 = 2;

    transaction.add(NEW_TABLE, CREATE, Label::Layout, |m| m.name(TABLE_NAME, TABLE));
    for (name, hook) in CHAINS {
        transaction.add(NEW_CHAIN, CREATE, Label::Layout, |m| chain(m, name, hook));
    }
    if !unfit.is_empty() {
        transaction.add(DELETE_RULE, 0, Label::Layout, |m| m.name(RULE_TABLE, TABLE));
    }
    for (set, kind) in unfit {
        transaction.add(DELETE_SET, 0, Label::Layout, |m| {
            m.name(SET_TABLE, TABLE);
            m.name(SET_NAME, &kind.name(set));
        });
    }
    for set in sets.clone() {
        for kind in Kind::ALL {
            transaction.add(NEW_SET, CREATE, Label::Layout, |m| new_set(m, set, kind));
        }
    }
    for (chain, _) in CHAINS {
        transaction.add(DELETE_RULE, 0, Label::Layout, |m| {
            m.name(RULE_TABLE, TABLE);
            m.name(RULE_CHAIN, chain);
        });
        for set in sets.clone() {
            for kind in Kind::ALL {
                transaction.add(NEW_RULE, CREATE | APPEND, Label::Layout, |m| {
                    m.name(RULE_TABLE, TABLE);
                    m.name(RULE_CHAIN, chain);
                    rule(m, &kind.name(set), kind);
                });
            }
        }
    }
}

/// The rules that [`lay`] makes, as chain and set that is asked, in their order.
pub(super) fn rules(sets: &[&SetName]) -> Vec<(String, String)> {
    let of = |chain: &'static str| {
        let names = sets.iter().flat_map(|set| Kind::ALL.map(|kind| kind.name(set)));
        names.map(move |name| (chain.to_owned(), name))
    };
    CHAINS.into_iter().flat_map(|(chain, _)| of(chain)).collect()
}

/// The chain of a rule as the kernel lists it, and the set that it asks: empty
/// for a rule that asks none, which is not the engine's. `None`: it is of
/// another table.
pub(super) fn rule_of(attributes: &[u8]) -> Option<(String, String)> {
    const NAME: u16 = 1;
    const DATA: u16 = 2;
    const CHAIN: u16 = 2;
    const EXPRESSIONS: u16 = 4;
    const LOOKUP_SET: u16 = 1;

    if netlink::find_name(attributes, SET_TABLE) != Some(TABLE) {
        return None;
    }
    let chain = netlink::find_name(attributes, CHAIN)?.to_owned();
    let expressions = netlink::find(attributes, EXPRESSIONS).unwrap_or_default();
    let lookup = netlink::attributes(expressions)
        .find(|(_, expression)| netlink::find_name(expression, NAME) == Some("lookup"))
        .and_then(|(_, expression)| netlink::find_name(netlink::find(expression, DATA)?, LOOKUP_SET));
    Some((chain, lookup.unwrap_or_default().to_owned()))
}

/// The name of a chain as the kernel lists it, when it is that of one that
/// [`lay`] makes, and it has another type, hook or priority.
pub(super) fn unfit_chain(attributes: &[u8]) -> Option<&'static str> {
    if netlink::find_name(attributes, CHAIN_TABLE) != Some(TABLE) {
        return None;
    }
    let name = netlink::find_name(attributes, CHAIN_NAME);
    let (name, hook) = CHAINS.into_iter().find(|(ours, _)| name == Some(*ours))?;
    let number = |attribute| {
        let bytes = netlink::find(netlink::find(attributes, CHAIN_HOOK)?, attribute)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    };
    let fits = number(HOOK_NUMBER) == Some(hook)
        && number(HOOK_PRIORITY) == Some(PRIORITY.cast_unsigned())
        && netlink::find_name(attributes, CHAIN_TYPE) == Some(FILTER);
    (!fits).then_some(name)
}

/// `type filter hook HOOK priority -10; policy accept;`
fn chain(m: &mut Outbox, name: &str, hook: u32) {
    const ACCEPT: u32 = 1;

    m.name(CHAIN_TABLE, TABLE);
    m.name(CHAIN_NAME, name);
    m.nest(CHAIN_HOOK, |m| {
        m.number(HOOK_NUMBER, hook);
        m.number(HOOK_PRIORITY, PRIORITY.cast_unsigned());
    });
    m.number(CHAIN_POLICY, ACCEPT);
    m.name(CHAIN_TYPE, FILTER);
}

/// `set NAME { type ipv4_addr; flags timeout; }`
fn new_set(m: &mut Outbox, set: &SetName, kind: Kind) {
    const SET_ID: u16 = 10;

    m.name(SET_TABLE, TABLE);
    m.name(SET_NAME, &kind.name(set));
    kind.shape().into_iter().for_each(|(attribute, number)| m.number(attribute, number));
    // Names the set within one transaction; the kernel insists, we use names.
    m.number(SET_ID, 0);
}

/// `ip saddr @NAME counter drop`, or `ip6`.
fn rule(m: &mut Outbox, set: &str, kind: Kind) {
    const RULE_EXPRESSIONS: u16 = 4;
    const REGISTER_VERDICT: u32 = 0;
    const REGISTER: u32 = 1;
    const META_NFPROTO: u32 = 15;
    const COMPARE_EQUAL: u32 = 0;
    const NETWORK_HEADER: u32 = 1;
    const DROP: u32 = 0;
    const DATA_VERDICT: u16 = 2;
    const VERDICT_CODE: u16 = 1;

    // Protocol number, and offset and length of the source address.
    let (protocol, offset, length) = if kind.is_ipv4() { (2, 12, 4) } else { (10, 8, 16) };
    m.nest(RULE_EXPRESSIONS, |m| {
        expression(m, "meta", |m| {
            m.number(1, REGISTER);
            m.number(2, META_NFPROTO);
        });
        expression(m, "cmp", |m| {
            m.number(1, REGISTER);
            m.number(2, COMPARE_EQUAL);
            m.nest(3, |m| m.put(VALUE, &[protocol]));
        });
        expression(m, "payload", |m| {
            m.number(1, REGISTER);
            m.number(2, NETWORK_HEADER);
            m.number(3, offset);
            m.number(4, length);
        });
        expression(m, "lookup", |m| {
            m.name(1, set);
            m.number(2, REGISTER);
        });
        expression(m, "counter", |_| ());
        expression(m, "immediate", |m| {
            m.number(1, REGISTER_VERDICT);
            m.nest(2, |m| m.nest(DATA_VERDICT, |m| m.number(VERDICT_CODE, DROP)));
        });
    });
}

fn expression(m: &mut Outbox, name: &str, data: impl FnOnce(&mut Outbox)) {
    const EXPRESSION_NAME: u16 = 1;
    const EXPRESSION_DATA: u16 = 2;
    m.nest(LIST_ITEM, |m| {
        m.name(EXPRESSION_NAME, name);
        m.nest(EXPRESSION_DATA, data);
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn set_names_read_back() {
        for text in ["drop", "a", "a4", "a4net", "web-2", "x6"] {
            let set: SetName = text.parse().unwrap();
            for kind in Kind::ALL {
                assert_eq!(Kind::parse(&kind.name(&set)), Some((set.clone(), kind)));
            }
        }
        for name in ["", "4", "drop", "dropnet", "4net", "Drop4", "drop5"] {
            assert_eq!(Kind::parse(name), None, "{name}");
        }
    }

    #[test]
    fn kinds_of_prefixes() {
        for (text, kind) in [
            ("192.0.2.7", Kind::Addresses4),
            ("192.0.2.0/24", Kind::Networks4),
            ("2001:db8::7", Kind::Addresses6),
            ("2001:db8::/48", Kind::Networks6),
        ] {
            assert_eq!(Kind::of(text.parse().unwrap()), kind);
        }
    }
}
