#![doc = include_str!("../README.md")]
//!
//! # Layout
//!
//! * [`Reversible`], [`Oneshot`]: what a plugin is; [`export!`] makes a component of
//!   it.
//! * [`Alert`]: what it answers.
//! * [`Error`]: why it could not.
//! * [`log`], [`invocation`], [`config`]: what it may always call.
//! * [`firewall`], [`routes`], [`accounts`], [`services`], [`lines`],
//!   [`processes`], [`exec`], [`state`], [`secret`], [`quarantine`],
//!   [`isolation`], [`mail`], [`http`], [`folder`]: what it may call when the command grants it.
//! * [`json`]: JSON, for what it sends and is answered.
//! * `host`: the host of native tests, which records every call.
//! * `bindings`, `rt`: the component's side, generated from `wit/`. The crate
//!   depends on no other.
// The generated bindings of the component are the only unsafe code.
#![cfg_attr(not(target_arch = "wasm32"), forbid(unsafe_code))]
#![deny(unsafe_code)]

// The bindings name this crate as an author's crate does.
#[cfg(target_arch = "wasm32")]
extern crate self as riposte_sdk;

pub mod accounts;
mod alert;
pub mod config;
mod error;
pub mod exec;
pub mod firewall;
pub mod folder;
pub mod http;
pub mod invocation;
pub mod isolation;
pub mod json;
pub mod lines;
pub mod log;
pub mod mail;
pub mod processes;
pub mod quarantine;
mod response;
pub mod routes;
pub mod secret;
pub mod services;
pub mod state;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod bindings;
#[cfg(not(target_arch = "wasm32"))]
pub mod host;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod rt;
mod value;

pub use alert::Alert;
pub use error::Error;
pub use response::{Oneshot, Reversible};
