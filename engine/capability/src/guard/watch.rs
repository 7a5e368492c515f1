//! When what the guard protects changes: the kernel tells of links, addresses
//! and routes (`rtnetlink(7)`), and of files of name servers and sessions
//! (`inotify(7)`).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SocketFlags, SocketType, netlink};
use tokio::io::unix::AsyncFd;

/// `RTMGRP_LINK`, `_IPV4_IFADDR`, `_IPV4_ROUTE`, `_IPV6_IFADDR`, `_IPV6_ROUTE`.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// Folders in which files change that the guard reads. Programs replace those
/// files, so a watch on one of them would soon watch nothing.
const FOLDERS: [&str; 3] = ["/etc", "/run/systemd/resolve", "/run/systemd/sessions"];

/// The files in them that count; in the folder of sessions all of them do.
const FILES: [&str; 2] = ["resolv.conf", "stub-resolv.conf"];

/// Sees what the guard should look at again.
#[derive(Debug)]
pub struct Watch {
    network: AsyncFd<OwnedFd>,
    files: Option<AsyncFd<OwnedFd>>,
}

impl Watch {
    /// Watches the network namespace of the thread that calls it.
    ///
    /// # Errors
    ///
    /// When the kernel gives no socket, or no runtime is there to wait on it.
    /// The guard then sees changes when it is refreshed anyway.
    pub fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        net::bind(&socket, &netlink::SocketAddrNetlink::new(0, GROUPS))?;
        let files = watch(&FOLDERS)
            .and_then(waitable)
            .inspect_err(|error| tracing::warn!(%error, "changes of name servers are seen late"))
            .ok();
        Ok(Self { network: waitable(socket)?, files })
    }

    /// Returns when something has changed. What changed before this is asked
    /// again is not lost; many changes at once are one. It may be cancelled.
    pub async fn changed(&self) {
        loop {
            let counts = tokio::select! {
                told = self.network.readable() => match told {
                    Ok(mut ready) => {
                        let counts = drain(&self.network);
                        ready.clear_ready();
                        counts
                    }
                    Err(_) => return std::future::pending().await,
                },
                counts = changed_file(self.files.as_ref()) => counts,
            };
            if counts {
                return;
            }
        }
    }
}

/// Whether a file that counts has changed.
async fn changed_file(files: Option<&AsyncFd<OwnedFd>>) -> bool {
    let Some(files) = files else { return std::future::pending().await };
    let Ok(mut ready) = files.readable().await else { return std::future::pending().await };
    let mut counts = false;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(files, &mut buffer);
    while let Ok(event) = events.next() {
        // The numbers of sessions are names of files; all others are words.
        let name = event.file_name().and_then(|name| name.to_str().ok()).unwrap_or_default();
        counts |= FILES.contains(&name) || name.starts_with(|c: char| c.is_ascii_digit() || c == 'c');
    }
    ready.clear_ready();
    counts
}

fn watch(folders: &[&str]) -> io::Result<OwnedFd> {
    let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let events = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::DELETE;
    for folder in folders.iter().map(Path::new).filter(|folder| folder.is_dir()) {
        inotify::add_watch(&inotify, folder, events)?;
    }
    Ok(inotify)
}

#[expect(
    deprecated,
    reason = "what replaces it is unsafe; an OwnedFd keeps the promise that is asked for there"
)]
pub(crate) fn waitable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(descriptor)
}

/// Takes all messages that wait; whether there were any. When there were more
/// than fit, the kernel dropped some: that is a change too.
fn drain(socket: &AsyncFd<OwnedFd>) -> bool {
    let mut buffer = vec![0; 1 << 16];
    let mut any = false;
    loop {
        match net::recv(socket, buffer.as_mut_slice(), RecvFlags::DONTWAIT) {
            Ok(_) | Err(Errno::NOBUFS) => any = true,
            Err(Errno::INTR) => {}
            Err(_) => return any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace;

    #[test]
    fn addresses_and_routes_are_seen() {
        namespace::within(async || {
            let watch = Watch::open().unwrap();
            namespace::add_address("203.0.113.7");
            watch.changed().await;
            namespace::add_gateway("198.51.100.1");
            watch.changed().await;
        });
    }

    #[tokio::test]
    async fn files_that_are_replaced_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let files = waitable(watch(&[folder.path().to_str().unwrap()]).unwrap()).unwrap();
        let write = |name: &str| {
            #[expect(clippy::disallowed_methods, reason = "the test plays the system")]
            std::fs::write(folder.path().join(name), "nameserver 192.0.2.1\n").unwrap();
        };
        write("motd");
        assert!(!changed_file(Some(&files)).await);
        write("resolv.conf");
        assert!(changed_file(Some(&files)).await);
        write("new");
        #[expect(clippy::disallowed_methods, reason = "the test plays the system")]
        std::fs::rename(folder.path().join("new"), folder.path().join("resolv.conf")).unwrap();
        while !changed_file(Some(&files)).await {}
    }
}
