//! Builds the built-in responses.

use std::path::Path;

use riposte_build_components::{BuildError, Source, Target, build};

fn main() -> Result<(), BuildError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = folder.join("..");
    println!("cargo::rerun-if-changed=build.rs");
    build(
        &root,
        &folder.join("components"),
        &["firewall-drop"],
        &[(Source::Package("firewall-drop"), Target::Plain)],
    )
}
