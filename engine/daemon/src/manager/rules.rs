//! The rule files of a Wazuh manager.

use std::path::Path;

use riposte_policy::config::Source;
use riposte_policy::ruleset::{Ruleset, Selection};

use crate::files::{self, File};

/// Largest rule file read, in bytes.
const LARGEST: u64 = 16 << 20;

/// Whether `root` is the home of a manager, which has rules.
#[must_use]
pub fn are_in(root: &Path) -> bool {
    root.join("ruleset/rules").is_dir()
}

/// The rules in a manager's home, as these configuration files select them. A
/// file that cannot be read is left out, and said.
#[must_use]
pub fn read(root: &Path, configs: &[File]) -> Ruleset {
    let names: Vec<_> = configs.iter().map(|file| file.path.display().to_string()).collect();
    let sources: Vec<_> =
        names.iter().zip(configs).map(|(file, read)| Source { file, bytes: &read.bytes }).collect();
    let selection = Selection::of(&sources);
    let mut ruleset = Ruleset::default();
    ruleset.set_log_alert_level(selection.log_alert_level);
    for selected in &selection.paths {
        let path = root.join(selected);
        let mut paths = vec![path.clone()];
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).into_iter().flatten();
            paths = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
            paths.retain(|path| path.extension().is_some_and(|extension| extension == "xml"));
            paths.sort();
        }
        for path in paths {
            let below = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            if selection.excludes(&below) {
                continue;
            }
            match files::read_at_most(&path, LARGEST) {
                Ok(bytes) => ruleset.read(&String::from_utf8_lossy(&bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!(path = %path.display(), %error, "these rules are not known"),
            }
        }
    }
    ruleset
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make files of their own")]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_of_rules_is_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let rules = root.path().join("etc/rules");
        std::fs::create_dir_all(rules.join("b.xml")).unwrap();
        std::fs::write(rules.join("c.xml"), r#"<rule id="7" level="3"></rule>"#).unwrap();
        let pipe = rules.join("a.xml");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        assert!(read(root.path(), &[]).rule(7).is_some());
    }
}
