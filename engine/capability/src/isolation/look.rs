//! Whether the table of an isolation still is what was made: somebody may have
//! emptied a chain of it, put a rule before the others, or put it to sleep.

use std::collections::BTreeMap;

use rustix::io::Errno;

use crate::firewall::nftables::{dump, schema};
use crate::netlink::{self, Socket};

const GET_RULE: u16 = (10 << 8) | 7;
const GET_ELEMENT: u16 = (10 << 8) | 13;

/// How many rules each chain has. Which they are is not compared: whoever writes
/// another in the place of one knows what it is.
pub(super) const RULES: [(&str, usize); 3] = [("input", 12), ("forward", 1), ("output", 12)];
/// IPv4 and IPv6.
const FAMILIES: usize = 2;
/// How often a listing is begun again because the tables changed under it.
const ATTEMPTS: usize = 8;

/// Whether the table is there with all of its rules, awake, and drops in both
/// families.
pub(super) fn holds(socket: &mut Socket, table: &str) -> Result<bool, Errno> {
    let mut last = Errno::INTR;
    for _ in 0..ATTEMPTS {
        match listed(socket, table) {
            Err(Errno::INTR) => last = Errno::INTR,
            Err(Errno::NOENT) => return Ok(false),
            listed => return listed,
        }
    }
    Err(last)
}

fn listed(socket: &mut Socket, table: &str) -> Result<bool, Errno> {
    let header = [schema::INET, 0, 0, 0];
    if dump::table(socket, table)?.is_none_or(|(flags, _)| flags & schema::DORMANT != 0) {
        return Ok(false);
    }
    let mut rules: BTreeMap<String, usize> = BTreeMap::new();
    socket.dump(
        GET_RULE,
        &header,
        |m| m.name(1, table),
        |message| {
            let attributes = message.payload.get(header.len()..).unwrap_or_default();
            // Kernels that know no filter list the rules of all tables.
            if netlink::find_name(attributes, 1) == Some(table)
                && let Some(chain) = netlink::find_name(attributes, 2)
            {
                let count = rules.entry(chain.to_owned()).or_default();
                *count = count.saturating_add(1);
            }
        },
    )?;
    if RULES.iter().any(|(chain, count)| rules.get(*chain) != Some(count)) {
        return Ok(false);
    }
    let mut families = 0_usize;
    socket.dump(
        GET_ELEMENT,
        &header,
        |m| {
            m.name(schema::ELEMENTS_TABLE, table);
            m.name(schema::ELEMENTS_SET, "isolated");
        },
        |message| {
            let attributes = message.payload.get(header.len()..).unwrap_or_default();
            let list = netlink::find(attributes, schema::ELEMENTS).unwrap_or_default();
            families = families.saturating_add(netlink::attributes(list).count());
        },
    )?;
    Ok(families == FAMILIES)
}
