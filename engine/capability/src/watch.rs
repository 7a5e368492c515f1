//! When somebody else touches what the engine has made: the kernel tells of
//! tables and routes (`nfnetlink`, `rtnetlink(7)`), and of files (`inotify(7)`).
//!
//! All of it may be lost: too much at once, a file system that tells nothing, a
//! kernel that gives no socket. So it only makes a comparison come sooner, which
//! comes anyway.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, netlink, sockopt};
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

use crate::firewall::nftables::{dump, schema};
use crate::firewall::{Look, Target};
use crate::guard::watch::waitable;
use crate::isolation;
use crate::netlink::{Message, find_name, messages};
use crate::repair::{Blocks, Touched};
use crate::routes::kernel as routes;

/// `NFNLGRP_NFTABLES`, the seventh.
const TABLES: u32 = 1 << 6;
/// `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_ROUTE`.
const ROUTES: u32 = 0x40 | 0x400;

/// Buffer asked of the kernel for what it tells of tables: the engine's own
/// changes are told too. When it is too small, the kernel says so.
const BUFFER: usize = 4 << 20;

/// More single elements than this are looked at all together.
const FEW: usize = 1024;

/// Where the iptables programs and firewalld keep their rules.
const OTHERS: [&str; 2] = ["filter", "firewalld"];

/// Sees what should be compared again.
#[derive(Debug)]
pub struct Watch {
    tables: Option<AsyncFd<OwnedFd>>,
    routes: Option<AsyncFd<OwnedFd>>,
    files: Option<Files>,
}

/// Folders in which files are that count.
#[derive(Debug)]
struct Files {
    inotify: AsyncFd<OwnedFd>,
    followed: Mutex<Followed>,
}

#[derive(Debug, Default)]
struct Followed {
    folders: BTreeSet<PathBuf>,
    names: BTreeSet<OsString>,
}

impl Watch {
    /// Watches the network namespace of the thread that calls it. What cannot
    /// be watched is said in the log, and compared at intervals only.
    #[must_use]
    pub fn open() -> Self {
        let told = |what: &str, error: io::Error| {
            tracing::warn!(%error, "{what} changed by others are seen late");
        };
        Self {
            tables: socket(Some(netlink::NETFILTER), TABLES)
                .inspect_err(|error| told("tables of nftables", io::Error::from(error.kind())))
                .ok(),
            routes: socket(None, ROUTES)
                .inspect_err(|error| told("routes", io::Error::from(error.kind())))
                .ok(),
            files: Files::open().inspect_err(|error| told("files", io::Error::from(error.kind()))).ok(),
        }
    }

    /// Follows these files from now on, and no others.
    pub fn follow(&self, files: &BTreeSet<PathBuf>) {
        if let Some(watched) = &self.files {
            watched.follow(files);
        }
    }

    /// Returns when somebody else may have touched something. `ports` are the
    /// numbers of this engine's own sockets. What happened before this is asked
    /// again is not lost, and it may be cancelled.
    pub async fn touched(&self, ports: &[u32]) -> Touched {
        loop {
            let mut touched = Touched::default();
            tokio::select! {
                mut ready = readable(self.tables.as_ref()) => {
                    let heard = drain(ready.get_inner(), |message| table(message, ports, &mut touched));
                    if heard == Heard::NotAll {
                        touched.blocks.widen(Look::Doubtful);
                        touched.isolation = true;
                    }
                    ready.clear_ready();
                }
                mut ready = readable(self.routes.as_ref()) => {
                    let heard = drain(ready.get_inner(), |message| {
                        touched.routes |= !ports.contains(&message.port) && routes::takes_away(message);
                    });
                    touched.routes |= heard == Heard::NotAll;
                    ready.clear_ready();
                }
                mut ready = readable(self.files.as_ref().map(|files| &files.inotify)) => {
                    touched.files = self.files.as_ref().is_some_and(Files::counts);
                    ready.clear_ready();
                }
            }
            if !touched.is_nothing() {
                return touched;
            }
        }
    }
}

impl Files {
    fn open() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { inotify: waitable(inotify)?, followed: Mutex::default() })
    }

    /// Programs replace files, so that a watch on one of them would soon watch
    /// nothing: their folders are watched.
    fn follow(&self, files: &BTreeSet<PathBuf>) {
        let folders: BTreeSet<PathBuf> =
            files.iter().filter_map(|file| file.parent()).map(Path::to_owned).collect();
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.names = files.iter().filter_map(|file| file.file_name()).map(OsString::from).collect();
        let events = WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR;
        for folder in &folders {
            // Also those that were watched before: one may have been made anew
            // under its name, and a watch that is there already stays one.
            if let Err(errno) = inotify::add_watch(&self.inotify, folder.as_path(), events)
                && !followed.folders.contains(folder)
            {
                tracing::debug!(folder = %folder.display(), %errno, "what changes in it is seen late");
            }
        }
        // Those that are not needed any more cost nothing but a look at a name.
        followed.folders.extend(folders);
    }

    /// Whether one of the files that count is among what has happened.
    fn counts(&self) -> bool {
        let followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut counts = false;
        while let Ok(event) = events.next() {
            counts |= match event.file_name().and_then(|name| name.to_str().ok()) {
                Some(name) => followed.names.contains(Path::new(name).as_os_str()),
                // The folder itself, or too much at once.
                None => true,
            };
        }
        counts
    }
}

impl Blocks {
    /// At least so much.
    fn widen(&mut self, look: Look) {
        *self = match self {
            Self::All => Self::All,
            Self::Any(other) => Self::Any(look.max(*other)),
            Self::None => Self::Any(look),
            // Single elements are among everything, if everything is looked at.
            Self::These(_) => Self::Any(Look::Whole),
        };
    }

    fn add(&mut self, target: Target) {
        match self {
            Self::None => *self = Self::These(HashSet::from([target])),
            Self::These(targets) if targets.len() < FEW => drop(targets.insert(target)),
            Self::These(_) => *self = Self::Any(Look::Whole),
            Self::Any(look) => *look = Look::Whole,
            Self::All => {}
        }
    }
}

/// What a message about tables says that somebody else did.
fn table(message: Message<'_>, ports: &[u32], touched: &mut Touched) {
    if ports.contains(&message.port) || message.kind == schema::GENERATION {
        return;
    }
    // The family, and three bytes of no interest; the table is the first
    // attribute of every message.
    let Some((&[family, ..], attributes)) = message.payload.split_first_chunk::<4>() else { return };
    let Some(name) = find_name(attributes, schema::ELEMENTS_TABLE) else { return };
    if family != schema::INET {
        if OTHERS.contains(&name) {
            touched.blocks.widen(Look::Quick);
        }
    } else if name == schema::TABLE {
        let element = matches!(message.kind, schema::NEW_ELEMENT | schema::DELETE_ELEMENT);
        match element.then(|| dump::touched(attributes)).flatten() {
            Some((set, prefixes)) => {
                prefixes.into_iter().for_each(|prefix| touched.blocks.add(Target::new(&set, prefix)));
            }
            None => touched.blocks.widen(Look::Whole),
        }
    } else if name.starts_with(isolation::nftables::TABLE) {
        touched.isolation = true;
    } else if OTHERS.contains(&name) {
        touched.blocks.widen(Look::Quick);
    }
}

/// A socket that hears of these groups.
fn socket(protocol: Option<Protocol>, groups: u32) -> io::Result<AsyncFd<OwnedFd>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    if sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER).is_err() {
        let _smaller = sockopt::set_socket_recv_buffer_size(&socket, BUFFER);
    }
    net::bind(&socket, &netlink::SocketAddrNetlink::new(0, groups))?;
    waitable(socket)
}

async fn readable(descriptor: Option<&AsyncFd<OwnedFd>>) -> AsyncFdReadyGuard<'_, OwnedFd> {
    match descriptor {
        Some(descriptor) => match descriptor.readable().await {
            Ok(ready) => ready,
            Err(_) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

/// Whether all that was told was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
enum Heard {
    All,
    NotAll,
}

/// Hands every message that waits to `each`.
fn drain(socket: &OwnedFd, mut each: impl FnMut(Message<'_>)) -> Heard {
    let mut buffer = vec![0; 1 << 16];
    let mut heard = Heard::All;
    loop {
        match net::recv(socket, buffer.as_mut_slice(), RecvFlags::DONTWAIT) {
            Ok((length, _)) => messages(buffer.get(..length).unwrap_or_default()).for_each(&mut each),
            Err(Errno::NOBUFS) => heard = Heard::NotAll,
            Err(Errno::INTR) => {}
            Err(_) => return heard,
        }
    }
}
