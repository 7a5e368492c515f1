//! The engine's tables, for the day it is removed.

use riposte_policy::grant::SetName;
use rustix::io::Errno;

use super::schema::{INET, Kind, NEW_TABLE, TABLE};
use super::transaction::{Failed, Item, Label, PER_ADDRESS, Transaction};
use super::{LARGEST, dump};
use crate::mark::OTHERS;
use crate::netlink::{self, CREATE, Socket};
use crate::refusal::Refusal;

const GET_TABLE: u16 = (10 << 8) | 1;
const DELETE_TABLE: u16 = (10 << 8) | 2;

/// How often elements are listed again because some ended under it.
const ATTEMPTS: usize = 8;

/// The tables of the family `inet` that carry the engine's name: `riposte`, and
/// those of isolations, which begin with `riposte-isolation`.
///
/// # Errors
///
/// When the kernel cannot be asked.
pub(in crate::firewall) fn tables() -> Result<Vec<String>, Refusal> {
    let mut socket = socket()?;
    let mut tables = Vec::new();
    let listed = socket.dump(
        GET_TABLE,
        &[INET, 0, 0, 0],
        |_| (),
        |message| {
            let attributes = message.payload.get(4..).unwrap_or_default();
            tables.extend(netlink::find_name(attributes, 1).filter(|name| is_ours(name)).map(str::to_owned));
        },
    );
    listed.map_err(unlisted)?;
    tables.sort();
    Ok(tables)
}

/// Whose elements are in the table that blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::firewall) struct Shares {
    /// Of the ledger that this process marks for, or of nobody who is known.
    pub(in crate::firewall) own: usize,
    /// Of other ledgers: an engine of another home blocks in the same table.
    pub(in crate::firewall) others: usize,
}

/// Counts them.
///
/// # Errors
///
/// When the kernel cannot be asked.
pub(in crate::firewall) fn shares() -> Result<Shares, Refusal> {
    let mut socket = socket()?;
    let mut shares = Shares::default();
    for (set, kind) in dump::sets(&mut socket).map_err(unlisted)? {
        for item in dump::elements(&mut socket, &set, kind).map_err(unlisted)? {
            *(if is_own(&item) { &mut shares.own } else { &mut shares.others }) += 1;
        }
    }
    Ok(shares)
}

/// Removes from the table that blocks what is of no other ledger. The table
/// stays.
///
/// # Errors
///
/// When some of it may still be there.
pub(in crate::firewall) fn take_own() -> Result<(), Refusal> {
    let mut socket = socket()?;
    let mut last = Errno::CANCELED;
    for _ in 0..ATTEMPTS {
        match try_take_own(&mut socket)? {
            Ok(()) => return Ok(()),
            // Something has ended meanwhile: what is left is looked at anew.
            Err(failed) => last = failed.errno(),
        }
    }
    Err(super::refusal(last, "remove elements of"))
}

fn try_take_own(socket: &mut Socket) -> Result<Result<(), Failed>, Refusal> {
    let most = (socket.room() / PER_ADDRESS).clamp(1, LARGEST);
    let sets: Vec<(SetName, Kind)> = dump::sets(socket).map_err(unlisted)?;
    for (set, kind) in sets {
        let mut own = dump::elements(socket, &set, kind).map_err(unlisted)?;
        own.retain(is_own);
        for some in own.chunks(most) {
            let mut transaction = Transaction::default();
            transaction.begin(socket);
            transaction.remove(&set, kind, some, 0..0);
            if let Err(failed) = transaction.send(socket) {
                return Ok(Err(failed));
            }
        }
    }
    Ok(Ok(()))
}

fn is_own(item: &Item) -> bool {
    item.entry != Some(OTHERS)
}

/// Removes a table with all that is in it. One that is gone is a success.
///
/// # Errors
///
/// When it may still be there.
pub(in crate::firewall) fn delete(table: &str) -> Result<(), Refusal> {
    let mut socket = socket()?;
    let mut transaction = Transaction::default();
    transaction.begin(&mut socket);
    // Made first, so that one that is gone is no error.
    transaction.add(NEW_TABLE, CREATE, Label::Layout, |m| m.name(1, table));
    transaction.add(DELETE_TABLE, 0, Label::Layout, |m| m.name(1, table));
    transaction.send(&mut socket).map_err(|failed| super::refusal(failed.errno(), "remove a table of"))
}

fn unlisted(errno: Errno) -> Refusal {
    super::refusal(errno, "list")
}

fn is_ours(name: &str) -> bool {
    name == TABLE || name == ISOLATION || name.starts_with(&format!("{ISOLATION}-"))
}

/// What `isolation::nftables` calls its tables.
const ISOLATION: &str = "riposte-isolation";

fn socket() -> Result<Socket, Refusal> {
    Socket::open(Some(rustix::net::netlink::NETFILTER)).map_err(|errno| super::refusal(errno, "open"))
}
