//! The engine's promise, simulated: what is in force survives anything.
//!
//! One number decides a run: which alerts come when, which tasks go on first,
//! what of the disk, the host and the clocks fails and how. The real ledger on
//! the real SQLite, the real scheduler and the real capability layer are driven
//! through it on one thread; only the disk, the host and the time are made up.
//! The same seed gives the same run.
//!
//! * [`run`]: one seed, one run. Start here.
//! * [`commands`]: what the simulated configuration can do.
//! * [`engine`]: what the daemon does between its parts, without components.
//! * [`oracle`]: what must hold, kept independently of the ledger.
//! * [`host`]: a firewall, routes and files that fail.
//! * [`vfs`]: a disk that forgets what was not synced.
//! * [`world`]: what all of them share.
//! * [`clocks`], [`executor`], [`random`].

#![deny(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a simulator that cannot go on has found a fault, in itself or in what it drives"
)]

/// The ledger as capabilities see it: the daemon's own, so that nothing is
/// simulated that is not what runs.
#[path = "../../../engine/daemon/src/claims.rs"]
#[allow(dead_code, unreachable_pub, reason = "the daemon uses more of it")]
mod claims;
pub mod clocks;
pub mod commands;
pub mod engine;
pub mod executor;
pub mod host;
pub mod oracle;
pub mod random;
#[path = "../../../engine/daemon/src/remembered.rs"]
#[allow(dead_code, unreachable_pub, reason = "the daemon uses more of it")]
mod remembered;
pub mod run;
pub mod vfs;
pub mod world;

pub use run::{Failure, Mutant, Run};
