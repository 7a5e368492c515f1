//! The pure parts of `riposte-runtime`, by their files: the crate itself brings
//! wasmtime, which under a fuzzer takes half an hour to build and counts a
//! million branches that no input reaches.

#[path = "../../../engine/runtime/src/native/answer.rs"]
mod answer;
#[path = "../../../engine/runtime/src/native/message.rs"]
mod message;

pub use answer::keys_in;
pub use message::{Message, NotAMessage, Positional, Verb};
