//! What is to be done, decided without doing anything.
//!
//! This crate reads Wazuh's and OSSEC's configuration and alerts and answers
//! one question: which responses does this alert call for? It performs no
//! input or output and asks no clock, so every answer can be tested with text.
//!
//! # Layout
//!
//! * [`config`]: `ossec.conf` to [`Config`]: commands, responses, white list.
//! * [`diagnostic`]: what is wrong in a file, where, and what to write instead.
//! * [`alert`]: one line of `alerts.json`, read without copying it; what stands
//!   where in it.
//! * [`matching`]: from an alert to the responses that fire, by index.
//! * [`migrate`]: to the documents of Wazuh 5.x and back.
//! * [`osregex`]: OSSEC's regular expressions, which match groups the 4.x way.
//! * [`order`]: one response that is to be run, and who asked for it.
//! * [`grant`], [`limit`]: what a command may do and how much it may use.
//! * [`address`], [`user`], [`mod@unit`], [`keys`]: what a response acts on, as types,
//!   and where in an alert it stands; [`embedded`]: IPv6 addresses that stand for IPv4;
//!   [`readings`]: what lenient readers take a text for.
//! * [`span`]: lengths of time as configurations write them.
//! * [`ruleset`]: a manager's rules: which of them no alert or no response follows.
//! * [`stock`]: a manager's own responses as bytes, and switching them off and on.
//! * [`tags`]: where each tag of a file stands.

#![forbid(unsafe_code)]

pub mod address;
pub mod alert;
pub mod config;
pub mod diagnostic;
pub mod embedded;
pub mod grant;
mod json;
pub mod keys;
pub mod limit;
pub mod matching;
pub mod migrate;
pub mod order;
pub mod osregex;
mod pointer;
pub mod readings;
pub mod ruleset;
pub mod span;
pub mod stock;
pub mod tags;
mod timestamp;
pub mod unit;
pub mod user;

pub use address::{Address, Prefix};
pub use config::Config;
pub use diagnostic::{Diagnostic, Severity};
pub use keys::Keys;
pub use order::Order;
pub use user::UserName;
