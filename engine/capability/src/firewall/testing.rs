//! For tests of backends: claims, a backend over them, and what others do.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use riposte_policy::order::EntryId;

use super::iptables::Programs;
use super::reconciled::Family;
use super::{Backend, INTERFACE, Target};
use crate::claim::{Claims, Effect, Memory, Standing};
use crate::refusal::Refusal;
use crate::{Backends, Capabilities, Guard, Repaired};

/// A host as the test's network namespace has it.
pub(super) struct Host {
    pub(super) claims: Arc<Memory>,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) variant: String,
    programs: Programs,
}

impl Host {
    pub(super) fn new(claims: Arc<Memory>, backend: Arc<dyn Backend>, variant: &str) -> Self {
        let programs = Programs::find(variant).unwrap();
        Self { claims, backend, variant: variant.to_owned(), programs }
    }

    /// Sets what `entry` claims and syncs it.
    pub(super) async fn hold(&self, entry: EntryId, text: &str, standing: Standing) -> Result<(), Refusal> {
        let target = target(text);
        self.claims.set(entry, target.effect(), standing);
        self.backend.sync(vec![target]).await
    }

    /// What is blocked, as targets in alphabetical order.
    pub(super) async fn shown(&self) -> Vec<String> {
        let mut shown: Vec<_> =
            self.backend.list().await.unwrap().iter().map(|e| e.target.to_string()).collect();
        shown.sort();
        shown
    }

    pub(super) async fn repair(&self) -> Result<Repaired, Refusal> {
        let capabilities = Capabilities::new(
            Arc::clone(&self.claims) as Arc<dyn Claims>,
            Backends::only_firewall(Arc::clone(&self.backend)),
            Arc::new(Guard::new()),
        );
        capabilities.repair(&self.claims.held()).await
    }

    /// The table `filter`.
    pub(super) async fn saved(&self, family: Family) -> String {
        self.programs.read(family).await.unwrap()
    }

    /// What an administrator does.
    pub(super) async fn restore(&self, family: Family, lines: &str) {
        self.programs.write(family, lines).await.unwrap();
    }

    /// Empties the table `filter`: rules and chains.
    pub(super) async fn wipe(&self, family: Family) {
        let saved = self.saved(family).await;
        let chains: Vec<&str> =
            saved.lines().filter_map(|line| line.strip_prefix(':')?.split(' ').next()).collect();
        let mut lines: String = chains.iter().map(|chain| format!("-F {chain}\n")).collect();
        for chain in chains.iter().filter(|chain| chain.starts_with("riposte")) {
            lines.push_str(&format!("-X {chain}\n"));
        }
        self.restore(family, &lines).await;
    }
}

pub(super) fn target(text: &str) -> Target {
    Target::try_from(&Effect { interface: INTERFACE, target: text.to_owned() }).unwrap()
}

pub(super) fn minutes(n: u64) -> Standing {
    Standing::For(Duration::from_secs(60 * n))
}

/// Waits for all of them, begun together.
pub(super) async fn together<T: Send>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = futures.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        pending.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(value) => {
                done.push(value);
                false
            }
            std::task::Poll::Pending => true,
        });
        if pending.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

/// Whether a datagram sent from `from` gets to `to`. On the loopback the
/// kernel hands it over while it is being sent.
pub(super) fn arrives(to: &str, from: &str) -> bool {
    let receiver = UdpSocket::bind((to, 0)).unwrap();
    receiver.set_nonblocking(true).unwrap();
    let sender = UdpSocket::bind((from, 0)).unwrap();
    sender.send_to(b"x", receiver.local_addr().unwrap()).unwrap();
    receiver.recv(&mut [0; 1]).is_ok()
}
