//! The engine's tables, for the day it is removed.

use crate::firewall::nftables::schema::{INET, NEW_TABLE, TABLE};
use crate::firewall::nftables::transaction::{Failed, Label, Transaction};
use crate::netlink::{self, CREATE, Socket};
use crate::refusal::Refusal;

const GET_TABLE: u16 = (10 << 8) | 1;
const DELETE_TABLE: u16 = (10 << 8) | 2;

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
    listed.map_err(|errno| super::refusal(errno, "list"))?;
    tables.sort();
    Ok(tables)
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
    transaction.send(&mut socket).map_err(|failed| {
        let errno = match failed {
            Failed::Whole(errno) => errno,
            Failed::Parts(parts) => parts.first().map_or(rustix::io::Errno::CANCELED, |(_, errno)| *errno),
        };
        super::refusal(errno, "remove a table of")
    })
}

fn is_ours(name: &str) -> bool {
    name == TABLE || name == ISOLATION || name.starts_with(&format!("{ISOLATION}-"))
}

/// What `isolation::nftables` calls its tables.
const ISOLATION: &str = "riposte-isolation";

fn socket() -> Result<Socket, Refusal> {
    Socket::open(Some(rustix::net::netlink::NETFILTER)).map_err(|errno| super::refusal(errno, "open"))
}
