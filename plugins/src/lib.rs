//! The responses that come with the engine.
//!
//! Each is a component like any other: built from `components/`, embedded
//! here, and confined to what its definition grants. `build.rs` builds them.
#![forbid(unsafe_code)]

/// A response that comes with the engine.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Name of the executable.
    pub name: &'static str,
    /// Executables of Wazuh and OSSEC that it stands in for.
    pub aliases: &'static [&'static str],
    /// The component.
    pub wasm: &'static [u8],
    /// Its `<command>`, with the grants that it needs. A configuration that
    /// names the executable inherits them.
    pub definition: &'static str,
}

/// All of them, by name.
#[must_use]
pub fn builtins() -> &'static [Builtin] {
    &BUILTINS
}

static BUILTINS: [Builtin; 6] = [
    Builtin {
        name: "firewall-drop",
        // Wazuh 3 and OSSEC; the name of its source; Wazuh 5. All drop what comes
        // from the source address, until the delete.
        aliases: &["firewall-drop.sh", "default-firewall-drop", "block-ip", "block-ip.exe"],
        wasm: include_bytes!(concat!(env!("OUT_DIR"), "/firewall-drop.wasm")),
        definition: include_str!("../components/firewall-drop/definition.xml"),
    },
    Builtin {
        name: "firewalld-drop",
        // OSSEC. The same component: what blocks is the grant's.
        aliases: &["firewalld-drop.sh"],
        wasm: include_bytes!(concat!(env!("OUT_DIR"), "/firewall-drop.wasm")),
        definition: include_str!("../components/firewall-drop/firewalld.xml"),
    },
    Builtin {
        name: "host-deny",
        // OSSEC and Wazuh 3.
        aliases: &["host-deny.sh"],
        wasm: include_bytes!(concat!(env!("OUT_DIR"), "/host-deny.wasm")),
        definition: include_str!("../components/host-deny/definition.xml"),
    },
    Builtin {
        name: "ip-customblock",
        // OSSEC and Wazuh 3.
        aliases: &["ip-customblock.sh"],
        wasm: include_bytes!(concat!(env!("OUT_DIR"), "/ip-customblock.wasm")),
        definition: include_str!("../components/ip-customblock/definition.xml"),
    },
    Builtin {
        name: "quarantine-file",
        aliases: &[],
        wasm: include_bytes!(concat!(env!("OUT_DIR"), "/quarantine-file.wasm")),
        definition: include_str!("../components/quarantine-file/definition.xml"),
    },
    Builtin {
        name: "route-null",
        // OSSEC, on Unix and on Windows; Wazuh on Windows.
        aliases: &["route-null.sh", "route-null.cmd", "route-null-2012.cmd", "route-null.exe"],
        wasm: include_bytes!(concat!(env!("OUT_DIR"), "/route-null.wasm")),
        definition: include_str!("../components/route-null/definition.xml"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_means_one_response() {
        let mut names: Vec<&str> =
            builtins().iter().flat_map(|b| [b.name].into_iter().chain(b.aliases.iter().copied())).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn definitions_name_their_component() {
        for builtin in builtins() {
            assert!(
                builtin.definition.contains(&format!("<executable>{}</executable>", builtin.name)),
                "{}",
                builtin.name
            );
        }
    }

    #[test]
    fn they_are_components_without_wasi() {
        for builtin in builtins() {
            assert!(builtin.wasm.starts_with(b"\0asm\x0d\0\x01\0"), "{} is no component", builtin.name);
            assert!(!builtin.wasm.windows(5).any(|bytes| bytes == b"wasi:"), "{} imports WASI", builtin.name);
        }
    }
}
