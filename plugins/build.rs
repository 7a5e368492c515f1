//! Builds the built-in responses.

use std::path::Path;

use riposte_build_components::{BuildError, Source, Target, build};

fn main() -> Result<(), BuildError> {
    println!("cargo::rerun-if-changed=build.rs");
    build(
        // Cargo runs this in the package's folder. A path from the environment
        // would be that of another checkout when they share a target folder.
        Path::new(".."),
        Path::new("components"),
        &["firewall-drop", "host-deny", "ip-customblock", "quarantine-file", "route-null"],
        &[
            (Source::Package("firewall-drop"), Target::Plain),
            (Source::Package("host-deny"), Target::Plain),
            (Source::Package("ip-customblock"), Target::Plain),
            (Source::Package("quarantine-file"), Target::Plain),
            (Source::Package("route-null"), Target::Plain),
        ],
    )
}
