//! Messages to nftables that succeed or fail together.

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use riposte_policy::address::Prefix;
use riposte_policy::grant::SetName;
use riposte_policy::order::EntryId;
use rustix::io::Errno;

use super::schema::{self, Kind};
use crate::mark;
use crate::netlink::{CREATE, EXCLUSIVE, Outbox, Rejected, Socket};

const BEGIN: u16 = 0x10;
const END: u16 = 0x11;
/// Family header of both: `NFNL_SUBSYS_NFTABLES`.
const FRAME: [u8; 4] = [0, 0, 0, 10];

/// Most elements in one message, so that it stays far below the 64 KiB that
/// an attribute can hold.
pub(crate) const LARGEST_MESSAGE: usize = 400;

/// Most bytes that one address takes up in a transaction, three messages for
/// it alone included.
pub(crate) const PER_ADDRESS: usize = 400;

/// A transaction that is being written. Its buffers are used again.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    outbox: Outbox,
    first: u32,
    labels: Vec<Label>,
}

/// What a message is about, for when the kernel rejects it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// Table, chain, set or rule.
    Layout,
    /// It adds elements: these, by the writer's count.
    Adds(Range<usize>),
    /// It removes elements.
    Removes(Range<usize>),
}

/// How the kernel answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// Nothing was done, or what was done is not known.
    Whole(Errno),
    /// Nothing was done, because of these messages.
    Parts(Vec<(Label, Errno)>),
}

impl Failed {
    /// The error, or the first of them.
    pub(crate) fn errno(&self) -> Errno {
        match self {
            Self::Whole(errno) => *errno,
            Self::Parts(parts) => parts.first().map_or(Errno::CANCELED, |(_, errno)| *errno),
        }
    }
}

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) prefix: Prefix,
    /// How long the kernel keeps it; `None`: for good.
    pub(crate) timeout: Option<Duration>,
    /// The entry that its comment names.
    pub(crate) entry: Option<EntryId>,
}

impl Item {
    /// As nobody times or marks it.
    pub(crate) fn bare(prefix: Prefix) -> Self {
        Self { prefix, timeout: None, entry: None }
    }
}

impl Transaction {
    /// Starts anew.
    pub(crate) fn begin(&mut self, socket: &mut Socket) {
        self.outbox.clear();
        self.labels.clear();
        self.first = socket.numbers(1);
        self.outbox.message(BEGIN, 0, self.first, &FRAME, |_| ());
    }

    /// One message about the table.
    pub(crate) fn add(&mut self, kind: u16, flags: u16, label: Label, body: impl FnOnce(&mut Outbox)) {
        self.labels.push(label);
        let sequence = self.first.wrapping_add(self.count());
        self.outbox.message(kind, flags, sequence, &[schema::INET, 0, 0, 0], body);
    }

    /// Adds elements, which must not be there: the kernel then says `EXIST`.
    pub(crate) fn create(&mut self, set: &SetName, kind: Kind, items: &[Item], range: Range<usize>) {
        self.elements(schema::NEW_ELEMENT, CREATE | EXCLUSIVE, set, kind, items, &Label::Adds(range));
    }

    /// Removes elements, which must be there: the kernel then says `NOENT`.
    pub(crate) fn remove(&mut self, set: &SetName, kind: Kind, items: &[Item], range: Range<usize>) {
        let bare: Vec<Item> = items.iter().map(|item| Item::bare(item.prefix)).collect();
        self.elements(schema::DELETE_ELEMENT, 0, set, kind, &bare, &Label::Removes(range));
    }

    /// Makes elements be there so that removing them cannot fail.
    pub(crate) fn ensure(&mut self, set: &SetName, kind: Kind, items: &[Item], range: Range<usize>) {
        let bare: Vec<Item> = items.iter().map(|item| Item::bare(item.prefix)).collect();
        self.elements(schema::NEW_ELEMENT, CREATE, set, kind, &bare, &Label::Adds(range));
    }

    /// Empties a set.
    pub(crate) fn flush(&mut self, set: &SetName, kind: Kind) {
        self.add(schema::DELETE_ELEMENT, 0, Label::Adds(0..0), |m| {
            m.name(schema::ELEMENTS_TABLE, schema::TABLE);
            m.name(schema::ELEMENTS_SET, &kind.name(set));
        });
    }

    fn elements(
        &mut self,
        message: u16,
        flags: u16,
        set: &SetName,
        kind: Kind,
        items: &[Item],
        label: &Label,
    ) {
        let name = kind.name(set);
        for chunk in items.chunks(LARGEST_MESSAGE) {
            self.add(message, flags, label.clone(), |m| {
                m.name(schema::ELEMENTS_TABLE, schema::TABLE);
                m.name(schema::ELEMENTS_SET, &name);
                m.nest(schema::ELEMENTS, |m| {
                    for item in chunk {
                        element(m, kind, *item);
                    }
                });
            });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Sends it. An empty one succeeds.
    pub(crate) fn send(&mut self, socket: &mut Socket) -> Result<(), Failed> {
        if self.labels.is_empty() {
            return Ok(());
        }
        let last = self.first.wrapping_add(self.count());
        self.outbox.acknowledge_last();
        self.outbox.message(END, 0, last.wrapping_add(1), &FRAME, |_| ());
        socket.numbers(self.count() + 1);
        socket.transact(&self.outbox, self.first, last).map_err(|rejected| match rejected {
            Rejected::Whole(errno) => Failed::Whole(errno),
            Rejected::Messages(messages) => {
                let label = |sequence: u32| {
                    let at = usize::try_from(sequence.wrapping_sub(self.first)).ok()?.checked_sub(1)?;
                    self.labels.get(at).cloned()
                };
                let part = |(sequence, errno)| (label(sequence).unwrap_or(Label::Layout), errno);
                Failed::Parts(messages.into_iter().map(part).collect())
            }
        })
    }

    fn count(&self) -> u32 {
        // Bounded by the number of targets in one transaction.
        u32::try_from(self.labels.len()).unwrap_or(u32::MAX)
    }
}

/// An address, or the first address of a network and the first one behind it.
pub(crate) fn element(m: &mut Outbox, kind: Kind, Item { prefix, timeout, entry }: Item) {
    let first = prefix.network().ip();
    m.nest(schema::LIST_ITEM, |m| {
        key(m, first);
        if let Some(timeout) = timeout {
            let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
            m.put(schema::ELEMENT_TIMEOUT, &milliseconds.to_be_bytes());
        }
        if let Some(entry) = entry {
            m.put(schema::ELEMENT_USERDATA, &mark::Comment::of(entry).as_userdata());
        }
    });
    // Nothing lies behind a network that ends with the last address.
    if let Some(behind) = behind(prefix).filter(|_| kind.holds_networks()) {
        m.nest(schema::LIST_ITEM, |m| {
            key(m, behind);
            m.number(schema::ELEMENT_FLAGS, schema::INTERVAL_END);
        });
    }
}

fn key(m: &mut Outbox, address: IpAddr) {
    m.nest(schema::ELEMENT_KEY, |m| match address {
        IpAddr::V4(v4) => m.put(schema::VALUE, &v4.octets()),
        IpAddr::V6(v6) => m.put(schema::VALUE, &v6.octets()),
    });
}

/// The first address behind a network.
fn behind(prefix: Prefix) -> Option<IpAddr> {
    match prefix.network().ip() {
        IpAddr::V4(v4) => {
            let size = 1u32.checked_shl(32u32.checked_sub(u32::from(prefix.length()))?)?;
            Some(IpAddr::V4(u32::from(v4).checked_add(size)?.into()))
        }
        IpAddr::V6(v6) => {
            let size = 1u128.checked_shl(128u32.checked_sub(u32::from(prefix.length()))?)?;
            Some(IpAddr::V6(u128::from(v6).checked_add(size)?.into()))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn where_networks_end() {
        for (network, end) in [
            ("192.0.2.0/24", Some("192.0.3.0")),
            ("192.0.2.7", Some("192.0.2.8")),
            ("255.255.255.0/24", None),
            ("0.0.0.0/0", None),
            ("2001:db8::/48", Some("2001:db8:1::")),
            ("ffff::/16", None),
            ("::/0", None),
        ] {
            let expected: Option<IpAddr> = end.map(|e| e.parse().unwrap());
            assert_eq!(behind(network.parse().unwrap()), expected, "{network}");
        }
    }

    #[test]
    fn an_element_is_a_key_and_a_timeout_in_milliseconds() {
        let mut out = Outbox::default();
        let item = |prefix: &str| Item::bare(prefix.parse().unwrap());
        let timeout = Some(Duration::from_secs(600));
        element(&mut out, Kind::Addresses4, Item { timeout, ..item("192.0.2.7") });
        let nested = |kind: u16| (kind | 0x8000).to_ne_bytes();
        let short = |n: u16| n.to_ne_bytes();
        let expected = [
            &short(28)[..],
            &nested(1),
            &short(12),
            &nested(1),
            &short(8),
            &short(1),
            &[192, 0, 2, 7],
            &short(12),
            &short(4),
            &600_000u64.to_be_bytes(),
        ]
        .concat();
        assert_eq!(out.bytes(), expected);

        out.clear();
        element(&mut out, Kind::Networks4, item("192.0.2.0/24"));
        let expected = [
            &short(16)[..],
            &nested(1),
            &short(12),
            &nested(1),
            &short(8),
            &short(1),
            &[192, 0, 2, 0],
            &short(24),
            &nested(1),
            &short(12),
            &nested(1),
            &short(8),
            &short(1),
            &[192, 0, 3, 0],
            &short(8),
            &short(3),
            &1u32.to_be_bytes(),
        ]
        .concat();
        assert_eq!(out.bytes(), expected);
    }
}
