#![doc = include_str!("../README.md")]
//!
//! # Layout
//!
//! * [`Reversible`], [`Oneshot`]: what a plugin is; [`export_reversible!`] and
//!   [`export_oneshot!`] make a component of it.
//! * [`Alert`]: what it answers.
//! * [`Error`]: why it could not.
//! * [`firewall`], [`log`], [`invocation`]: what it may call.
//! * `host`: the host of native tests, which records every call.
// The generated bindings of the component are the only unsafe code.
#![cfg_attr(not(target_arch = "wasm32"), forbid(unsafe_code))]
#![deny(unsafe_code)]

mod alert;
mod error;
pub mod firewall;
pub mod invocation;
pub mod log;
mod response;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod bindings;
#[cfg(not(target_arch = "wasm32"))]
pub mod host;

pub use alert::Alert;
pub use error::Error;
pub use response::{Oneshot, Reversible};
