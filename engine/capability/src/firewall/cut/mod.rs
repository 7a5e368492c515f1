//! Ends the connections that are open with an address.
//!
//! A rule that drops packets makes a connection starve: neither end is told,
//! and each finds out in its own time, a program without a timeout never. Cut,
//! it ends at once: what the kernel tracks of it is forgotten, so that no rule
//! about known connections lets it through, and sockets of this host that have
//! the address as their peer are closed, which their programs see as an error.

mod sockets;
mod tracked;

use riposte_policy::address::Prefix;
use rustix::io::Errno;

use crate::refusal::Refusal;

/// What was ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cut {
    /// Connections that the kernel no longer knows.
    pub(super) forgotten: usize,
    /// Sockets of this host that were closed.
    pub(super) closed: usize,
}

/// Ends connections with `prefix` in this network namespace.
///
/// # Errors
///
/// Why some may still be open; they starve.
pub(super) async fn cut(prefix: Prefix) -> Result<(), Refusal> {
    // A list of a busy host takes the kernel milliseconds.
    let cut = tokio::task::spawn_blocking(move || now(prefix)).await;
    let Cut { forgotten, closed } =
        cut.map_err(|_| Refusal::failed("ending connections ended unexpectedly"))??;
    tracing::debug!(%prefix, forgotten, closed, "open connections ended");
    Ok(())
}

fn now(prefix: Prefix) -> Result<Cut, Refusal> {
    let closed = sockets::close(prefix);
    // Closing says farewell, which the kernel may track as something new.
    let forgotten = tracked::forget(prefix);
    let (closed, forgotten) = (closed.map_err(refused_sockets)?, forgotten.map_err(refused_tracked)?);
    Ok(Cut { forgotten, closed })
}

fn refused_sockets(errno: Errno) -> Refusal {
    match errno {
        Errno::OPNOTSUPP | Errno::NOENT => Refusal::unsupported(
            "this kernel cannot close a socket of another program (it is built without CONFIG_INET_DIAG_DESTROY): open \
             connections starve",
        ),
        Errno::PERM | Errno::ACCESS => Refusal::unavailable(
            "the kernel does not let riposte close sockets: run it as root or with CAP_NET_ADMIN",
        )
        .for_good(),
        errno => Refusal::unavailable(format!("open sockets could not be closed ({errno}): they starve")),
    }
}

fn refused_tracked(errno: Errno) -> Refusal {
    match errno {
        Errno::PERM | Errno::ACCESS => Refusal::unavailable(
            "the kernel does not let riposte forget connections: run it as root or with CAP_NET_ADMIN",
        )
        .for_good(),
        errno => {
            Refusal::unavailable(format!("tracked connections could not be forgotten ({errno}): they starve"))
        }
    }
}

/// Whether an address, as the kernel writes it, is in the network. An IPv6
/// socket may have an IPv4 peer.
fn within(prefix: Prefix, octets: &[u8]) -> bool {
    use std::net::IpAddr;
    let ip = match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
        _ => None,
    };
    ip.is_some_and(|ip| prefix.contains(Prefix::from(riposte_policy::address::Address::from(ip))))
}

#[cfg(test)]
mod tests;
