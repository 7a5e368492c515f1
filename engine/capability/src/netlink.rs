//! Netlink: how the kernel is told and asked about networks.
//!
//! Every message is a header, a family's own header, and attributes: length,
//! type, value, padded to four bytes. Lengths and types are in the machine's
//! byte order. The kernel answers a request before `send` returns, so nothing
//! here waits: no answer in the queue means that none will come.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

pub(crate) const REQUEST: u16 = 0x1;
pub(crate) const ACK: u16 = 0x4;
pub(crate) const DUMP: u16 = 0x300;
pub(crate) const REPLACE: u16 = 0x100;
pub(crate) const EXCLUSIVE: u16 = 0x200;
pub(crate) const CREATE: u16 = 0x400;
pub(crate) const APPEND: u16 = 0x800;
/// In an answer to a dump: what was dumped changed meanwhile.
const INTERRUPTED: u16 = 0x10;

const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Marks an attribute that holds attributes.
const NESTED: u16 = 0x8000;
const HEADER: usize = 16;

/// Buffer space asked of the kernel, each way. One transaction must fit.
const BUFFER: usize = 4 << 20;
/// Larger than any one answer: an error quotes the message it is about, and no
/// message here comes near 64 KiB.
const INBOX: usize = 1 << 17;

/// Messages that are sent in one go.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    last: usize,
}

impl Outbox {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.last = 0;
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// One message: its type, flags beside [`REQUEST`], number, family header,
    /// and what `body` adds.
    pub(crate) fn message(
        &mut self,
        kind: u16,
        flags: u16,
        sequence: u32,
        header: &[u8],
        body: impl FnOnce(&mut Self),
    ) {
        let start = self.bytes.len();
        self.last = start;
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        // The sender's port: the kernel knows it from the socket.
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(header);
        body(self);
        // Transactions are chunked far below four gigabytes.
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.overwrite(start, &length.to_ne_bytes());
    }

    /// Asks for an answer to the message added last, whatever becomes of it.
    pub(crate) fn acknowledge_last(&mut self) {
        let flags = self.last + 6;
        if let Some(&[low, high]) = self.bytes.get(flags..flags + 2) {
            self.overwrite(flags, &(u16::from_ne_bytes([low, high]) | ACK).to_ne_bytes());
        }
    }

    /// One attribute.
    pub(crate) fn put(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// A number, in the network byte order that netfilter uses.
    pub(crate) fn number(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// A name, which the kernel wants with a zero byte at its end.
    pub(crate) fn name(&mut self, kind: u16, value: &str) {
        self.nest_as(kind, |out| {
            out.bytes.extend_from_slice(value.as_bytes());
            out.bytes.push(0);
        });
    }

    /// An attribute that holds what `body` adds.
    pub(crate) fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        self.nest_as(kind | NESTED, body);
    }

    fn nest_as(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        body(self);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.overwrite(start, &length.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn overwrite(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    }
}

/// One message of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    sequence: u32,
    /// The socket that asked for what this tells of.
    pub(crate) port: u32,
    /// The family header and the attributes.
    pub(crate) payload: &'a [u8],
}

/// The messages in `bytes`, up to the first that is not whole.
pub(crate) fn messages(bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::try_from(number(rest, 0)?).ok()?;
        let (header, payload) = rest.get(..length)?.split_at_checked(HEADER)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        let [kind, flags] = [short(header, 4)?, short(header, 6)?];
        Some(Message { kind, flags, sequence: number(header, 8)?, port: number(header, 12)?, payload })
    })
}

/// The attributes in `bytes`, as type without flags and value, up to the first
/// that is not whole.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(short(rest, 0)?);
        let value = rest.get(4..length)?;
        let kind = short(rest, 2)? & 0x3fff;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The value of the first attribute of this type.
pub(crate) fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(found, value)| (found == kind).then_some(value))
}

/// The value of the first attribute of this type as text without its zero byte.
pub(crate) fn find_name(bytes: &[u8], kind: u16) -> Option<&str> {
    let value = find(bytes, kind)?;
    std::str::from_utf8(value.strip_suffix(&[0]).unwrap_or(value)).ok()
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Why a set of messages was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// It failed as a whole, or what became of it is not known.
    Whole(Errno),
    /// Nothing of it was done, because of these messages, by number.
    Messages(Vec<(u32, Errno)>),
}

/// A netlink socket. It belongs to the network namespace of the thread that
/// opened it.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    sequence: u32,
    inbox: Vec<u8>,
}

impl Socket {
    /// `None` is the protocol for addresses and routes.
    pub(crate) fn open(protocol: Option<Protocol>) -> Result<Self, Errno> {
        let fd = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        net::bind(&fd, &net::netlink::SocketAddrNetlink::new(0, 0))?;
        // Beyond the system's limit, which needs a capability that a container
        // may lack; smaller buffers only mean smaller transactions.
        if sockopt::set_socket_send_buffer_size_force(&fd, BUFFER).is_err() {
            let _smaller = sockopt::set_socket_send_buffer_size(&fd, BUFFER);
        }
        if sockopt::set_socket_recv_buffer_size_force(&fd, BUFFER).is_err() {
            let _smaller = sockopt::set_socket_recv_buffer_size(&fd, BUFFER);
        }
        Ok(Self { fd, sequence: 0, inbox: vec![0; INBOX] })
    }

    /// How many bytes may be sent in one go.
    pub(crate) fn room(&self) -> usize {
        // The kernel counts 32 bytes of its own; a page spares us the detail.
        sockopt::socket_send_buffer_size(&self.fd).unwrap_or(1 << 16).min(BUFFER).saturating_sub(4096)
    }

    /// The number by which the kernel names this socket where it tells others
    /// what was changed.
    pub(crate) fn port(&self) -> Option<u32> {
        let bound = net::getsockname(&self.fd).ok()?;
        Some(net::netlink::SocketAddrNetlink::try_from(bound).ok()?.pid())
    }

    /// `count` message numbers, of which the first is returned.
    pub(crate) fn numbers(&mut self, count: u32) -> u32 {
        let first = self.sequence.wrapping_add(1);
        self.sequence = self.sequence.wrapping_add(count);
        first
    }

    /// Sends messages numbered `first` to `last`, of which the last one asks
    /// for an answer, and waits for nothing but the kernel's own work.
    pub(crate) fn transact(&mut self, outbox: &Outbox, first: u32, last: u32) -> Result<(), Rejected> {
        self.send(outbox).map_err(Rejected::Whole)?;
        let mut rejected = Vec::new();
        let mut answered = false;
        while !answered {
            let Some(bytes) = self.receive().map_err(Rejected::Whole)? else { break };
            for message in messages(bytes) {
                // Late answers to earlier requests are not ours.
                let ours = message.sequence.wrapping_sub(first) <= last.wrapping_sub(first);
                if message.kind != ERROR || !ours {
                    continue;
                }
                answered |= message.sequence == last;
                if let Some(errno) = errno(message.payload) {
                    rejected.push((message.sequence, errno));
                }
            }
        }
        match rejected.first() {
            None if answered => Ok(()),
            None => Err(Rejected::Whole(Errno::NODATA)),
            Some((sequence, errno)) if *sequence == first => Err(Rejected::Whole(*errno)),
            Some(_) => Err(Rejected::Messages(rejected)),
        }
    }

    /// Sends one dump request and hands each message of the answer to `each`.
    /// An interrupted dump (the tables changed meanwhile) is
    /// [`Errno::INTR`]: what was handed over is then to be thrown away.
    pub(crate) fn dump(
        &mut self,
        kind: u16,
        header: &[u8],
        body: impl FnOnce(&mut Outbox),
        each: impl FnMut(Message<'_>),
    ) -> Result<(), Errno> {
        match self.request(kind, DUMP, header, body, each)? {
            true => Err(Errno::INTR),
            false => Ok(()),
        }
    }

    /// Sends one request that is answered by one message, which is handed to
    /// `each`.
    pub(crate) fn ask(
        &mut self,
        kind: u16,
        header: &[u8],
        body: impl FnOnce(&mut Outbox),
        each: impl FnMut(Message<'_>),
    ) -> Result<(), Errno> {
        self.request(kind, ACK, header, body, each).map(drop)
    }

    /// Sends one request and hands what comes to `each`, until the kernel says
    /// that this was all: whether what it told of changed meanwhile.
    fn request(
        &mut self,
        kind: u16,
        flags: u16,
        header: &[u8],
        body: impl FnOnce(&mut Outbox),
        mut each: impl FnMut(Message<'_>),
    ) -> Result<bool, Errno> {
        let sequence = self.numbers(1);
        let mut outbox = Outbox::default();
        outbox.message(kind, flags, sequence, header, body);
        self.send(&outbox)?;
        let mut interrupted = false;
        while let Some(bytes) = self.receive()? {
            for message in messages(bytes).filter(|m| m.sequence == sequence) {
                interrupted |= message.flags & INTERRUPTED != 0;
                match message.kind {
                    DONE | ERROR => return errno(message.payload).map_or(Ok(interrupted), Err),
                    _ => each(message),
                }
            }
        }
        Err(Errno::NODATA)
    }

    fn send(&self, outbox: &Outbox) -> Result<(), Errno> {
        rustix::io::retry_on_intr(|| net::send(&self.fd, &outbox.bytes, SendFlags::empty())).map(drop)
    }

    /// The next datagram in the queue; `None` when the queue is empty.
    fn receive(&mut self) -> Result<Option<&[u8]>, Errno> {
        let flags = RecvFlags::DONTWAIT;
        let received = rustix::io::retry_on_intr(|| net::recv(&self.fd, self.inbox.as_mut_slice(), flags));
        match received {
            Ok((length, _)) => Ok(self.inbox.get(..length)),
            Err(Errno::AGAIN) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

/// The error in an ERROR or DONE message; `None` when it reports success.
fn errno(payload: &[u8]) -> Option<Errno> {
    let code = number(payload, 0)?.cast_signed();
    (code != 0).then(|| Errno::from_raw_os_error(code.wrapping_neg()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut out = Outbox::default();
        out.message(0x0a0c, CREATE, 7, &[1, 0, 0, 0], |m| {
            m.name(1, "riposte");
            m.nest(3, |m| m.nest(1, |m| m.put(1, &[192, 0, 2, 7])));
            m.number(4, 258);
        });
        out.message(0x0011, 0, 8, &[0, 0, 0, 10], |_| ());
        out.acknowledge_last();

        let read: Vec<_> = messages(out.bytes()).collect();
        let [first, second] = read.as_slice() else { panic!("{read:?}") };
        assert_eq!((first.kind, first.flags, first.sequence), (0x0a0c, CREATE | REQUEST, 7));
        assert_eq!((second.kind, second.flags, second.sequence), (0x0011, ACK | REQUEST, 8));
        let body = first.payload.get(4..).unwrap();
        assert_eq!(find_name(body, 1), Some("riposte"));
        let key = find(find(find(body, 3).unwrap(), 1).unwrap(), 1);
        assert_eq!(key, Some(&[192, 0, 2, 7][..]));
        assert_eq!(find(body, 4), Some(&[0, 0, 1, 2][..]));
        assert_eq!(find(body, 2), None);
    }

    #[test]
    fn bytes_are_as_the_kernel_wants_them() {
        let mut out = Outbox::default();
        out.message(0x0a00, CREATE, 1, &[1, 0, 0, 0], |m| m.name(1, "ab"));
        let expected: Vec<u8> = [
            28u32.to_ne_bytes().as_slice(),
            &0x0a00u16.to_ne_bytes(),
            &0x401u16.to_ne_bytes(),
            &1u32.to_ne_bytes(),
            &0u32.to_ne_bytes(),
            &[1, 0, 0, 0],
            // Seven bytes of attribute, one of padding.
            &7u16.to_ne_bytes(),
            &1u16.to_ne_bytes(),
            &[b'a', b'b', 0, 0],
        ]
        .concat();
        assert_eq!(out.bytes(), expected);
    }

    #[test]
    fn cut_and_lying_input_ends_quietly() {
        let mut out = Outbox::default();
        out.message(1, 0, 1, &[], |m| m.put(1, &[1, 2, 3, 4]));
        let whole = out.bytes().to_vec();
        for cut in 0..whole.len() {
            assert_eq!(messages(whole.get(..cut).unwrap()).count(), 0, "{cut}");
        }
        for length in [0u32, 1, 15, 17, u32::MAX] {
            let mut lying = whole.clone();
            lying.get_mut(..4).unwrap().copy_from_slice(&length.to_ne_bytes());
            assert!(messages(&lying).all(|m| m.payload.len() <= 8), "{length}");
        }
        for length in [0u16, 1, 3, 9, u16::MAX] {
            let mut lying = vec![0; 8];
            lying.get_mut(..2).unwrap().copy_from_slice(&length.to_ne_bytes());
            assert_eq!(attributes(&lying).count(), 0, "{length}");
        }
    }
}
