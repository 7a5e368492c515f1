//! What is in force, since when, until when.
//!
//! Whatever a response did for a limited time has to be undone on time, also
//! after a crash. So everything is written here before it is done, and what is
//! written here outlives the process, the power and the clock. This crate does
//! not know how a response runs.
//!
//! # Layout
//!
//! * [`ledger`]: the handle: open, ask, read. Start here.
//! * [`entry`]: one response that was made: its states, and which may follow which.
//! * [`rule`]: what an operator settled: allows, pauses, modes.
//! * [`input`]: how far each file of alerts was read.
//! * [`scheduler`]: which entry is to be undone when; synchronous, without a clock.
//! * [`audit`]: every step as a line of JSON.
//! * [`clock`]: the time, the system's or a test's.
//! * [`error`]: what can go wrong and what to do about it.
//! * [`health`]: how the storage stands. [`backup`], [`salvage`]: for the day it
//!   is damaged. [`verify`]: whether it is.
//!
//! Behind the handle: `schema` (the tables), `store` (opening the file),
//! `writer` (one thread, one commit for all that is queued), `books` (what each
//! request does), `index` (what has to be known without asking SQLite), `condition`
//! and `owed` (what is known while the storage fails) and `reader` (queries, off
//! the writer). Writer and reader are threads; a simulator
//! [drives](Ledger::open_driven) them by hand instead, on a [disk](Disk) of its own.

#![forbid(unsafe_code)]

pub mod audit;
pub mod backup;
pub mod clock;
pub mod entry;
pub mod error;
pub mod health;
pub mod input;
pub mod ledger;
pub mod rule;
pub mod salvage;
pub mod scheduler;
pub mod verify;

mod aging;
mod books;
mod condition;
mod index;
mod owed;
mod reader;
mod schema;
mod store;
mod upgrade;
mod writer;

#[cfg(test)]
mod tests;

pub use clock::{Clock, ManualClock, Now, SystemClock};
pub use entry::{
    Admitted, Cause, Claimed, Entry, Handed, NewEntry, Rekeyed, Settled, Standing, State, Undo, WouldBe,
};
pub use error::LedgerError;
pub use health::Health;
pub use ledger::{Driven, Ledger, Opened, Settings, Turn, Wait};
pub use store::{Disk, HostDisk, Locked};
pub use upgrade::Rehearsed;
