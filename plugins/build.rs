//! Builds the built-in responses.

use std::path::Path;

use riposte_build_components::{BuildError, Source, Target, build};

/// The packages of `components/`.
const PACKAGES: [&str; 16] = [
    "disable-account",
    "firewall-drop",
    "host-deny",
    "ip-customblock",
    "isolate-host",
    "kaspersky",
    "kill-process",
    "mail",
    "quarantine-file",
    "restart",
    "restart-ossec",
    "restart-wazuh",
    "route-null",
    "slack",
    "webhook",
    "yara-scan",
];

fn main() -> Result<(), BuildError> {
    println!("cargo::rerun-if-changed=build.rs");
    // Cargo runs this in the package's folder. A path from the environment
    // would be that of another checkout when they share a target folder.
    let components = PACKAGES.map(|name| (Source::Package(name), Target::Plain));
    build(Path::new(".."), Path::new("components"), &PACKAGES, &components)
}
