//! Components that misbehave, for the tests of the engine, each trying one
//! thing.
//!
//! Those in Rust are in `tests/components/examples`, one file each. Those in
//! `wat/` do what no compiler would write: answers that lie outside their
//! memory, text that is none, a `start` that never ends. `build.rs` makes
//! components of both.
#![forbid(unsafe_code)]

/// The component of this name: `spin`, `hog`, `keys-not-text`, ...
///
/// # Panics
///
/// When there is none of this name; this is a test.
#[must_use]
pub fn component(name: &str) -> &'static [u8] {
    match COMPONENTS.iter().chain(MODULES).find(|(known, _)| *known == name) {
        Some((_, wasm)) => wasm,
        None => panic!("no component named {name} in tests/components/examples or tests/hostile/wat"),
    }
}

/// The names of all components of `wat/`.
pub fn modules() -> impl Iterator<Item = &'static str> {
    MODULES.iter().map(|(name, _)| *name)
}

static COMPONENTS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/components.rs"));
static MODULES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/modules.rs"));
