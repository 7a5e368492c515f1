//! What the binary carries for authors: the WIT, the SDKs and the templates, so
//! that a project is made without a network.

/// Every file, under its path in the repository.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The files beneath a folder of the repository, each with its path from there,
/// in the order of their names.
pub fn beneath(folder: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> + '_ {
    FILES.iter().filter_map(move |(path, bytes)| {
        let rest = path.strip_prefix(folder)?.strip_prefix('/')?;
        Some((rest, *bytes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_carries_what_a_project_needs() {
        let wit: Vec<_> = beneath("wit").map(|(path, _)| path).collect();
        for needed in ["types.wit", "worlds.wit", "deps/http/http.wit"] {
            assert!(wit.contains(&needed), "{wit:?}");
        }
        assert!(beneath("sdk/rust").any(|(path, _)| path == "src/lib.rs"));
        assert!(beneath("sdk/templates/rust").any(|(path, _)| path == "plugin.toml"));
        for (path, _) in FILES {
            let made = ["/target/", "/node_modules/", "/__pycache__/", "/examples/"];
            assert!(!made.iter().any(|folder| path.contains(folder)), "{path}");
        }
    }
}
