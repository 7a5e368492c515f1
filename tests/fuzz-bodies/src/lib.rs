//! What each fuzz target does with one input.
//!
//! `fuzz/` runs these functions under libFuzzer, `tests/replay.rs` runs them on
//! stable over every seed and every input that once failed. An input fails by
//! panicking: the asserts below say what must hold for any bytes at all.
//!
//! * [`config()`]: configuration files, in all roles.
//! * [`alert()`]: a line of `alerts.json`, matched, explained, its keys derived.
//! * [`message()`]: what native programs are told and what they answer.
//! * [`migrate()`]: documents of Wazuh 5.
//! * [`wire()`]: datagrams, `ar.conf`, what a manager says to its agents.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "an input that breaks a promise has to fail"
)]

mod alert;
mod config;
mod edits;
mod message;
mod migrate;
pub mod native;
mod wire;

pub use alert::alert;
pub use config::config;
pub use message::message;
pub use migrate::migrate;
pub use wire::wire;
