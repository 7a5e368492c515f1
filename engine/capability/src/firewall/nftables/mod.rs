//! Blocking with nftables, by the kernel's own messages: no program, no
//! library in between.
//!
//! All is in one table, `inet riposte`, which outlives the engine. Each set
//! name of a grant has four sets: addresses in hash sets (`drop4`, `drop6`),
//! networks in interval sets (`drop4net`, `drop6net`). Elements carry the
//! kernel's own timeout, a little later than the engine's, so that a block ends
//! even when no engine runs.
//!
//! One thread writes. It takes whatever is queued into one transaction, asks
//! the claims what each target should be now, and answers every caller.
//!
//! * `schema`: names, and the messages that make table, chains, sets, rules.
//! * `transaction`: messages that succeed or fail together.
//! * `writer`: from targets to transactions, and what to do when one fails.
//! * `change`: what is to become of addresses, and how that is written.
//! * `addresses`: which addresses the kernel has.
//! * `networks`: which of several overlapping networks the kernel gets.
//! * `dump`: what the kernel has.
//! * `table`: how the table is made, whether the engine can have it, and whether
//!   packets get to it.
//! * `lost`: what others did to it.

mod addresses;
mod change;
pub(crate) mod dump;
mod lost;
mod networks;
pub(super) mod removal;
pub(crate) mod schema;
mod table;
pub(crate) mod transaction;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use async_trait::async_trait;
use rustix::io::Errno;
use tokio::sync::oneshot;

use super::{Backend, Element, Look, Lost, Target};
use crate::claim::Claims;
use crate::netlink::Socket;
use crate::refusal::Refusal;
use writer::Writer;

/// Most targets in one transaction: some 2 ms of the kernel's time, during
/// which nobody else is answered.
const LARGEST: usize = 4096;

/// The nftables of one network namespace: that of the thread which opened it.
#[derive(Debug)]
pub struct Nftables {
    queue: Sender<Request>,
    rebuilt: Arc<AtomicU64>,
    port: Option<u32>,
}

/// What callers ask of the writer.
enum Request {
    Sync(Sync),
    List(oneshot::Sender<Result<Vec<Element>, Refusal>>),
    Probe(oneshot::Sender<Result<(), Refusal>>),
    Lost(Look, oneshot::Sender<Result<Lost, Refusal>>),
    Look(Vec<Target>, oneshot::Sender<Result<Vec<Element>, Refusal>>),
    TakeFromOthers(Target, oneshot::Sender<Result<(), Refusal>>),
}

struct Sync {
    targets: Vec<Target>,
    done: oneshot::Sender<Result<(), Refusal>>,
}

impl Nftables {
    /// Opens the kernel's socket, reads what an earlier run left there, puts
    /// its rules back, and starts the writer. A host on which nothing was ever
    /// blocked is not changed.
    ///
    /// # Errors
    ///
    /// When the kernel has no nftables or does not let this process change it;
    /// [`super::Unavailable`] then stands in.
    pub fn open(claims: Arc<dyn Claims>) -> Result<Self, Refusal> {
        let rebuilt = Arc::new(AtomicU64::new(0));
        let socket =
            Socket::open(Some(rustix::net::netlink::NETFILTER)).map_err(|errno| refusal(errno, "open"))?;
        let port = socket.port();
        let mut writer = Writer::new(socket, claims, Arc::clone(&rebuilt));
        writer.begin()?;
        let (queue, requests) = mpsc::channel();
        std::thread::Builder::new()
            .name("nftables".to_owned())
            .spawn(move || serve(&mut writer, &requests))
            .map_err(|e| Refusal::unavailable(format!("the nftables writer could not be started: {e}")))?;
        Ok(Self { queue, rebuilt, port })
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, Refusal>>) -> Request,
    ) -> Result<T, Refusal> {
        let gone = || Refusal::unavailable("the nftables writer has stopped: restart riposte");
        let (done, answer) = oneshot::channel();
        self.queue.send(request(done)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

#[async_trait]
impl Backend for Nftables {
    async fn sync(&self, targets: Vec<Target>) -> Result<(), Refusal> {
        if targets.is_empty() {
            return Ok(());
        }
        self.ask(|done| Request::Sync(Sync { targets, done })).await
    }

    /// The writer reads, so nothing is written meanwhile. The kernel begins
    /// each part of a list at the front again, so the time grows with the
    /// square: a third of a second for 100,000 addresses, half a minute for a
    /// million.
    async fn list(&self) -> Result<Vec<Element>, Refusal> {
        self.ask(Request::List).await
    }

    async fn probe(&self) -> Result<(), Refusal> {
        self.ask(Request::Probe).await
    }

    async fn lost(&self, look: Look) -> Result<Lost, Refusal> {
        self.ask(|done| Request::Lost(look, done)).await
    }

    async fn look(&self, targets: Vec<Target>) -> Result<Vec<Element>, Refusal> {
        self.ask(|done| Request::Look(targets, done)).await
    }

    async fn take_from_others(&self, target: Target) -> Result<(), Refusal> {
        self.ask(|done| Request::TakeFromOthers(target, done)).await
    }

    fn ports(&self) -> Vec<u32> {
        self.port.into_iter().collect()
    }

    fn rebuilt(&self) -> u64 {
        self.rebuilt.load(Ordering::Relaxed)
    }
}

/// The writer's thread: ends when the [`Nftables`] is dropped.
fn serve(writer: &mut Writer, requests: &Receiver<Request>) {
    while let Ok(mut next) = requests.recv() {
        // An answer nobody waits for any more is no failure.
        loop {
            let after = match next {
                Request::Sync(sync) => {
                    let (syncs, after) = gather(sync, requests);
                    settle(writer, syncs);
                    after
                }
                Request::List(done) => {
                    let _ = done.send(writer.list());
                    None
                }
                Request::Probe(done) => {
                    let _ = done.send(writer.probe());
                    None
                }
                Request::Lost(look, done) => {
                    let _ = done.send(writer.lost(look));
                    None
                }
                Request::Look(targets, done) => {
                    let _ = done.send(writer.look(&targets));
                    None
                }
                Request::TakeFromOthers(target, done) => {
                    let _ = done.send(writer.take_from_others(&target));
                    None
                }
            };
            match after {
                Some(request) => next = request,
                None => break,
            }
        }
    }
}

/// Everything queued behind `first` that can join its transaction, and the
/// request that could not.
fn gather(first: Sync, requests: &Receiver<Request>) -> (Vec<Sync>, Option<Request>) {
    let mut count = first.targets.len();
    let mut syncs = vec![first];
    while count < LARGEST {
        match requests.try_recv() {
            Ok(Request::Sync(sync)) => {
                count += sync.targets.len();
                syncs.push(sync);
            }
            Ok(other) => return (syncs, Some(other)),
            Err(_) => break,
        }
    }
    (syncs, None)
}

fn settle(writer: &mut Writer, syncs: Vec<Sync>) {
    let targets: Vec<&Target> = syncs.iter().flat_map(|sync| &sync.targets).collect();
    let mut outcomes = writer.sync(&targets).into_iter();
    for Sync { targets, done } in syncs {
        // All of them are taken, so that the next caller gets its own.
        let mine: Vec<_> = outcomes.by_ref().take(targets.len()).collect();
        let answer = mine.into_iter().collect::<Result<(), Refusal>>();
        let _ = done.send(answer);
    }
}

/// What an error of the kernel means to the operator. `action` completes "the
/// kernel did not ... nftables".
pub(crate) fn refusal(errno: Errno, action: &str) -> Refusal {
    match errno {
        Errno::PERM | Errno::ACCESS => Refusal::unavailable(
            "the kernel does not let riposte change nftables: run it as root or with CAP_NET_ADMIN",
        )
        .for_good(),
        Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT => Refusal::unavailable(
            "this kernel has no nftables: load it with `modprobe nf_tables`, or use a kernel that has it",
        )
        .for_good(),
        Errno::NFILE | Errno::NOSPC | Errno::NOMEM | Errno::NOBUFS => Refusal::unavailable(format!(
            "the kernel has no room for another blocked address ({errno}): end some blocks or add memory"
        )),
        Errno::EXIST => table::made_otherwise("a part"),
        errno => {
            let message = format!("the kernel did not {action} nftables: {errno}");
            Refusal { retry: true, ..Refusal::failed(message) }
        }
    }
}

#[cfg(test)]
mod tests;
