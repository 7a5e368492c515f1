//! Runs one response: a component in the sandbox, or a native program.
//!
//! The only crate that sees wasmtime. A component gets a fresh instance for
//! every call, with nothing linked that its command was not granted, and three
//! budgets of its own: processor time, wall time and memory. Whatever it does,
//! a call ends, says how, and leaves the next one untouched.
//!
//! # Layout
//!
//! * [`components`]: [`Components`] loads plugins; [`Plugin`] is one of them.
//! * [`call`]: one call of a plugin, from a fresh store to an [`Outcome`].
//! * [`invocation`], [`outcome`]: what goes into a call and what comes out.
//! * [`inspect`]: what a component exports and imports, and what it lacks.
//! * `exported`: whether its functions are of the types of its kind.
//! * `link`: the linker that holds what was granted, and nothing else.
//! * `host`: the functions that a component imports: one-line forwards.
//! * `state`: what one call owns: session, limits, log.
//! * `meter`: processor time spent in a call.
//! * `engine`: wasmtime's settings, and the clock that interrupts.
//! * `swap`: whether memory may be swapped out, which decides how it is wiped.
//! * `compiled`: compiled code kept on disk. The only unsafe code.
//! * [`native`]: native programs.

#![deny(unsafe_code)]

mod bindings;
pub mod call;
mod compiled;
pub mod components;
mod engine;
mod exported;
mod host;
pub mod inspect;
pub mod invocation;
mod link;
mod meter;
pub mod native;
pub mod outcome;
mod state;
mod swap;
#[cfg(target_os = "linux")]
mod waits;

pub use compiled::digest;
pub use components::{Components, Plugin, RuntimeError, Settings};
pub use inspect::{Inspection, Kind, LoadError};
pub use invocation::Invocation;
pub use outcome::{Failure, Line, Outcome};
