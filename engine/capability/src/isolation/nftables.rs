//! Isolation with nftables, by the kernel's own messages.
//!
//! Each isolation is a table of its own, `inet riposte-isolation` (with a number
//! behind it where the grant allows more), with a chain at the input, output and
//! forward hook. What is let through:
//!
//! * this machine talking to itself;
//! * managers and brokers, and what the grant allows: from and to their
//!   addresses, and so the connections to them that are open;
//! * neighbour discovery and the multicast reports that it needs (ICMPv6 130 to
//!   136, and 143), without which an IPv6 host loses its gateway in seconds; ARP
//!   does not pass here at all;
//! * DHCP to and from a server, without which it loses its address;
//! * name servers, port 53, only where a manager or broker is configured by name.
//!
//! Everything else is dropped, what this host forwards included. The rule that
//! drops looks the family of the packet up in the set `isolated`, whose elements
//! carry the kernel's own timeout: when it is over the table lets all pass, also
//! when no engine runs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use riposte_policy::address::Prefix;
use rustix::io::Errno;

use super::expressions::{
    ACCEPT, DROP, IPV4, IPV6, META_FAMILY, TCP, UDP, expression, icmp6, is, lookup, loopback, meta, our_port,
    peer_in, their_port, verdict,
};
use super::{INTERFACE, allowed, look, outermost};
use crate::claim::{Claims, Effect, Standing};
use crate::firewall::GRACE;
use crate::firewall::nftables::refusal;
use crate::firewall::nftables::schema::{self, Kind};
use crate::firewall::nftables::transaction::{Failed, Item, Label, Transaction, element};
use crate::guard::Guard;
use crate::held::{Backend, Gone};
use crate::netlink::{self, APPEND, CREATE, Outbox, Socket};
use crate::refusal::Refusal;

/// How the names of the tables begin.
pub(crate) const TABLE: &str = "riposte-isolation";

const DELETE_TABLE: u16 = (10 << 8) | 2;
const GET_TABLE: u16 = (10 << 8) | 1;

/// The nftables of one network namespace: that of the thread which opened it.
pub struct Nftables {
    claims: Arc<dyn Claims>,
    guard: Arc<Guard>,
    kernel: Mutex<(Socket, Transaction)>,
    /// What this process made, and whom each lets through.
    made: Mutex<BTreeMap<String, Vec<Prefix>>>,
}

impl Nftables {
    /// Opens the kernel's socket. Changes nothing.
    ///
    /// # Errors
    ///
    /// When the kernel has no nftables or does not let this process change it.
    pub fn open(claims: Arc<dyn Claims>, guard: Arc<Guard>) -> Result<Self, Refusal> {
        let socket = Socket::open(Some(rustix::net::netlink::NETFILTER)).map_err(|e| refusal(e, "open"))?;
        Ok(Self {
            claims,
            guard,
            kernel: Mutex::new((socket, Transaction::default())),
            made: Mutex::default(),
        })
    }

    /// Writes the table of `target` anew, in one transaction.
    fn lay(&self, target: &str) -> Result<(), Refusal> {
        let Some(mut open) = allowed(target) else { return Err(unknown(target)) };
        // Released while this was on its way.
        let Some(timeout) = self.timeout(target) else { return self.clear(target) };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        open.extend(self.guard.superiors());
        open.extend(made.remove(target).unwrap_or_default());
        let (open, servers) = (outermost(open), outermost(self.guard.name_servers()));
        made.insert(target.to_owned(), open.clone());
        drop(made);
        let table = table(target);
        self.change(|transaction| {
            clear(transaction, &table);
            lay(transaction, &table, &open, &servers, timeout);
        })
    }

    /// Gives what stands the time that it has by now.
    fn extend(&self, target: &str) -> Result<(), Refusal> {
        let Some(timeout) = self.timeout(target) else { return self.clear(target) };
        let table = table(target);
        self.change(|transaction| {
            transaction.add(schema::DELETE_ELEMENT, 0, Label::Layout, |m| {
                m.name(schema::ELEMENTS_TABLE, &table);
                m.name(schema::ELEMENTS_SET, "isolated");
            });
            families(transaction, &table, timeout);
        })
    }

    /// Lets those through who became managers, brokers or name servers since.
    /// Whoever is let through stays so: the connection that shows who the
    /// manager is may be down just now.
    fn open_up(&self, target: &str) {
        if self.timeout(target).is_none() {
            return;
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made.entry(target.to_owned()).or_default();
        let mut new = self.guard.superiors();
        new.retain(|one| !known.iter().any(|old| old.contains(*one)));
        known.extend(&new);
        drop(made);
        let (table, servers) = (table(target), self.guard.name_servers());
        let each = new.iter().map(|one| ("open", one)).chain(servers.iter().map(|one| ("servers", one)));
        for (set, network) in each {
            let kind = if network.network().ip().is_ipv4() { Kind::Networks4 } else { Kind::Networks6 };
            let added = self.change(|transaction| {
                let name = in_family(set, kind);
                add_elements(transaction, &table, &name, |m| element(m, kind, Item::bare(*network)));
            });
            // One by one, since the kernel refuses what lies in a network of the set.
            if let Err(refusal) = added {
                tracing::debug!(%target, %network, %refusal, "it may be let through already");
            }
        }
    }

    /// How long the kernel is to keep it, without end where that is `None`; the
    /// outer `None`: nobody holds it any more.
    fn timeout(&self, target: &str) -> Option<Option<Duration>> {
        match self.claims.standing(&Effect { interface: INTERFACE, target: target.to_owned() }) {
            Standing::For(span) => Some(Some(span.saturating_add(GRACE))),
            Standing::Permanent => Some(None),
            Standing::Free => None,
        }
    }

    fn clear(&self, target: &str) -> Result<(), Refusal> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).remove(target);
        let table = table(target);
        self.change(|transaction| clear(transaction, &table))
    }

    fn change(&self, write: impl FnOnce(&mut Transaction)) -> Result<(), Refusal> {
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        let (socket, transaction) = &mut *kernel;
        transaction.begin(socket);
        write(transaction);
        transaction.send(socket).map_err(|failed| match failed {
            Failed::Whole(errno) => refusal(errno, "change"),
            Failed::Parts(parts) => {
                refusal(parts.first().map_or(Errno::CANCELED, |(_, errno)| *errno), "change")
            }
        })
    }
}

#[async_trait]
impl Backend for Nftables {
    /// Nothing is replaced, so there is nothing to give back.
    async fn prior(&self, target: &str) -> Result<String, Refusal> {
        allowed(target).map(|_| String::new()).ok_or_else(|| unknown(target))
    }

    async fn make(&self, target: &str) -> Result<bool, Refusal> {
        self.lay(target).map(|()| true)
    }

    async fn settle(&self, target: &str) -> Result<(), Refusal> {
        if self.extend(target).is_err() {
            return self.lay(target);
        }
        self.open_up(target);
        Ok(())
    }

    async fn restore(&self, target: &str, _: &str) -> Result<(), Refusal> {
        self.clear(target)
    }

    /// The isolations of which there is a table. One with a number is known when
    /// this process made it: another one counts as missing, and writing it anew
    /// changes nothing.
    async fn list(&self) -> Result<Vec<String>, Refusal> {
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tables = BTreeSet::new();
        let listed = kernel.0.dump(
            GET_TABLE,
            &[schema::INET, 0, 0, 0],
            |_| (),
            |message| {
                let attributes = message.payload.get(4..).unwrap_or_default();
                tables.extend(netlink::find_name(attributes, 1).map(str::to_owned));
            },
        );
        listed.map_err(|errno| refusal(errno, "list"))?;
        drop(kernel);
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let made = made.keys().map(String::as_str).chain(["host"]).collect::<BTreeSet<_>>();
        Ok(made.into_iter().filter(|target| tables.contains(&table(target))).map(str::to_owned).collect())
    }

    /// Also those of which the table is there and does not hold: a chain was
    /// emptied, a rule added or taken away.
    async fn gone(&self, claimed: &[String]) -> Result<Gone, Refusal> {
        let listed: BTreeSet<String> = self.list().await?.into_iter().collect();
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing = Vec::new();
        for target in claimed {
            let holds = listed.contains(target)
                && look::holds(&mut kernel.0, &table(target)).map_err(|errno| refusal(errno, "list"))?;
            if !holds {
                missing.push(target.clone());
            }
        }
        Ok(Gone { missing, ..Gone::default() })
    }

    fn port(&self) -> Option<u32> {
        self.kernel.lock().unwrap_or_else(PoisonError::into_inner).0.port()
    }

    fn lists(&self) -> bool {
        true
    }

    async fn remove(&self, target: &str) -> Result<(), Refusal> {
        self.clear(target)
    }

    async fn probe(&self) -> Result<(), Refusal> {
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        kernel.0.dump(GET_TABLE, &[schema::INET, 0, 0, 0], |_| (), |_| ()).map_err(|e| refusal(e, "list"))
    }
}

fn unknown(target: &str) -> Refusal {
    Refusal::unsupported(format!(
        "`{target}` is no isolation that this engine knows; it was recorded by another version of Riposte: undo it by hand"
    ))
}

/// The table of an isolation. Several are told apart by a number that is made
/// of what they allow (FNV-1a).
fn table(target: &str) -> String {
    if target == "host" {
        return TABLE.to_owned();
    }
    let hash = target.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{TABLE}-{hash:016x}")
}

/// Removes a table, whether it is there or not.
fn clear(transaction: &mut Transaction, table: &str) {
    transaction.add(schema::NEW_TABLE, CREATE, Label::Layout, |m| m.name(1, table));
    transaction.add(DELETE_TABLE, 0, Label::Layout, |m| m.name(1, table));
}

/// One of the three chains, and which end of a packet is the other machine's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chain {
    Input,
    Forward,
    Output,
}

impl Chain {
    /// Its name, and the number of its hook.
    fn hook(self) -> (&'static str, u32) {
        match self {
            Self::Input => ("input", 1),
            Self::Forward => ("forward", 2),
            Self::Output => ("output", 3),
        }
    }
}

fn lay(
    transaction: &mut Transaction,
    table: &str,
    open: &[Prefix],
    servers: &[Prefix],
    timeout: Option<Duration>,
) {
    transaction.add(schema::NEW_TABLE, CREATE, Label::Layout, |m| m.name(1, table));
    for (name, networks) in [("open", open), ("servers", servers)] {
        for kind in [Kind::Networks4, Kind::Networks6] {
            set_of_networks(transaction, table, &in_family(name, kind), kind, networks);
        }
    }
    set_of_families(transaction, table, timeout);
    for chain in [Chain::Input, Chain::Forward, Chain::Output] {
        let (name, hook) = chain.hook();
        transaction.add(schema::NEW_CHAIN, CREATE, Label::Layout, |m| base_chain(m, table, name, hook));
        let mut rule = |body: &dyn Fn(&mut Outbox)| {
            transaction.add(schema::NEW_RULE, CREATE | APPEND, Label::Layout, |m| {
                m.name(1, table);
                m.name(2, name);
                m.nest(4, |m| body(m));
            });
        };
        if chain != Chain::Forward {
            let inward = chain == Chain::Input;
            rule(&|m| {
                loopback(m, inward);
                verdict(m, ACCEPT);
            });
            for kind in [Kind::Networks4, Kind::Networks6] {
                rule(&|m| {
                    peer_in(m, inward, kind, "open");
                    verdict(m, ACCEPT);
                });
                for protocol in [UDP, TCP] {
                    rule(&|m| {
                        peer_in(m, inward, kind, "servers");
                        their_port(m, inward, protocol, 53);
                        verdict(m, ACCEPT);
                    });
                }
            }
            for (first, last) in [(130, 136), (143, 143)] {
                rule(&|m| {
                    icmp6(m, first, last);
                    verdict(m, ACCEPT);
                });
            }
            for (family, theirs, ours) in [(IPV4, 67, 68), (IPV6, 547, 546)] {
                rule(&|m| {
                    is(m, META_FAMILY, &[family]);
                    their_port(m, inward, UDP, theirs);
                    our_port(m, inward, ours);
                    verdict(m, ACCEPT);
                });
            }
        }
        rule(&|m| {
            meta(m, META_FAMILY);
            lookup(m, "isolated");
            expression(m, "counter", |_| ());
            verdict(m, DROP);
        });
    }
}

pub(super) fn in_family(name: &str, kind: Kind) -> String {
    format!("{name}{}", if kind == Kind::Networks4 { 4 } else { 6 })
}

/// `type filter hook HOOK priority -10; policy accept;`
fn base_chain(m: &mut Outbox, table: &str, name: &str, hook: u32) {
    m.name(1, table);
    m.name(3, name);
    m.nest(4, |m| {
        m.number(1, hook);
        m.number(2, (-10_i32).cast_unsigned());
    });
    m.number(5, ACCEPT);
    m.name(7, "filter");
}

/// `set NAME { type ipv4_addr; flags interval; elements = { ... }; }`
fn set_of_networks(t: &mut Transaction, table: &str, name: &str, kind: Kind, networks: &[Prefix]) {
    let (key, length) = if kind == Kind::Networks4 { (7, 4) } else { (8, 16) };
    new_set(t, table, name, 0x4, key, length);
    let fits =
        |network: &&Prefix| matches!(network.network().ip(), IpAddr::V4(_)) == (kind == Kind::Networks4);
    let networks: Vec<&Prefix> = networks.iter().filter(fits).collect();
    for part in networks.chunks(400) {
        add_elements(t, table, name, |m| {
            part.iter().for_each(|network| element(m, kind, Item::bare(**network)));
        });
    }
}

/// `set isolated { type nf_proto; flags timeout; elements = { ipv4 timeout ..., ipv6 timeout ... }; }`
fn set_of_families(t: &mut Transaction, table: &str, timeout: Option<Duration>) {
    new_set(t, table, "isolated", 0x10, 2, 1);
    families(t, table, timeout);
}

fn families(t: &mut Transaction, table: &str, timeout: Option<Duration>) {
    add_elements(t, table, "isolated", |m| {
        for family in [IPV4, IPV6] {
            m.nest(schema::LIST_ITEM, |m| {
                m.nest(schema::ELEMENT_KEY, |m| m.put(schema::VALUE, &[family]));
                if let Some(timeout) = timeout {
                    let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                    m.put(schema::ELEMENT_TIMEOUT, &milliseconds.to_be_bytes());
                }
            });
        }
    });
}

fn new_set(t: &mut Transaction, table: &str, name: &str, flags: u32, key: u32, length: u32) {
    t.add(schema::NEW_SET, CREATE, Label::Layout, |m| {
        m.name(1, table);
        m.name(2, name);
        m.number(3, flags);
        m.number(4, key);
        m.number(5, length);
        // Sets are named; the kernel wants a number too.
        m.number(10, 0);
    });
}

fn add_elements(t: &mut Transaction, table: &str, set: &str, body: impl FnOnce(&mut Outbox)) {
    t.add(schema::NEW_ELEMENT, CREATE, Label::Layout, |m| {
        m.name(schema::ELEMENTS_TABLE, table);
        m.name(schema::ELEMENTS_SET, set);
        m.nest(schema::ELEMENTS, body);
    });
}
