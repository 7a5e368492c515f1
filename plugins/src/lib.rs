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
    /// All members of an alert that its `keys` depends on, when the command
    /// names none; empty: it is not said. Where they are the same, so are the
    /// keys, and it need not be asked again.
    pub looks_at: &'static [&'static str],
}

/// Where [`riposte_sdk`'s `Alert::address`](https://docs.rs/riposte-sdk) looks.
const ADDRESS: &[&str] = &[
    "/data/win/eventdata/ipAddress",
    "/data/win/eventdata/destinationIp",
    "/data/srcip",
    "/srcip",
    "/source/ip",
];

/// The components whose only key is that address.
const OF_ADDRESSES: [&str; 4] = ["firewall-drop", "host-deny", "ip-customblock", "route-null"];

const fn looks_at(component: &str) -> &'static [&'static str] {
    let mut n = 0;
    while n < OF_ADDRESSES.len() {
        if equal(component.as_bytes(), OF_ADDRESSES[n].as_bytes()) {
            return ADDRESS;
        }
        n += 1;
    }
    &[]
}

const fn equal(one: &[u8], other: &[u8]) -> bool {
    let mut n = 0;
    while n < one.len() && n < other.len() && one[n] == other[n] {
        n += 1;
    }
    n == one.len() && n == other.len()
}

/// All of them, by name.
#[must_use]
pub fn builtins() -> &'static [Builtin] {
    BUILTINS
}

/// One of them: its name, its component and definition in `components/`, and
/// what else it is called. Several may share a component: what they differ in
/// is granted.
macro_rules! builtin {
    ($name:literal, $component:literal / $definition:literal, $aliases:expr) => {
        Builtin {
            name: $name,
            aliases: &$aliases,
            wasm: include_bytes!(concat!(env!("OUT_DIR"), "/", $component, ".wasm")),
            definition: include_str!(concat!("../components/", $component, "/", $definition, ".xml")),
            looks_at: looks_at($component),
        }
    };
}

static BUILTINS: &[Builtin] = &[
    // Wazuh 3 and OSSEC.
    builtin!("disable-account", "disable-account" / "definition", ["disable-account.sh"]),
    // Wazuh 3 and OSSEC; the name of its source; Wazuh 5. All drop what comes
    // from the source address, until the delete.
    builtin!(
        "firewall-drop",
        "firewall-drop" / "definition",
        ["firewall-drop.sh", "default-firewall-drop", "block-ip", "block-ip.exe"]
    ),
    // OSSEC.
    builtin!("firewalld-drop", "firewall-drop" / "firewalld", ["firewalld-drop.sh"]),
    // OSSEC and Wazuh 3.
    builtin!("host-deny", "host-deny" / "definition", ["host-deny.sh"]),
    // OSSEC and Wazuh 3.
    builtin!("ip-customblock", "ip-customblock" / "definition", ["ip-customblock.sh"]),
    // OSSEC and Wazuh 3.
    builtin!("ipfw", "firewall-drop" / "ipfw", ["ipfw.sh"]),
    builtin!("isolate-host", "isolate-host" / "definition", []),
    // The program behind it; Wazuh calls that by way of `kaspersky`.
    builtin!("kaspersky", "kaspersky" / "definition", ["kaspersky.py"]),
    builtin!("kill-process", "kill-process" / "definition", []),
    // OSSEC.
    builtin!("mail", "mail" / "definition", ["mail-test", "mail-test.sh"]),
    // Wazuh 4; OSSEC and Wazuh 3, the last for Windows Server 2016.
    builtin!("netsh", "firewall-drop" / "netsh", ["netsh.exe", "netsh.cmd", "netsh-win-2016.cmd"]),
    // OSSEC and Wazuh 3.
    builtin!("npf", "firewall-drop" / "npf", ["npf.sh"]),
    // OSSEC and Wazuh 3; the second was for macOS, which has had no ipfw since
    // 10.10 and pf since 10.7.
    builtin!("pf", "firewall-drop" / "pf", ["pf.sh", "ipfw_mac.sh"]),
    builtin!("quarantine-file", "quarantine-file" / "definition", []),
    builtin!("restart", "restart" / "definition", []),
    // OSSEC, and Wazuh up to 4.1.
    builtin!("restart-ossec", "restart-ossec" / "definition", ["restart-ossec.sh", "restart-ossec.cmd"]),
    // Windows; what execd of Wazuh 4 starts by itself.
    builtin!("restart-wazuh", "restart-wazuh" / "definition", ["restart-wazuh.exe", "restart.sh"]),
    // OSSEC, on Unix and on Windows; Wazuh on Windows.
    builtin!(
        "route-null",
        "route-null" / "definition",
        ["route-null.sh", "route-null.cmd", "route-null-2012.cmd", "route-null.exe"]
    ),
    // Wazuh 4; OSSEC's script, which posts the same from its own hook.
    builtin!("slack", "slack" / "definition", ["wazuh-slack", "ossec-slack", "ossec-slack.sh"]),
    builtin!("webhook", "webhook" / "definition", []),
    builtin!("yara-scan", "yara-scan" / "definition", []),
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

    /// What the address is looked for is the SDK's to say.
    #[test]
    fn they_look_where_the_sdk_looks() {
        let sdk = include_str!("../../sdk/rust/src/alert.rs");
        let (_, rest) = sdk.split_once("const SOURCE_ADDRESS: [&str; 5] = [").unwrap();
        let (listed, _) = rest.split_once("];").unwrap();
        let listed: Vec<&str> = listed.split(',').map(|one| one.trim().trim_matches('"')).collect();
        assert_eq!(listed[..5], *ADDRESS);
        for builtin in builtins().iter().filter(|builtin| OF_ADDRESSES.contains(&builtin.name)) {
            assert_eq!(builtin.looks_at, ADDRESS);
            let source = format!("{}/components/{}/src/lib.rs", env!("CARGO_MANIFEST_DIR"), builtin.name);
            #[expect(clippy::disallowed_methods, reason = "a test that reads the sources")]
            let source = std::fs::read_to_string(source).unwrap();
            let (_, keys) = source.split_once("fn keys(").unwrap();
            assert!(
                keys.starts_with("alert: &Alert) -> Result<Vec<String>, Error> {\n        Ok(vec![alert.address()?.to_string()])"),
                "{}",
                builtin.name
            );
        }
        assert_eq!(builtins().iter().filter(|builtin| !builtin.looks_at.is_empty()).count(), 9);
    }

    /// None needs WASI but to send requests, and that is all it then imports.
    #[test]
    fn they_are_components_without_wasi() {
        for builtin in builtins() {
            assert!(builtin.wasm.starts_with(b"\0asm\x0d\0\x01\0"), "{} is no component", builtin.name);
            let sends = ["slack", "webhook"].contains(&builtin.name);
            let text = String::from_utf8_lossy(builtin.wasm);
            let mut imports = text.match_indices("wasi:").filter_map(|(at, _)| text.get(at + 5..));
            assert_eq!(imports.clone().next().is_some(), sends, "{}", builtin.name);
            assert!(
                imports.all(|import| sends && ["http", "io/", "clocks/"].iter().any(|of| import.starts_with(of))),
                "{} imports more of WASI than HTTP needs",
                builtin.name
            );
        }
    }

    #[test]
    fn they_stand_in_order() {
        assert!(builtins().is_sorted_by_key(|builtin| builtin.name));
    }
}
