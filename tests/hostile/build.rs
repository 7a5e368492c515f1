//! Builds the components of `tests/components`.

use std::path::Path;

use riposte_build_components::{BuildError, Source, Target, build};

const PLAIN: [&str; 11] = [
    "bigreceipt",
    "cheat",
    "deaf-delete",
    "echo",
    "floodlog",
    "hog",
    "manykeys",
    "oneshot",
    "panics",
    "spin",
    "ungranted",
];
const WASI: [&str; 3] = ["exits", "once-asleep", "sleeper"];

fn main() -> Result<(), BuildError> {
    println!("cargo::rerun-if-changed=build.rs");
    let plain = PLAIN.iter().map(|name| (Source::Example(name), Target::Plain));
    let wasi = WASI.iter().map(|name| (Source::Example(name), Target::Wasi));
    let components: Vec<_> = plain.chain(wasi).collect();
    // Cargo runs this in the package's folder.
    build(Path::new("../.."), Path::new("../components"), &["examples"], &components)
}
