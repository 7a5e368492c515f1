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
        &["disable-account", "firewall-drop", "kill-process", "restart", "restart-ossec", "restart-wazuh"],
        &[
            (Source::Package("disable-account"), Target::Plain),
            (Source::Package("firewall-drop"), Target::Plain),
            (Source::Package("kill-process"), Target::Plain),
            (Source::Package("restart"), Target::Plain),
            (Source::Package("restart-ossec"), Target::Plain),
            (Source::Package("restart-wazuh"), Target::Plain),
        ],
    )
}
