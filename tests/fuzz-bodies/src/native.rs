//! The pure parts of `riposte-runtime`, by their files: the crate itself brings
//! wasmtime, which under a fuzzer takes half an hour to build and counts a
//! million branches that no input reaches.

#[path = "../../../engine/runtime/src/native/answer.rs"]
mod answer;
#[path = "../../../engine/runtime/src/native/cjson.rs"]
mod cjson;
#[path = "../../../engine/runtime/src/native/five.rs"]
mod five;
#[cfg(test)]
#[path = "../../../engine/runtime/src/native/fixture.rs"]
mod fixture;
#[path = "../../../engine/runtime/src/native/message.rs"]
mod message;
#[path = "../../../engine/runtime/src/native/positional.rs"]
mod positional;

pub use answer::keys_in;
pub use message::{Message, NotAMessage, Verb, extra_args};
pub use positional::Positional;
