//! Components that misbehave, for the tests of the engine.
//!
//! Their sources are in `tests/components/examples`, one file each; `build.rs`
//! builds them.
#![forbid(unsafe_code)]

/// The component of this name: `spin`, `hog`, `panics`, ...
///
/// # Panics
///
/// When there is none of this name; this is a test.
#[must_use]
pub fn component(name: &str) -> &'static [u8] {
    match COMPONENTS.iter().find(|(known, _)| *known == name) {
        Some((_, wasm)) => wasm,
        None => panic!("no component named {name} in tests/components/examples"),
    }
}

static COMPONENTS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/components.rs"));
